"""More runs with nothing wrong, by other means than those of the first half."""

from __future__ import annotations

from typing import Any

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, at_rate, change, longer, setting


def _as_is(setup: Setup, _: Task) -> Setup:
    return setup


PLAIN = (
    Cause(
        "plain-responses",
        "nothing",
        _as_is,
        ("ellipsoids", "tails", "lifetimes", "grades", "mixtures", "bearings", "arms", "buyers", "pairs"),
    ),
    Cause("plain-patterns", "nothing", _as_is, ("gratings", "radii", "cells", "tones", "motifs", "lags", "denoise")),
)


def _cells(family: str, **net: Any):
    """Another body; the rest of the setup stays the task's own."""
    return lambda setup, _: change(setup, net={"family": family, **net})


def _units(factor: float):
    """The same targets in other units, with an output layer that knows them."""

    def apply(setup: Setup, _: Task) -> Setup:
        scale, offset = setup.net.output_scale or (1.0, 0.0)
        return change(
            setup,
            net={"output_scale": (scale * factor, offset * factor)},
            loss="mse",
            optimizer_arguments={"epsilon": 1e-7 * min(1.0, factor**2)},
            edits=(edits.targets(lambda y: y * factor),),
        )

    return apply


def _hinge(setup: Setup, _: Task) -> Setup:
    return change(
        setup,
        net={"output_activation": None},
        loss="hinge",
        metrics=[("BinaryAccuracy", {"threshold": 0.0, "name": "accuracy"})],
    )


