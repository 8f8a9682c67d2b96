"""Rows of features: classes, labels, quantities, densities."""

from __future__ import annotations

import numpy as np
from sklearn import datasets

from benchmarks.faults.configuration import Data, Net, Setup, Task
from benchmarks.faults.tasks.splitting import column, split


def digits(seed: int) -> Data:
    x, y = datasets.load_digits(return_X_y=True)
    return split(x / 16, y, 900, 200, seed)


def cancer(seed: int) -> Data:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return split(x, column(y), 300, 100, seed, scale=True)


def wine(seed: int) -> Data:
    x, y = datasets.load_wine(return_X_y=True)
    return split(x, y, 90, 40, seed, scale=True)


def moons(seed: int) -> Data:
    x, y = datasets.make_moons(2400, noise=0.2, random_state=seed)
    return split(x, column(y), 600, 300, seed)


def rings(seed: int) -> Data:
    x, y = datasets.make_circles(2400, noise=0.1, factor=0.5, random_state=seed)
    return split(x, column(y), 600, 300, seed)


def xor(seed: int) -> Data:
    x = np.random.default_rng(seed).uniform(-1, 1, (2400, 2))
    return split(x, column(x[:, 0] * x[:, 1] > 0), 600, 300, seed)


def spirals(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 2700)
    radius = rng.uniform(0.1, 1, 2700)
    angle = 4 * radius + y * 2 * np.pi / 3 + rng.normal(0, 0.12, 2700)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return split(x, y, 900, 300, seed)


def clusters(seed: int) -> Data:
    x, y = datasets.make_classification(
        3000, 20, n_informative=10, n_redundant=2, n_classes=4, class_sep=1.6, flip_y=0.02, random_state=seed
    )
    return split(x, y, 1200, 300, seed, scale=True)


def hastie(seed: int) -> Data:
    x, y = datasets.make_hastie_10_2(4500, random_state=seed)
    return split(x, column(y > 0), 3000, 400, seed)


def rare(seed: int) -> Data:
    x, y = datasets.make_classification(
        4500, 12, n_informative=6, weights=[0.9], class_sep=1.6, flip_y=0.01, random_state=seed
    )
    return split(x, column(y), 2000, 500, seed, scale=True)


def labels(seed: int) -> Data:
    x, y = datasets.make_multilabel_classification(3200, 20, n_classes=5, n_labels=2, random_state=seed)
    return split(x, y.astype("float32"), 1500, 300, seed, scale=True)


def friedman(seed: int) -> Data:
    x, y = datasets.make_friedman1(3000, noise=1.0, random_state=seed)
    return split(x, column(y), 1000, 300, seed, scale=True)


def houses(seed: int) -> Data:
    """Prices in currency units from floor area, rooms, age and distance: losses of 1e9."""
    rng = np.random.default_rng(seed)
    n = 2600
    area, rooms = rng.gamma(6, 20, n), rng.integers(1, 7, n)
    age, distance = rng.uniform(0, 80, n), rng.exponential(8, n)
    price = 60_000 + 2_400 * area * np.exp(-distance / 30) + 14_000 * rooms - 900 * age
    x = np.stack([area, rooms, age, distance], 1)
    return split(x, column(price + rng.normal(0, 25_000, n)), 1000, 300, seed, scale=True)


def diabetes(seed: int) -> Data:
    x, y = datasets.load_diabetes(return_X_y=True)
    return split(x, column(y), 240, 90, seed, scale=True)


def currents(seed: int) -> Data:
    """A sensor's current in ampere: targets of 1e-3, losses of 1e-6 and below."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2600, 6))
    y = 1e-3 * (np.tanh(x[:, 0] * x[:, 1]) + 0.5 * x[:, 2] + np.sin(2 * x[:, 3]) + rng.normal(0, 0.2, 2600))
    return split(x, column(y), 1000, 300, seed)


def counts(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 5))
    rate = np.exp(1 + 0.6 * x[:, 0] - 0.4 * x[:, 1] + 0.3 * np.abs(x[:, 2]))
    return split(x, column(rng.poisson(rate)), 1200, 300, seed)


def density(seed: int) -> Data:
    """A curve whose noise depends on the input; small noise makes the negative log likelihood negative."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (3000, 1))
    y = np.sin(2 * x) + rng.normal(size=x.shape) * (0.05 + 0.1 * np.abs(x))
    return split(x, column(y), 1200, 300, seed)


