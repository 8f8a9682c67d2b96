"""Medians of what was measured in pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from benchmarks.search.estimates import Estimate


def median(values: Sequence[float]) -> Estimate:
    """Return the median, with its 95 % interval by the sign test; that of five values or fewer is unbounded.

    A single slow round, as another process of the machine causes it, moves neither.
    """
    ordered = np.sort(np.asarray(values, float))
    # The largest rank below which the median lies with a probability of at most 2.5 %.
    rank = int(stats.binom.ppf(0.025, len(ordered), 0.5))
    if stats.binom.cdf(rank, len(ordered), 0.5) > 0.025:
        rank -= 1
    if rank < 0:
        return Estimate(float(np.median(ordered)), -np.inf, np.inf)
    return Estimate(float(np.median(ordered)), float(ordered[rank]), float(ordered[-1 - rank]))
