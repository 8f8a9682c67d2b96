r"""Chance level: what a model that has learned nothing would log.

For K classes, a model that gives each the same probability has a cross-entropy of :math:`\ln K` and an
accuracy of 1/K; one that knows only how often each class occurs has the entropy of the labels, which is
less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diagnose.run import Series

MOST_CLASSES = 100_000


def classes_of(config: Mapping[str, Any]) -> int | None:
    """Return the number of classes that run.json states, or None."""
    value = config.get("classes", config.get("num_classes"))
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= MOST_CLASSES:
        return None
    return value


def classes_at_chance(loss: float, tolerance: float) -> int | None:
    """Return the K whose ln K lies within `tolerance` (relative) of a loss, or None.

    Beyond about 1 / tolerance classes neighbouring K cannot be told apart; the nearest is returned.
    """
    if not math.isfinite(loss) or loss <= 0 or loss > math.log(MOST_CLASSES):
        return None
    nearest = max(2, round(math.exp(loss)))
    return nearest if abs(loss - math.log(nearest)) <= tolerance * math.log(nearest) else None


def accuracy_resolution(series: Series) -> float:
    """Return the smallest step between the distinct values of an accuracy, 0 where there are none.

    Accuracies over n samples are multiples of 1/n: the step bounds n from below.
    """
    values = np.round(series.values[np.isfinite(series.values)] / series.scale, 7)
    steps = np.diff(np.sort(values))
    steps = steps[steps > 2e-6]  # below this the log's rounding speaks, not the sample
    return float(steps.min()) if len(steps) else 0.0


def binomial_error(accuracy: float, resolution: float) -> float:
    """Return the standard error of an accuracy measured on about 1 / resolution samples; 0 where unknown."""
    if resolution <= 0:
        return 0.0
    p = min(max(accuracy, resolution), 1 - resolution)
    return math.sqrt(max(0.0, p * (1 - p)) * resolution)
