"""Small synthesized images: what shape is it, and where is it."""

from __future__ import annotations

import numpy as np

from benchmarks.faults.configuration import Data, Net, Setup, Task
from benchmarks.faults.tasks.splitting import split

SIDE = 12


def _masks(n: int, rng: np.random.Generator, side: int, kind: np.ndarray) -> np.ndarray:
    """Discs, squares, diamonds and crosses at random places and sizes."""
    row, col = np.mgrid[:side, :side]
    cx, cy = rng.uniform(side * 0.35, side * 0.65, (2, n, 1, 1))
    size = rng.uniform(side * 0.2, side * 0.34, (n, 1, 1))
    dx, dy = np.abs(col - cx), np.abs(row - cy)
    shapes = [
        dx**2 + dy**2 <= size**2,
        np.maximum(dx, dy) <= size * 0.85,
        dx + dy <= size * 1.25,
        (np.minimum(dx, dy) <= size * 0.25) & (np.maximum(dx, dy) <= size),
    ]
    return np.select([kind[:, None, None] == k for k in range(4)], shapes).astype("float32")


def shapes(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    n = 2000
    kind = rng.integers(0, 4, n)
    x = _masks(n, rng, SIDE, kind) + rng.normal(0, 0.25, (n, SIDE, SIDE))
    return split(x[..., None], kind, 800, 200, seed)


def masks(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    n = 800
    mask = _masks(n, rng, 16, rng.integers(0, 3, n))
    x = mask * rng.uniform(0.6, 1.2, (n, 1, 1)) + rng.normal(0, 0.5, (n, 16, 16))
    return split(x[..., None], mask[..., None], 300, 100, seed)


TASKS = (
    Task(
        "shapes",
        "classes",
        shapes,
        Setup(
            Net("image", widths=(8, 16), units=4, output_activation="softmax", dropout=0.1),
            "sparse_categorical_crossentropy",
            ("accuracy",),
            20,
            learning_rate=2e-3,
        ),
        0.7,
    ),
    Task(
        "masks",
        "mask",
        masks,
        Setup(
            Net("mask", widths=(8, 16), output_activation="sigmoid"),
            "dice",
            ("iou",),
            25,
            learning_rate=3e-3,
            batch=16,
        ),
        0.6,
    ),
)
