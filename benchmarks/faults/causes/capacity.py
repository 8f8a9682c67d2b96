"""The model cannot hold what is to be learnt."""

from __future__ import annotations

from benchmarks.faults.configuration import Cause, longer, setting

UNDER = ("underfitting",)

CAUSES = (
    Cause(
        "linear-on-curved",
        "a linear model on classes that no line separates",
        setting({"widths": ()}, learning_rate=2e-2),
        ("spirals", "rings", "hastie", "xor"),
        expects=(*UNDER, "not-learning"),
    ),
    Cause(
        "linear-on-products",
        "a linear model on a curved response",
        setting({"widths": ()}, learning_rate=5e-2),
        ("currents", "heads"),
        expects=UNDER,
    ),
    Cause(
        "stacked-linear",
        "three layers without an activation",
        setting({"widths": (32, 32), "activation": "linear"}),
        ("hastie", "spirals", "rings"),
        expects=(*UNDER, "not-learning"),
    ),
    Cause(
        "penalty-too-strong",
        "L2 of 0.3 on every layer",
        setting({"l2": 0.3}),
        ("digits", "spirals", "clusters"),
        expects=(*UNDER, "not-learning"),
    ),
    Cause(
        "one-unit-wide",
        "a hidden layer of one unit",
        setting({"widths": (1,), "dropout": 0.0}),
        ("spirals", "digits", "friedman"),
        expects=UNDER,
    ),
    Cause(
        "dropout-too-strong",
        "95 % of the units dropped",
        longer(1.5, {"dropout": 0.95}),
        ("digits", "hastie", "shapes", "spirals"),
        expects=UNDER,
        accepts=("validation-better-than-training",),
    ),
    Cause(
        "bottleneck",
        "a code of one number for 64 pixels",
        setting({"widths": (32, 1, 32)}),
        ("codes", "digits"),
        expects=UNDER,
    ),
)
