"""Python objects -> runs: a Keras History, a dictionary of lists, a pandas frame, a Keras model.

Nothing is imported to tell which it is; for a model `diagnose.audit` is, to look at it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from diagnose.readers.base import ReadError, Roles
from diagnose.readers.rows import Log, Row, runs_of
from diagnose.run import Run

FORMAT = "python-object"

_EXPECTED = (
    "pass the History that fit returns, a dictionary of lists like History.history, a pandas frame, or a Keras model"
)


def read(obj: object, roles: Roles) -> list[Run]:
    """Return the run in an object.

    Raises
    ------
    ReadError
        The object is not one of these, or has no curve.
    """
    kind = type(obj).__name__
    if _is_model(obj):
        from diagnose.readers import keras_model

        return keras_model.read_model(obj)
    history = getattr(obj, "history", None)
    if isinstance(history, Mapping):
        epochs = getattr(obj, "epoch", None)
        return _run(kind, history, roles, index=epochs if isinstance(epochs, list) else (), config=_config(obj))
    if isinstance(obj, Mapping):
        return _run(kind, obj, roles)
    if hasattr(obj, "columns") and hasattr(obj, "index") and hasattr(obj, "iloc"):
        frame: Any = obj
        columns = {str(name): frame.iloc[:, i].tolist() for i, name in enumerate(frame.columns)}
        return _run(kind, columns, roles, index=[*frame.index], axis="index")
    raise ReadError(f"a {kind} is no training log", _EXPECTED)


def _is_model(obj: object) -> bool:
    """Whether this is a Keras model; where Keras was never imported there is none."""
    model = getattr(sys.modules.get("keras"), "Model", None)
    return isinstance(model, type) and isinstance(obj, model)


def _config(history: object) -> dict[str, Any]:
    params = getattr(history, "params", None)
    known = params if isinstance(params, Mapping) else {}
    return {"steps_per_epoch": known["steps"]} if isinstance(known.get("steps"), int) else {}


def _run(
    kind: str,
    columns: Mapping[Any, Any],
    roles: Roles,
    *,
    index: Sequence[Any] = (),
    axis: str = "epoch",
    config: Mapping[str, Any] = MappingProxyType({}),
) -> list[Run]:
    curves = {str(name): numbers for name, values in columns.items() if (numbers := _numbers(values)) is not None}
    length = max(map(len, curves.values()), default=0)
    if not length:
        raise ReadError(f"the {kind} has no curve", _EXPECTED if columns else "fit has trained no epoch yet")
    numbers = [_number(i) for i in index]
    rows: list[Row] = [
        (
            numbers[i] if len(numbers) == length else None,
            {name: number for name, values in curves.items() if i < len(values) and (number := values[i]) is not None},
        )
        for i in range(length)
    ]
    return runs_of(kind, FORMAT, [Log(rows, axis, config=config)], roles)


def _numbers(values: Any) -> list[float | None] | None:
    """Return a column as numbers, None for what was not logged; None for what is no column of numbers."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        return None
    numbers = [_number(value) for value in values]
    return numbers if any(number is not None for number in numbers) else None


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool | str | bytes):
        return None
    try:
        return float(np.asarray(value, dtype=np.float64).item())
    except (TypeError, ValueError, OverflowError):
        return None
