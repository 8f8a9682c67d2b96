"""Changes of the data that the curves do not have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.faults.configuration import Data, Edit


def wild_rows(share: float, factor: float) -> Edit:
    """A few training rows in a far larger unit."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.train
        rows = rng.random(len(x)) < share
        x = x.copy()
        x[rows] *= factor
        return replace(data, train=(x, y))

    return edit