def _resumed(setup: Setup, _: Task) -> Setup:
    return change(setup, epochs=setup.epochs + 8, callbacks=(("forget", {"epoch": setup.epochs // 2}),))


def _unfrozen(setup: Setup, _: Task) -> Setup:
    return change(
        setup,
        net={"dropout": 0.1},
        epochs=setup.epochs + 15,
        callbacks=(("unfreeze", {"epochs": (5, 10)}),),
    )


BETTER = ("validation-better-than-training",)

CAUSES = (
    Cause(
        "gelu-residual",
        "dense blocks with skips, GELU, AdamW",
        setting(
            {"family": "residual", "widths": (24, 32), "activation": "gelu"},
            optimizer="adamw",
            optimizer_arguments={"weight_decay": 0.05},
        ),
        ("ellipsoids", "arms"),
    ),
    Cause(
        "selu-alpha-dropout",
        "SELU, LeCun weights, alpha dropout",
        longer(
            1.3, {"activation": "selu", "kernel": "lecun_normal", "dropout": 0.05, "dropout_kind": "alpha", "l2": 1e-3}
        ),
        ("ellipsoids", "hastie"),
        accepts=BETTER,
    ),
    Cause(
        "mish-norm-limit",
        "Mish, weights limited in norm",
        setting({"activation": "mish", "max_norm": 3.0}),
        ("tones", "clusters"),
    ),
    Cause(
        "lion",
        "Lion at a fifth of Adam's rate, weight decay",
        at_rate(0.2, optimizer="lion", optimizer_arguments={"weight_decay": 0.1}),
        ("digits", "gratings"),
    ),
    Cause("adafactor", "Adafactor", at_rate(6, optimizer="adafactor"), ("grades", "clusters")),
    Cause(
        "one-cycle",
        "one cycle with Nadam",
        at_rate(2, optimizer="nadam", schedule=("one_cycle", {})),
        ("tones", "lifetimes"),
    ),
    Cause(
        "polynomial-steps",
        "polynomial decay over steps inside the optimizer: no rate in the log",
        longer(1.2, step_schedule=("PolynomialDecay", {"decay_steps": 1000, "end_learning_rate": 1e-5, "power": 1.5})),
        ("ellipsoids", "denoise"),
    ),
    Cause(
        "accumulated-gradients",
        "gradients of four batches of 8 summed up into one step",
        longer(1.2, optimizer_arguments={"gradient_accumulation_steps": 4}, batch=8),
        ("digits", "lags"),
    ),
    Cause(
        "averaged-weights",
        "an exponential average of the weights takes over at the end",
        setting(optimizer_arguments={"use_ema": True, "ema_momentum": 0.97}),
        ("shapes", "rare"),
    ),
    Cause(
        "constant-tail",
        "cosine down to a tenth of the rate, then constant for half of the run",
        longer(1.5, schedule=("then_constant", {}), net={"dropout": 0.2}),
        ("clusters", "radii", "bearings"),
    ),
    Cause(
        "weighted-rows",
        "sample weights between a third and three",
        setting(heavy_rows=(0.0, 3.0)),
        ("tails", "ellipsoids"),
    ),
    Cause("focal", "focal loss on one positive in ten", setting(loss="focal"), ("buyers", "rare")),
    Cause(
        "few-wrong-labels",
        "5 % of the labels wrong in every set",
        setting(edits=(edits.label_noise(0.05, True, True, True),)),
        ("gratings", "tones"),
        ceiling=0.93,
    ),
    Cause(
        "one-fold",
        "one fold of a small table: 120 rows, strong L2, batches of 8",
        setting(
            {"widths": (8,), "l2": 2e-2, "dropout": 0.0},
            batch=8,
            epochs=40,
            learning_rate=3e-3,
            edits=(edits.keep(train=120, validation=30),),
        ),
        ("cancer", "wine"),
        accepts=BETTER,
    ),
    Cause(
        "small-resnet",
        "a ResNet of two blocks",
        setting({"family": "residual-image", "dropout": 0.0, "widths": (12, 16)}, learning_rate=3e-3),
        ("gratings", "shapes", "radii"),
    ),
    Cause(
        "separable",
        "depthwise separable convolutions",
        longer(1.3, {"family": "separable-image", "dropout": 0.35}, schedule=("cosine", {})),
        ("gratings", "shapes"),
    ),
    Cause(
        "attention",
        "a transformer block over tokens or samples",
        setting({"family": "attention", "widths": (12,), "dropout": 0.3}, learning_rate=2e-3),
        ("reviews", "lags"),
    ),
    Cause("bidirectional", "LSTMs in both directions", _cells("bidirectional"), ("motifs", "order")),
    Cause("dilated", "dilated causal convolutions", _cells("dilated", widths=(12, 12, 12)), ("lags", "tones")),
    Cause("hinge", "hinge loss on margins", _hinge, ("moons", "hastie")),
    Cause("log-cosh", "log-cosh instead of squares", setting(loss="log_cosh"), ("lags", "friedman")),
    Cause(
        "a-thousand-epochs",
        "1000 epochs of large batches under weight decay, rate annealed",
        setting(
            epochs=1000,
            batch=600,
            optimizer="adamw",
            optimizer_arguments={"weight_decay": 0.1},
            schedule=("cosine", {}),
        ),
        ("tails", "moons"),
    ),
    Cause(
        "resumed",
        "resumed at half from saved weights, without the optimizer's state",
        _resumed,
        ("gratings", "friedman"),
    ),
    Cause(
        "stopped-for-too-little",
        "EarlyStopping with a least improvement of 0.005, patience 5",
        longer(2, callbacks=(("early_stopping", {"patience": 5, "min_delta": 0.005}),)),
        ("ellipsoids", "tones"),
    ),
    Cause(
        "halved-again-and-again",
        "ReduceLROnPlateau on the training loss: halved after every two epochs without gain",
        longer(
            2, callbacks=(("reduce_on_plateau", {"monitor": "loss", "patience": 2, "factor": 0.5, "min_delta": 1e-3}),)
        ),
        ("cells", "mixtures"),
    ),
    Cause(
        "unfrozen-in-steps",
        "the last layer first, the others one after the other",
        _unfrozen,
        ("ellipsoids", "shapes"),
    ),
    Cause(
        "stochastic-depth",
        "residual blocks, one in five skipped while training",
        longer(1.5, {"family": "residual", "widths": (24, 24, 24), "survival": 0.8, "dropout": 0.0}),
        ("ellipsoids", "digits"),
        accepts=BETTER,
    ),
    Cause(
        "gaussian-dropout",
        "multiplicative Gaussian noise on the units",
        longer(1.3, {"dropout": 0.2, "dropout_kind": "gaussian"}),
        ("clusters", "arms"),
        accepts=BETTER,
    ),
    Cause(
        "spatial-dropout",
        "whole channels dropped",
        longer(1.3, {"dropout": 0.15, "dropout_kind": "spatial"}),
        ("gratings", "tones"),
        accepts=BETTER,
    ),
    Cause(
        "few-points-apart",
        "half of the rows, decayed SGD: validation a few points below training, level",
        lambda s, _: change(
            s,
            net={"dropout": 0.1, "l2": 2e-3},
            optimizer="sgd",
            optimizer_arguments={"momentum": 0.9, "nesterov": True},
            learning_rate=0.03,
            epochs=40,
            schedule=("cosine", {}),
            edits=(edits.keep(train=600),),
        ),
        ("gratings", "digits"),
    ),
    Cause(
        "random-shifts",
        "images shifted at random while training",
        longer(1.5, {"family": "shifted-image"}),
        ("shapes", "radii"),
        accepts=BETTER,
    ),
    Cause("in-millions", "targets in millions", _units(1e6), ("friedman", "lags")),
    Cause("in-millionths", "targets in millionths", _units(1e-6), ("series", "friedman")),
    Cause("two-epochs", "two epochs, which suffice", at_rate(2, epochs=2, batch=8), ("buyers", "tones", "gratings")),
    Cause(
        "seven-epochs",
        "seven epochs under a cosine",
        at_rate(3, epochs=7, batch=16, schedule=("cosine", {})),
        ("clusters", "tones"),
    ),
    Cause(
        "nesterov-in-pieces",
        "SGD with Nesterov momentum, rate piecewise constant over steps",
        longer(
            1.5,
            optimizer="sgd",
            optimizer_arguments={"momentum": 0.9, "nesterov": True},
            learning_rate=0.03,
            step_schedule=("PiecewiseConstantDecay", {"boundaries": (600, 900), "values": (0.03, 0.01, 0.003)}),
            callbacks=(("log_rate", {}),),
        ),
        ("ellipsoids", "digits"),
    ),
    Cause(
        "outliers-huber",
        "a few targets far off under Huber's loss",
        setting(loss="huber", edits=(edits.outliers(0.01, 3.0),)),
        ("lags", "series"),
    ),
    Cause(
        "many-metrics",
        "precision, recall and areas beside the accuracy",
        setting(metrics=("accuracy", "AUC", "precision", "recall")),
        ("buyers", "cancer"),
    ),
    Cause(
        "top-two",
        "top-two accuracy beside the accuracy",
        setting(metrics=("accuracy", ("SparseTopKCategoricalAccuracy", {"k": 2, "name": "top_2"}))),
        ("tones", "spirals"),
    ),
    Cause(
        "adamax-warm",
        "Adamax, linear warm-up and a cosine",
        at_rate(2, optimizer="adamax", schedule=("warm_up", {"share": 0.2})),
        ("bearings", "lifetimes"),
    ),
)
