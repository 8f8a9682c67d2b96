"""The run's own settings as far as its log tells them, for fixes that name a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diagnose.run import Run


def learning_rate(run: Run | None) -> float | None:
    """Return the rate that the run was trained at: the highest one logged, else the configured one."""
    if run is None:
        return None
    series = run.get("learning_rate")
    if series is not None:
        usable = series.values[np.isfinite(series.values) & (series.values > 0)]
        if len(usable):
            return float(usable.max())
    planned = run.model.optimizer if run.model is not None else None
    return (
        _positive(run.config, "learning_rate")
        or _positive(_optimizer(run), "learning_rate")
        or (_positive({"learning_rate": planned.learning_rate}, "learning_rate") if planned is not None else None)
    )


def batch_size(run: Run | None) -> int | None:
    """Return the configured batch size, or that of the model or the data before the training."""
    if run is None:
        return None
    for known in (run.config, *(vars(part) for part in (run.model, run.data) if part is not None)):
        size = _positive(known, "batch_size")
        if size is not None:
            return int(size)
    return None


def samples(run: Run) -> int | None:
    """Return how many samples are trained on."""
    if run.data is not None and run.data.samples:
        return run.data.samples
    size = _positive(run.config, "samples")
    return None if size is None else int(size)


def epochs(run: Run | None) -> int | None:
    """Return how many epochs were trained; None where the log counts steps."""
    if run is None or run.axis != "epoch":
        return None
    return run.epochs or None


def _optimizer(run: Run) -> Mapping[str, Any]:
    """Return the optimizer's configuration, whether it stands alone or as Keras serializes it."""
    optimizer = run.config.get("optimizer")
    if not isinstance(optimizer, Mapping):
        return {}
    inner = optimizer.get("config")
    return inner if isinstance(inner, Mapping) else optimizer


def _positive(config: Mapping[str, Any], key: str) -> float | None:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        return None
    return float(value)
