"""Where the learning rate was changed, so that the steps that it causes are not taken for faults."""

from __future__ import annotations

import numpy as np

from diagnose.run import FloatArray, Series

#: A change from one epoch to the next by more than this factor is a scheduled step, not a smooth decay.
STEP_FACTOR = 1.5


def changes(rate: Series | None, factor: float = STEP_FACTOR) -> FloatArray:
    """Return the epochs at which the rate was stepped up or down by more than `factor`."""
    ratio, epochs = _ratios(rate)
    return epochs[(ratio > factor) | (ratio < 1 / factor)]


def increases(rate: Series | None, factor: float = 1.2) -> FloatArray:
    """Return the epochs at which the rate went up by more than `factor`: warm restarts and warm-up."""
    ratio, epochs = _ratios(rate)
    return epochs[ratio > factor]


def final_share(rate: Series | None) -> float:
    """Return the last rate as a share of the largest one; 1 where it was not logged or did not change."""
    if rate is None or not len(rate):
        return 1.0
    largest = float(np.nanmax(rate.values))
    return float(rate.values[-1]) / largest if largest > 0 else 1.0


def _ratios(rate: Series | None) -> tuple[FloatArray, FloatArray]:
    if rate is None or len(rate) < 2:
        return np.empty(0), np.empty(0)
    before, after = rate.values[:-1], rate.values[1:]
    with np.errstate(all="ignore"):
        ratio = np.where((before > 0) & (after > 0), after / before, 1.0)
    return ratio, rate.epochs[1:]
