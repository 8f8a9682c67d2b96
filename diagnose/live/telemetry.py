"""What was measured of the layers in one epoch, as columns of the log: ``<statistic>/<layer>``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from diagnose.live.anatomy import WatchedLayer
from diagnose.live.taps import LayerSample, Sample

Columns = dict[str, float]


def columns_of_steps(samples: Sequence[Sample], layers: Sequence[WatchedLayer]) -> Columns:
    """Return norms of gradients, weights and steps, and the norm of the whole gradient; NaN where it was not measured.

    Parameters
    ----------
    samples
        Of each optimizer.
    layers
        The layers with weights, input first.
    """
    by_layer = [(layer, _sample_of(layer, samples)) for layer in layers]
    columns = {
        f"{statistic}/{layer.name}": getattr(sample, field)
        for statistic, field in (
            ("grad_norm", "gradient"),
            ("grad_norm_max", "largest"),
            ("weight_norm", "weight"),
            ("update_ratio", "update"),
        )
        for layer, sample in by_layer
        if layer.trained or field in ("weight", "update")  # what is not trained has no gradient
    }
    return {**columns, "grad_norm_global": _overall(samples)} if samples else columns


def columns_of(statistic: str, values: Mapping[str, float]) -> Columns:
    """Return one statistic of some layers as columns."""
    return {f"{statistic}/{name}": value for name, value in values.items()}


def _sample_of(layer: WatchedLayer, samples: Iterable[Sample]) -> LayerSample:
    sampled = False
    for sample in samples:
        if layer.name in sample.layers:
            return sample.layers[layer.name]
        sampled |= sample.steps > 0
    if layer.trained and not sampled:
        return LayerSample(math.nan, math.nan, _norm(layer), math.nan)
    # Frozen, or no gradient reaches it: it does not move.
    return LayerSample(0.0, 0.0, _norm(layer), 0.0)


def _overall(samples: Iterable[Sample]) -> float:
    """Return the norm of the gradients that all optimizers were given; NaN where none of them made a step."""
    norms = [sample.overall for sample in samples if sample.steps]
    return math.hypot(*norms) if norms else math.nan


def _norm(layer: WatchedLayer) -> float:
    values = [np.asarray(keras.ops.convert_to_numpy(weight), np.float64).ravel() for weight in layer.weights]
    return float(np.linalg.norm(np.concatenate(values)))
