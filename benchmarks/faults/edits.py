"""Changes of the data, applied before training. Each maker returns an edit: (data, rng) -> data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.faults.configuration import Arrays, Data, Edit
from benchmarks.faults.tasks.splitting import take


def keep(train: int | None = None, validation: int | None = None) -> Edit:
    """Fewer rows; the validation rows left out join the holdout."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        return Data(take(data.train, slice(train)), take(data.validation, slice(validation)), data.holdout)

    return edit


def _flipped(y: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Class labels with a share replaced by another class."""
    rows = rng.random(len(y)) < share
    classes = int(y.max()) + 1
    y = y.copy()
    y[rows] = (y[rows] + rng.integers(1, classes, y[rows].shape)) % classes
    return y


def label_noise(share: float, train: bool = True, validation: bool = False, holdout: bool = False) -> Edit:
    """Wrong class labels in the sets named."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        chosen = {"train": train, "validation": validation, "holdout": holdout}
        made = {}
        for name, wanted in chosen.items():
            x, y = getattr(data, name)
            made[name] = (x, _flipped(y, share, rng)) if wanted else (x, y)
        return Data(**made)

    return edit


def target_noise(scale: float, everywhere: bool = False) -> Edit:
    """Normal noise on numeric targets, in units of their standard deviation."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        std = data.train[1].std()

        def noisy(arrays: Arrays) -> Arrays:
            x, y = arrays
            return x, (y + rng.normal(0, scale * std, y.shape)).astype("float32")

        if everywhere:
            return Data(noisy(data.train), noisy(data.validation), noisy(data.holdout))
        return replace(data, train=noisy(data.train))

    return edit


def shuffled_targets(train: bool = True, validation: bool = False) -> Edit:
    """Targets that no longer belong to their inputs."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        for name, wanted in (("train", train), ("validation", validation)):
            if wanted:
                x, y = getattr(data, name)
                data = replace(data, **{name: (x, y[rng.permutation(len(y))])})
        return data

    return edit


def noise_features(number: int) -> Edit:
    """Inputs that say nothing, beside those that do."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        return _each(data, lambda x: np.concatenate([x, rng.normal(size=(len(x), number))], 1).astype("float32"))

    return edit


def rescaled(factor: float, offset: float = 0.0, train: bool = True, validation: bool = True) -> Edit:
    """Inputs in other units. The holdout goes through whatever the training inputs went through."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng

        def scale(x: np.ndarray, wanted: bool) -> np.ndarray:
            return (x * factor + offset).astype("float32") if wanted else x

        return Data(
            (scale(data.train[0], train), data.train[1]),
            (scale(data.validation[0], validation), data.validation[1]),
            (scale(data.holdout[0], train), data.holdout[1]),
        )

    return edit


def mixed_units(low: float = 0.01, high: float = 1000.0, train: bool = True) -> Edit:
    """Every feature in its own unit, as a table comes from a database; or so in the validation set only."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        factors = np.exp(rng.uniform(np.log(low), np.log(high), data.train[0].shape[-1]))
        if train:
            return _each(data, lambda x: (x * factors + 3 * factors).astype("float32"))
        x, y = data.validation
        return replace(data, validation=((x * factors + 3 * factors).astype("float32"), y))

    return edit


def shifted_validation(offset: float, noise: float = 0.0) -> Edit:
    """Validation inputs from elsewhere: another camera, another season."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.validation
        move = offset * data.train[0].std(0) * np.sign(rng.normal(size=x.shape[1:]))
        shifted = x + move + noise * data.train[0].std() * rng.normal(size=x.shape)
        return replace(data, validation=(shifted.astype("float32"), y))

    return edit


def leaked_target(strength: float = 1.0) -> Edit:
    """A column that gives the answer away in the training set and is noise everywhere else."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        def with_column(arrays: Arrays, leak: bool) -> Arrays:
            x, y = arrays
            values = y.reshape(-1).astype("float32")
            values = values if leak else rng.permutation(values)
            spread = values.std() + 1e-9
            return np.concatenate([x, strength * ((values - values.mean()) / spread)[:, None]], 1), y

        return Data(
            with_column(data.train, True),
            with_column(data.validation, False),
            with_column(data.holdout, False),
        )

    return edit


def sorted_rows() -> Edit:
    """Training rows in the order of their targets, as an export often has them."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        order = np.argsort(data.train[1].reshape(len(data.train[1]), -1)[:, 0], kind="stable")
        return replace(data, train=take(data.train, order))

    return edit


def blank_inputs(noise: float = 0.0) -> Edit:
    """Inputs lost in preprocessing: all rows alike, or pure noise."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        return _each(data, lambda x: rng.normal(0, noise, x.shape).astype("float32") if noise else x * 0)

    return edit


def poisoned(value: float, sets: tuple[str, ...] = ("train",), rows: int = 1) -> Edit:
    """A non-finite value in some rows."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        for name in sets:
            x, y = getattr(data, name)
            x = x.copy()
            x[rng.choice(len(x), rows, replace=False)] = value
            data = replace(data, **{name: (x, y)})
        return data

    return edit


def targets(function: Callable[[np.ndarray], Any], everywhere: bool = True) -> Edit:
    """Another encoding of the targets."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng

        def recoded(arrays: Arrays) -> Arrays:
            x, y = arrays
            return x, np.asarray(function(y), "float32")

        if not everywhere:
            return replace(data, train=recoded(data.train), validation=recoded(data.validation))
        return Data(recoded(data.train), recoded(data.validation), recoded(data.holdout))

    return edit


def outliers(share: float, scale: float) -> Edit:
    """A few targets of training and validation far off, as a sensor's error codes."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        for name in ("train", "validation"):
            x, y = getattr(data, name)
            rows = rng.random(len(y)) < share
            y = y.copy()
            y[rows] += scale * data.train[1].std() * np.sign(x[rows, :1])
            data = replace(data, **{name: (x, y)})
        return data

    return edit


def rarer(share: float) -> Edit:
    """Leaves only so many positives, in every set."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        def thinned(arrays: Arrays) -> Arrays:
            positive = arrays[1].reshape(-1) > 0.5
            wanted = share / (1 - share) * (~positive).sum() / max(1, positive.sum())
            return take(arrays, ~positive | (rng.random(len(positive)) < wanted))

        return Data(thinned(data.train), thinned(data.validation), thinned(data.holdout))

    return edit


def _each(data: Data, function: Callable[[np.ndarray], np.ndarray]) -> Data:
    return Data(*((function(x), y) for x, y in (data.train, data.validation, data.holdout)))


def leaked_everywhere(strength: float = 4.0) -> Edit:
    """A column that gives the answer away in every set: an easy task."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        def with_column(arrays: Arrays) -> Arrays:
            x, y = arrays
            values = y.reshape(len(y), -1)[:, :1].astype("float32")
            return np.concatenate([x, strength * (values - 0.5) + rng.normal(0, 0.1, values.shape)], 1), y

        return Data(with_column(data.train), with_column(data.validation), with_column(data.holdout))

    return edit
