"""What the first batch, before any training, is held against."""

from __future__ import annotations

import numpy as np

from diagnose.blueprint import Blueprint, DryRun, LayerScale
from diagnose.sample import Array, DataSample

#: From this deviation on a layer's output counts as large.
_LOUD = 10.0


def trained_by(model: Blueprint | None) -> frozenset[str]:
    """Return the names of a model's losses; none where it has one of the user's own, or is not known."""
    losses = [output.loss for output in model.outputs if output.loss is not None] if model is not None else []
    return frozenset() if any(loss.is_custom for loss in losses) else frozenset(loss.name for loss in losses)


def label_entropy(data: DataSample | None) -> float | None:
    """Return the entropy of the labels' frequencies in nats: what a model that knows no more can reach.

    None where there is more than one output, or the labels are not classes: integers (n,), one-hot (n, k), or 0 and 1.
    """
    labels = list(data.training.labels.values()) if data is not None else []
    if len(labels) != 1 or not len(labels[0]) or labels[0].dtype.kind not in "iufb":
        return None
    (array,) = labels
    rows = array.reshape(len(array), -1)
    if not np.isfinite(rows).all():
        return None
    if rows.shape[1] == 1:
        values, counts = np.unique(rows, return_counts=True)
        return _entropy(counts / len(rows)) if (values == np.round(values)).all() else None
    if ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all():
        return _entropy(rows.mean(axis=0))
    return None


def _entropy(shares: Array) -> float:
    shares = shares[shares > 0].astype(np.float64)
    return float(-(shares * np.log(shares)).sum())


def loudest(tried: DryRun) -> list[LayerScale]:
    """Return the layers whose outputs deviate by ten or more, those that deviate most first."""
    found = [scale for scale in tried.scales if scale.output_std is not None and scale.output_std >= _LOUD]
    return sorted(found, key=lambda scale: -(scale.output_std or 0.0))