def codes(seed: int) -> Data:
    x, _ = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    return split(x, x, 900, 200, seed)


def heads(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2600, 8)).astype("float32")
    kind = (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 0.5)
    size = np.sin(x[:, 3]) + 0.5 * x[:, 4] * x[:, 5] + rng.normal(0, 0.2, 2600)
    return split(x, {"kind": kind, "size": column(size)}, 1200, 300, seed)


def _classes(net: Net, epochs: int, **fields: object) -> Setup:
    if net.units == 1:
        loss, activation = "binary_crossentropy", "sigmoid"
    else:
        loss, activation = "sparse_categorical_crossentropy", "softmax"
    net = Net(**{**vars(net), "output_activation": activation})
    return Setup(net, loss, ("accuracy",), epochs, **fields)


def _quantity(net: Net, epochs: int, **fields: object) -> Setup:
    return Setup(net, "mse", ("mae",), epochs, **fields)


TASKS = (
    Task("digits", "classes", digits, _classes(Net(widths=(48,), units=10, dropout=0.3), 30), 0.85),
    Task("cancer", "binary", cancer, _classes(Net(widths=(12,), l2=2e-3, dropout=0.3), 30), 0.8),
    Task(
        "wine",
        "classes",
        wine,
        _classes(Net(widths=(8,), units=3, l2=2e-2), 40, learning_rate=3e-3, batch=16),
        0.8,
    ),
    Task("moons", "binary", moons, _classes(Net(widths=(16, 16)), 40, learning_rate=5e-3), 0.8),
    Task("rings", "binary", rings, _classes(Net(widths=(16, 16)), 40, learning_rate=5e-3), 0.8),
    Task("xor", "binary", xor, _classes(Net(widths=(16, 16)), 40, learning_rate=5e-3), 0.8),
    Task("spirals", "classes", spirals, _classes(Net(widths=(32, 32), units=3), 60, learning_rate=5e-3), 0.75),
    Task(
        "clusters",
        "classes",
        clusters,
        _classes(Net(widths=(24,), units=4, dropout=0.2), 30, learning_rate=2e-3),
        0.5,
    ),
    Task("hastie", "binary", hastie, _classes(Net(widths=(24,), l2=1e-3), 30, learning_rate=3e-3), 0.7),
    Task("rare", "binary", rare, _classes(Net(widths=(16,), dropout=0.1), 30, learning_rate=2e-3), 0.4),
    Task(
        "labels",
        "labels",
        labels,
        Setup(
            Net(widths=(16,), units=5, output_activation="sigmoid"),
            "binary_crossentropy",
            ("binary_accuracy",),
            25,
        ),
        0.35,
    ),
    Task(
        "friedman",
        "regression",
        friedman,
        _quantity(Net(widths=(32,), output_scale=(5.0, 14.0)), 60, learning_rate=5e-3),
        0.8,
    ),
    Task(
        "houses",
        "regression",
        houses,
        _quantity(Net(widths=(16,), output_scale=(100_000.0, 300_000.0)), 50, learning_rate=3e-3),
        0.8,
    ),
    Task(
        "diabetes",
        "regression",
        diabetes,
        _quantity(Net(widths=(), output_scale=(50.0, 150.0), l2=30.0), 50, learning_rate=5e-3, batch=16),
        0.3,
    ),
    Task(
        "currents",
        "regression",
        currents,
        _quantity(Net(widths=(32,), output_scale=(1e-3, 0.0)), 50, learning_rate=5e-3),
        0.7,
    ),
    Task(
        "counts",
        "regression",
        counts,
        Setup(Net(widths=(16,), output_activation="exponential"), "poisson", ("mae",), 30, learning_rate=2e-3),
        0.35,
    ),
    Task(
        "density",
        "density",
        density,
        Setup(Net(widths=(24, 24), activation="tanh", units=2), "gaussian_nll", (), 50, learning_rate=5e-3),
        0.8,
    ),
    Task(
        "codes",
        "regression",
        codes,
        Setup(Net(widths=(32, 10, 32), units=64, output_activation="sigmoid"), "mse", (), 60, learning_rate=3e-3),
        0.5,
    ),
    Task(
        "heads",
        "heads",
        heads,
        Setup(
            Net("heads", widths=(32, 16), units=3),
            {"kind": "sparse_categorical_crossentropy", "size": "mse"},
            {"kind": ["accuracy"], "size": ["mae"]},
            30,
            learning_rate=3e-3,
        ),
        0.5,
    ),
)
