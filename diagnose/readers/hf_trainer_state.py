"""``trainer_state.json`` of the Hugging Face Trainer.

``log_history`` is a list of sparse rows: training rows (loss, grad_norm, learning_rate), evaluation rows (eval_*) and
a summary at the end, each with its fractional epoch and its step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from diagnose.readers import json_text
from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.rows import Log, Row, merged, runs_of
from diagnose.run import Run

FORMAT = "hf-trainer-state"

_NOT_CURVES = ("epoch", "step", "total_flos")
_SPEED = ("_runtime", "_per_second", "_compilation_time")


def matches(document: Document) -> bool:
    """Whether the head names the history of a trainer state."""
    return '"log_history"' in document.head_text


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the one run."""
    try:
        state = json_text.load(document)
    except json_text.SeveralError as error:
        raise ReadError("has more after the end of the trainer state") from error
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise ReadError("has no list log_history, which a trainer state has")
    logged = [row for row in history if isinstance(row, dict)]
    axis, rows = _rows(logged)
    if not rows:
        raise ReadError("is a trainer state that has logged nothing yet", "set logging_steps, and train on")
    runs = runs_of(document.source, FORMAT, [Log(merged(rows), axis, config=_config(state))], roles)
    trained = _number(state.get("epoch"))
    if len(runs) > 1 or trained is None or not math.isfinite(trained):
        return runs
    # The curves have a point every logging step: their length does not tell the epochs.
    return [dataclasses.replace(run, epoch_count=max(1, math.ceil(trained))) for run in runs]


def _rows(logged: Sequence[Mapping[str, Any]]) -> tuple[str, list[Row]]:
    """Return the axis and the rows: the epoch where it tells the rows apart, else the step."""
    steps = [_number(row.get("step")) for row in logged]
    epochs = [_number(row.get("epoch")) for row in logged]
    # Older versions round the epoch to two digits: steps that differ may share one.
    distinct = {(e, s) for e, s in zip(epochs, steps, strict=True)}
    tells = None not in epochs and len(distinct) == len(set(epochs))
    axis = "epoch" if tells else "step"
    numbers = epochs if tells else steps
    if not tells and None in steps:
        numbers = [float(i) for i in range(1, len(logged) + 1)]
    rows: list[Row] = [
        (number, values)
        for number, row in zip(numbers, logged, strict=True)
        if number is not None and (values := _values(row))
    ]
    return axis, rows


def _values(row: Mapping[str, Any]) -> dict[str, float]:
    summary = "train_runtime" in row  # its train_loss is the mean over the whole training
    values = {}
    for name, value in row.items():
        number = _number(value)
        if number is None or name in _NOT_CURVES or name.endswith(_SPEED) or (summary and name == "train_loss"):
            continue
        values[name] = number
    return values


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _config(state: Mapping[str, Any]) -> Mapping[str, Any]:
    batch = _number(state.get("train_batch_size"))
    return {"batch_size": int(batch)} if batch is not None and math.isfinite(batch) else {}
