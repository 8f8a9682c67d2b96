"""Keras' CSVLogger, Monitor's telemetry, histories saved with pandas or NumPy, and any other table of curves.

This is the last of the table formats: it takes what the others do not know, with or without a header, after a
preamble, in several trainings one after another.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import Column, classify
from diagnose.readers.curves import Source, columns_of, config_beside, to_runs
from diagnose.readers.table import Table, read_tables, sniff
from diagnose.run import FloatArray, Run

FORMAT = "keras-csv"


def matches(document: Document) -> bool:
    """Whether the head is a table of numbers."""
    return sniff(document) is not None


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the runs in the table.

    Raises
    ------
    ReadError
        It is no table, or no training log.
    """
    return read_as(FORMAT, document, roles)


def read_as(format: str, document: Document, roles: Roles, *, told: bool | None = None) -> list[Run]:
    """Return the runs in the table, read as this format.

    Parameters
    ----------
    format
        The format's name.
    document
        The table.
    roles
        The roles given by hand, and those that the format knows.
    told
        Whether any was given by hand; by default, whether there are any.

    Raises
    ------
    ReadError
        It is no table, or no training log.
    """
    layout = sniff(document)
    if layout is None:
        raise ReadError("is no table", "a log is a table with one row per epoch")
    tables = read_tables(document, layout)
    return table_runs(format, document, tables, roles, told=bool(roles) if told is None else told)


@np.errstate(all="ignore")
def table_runs(format: str, document: Document, tables: list[Table], roles: Roles, *, told: bool = False) -> list[Run]:
    """Return the runs in tables of one document.

    Raises
    ------
    ReadError
        They are no training log.
    """
    if not tables:
        raise _no_rows(document)
    notes = table_notes(tables)
    if tables[0].names:
        columns = [columns_of(table.names, roles if n == 0 else {}) for n, table in enumerate(tables)]
    else:
        tables, columns, note = _name_columns(tables[0], roles)
        notes = (note, *notes)
    source = Source(document.source, format, told, notes, config_beside(document))
    return to_runs(source, list(zip(tables, columns, strict=True)))


def _no_rows(document: Document) -> ReadError:
    layout = sniff(document)
    where = f"line {layout.first_row} is a header" if layout is not None and layout.names else "there are numbers"
    return ReadError(f"has no epoch yet: {where} and no whole row follows", "wait for the first epoch to end")


def table_notes(tables: list[Table]) -> tuple[str, ...]:
    """Return what had to be left out or skipped to read the tables."""
    notes = []
    for table in tables:
        others = [width for width in sorted(table.left_out) if width != len(table.columns)]
        if others:
            count = sum(table.left_out[width] for width in others)
            widths = " or ".join(map(str, others[:4]))
            notes.append(
                f"{count} of {count + len(table)} rows left out: they have {widths} fields, "
                f"and the header names {len(table.columns)}"
            )
        wordy = table.left_out.get(len(table.columns))
        if wordy:
            notes.append(f"{wordy} lines without a number left out")
    if tables[-1].torn:
        notes.append("the last line is torn and left out")
    if len(tables) > 1 and not tables[0].label:
        notes.append(f"the header changes on the way: {len(tables)} parts are read, each under its own")
    return tuple(notes)


def _name_columns(table: Table, roles: Roles) -> tuple[list[Table], list[list[Column]], str]:
    """Name the columns of a table without a header by their values, or by the roles given by hand."""
    names = tuple(f"column {i + 1}" for i in range(len(table.columns)))
    table = dataclasses.replace(table, names=names)
    if roles:
        return [table], [columns_of(names, roles)], "no header: columns taken as told"
    guessed = _guess(table)
    if guessed is None:
        raise ReadError(
            f"has no header, and the values of its {len(names)} columns do not tell what they are",
            "add a header line, or name them: --role 'column 1=loss' --role 'column 2=val_loss'",
        )
    note = f"no header: columns taken as {', '.join(guessed)} by their values"
    return [dataclasses.replace(table, names=tuple(guessed))], [[classify(n) for n in guessed]], note


def _guess(table: Table) -> list[str] | None:
    """Return the names that fit the values of a history without a header; None where none do."""
    columns = list(table.columns)
    if table.text or len(table) < 3 or any(logged is not None for logged in table.logged):
        return None
    before: list[str] = []
    after: list[str] = []
    steps = np.diff(columns[0])
    if len(columns) > 1 and steps[0] > 0 and np.all(steps == steps[0]) and np.all(columns[0] % 1 == 0):
        before = ["epoch" if steps[0] == 1 else "step"]
        columns = columns[1:]
    if len(columns) > 1 and _is_rate(columns[-1]):
        after = ["learning_rate"]
        columns = columns[:-1]
    curves = _guess_curves(columns) if any(map(_is_curve, columns)) else None
    return [*before, *curves, *after] if curves else None


#: The orders in which a history of four curves is written: by Keras, sorted by name, and in pairs.
_ORDERS_OF_FOUR = (
    ("loss", "accuracy", "val_loss", "val_accuracy"),
    ("accuracy", "loss", "val_accuracy", "val_loss"),
    ("loss", "val_loss", "accuracy", "val_accuracy"),
)


def _guess_curves(columns: list[FloatArray]) -> list[str] | None:
    if len(columns) == 1:
        rises = _is_fraction(columns[0]) and _trend(columns[0]) > 0
        return ["accuracy"] if rises else ["loss"]
    if len(columns) == 2:
        for names in (["loss", "accuracy"], ["accuracy", "loss"]):
            by_name = dict(zip(names, columns, strict=True))
            if _is_fraction(by_name["accuracy"]) and _trend(by_name["loss"]) < 0 < _trend(by_name["accuracy"]):
                return names
        return ["loss", "val_loss"]
    if len(columns) != 4:
        return None
    for order in _ORDERS_OF_FOUR:
        by_name = dict(zip(order, columns, strict=True))
        if not (_is_fraction(by_name["accuracy"]) and _is_fraction(by_name["val_accuracy"])):
            continue
        beyond_one = not (_is_fraction(by_name["loss"]) and _is_fraction(by_name["val_loss"]))
        if beyond_one or _trend(by_name["loss"]) < 0 < _trend(by_name["accuracy"]):
            return list(order)
    return None


def _is_fraction(values: FloatArray) -> bool:
    finite = values[np.isfinite(values)]
    return bool(len(finite) and finite.min() >= 0 and finite.max() <= 1)


def _trend(values: FloatArray) -> float:
    """Return the change from the first third to the last."""
    finite = values[np.isfinite(values)]
    third = max(1, len(finite) // 3)
    return float(finite[-third:].mean() - finite[:third].mean()) if len(finite) else 0.0


def _is_rate(values: FloatArray) -> bool:
    """Whether values are like a learning rate: small, positive, and changed only now and then."""
    return bool(
        np.all(values > 0) and values.max() <= 1 and np.count_nonzero(np.diff(values)) <= max(1, len(values) // 20)
    )


def _is_curve(values: FloatArray) -> bool:
    """Whether neighbours are alike, as in time they are and in a table of samples they are not."""
    finite = values[np.isfinite(values)]
    if len(finite) < 8:
        return True
    spread = float(np.var(finite))
    return spread > 0 and float(np.mean(np.diff(finite) ** 2)) / (2 * spread) < 0.7
