"""Mean, variance and range of many rows, a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Moments:
    """Statistics of each column over all rows seen; NaN counts as missing.

    Parameters
    ----------
    columns
        How many.

    Notes
    -----
    Blocks are merged as in Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37 (1983): stable where the mean is large against the deviation. Variances are of the population.
    """

    def __init__(self, columns: int) -> None:
        self.counts = np.zeros(columns, np.int64)
        self.missing = np.zeros(columns, np.int64)
        self.means: FloatArray = np.zeros(columns)
        self.low: FloatArray = np.full(columns, np.inf)
        self.high: FloatArray = np.full(columns, -np.inf)
        self._squares: FloatArray = np.zeros(columns)

    def update(self, rows: NDArray[Any]) -> None:
        """Take in rows, shape (n, columns)."""
        if not len(rows):
            return
        values = rows.astype(np.float64)
        present = ~np.isnan(values)
        counts = present.sum(axis=0)
        means = np.where(present, values, 0).sum(axis=0) / np.maximum(counts, 1)
        squares = (np.where(present, values - means, 0) ** 2).sum(axis=0)
        total = self.counts + counts
        shares = counts / np.maximum(total, 1)
        apart = means - self.means
        self._squares += squares + apart**2 * self.counts * shares
        self.means = self.means + apart * shares
        self.low = np.minimum(self.low, np.where(present, values, np.inf).min(axis=0))
        self.high = np.maximum(self.high, np.where(present, values, -np.inf).max(axis=0))
        self.counts = total
        self.missing = self.missing + len(rows) - counts

    @property
    def variances(self) -> FloatArray:
        """Population variance of each column; 0 where nothing was seen."""
        return self._squares / np.maximum(self.counts, 1)
