"""Deep networks with nothing wrong in them, many of which look as if there were."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.faults import edits
from benchmarks.faults.configuration import Cause, Setup, Task, at_rate, change, longer, setting
from benchmarks.faults.layers.causes.dying import constant
from benchmarks.faults.layers.causes.exploding import sgd
from benchmarks.faults.layers.configuration import both, deeper
from benchmarks.faults.layers.networks import Built

_MOMENTUM = {"momentum": 0.9, "nesterov": True}


def some_sunk(built: Built, rng: np.random.Generator) -> None:
    """A third of the units of every hidden layer dead, as pruning leaves them; the others suffice."""
    for layer in built.weighted[: built.hidden]:
        bias = layer.bias.numpy()
        bias[rng.random(len(bias)) < 0.33] = -50.0
        layer.bias.assign(bias)


def _wider(factor: int, **net: Any) -> Any:
    def apply(setup: Setup, task: Task) -> Setup:
        del task
        return change(setup, {"widths": tuple(factor * width for width in setup.net.widths), **net})

    return apply


def _activation(name: str, **fields: Any) -> Any:
    return setting({"activation": name}, **fields)


_INITIALIZERS = ("Orthogonal", {"gain": 1.4})

CAUSES = (
    # depth and width
    Cause(
        "one-hidden-layer",
        "a single hidden layer",
        deeper(1),
        ("digits-5", "clusters-sigmoid", "friedman-4", "ellipsoids-tanh"),
    ),
    Cause(
        "twelve-layers",
        "twelve ReLU layers with He initialization",
        both(deeper(12), longer(1.5)),
        ("digits-9", "friedman-4", "spirals-6", "clusters-4"),
    ),
    Cause("wide", "four times as wide", _wider(4), ("ellipsoids-6", "rare-3", "houses-3", "grades-3")),
    Cause(
        "bottleneck",
        "a layer of six units in the middle",
        setting({"widths": (32, 16, 6, 16, 32)}),
        ("digits-5", "clusters-4", "codes-autoencoder", "heads-4"),
    ),
    # normalization and skips
    Cause(
        "batch-normalized",
        "batch normalization behind every layer",
        setting({"batch_norm": True, "batch_norm_momentum": 0.9}),
        ("digits-5", "gratings-6", "waves-4", "friedman-4"),
    ),
    Cause(
        "layer-normalized",
        "layer normalization behind every layer",
        setting({"layer_norm": True}),
        ("clusters-4", "digits-9", "tones-5", "walks-rnn"),
    ),
    Cause(
        "deep-normalized-sigmoid",
        "sigmoids, eight layers deep, with batch normalization",
        both(deeper(8), setting({"activation": "sigmoid", "batch_norm": True, "batch_norm_momentum": 0.9}), at_rate(2)),
        ("digits-5", "clusters-4", "ellipsoids-6", "gratings-6"),
    ),
    Cause(
        "twelve-blocks",
        "twelve residual blocks",
        deeper(12, kernel=("VarianceScaling", {"scale": 0.5})),
        ("digits-residual", "gratings-residual"),
        seeds=(1, 2),
    ),
    Cause(
        "silent-branches",
        "residual branches that start at zero",
        setting({"branch_kernel": "zeros"}),
        ("digits-residual", "gratings-residual"),
    ),
    Cause(
        "deep-tanh",
        "eight layers of tanh with Glorot initialization",
        both(deeper(8), longer(1.3)),
        ("digits-tanh", "friedman-tanh", "ellipsoids-tanh"),
    ),
    # transfer
    Cause(
        "random-features",
        "a wide random backbone, frozen, and a head that suffices",
        setting({"freeze": "backbone", "nested": True, "widths": (256, 128), "head": (32,)}),
        ("digits-nested", "clusters-4", "rare-3", "digits-5"),
        ceiling=0.85,
    ),
    Cause(
        "random-filters",
        "random convolutions, frozen, and a head that suffices",
        both(
            longer(2),
            at_rate(0.5, {"freeze": "backbone", "nested": True, "widths": (32, 48), "pooled": (0, 1), "head": (48,)}),
        ),
        ("shapes-nested", "gratings-6", "waves-4"),
        ceiling=0.7,
    ),
    Cause(
        "pretrained-backbone",
        "a backbone trained on other data of the task, frozen, under a new head",
        setting({"freeze": "backbone", "new_head": True, "nested": True}, pretrained=8),
        ("digits-nested", "shapes-nested", "clusters-4", "tones-5"),
        ceiling=0.9,
    ),
    Cause(
        "pretrained-flat-backbone",
        "the layers of a trained network, frozen one by one, under a new head",
        setting({"freeze": "backbone", "new_head": True}, pretrained=8),
        ("digits-5", "gratings-6", "friedman-4", "order-gru"),
        ceiling=0.85,
    ),
    Cause(
        "fine-tuned",
        "starts from a trained network, all layers at a fifth of the rate",
        lambda s, _: change(s, pretrained=6, learning_rate=s.learning_rate / 5),
        ("digits-nested", "waves-4", "friedman-4", "walks-lstm"),
    ),
    Cause(
        "unfrozen-later",
        "the head alone at first, everything from the fourth epoch on",
        setting(callbacks=(("unfreeze", {"epochs": (3,), "everything": True}),)),
        ("digits-5", "shapes-nested", "clusters-4"),
        ceiling=0.9,
    ),
    Cause(
        "frozen-normalizations",
        "batch normalizations that are not trained",
        setting({"batch_norm": True, "batch_norm_momentum": 0.9, "freeze": "normalizations"}, pretrained=4),
        ("digits-5", "gratings-6", "shapes-nested"),
    ),
    Cause(
        "frozen-embedding",
        "an embedding of random vectors that stays as it is",
        setting({"frozen_embedding": True}),
        ("order-gru", "reviews-bilstm"),
        ceiling=0.8,
    ),
    # penalties and sparsity
    Cause(
        "heavy-l1",
        "an L1 penalty that empties most weights",
        both(longer(1.5), setting({"l1": 1.5e-3})),
        ("digits-5", "clusters-4", "rare-3", "shapes-3"),
        ceiling=0.85,
    ),
    Cause("heavy-l2", "an L2 penalty of 0.005", setting({"l2": 5e-3}), ("digits-5", "clusters-4", "waves-4")),
    Cause(
        "weight-decay",
        "AdamW with a weight decay of 0.05",
        setting(optimizer="adamw", optimizer_arguments={"weight_decay": 0.05}),
        ("digits-9", "gratings-6", "friedman-tanh", "motifs-attention"),
    ),
    Cause(
        "sparse-wide",
        "wide ReLU layers with biases of -0.4: most units are silent for most samples",
        _wider(6, bias=constant(-0.4)),
        ("ellipsoids-6", "clusters-4", "rare-3", "friedman-4"),
    ),
    Cause(
        "sparse-codes",
        "a light penalty on activations",
        setting({"activity_l1": 3e-4}),
        ("codes-autoencoder", "digits-5", "shapes-3"),
        ceiling=0.85,
    ),
    Cause(
        "a-third-dead",
        "a third of the units dead from the start; the others suffice",
        both(_wider(2), setting({"surgery": (some_sunk,)})),
        ("digits-5", "clusters-4", "shapes-3", "ellipsoids-6"),
    ),
    Cause(
        "dropout",
        "dropout of 0.3 behind every layer",
        both(longer(1.5), setting({"dropout": 0.3})),
        ("digits-5", "shapes-3", "clusters-4", "walks-lstm"),
        ceiling=0.9,
    ),
    Cause(
        "max-norm", "weights limited to a norm of 2", setting({"max_norm": 2.0}), ("digits-5", "tones-5", "clusters-4")
    ),
    # activations
    Cause("gelu", "GELU", _activation("gelu"), ("digits-9", "gratings-6", "motifs-attention", "friedman-4")),
    Cause("selu", "SELU with LeCun initialization", _activation("selu"), ("digits-9", "ellipsoids-6", "waves-4")),
    Cause("swish", "swish", _activation("swish"), ("spirals-6", "clusters-4", "radii-4", "codes-autoencoder")),
    Cause("elu", "ELU", _activation("elu"), ("digits-5", "shapes-3", "houses-3", "heads-4")),
    Cause(
        "leaky",
        "leaky ReLU",
        setting({"activation": ("LeakyReLU", {"negative_slope": 0.1})}),
        ("digits-9", "gratings-6", "spirals-6", "friedman-4"),
    ),
    Cause("prelu", "PReLU", _activation("prelu"), ("digits-5", "waves-4", "clusters-4")),
    Cause("relu6", "ReLU6", _activation("relu6"), ("digits-5", "shapes-3", "ellipsoids-6", "radii-4")),
    Cause(
        "shallow-sigmoid",
        "two layers of sigmoids",
        both(deeper(2), setting({"activation": "sigmoid"}), at_rate(4)),
        ("digits-5", "ellipsoids-tanh", "rare-3", "grades-3"),
    ),
    Cause(
        "bounded-convolutions",
        "tanh in three convolutions",
        setting({"activation": "tanh"}),
        ("shapes-3", "waves-4", "radii-4"),
    ),
    # initialization
    Cause(
        "orthogonal",
        "orthogonal weights",
        setting({"kernel": _INITIALIZERS}),
        ("digits-9", "clusters-4", "gratings-6", "spirals-6"),
    ),
    Cause(
        "glorot-under-relu",
        "Glorot weights under ReLU, a little small",
        setting({"kernel": "glorot_uniform"}),
        ("digits-5", "waves-4", "friedman-4", "shapes-3"),
    ),
    Cause(
        "zero-output",
        "an output layer that starts at zero",
        setting({"output_kernel": "zeros"}),
        ("digits-5", "gratings-6", "friedman-tanh", "calls-gru"),
    ),
    Cause(
        "constant-biases",
        "biases of 0.1 everywhere",
        setting({"bias": constant(0.1)}),
        ("digits-9", "clusters-4", "shapes-3", "digits-tanh"),
    ),
    # optimizers and steps
    Cause(
        "sgd-momentum",
        "SGD with Nesterov momentum",
        sgd(0.02, optimizer_arguments=_MOMENTUM),
        ("digits-5", "clusters-4", "gratings-6", "digits-tanh"),
    ),
    Cause(
        "sgd-alone",
        "SGD without momentum, twice the epochs",
        both(longer(2), sgd(0.08)),
        ("digits-5", "ellipsoids-tanh", "waves-4"),
        ceiling=0.9,
    ),
    Cause("rmsprop", "RMSprop", setting(optimizer="rmsprop"), ("digits-9", "calls-gru", "radii-4", "rare-3")),
    Cause("nadam", "Nadam", setting(optimizer="nadam"), ("clusters-4", "gratings-6", "series-rnn")),
    Cause(
        "lion",
        "Lion at a tenth of the rate",
        at_rate(0.15, optimizer="lion"),
        ("digits-5", "waves-4", "spirals-6"),
        ceiling=0.9,
    ),
    Cause(
        "adagrad",
        "Adagrad",
        setting(optimizer="adagrad", learning_rate=0.05),
        ("digits-5", "clusters-4", "shapes-3"),
        ceiling=0.9,
    ),
    Cause(
        "clipped",
        "gradients clipped to a norm of 1",
        setting(optimizer_arguments={"clipnorm": 1.0}),
        ("digits-9", "series-rnn", "friedman-4", "walks-lstm"),
    ),
    Cause(
        "clipped-globally",
        "gradients clipped to a norm of 0.5 in all, SGD",
        sgd(0.1, optimizer_arguments={"global_clipnorm": 0.5, "momentum": 0.9}),
        ("clusters-4", "tones-5", "walks-rnn"),
    ),
    Cause(
        "accumulated",
        "gradients of four batches accumulated",
        at_rate(2.0, batch=8, optimizer_arguments={"gradient_accumulation_steps": 4}),
        ("digits-5", "friedman-4", "shapes-3"),
    ),
    Cause(
        "averaged-weights",
        "an exponential average of the weights",
        setting(optimizer_arguments={"use_ema": True, "ema_momentum": 0.9}),
        ("digits-5", "gratings-6", "ellipsoids-6"),
    ),
    # schedules
    Cause(
        "warm-up",
        "a linear warm-up, then cosine",
        both(longer(1.3), setting(schedule=("warm_up", {}))),
        ("digits-9", "motifs-attention", "gratings-6", "series-rnn"),
    ),
    Cause(
        "cosine",
        "a cosine down to a ten-thousandth",
        both(longer(1.3), setting(schedule=("cosine", {"floor": 1e-4}))),
        ("digits-5", "clusters-4", "waves-4", "calls-gru"),
    ),
    Cause(
        "step-drops",
        "the rate cut a hundredfold at half and at three quarters",
        both(longer(1.5), setting(schedule=("step_drops", {"factor": 0.01}))),
        ("digits-5", "friedman-4", "shapes-3", "order-gru"),
    ),
    Cause(
        "restarts",
        "cosine rate with two restarts",
        both(longer(1.5), setting(schedule=("cosine_restarts", {}))),
        ("digits-tanh", "gratings-6", "houses-3"),
    ),
    Cause(
        "one-cycle",
        "up to three times the rate and down again",
        both(longer(1.3), at_rate(3.0, schedule=("one_cycle", {}))),
        ("digits-5", "clusters-4", "tones-5"),
    ),
    # batches, length, data
    Cause(
        "full-batch",
        "the whole set as one batch",
        both(longer(4), at_rate(3.0, batch=2000)),
        ("digits-5", "spirals-6", "digits-tanh", "rare-3"),
        ceiling=0.85,
    ),
    Cause(
        "small-batch",
        "batches of 8 at a third of the rate",
        at_rate(0.35, batch=8),
        ("digits-5", "clusters-4", "friedman-4"),
    ),
    Cause(
        "converged",
        "sixty epochs under a cosine rate: gradients end next to nothing",
        setting(epochs=60, batch=64, schedule=("cosine", {"floor": 1e-3})),
        ("spirals-6", "tones-5", "digits-5", "order-gru"),
    ),
    Cause(
        "separated",
        "forty epochs on classes that separate: a loss of nothing, and sigmoids certain of everything",
        setting(epochs=40, batch=64),
        ("spirals-6", "gratings-6", "pairs-siamese", "digits-tanh"),
    ),
    Cause(
        "class-weights",
        "one positive in ten, weighted",
        setting(class_weight={0: 1.0, 1: 4.0}),
        ("rare-3",),
    ),
    Cause(
        "very-rare",
        "one positive in thirty",
        setting(edits=(edits.rarer(0.033),)),
        ("rare-3",),
        ceiling=0.7,
    ),
    Cause(
        "input-noise",
        "noise on the inputs while training",
        setting({"input_noise": 0.2}),
        ("digits-5", "clusters-4", "shapes-3"),
    ),
    Cause(
        "mixup",
        "mixup",
        both(longer(1.5), setting(mixup=True, loss="dense_crossentropy")),
        ("digits-5", "waves-4", "gratings-6"),
    ),
    Cause(
        "loss-of-thousands",
        "a loss weight of 1000 under Adam: large gradients, ordinary steps",
        setting(loss_weight=1000.0),
        ("digits-5", "gratings-6", "friedman-4", "walks-rnn"),
    ),
    Cause(
        "loss-of-thousandths",
        "a loss weight of 1e-3 under Adam: small gradients, ordinary steps",
        setting(loss_weight=1e-3, optimizer_arguments={"epsilon": 1e-10}),
        ("digits-9", "clusters-4", "ellipsoids-tanh", "series-rnn"),
    ),
    Cause(
        "modest-units",
        "inputs three times too large with an offset of one",
        setting(edits=(edits.rescaled(3.0, 1.0),)),
        ("clusters-4", "ellipsoids-6", "friedman-4", "waves-4"),
        ceiling=0.9,
    ),
    # precision and execution
    Cause(
        "mixed-precision",
        "mixed half precision with loss scaling",
        setting({"policy": "mixed_float16"}),
        ("digits-5", "clusters-4", "ellipsoids-tanh"),
    ),
    Cause(
        "brain-floats",
        "mixed bfloat16",
        setting({"policy": "mixed_bfloat16"}),
        ("digits-5", "friedman-4", "clusters-sigmoid"),
    ),
    Cause(
        "many-steps-at-once",
        "eight steps in one execution",
        setting(steps_per_execution=8),
        ("digits-5", "gratings-6", "series-rnn", "friedman-tanh"),
    ),
    # sequences
    Cause(
        "stacked-gates",
        "three recurrent layers",
        setting({"widths": (12, 12, 12)}),
        ("calls-gru", "order-gru", "series-rnn"),
    ),
    Cause(
        "both-directions",
        "recurrent layers in both directions",
        setting({"bidirectional": True}),
        ("walks-lstm", "calls-gru", "order-gru"),
    ),
    Cause(
        "other-gates",
        "LSTM where GRU was",
        setting({"cell": "lstm"}),
        ("calls-gru", "series-rnn", "order-gru"),
    ),
)
