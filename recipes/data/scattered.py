"""Built-in data for detection: handwritten digits scattered over a noisy canvas.

The digits are scikit-learn's (8 x 8, 1,797 of them). They are split first, and each canvas is drawn from the digits of
its own split: no digit of the test is seen in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from recipes.config import Config
from recipes.data.assembling import none_of
from recipes.data.base import Data, Split
from recipes.data.source import SPLITS
from recipes.data.splitting import fold, split
from recipes.detection.boxes import typical_sizes
from recipes.errors import ConfigError
from recipes.task import Facts, Inputs, Kind, Task

#: Canvases of all splits together.
CANVASES = 2500
#: Side of a canvas in pixels, where the configuration does not say.
SIDE = 64
#: Digits that are tried to be placed on a canvas.
_FEWEST, _MOST = 1, 5
#: Side of a digit with its margins, as a share of the canvas.
_SCALE = (0.15, 0.32)
#: The smallest canvas on which digits can be read.
_LEAST_SIDE = 32
#: Fainter pixels of a digit, of 16 levels, are not counted as part of it.
_FAINT = 2
#: Standard deviation of the noise, of 256 levels.
_NOISE = 10
_TRIES = 20


def load(config: Config) -> Data:
    """Return canvases with digits on them, uint8, side x side x 1, and where each digit is.

    All follows from ``data.image_size``, ``data.validation``, ``data.test`` and ``data.split_seed``.

    Raises
    ------
    ConfigError
        The canvas is too small.
    DataError
        The shares of the splits leave nothing to train on.
    """
    side = config.data.image_size or SIDE
    if side < _LEAST_SIDE:
        raise ConfigError(f"data.image_size: {side} is too small for several digits; take {_LEAST_SIDE} or more")
    digits = _digits()
    shares = {"validation": config.data.validation, "test": config.data.test}
    pools = split(len(digits.target), shares, config.data.split_seed, strata=digits.target)
    if config.data.folds > 1:
        rest = np.sort(np.concatenate([pools["train"], pools.pop("validation", pools["train"][:0])]))
        chosen = fold((config.data.fold, config.data.folds), len(rest), config.data.split_seed, digits.target[rest])
        pools |= {"validation": rest[chosen], "train": np.delete(rest, chosen)}
    splits = {
        name: _canvases(
            pool,
            round(CANVASES * len(pool) / len(digits.target)),
            side,
            (config.data.split_seed, SPLITS.index(name)),  # the test is the same whatever the others are
        )
        for name, pool in pools.items()
    }
    splits.setdefault("validation", none_of(splits["train"]))
    return Data(_facts(splits), splits["train"], splits["validation"], splits["test"])


@cache
def _digits() -> Any:
    """Return scikit-learn's digits; they are in its package, and it parses them anew each time."""
    return load_digits()


def _facts(splits: Mapping[str, Split]) -> Facts:
    train = splits["train"]
    assert isinstance(train.x, np.ndarray)
    objects = train.y[train.y[..., 4] >= 0]
    task = Task(
        Kind.DETECTION,
        tuple(str(digit) for digit in range(10)),
        counts=tuple(np.bincount(objects[:, 4].astype(int), minlength=10).tolist()),
        sizes=typical_sizes(train.y),
    )
    inputs = Inputs("image", train.x.shape[1:], 0.0, 255.0, (float(train.x.mean()),), (float(train.x.var()),))
    return Facts("scattered_digits", inputs, task, {name: len(of) for name, of in splits.items()})


def _canvases(pool: NDArray[np.int64], count: int, side: int, seed: tuple[int, int]) -> Split:
    """Return canvases with digits of a pool; the ids name the digits by their rows in scikit-learn's data, from 0."""
    rng = np.random.default_rng(seed)
    x = np.empty((count, side, side, 1), dtype=np.uint8)
    y = np.full((count, _MOST, 5), (0, 0, 0, 0, -1), dtype=np.float32)
    ids = []
    for number in range(count):
        wanted = min(len(pool), int(rng.integers(_FEWEST, _MOST, endpoint=True)))
        canvas, objects = _canvas(rng.choice(pool, size=wanted, replace=False), side, rng)
        x[number, ..., 0] = canvas
        y[number, : len(objects)] = list(objects.values())
        ids.append("digits " + "+".join(map(str, objects)))
    return Split(x, y, np.array(ids))


def _canvas(
    wanted: NDArray[np.int64], side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], dict[int, tuple[float, ...]]]:
    """Return a canvas, and of each digit that found a place on it, its row -> its box and class."""
    digits = _digits()
    canvas = _background(side, rng)
    objects: dict[int, tuple[float, ...]] = {}
    placed: list[tuple[int, int, int]] = []
    for digit in wanted:
        patch = round(side * rng.uniform(*_SCALE))
        corner = _free_place(patch, placed, side, rng)
        if corner is not None:
            box = _draw(canvas, digits.images[digit], corner, patch, rng)
            objects[int(digit)] = (*box, digits.target[digit])
            placed.append((*corner, patch))
    noise = rng.normal(0, _NOISE, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8), objects


def _background(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a canvas with a slope of grey and a few faint strokes that are no digits."""
    across = np.linspace(-1, 1, side)
    slope = rng.uniform(-15, 15, size=2)
    canvas = rng.uniform(20, 60) + slope[0] * across[None, :] + slope[1] * across[:, None]
    for _ in range(rng.integers(0, 4)):
        start, angle, length = rng.uniform(0, side, 2), rng.uniform(0, np.pi), rng.uniform(0.05, 0.15) * side
        steps = start[:, None] + np.array([[np.cos(angle)], [np.sin(angle)]]) * np.arange(0, length, 0.5)
        rows, columns = np.clip(steps, 0, side - 1).astype(int)
        canvas[rows, columns] = np.maximum(canvas[rows, columns], rng.uniform(80, 160))
    return canvas


def _free_place(
    patch: int, placed: list[tuple[int, int, int]], side: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return row and column for a square patch that covers no other one, or None where none was found."""
    for row, column in rng.integers(0, side - patch, size=(_TRIES, 2), endpoint=True):
        if all(
            row + patch <= other_row or other_row + other <= row
            or column + patch <= other_column or other_column + other <= column
            for other_row, other_column, other in placed
        ):  # fmt: skip
            return int(row), int(column)
    return None


def _draw(
    canvas: NDArray[np.float64], digit: NDArray[Any], corner: tuple[int, int], patch: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Draw a digit into a square of a canvas; return the box around its ink as shares of the canvas."""
    rows, columns = (np.flatnonzero((digit > _FAINT).any(axis=axis)) for axis in (1, 0))
    ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 16
    height, width = (max(3, round(patch * length / 8)) for length in ink.shape)
    scaled = np.asarray(Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    top, left = corner[0] + (patch - height) // 2, corner[1] + (patch - width) // 2
    under = canvas[top : top + height, left : left + width]
    under += (rng.uniform(150, 255) - under) * scaled
    side = len(canvas)
    return (left + width / 2) / side, (top + height / 2) / side, width / side, height / side
