r"""How far a validation curve rose from its best, and whether that is more than its noise.

The rule that held up on real logs where fixed ratios did not: the rise of the smoothed curve from its
minimum, in units of the run's own noise and relative to its own level. A rise counts for more the longer
it lasts, so that a run which early stopping ended a few epochs past its best is left alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diagnose.measures.curve import Curve, median
from diagnose.measures.memo import once_per_object
from diagnose.run import FloatArray

#: A rise that fills this share of the run counts in full; a shorter one must be steeper in proportion.
FULL_TAIL = 0.3
#: What a validation loss has already fallen, as a floor for its level: a rise from 1e-4 to 3e-4 after a fall
#: from 1 is no rise.
DESCENT_FLOOR = 0.02
#: A score is held against its best value, but never against less than this: 0.02 to 0.01 is no halving.
LEAST_SCORE = 0.5


@dataclass(frozen=True)
class Rise:
    """A rise from the best level.

    Parameters
    ----------
    relative
        The rise as a share of the level (of the descent, for a curve that goes below zero).
    weighted
        `relative`, reduced where the rise fills less than `FULL_TAIL` of the run.
    sigmas
        The rise in standard deviations of a smoothed value.
    sustained
        Share of the points after the best that lie above the middle of the rise's first half.
    trend
        How far the second half of the points after the best lies above the first half, as a share of the rise;
        about 0 where the best was but the luckiest point of a level curve.
    of_progress
        The rise as a share of all that the curve had fallen from its first value.
    best_epoch, best, end
        Where the best level was, and the two levels as logged.
    """

    relative: float
    of_progress: float
    weighted: float
    sigmas: float
    sustained: float
    trend: float
    best_epoch: float
    best: float
    end: float


@dataclass(frozen=True)
class Limits:
    """What a rise must exceed to count.

    Parameters
    ----------
    sigmas
        Units of the noise.
    rise
        Weighted relative rise.
    of_progress, small_rise
        A rise of less than `of_progress` of what the curve had gained must exceed `small_rise` instead of `rise`.
    sustained
        Share of the points after the best that are clearly worse.
    negligible, doubling
        A rise of less than `negligible` of it must exceed `doubling`.
    trend, sure_sigmas
        Below `sure_sigmas` the points after the best must also rise among themselves, by `trend` of the rise: the
        minimum of many noisy points lies some sigmas below their level.
    """

    sigmas: float = 4.0
    rise: float = 0.05
    of_progress: float = 0.08
    small_rise: float = 0.15
    negligible: float = 0.03
    doubling: float = 1.0
    trend: float = 0.1
    sure_sigmas: float = 8.0
    sustained: float = 0.4


DEFAULT_LIMITS = Limits()


def rose(rise: Rise, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether a rise is more than noise, lasts, and matters beside what the curve had gained."""
    least = limits.rise
    if rise.of_progress < limits.negligible:
        least = limits.doubling
    elif rise.of_progress < limits.of_progress:
        least = limits.small_rise
    if rise.sigmas <= limits.sigmas or rise.weighted <= least or rise.sustained < limits.sustained:
        return False
    return rise.sigmas >= limits.sure_sigmas or rise.trend >= limits.trend


def kept_fitting(train: Curve, since: float) -> bool:
    """Whether the training curve has not risen since that epoch, nor from its own minimum, beyond its noise."""
    after = np.flatnonzero(train.epochs >= since)
    if not len(after) or len(train) < 2:
        return True
    reference = min(float(train.smooth[after[0]]), train.best + train.sigma)
    return train.end <= reference + max(
        3 * train.sigma, 0.03 * abs(reference), 0.02 * max(0.0, train.opening - train.best)
    )


@once_per_object
def rise_of(curve: Curve) -> Rise:
    """Measure the rise of a curve (lower is better) with at least 2 points."""
    scale = _scale(curve)
    relative = curve.rise / scale if scale > 0 else (math.inf if curve.rise > 0 else 0.0)
    tail = curve.values[curve.best_at + 1 :]
    above = float((tail > curve.best + curve.rise / 4).mean()) if len(tail) else 0.0
    return Rise(
        relative=relative,
        of_progress=curve.rise / curve.descent if curve.descent > 0 else math.inf,
        weighted=relative * min(1.0, curve.tail_share / FULL_TAIL),
        sigmas=curve.rise_sigmas,
        sustained=above,
        trend=_trend(tail, curve.rise),
        best_epoch=float(curve.epochs[curve.best_at]),
        best=curve.logged(curve.best),
        end=curve.logged(curve.end),
    )


def _trend(tail: FloatArray, rise: float) -> float:
    half = len(tail) // 2
    if half == 0 or rise == 0:
        return 0.0
    return (median(tail[half:]) - median(tail[:half])) / rise


def _scale(curve: Curve) -> float:
    if curve.sign < 0:
        return max(abs(curve.best), LEAST_SCORE)
    fallen = max(0.0, curve.opening - curve.best)
    if float(curve.values.min()) < 0:
        return max(fallen, curve.sigma)
    return max(abs(curve.best), DESCENT_FLOOR * fallen)
