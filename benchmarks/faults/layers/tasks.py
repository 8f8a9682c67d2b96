"""Data sets, most of them those of the curves, each with a deep network that trains well on it in a few seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.faults.configuration import Data, Task
from benchmarks.faults.layers.configuration import DeepNet, DeepSetup
from benchmarks.faults.tasks import TASKS as CURVES
from benchmarks.faults.tasks.patterns import TOKENS
from benchmarks.faults.tasks.sequences import VOCABULARY
from benchmarks.faults.tasks.splitting import split

CROSS, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"


def walks(seed: int) -> Data:
    """Random walks of 30 steps in two directions: upwards, downwards or neither, in the first direction."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, 1800)
    x = rng.normal(0, 1, (1800, 30, 2))
    x[:, :, 0] += 0.4 * (kind[:, None] - 1)
    return split(x, kind, 640, 200, seed)


def calls(seed: int) -> Data:
    """Which of three calls was heard somewhere in the last third of 24 noisy steps?"""
    rng = np.random.default_rng(seed)
    n, length = 1800, 24
    kind = rng.integers(0, 3, n)
    x = rng.normal(0, 0.3, (n, length, 3))
    x[np.arange(n), rng.integers(16, length, n), kind] += 2.5
    return split(x, kind, 640, 200, seed)


def _classes(net: DeepNet, classes: int, epochs: int = 12, **fields: Any) -> DeepSetup:
    last = {"units": classes, "output_activation": "softmax"} if classes > 2 else {"output_activation": "sigmoid"}
    return DeepSetup(
        DeepNet(**{**vars(net), **last}), CROSS if classes > 2 else BINARY, ("accuracy",), epochs, **fields
    )


def _quantity(net: DeepNet, epochs: int = 15, **fields: Any) -> DeepSetup:
    return DeepSetup(net, "mse", ("mae",), epochs, **fields)


def _task(name: str, data: str, setup: DeepSetup, floor: float) -> Task:
    return Task(name, CURVES[data].kind, CURVES[data].load, setup, floor)


