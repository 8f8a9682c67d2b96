"""Loss and metric tell different stories."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, change, longer, setting

STUCK = ("metric-stuck",)
APART = ("loss-metric-disagreement",)


def _threshold(setup: Setup, _: Task) -> Setup:
    return change(setup, metrics=[("BinaryAccuracy", {"threshold": 1.5})])


CAUSES = (
    Cause(
        "softmax-one-unit",
        "softmax over one unit with binary cross-entropy: Keras trains on the cached logits",
        setting({"output_activation": "softmax"}),
        ("moons", "hastie", "xor", "cancer"),
        expects=STUCK,
        accepts=("not-learning",),
    ),
    Cause(
        "accuracy-of-quantities",
        "accuracy as the metric of a regression",
        setting(metrics=("accuracy",)),
        ("friedman", "houses", "diabetes", "series"),
        expects=STUCK,
    ),
    Cause(
        "threshold-never-crossed",
        "one positive in fifty: every prediction stays below one half",
        lambda s, _: change(
            s, net={"widths": (4,), "dropout": 0.0}, learning_rate=3e-4, epochs=20, edits=(edits.rarer(0.02),)
        ),
        ("rare", "hastie", "rings"),
        expects=STUCK,
        accepts=("slow-convergence", "underfitting", "learning-rate-too-low", "not-learning"),
    ),
    Cause(
        "threshold-of-logits",
        "accuracy with a threshold meant for other outputs",
        _threshold,
        ("moons", "rings", "cancer"),
        expects=STUCK,
    ),
    Cause(
        "overconfident",
        "few rows, no regularization: validation loss climbs, accuracy holds or gains",
        longer(
            3,
            {"widths": (128, 128), "dropout": 0.0, "l2": 0.0},
            learning_rate=3e-3,
            edits=(edits.keep(train=250),),
        ),
        ("digits", "clusters", "wine"),
        expects=(*APART, "overfitting"),
    ),
    Cause(
        "overconfident-noisy",
        "a tenth of all labels wrong: confident mistakes cost ever more",
        longer(
            2,
            {"widths": (64, 64), "dropout": 0.0, "l2": 0.0},
            learning_rate=3e-3,
            edits=(edits.keep(train=500), edits.label_noise(0.1, False, True, True)),
        ),
        ("digits", "moons", "clusters"),
        expects=(*APART, "overfitting"),
    ),
    Cause(
        "overconfident-long",
        "150 epochs beyond the best loss",
        setting({"dropout": 0.0, "l2": 0.0}, epochs=150, edits=(edits.keep(train=400),)),
        ("clusters", "reviews", "hastie"),
        expects=(*APART, "overfitting"),
    ),
    Cause(
        "outlier-ruled",
        "one target in fifty far off under squared error: the loss falls, the absolute error grows",
        longer(1, edits=(edits.outliers(0.02, 40.0),)),
        ("friedman", "currents", "series"),
        expects=APART,
        accepts=("overfitting", "generalization-gap", "underfitting", "not-learning"),
    ),
    Cause(
        "ascent",
        "a similarity returned as a loss: the loss falls and the metric worsens",
        setting(optimizer="sgd", learning_rate=5e-3, loss="climbing", epochs=30),
        ("digits", "friedman", "shapes"),
        expects=APART,
        accepts=("not-learning", "divergence", "learning-rate-too-high", "impossible-loss", "underfitting"),
    ),
)
