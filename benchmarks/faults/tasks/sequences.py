"""Token sequences, waveforms and a time series."""

from __future__ import annotations

import numpy as np

from benchmarks.faults.configuration import Data, Net, Setup, Task
from benchmarks.faults.tasks.splitting import column, split

VOCABULARY = 60


def reviews(seed: int) -> Data:
    """Tokens with a sentiment each; the sign of the sum, made a little uncertain, is the label."""
    rng = np.random.default_rng(seed)
    sentiment = np.random.default_rng(0).normal(size=VOCABULARY)
    x = rng.integers(0, VOCABULARY, (3000, 16))
    y = sentiment[x].sum(1) + rng.normal(0, 0.8, 3000) > 0
    return split(x, column(y), 1200, 300, seed)


def order(seed: int) -> Data:
    """Does token 1 come before token 2?"""
    rng = np.random.default_rng(seed)
    x = rng.integers(3, 20, (2600, 10))
    places = np.array([rng.choice(10, 2, replace=False) for _ in range(2600)])
    x[np.arange(2600), places[:, 0]] = 1
    x[np.arange(2600), places[:, 1]] = 2
    return split(x, column(places[:, 0] < places[:, 1]), 1200, 300, seed)


def waves(seed: int) -> Data:
    """Sine, square, saw tooth or chirp of 48 noisy samples."""
    rng = np.random.default_rng(seed)
    n = 2000
    kind = rng.integers(0, 4, n)
    phase = rng.uniform(0, 1, (n, 1)) + rng.uniform(2, 4, (n, 1)) * np.linspace(0, 1, 48)
    forms = [
        np.sin(2 * np.pi * phase),
        np.sign(np.sin(2 * np.pi * phase)),
        2 * (phase % 1) - 1,
        np.sin(2 * np.pi * phase * np.linspace(0.5, 2, 48)),
    ]
    x = np.select([kind[:, None] == k for k in range(4)], forms) + rng.normal(0, 0.45, (n, 48))
    return split(x[..., None], kind, 800, 200, seed)


def series(seed: int) -> Data:
    """The next value of two noisy seasons, from the last 24."""
    rng = np.random.default_rng(seed)
    t = np.arange(2600)
    value = np.sin(2 * np.pi * t / 12) + 0.6 * np.sin(2 * np.pi * t / 29) + rng.normal(0, 0.2, len(t))
    windows = np.lib.stride_tricks.sliding_window_view(value, 25)
    return split(windows[:, :24, None], column(windows[:, 24]), 1000, 300, seed)


TASKS = (
    Task(
        "reviews",
        "binary",
        reviews,
        Setup(
            Net(
                "recurrent",
                (8,),
                cell="lstm",
                vocabulary=VOCABULARY,
                output_activation="sigmoid",
                dropout=0.4,
            ),
            "binary_crossentropy",
            ("accuracy",),
            8,
            learning_rate=4e-3,
        ),
        0.5,
    ),
    Task(
        "order",
        "binary",
        order,
        Setup(
            Net("recurrent", (12,), cell="gru", vocabulary=20, output_activation="sigmoid"),
            "binary_crossentropy",
            ("accuracy",),
            20,
            learning_rate=5e-3,
        ),
        0.8,
    ),
    Task(
        "waves",
        "classes",
        waves,
        Setup(
            Net("signal", (8, 16), units=4, output_activation="softmax", dropout=0.2),
            "sparse_categorical_crossentropy",
            ("accuracy",),
            20,
            learning_rate=3e-3,
        ),
        0.6,
    ),
    Task(
        "series",
        "regression",
        series,
        Setup(Net("recurrent", (12,), cell="gru"), "mse", ("mae",), 25, learning_rate=5e-3),
        0.75,
    ),
)
