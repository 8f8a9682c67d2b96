"""Shuffle and cut arrays into training, validation and holdout sets; scale by the training set."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.faults.configuration import Arrays, Data


def take(arrays: Arrays, rows: Any) -> Arrays:
    """The given rows of inputs and targets."""
    x, y = arrays
    return x[rows], {name: part[rows] for name, part in y.items()} if isinstance(y, dict) else y[rows]


def split(x: np.ndarray, y: Any, train: int, validation: int, seed: int, scale: bool = False) -> Data:
    """The first `train` shuffled rows train, the next `validation` validate, the rest is held out."""
    x = np.asarray(x, "float32")
    order = np.random.default_rng(seed).permutation(len(x))
    if scale:
        rows = order[:train]
        x = (x - x[rows].mean(0)) / (x[rows].std(0) + 1e-7)
    arrays = (x, y)
    return Data(
        take(arrays, order[:train]),
        take(arrays, order[train : train + validation]),
        take(arrays, order[train + validation :]),
    )


def column(y: np.ndarray) -> np.ndarray:
    """Targets as a float column, the shape that a one-unit output has."""
    return np.asarray(y, "float32").reshape(-1, 1)
