"""PyTorch Lightning's ``metrics.csv``: an epoch and a step column, and rows that hold a part of the values each.

Training values are logged every so many steps, validation values at the end of an epoch, the test at the very end,
each in a row of its own. All are put on the epoch axis; several values of one epoch are averaged.
"""

from __future__ import annotations

from diagnose.readers import keras_csv
from diagnose.readers.base import Document, Roles
from diagnose.readers.table import sniff
from diagnose.run import Run

FORMAT = "lightning"


def matches(document: Document) -> bool:
    """Whether the header has ``epoch`` and ``step``, as Lightning spells them, beside a loss or a metric."""
    layout = sniff(document)
    return layout is not None and layout.delimiter == "," and layout.judged and {"epoch", "step"} <= set(layout.names)


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the run in the table.

    Raises
    ------
    ReadError
        It holds no loss and no metric.
    """
    return keras_csv.read_as(FORMAT, document, roles)