_TASKS = (
    # dense layers
    _task("digits-5", "digits", _classes(DeepNet("dense", (48, 48, 32, 32, 32)), 10, learning_rate=2e-3), 0.8),
    _task("digits-9", "digits", _classes(DeepNet("dense", (32,) * 9, form="layer"), 10, learning_rate=1e-3), 0.75),
    _task("clusters-4", "clusters", _classes(DeepNet("dense", (32,) * 4, form="layer"), 4, learning_rate=2e-3), 0.6),
    _task(
        "ellipsoids-6",
        "ellipsoids",
        _classes(DeepNet("dense", (24,) * 6), 3, learning_rate=3e-3, batch=64, epochs=15),
        0.6,
    ),
    _task(
        "spirals-6",
        "spirals",
        _classes(DeepNet("dense", (32,) * 6, form="function"), 3, learning_rate=3e-3, epochs=20),
        0.7,
    ),
    _task(
        "friedman-4",
        "friedman",
        _quantity(DeepNet("dense", (32,) * 4, output_scale=(5.0, 14.0)), learning_rate=3e-3),
        0.75,
    ),
    _task(
        "houses-3",
        "houses",
        _quantity(
            DeepNet("dense", (24,) * 3, form="layer", output_scale=(100_000.0, 300_000.0)), 20, learning_rate=5e-3
        ),
        0.75,
    ),
    _task("rare-3", "rare", _classes(DeepNet("dense", (24,) * 3), 2, learning_rate=2e-3, batch=64, epochs=15), 0.4),
    _task(
        "grades-3",
        "grades",
        DeepSetup(
            DeepNet("dense", (24,) * 3, units=3, output_activation="sigmoid"),
            BINARY,
            ("binary_accuracy",),
            12,
            learning_rate=3e-3,
            batch=64,
        ),
        0.3,
    ),
    # bounded activations
    _task("digits-tanh", "digits", _classes(DeepNet("dense", (32,) * 5, "tanh"), 10, learning_rate=2e-3), 0.8),
    _task(
        "ellipsoids-tanh",
        "ellipsoids",
        _classes(DeepNet("dense", (32,) * 3, "tanh", form="layer"), 3, learning_rate=6e-3, batch=64, epochs=20),
        0.6,
    ),
    _task(
        "clusters-sigmoid",
        "clusters",
        _classes(DeepNet("dense", (32, 32), "sigmoid", form="function"), 4, learning_rate=1e-2, epochs=15),
        0.55,
    ),
    _task(
        "friedman-tanh",
        "friedman",
        _quantity(DeepNet("dense", (32,) * 4, "tanh", output_scale=(5.0, 14.0)), 20, learning_rate=5e-3),
        0.7,
    ),
    # convolutions
    _task(
        "shapes-3",
        "shapes",
        _classes(DeepNet("convolutions", (8, 16, 16), head=(24,)), 4, learning_rate=3e-3),
        0.65,
    ),
    _task(
        "gratings-6",
        "gratings",
        _classes(
            DeepNet("convolutions", (8, 8, 8, 12, 12, 12), form="layer", pooled=(1, 3)), 4, learning_rate=2e-3, batch=48
        ),
        0.55,
    ),
    _task(
        "radii-4",
        "radii",
        DeepSetup(
            DeepNet("convolutions", (8, 8, 12, 12), pooled=(0, 2), form="function"),
            "huber",
            ("mae",),
            15,
            learning_rate=2e-3,
        ),
        0.65,
    ),
    _task(
        "shapes-tanh",
        "shapes",
        _classes(DeepNet("convolutions", (8, 12, 16), "tanh", head=(24,)), 4, learning_rate=3e-3),
        0.6,
    ),
    _task(
        "waves-4",
        "waves",
        _classes(DeepNet("convolutions", (8, 12, 16, 16), pooled=(0, 1, 2)), 4, learning_rate=3e-3),
        0.5,
    ),
    _task(
        "tones-5",
        "tones",
        _classes(
            DeepNet("convolutions", (12,) * 5, form="layer", pooled=(0, 1, 2), dense_after="average"),
            5,
            learning_rate=4e-3,
        ),
        0.6,
    ),
    _task(
        "cells-unet",
        "cells",
        DeepSetup(
            DeepNet("mask", (8, 12, 8), output_activation="sigmoid"),
            BINARY,
            ("accuracy",),
            12,
            learning_rate=4e-3,
            batch=16,
        ),
        0.4,
    ),
    # sequences
    Task(
        "walks-rnn",
        "classes",
        walks,
        _classes(DeepNet("recurrent", (16, 16), cell="rnn"), 3, 10, learning_rate=3e-3, batch=64),
        0.6,
    ),
    Task(
        "walks-lstm",
        "classes",
        walks,
        _classes(DeepNet("recurrent", (16,), cell="lstm", head=(16,)), 3, 10, learning_rate=1e-2, batch=64),
        0.6,
    ),
    Task(
        "calls-gru",
        "classes",
        calls,
        _classes(DeepNet("recurrent", (16, 16), cell="gru"), 3, 10, learning_rate=1e-2, batch=64),
        0.6,
    ),
    _task(
        "series-rnn",
        "series",
        _quantity(DeepNet("recurrent", (16, 16, 16), cell="rnn"), 10, learning_rate=3e-3, batch=50),
        0.7,
    ),
    _task(
        "order-gru",
        "order",
        _classes(
            DeepNet("recurrent", (16,), cell="gru", vocabulary=20, head=(16,)), 2, 10, learning_rate=1e-2, batch=40
        ),
        0.7,
    ),
    _task(
        "reviews-bilstm",
        "reviews",
        _classes(
            DeepNet("recurrent", (8,), cell="lstm", bidirectional=True, vocabulary=VOCABULARY),
            2,
            8,
            learning_rate=6e-3,
            batch=40,
        ),
        0.5,
    ),
    _task(
        "motifs-attention",
        "motifs",
        _classes(
            DeepNet("attention", (16, 16), vocabulary=TOKENS, layer_norm=True), 2, 12, learning_rate=5e-3, batch=50
        ),
        0.6,
    ),
    # skips, models inside models, several outputs
    _task("digits-residual", "digits", _classes(DeepNet("residual", (32,) * 5), 10, learning_rate=1e-3), 0.8),
    _task(
        "gratings-residual",
        "gratings",
        _classes(
            DeepNet("residual-image", (12,) * 3, batch_norm=True, batch_norm_momentum=0.9),
            4,
            learning_rate=4e-3,
            batch=48,
        ),
        0.5,
    ),
    _task(
        "digits-nested",
        "digits",
        _classes(DeepNet("dense", (64, 48, 32), nested=True, head=(32,)), 10, learning_rate=2e-3),
        0.8,
    ),
    _task(
        "shapes-nested",
        "shapes",
        _classes(DeepNet("convolutions", (8, 12, 16), form="layer", nested=True, head=(24,)), 4, learning_rate=3e-3),
        0.6,
    ),
    _task(
        "heads-4",
        "heads",
        DeepSetup(
            DeepNet("heads", (32,) * 4, units=3),
            {"kind": CROSS, "size": "mse"},
            {"kind": ["accuracy"], "size": ["mae"]},
            15,
            learning_rate=3e-3,
            batch=40,
        ),
        0.5,
    ),
    _task(
        "codes-autoencoder",
        "codes",
        DeepSetup(
            DeepNet("dense", (48, 24, 12, 24, 48), units=64, output_activation="sigmoid"),
            "mse",
            ("mae",),
            20,
            learning_rate=4e-3,
        ),
        0.35,
    ),
    _task(
        "pairs-siamese",
        "pairs",
        _classes(DeepNet("siamese", (32, 16), head=(16,)), 2, 12, learning_rate=4e-3, batch=64),
        0.6,
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}
