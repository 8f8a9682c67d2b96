"""Training or validation that cannot keep still, or runs away."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, longer, setting

HIGH = ("learning-rate-too-high",)
SICK = ("learning-rate-too-high", "oscillating-loss", "noisy-validation")


def _normal(stddev: float) -> tuple[str, dict[str, float]]:
    return "RandomNormal", {"stddev": stddev}


CAUSES = (
    Cause(
        "diverging-sgd",
        "full batches of SGD just beyond the largest stable rate: grows a little each epoch",
        setting(
            {"widths": (), "output_scale": None, "l2": 0.0},
            optimizer="sgd",
            learning_rate=1.15,
            epochs=25,
            batch=1024,
        ),
        ("friedman", "houses", "diabetes"),
        expects=("divergence", "nan-loss"),
        accepts=SICK,
    ),
    Cause(
        "rising-rate",
        "a rate that grows by a third each epoch (sign error in the decay)",
        setting(optimizer="sgd", learning_rate=1e-3, epochs=45, schedule=("exponential", {"rate": 1.35})),
        ("digits", "friedman", "clusters", "spirals"),
        expects=("divergence", "nan-loss", "learning-rate-too-high"),
        accepts=SICK,
    ),
    Cause(
        "rising-rate-adam",
        "the same with Adam and cells",
        longer(1.5, schedule=("exponential", {"rate": 1.3})),
        ("series", "shapes", "moons"),
        expects=("divergence", "learning-rate-too-high"),
        accepts=SICK,
    ),
    Cause(
        "linear-recurrent",
        "recurrent cells without a squashing activation, no clipping",
        setting(
            {"cell": "rnn", "cell_activation": "linear", "widths": (24,)},
            optimizer="sgd",
            learning_rate=0.02,
            batch=128,
        ),
        ("series", "reviews", "order"),
        expects=("divergence", "nan-loss"),
        accepts=SICK,
    ),
    Cause(
        "unscaled-inputs",
        "every feature in its own unit, up to 1000",
        setting(edits=(edits.mixed_units(),)),
        ("hastie", "clusters", "cancer", "friedman"),
        expects=("learning-rate-too-high", "oscillating-loss", "underfitting", "divergence", "not-learning"),
        accepts=SICK,
    ),
    Cause(
        "unscaled-bytes",
        "inputs of 0 to 4000 with SGD",
        setting(edits=(edits.rescaled(4000.0),), optimizer="sgd", learning_rate=0.01),
        ("digits", "shapes", "clusters"),
        expects=("divergence", "nan-loss", "learning-rate-too-high", "not-learning", "underfitting"),
        accepts=SICK,
    ),
    Cause(
        "huge-weights",
        "initial weights of standard deviation 10",
        setting({"kernel": _normal(10.0), "output_kernel": _normal(10.0)}),
        ("digits", "spirals", "clusters", "friedman"),
        expects=(
            "learning-rate-too-high",
            "generalization-gap",
            "underfitting",
            "overfitting",
            "not-learning",
            "slow-convergence",
        ),
        accepts=SICK,
    ),
    Cause(
        "sorted-unshuffled",
        "rows sorted by class and not shuffled",
        setting(shuffle=False, edits=(edits.sorted_rows(),)),
        ("digits", "moons", "shapes", "clusters"),
        expects=(
            "noisy-validation",
            "oscillating-loss",
            "generalization-gap",
            "underfitting",
            "not-learning",
            "learning-rate-too-high",
        ),
        accepts=("loss-metric-disagreement", "overfitting"),
    ),
    Cause(
        "batch-norm-tiny-batch",
        "batch normalization over batches of two, large rate",
        setting(
            {"batch_norm": True, "dropout": 0.0, "batch_norm_momentum": 0.9},
            batch=2,
            learning_rate=1e-2,
            epochs=25,
            edits=(edits.keep(train=250),),
        ),
        ("digits", "shapes", "clusters"),
        expects=("noisy-validation",),
        accepts=SICK,
    ),
    Cause(
        "batch-norm-forgetful",
        "moving averages of the last batch only (momentum 0)",
        setting({"batch_norm": True, "dropout": 0.0, "batch_norm_momentum": 0.0}, batch=8, learning_rate=1e-2),
        ("digits", "shapes", "waves", "friedman"),
        expects=("noisy-validation",),
        accepts=SICK,
    ),
    Cause(
        "batch-norm-high-rate",
        "batch normalization with a rate fifty times too high",
        setting({"batch_norm": True, "dropout": 0.0}, learning_rate=0.1, batch=64),
        ("digits", "shapes", "clusters"),
        expects=("noisy-validation",),
        accepts=SICK,
    ),
    Cause(
        "validation-of-eight",
        "eight validation rows",
        setting(edits=(edits.keep(validation=8),), learning_rate=1e-2),
        ("hastie", "waves", "clusters", "friedman"),
        expects=("noisy-validation",),
        accepts=("overfitting", "generalization-gap", *SICK),
    ),
    Cause(
        "batch-norm-drifting",
        "shifting inputs under batch normalization in a U-Net of batches of one",
        setting(
            {"batch_norm": True, "batch_norm_momentum": 0.5},
            batch=1,
            learning_rate=2e-2,
            epochs=20,
            edits=(edits.keep(train=150),),
        ),
        ("masks", "waves"),
        expects=("noisy-validation",),
        accepts=SICK,
    ),
)
