"""More tables: quantiles, lifetimes, grades, distributions, directions, positions, buyers, pairs."""

from __future__ import annotations

import numpy as np

from benchmarks.faults.configuration import Data, Net, Setup, Task
from benchmarks.faults.tasks.splitting import column, split


def ellipsoids(seed: int) -> Data:
    """Three classes by a curved surface in six dimensions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3200, 6))
    level = x[:, 0] ** 2 + 0.7 * x[:, 1] * x[:, 2] + x[:, 3] + rng.normal(0, 0.15, len(x))
    return split(x, np.digitize(level, np.quantile(level, [1 / 3, 2 / 3])), 1500, 400, seed)


def tails(seed: int) -> Data:
    """Delays whose spread depends on the load; their upper quartile is wanted."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.5, 1.5, (2800, 4))
    y = 2 + x[:, 0] + np.sin(2 * x[:, 1]) + rng.gamma(2, 0.15 + 0.1 * np.abs(x[:, 2]), len(x))
    return split(x, column(y), 1200, 400, seed)


def lifetimes(seed: int) -> Data:
    """Days until a part fails, gamma distributed about a log-linear mean below one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2800, 5))
    mean = np.exp(-1 + 0.7 * x[:, 0] - 0.5 * x[:, 1] + 0.4 * np.tanh(x[:, 2] * x[:, 3]))
    return split(x, column(mean * rng.gamma(8, 1 / 8, len(x))), 1200, 400, seed)


def grades(seed: int) -> Data:
    """Four ordered grades as three cumulative labels: at least B, at least C, at least D."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 8))
    score = x[:, 0] + 0.8 * x[:, 1] - 0.6 * x[:, 2] * x[:, 3] + rng.normal(0, 0.3, len(x))
    return split(x, (score[:, None] > [-0.9, 0.1, 1.0]).astype("float32"), 1300, 400, seed)


def mixtures(seed: int) -> Data:
    """Shares of four components, to be predicted as a distribution."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2600, 7))
    logits = 1.5 * x[:, :4] + 0.8 * np.sin(2 * x[:, 4:5]) * [1, -1, 1, -1] + rng.normal(0, 0.3, (len(x), 4))
    shares = np.exp(logits)
    return split(x, (shares / shares.sum(1, keepdims=True)).astype("float32"), 1200, 300, seed)


def bearings(seed: int) -> Data:
    """The direction, as a unit vector, of a source heard by eight microphones."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 2600)
    places = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    x = np.exp(np.cos(angle[:, None] - places)) + rng.normal(0, 0.3, (len(angle), 8))
    return split(x, np.stack([np.cos(angle), np.sin(angle)], 1).astype("float32"), 1000, 300, seed, scale=True)


def arms(seed: int) -> Data:
    """Where a robot's arm of three joints ends: millimetres, two outputs."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.2, 1.2, (2800, 3))
    angle = np.cumsum(x, 1)
    lengths = np.array([900.0, 600.0, 300.0])
    y = np.stack([np.cos(angle) @ lengths, np.sin(angle) @ lengths], 1) + rng.normal(0, 40, (len(x), 2))
    return split(x, y.astype("float32"), 1100, 300, seed)


def buyers(seed: int) -> Data:
    """One visitor in ten buys: numbers beside categories hashed into 24 columns."""
    rng = np.random.default_rng(seed)
    n = 4200
    numbers, kinds = rng.normal(size=(n, 5)), rng.integers(0, 40, (n, 2))
    worth = np.random.default_rng(3).normal(size=40)
    hashed = np.zeros((n, 24))
    for place in (0, 1):
        hashed[np.arange(n), (kinds[:, place] * 7 + place * 5) % 24] += 1
    score = 1.8 * numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + 0.8 * worth[kinds[:, 0]] + rng.normal(0, 0.2, n)
    return split(np.concatenate([numbers, hashed], 1), column(score > np.quantile(score, 0.9)), 2200, 600, seed)


def pairs(seed: int) -> Data:
    """Do two noisy views show the same one of twelve objects?"""
    rng = np.random.default_rng(seed)
    objects = np.random.default_rng(5).normal(size=(12, 8))
    n = 3000
    same = rng.random(n) < 0.5
    first = rng.integers(0, 12, n)
    second = np.where(same, first, (first + rng.integers(1, 12, n)) % 12)
    views = [objects[k] + rng.normal(0, 0.4, (n, 8)) for k in (first, second)]
    return split(np.concatenate(views, 1), column(same), 1400, 400, seed)


TASKS = (
    Task(
        "ellipsoids",
        "classes",
        ellipsoids,
        Setup(
            Net(widths=(24, 16), units=3, output_activation="softmax"),
            "sparse_categorical_crossentropy",
            ("accuracy",),
            30,
            learning_rate=3e-3,
        ),
        0.7,
    ),
    Task("tails", "regression", tails, Setup(Net(widths=(24,)), "pinball", ("mae",), 40, learning_rate=4e-3), 0.6),
    Task(
        "lifetimes",
        "regression",
        lifetimes,
        Setup(Net(widths=(16,), output_activation="exponential"), "lifetime_nll", ("mae",), 30, learning_rate=3e-3),
        0.5,
    ),
    Task(
        "grades",
        "labels",
        grades,
        Setup(
            Net(widths=(20,), units=3, output_activation="sigmoid"),
            "binary_crossentropy",
            ("binary_accuracy",),
            30,
            learning_rate=3e-3,
        ),
        0.5,
    ),
    Task(
        "mixtures",
        "regression",
        mixtures,
        Setup(
            Net(widths=(24,), units=4, output_activation="softmax"), "kl_divergence", ("mae",), 35, learning_rate=4e-3
        ),
        0.6,
    ),
    Task(
        "bearings",
        "regression",
        bearings,
        Setup(
            Net(widths=(16,), units=2, output_activation="unit_length"),
            "cosine_similarity",
            ("mae",),
            25,
            learning_rate=3e-3,
        ),
        0.7,
    ),
    Task(
        "arms",
        "regression",
        arms,
        Setup(
            Net(widths=(32, 16), units=2, activation="tanh", output_scale=(500.0, 500.0)),
            "mse",
            ("mae",),
            50,
            learning_rate=5e-3,
        ),
        0.8,
    ),
    Task(
        "buyers",
        "binary",
        buyers,
        Setup(
            Net(widths=(16,), dropout=0.1, output_activation="sigmoid", l2=1e-3),
            "binary_crossentropy",
            ("accuracy",),
            25,
            learning_rate=3e-3,
        ),
        0.45,
    ),
    Task(
        "pairs",
        "binary",
        pairs,
        Setup(
            Net("siamese", widths=(24, 16), output_activation="sigmoid", dropout=0.1),
            "binary_crossentropy",
            ("accuracy",),
            30,
            learning_rate=3e-3,
        ),
        0.7,
    ),
)
