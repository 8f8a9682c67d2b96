"""Curves that carry a step with every value, as TensorBoard and MLflow keep them -> rows."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from diagnose.readers.columns import classify
from diagnose.readers.rows import Log, Row

#: Step and value of each point, in the order of logging.
StepPoints = Sequence[tuple[float, float]]

#: Steps that count one by one are epochs up to this many, and iterations beyond.
_MAX_EPOCHS = 3000


def log_of_steps(curves: Mapping[str, StepPoints], **known: Any) -> Log:
    """Return the log of curves; where their steps begin again, another training begins.

    Parameters
    ----------
    curves
        Name -> points.
    **known
        The label, notes and config of the `Log`.
    """
    by_epoch = _by_epoch(curves)
    axis = "epoch" if by_epoch is not None or _counts_epochs(curves) else "step"
    split = {name: _split(points) for name, points in (by_epoch or curves).items()}
    rows: list[Row] = []
    breaks: list[int] = []
    for i in range(max(map(len, split.values()), default=0)):
        at: dict[float, dict[str, float]] = {}
        for name, parts in split.items():
            for step, value in parts[i] if i < len(parts) else ():
                at.setdefault(step, {})[name] = value
        breaks.append(len(rows))
        rows += sorted(at.items())
    return Log(rows, axis, breaks, **known)


def _by_epoch(curves: Mapping[str, StepPoints]) -> dict[str, StepPoints] | None:
    """Number the points by the curve that tells the epoch of each step, as Lightning logs one; None without it."""
    key = next((name for name in curves if classify(name).kind == "epoch"), None)
    if key is None or len(curves) == 1:
        return None
    told = sorted(curves[key])
    steps = [step for step, _ in told]

    def epoch(step: float) -> float:
        return told[max(bisect.bisect_right(steps, step) - 1, 0)][1]

    return {name: [(epoch(step), value) for step, value in points] for name, points in curves.items() if name != key}


def _counts_epochs(curves: Mapping[str, StepPoints]) -> bool:
    steps = sorted({step for points in curves.values() for step, _ in points})
    if len(steps) == 1:
        return steps[0] <= 1
    return len(steps) <= _MAX_EPOCHS and all(b - a == 1 for a, b in pairwise(steps))


def _split(points: StepPoints) -> list[StepPoints]:
    parts: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if parts[-1] and point[0] < parts[-1][-1][0]:
            parts.append([])
        parts[-1].append(point)
    return [*parts]
