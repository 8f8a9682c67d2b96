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
    return _positive(run.config, "learning_rate") or _positive(_optimizer(run), "learning_rate")


def batch_size(run: Run | None) -> int | None:
    """Return the configured batch size."""
    size = _positive(run.config, "batch_size") if run is not None else None
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
