"""Numbers that cannot be."""

from __future__ import annotations

import numpy as np

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, longer, setting

NAN = ("nan-loss",)
RATE = ("learning-rate-too-high", "divergence")
BELOW = ("impossible-loss",)

CAUSES = (
    Cause(
        "nan-infinite-input",
        "one infinite value among the inputs",
        setting(edits=(edits.poisoned(np.inf),), epochs=12),
        ("hastie", "friedman", "clusters"),
        expects=NAN,
    ),
    Cause(
        "nan-missing-input",
        "missing values left in: NaN in five rows",
        setting(edits=(edits.poisoned(np.nan, rows=5),), epochs=15),
        ("cancer", "houses", "digits"),
        expects=NAN,
    ),
    Cause(
        "nan-validation-only",
        "a missing value in the validation set only",
        setting({"activation": "tanh"}, edits=(edits.poisoned(np.nan, ("validation",)),)),
        ("digits", "friedman", "moons"),
        expects=NAN,
    ),
    Cause(
        "nan-extreme-rate",
        "SGD at 1e3 on a regression",
        setting(optimizer="sgd", learning_rate=1e3, epochs=15),
        ("friedman", "currents", "series"),
        expects=NAN,
        accepts=RATE,
    ),
    Cause(
        "nan-unscaled-targets",
        "prices in currency units under plain SGD",
        setting({"output_scale": None}, optimizer="sgd", learning_rate=0.01, epochs=20),
        ("houses", "diabetes"),
        expects=NAN,
        accepts=RATE,
    ),
    Cause(
        "nan-log-of-zero",
        "hand-written cross-entropy without an epsilon: NaN once a prediction saturates",
        longer(2, loss="log_likelihood_unguarded", learning_rate=0.05),
        ("moons", "cancer", "xor"),
        expects=NAN,
        accepts=RATE,
    ),
    Cause(
        "nan-mid-run",
        "rate that grows until training breaks",
        at_rate(1, optimizer="sgd", epochs=40, schedule=("exponential", {"rate": 1.6})),
        ("friedman", "houses", "series"),
        expects=NAN,
        accepts=(*RATE, "oscillating-loss"),
    ),
    Cause(
        "nan-relu-recurrent",
        "ReLU recurrent cells, SGD, no clipping",
        setting(
            {"cell": "rnn", "cell_activation": "relu", "widths": (32,)},
            optimizer="sgd",
            learning_rate=0.5,
            epochs=20,
        ),
        ("series", "order"),
        expects=(*NAN, "divergence"),
        accepts=RATE,
    ),
    Cause(
        "labels-minus-one",
        "labels of -1 and 1 under binary cross-entropy: the loss goes below zero",
        setting(edits=(edits.targets(lambda y: 2 * y - 1),)),
        ("moons", "hastie", "cancer"),
        expects=BELOW,
        accepts=("metric-stuck", "divergence", "loss-metric-disagreement"),
    ),
    Cause(
        "labels-one-two",
        "labels of 1 and 2 under binary cross-entropy",
        setting(edits=(edits.targets(lambda y: y + 1),)),
        ("rings", "rare", "reviews"),
        expects=BELOW,
        accepts=("metric-stuck", "not-learning", "divergence", "loss-metric-disagreement"),
    ),
    Cause(
        "masks-of-bytes",
        "masks of 0 and 255 under binary cross-entropy",
        setting(loss="binary_crossentropy", metrics=("accuracy",), edits=(edits.targets(lambda y: y * 255),)),
        ("masks",),
        expects=BELOW,
        accepts=("metric-stuck", "divergence", "loss-metric-disagreement"),
    ),
    Cause(
        "crossentropy-of-quantities",
        "standardized targets under binary cross-entropy",
        setting(
            {"output_activation": "sigmoid", "output_scale": None},
            loss="binary_crossentropy",
            metrics=("accuracy",),
            edits=(edits.targets(lambda y: (y - y.mean()) / y.std()),),
        ),
        ("friedman", "houses", "diabetes"),
        expects=BELOW,
        accepts=(
            "metric-stuck",
            "divergence",
            "loss-metric-disagreement",
            "underfitting",
            "not-learning",
            "overfitting",
        ),
    ),
)
