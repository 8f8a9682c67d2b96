"""More images and sequences: gratings, sizes, rings to segment, tones, motifs, lags, denoising."""

from __future__ import annotations

import numpy as np

from benchmarks.faults.configuration import Data, Net, Setup, Task
from benchmarks.faults.tasks.splitting import column, split

TOKENS = 16


def gratings(seed: int) -> Data:
    """Stripes in one of four directions under strong noise, 10 by 10 pixels."""
    rng = np.random.default_rng(seed)
    n = 2000
    kind = rng.integers(0, 4, n)
    row, col = np.mgrid[:10, :10]
    angle = (kind * np.pi / 4 + rng.normal(0, 0.12, n))[:, None, None]
    across = row * np.cos(angle) + col * np.sin(angle)
    wave = np.sin(across * rng.uniform(1.2, 1.9, (n, 1, 1)) + rng.uniform(0, 2 * np.pi, (n, 1, 1)))
    return split((wave + rng.normal(0, 0.7, wave.shape))[..., None], kind, 900, 250, seed)


def radii(seed: int) -> Data:
    """How large is the bright blob, in pixels?"""
    rng = np.random.default_rng(seed)
    n = 1800
    row, col = np.mgrid[:12, :12]
    x0, y0 = rng.uniform(4, 8, (2, n, 1, 1))
    radius = rng.uniform(1, 4.5, (n, 1, 1))
    blob = 1 / (1 + np.exp(3 * (np.hypot(row - y0, col - x0) - radius)))
    x = blob * rng.uniform(0.7, 1.3, (n, 1, 1)) + rng.normal(0, 0.3, blob.shape)
    return split(x[..., None], column(radius), 800, 250, seed)


def cells(seed: int) -> Data:
    """Rings of 14 by 14 pixels to be segmented: their wall, not their inside."""
    rng = np.random.default_rng(seed)
    n = 900
    row, col = np.mgrid[:14, :14]
    x0, y0 = rng.uniform(5, 9, (2, n, 1, 1))
    radius = rng.uniform(2.5, 4.5, (n, 1, 1))
    wall = (np.abs(np.hypot(row - y0, col - x0) - radius) < 0.9).astype("float32")
    x = wall * rng.uniform(0.8, 1.4, (n, 1, 1)) + rng.normal(0, 0.4, wall.shape)
    return split(x[..., None], wall[..., None], 350, 120, seed)


def tones(seed: int) -> Data:
    """One of five pitches with overtones, in 64 noisy samples."""
    rng = np.random.default_rng(seed)
    n = 2200
    kind = rng.integers(0, 5, n)
    phase = rng.uniform(0, 1, (n, 1)) + (4 + 2.2 * kind + rng.normal(0, 0.25, n))[:, None] * np.linspace(0, 1, 64)
    x = np.sin(2 * np.pi * phase) + 0.5 * np.sin(4 * np.pi * phase) + rng.normal(0, 0.6, (n, 64))
    return split(x[..., None], kind, 1000, 300, seed)


def motifs(seed: int) -> Data:
    """Does token 3 stand directly before token 7 somewhere?"""
    rng = np.random.default_rng(seed)
    n, length = 3200, 12
    x = rng.integers(1, TOKENS, (n, length))
    places = rng.integers(0, length - 1, n)
    x[np.arange(n), places] = 3
    x[np.arange(n), places + 1] = np.where(rng.random(n) < 0.5, 7, rng.integers(8, TOKENS, n))
    return split(x, column(((x[:, :-1] == 3) & (x[:, 1:] == 7)).any(1)), 1600, 400, seed)


def lags(seed: int) -> Data:
    """A product of two past values: what a linear filter cannot give."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (2800, 16, 1))
    y = 2 * x[:, -2, 0] * x[:, -5, 0] + x[:, -3, 0] + rng.normal(0, 0.1, len(x))
    return split(x, column(y), 1300, 400, seed)


def denoise(seed: int) -> Data:
    """Clean waveforms from noisy ones, 32 samples."""
    rng = np.random.default_rng(seed)
    n = 2400
    t = np.linspace(0, 1, 32)
    frequency, phase = rng.uniform(1, 3, (n, 1)), rng.uniform(0, 1, (n, 1))
    clean = rng.uniform(0.5, 1.5, (n, 1)) * np.sin(2 * np.pi * (frequency * t + phase))
    return split(clean + rng.normal(0, 0.5, clean.shape), clean.astype("float32"), 1000, 300, seed)


def _classes(net: Net, epochs: int, rate: float) -> Setup:
    return Setup(net, "sparse_categorical_crossentropy", ("accuracy",), epochs, learning_rate=rate)


TASKS = (
    Task(
        "gratings",
        "classes",
        gratings,
        _classes(Net("image", widths=(8, 16), units=4, output_activation="softmax", dropout=0.25), 20, 2e-3),
        0.6,
    ),
    Task(
        "radii", "regression", radii, Setup(Net("image", widths=(8, 8)), "huber", ("mae",), 25, learning_rate=2e-3), 0.7
    ),
    Task(
        "cells",
        "mask",
        cells,
        Setup(
            Net("mask", widths=(8, 12), output_activation="sigmoid"),
            "binary_crossentropy",
            ("accuracy", "iou"),
            20,
            learning_rate=3e-3,
            batch=16,
        ),
        0.5,
    ),
    Task(
        "tones",
        "classes",
        tones,
        _classes(Net("signal", widths=(12, 16), units=5, output_activation="softmax", dropout=0.1), 25, 3e-3),
        0.65,
    ),
    Task(
        "motifs",
        "binary",
        motifs,
        Setup(
            Net("recurrent", (16,), cell="gru", vocabulary=TOKENS, output_activation="sigmoid"),
            "binary_crossentropy",
            ("accuracy",),
            20,
            learning_rate=6e-3,
        ),
        0.75,
    ),
    Task(
        "lags",
        "regression",
        lags,
        Setup(Net("recurrent", (16,), cell="gru"), "mse", ("mae",), 40, learning_rate=8e-3),
        0.7,
    ),
    Task(
        "denoise",
        "regression",
        denoise,
        Setup(Net(widths=(32, 12, 32), units=32, activation="elu"), "mse", ("mae",), 40, learning_rate=3e-3),
        0.7,
    ),
)
