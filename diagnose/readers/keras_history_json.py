"""A history written as JSON, in any of the shapes that ``json.dump`` and pandas give it.

``{"loss": [...], "val_loss": [...]}`` (``History.history``), ``{"loss": {"0": ...}}`` (``DataFrame.to_json``), its
``split`` form, a list of rows, JSON lines of rows, and a mapping or list of such histories (one per fold or model).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diagnose.readers import json_text
from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import classify
from diagnose.readers.curves import is_facts
from diagnose.readers.rows import MAX_ROWS, Log, Row, runs_of
from diagnose.run import Run

FORMAT = "keras-history-json"

#: What JSON can begin with; ``[2023-05-15 20:39]`` and ``[1/10]`` begin lines of text.
_JSON = re.compile(
    r"\s*(?:\{\s*(?:[\"}]|$)|\[\s*(?:[\[{\"\]]|$|(?:-?\d[\d.eE+-]*|NaN|null|true|false)\s*(?:,|\]\s*$)))"
)
_MAX_TRAININGS = 10_000

_EXPECTED = 'a history as JSON is {"loss": [...], "val_loss": [...]}'


def matches(document: Document) -> bool:
    """Whether the content is JSON: as the last JSON format it also says what is wrong with JSON that is no log."""
    return _JSON.match(document.head_text) is not None


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the run of each history."""
    try:
        content = json_text.load(document)
    except json_text.SeveralError:
        content = list(json_text.load_lines(document))
    if isinstance(content, dict) and is_facts(content):
        raise ReadError("holds what Monitor knows of a training beside its curves", "pass the log, the .csv beside it")
    return runs_of(document.source, FORMAT, _logs(content), roles)


def _logs(content: object) -> list[Log]:
    log = _log(content, "")
    if log is not None:
        return [log]
    found = [inner for name, value in _members(content) if (inner := _log(value, name)) is not None]
    if not found:
        raise ReadError(f"is JSON without a curve{_found(content)}", _EXPECTED)
    if len(found) > _MAX_TRAININGS:
        raise ReadError(f"has {len(found):,} histories, more than {_MAX_TRAININGS:,}")
    return found


def _log(content: object, label: str) -> Log | None:
    """Return the log where the value is one history; None where it is none."""
    if isinstance(content, dict):
        if isinstance(content.get("history"), dict):  # a pickled-to-JSON History object: history, epoch, params
            return _of_columns({**_epochs_of(content), **content["history"]}, label)
        if content.keys() >= {"columns", "data"} and isinstance(content["data"], list):
            return _of_table(content, label)
        return _of_columns(content, label) or _of_rows([content], label)
    if isinstance(content, list):
        return _of_rows(content, label)
    return None


def _members(content: object) -> Iterable[tuple[str, Any]]:
    if isinstance(content, dict):
        return [(str(name), value) for name, value in content.items()]
    if isinstance(content, list):
        return [("", value) for value in content]
    return []


def _epochs_of(history: Mapping[str, Any]) -> dict[str, Any]:
    epochs = history.get("epoch")
    return {"epoch": epochs} if isinstance(epochs, list) else {}


def _of_columns(content: Mapping[str, Any], label: str) -> Log | None:
    """Return the log in a mapping of names to lists, or to mappings of index to value."""
    columns: dict[str, Sequence[Any]] = {}
    index: Sequence[Any] = ()
    for name, value in content.items():
        if isinstance(value, dict) and value and not any(isinstance(v, dict | list) for v in value.values()):
            columns[name] = [*value.values()]
            index = index or [*value]
        elif isinstance(value, list) and not any(isinstance(v, dict | list) for v in value):
            columns[name] = value
    if not any(classify(name).is_judged for name in columns):
        return None
    length = max(map(len, columns.values()))
    if length > MAX_ROWS:
        raise ReadError(f"has more than {MAX_ROWS:,} values in a curve", "log every epoch in place of every step")
    numbers = [_cell(i) for i in index]
    numbered = len(numbers) == length and all(isinstance(n, float) for n in numbers)
    rows: list[Row] = []
    for i in range(length):
        row = {n: cell for n, values in columns.items() if i < len(values) and (cell := _cell(values[i])) is not None}
        number = numbers[i] if numbered else None
        rows.append((number if isinstance(number, float) else None, row))
    return Log(rows, "index", label=label)


def _of_table(content: Mapping[str, Any], label: str) -> Log | None:
    """Return the log in what ``to_json(orient="split")`` writes."""
    names = content["columns"]
    if not isinstance(names, list):
        return None
    rows = [dict(zip(map(str, names), row, strict=False)) for row in content["data"] if isinstance(row, list)]
    return _of_rows(rows, label)


def _of_rows(content: Sequence[Any], label: str) -> Log | None:
    """Return the log in a list of rows."""
    if len(content) > MAX_ROWS:
        raise ReadError(f"has more than {MAX_ROWS:,} rows", "log every epoch in place of every step")
    cells = [
        {name: cell for name, value in row.items() if (cell := _cell(value)) is not None}
        for row in content
        if isinstance(row, dict)
    ]
    rows: list[Row] = [(None, row) for row in cells if row]
    if not any(classify(name).is_judged for name in {n for _, row in rows for n in row}):
        return None
    return Log(rows, label=label)


def _cell(value: object) -> float | str | None:
    """Return a number, also one written as text (``"nan"``), or a text; None for what is neither."""
    if not isinstance(value, float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return value


def _found(content: object) -> str:
    if isinstance(content, dict):
        names = ", ".join(name[:40] for name in [*content][:5])
        return f"; its keys are {names}" if names else ""
    return ""
