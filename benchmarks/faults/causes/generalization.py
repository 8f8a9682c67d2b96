"""Learns the training set rather than the task; or the validation set is another task."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, change, longer, setting

OVER = ("overfitting",)
GAP = ("generalization-gap",)
BIG = {"widths": (128, 128), "dropout": 0.0, "l2": 0.0}


def _overtrained(rows: int):
    def apply(setup: Setup, _: Task) -> Setup:
        return change(
            setup,
            net={"dropout": 0.0, "l2": 0.0},
            epochs=400,
            learning_rate=3e-3,
            edits=(edits.keep(train=rows),),
        )

    return apply


def _wide(setup: Setup, _: Task) -> Setup:
    widths = {
        "dense": (256, 128),
        "image": (32, 32),
        "signal": (32, 32),
        "recurrent": (48,),
        "heads": (256, 128),
    }
    return change(
        setup,
        net={"widths": widths[setup.net.family], "dropout": 0.0, "l2": 0.0},
        epochs=setup.epochs * 2,
        edits=(edits.keep(train=400),),
    )


CAUSES = (
    Cause(
        "overfit-small-data",
        "a tenth of the rows, wide network, no regularization",
        longer(2, BIG, learning_rate=2e-3, edits=(edits.keep(train=100),)),
        ("hastie", "clusters", "friedman", "diabetes"),
        expects=(*OVER, "generalization-gap"),
    ),
    Cause(
        "overfit-label-noise",
        "a quarter of the training labels wrong, wide network",
        longer(2, BIG, learning_rate=3e-3, edits=(edits.keep(train=400), edits.label_noise(0.25))),
        ("digits", "moons", "clusters"),
        expects=OVER,
    ),
    Cause(
        "overfit-capacity",
        "eight times the width, no dropout, a third of the rows",
        _wide,
        ("clusters", "reviews", "waves", "heads"),
        expects=(*OVER, "generalization-gap"),
    ),
    Cause(
        "overfit-too-long",
        "the usual network, four times the epochs, half of the rows, no dropout",
        longer(4, {"dropout": 0.0, "widths": (64,), "l2": 0.0}, edits=(edits.keep(train=300),)),
        ("hastie", "clusters", "rare", "counts"),
        expects=OVER,
    ),
    Cause(
        "overfit-noise-features",
        "150 features of pure noise beside the real ones",
        longer(
            2,
            {"widths": (64,), "dropout": 0.0, "l2": 0.0},
            learning_rate=3e-3,
            edits=(edits.keep(train=400), edits.noise_features(150)),
        ),
        ("hastie", "friedman", "clusters"),
        expects=(*OVER, "generalization-gap"),
    ),
    Cause(
        "overfit-late-onset",
        "small steps: validation turns up only late in a long run",
        setting(
            {"widths": (128, 128), "dropout": 0.0, "l2": 0.0},
            learning_rate=3e-4,
            epochs=160,
            edits=(edits.keep(train=400),),
        ),
        ("clusters", "friedman", "rare"),
        expects=OVER,
    ),
    Cause(
        "overfit-density",
        "likelihood of a confident network on few rows",
        longer(4, {"widths": (128, 64), "activation": "relu"}, edits=(edits.keep(train=30),)),
        ("density",),
        expects=OVER,
    ),
    Cause(
        "overfit-tokens",
        "a large recurrent network on 300 sequences",
        longer(4, {"widths": (32,), "dropout": 0.0}, edits=(edits.keep(train=300),)),
        ("reviews", "order"),
        expects=OVER,
    ),
    Cause(
        "overfit-no-augmentation",
        "convolutions on 80 images, no dropout",
        longer(4, {"dropout": 0.0, "widths": (16, 32)}, edits=(edits.keep(train=80),)),
        ("shapes", "masks", "waves"),
        expects=(*OVER, "generalization-gap"),
    ),
    Cause(
        "gap-tiny-training-set",
        "30 training rows, rate annealed: train perfect, validation flat and poor",
        longer(
            2,
            {"widths": (64,), "dropout": 0.0, "l2": 1e-3},
            batch=8,
            learning_rate=2e-3,
            schedule=("cosine", {}),
            edits=(edits.keep(train=30),),
        ),
        ("digits", "clusters", "hastie", "friedman"),
        expects=(*GAP, "overfitting"),
    ),
    Cause(
        "gap-shifted-validation",
        "validation inputs from a shifted distribution",
        setting(edits=(edits.shifted_validation(1.5, 0.8),)),
        ("digits", "clusters", "friedman", "waves"),
        expects=GAP,
    ),
    Cause(
        "gap-unscaled-validation",
        "training inputs scaled, validation inputs not",
        setting(edits=(edits.mixed_units(0.3, 30.0, train=False),)),
        ("digits", "cancer", "hastie", "shapes"),
        expects=GAP,
        accepts=("overfitting", "noisy-validation"),
    ),
    Cause(
        "gap-leaked-column",
        "a column gives the answer away in training only",
        setting(edits=(edits.leaked_target(1.5),)),
        ("digits", "clusters", "hastie", "friedman"),
        expects=GAP,
        accepts=("overfitting",),
    ),
    Cause(
        "gap-misaligned-validation",
        "validation targets shuffled against their inputs",
        setting(edits=(edits.shuffled_targets(train=False, validation=True),)),
        ("digits", "moons", "friedman", "shapes"),
        expects=(*GAP, "overfitting"),
    ),
    Cause(
        "gap-many-classes-few-rows",
        "four rows a class, convolutions",
        longer(2, {"dropout": 0.1}, schedule=("cosine", {}), batch=8, edits=(edits.keep(train=24),)),
        ("shapes", "waves"),
        expects=(*GAP, "overfitting"),
    ),
    Cause(
        "overtrained-small",
        "400 epochs on 150 rows: training loss at zero for most of them",
        _overtrained(150),
        ("clusters", "digits", "hastie"),
        expects=("overtraining", "overfitting"),
    ),
    Cause(
        "overtrained-images",
        "300 epochs on 200 images or signals",
        setting({"dropout": 0.0}, epochs=300, edits=(edits.keep(train=200),)),
        ("shapes", "waves"),
        expects=("overtraining", "overfitting"),
    ),
    Cause(
        "overtrained-large-steps",
        "1000 epochs of full batches on 200 rows",
        setting(
            {"dropout": 0.0, "l2": 0.0},
            epochs=1000,
            batch=256,
            learning_rate=1e-2,
            edits=(edits.keep(train=200),),
        ),
        ("moons", "digits", "rare"),
        expects=("overtraining", "overfitting"),
        seeds=(1,),
    ),
    Cause(
        "overtrained-noisy-labels",
        "500 epochs on labels of which a tenth are wrong",
        setting(
            {"widths": (64, 64), "dropout": 0.0, "l2": 0.0},
            epochs=500,
            batch=64,
            learning_rate=5e-3,
            edits=(edits.keep(train=250), edits.label_noise(0.1)),
        ),
        ("clusters", "digits", "hastie"),
        expects=("overtraining", "overfitting"),
        seeds=(1,),
    ),
)
