"""Runs with nothing wrong, many of them made to look as if there were."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, at_rate, change, longer, setting


def _as_is(setup: Setup, _: Task) -> Setup:
    return setup


def _quick_separation(setup: Setup, _: Task) -> Setup:
    return change(
        setup,
        net={"dropout": 0.0, "l2": 0.0},
        learning_rate=1e-2,
        epochs=60,
        edits=(edits.leaked_everywhere(),),
    )


def _tiny(setup: Setup, _: Task) -> Setup:
    """A linear model, as fits a few dozen rows."""
    return change(
        setup,
        net={"widths": (), "l2": 1e-2},
        learning_rate=1e-2,
        batch=8,
        epochs=60,
        edits=(edits.keep(train=60),),
    )


BETTER = ("validation-better-than-training",)

CAUSES = (
    Cause("plain-classes", "nothing", _as_is, ("digits", "cancer", "wine", "clusters", "spirals")),
    Cause("plain-quantities", "nothing", _as_is, ("friedman", "houses", "diabetes", "currents", "series")),
    Cause("plain-binary", "nothing", _as_is, ("moons", "rings", "xor", "hastie", "order")),
    Cause("plain-networks", "nothing", _as_is, ("shapes", "masks", "reviews", "waves")),
    Cause("plain-special", "nothing", _as_is, ("labels", "counts", "density", "codes", "heads", "rare")),
    Cause(
        "heavy-dropout",
        "half of the units dropped: validation is better than training throughout",
        longer(2, {"dropout": 0.5}),
        ("digits", "shapes", "clusters"),
        accepts=BETTER,
    ),
    Cause(
        "step-drops",
        "rate cut tenfold at half and at three quarters",
        longer(1.5, schedule=("step_drops", {})),
        ("digits", "friedman", "waves"),
    ),
    Cause(
        "cosine-restarts",
        "cosine rate with two warm restarts",
        longer(1.5, schedule=("cosine_restarts", {}), net={"dropout": 0.2}),
        ("clusters", "shapes", "friedman"),
    ),
    Cause(
        "warm-up",
        "linear warm-up, then cosine",
        setting(schedule=("warm_up", {})),
        ("digits", "xor", "series"),
    ),
    Cause(
        "reduce-on-plateau",
        "ReduceLROnPlateau, patience 5",
        longer(2, callbacks=(("reduce_on_plateau", {"patience": 5, "factor": 0.3}),)),
        ("friedman", "moons", "houses"),
    ),
    Cause(
        "small-validation",
        "40 validation rows",
        setting(edits=(edits.keep(validation=40),)),
        ("digits", "hastie", "shapes", "friedman"),
        accepts=BETTER,
    ),
    Cause(
        "small-batch",
        "batches of 4 at a third of the rate",
        lambda s, _: change(
            s,
            batch=4,
            learning_rate=s.learning_rate / 3,
            epochs=s.epochs // 2,
            edits=(edits.keep(train=600),),
        ),
        ("moons", "friedman", "cancer"),
    ),
    Cause(
        "early-stopped-restored",
        "EarlyStopping, patience 6, best weights restored",
        longer(4, callbacks=(("early_stopping", {"patience": 6, "restore_best_weights": True}),)),
        ("digits", "waves", "diabetes"),
    ),
    Cause(
        "early-stopped",
        "EarlyStopping, patience 4, last weights kept",
        longer(4, callbacks=(("early_stopping", {"patience": 4}),)),
        ("cancer", "friedman", "moons"),
    ),
    Cause(
        "stopped-at-an-uptick",
        "stopped late, just after validation loss ticked up",
        lambda s, _: change(s, callbacks=(("stop_on_uptick", {"after": round(0.7 * s.epochs)}),)),
        ("digits", "hastie", "series"),
    ),
    Cause(
        "long-flat",
        "300 epochs under a cosine rate: fully converged, flat, good",
        setting({"l2": 2e-3}, epochs=300, batch=64, schedule=("cosine", {})),
        ("moons", "xor", "houses"),
    ),
    Cause(
        "slow-steady",
        "plain SGD, small steps, 250 epochs: arrives all the same",
        setting(optimizer="sgd", optimizer_arguments={"momentum": 0.9}, learning_rate=5e-3, epochs=250, batch=64),
        ("digits", "moons", "cancer"),
    ),
    Cause(
        "weight-decay-offset",
        "L2 penalty in the loss: it never nears zero",
        longer(2, {"l2": 3e-3}),
        ("digits", "shapes", "clusters"),
    ),
    Cause(
        "label-smoothing",
        "smoothed labels: the loss keeps a floor",
        setting(loss="smoothed"),
        ("digits", "shapes", "waves"),
    ),
    Cause(
        "input-noise",
        "noise on the inputs while training: train worse than validation",
        longer(1.5, {"input_noise": 0.3}),
        ("digits", "clusters", "shapes"),
        accepts=BETTER,
    ),
    Cause(
        "mixup",
        "mixup: training on blends, validating on originals",
        longer(2, mixup=True, loss="dense_crossentropy"),
        ("digits", "shapes", "waves"),
        accepts=BETTER,
    ),
    Cause(
        "imbalanced-learning",
        "one positive in ten, class weights, learns",
        lambda s, _: change(s, class_weight={0: 1.0, 1: 4.0}, metrics=("accuracy", "AUC", "recall")),
        ("rare",),
        accepts=("validation-better-than-training",),
    ),
    Cause(
        "irreducible-noise",
        "a fifth of all labels wrong, small model, many rows: levels off high",
        setting({"widths": (8,), "l2": 1e-3}, edits=(edits.label_noise(0.2, True, True, True),)),
        ("moons", "rings", "xor"),
        accepts=BETTER,
        ceiling=0.6,
    ),
    Cause(
        "noisy-targets",
        "target noise as large as the signal's spread, small model",
        setting({"widths": (8,)}, learning_rate=3e-3, edits=(edits.target_noise(0.8, everywhere=True),)),
        ("friedman", "houses", "series"),
        accepts=BETTER,
        ceiling=0.6,
    ),
    Cause(
        "clean-validation",
        "a tenth of the training labels wrong, validation clean: better than training",
        setting(edits=(edits.label_noise(0.1),)),
        ("digits", "shapes", "rings"),
        accepts=BETTER,
    ),
    Cause("tiny-data", "60 rows and a linear model", _tiny, ("wine", "cancer")),
    Cause(
        "linear-suffices",
        "a linear model where it is enough, SGD",
        setting({"widths": (), "dropout": 0.0}, optimizer="sgd", learning_rate=3e-2, epochs=40),
        ("cancer", "digits"),
    ),
    Cause("few-epochs", "4 epochs that suffice", at_rate(4, epochs=4, batch=16), ("digits", "hastie", "reviews")),
    Cause(
        "three-epochs",
        "3 epochs, another 3 would gain little",
        at_rate(4, epochs=3, batch=8),
        ("shapes", "labels", "moons"),
    ),
    Cause(
        "fine-tuned",
        "starts from a trained network: good from the first epoch",
        lambda s, _: change(s, pretrained=s.epochs // 3, learning_rate=s.learning_rate / 5, epochs=15),
        ("digits", "waves", "friedman"),
    ),
    Cause(
        "quick-separation",
        "classes far apart: losses of 1e-4 and below, a tiny gap",
        _quick_separation,
        ("cancer", "moons", "clusters"),
    ),
    Cause(
        "batch-norm-spike",
        "batch normalization whose moving averages lag: early validation is bad, then recovers",
        longer(1, {"batch_norm": True, "batch_norm_momentum": 0.97}, batch=64),
        ("digits", "shapes", "clusters"),
    ),
    Cause(
        "moderate-gap",
        "some gap between training and validation, and validation flat under a dying rate",
        longer(1.5, {"dropout": 0.1}, schedule=("cosine", {})),
        ("digits", "shapes", "clusters"),
    ),
    Cause(
        "isolated-spike",
        "weights jolted once at mid-run; recovers",
        lambda s, _: change(s, epochs=s.epochs + 10, callbacks=(("jolt", {"epoch": s.epochs // 2, "scale": 0.4}),)),
        ("digits", "moons", "friedman"),
    ),
    Cause(
        "cyclic-rate",
        "triangular rate, four cycles",
        longer(2, schedule=("triangular", {})),
        ("moons", "digits", "friedman"),
    ),
    Cause(
        "large-batch-scaled",
        "batches of 256 with a rate to match",
        at_rate(4, batch=256, epochs=60),
        ("digits", "clusters", "friedman"),
    ),
    Cause(
        "absolute-error",
        "mean absolute error and Huber instead of squares",
        setting(loss="mae"),
        ("friedman", "series", "currents"),
    ),
    Cause("other-optimizers", "RMSprop", setting(optimizer="rmsprop"), ("digits", "moons", "waves")),
    Cause(
        "clipped-recurrent",
        "clipped LSTM",
        setting({"cell": "lstm"}, optimizer_arguments={"clipnorm": 1.0}),
        ("series", "reviews"),
    ),
    Cause(
        "other-activations",
        "tanh or swish with layer normalization",
        setting({"activation": "swish", "layer_norm": True}),
        ("spirals", "hastie", "shapes"),
    ),
    Cause(
        "exponential-decay",
        "rate times 0.93 each epoch",
        at_rate(2, schedule=("exponential", {"rate": 0.93})),
        ("spirals", "friedman", "waves"),
    ),
    Cause(
        "validated-rarely",
        "validation every second epoch: NA in between",
        setting(validation_every=2),
        ("digits", "friedman"),
    ),
    Cause("unvalidated", "no validation data", setting(validated=False), ("digits", "houses", "xor")),
)
