"""Exports of Weights & Biases: the history of one run, and the chart of a metric over several runs.

The runs table that the same site exports has one row per run: it is no training log, and is said to be so.
"""

from __future__ import annotations

import re

from diagnose.readers import keras_csv
from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import clean_name
from diagnose.readers.table import Layout, Table, read_tables, sniff
from diagnose.run import Run

FORMAT = "wandb"

#: A column of a chart: ``run name - val_loss``, with its bounds beside it.
_CHART = re.compile(r"(?P<run>.+?) - (?P<metric>.+?)(?P<bound>__MIN|__MAX)?$")
_RUNS_TABLE = frozenset(("State", "Runtime", "Created", "Sweep", "Notes", "Tags", "User", "GPU Type", "Hostname"))


def matches(document: Document) -> bool:
    """Whether the header is one of an export: ``_step`` and ``_runtime``, a chart, or a runs table."""
    layout = sniff(document)
    return layout is not None and ("_step" in layout.names or _is_chart(layout) or _is_runs_table(layout, document))


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the runs in the export.

    Raises
    ------
    ReadError
        It is a runs table, or holds no loss and no metric.
    """
    layout = sniff(document)
    if layout is not None and _is_runs_table(layout, document) and not roles:
        raise ReadError(
            "is a W&B runs table with one row per run, no training log",
            "export the history of one run: Run.history() in Python, or a chart's panel menu, Export as CSV",
        )
    if layout is not None and _is_chart(layout) and not roles:
        tables = [part for table in read_tables(document, layout) for part in _by_run(table)]
        return keras_csv.table_runs(FORMAT, document, tables, roles)
    return keras_csv.read_as(FORMAT, document, roles)


def _by_run(table: Table) -> list[Table]:
    """Return a table for each run of a chart, without the bounds of its smoothing."""
    members: dict[str, list[tuple[int, str]]] = {}
    for i, name in enumerate(table.names):
        match = _CHART.fullmatch(name)
        if i > 0 and match is not None and not match["bound"]:
            members.setdefault(match["run"], []).append((i, match["metric"]))
    return [
        Table(
            names=(table.names[0], *(metric for _, metric in found)),
            columns=[table.columns[0], *(table.columns[i] for i, _ in found)],
            logged=[table.logged[0], *(table.logged[i] for i, _ in found)],
            label=run,
        )
        for run, found in members.items()
    ]


def _is_chart(layout: Layout) -> bool:
    curves = [name for name in layout.names[1:] if _CHART.fullmatch(name)]
    return len(curves) == len(layout.names) - 1 > 0


def _is_runs_table(layout: Layout, document: Document) -> bool:
    """Whether the first column is W&B's ``Name``, quoted as it quotes all, beside what it knows of a run."""
    if not layout.names or layout.names[0] != "Name" or "_step" in layout.names:
        return False
    header = next((line for line in document.head_text.splitlines() if clean_name(line).startswith("Name")), "")
    return bool(_RUNS_TABLE.intersection(layout.names)) or header.lstrip("\ufeff").startswith('"Name"')
