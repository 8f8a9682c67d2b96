"""Losses of the user's own that spread labels against predictions.

Labels of shape (n,) minus predictions of shape (n, 1) are a table of n times n numbers: each prediction is held against
each label, and the mean over all the labels is what is learned best. Losses of Keras' bring the two to one rank, and so
does ``compile`` for a function; a ``call`` of the user's is given both as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.trainers.compile_utils import CompileLoss

from diagnose.audit.compilation import given_losses
from diagnose.blueprint import Blueprint, Output, Shape
from diagnose.live.passive import generators_put_back
from diagnose.sample import Array, DataSample

#: Samples that a loss is tried on.
_SAMPLES = 6


def with_spread_labels(blueprint: Blueprint, model: keras.Model, data: DataSample | None) -> Blueprint:
    """Return the blueprint with what its losses do to labels of the shape that the data has (`Loss.spread_labels`)."""
    outputs = blueprint.outputs
    if data is None or data.is_raw or not any(output.loss and output.loss.is_custom for output in outputs):
        return blueprint
    losses = given_losses(model, [output.name for output in outputs])
    labels = _labels(data, outputs)
    with generators_put_back():
        told = [_with_shape(*each) for each in zip(outputs, losses, labels, strict=True)]
    return replace(blueprint, outputs=tuple(told))


def _labels(data: DataSample, outputs: Sequence[Output]) -> list[Array | None]:
    """Return labels of each output; None where it has none of its own."""
    given = data.training.labels
    if len(given) == len(outputs) == 1:
        return list(given.values())
    return [given.get(output.name) for output in outputs]


def _with_shape(output: Output, loss: Any, labels: Array | None) -> Output:
    if output.loss is None or labels is None or not output.loss.is_custom or labels.dtype.kind not in "biuf":
        return output
    with suppress(Exception):  # whatever a loss of the user's may raise on numbers that are drawn
        if _spreads(loss, output.shape, labels[:_SAMPLES]):
            return replace(output, loss=replace(output.loss, spread_labels=(None, *labels.shape[1:])))
    return output


def _spreads(loss: Any, shape: Shape, labels: Array) -> bool:
    """Whether a loss mixes samples, and does not where labels have the shape of the output.

    One that mixes them on purpose (of a ranking, of pairs) does so with labels of any shape.
    """
    sizes = [size or 0 for size in shape[1:]]
    if math.prod(sizes) != math.prod(labels.shape[1:]) or tuple(sizes) == labels.shape[1:]:
        return False
    drawn = np.random.default_rng(0).uniform(0.1, 0.9, (len(labels), *sizes)).astype(np.float32)
    alike = labels.reshape(drawn.shape)
    return not _is_of_samples(loss, labels, drawn) and _is_of_samples(loss, alike, drawn)


def _is_of_samples(loss: Any, labels: Array, drawn: Array) -> bool:
    """Whether a loss is the mean, or the sum, of those of the samples by themselves."""
    each = [_value(loss, labels[at : at + 1], drawn[at : at + 1]) for at in range(len(drawn))]
    whole = _value(loss, labels, drawn)
    if not np.isfinite([whole, *each]).all():
        raise ValueError("the loss has no value for these numbers")
    return any(math.isclose(whole, joined, rel_tol=1e-3, abs_tol=1e-6) for joined in (np.mean(each), np.sum(each)))


def _value(loss: Any, labels: Array, drawn: Array) -> float:
    """Return the loss as a compiled model computes it."""
    fresh = CompileLoss(loss, None)
    return float(fresh(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(drawn)))
