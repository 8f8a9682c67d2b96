"""Measures on layer statistics: how a quantity runs over depth and over time.

All take arrays of shape (E, L): epochs x layers, input first, NaN where a layer was not sampled.

The course over depth is judged by the resistant line through the outer thirds (Tukey, Exploratory Data
Analysis, 1977): the medians of the first and the last third of the layers fix its slope, so that a
single odd layer (an embedding, the gain of a batch normalization, a fresh head) does not.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: The end of a run: this share of its epochs, and at least so many.
TAIL_SHARE = 0.2
LEAST_TAIL = 3
#: Up to this share of epochs may miss a condition that is said to hold from an epoch on.
MISSES = 0.2


def logarithms(norms: FloatArray) -> FloatArray:
    """Return log10 of norms; NaN where a norm is zero, infinite or was not sampled.

    A zero says that nothing arrives at all (a dead layer, or an underflow), not how much.
    """
    usable = np.isfinite(norms) & (norms > 0)
    return np.log10(np.where(usable, norms, 1.0), where=usable, out=np.full(norms.shape, np.nan))


def nanmedian(values: FloatArray, axis: int) -> FloatArray:
    """Return the median over what was sampled; NaN where nothing was.

    The same as `numpy.nanmedian`, without its masked arrays, which take ten times as long.
    """
    ordered = np.moveaxis(np.sort(values, axis=axis), axis, 0)  # NaN comes last
    if not len(ordered):
        return np.full(ordered.shape[1:], np.nan)
    count = np.count_nonzero(~np.isnan(ordered), axis=0)
    half, is_odd = count // 2, count % 2 == 1
    high = _picked(ordered, np.minimum(half, len(ordered) - 1))
    median: FloatArray = np.where(is_odd, high, (_picked(ordered, np.maximum(half - 1, 0)) + high) / 2)
    return np.where(count == 0, np.nan, median)


def _picked(ordered: FloatArray, at: NDArray[np.intp]) -> FloatArray:
    picked: FloatArray = np.take_along_axis(ordered, at[np.newaxis], axis=0)[0]
    return picked


def tail_length(epochs: int) -> int:
    """Return how many epochs count as the end of a run."""
    return min(epochs, max(LEAST_TAIL, math.ceil(TAIL_SHARE * epochs)))


def tail_median(values: FloatArray) -> FloatArray:
    """Return each layer's median over the end of the run, shape (L,)."""
    return nanmedian(values[-tail_length(len(values)) :], axis=0)


def depth_drop(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return by how many decades a quantity falls from the last layer to the first, in every epoch.

    Parameters
    ----------
    logs
        Shape (E, L), decimal logarithms.

    Returns
    -------
    total
        Shape (E,): the fall of the resistant line over the whole depth; negative where the quantity grows
        towards the input, NaN with fewer than two layers.
    apart
        Shape (E,): how far the whole first third lies beyond the median of the last one, in the same
        direction; below zero where the thirds overlap, which a true course over depth does not do.
    """
    sampled = logs[:, ~np.isnan(logs).all(axis=0)]
    depth = sampled.shape[1]
    if depth < 2:
        nothing = np.full(len(logs), np.nan)
        return nothing, nothing
    third = max(1, math.ceil(depth / 3)) if depth > 3 else 1
    front, back = sampled[:, :third], sampled[:, -third:]
    end = nanmedian(back, axis=1)
    drop = end - nanmedian(front, axis=1)
    total = drop * (depth - 1) / (depth - third)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        apart = np.where(drop >= 0, end - np.nanmax(front, axis=1), np.nanmin(front, axis=1) - end)
    return total, apart


def onset(holds: BoolArray, misses: float = MISSES) -> int | None:
    """Return the index from which a condition holds to the end of the run, or None where it does not.

    It must hold at the last epoch, at the index itself, and in all but a share of `misses` of those between.
    """
    if not len(holds) or not holds[-1]:
        return None
    remaining = np.arange(len(holds), 0, -1)
    share = np.cumsum(holds[::-1])[::-1] / remaining
    return int(np.flatnonzero(holds & (share >= 1 - misses))[0])


def lasts(start: int | None, epochs: int) -> bool:
    """Whether what began at an index has gone on for long enough not to be a single wild epoch."""
    return start is not None and epochs - start >= min(epochs, tail_length(epochs))


def rise_over_baseline(logs: FloatArray) -> FloatArray:
    """Return how many decades each epoch lies above the lowest level reached before it, shape (E,).

    A level is the median of three successive epochs, so that one low epoch is no level.

    Parameters
    ----------
    logs
        Shape (E,), decimal logarithms.
    """
    padded = np.concatenate((logs[:1], logs[:1], logs))
    levels = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    baseline = np.minimum.accumulate(np.where(np.isnan(levels), np.inf, levels))
    rise: FloatArray = logs - np.concatenate((logs[:1], baseline[:-1]))
    return rise


def rank_trend(values: FloatArray) -> float:
    """Return Kendall's rank correlation (tau-b) of values with their order; 0 where all are equal.

    Parameters
    ----------
    values
        Shape (E,), finite.
    """
    n = min(len(values), 200)
    if n < 2:
        return 0.0
    # More points than this say nothing more, and pairs grow with their square.
    sampled = values[np.linspace(0, len(values) - 1, n).round().astype(int)]
    signs = np.sign(sampled[None, :] - sampled[:, None])[np.triu_indices(n, 1)]
    untied = np.count_nonzero(signs)
    return float(signs.sum() / math.sqrt(untied * len(signs))) if untied else 0.0
