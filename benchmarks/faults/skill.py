"""How good predictions are, between 0 (what a constant achieves) and 1 (perfect); and the loss of a constant."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from benchmarks.faults.losses import resolve


def skill(kind: str, y: Any, p: Any) -> float:
    """Balanced accuracy above chance, explained variance, or intersection over union."""
    with np.errstate(all="ignore"):
        if kind == "heads":
            return 0.5 * skill("classes", y["kind"], p["kind"]) + 0.5 * skill("regression", y["size"], p["size"])
        y, p = np.asarray(y, "float64"), np.asarray(p, "float64")
        if not np.isfinite(p).all():
            return float("nan")
        if kind == "binary":
            return _balanced(y.ravel() > 0.5, p[:, -1] > 0.5, 2)
        if kind == "classes":
            return _balanced(y.ravel().astype(int), p.argmax(-1), p.shape[-1])
        if kind == "labels":
            return float(np.mean([_balanced(a > 0.5, b > 0.5, 2) for a, b in zip(y.T, p.T, strict=True)]))
        if kind == "mask":
            y, p = y > 0.5, p > 0.5
            return float((y & p).sum() / max(1, (y | p).sum()))
        mean = p[:, :1] if kind == "density" else p
        return 1 - float(np.mean((y - mean) ** 2) / np.mean((y - y.mean(0)) ** 2))


def _balanced(y: np.ndarray, p: np.ndarray, classes: int) -> float:
    recalls = [np.mean(p[y == k] == k) for k in range(classes) if (y == k).any()]
    return float((np.mean(recalls) - 1 / classes) / (1 - 1 / classes))


def mean_loss(loss: Any, y: Any, p: Any) -> float:
    """The loss without regularization, averaged over the rows."""
    if isinstance(loss, dict):
        return sum(mean_loss(loss[name], y[name], p[name]) for name in loss)
    function = keras.losses.get(resolve(loss)) if isinstance(loss, str) else loss
    return float(np.mean(np.asarray(function(y, p), "float64")))


def constant_loss(kind: str, loss: Any, y: Any, p: Any) -> float:
    """The loss of the best constant prediction; `p` only gives the shape of an output row."""
    if kind == "heads":
        kinds = {"kind": "classes", "size": "regression"}
        return sum(constant_loss(kinds[name], loss[name], y[name], p[name]) for name in loss)
    y = np.asarray(y, "float32")
    width = p.shape[-1]
    if kind == "density":
        row = np.array([y.mean(), np.log(y.std())])
    elif kind == "classes" and width > 1:
        row = np.bincount(y.ravel().astype(int), minlength=width)[:width] / len(y)
    else:
        row = y.mean(0)
    if kind != "density" and loss == "mae":
        row = np.median(y, 0)
    if loss == "pinball":
        row = np.quantile(y, 0.75, axis=0)
    return mean_loss(loss, y, np.broadcast_to(row, p.shape).astype("float32"))
