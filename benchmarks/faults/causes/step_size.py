"""Steps too large or too small."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, longer, setting

HIGH = ("learning-rate-too-high", "oscillating-loss")
LOW = ("slow-convergence", "learning-rate-too-low")
ROUGH = ("oscillating-loss", "divergence", "noisy-validation")

CAUSES = (
    Cause(
        "rate-high-adam",
        "Adam at 0.1 to 0.3: jumps about, or stuck high",
        setting(learning_rate=0.2),
        ("digits", "spirals", "friedman", "xor"),
        expects=HIGH,
        accepts=ROUGH,
    ),
    Cause(
        "rate-high-sgd",
        "SGD with momentum at 1.0",
        setting({"dropout": 0.0}, optimizer="sgd", optimizer_arguments={"momentum": 0.9}, learning_rate=1.0),
        ("digits", "moons", "clusters"),
        expects=HIGH,
        accepts=ROUGH,
    ),
    Cause(
        "rate-high-images",
        "Adam at 0.1 on convolutions",
        setting(learning_rate=0.1),
        ("shapes", "waves", "masks"),
        expects=HIGH,
        accepts=ROUGH,
    ),
    Cause(
        "rate-high-recurrent",
        "Adam at 0.3 on recurrent nets",
        setting(learning_rate=0.3),
        ("series", "reviews", "order"),
        expects=HIGH,
        accepts=ROUGH,
    ),
    Cause(
        "rate-high-mild",
        "sixty times the usual rate: learns, but rough",
        at_rate(60),
        ("spirals", "digits", "hastie"),
        expects=("oscillating-loss", "learning-rate-too-high"),
        accepts=ROUGH,
    ),
    Cause(
        "rate-high-small-batch",
        "large rate and batches of two",
        at_rate(10, batch=2, epochs=25, edits=(edits.keep(train=200),)),
        ("moons", "friedman", "clusters"),
        expects=("oscillating-loss", "learning-rate-too-high"),
        accepts=ROUGH,
    ),
    Cause(
        "momentum-too-high",
        "momentum 0.995",
        setting({"dropout": 0.0}, optimizer="sgd", learning_rate=0.05, optimizer_arguments={"momentum": 0.995}),
        ("digits", "clusters", "moons"),
        expects=("oscillating-loss", "learning-rate-too-high"),
        accepts=ROUGH,
    ),
    Cause(
        "cycles-too-wild",
        "triangular rate whose peaks throw training back",
        at_rate(60, schedule=("triangular", {"cycles": 6, "low": 0.01})),
        ("spirals", "digits", "friedman"),
        expects=("oscillating-loss", "learning-rate-too-high"),
        accepts=ROUGH,
    ),
    Cause(
        "rate-low-adam",
        "Adam at 2e-5",
        setting(learning_rate=2e-5),
        ("digits", "clusters", "moons", "shapes"),
        expects=LOW,
    ),
    Cause(
        "rate-low-sgd",
        "plain SGD at 1e-3",
        setting(optimizer="sgd", learning_rate=1e-3),
        ("digits", "spirals", "waves"),
        expects=("learning-rate-too-low", "slow-convergence"),
    ),
    Cause(
        "rate-low-quantities",
        "Adam at 1e-4 on targets far from zero",
        setting(learning_rate=1e-4),
        ("friedman", "houses", "counts"),
        expects=("learning-rate-too-low", "slow-convergence"),
    ),
    Cause(
        "adadelta-default",
        "Adadelta at Keras' default of 0.001",
        longer(1.5, optimizer="adadelta", learning_rate=1e-3),
        ("digits", "cancer", "shapes"),
        expects=LOW,
    ),
    Cause(
        "batch-too-large",
        "the whole set in one batch at the usual rate: one step an epoch",
        setting(batch=4096, learning_rate=1e-3),
        ("digits", "hastie", "waves"),
        expects=LOW,
    ),
    Cause(
        "too-few-epochs",
        "eight epochs of small steps: stopped while everything still falls",
        at_rate(0.1, epochs=8),
        ("spirals", "series", "hastie", "shapes"),
        expects=LOW,
    ),
    Cause(
        "decay-too-early",
        "rate times 0.5 each epoch: dead before it has learnt",
        longer(1, schedule=("exponential", {"rate": 0.5}), optimizer="sgd", learning_rate=0.02),
        ("digits", "spirals", "clusters"),
        expects=("learning-rate-too-low", "underfitting", "plateau"),
    ),
    Cause(
        "steps-drop-early",
        "rate cut a thousandfold after a tenth of the run",
        at_rate(0.2, schedule=("step_drops", {"at": (0.1,), "factor": 1e-3})),
        ("spirals", "friedman", "hastie"),
        expects=("underfitting", "learning-rate-too-low", "plateau"),
    ),
)
