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
            y[rows] += scale * data.train[1].std() * np.sign(x[rows].reshape(int(rows.sum()), -1)[:, :1])
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


def duplicated(originals: int, times: int, jitter: float = 0.0) -> Edit:
    """A few rows many times over, exactly or nearly: more rows, not more to learn from."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = take(data.train, np.tile(np.arange(originals), times))
        x = x + jitter * data.train[0].std() * rng.normal(size=x.shape)
        return replace(data, train=(x.astype("float32"), y))

    return edit


def row_numbers(rows: int) -> Edit:
    """So many training rows, each with a column of its own; rows elsewhere carry another row's number."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        def numbered(arrays: Arrays, known: bool) -> Arrays:
            x, y = arrays
            number = np.arange(len(x)) if known else rng.integers(0, rows, len(x))
            return np.concatenate([x, np.eye(rows)[number]], 1).astype("float32"), y

        return Data(
            numbered(take(data.train, slice(rows)), True),
            numbered(data.validation, False),
            numbered(data.holdout, False),
        )

    return edit


def products(degree: int = 3) -> Edit:
    """All products of up to so many features, scaled by the training rows."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        from itertools import combinations_with_replacement as choose

        def made(x: np.ndarray) -> np.ndarray:
            columns = range(x.shape[1])
            return np.stack([x[:, c].prod(1) for d in range(1, degree + 1) for c in map(list, choose(columns, d))], 1)

        train = made(data.train[0])
        mean, std = train.mean(0), train.std(0) + 1e-6
        return _each(data, lambda x: ((made(x) - mean) / std).astype("float32"))

    return edit


def columns_swapped() -> Edit:
    """The validation table has its columns in another order."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.validation
        return replace(data, validation=(np.take(x, rng.permutation(x.shape[-1]), -1), y))

    return edit


def inverted_validation() -> Edit:
    """Black for white in the validation images."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        x, y = data.validation
        return replace(data, validation=((data.train[0].max() * 0.8 - x).astype("float32"), y))

    return edit


def other_class_order() -> Edit:
    """The validation set numbers its classes in another order."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        x, y = data.validation
        return replace(data, validation=(x, (y + 1) % (int(y.max()) + 1)))

    return edit


def split_by(feature: int, share: float = 0.6) -> Edit:
    """Trained on low values of a feature, validated on high ones: a split by time."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        limit = np.quantile(data.train[0][:, feature], share)
        below, above = data.train[0][:, feature] <= limit, data.validation[0][:, feature] > limit
        return Data(take(data.train, below), take(data.validation, above), data.holdout)

    return edit


def target_encoded(group: int = 2) -> Edit:
    """A category of many values encoded by the mean target of its training rows, themselves included."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.train
        y0 = y.reshape(len(y), -1)[:, 0].astype("float32")
        category = rng.permutation(len(x)) // group
        means = np.bincount(category, y0) / np.bincount(category)
        mean, std = means.mean(), means.std() + 1e-9

        def encoded(part: np.ndarray, values: np.ndarray) -> np.ndarray:
            return np.concatenate([part, ((values - mean) / std)[:, None]], 1).astype("float32")

        return Data(
            (encoded(x, means[category]), y),
            (encoded(data.validation[0], rng.choice(means, len(data.validation[0]))), data.validation[1]),
            (encoded(data.holdout[0], rng.choice(means, len(data.holdout[0]))), data.holdout[1]),
        )

    return edit


def one_row_off() -> Edit:
    """Targets joined with the row after theirs, in training and validation."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        (x, y), (held, wanted) = data.train, data.validation
        return replace(data, train=(x, np.roll(y, 1, 0)), validation=(held, np.roll(wanted, 1, 0)))

    return edit


def salted_tokens() -> Edit:
    """Tokens hashed with a salt of its own for every row."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        def salted(x: np.ndarray) -> np.ndarray:
            return np.stack([rng.permutation(int(data.train[0].max()) + 1)[row.astype(int)] for row in x])

        return _each(data, lambda x: salted(x).astype("float32"))

    return edit


def first_features(number: int) -> Edit:
    """All columns but the first few are lost (set to zero)."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        return _each(data, lambda x: np.where(np.arange(x.shape[-1]) < number, x, 0).astype("float32"))

    return edit


def averaged() -> Edit:
    """Every image or signal reduced to its mean before the network sees it."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        return _each(data, lambda x: (x * 0 + x.mean(tuple(range(1, x.ndim)), keepdims=True)).astype("float32"))

    return edit


def one_bit() -> Edit:
    """Inputs above zero are one, all others zero."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        del rng
        return _each(data, lambda x: (x > 0).astype("float32"))

    return edit


def missing_targets(rows: int) -> Edit:
    """Targets that are NaN in some training rows."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.train
        y = y.astype("float32")
        y[rng.choice(len(y), rows, replace=False)] = np.nan
        return replace(data, train=(x, y))

    return edit


def wild_validation(rows: int, factor: float) -> Edit:
    """A few validation rows in a unit far too large."""

    def edit(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.validation
        x = x.copy()
        x[rng.choice(len(x), rows, replace=False)] *= factor
        return replace(data, validation=(x, y))

    return edit
