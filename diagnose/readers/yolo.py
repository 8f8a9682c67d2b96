"""Ultralytics' ``results.csv``: YOLOv5 (padded names), YOLOv8 and later; detection, segmentation, classification.

The components of the loss (``train/box_loss`` ...) are outputs of it, and their sum, which the log lacks, is added as
``train/loss (sum)``. ``metrics/*`` are measured on the validation data.
"""

from __future__ import annotations

import re

from diagnose.readers import keras_csv
from diagnose.readers.base import Document, Roles
from diagnose.readers.table import sniff
from diagnose.run import Run

FORMAT = "yolo"

_RATE = re.compile(r"(?:lr/pg|x/lr)(\d+)")


def matches(document: Document) -> bool:
    """Whether the header has ``epoch``, ``train/*loss`` and ``metrics/*``."""
    layout = sniff(document)
    if layout is None or "epoch" not in layout.names:
        return False
    trained = any(n.startswith("train/") and n.endswith("loss") for n in layout.names)
    return trained and any(n.startswith("metrics/") for n in layout.names)


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the run in the table.

    Raises
    ------
    ReadError
        It holds no loss and no metric.
    """
    layout = sniff(document)
    names = layout.names if layout is not None else ()
    return keras_csv.read_as(FORMAT, document, {**_other_rates(names), **roles}, told=bool(roles))


def _other_rates(names: tuple[str, ...]) -> Roles:
    """Keep one rate of the three parameter groups: the weights', not the biases', which warm up from above.

    The biases are the first group or the last, by version; the second never is.
    """
    rates = {int(match[1]): name for name in names if (match := _RATE.fullmatch(name))}
    if not rates:
        return {}
    kept = rates.get(1, next(iter(rates.values())))
    return {name: "learning_rate" if name == kept else "ignore" for name in rates.values()}
