"""Gradients that do not reach the first layers."""

from __future__ import annotations

from benchmarks.faults.configuration import Cause, setting
from benchmarks.faults.layers.configuration import both, changed, deeper

VANISHING = ("vanishing-gradient",)


def normal(stddev: float) -> tuple[str, dict[str, float]]:
    return "RandomNormal", {"stddev": stddev}


def _stack(times: int, **net: object) -> object:
    return deeper(times, head=(), **net)


_SGD = setting(optimizer="sgd", learning_rate=0.02, optimizer_arguments={"momentum": 0.9})

CAUSES = (
    Cause(
        "deep-sigmoid",
        "nine layers of sigmoids",
        _stack(9, activation="sigmoid"),
        ("digits-5", "clusters-4", "ellipsoids-6", "friedman-4"),
        VANISHING,
    ),
    Cause(
        "small-normal-tanh",
        "weights of 0.02 in nine layers of tanh, SGD",
        both(_stack(9, kernel=normal(0.02)), _SGD),
        ("digits-tanh", "friedman-tanh", "ellipsoids-tanh"),
        VANISHING,
    ),
    Cause(
        "small-normal-relu",
        "weights of 0.01 in all ReLU layers",
        setting({"kernel": normal(0.01)}),
        ("digits-9", "spirals-6", "ellipsoids-6", "gratings-6"),
        VANISHING,
    ),
    Cause(
        "softmax-hidden",
        "softmax in every hidden layer",
        _stack(6, activation="softmax"),
        ("digits-5", "clusters-4", "friedman-4"),
        VANISHING,
    ),
    Cause(
        "shrinking-factor",
        "outputs of every hidden layer divided by thirty",
        _stack(6, factor=1 / 30),
        ("digits-5", "clusters-4", "waves-4", "heads-4"),
        VANISHING,
    ),
    Cause(
        "sigmoid-convolutions",
        "seven convolutions with sigmoids",
        _stack(7, activation="sigmoid"),
        ("gratings-6", "shapes-3", "waves-4", "radii-4"),
        VANISHING,
    ),
    Cause(
        "sigmoid-recurrent-stack",
        "seven recurrent layers with sigmoids, SGD",
        both(_stack(7, cell="rnn", cell_activation="sigmoid"), _SGD),
        ("series-rnn", "walks-rnn", "calls-gru"),
        VANISHING,
    ),
    Cause(
        "collapsing-decay",
        "weight decay of 40 in AdamW: weights fade away within an epoch or two",
        setting(optimizer="adamw", optimizer_arguments={"weight_decay": 40.0}),
        ("digits-9", "ellipsoids-6", "gratings-6", "digits-tanh"),
        VANISHING,
    ),
    Cause(
        "small-variance-swish",
        "a fiftieth of the variance that swish needs, eight layers",
        _stack(8, activation="swish", kernel=("VarianceScaling", {"scale": 0.04})),
        ("digits-9", "ellipsoids-6", "tones-5", "heads-4"),
        VANISHING,
    ),
    Cause(
        "no-skips",
        "blocks made for skips, with their small weights, without skips",
        setting({"skips": False, "kernel": normal(0.03), "layer_norm": False, "batch_norm": False}),
        ("digits-residual", "gratings-residual", "motifs-attention"),
        VANISHING,
    ),
    Cause(
        "small-orthogonal",
        "orthogonal weights of gain 0.15, eight layers, SGD",
        both(_stack(8, kernel=("Orthogonal", {"gain": 0.15})), _SGD),
        ("digits-tanh", "clusters-4", "friedman-tanh", "codes-autoencoder"),
        VANISHING,
    ),
    Cause(
        "small-middle",
        "weights of 0.004 in three layers in the middle alone, SGD",
        both(setting({"changed": changed(2, 3, 4, kernel=normal(0.004))}), _SGD),
        ("digits-9", "spirals-6", "gratings-6", "ellipsoids-6"),
        VANISHING,
    ),
    Cause(
        "small-gated-stack",
        "weights of 0.02 in five gated recurrent layers, SGD",
        both(_stack(5, kernel=normal(0.02), recurrent_kernel=normal(0.02)), _SGD),
        ("order-gru", "reviews-bilstm", "calls-gru"),
        VANISHING,
    ),
    Cause(
        "in-the-leak",
        "biases of -3 before leaky ReLUs: every unit answers with its leak of a hundredth",
        _stack(5, activation=("LeakyReLU", {"negative_slope": 0.01}), bias=("Constant", {"value": -3.0})),
        ("digits-5", "clusters-4", "friedman-4", "waves-4"),
        VANISHING,
    ),
)
