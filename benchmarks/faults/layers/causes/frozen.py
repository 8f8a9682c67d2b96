"""Layers that should be trained and are not."""

from __future__ import annotations

from benchmarks.faults.configuration import Cause, setting
from benchmarks.faults.layers.causes.exploding import sgd
from benchmarks.faults.layers.causes.vanishing import normal

FROZEN = ("frozen-weights",)

CAUSES = (
    Cause(
        "everything-frozen",
        "every layer frozen",
        setting({"freeze": "everything"}),
        ("digits-5", "shapes-nested", "order-gru", "friedman-4"),
        FROZEN,
    ),
    Cause(
        "output-frozen",
        "the output layer frozen, with weights of 0.001",
        setting({"freeze": "output", "output_kernel": normal(0.001)}),
        ("digits-5", "friedman-4", "shapes-3", "calls-gru"),
        FROZEN,
    ),
    Cause(
        "middle-frozen",
        "everything but the first and the last layer frozen, as they were initialized",
        setting({"freeze": "middle"}),
        ("digits-9", "spirals-6", "ellipsoids-6", "gratings-6"),
        FROZEN,
    ),
    Cause(
        "rate-of-nothing",
        "a learning rate of 1e-9",
        setting(learning_rate=1e-9),
        ("digits-5", "clusters-4", "waves-4", "series-rnn"),
        FROZEN,
    ),
    Cause(
        "gradient-stopped",
        "a stop_gradient behind the middle of the network",
        setting({"blocked": (3, "stop_gradient")}),
        ("spirals-6", "ellipsoids-6", "digits-9", "gratings-6"),
        FROZEN,
    ),
    Cause(
        "rounded-inside",
        "activations rounded behind the third layer",
        setting({"blocked": (2, "round")}),
        ("spirals-6", "ellipsoids-6", "friedman-4", "gratings-6"),
        FROZEN,
    ),
    Cause(
        "output-alone-trained",
        "a training step that gives the optimizer the last layer only",
        setting({"only_output_trained": True}),
        ("spirals-6", "ellipsoids-6", "friedman-4", "gratings-6"),
        FROZEN,
    ),
    Cause(
        "backbone-never-trained",
        "a small backbone frozen before it was ever trained",
        setting({"freeze": "backbone", "widths": (6, 6, 6), "nested": True}),
        ("digits-nested", "shapes-nested", "ellipsoids-6", "spirals-6"),
        FROZEN,
    ),
    Cause(
        "clipped-to-nothing",
        "gradients clipped to a norm of 1e-9, SGD",
        sgd(0.05, optimizer_arguments={"clipnorm": 1e-9}),
        ("digits-5", "clusters-4", "shapes-3", "heads-4"),
        FROZEN,
    ),
    Cause(
        "kernels-pinned",
        "a constraint that puts every kernel back",
        setting({"pinned": True}),
        ("spirals-6", "ellipsoids-6", "gratings-6", "friedman-4"),
        FROZEN,
    ),
    Cause(
        "half-precision-lost",
        "weights in half precision and steps below their resolution, SGD",
        sgd(1e-6, {"policy": "float16"}),
        ("clusters-4", "digits-5", "shapes-3"),
        FROZEN,
    ),
    Cause(
        "warm-up-for-ever",
        "a warm-up planned for ten million times the epochs",
        setting(schedule=("slow_warm_up", {"times": 1e7})),
        ("digits-9", "ellipsoids-tanh", "tones-5", "walks-rnn"),
        FROZEN,
    ),
    Cause(
        "recurrent-frozen",
        "small recurrent layers frozen as they were initialized, under a head that is trained",
        setting({"freeze": "backbone", "widths": (5,), "head": (16,)}),
        ("calls-gru", "order-gru", "walks-rnn", "reviews-bilstm"),
        FROZEN,
    ),
    Cause(
        "loss-of-nothing",
        "a loss weight of 1e-12, SGD",
        sgd(0.05, loss_weight=1e-12),
        ("clusters-sigmoid", "friedman-tanh", "grades-3", "radii-4"),
        FROZEN,
    ),
)
