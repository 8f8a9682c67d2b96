"""The log holds a value that its quantity cannot have.

What it detects
---------------
A negative cross-entropy, a negative squared or absolute error, an accuracy outside 0 to 1.

How it is detected
------------------
A loss below zero in a run that logs an accuracy (or whose run.json names a cross-entropy or a squared or
absolute error as the loss), and no score of overlap (dice, IoU), whose losses may be negative; an error
metric below zero; an accuracy above 1 (100 in percent).

Why it matters
--------------
Labels outside 0 and 1 make binary cross-entropy negative without bound: the model is rewarded for absurd
outputs and the run looks better the worse it gets.

How to fix
----------
Bring the labels into the range that the loss expects; fit output layer and loss to the labels.

References
----------
Cross-entropy is at least the entropy of the labels, which is never negative (Cover & Thomas, Elements of
Information Theory, 2006).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Finding, Point, Severity
from diagnose.remedies import data, model
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(any_of=(("loss",), ("val_loss",), ("metric",), ("val_metric",))),
    explains=(
        "divergence",
        "learning-rate-too-high",
        "overfitting",
        "metric-stuck",
        "loss-metric-disagreement",
        "underfitting",
    ),
    fault=Fault.DATA,
)

_ERRORS = frozenset({"mse", "mae", "rmse", "mape", "msle"})
_SCORES = frozenset({"accuracy", "top1_accuracy", "top5_accuracy", "balanced_accuracy"})
_OVERLAPS = frozenset({"dice", "iou"})
_POSITIVE_LOSSES = ("crossentropy", "cross_entropy", "mean_squared", "mean_absolute", "mse", "mae", "huber")


@dataclass(frozen=True)
class Options:
    """Thresholds of impossible-loss."""

    tolerance: float = threshold(
        1e-6, unit="", source="rounding of 32-bit logs", help="how far outside a value may lie"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding per impossible curve."""
    for series in run.series:
        at = _first_impossible(run, series, options.tolerance)
        if at is None:
            continue
        value = float(series.values[at])
        limit = 0.0 if value < 0 else series.scale
        side = "below 0" if value < 0 else f"above {limit:g}"
        yield Finding(
            severity=Severity.CRITICAL,
            confidence=0.9,
            summary=f"{series.name} is {value:.4g} at {run.axis} {series.epochs[at]:g}: it cannot be {side}.",
            epoch=float(series.epochs[at]),
            evidence=(
                Point(
                    label=f"{series.name}, which cannot be {side}",
                    value=value,
                    threshold=limit,
                    series=series.name,
                    epoch=float(series.epochs[at]),
                ),
            ),
            fixes=(data.fix_label_range(), model.match_output_to_loss(), data.check_labels()),
        )


def _first_impossible(run: Run, series: Series, tolerance: float) -> int | None:
    values = series.values
    if series.quantity in _ERRORS or (series.is_loss and _cannot_be_negative(run)):
        outside = np.isfinite(values) & (values < -tolerance)
    elif series.quantity in _SCORES:
        outside = np.isfinite(values) & ((values < -tolerance) | (values > series.scale * (1 + tolerance)))
    else:
        return None
    return int(np.argmax(outside)) if outside.any() else None


def _cannot_be_negative(run: Run) -> bool:
    loss = run.config.get("loss")
    if isinstance(loss, str) and any(name in loss.lower().replace(" ", "_") for name in _POSITIVE_LOSSES):
        return True
    logged = {s.quantity for s in run.series}
    return bool(logged & _SCORES) and not logged & _OVERLAPS
