"""Where the learning rate was changed, so that the steps that it causes are not taken for faults."""

from __future__ import annotations

import numpy as np

from diagnose.run import FloatArray, Series

#: A change from one epoch to the next by more than this factor is a scheduled step, not a smooth decay.
STEP_FACTOR = 1.5


def cuts(rate: Series | None, factor: float = 2.0) -> FloatArray:
    """Return the epochs at which the rate was cut to 1 / `factor` of what it was, or less."""
    ratio, epochs = _ratios(rate)
    return epochs[ratio <= 1 / factor]


def increases(rate: Series | None, factor: float = 1.2) -> FloatArray:
    """Return the epochs at which the rate went up by more than `factor`: warm restarts and warm-up."""
    ratio, epochs = _ratios(rate)
    return epochs[ratio > factor]


def restarts(rate: Series | None, factor: float = STEP_FACTOR) -> FloatArray:
    """Return the epochs at which a rate that had not been rising was stepped up: warm restarts, no warm-up."""
    ratio, epochs = _ratios(rate)
    if not len(ratio):
        return epochs
    rising_before = np.concatenate(([True], ratio[:-1] > 1.0))
    return epochs[(ratio > factor) & ~rising_before]


def decayed_at(rate: Series | None, share: float = 0.1) -> float | None:
    """Return the epoch from which the rate stays below `share` of its largest value; None where it does not."""
    if rate is None or len(rate) < 2:
        return None
    known = rate.values[np.isfinite(rate.values)]
    if not len(known) or known.max() <= 0:
        return None
    small = rate.values < share * float(known.max())
    if not small[-1]:
        return None
    large = np.flatnonzero(~small)
    return float(rate.epochs[int(large[-1]) + 1])


def _ratios(rate: Series | None) -> tuple[FloatArray, FloatArray]:
    if rate is None or len(rate) < 2:
        return np.empty(0), np.empty(0)
    before, after = rate.values[:-1], rate.values[1:]
    with np.errstate(all="ignore"):
        ratio = np.where((before > 0) & (after > 0), after / before, 1.0)
    return ratio, rate.epochs[1:]
