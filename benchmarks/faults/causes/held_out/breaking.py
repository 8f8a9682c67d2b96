"""More ways to lose one's footing, and numbers that cannot be."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, change, longer, setting

HIGH = ("learning-rate-too-high", "oscillating-loss", "divergence")
ROUGH = ("oscillating-loss", "learning-rate-too-high", "divergence")
AWAY = ("divergence", "nan-loss", "learning-rate-too-high", "oscillating-loss")
NAN = ("nan-loss",)
RATE = ("learning-rate-too-high",)
BELOW = ("impossible-loss",)
STUCK = ("metric-stuck",)
NOISY = ("noisy-validation",)

CAUSES = (
    Cause(
        "rate-high-rmsprop",
        "RMSprop at 0.3",
        setting(optimizer="rmsprop", learning_rate=0.3),
        ("tones", "arms", "digits"),
        expects=HIGH,
    ),
    Cause(
        "rate-high-nadam",
        "Nadam at 0.5",
        setting(optimizer="nadam", learning_rate=0.5),
        ("gratings", "ellipsoids", "lags"),
        expects=HIGH,
    ),
    Cause(
        "rate-high-adagrad",
        "Adagrad at 5",
        setting(optimizer="adagrad", learning_rate=5.0),
        ("tones", "clusters", "grades"),
        expects=HIGH,
    ),
    Cause(
        "rate-high-lion",
        "Lion at Adam's highest rate of 0.05",
        setting(optimizer="lion", learning_rate=0.05),
        ("digits", "motifs", "denoise"),
        expects=HIGH,
    ),
    Cause(
        "single-rows",
        "SGD of one row a step at a tenth",
        setting(
            {"dropout": 0.0}, optimizer="sgd", learning_rate=0.15, batch=1, epochs=20, edits=(edits.keep(train=250),)
        ),
        ("ellipsoids", "lags", "tones"),
        expects=ROUGH,
        accepts=RATE,
    ),
    Cause(
        "few-heavy-rows",
        "one row in two hundred weighs a thousandfold",
        setting({"dropout": 0.0}, heavy_rows=(0.005, 1000.0), optimizer="sgd", learning_rate=0.03, epochs=30),
        ("ellipsoids", "digits", "grades"),
        expects=(*ROUGH, "underfitting", "not-learning"),
        accepts=RATE,
    ),
    Cause(
        "rate-set-back",
        "a decaying rate set back to a start far too high, again and again",
        at_rate(60, {"dropout": 0.0}, schedule=("saw", {})),
        ("ellipsoids", "tones", "friedman"),
        expects=ROUGH,
        accepts=RATE,
    ),
    Cause(
        "growing-rmsprop",
        "a rate that grows with the square of the epoch, RMSprop",
        at_rate(0.5, optimizer="rmsprop", epochs=30, schedule=("growing", {})),
        ("lags", "gratings", "mixtures"),
        expects=AWAY,
        accepts=RATE,
    ),
    Cause(
        "late-jump",
        "the rate a hundredfold for the last third: fine-tuning at the wrong rate",
        longer(
            1.2,
            {"dropout": 0.0},
            optimizer="sgd",
            optimizer_arguments={"momentum": 0.9},
            learning_rate=0.03,
            schedule=("late_jump", {}),
        ),
        ("digits", "ellipsoids", "tones"),
        expects=AWAY,
        accepts=RATE,
    ),
    Cause(
        "targets-too-large",
        "targets in thousands under SGD with momentum, no scaling",
        setting(
            {"output_scale": None, "activation": "relu"},
            optimizer="sgd",
            learning_rate=4e-4,
            optimizer_arguments={"momentum": 0.9},
            edits=(edits.targets(lambda y: y * 1000 / y.std()),),
        ),
        ("arms", "friedman"),
        expects=(*AWAY, "not-learning", "underfitting"),
        accepts=RATE,
    ),
    Cause(
        "residuals-explode",
        "ten residual blocks with large weights, SGD without clipping",
        setting(
            {"family": "residual", "widths": (24,) * 10, "kernel": ("RandomNormal", {"stddev": 0.25}), "dropout": 0.0},
            optimizer="sgd",
            learning_rate=0.02,
        ),
        ("ellipsoids", "grades", "digits"),
        expects=(*AWAY, "not-learning", "underfitting"),
        accepts=RATE,
    ),
    Cause(
        "decay-of-wrong-sign",
        "negative weight decay: weights grow with every step",
        setting(
            {"dropout": 0.0},
            optimizer="adamw",
            learning_rate=3e-3,
            optimizer_arguments={"weight_decay": -1.5},
            epochs=50,
        ),
        ("ellipsoids", "friedman", "grades"),
        expects=("divergence", "overfitting", "oscillating-loss", "nan-loss"),
        accepts=RATE,
    ),
    Cause(
        "nan-root",
        "the root of a square error, where an error is exactly zero",
        setting({"output_activation": "relu"}, loss="distance"),
        ("counts", "lags"),
        expects=NAN,
    ),
    Cause(
        "nan-division",
        "errors relative to targets that may be zero",
        setting(loss="relative_error", epochs=15),
        ("counts", "codes"),
        expects=NAN,
    ),
    Cause(
        "nan-half-precision",
        "squares of large errors in half precision",
        setting({"output_scale": None}, loss="half_precision_mse", epochs=15),
        ("houses", "arms"),
        expects=NAN,
    ),
    Cause(
        "nan-log-of-rate",
        "the logarithm of a rate that may become negative",
        setting({"output_activation": None, "output_scale": (1.0, 3.0)}, loss="poisson_unguarded", learning_rate=1e-3),
        ("counts", "lifetimes"),
        expects=NAN,
        accepts=RATE,
    ),
    Cause(
        "nan-exponential-validation",
        "an exponential of validation inputs in other units: infinite there only",
        setting(edits=(edits.rescaled(90.0, 0.0, False, True),)),
        ("counts", "lifetimes"),
        expects=(*NAN, "generalization-gap"),
    ),
    Cause(
        "nan-exponential-rate",
        "an exponential output under SGD whose rate grows",
        setting(optimizer="sgd", learning_rate=2e-3, epochs=30, schedule=("growing", {})),
        ("counts", "lifetimes"),
        expects=(*NAN, "divergence"),
        accepts=RATE,
    ),
    Cause(
        "nan-targets",
        "a missing target in three rows",
        setting(edits=(edits.missing_targets(3),), epochs=15),
        ("arms", "tails"),
        expects=NAN,
    ),
    Cause(
        "negative-penalty",
        "L2 of the wrong sign: large weights are rewarded",
        setting({"l2": -3e-3, "dropout": 0.0}),
        ("ellipsoids", "digits", "pairs"),
        expects=BELOW,
    ),
    Cause(
        "labels-beyond-one",
        "labels sharpened to -0.2 and 1.2 under cross-entropy",
        setting(edits=(edits.targets(lambda y: 1.4 * y - 0.2),)),
        ("motifs", "pairs"),
        expects=BELOW,
    ),
    Cause(
        "shares-below-one",
        "shares that sum to a third under Kullback-Leibler",
        setting(metrics=("accuracy",), edits=(edits.targets(lambda y: y / 3),)),
        ("mixtures",),
        expects=BELOW,
    ),
    Cause(
        "unnormalized-likelihood",
        "the likelihood of outputs that nothing normalizes",
        setting({"output_activation": "softplus"}, loss="unnormalized_likelihood"),
        ("ellipsoids", "digits"),
        expects=BELOW,
    ),
    Cause(
        "exact-equality",
        "accuracy as exact equality of labels and probabilities",
        setting(metrics=[("Accuracy", {})]),
        ("motifs", "pairs"),
        expects=STUCK,
    ),
    Cause(
        "argmax-of-one",
        "accuracy by the largest of one output",
        setting(metrics=[("SparseCategoricalAccuracy", {"name": "accuracy"})]),
        ("motifs", "hastie"),
        expects=STUCK,
    ),
    Cause(
        "accuracy-of-positions",
        "accuracy of two measured outputs, never equal",
        setting(metrics=[("Accuracy", {})]),
        ("arms", "denoise"),
        expects=STUCK,
    ),
    Cause(
        "drawn-validation",
        "eight validation rows, drawn anew each epoch",
        longer(1.2, {"dropout": 0.0}, validation_sample=8),
        ("ellipsoids", "tones", "pairs"),
        expects=NOISY,
    ),
    Cause(
        "ten-of-validation",
        "ten validation rows, a third of all labels there wrong",
        setting(
            {"dropout": 0.0}, learning_rate=1e-2, edits=(edits.keep(validation=10), edits.label_noise(0.3, False, True))
        ),
        ("gratings", "moons", "digits"),
        expects=(*NOISY, "overfitting", "generalization-gap"),
    ),
    Cause(
        "dropout-never-off",
        "dropout active in validation, ten rows of it",
        lambda s, _: change(s, net={"dropout": 0.4, "dropout_kind": "always"}, edits=(edits.keep(validation=10),)),
        ("digits", "ellipsoids", "tones"),
        expects=(*NOISY, "underfitting"),
    ),
    Cause(
        "batch-norm-residual",
        "batch normalization with averages of the last batch in a ResNet, batches of six",
        setting(
            {"family": "residual-image", "batch_norm": True, "batch_norm_momentum": 0.02, "dropout": 0.0},
            learning_rate=6e-3,
            batch=6,
            edits=(edits.keep(train=420),),
        ),
        ("gratings", "shapes", "radii"),
        expects=(*NOISY, "oscillating-loss", "learning-rate-too-high"),
        accepts=RATE,
    ),
    Cause(
        "wild-validation-rows",
        "a dozen validation rows in a unit sixty times too large",
        setting(edits=(edits.wild_validation(12, 60.0),), learning_rate=1e-2),
        ("ellipsoids", "tones", "grades"),
        expects=(*NOISY, "generalization-gap", "overfitting"),
    ),
    Cause(
        "see-saw-rate",
        "every third epoch at thirty times the rate",
        setting({"dropout": 0.0}, schedule=("see_saw", {"high": 30.0})),
        ("ellipsoids", "lags", "pairs"),
        expects=ROUGH,
        accepts=RATE,
    ),
)
