"""Sigmoids and tanh pinned to their bounds."""

from __future__ import annotations

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, at_rate, setting
from benchmarks.faults.layers.causes.exploding import sgd
from benchmarks.faults.layers.causes.vanishing import normal
from benchmarks.faults.layers.configuration import both, changed, deeper

SATURATED = ("saturated-activation",)

CAUSES = (
    Cause(
        "large-normal-tanh",
        "weights of 2 before tanh",
        setting({"kernel": normal(2.0)}),
        ("digits-tanh", "friedman-tanh", "shapes-tanh", "ellipsoids-tanh"),
        SATURATED,
    ),
    Cause(
        "unscaled-inputs",
        "inputs a hundred times too large",
        setting(edits=(edits.rescaled(100.0),)),
        ("ellipsoids-tanh", "clusters-sigmoid", "shapes-tanh", "digits-tanh"),
        SATURATED,
    ),
    Cause(
        "rate-too-high",
        "Adam at two hundred times the rate",
        at_rate(200.0),
        ("digits-tanh", "ellipsoids-tanh", "friedman-tanh", "clusters-sigmoid"),
        SATURATED,
    ),
    Cause(
        "wide-biases",
        "biases drawn from -40 to 40",
        setting({"bias": ("RandomUniform", {"minval": -40.0, "maxval": 40.0})}),
        ("digits-tanh", "clusters-sigmoid", "shapes-tanh", "friedman-tanh"),
        SATURATED,
    ),
    Cause(
        "years",
        "inputs with an offset of 2000 that was not subtracted",
        setting(edits=(edits.rescaled(1.0, 2000.0),)),
        ("ellipsoids-tanh", "friedman-tanh", "clusters-sigmoid"),
        SATURATED,
    ),
    Cause(
        "gain-before",
        "a factor of 60 before every activation",
        setting({"factor": 60.0}),
        ("digits-tanh", "shapes-tanh", "friedman-tanh", "clusters-sigmoid"),
        SATURATED,
    ),
    Cause(
        "large-recurrent",
        "recurrent weights of gain 8",
        setting({"cell": "rnn", "head": (), "kernel": normal(3.0), "recurrent_kernel": ("Orthogonal", {"gain": 8.0})}),
        ("walks-rnn", "series-rnn", "calls-gru"),
        SATURATED,
    ),
    Cause(
        "unscaled-sequence",
        "sequences two thousand times too large, SGD",
        sgd(0.02, {"cell": "rnn", "head": ()}, edits=(edits.rescaled(2000.0),)),
        ("series-rnn", "calls-gru", "walks-rnn"),
        SATURATED,
    ),
    Cause(
        "growing-weights",
        "weight decay of the wrong sign in AdamW",
        setting(optimizer="adamw", optimizer_arguments={"weight_decay": -8.0}),
        ("digits-tanh", "ellipsoids-tanh", "shapes-tanh"),
        SATURATED,
    ),
    Cause(
        "large-normal-sigmoid",
        "weights of 10 before sigmoids",
        both(deeper(4), setting({"activation": "sigmoid", "kernel": normal(10.0)})),
        ("clusters-sigmoid", "digits-5", "ellipsoids-6"),
        SATURATED,
    ),
    Cause(
        "late-jump",
        "the rate five hundredfold from the middle on, Adam",
        setting(schedule=("late_jump", {"share": 0.4, "factor": 500.0})),
        ("digits-tanh", "clusters-sigmoid", "friedman-tanh", "shapes-tanh"),
        SATURATED,
    ),
    Cause(
        "some-large-layers",
        "weights of 15 in the second and third layer",
        setting({"changed": changed(1, 2, kernel=normal(15.0))}),
        ("digits-tanh", "friedman-tanh", "shapes-tanh", "ellipsoids-tanh"),
        SATURATED,
    ),
    Cause(
        "raw-targets",
        "targets in raw units, SGD: the first steps throw the layers to their bounds",
        sgd(0.02, {"output_scale": None, "activation": "tanh"}, edits=(edits.targets(lambda y: 20 * y),)),
        ("friedman-tanh", "radii-4", "series-rnn"),
        SATURATED,
    ),
    Cause(
        "mixed-units",
        "every column in its own unit, up to thousands",
        setting(edits=(edits.mixed_units(1.0, 10000.0),)),
        ("ellipsoids-tanh", "clusters-sigmoid", "friedman-tanh"),
        SATURATED,
    ),
)
