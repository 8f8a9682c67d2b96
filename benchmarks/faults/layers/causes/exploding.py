"""Gradients that outgrow the weights."""

from __future__ import annotations

from typing import Any

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, setting
from benchmarks.faults.layers.causes.vanishing import normal
from benchmarks.faults.layers.configuration import both, deeper
from benchmarks.faults.layers.edits import wild_rows

EXPLODING = ("exploding-gradient",)


def sgd(rate: float, net: dict[str, Any] | None = None, **fields: Any) -> Any:
    return setting(net, optimizer="sgd", learning_rate=rate, **fields)


CAUSES = (
    Cause(
        "large-normal-relu",
        "weights of 1 in deep ReLU networks, SGD",
        sgd(0.01, {"kernel": normal(1.0)}),
        ("digits-9", "spirals-6", "ellipsoids-6", "gratings-6"),
        EXPLODING,
    ),
    Cause(
        "sgd-rate-too-high",
        "SGD with momentum at a rate of 0.15 on quantities",
        sgd(0.15, optimizer_arguments={"momentum": 0.9}),
        ("friedman-4", "houses-3", "series-rnn", "heads-4"),
        EXPLODING,
    ),
    Cause(
        "unscaled-inputs-sgd",
        "inputs a thousand times too large, SGD",
        sgd(0.03, edits=(edits.rescaled(1000.0),)),
        ("friedman-4", "clusters-4", "waves-4", "digits-5"),
        EXPLODING,
    ),
    Cause(
        "raw-targets-sgd",
        "targets in raw units, SGD",
        sgd(1e-3, {"output_scale": None}, edits=(edits.targets(lambda y: 30 * y),)),
        ("houses-3", "friedman-4", "radii-4"),
        EXPLODING,
    ),
    Cause(
        "recurrent-gain",
        "recurrent weights of gain 2 and ReLU over the steps of a sequence, SGD",
        sgd(
            0.02,
            {"cell": "rnn", "cell_activation": "relu", "recurrent_kernel": ("Orthogonal", {"gain": 2.0}), "head": ()},
        ),
        ("series-rnn", "walks-rnn", "calls-gru", "order-gru"),
        EXPLODING,
    ),
    Cause(
        "residuals-add-up",
        "residual branches with weights of 0.6 and no normalization, SGD",
        both(deeper(8), sgd(0.02, {"kernel": normal(0.6), "batch_norm": False})),
        ("digits-residual", "gratings-residual"),
        EXPLODING,
    ),
    Cause(
        "loss-times-hundreds",
        "a loss weight of 300 under SGD",
        sgd(0.05, loss_weight=300.0),
        ("digits-5", "friedman-4", "shapes-3", "walks-rnn"),
        EXPLODING,
    ),
    Cause(
        "growing-rate",
        "a schedule that multiplies where it should divide, SGD with momentum",
        sgd(1e-4, optimizer_arguments={"momentum": 0.9}, schedule=("growing", {"power": 4.0})),
        ("friedman-4", "spirals-6", "tones-5", "clusters-4"),
        EXPLODING,
    ),
    Cause(
        "linear-stack",
        "eight layers without activations, of too large weights, SGD",
        both(deeper(8), sgd(0.01, {"activation": "linear", "kernel": ("VarianceScaling", {"scale": 8.0})})),
        ("digits-5", "clusters-4", "friedman-4"),
        EXPLODING,
    ),
    Cause(
        "wild-rows",
        "one row in a hundred ten thousand times too large, SGD",
        sgd(0.01, edits=(wild_rows(0.01, 1e4),)),
        ("friedman-4", "ellipsoids-6", "clusters-4"),
        EXPLODING,
    ),
    Cause(
        "exponential-hidden",
        "exponentials as hidden activations, SGD",
        both(deeper(4), sgd(0.02, {"activation": "exponential"})),
        ("digits-5", "clusters-4", "friedman-4"),
        EXPLODING,
    ),
    Cause(
        "decay-of-wrong-sign",
        "negative weight decay under SGD: weights grow with every step",
        sgd(0.02, optimizer_arguments={"weight_decay": -0.3}),
        ("digits-5", "ellipsoids-6", "tones-5", "friedman-4"),
        EXPLODING,
    ),
    Cause(
        "late-rate-jump",
        "the rate a thousandfold from the middle on, SGD",
        sgd(0.03, optimizer_arguments={"momentum": 0.9}, schedule=("late_jump", {"share": 0.5, "factor": 1000.0})),
        ("friedman-4", "clusters-4", "waves-4", "heads-4"),
        EXPLODING,
    ),
    Cause(
        "large-normal-adam",
        "weights of 2 in deep ReLU networks, Adam",
        setting({"kernel": normal(2.0)}),
        ("digits-9", "ellipsoids-6", "tones-5"),
        EXPLODING,
    ),
)
