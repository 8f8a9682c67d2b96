"""Nothing to learn from, or nothing that can learn."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, change, longer, setting

NOT = ("not-learning",)


def _normal(stddev: float, mean: float = 0.0) -> tuple[str, dict[str, float]]:
    return "RandomNormal", {"mean": mean, "stddev": stddev}


def _dead(setup: Setup, _: Task) -> Setup:
    return change(setup, net={"bias": ("Constant", {"value": -20.0}), "activation": "relu"})


def _relu_output(setup: Setup, _: Task) -> Setup:
    """A ReLU as output whose unit starts below zero for every row: no gradient, ever."""
    return change(
        setup,
        net={"output_activation": "relu", "output_kernel": ("RandomNormal", {"mean": -1.0, "stddev": 0.1})},
    )


CAUSES = (
    Cause(
        "shuffled-labels",
        "training targets shuffled against their inputs, small network",
        setting({"widths": (4,)}, edits=(edits.shuffled_targets(True, True),)),
        ("moons", "rings", "friedman", "counts"),
        expects=NOT,
    ),
    Cause(
        "rate-vanishing",
        "learning rate 1e-7",
        setting(learning_rate=1e-7),
        ("digits", "hastie", "shapes", "currents"),
        expects=(*NOT,),
        accepts=("learning-rate-too-low", "slow-convergence"),
    ),
    Cause(
        "zero-weights",
        "all kernels zero: hidden units stay identical and silent",
        setting({"kernel": "zeros", "output_kernel": "zeros"}),
        ("digits", "spirals", "moons", "waves"),
        expects=NOT,
    ),
    Cause(
        "dead-relu",
        "biases of -20: every ReLU silent",
        _dead,
        ("digits", "moons", "spirals", "friedman"),
        expects=NOT,
    ),
    Cause(
        "relu-output",
        "a ReLU on the output, below zero from the start",
        _relu_output,
        ("currents", "series", "friedman"),
        expects=NOT,
    ),
    Cause(
        "deep-sigmoids",
        "eight layers of sigmoids, small weights, SGD",
        setting(
            {"widths": (24,) * 8, "activation": "sigmoid", "dropout": 0.0},
            optimizer="sgd",
            learning_rate=0.01,
        ),
        ("digits", "moons", "spirals"),
        expects=(*NOT, "plateau"),
    ),
    Cause(
        "frozen-everything",
        "backbone and head frozen by mistake",
        setting({"trainable": False}),
        ("digits", "shapes", "moons"),
        expects=NOT,
        accepts=("metric-stuck",),
    ),
    Cause(
        "blank-inputs",
        "inputs lost in preprocessing: all zero",
        setting(edits=(edits.blank_inputs(),)),
        ("digits", "shapes", "friedman", "clusters"),
        expects=NOT,
    ),
    Cause(
        "noise-inputs",
        "inputs replaced by noise, convolutions with dropout",
        longer(0.7, {"dropout": 0.5}, edits=(edits.blank_inputs(1.0),)),
        ("waves", "rings", "series"),
        expects=NOT,
        accepts=("overfitting",),
    ),
    Cause(
        "one-unit-categorical",
        "categorical cross-entropy over a single unit: the loss is zero from the start",
        setting({"output_activation": "sigmoid"}, loss="categorical_crossentropy"),
        ("moons", "hastie", "reviews"),
        expects=("not-learning", "metric-stuck"),
        accepts=("impossible-loss",),
    ),
    Cause(
        "saturated-output",
        "huge output weights saturate the sigmoid under squared error",
        setting({"output_kernel": _normal(200.0)}, loss="mse"),
        ("rings", "xor", "hastie"),
        expects=("not-learning", "underfitting", "plateau"),
    ),
    Cause(
        "plateau-small-weights",
        "weights of 0.01 in a deep net: long flat start",
        longer(
            2,
            {"kernel": _normal(0.01), "output_kernel": _normal(0.01), "widths": (24,) * 4, "dropout": 0.0},
            learning_rate=1.5e-4,
        ),
        ("xor", "spirals", "hastie", "digits"),
        expects=("plateau", "not-learning"),
        accepts=("slow-convergence", "learning-rate-too-low"),
    ),
    Cause(
        "plateau-sigmoids",
        "four layers of sigmoids: level for long, then a sudden drop",
        longer(2, {"widths": (24,) * 4, "activation": "sigmoid", "dropout": 0.0}, learning_rate=3e-3),
        ("xor", "digits", "rings", "spirals"),
        expects=("plateau", "not-learning"),
        accepts=("slow-convergence", "learning-rate-too-low"),
    ),
    Cause(
        "plateau-recurrent",
        "order of tokens far apart: level until it is found",
        longer(3, {"cell": "rnn", "widths": (8,)}, optimizer="sgd", learning_rate=0.003),
        ("order", "series"),
        expects=("plateau", "not-learning"),
        accepts=("slow-convergence", "learning-rate-too-low"),
    ),
    Cause(
        "constant-weights",
        "all weights alike: one unit, many times over",
        setting(
            {
                "kernel": ("Constant", {"value": 0.1}),
                "output_kernel": ("Constant", {"value": 0.1}),
                "dropout": 0.0,
            }
        ),
        ("spirals", "digits", "hastie", "xor"),
        expects=("underfitting", "not-learning", "plateau"),
    ),
    Cause(
        "bounded-output",
        "a sigmoid on targets between 0 and 30",
        setting({"output_activation": "sigmoid"}),
        ("friedman", "counts"),
        expects=("not-learning", "underfitting"),
    ),
)
