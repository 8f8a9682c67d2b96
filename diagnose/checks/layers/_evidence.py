"""What the layer checks share in telling their findings: the table of layers, names and factors in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from diagnose.finding import LayerTable
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import explained
from diagnose.run import FloatArray, LayerStatistic, Run


def layer_table(
    statistic: LayerStatistic,
    values: FloatArray,
    label: str,
    *,
    worst: Callable[[Sequence[float]], float] = max,
    threshold: float | None = None,
    unit: str = "",
) -> LayerTable:
    """Return the evidence of one value per layer, at the end of the run."""
    rows = tuple((n, float(v)) for n, v in zip(statistic.layers, values, strict=True) if np.isfinite(v))
    return LayerTable(
        label=label,
        value=worst([v for _, v in rows]) if rows else float("nan"),
        threshold=threshold,
        unit=unit,
        statistic=statistic.name,
        epoch=float(statistic.epochs[-1]),
        rows=rows,
    )


def by_layer(run: Run, name: str) -> dict[str, FloatArray]:
    """Return a statistic's course over the epochs by layer; empty where it was not logged."""
    statistic = run.layers.get(name)
    if statistic is None:
        return {}
    return {layer: statistic.values[:, i] for i, layer in enumerate(statistic.layers)}


def learned_share(run: Run) -> float | None:
    """Return the share of its opening level that the training loss has lost; None where it was not logged."""
    loss = run.get("loss")
    if loss is None or len(curve_of(loss)) < 2:
        return None
    return explained(curve_of(loss))


def factor(decades: float) -> str:
    """Return a number of decades as a factor to read: ``2,000`` or ``1e+12``."""
    value = 10.0 ** min(decades, 300.0)
    return f"{value:,.0f}" if value < 1e5 else f"{value:.0e}"


def listed(names: Sequence[str]) -> str:
    """Return layer names for a sentence, at most three of them in full."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def with_more(name: str, count: int) -> str:
    """Return the one name that is told of `count`, and how many more there are."""
    return f"{name} and {count - 1} more" if count > 1 else name


def when(run: Run, epoch: float, first: float) -> str:
    """Return ``from the start`` or ``from epoch 7 on``."""
    return "from the start" if epoch == first else f"from {run.axis} {epoch:g} on"
