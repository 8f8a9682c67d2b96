"""Small data sets that are there without a download: scikit-learn's own, and toys that are made on the spot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from recipes.data.source import Columns, Part, Source

#: Samples of a toy, and the seed that it is made from: a toy is the same data everywhere.
_TOY_SAMPLES = 1000
_TOY_SEED = 0


def load(name: str) -> Source:
    """Return a built-in data set by its name, one of `recipes.data.BUILTIN`."""
    return _LOADERS[name](name)


def _digits(name: str) -> Source:
    """Return handwritten digits: 1,797 images, 8 x 8 x 1, in 10 classes."""
    found = datasets.load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Source(name, "image", {"train": _part(images, found.target)}, tuple(str(digit) for digit in range(10)))


def _table(name: str) -> Source:
    """Return one of scikit-learn's tables."""
    found = getattr(datasets, f"load_{name}")()
    classes = tuple(str(title) for title in found.get("target_names", ()))
    names = tuple(str(title) for title in found.feature_names)
    return _vectors(name, found.data, found.target, classes, names)


def _moons(name: str) -> Source:
    """Return two half moons that reach into each other."""
    return _vectors(name, *datasets.make_moons(_TOY_SAMPLES, noise=0.2, random_state=_TOY_SEED))


def _circles(name: str) -> Source:
    """Return a circle around another."""
    return _vectors(name, *datasets.make_circles(_TOY_SAMPLES, noise=0.1, factor=0.5, random_state=_TOY_SEED))


def _blobs(name: str) -> Source:
    """Return four clouds of points that touch."""
    x, y = datasets.make_blobs(_TOY_SAMPLES, centers=4, cluster_std=1.5, random_state=_TOY_SEED)[:2]
    return _vectors(name, x, y, tuple("0123"))


def _spirals(name: str, turns: float = 1.5, noise: float = 0.05) -> Source:
    """Return three arms that wind around each other."""
    rng = np.random.default_rng(_TOY_SEED)
    arm = np.arange(_TOY_SAMPLES) % 3
    radius = np.sqrt(rng.uniform(0.01, 1, _TOY_SAMPLES))
    angle = 2 * np.pi * (turns * radius + arm / 3)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _vectors(name, x + rng.normal(0, noise, x.shape), arm, tuple("012"))


def _friedman(name: str) -> Source:
    """Return Friedman's first function of ten numbers, five of which do not matter."""
    return _vectors(name, *datasets.make_friedman1(_TOY_SAMPLES, noise=1.0, random_state=_TOY_SEED))


def _vectors(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.generic],
    classes: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
) -> Source:
    columns = Columns.of_vectors(x.astype(np.float32), names)
    return Source(name, "vector", {"train": _part(columns, y)}, classes)


def _part(x: Columns | NDArray[np.uint8], y: NDArray[np.generic]) -> Part:
    return Part(x, y, np.arange(1, len(y) + 1))


_LOADERS: dict[str, Callable[[str], Source]] = {
    "digits": _digits,
    "iris": _table,
    "wine": _table,
    "breast_cancer": _table,
    "diabetes": _table,
    "moons": _moons,
    "circles": _circles,
    "blobs": _blobs,
    "spirals": _spirals,
    "friedman": _friedman,
}
