"""Estimates with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

_LEVEL = 0.95
_DRAWS = 10_000


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval."""

    value: float
    low: float
    high: float

    def told(self, form: str = ".3f") -> str:
        """Return it for people; without an interval that is unbounded."""
        if not np.isfinite(self.high):
            return f"{self.value:{form}}"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean, with Student's interval; that of a single value is unbounded."""
    middle = float(np.mean(values))
    if len(values) < 2:
        return Estimate(middle, -np.inf, np.inf)
    if np.ptp(values) == 0:
        return Estimate(middle, middle, middle)
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(_LEVEL)
    return Estimate(middle, float(interval.low), float(interval.high))


def ratio(ours: Sequence[float], others: Sequence[float]) -> Estimate:
    """Return the geometric mean of the ratios of pairs, with Student's interval of the logarithms."""
    of_logarithms = mean(np.log(np.asarray(ours) / np.asarray(others)))
    return Estimate(*(float(np.exp(part)) for part in (of_logarithms.value, of_logarithms.low, of_logarithms.high)))


def rounds(count: int) -> str:
    """Return how many rounds there were, for people; of a single one no interval can be told."""
    return f"{count} rounds" if count > 1 else "1 round"


def share(count: int, of: int) -> Estimate:
    """Return a share, with Wilson's interval; a share of nothing may be anything."""
    if not of:
        return Estimate(float("nan"), 0.0, 1.0)
    interval = stats.binomtest(count, of).proportion_ci(_LEVEL, method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


def difference(pairs: Mapping[Hashable, Sequence[float]]) -> Estimate:
    """Return the mean over groups of their mean differences, with a bootstrap interval.

    Parameters
    ----------
    pairs
        Group, as a data set -> the difference of each seed. Seeds are drawn anew within each group (Efron 1979), for
        data sets differ more than seeds do, and are not drawn at random.
    """
    rng = np.random.default_rng(0)
    drawn = [
        np.asarray(values)[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
        for values in pairs.values()
    ]
    low, high = np.quantile(np.mean(drawn, axis=0), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(float(np.mean([np.mean(values) for values in pairs.values()])), float(low), float(high))
