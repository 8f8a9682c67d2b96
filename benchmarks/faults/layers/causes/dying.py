"""ReLU units that answer to nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, setting
from benchmarks.faults.layers.causes.exploding import sgd
from benchmarks.faults.layers.configuration import both, changed, deeper
from benchmarks.faults.layers.networks import Built

DYING = ("dying-relu",)


def constant(value: float) -> tuple[str, dict[str, float]]:
    return "Constant", {"value": value}


def sunk(share: float, place: int) -> Callable[[Built, np.random.Generator], None]:
    """Most biases of one hidden layer far below zero: what a corrupt checkpoint or a bad pruning leaves."""

    def operate(built: Built, rng: np.random.Generator) -> None:
        layer = built.weighted[place]
        bias = layer.bias.numpy()
        bias[rng.permutation(len(bias))[: round(share * len(bias))]] = -50.0
        layer.bias.assign(bias)

    return operate


def _relu(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "ReLU", arguments


CAUSES = (
    Cause(
        "negative-biases",
        "biases of -8 in every layer",
        setting({"bias": constant(-8.0)}),
        ("digits-5", "clusters-4", "shapes-3", "waves-4"),
        DYING,
    ),
    Cause(
        "adam-rate-too-high",
        "Adam at a hundred times the rate",
        at_rate(100.0),
        ("digits-9", "clusters-4", "friedman-4", "gratings-6"),
        DYING,
    ),
    Cause(
        "sgd-kills",
        "SGD with momentum at a rate of 1, gradients clipped",
        sgd(1.0, optimizer_arguments={"momentum": 0.9, "clipnorm": 1.0}),
        ("digits-5", "ellipsoids-6", "shapes-3", "grades-3"),
        DYING,
    ),
    Cause(
        "negative-mean-kernels",
        "kernels drawn about -0.3 on inputs that are never negative",
        setting({"kernel": ("RandomNormal", {"mean": -0.3, "stddev": 0.1})}),
        ("digits-5", "digits-9", "codes-autoencoder"),
        DYING,
    ),
    Cause(
        "offset-inputs",
        "inputs with an offset of 300 that was not subtracted, at ten times the rate",
        at_rate(10.0, edits=(edits.rescaled(1.0, 300.0),)),
        ("clusters-4", "ellipsoids-6", "friedman-4", "waves-4"),
        DYING,
    ),
    Cause(
        "activity-penalty",
        "an L1 penalty on activations that outweighs the loss",
        setting({"activity_l1": 1.0}),
        ("digits-5", "shapes-3", "friedman-4", "clusters-4"),
        DYING,
    ),
    Cause(
        "narrow-and-deep",
        "sixteen layers of three units, born dead",
        deeper(16, widths=(3,) * 16, kernel="glorot_uniform"),
        ("ellipsoids-6", "clusters-4", "spirals-6", "rare-3"),
        DYING,
    ),
    Cause(
        "sunken-normalization",
        "batch normalizations with an offset of -6 at the start",
        setting({"batch_norm": True, "batch_norm_momentum": 0.9, "beta": constant(-6.0)}),
        ("gratings-6", "digits-5", "clusters-4"),
        DYING,
    ),
    Cause(
        "clipped-by-value",
        "a loss weight of 1e4 and gradients clipped by value: every step is a full one, SGD",
        sgd(0.3, loss_weight=1e4, optimizer_arguments={"clipvalue": 1.0}),
        ("friedman-4", "radii-4", "grades-3", "digits-9"),
        DYING,
    ),
    Cause(
        "late-rate-jump-adam",
        "the rate three hundredfold from the middle on, Adam",
        setting(schedule=("late_jump", {"share": 0.4, "factor": 300.0})),
        ("digits-5", "gratings-6", "ellipsoids-6", "houses-3"),
        DYING,
    ),
    Cause(
        "threshold-too-high",
        "ReLUs that open at 12",
        setting({"activation": _relu(threshold=12.0)}),
        ("digits-5", "clusters-4", "shapes-3"),
        DYING,
    ),
    Cause(
        "relu-output",
        "a ReLU on the output, below zero for every row",
        setting(
            {
                "output_activation": "relu",
                "output_scale": None,
                "output_kernel": ("RandomNormal", {"mean": -1.0, "stddev": 0.1}),
            }
        ),
        ("radii-4", "friedman-4", "houses-3"),
        DYING,
    ),
    Cause(
        "one-dead-layer",
        "biases of -20 in one layer in the middle",
        setting({"changed": changed(2, bias=constant(-20.0))}),
        ("digits-9", "spirals-6", "gratings-6", "digits-nested"),
        DYING,
    ),
    Cause(
        "sunken-checkpoint",
        "weights loaded with nine in ten biases of the second layer at -50",
        both(setting({"surgery": (sunk(0.92, 1),)})),
        ("digits-5", "clusters-4", "shapes-3", "friedman-4"),
        DYING,
    ),
)
