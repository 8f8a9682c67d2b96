"""Units that start as copies of one another and stay so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults.configuration import Cause, setting
from benchmarks.faults.layers.causes.dying import constant
from benchmarks.faults.layers.configuration import changed
from benchmarks.faults.layers.networks import Built

SYMMETRIC = ("symmetric-weights",)


def copied(originals: int, *places: int) -> Callable[[Built, np.random.Generator], None]:
    """The units of these layers as copies of the first few: a network widened without noise."""

    def operate(built: Built, rng: np.random.Generator) -> None:
        del rng
        for place in places:
            _copy(built.weighted[place], originals)
            # What reads from copies has to treat them alike, or they part in the first step.
            _share(built.weighted[place + 1], originals)

    return operate


def _copy(layer: Any, originals: int) -> None:
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    chosen = np.arange(kernel.shape[-1]) % originals
    layer.kernel.assign(kernel[..., chosen])
    layer.bias.assign(bias[chosen])


def _share(layer: Any, originals: int) -> None:
    kernel = layer.kernel.numpy()
    chosen = np.arange(kernel.shape[-2]) % originals
    layer.kernel.assign(kernel[..., chosen, :] * originals / kernel.shape[-2])


def averaged(built: Built, rng: np.random.Generator) -> None:
    """Every kernel but the last replaced by its mean over the units: an average taken over the wrong axis."""
    del rng
    for layer in built.weighted:
        for variable in layer.weights:
            values = variable.numpy()
            if values.ndim > 1:
                variable.assign(np.broadcast_to(values.mean(-1, keepdims=True), values.shape))


def everywhere(kernel: Any, **net: Any) -> Any:
    return setting({"kernel": kernel, "output_kernel": kernel, "recurrent_kernel": kernel, "dropout": 0.0, **net})


CAUSES = (
    Cause(
        "constant-kernels",
        "every kernel 0.1",
        everywhere(constant(0.1)),
        ("digits-5", "clusters-4", "friedman-4", "spirals-6"),
        SYMMETRIC,
    ),
    Cause(
        "zero-kernels",
        "every kernel zero",
        everywhere("zeros"),
        ("digits-5", "digits-tanh", "shapes-3", "clusters-sigmoid"),
        SYMMETRIC,
    ),
    Cause(
        "ones",
        "every kernel and bias one",
        everywhere("ones", bias="ones"),
        ("ellipsoids-tanh", "friedman-4", "rare-3", "heads-4"),
        SYMMETRIC,
    ),
    Cause(
        "two-constant-layers",
        "two successive layers constant, the others random",
        setting({"changed": changed(1, 2, kernel=constant(0.05))}),
        ("digits-5", "ellipsoids-6", "clusters-4", "digits-tanh"),
        SYMMETRIC,
    ),
    Cause(
        "widened-by-copying",
        "two layers widened from two units by copying, without noise",
        setting({"surgery": (copied(2, 1, 2),)}),
        ("digits-5", "clusters-4", "ellipsoids-6", "friedman-tanh"),
        SYMMETRIC,
    ),
    Cause(
        "constant-recurrent",
        "kernels and recurrent kernels of sequences 0.05",
        everywhere(constant(0.05)),
        ("walks-rnn", "calls-gru", "series-rnn", "order-gru"),
        SYMMETRIC,
    ),
    Cause(
        "constant-filters",
        "all filters of all convolutions 0.05",
        everywhere(constant(0.05)),
        ("gratings-6", "waves-4", "shapes-tanh", "tones-5"),
        SYMMETRIC,
    ),
    Cause(
        "constant-backbone",
        "a backbone of constant kernels inside the model",
        everywhere(constant(0.08)),
        ("digits-nested", "shapes-nested", "pairs-siamese"),
        SYMMETRIC,
    ),
    Cause(
        "degenerate-uniform",
        "uniform weights whose bounds are equal",
        everywhere(("RandomUniform", {"minval": 0.06, "maxval": 0.06})),
        ("friedman-tanh", "grades-3", "codes-autoencoder", "clusters-sigmoid"),
        SYMMETRIC,
    ),
    Cause(
        "wrong-average",
        "loaded weights averaged over the units",
        setting({"surgery": (averaged,)}),
        ("digits-5", "waves-4", "walks-rnn", "houses-3"),
        SYMMETRIC,
    ),
    Cause(
        "constant-blocks",
        "constant kernels in blocks with skips and in attention",
        everywhere(constant(0.04)),
        ("digits-residual", "motifs-attention", "gratings-residual"),
        SYMMETRIC,
    ),
    Cause(
        "no-spread",
        "normal weights without spread, biases of a half",
        everywhere(("RandomNormal", {"mean": -0.07, "stddev": 0.0}), bias=constant(0.5)),
        ("ellipsoids-6", "radii-4", "digits-9", "series-rnn"),
        SYMMETRIC,
    ),
)
