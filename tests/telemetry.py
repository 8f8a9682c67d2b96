"""Layer telemetry as Monitor would log it: noise, decay over training, a profile over depth.

Every function is pure; randomness comes from a fixed seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from diagnose.analyze import Selection, analyze
from diagnose.finding import Finding, Outcome
from diagnose.run import Direction, LayerStatistic, Run, Series, Split

EPOCHS = 40


def names(depth: int) -> list[str]:
    """Return layer names, input first; the last one is the output layer."""
    return [*(f"dense_{i}" for i in range(depth - 1)), "output"]


def norms(
    depth: int = 5,
    epochs: int = EPOCHS,
    *,
    decades: float = 0.0,
    decay: float = 0.7,
    noise: float = 0.15,
    level: float = 0.3,
    seed: int = 0,
) -> np.ndarray:
    """Gradient norms, epochs x layers.

    Parameters
    ----------
    decades
        How far the first layer lies below the last one; negative for above.
    decay
        How many decades all layers fall over the training, as gradients do on the way to a minimum.
    noise
        Standard deviation from epoch to epoch, in decades; the layers share one half of it.
    level
        The norm of the last layer at the start.
    """
    rng = np.random.default_rng(seed)
    depths = np.linspace(-decades, 0.0, depth)
    times = np.linspace(0.0, -decay, epochs)
    shared, own = rng.normal(0, noise / 2, (epochs, 1)), rng.normal(0, noise / 2, (epochs, depth))
    odd = rng.normal(0, 0.2, depth)  # no two layers are of one size and shape
    return level * 10 ** (depths + odd + times[:, None] + shared + own)


def updates(depth: int = 5, epochs: int = EPOCHS, *, level: float = 2e-3, seed: int = 1) -> np.ndarray:
    """Update ratios of a healthy training."""
    return norms(depth, epochs, decay=0.5, level=level, seed=seed)


def shares(levels: Sequence[float], epochs: int = EPOCHS, *, noise: float = 0.02, seed: int = 2) -> np.ndarray:
    """Shares of units (dead, saturated): a constant level per layer, with noise, in 1/64."""
    rng = np.random.default_rng(seed)
    values = np.asarray(levels) + rng.normal(0, noise, (epochs, len(levels)))
    return np.round(np.clip(values, 0, 1) * 64) / 64


def falling(epochs: int = EPOCHS, start: float = 2.3, end: float = 0.2, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    course = end + (start - end) * np.exp(-np.arange(epochs) / (epochs / 5))
    return course * (1 + rng.normal(0, 0.01, epochs))


def flat(epochs: int = EPOCHS, level: float = 2.303, seed: int = 4) -> np.ndarray:
    return level + np.random.default_rng(seed).normal(0, 0.002, epochs)


def a_run(
    statistics: Mapping[str, np.ndarray],
    loss: np.ndarray | None = None,
    layers: Mapping[str, Sequence[str]] = MappingProxyType({}),
    rate: float | None = 0.01,
) -> Run:
    """Return a run with layer statistics; epochs are numbered from 0, layers as in `names`."""
    epochs = len(next(iter(statistics.values())))
    numbers = np.arange(epochs, dtype=float)
    series = []
    if loss is not None:
        series.append(Series("loss", "loss", Split.TRAIN, numbers, loss, Direction.LOWER))
    return Run(
        source="run.csv",
        format="keras-csv",
        series=tuple(series),
        layers={
            name: LayerStatistic(name, tuple(layers.get(name, names(values.shape[1]))), numbers, values)
            for name, values in statistics.items()
        },
        config={} if rate is None else {"learning_rate": rate},
    )


def with_curve(run: Run, name: str, values: np.ndarray) -> Run:
    """Return the run with a score beside its loss."""
    numbers = np.arange(len(values), dtype=float)
    return dataclasses.replace(
        run, series=(*run.series, Series(name, name, Split.TRAIN, numbers, values, Direction.HIGHER))
    )


def found(check: str, run: Run) -> list[Finding]:
    """Return what one check finds, through `analyze`; an error of the check fails the test."""
    report = analyze(run, Selection(select=frozenset({check})))
    outcome = outcome_of(check, run)
    assert outcome.kind != "error", outcome.reason
    return list(report.findings)


def outcome_of(check: str, run: Run) -> Outcome:
    report = analyze(run, Selection(select=frozenset({check})))
    return next(outcome for outcome in report.outcomes if outcome.check == check)
