r"""The shape of one curve: its noise, its smoothed course, its best and last level.

Everything is told in a form in which *lower is better*: the values of a metric that should rise are
negated.

Noise is taken from second differences, which a smooth trend leaves almost empty: for white noise of
standard deviation :math:`\sigma` they have variance :math:`6\sigma^2`, and the median absolute deviation
estimates :math:`\sigma` without being moved by spikes (factor 1.4826, Rousseeuw & Croux 1993).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diagnose.measures.memo import once_per_object
from diagnose.run import Direction, FloatArray, Series

MAD_TO_SIGMA = 1.4826
#: Smoothing window as a share of the run, and its least width in epochs (w = max(3, n / 20) held up on real logs).
WINDOW_SHARE = 1 / 20
LEAST_WINDOW = 3
#: Fewer moves than this do not tell the step that a curve is rounded to.
_LEAST_STEPS = 3
#: Beyond this many standard deviations their number says nothing more.
MOST_SIGMAS = 1000.0
#: A curve is summed up on at most this many points: enough for every trend, bounded for a million rows.
MOST_POINTS = 4096


def median(values: FloatArray) -> float:
    """Return the median; `numpy.median` spends most of its time on axes that are not there."""
    n = len(values)
    if n == 0:
        return math.nan
    half = n // 2
    if n % 2:
        return float(np.partition(values, half)[half])
    low, high = np.partition(values, (half - 1, half))[half - 1 : half + 1]
    return float(low + high) / 2


def quantile(values: FloatArray, share: float) -> float:
    """Return the quantile by linear interpolation between the sorted values; NaN of none."""
    if not len(values):
        return math.nan
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def point_noise(values: FloatArray) -> float:
    """Return the standard deviation of the noise of one point.

    From the median absolute second difference (first difference with fewer than 4 points). A curve that moves
    in steps, as an accuracy over few samples does, gets at least the noise of its rounding, step / sqrt(12).
    """
    if len(values) < 3:
        return 0.0
    if len(values) < 4:
        steps = np.diff(values)
        return MAD_TO_SIGMA * median(np.abs(steps - median(steps))) / math.sqrt(2)
    noise = MAD_TO_SIGMA * median(np.abs(np.diff(values, n=2))) / math.sqrt(6)
    if noise == 0.0:
        moves = np.abs(np.diff(values))
        moving = moves[moves > 0]
        # A few jumps of a constant curve are events, and a curve that never stands still has no steps.
        in_steps = _LEAST_STEPS <= len(moving) < len(moves)
        return float(moving.min()) / math.sqrt(12) if in_steps else 0.0
    return noise


def moving_average(values: FloatArray, window: int) -> FloatArray:
    """Return the centred moving average over `window` points; at the ends over those that there are."""
    if window <= 1 or len(values) < 3:
        return values
    before = (window - 1) // 2
    at = np.arange(len(values))
    lower = np.maximum(at - before, 0)
    upper = np.minimum(at - before + window, len(values))
    if len(values) * window < 2_000_000:
        sums = np.convolve(values, np.ones(window))[window - 1 - before :][: len(values)]
        return np.asarray(sums / (upper - lower), dtype=np.float64)
    # Running sums of large offsets lose digits; around the median nothing is lost that matters.
    centre = median(values)
    total = np.concatenate(([0.0], np.cumsum(values - centre)))
    return np.asarray((total[upper] - total[lower]) / (upper - lower) + centre, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve, lower is better.

    Parameters
    ----------
    epochs, values
        Shape (n,): the finite points.
    window
        Width of the smoothing window in points.
    smooth
        Shape (n,): the moving average.
    noise
        Standard deviation of the noise of one point.
    sign
        -1 where the values were negated because the quantity should rise.
    block
        How many logged points one point is the mean of (see `MOST_POINTS`).
    """

    epochs: FloatArray
    values: FloatArray
    window: int
    smooth: FloatArray
    noise: float
    sign: int
    block: int = 1

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sigma(self) -> float:
        """The noise of a smoothed value, noise / sqrt(window)."""
        return self.noise / math.sqrt(self.window)

    @cached_property
    def best_at(self) -> int:
        """Index of the smoothed minimum."""
        return int(np.argmin(self.smooth))

    @property
    def best(self) -> float:
        """The smoothed minimum."""
        return float(self.smooth[self.best_at])

    @property
    def last(self) -> int:
        """How many points the level at the end is taken from: the last tenth, at least 3, at most a quarter."""
        return max(1, min(len(self) // 4, max(3, len(self) // 10)))

    @cached_property
    def end(self) -> float:
        """The level at the end: the median of the `last` points."""
        return median(self.values[-self.last :])

    @property
    def start(self) -> float:
        """The first value: what training started from, as far as the log shows it."""
        return float(self.values[0])

    @property
    def rise(self) -> float:
        """How far the end lies above the smoothed minimum; 0 where the minimum is among the last points itself."""
        if self.best_at >= len(self) - self.last:
            return 0.0
        return max(0.0, self.end - self.best)

    @property
    def rise_sigmas(self) -> float:
        """The rise in units of the noise of a smoothed value, at most `MOST_SIGMAS` (as where there is no noise)."""
        if self.rise == 0.0:
            return 0.0
        return min(self.rise / self.sigma, MOST_SIGMAS) if self.sigma > 0 else MOST_SIGMAS

    @cached_property
    def opening(self) -> float:
        """The level of the first epochs after the very first, robust against a wild first one.

        The larger of the second value and the median of the first fifth without the first point.
        """
        if len(self) < 3:
            return self.start
        fifth = max(2, len(self) // 5)
        return min(self.start, max(float(self.values[1]), median(self.values[1 : 1 + fifth])))

    @property
    def descent(self) -> float:
        """How far the curve fell from its first value to its smoothed minimum; never negative."""
        return max(0.0, self.start - self.best)

    @cached_property
    def tail_share(self) -> float:
        """Which share of the run lies after the smoothed minimum."""
        return 1.0 - (self.best_at + 1) / len(self)

    @cached_property
    def level(self) -> float:
        """A size to hold changes against: the median magnitude, for curves that may cross zero too."""
        return median(np.abs(self.smooth))

    def logged(self, value: float) -> float:
        """Return a value of this curve as it stands in the log."""
        return self.sign * value


@once_per_object
def curve_of(series: Series) -> Curve:
    """Return the shape of a series; a series without any finite value gives a curve of no points."""
    finite = np.isfinite(series.values)
    epochs, values = series.epochs, series.values
    if not finite.all():
        epochs, values = epochs[finite], values[finite]
    sign = -1 if series.direction == Direction.HIGHER else 1
    values = values * sign / series.scale
    noise = point_noise(values)
    block = math.ceil(len(values) / MOST_POINTS)
    if block > 1:
        epochs, values = _thin(epochs, values, block)
        noise /= math.sqrt(block)
    window = min(len(values), max(LEAST_WINDOW, round(len(values) * WINDOW_SHARE))) if len(values) else 1
    return Curve(
        epochs=epochs,
        values=values,
        window=window,
        smooth=moving_average(values, window),
        noise=noise,
        sign=sign,
        block=max(1, block),
    )


def _thin(epochs: FloatArray, values: FloatArray, block: int) -> tuple[FloatArray, FloatArray]:
    """Return the means of blocks, and the epoch at which each ends."""
    starts = np.arange(0, len(values), block)
    ends = np.minimum(starts + block, len(values))
    return epochs[ends - 1], np.add.reduceat(values, starts) / (ends - starts)


def falling_share(curve: Curve) -> float:
    """Return the share of steps that went down: 1/2 for noise around a level, 1 for a monotone descent."""
    steps = np.diff(curve.values)
    moving = steps[steps != 0]
    return float((moving < 0).mean()) if len(moving) else 0.5
