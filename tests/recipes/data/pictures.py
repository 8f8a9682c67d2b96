"""Small data sets of images, made by hand, for the tests of what feeds a training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.config import Config
from recipes.data.base import Data, Split
from recipes.task import Facts, Inputs, Kind, Task

NAMES = ("ant", "bee", "cat")


def config(**settings: Any) -> Config:
    """Return a configuration with settings of ``data``, and ``seed`` and ``epochs`` of ``training``."""
    paths = {f"{'training' if name in ('seed', 'epochs') else 'data'}.{name}": settings[name] for name in settings}
    return Config().replace(paths)


def images(count: int, shape: tuple[int, ...] = (12, 10, 3), seed: int = 0) -> NDArray[np.uint8]:
    """Return smooth images: blobs of colour, as photographs have them, and never twice the same."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    rows, columns = np.mgrid[:height, :width]
    phases = rng.uniform(0, 2 * np.pi, (count, 1, 1, channels))
    waves = np.sin(2 * np.pi * (rows / height)[None, ..., None] + phases) + np.cos(
        2 * np.pi * (columns / width)[None, ..., None] - 2 * phases
    )
    return (127 + 55 * waves).astype(np.uint8)


def split(x: Any, y: NDArray[Any]) -> Split:
    return Split(x, y, np.arange(len(y)))


def classes() -> tuple[Split, Facts]:
    """Return 23 images of three classes, the first of which is the most frequent."""
    y = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], (11, 7, 5))).astype(np.int32)
    x = images(len(y))
    task = Task(Kind.MULTICLASS, NAMES, tuple(np.bincount(y, minlength=3).tolist()))
    return split(x, y), facts(task, x)


def facts(task: Task, x: NDArray[Any], low: float = 0.0, high: float = 255.0) -> Facts:
    mean = tuple(x.mean(axis=(0, 1, 2)).tolist())
    return Facts("made", Inputs("image", x.shape[1:], low, high, mean), task, {"train": len(x)})


def of_task(kind: Kind, x: NDArray[Any]) -> Facts:
    """Return facts about images for another task."""
    counts = () if kind is Kind.REGRESSION else (5, 5)
    return facts(Task(kind, ("a", "b"), counts, (0.0, 0.0), (1.0, 1.0)), x)


def vectors(count: int = 12) -> tuple[Split, Facts]:
    """Return samples of four features, of two classes."""
    x = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    y = (np.arange(count) % 2).astype(np.float32)
    task = Task(Kind.BINARY, ("no", "yes"), (count // 2, count // 2))
    return split(x, y), Facts("table", Inputs("vector", (4,)), task, {"train": count})


def data(train: Split, about: Facts) -> Data:
    return Data(about, train, train, train)
