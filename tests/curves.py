"""Hand-made curves and runs, and what one check says of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diagnose.analyze import Selection, analyze
from diagnose.discovery import family_of
from diagnose.finding import Finding, Outcome, OutcomeKind
from diagnose.run import Direction, FloatArray, LayerStatistic, Run, Series, split_role

#: A series built for the near side of a threshold takes this share of it, for the far side that one.
UNDER, OVER = 0.8, 1.25

_LOWER = frozenset({"loss", "mae", "mse", "rmse", "error"})
_NEITHER = frozenset({"learning_rate"})


# -- runs --------------------------------------------------------------------------------------------------------------


def series(role: str, values: ArrayLike, *, first: float = 0, scale: float = 1.0, output: str = "") -> Series:
    """Return the curve of a role, one value per epoch, counted from `first` as Keras does from 0."""
    split, quantity = split_role(role)
    numbers = np.asarray(values, dtype=float)
    direction = Direction.LOWER if quantity in _LOWER else Direction.HIGHER
    return Series(
        name=role,
        quantity=quantity,
        split=split,
        epochs=first + np.arange(len(numbers), dtype=float),
        values=numbers,
        direction=None if quantity in _NEITHER else direction,
        output=output,
        scale=1.0 if direction == Direction.LOWER else scale,
    )


def run(
    *,
    first: float = 0,
    scale: float = 1.0,
    config: Mapping[str, Any] | None = None,
    layers: Mapping[str, LayerStatistic] | None = None,
    **curves: ArrayLike,
) -> Run:
    """Return a run of the curves given by role: ``run(loss=[...], val_accuracy=[...])``."""
    return Run(
        source="run.csv",
        format="keras-csv",
        series=tuple(series(role, values, first=first, scale=scale) for role, values in curves.items()),
        config=config or {},
        layers=layers or {},
    )


# -- shapes ------------------------------------------------------------------------------------------------------------


def noise(n: int, sigma: float, seed: int = 0) -> FloatArray:
    """White noise."""
    return np.random.default_rng(seed).normal(0.0, sigma, n)


def wobble(n: int, sigma: float) -> FloatArray:
    """Up and down in turn: what a curve's noise is measured on gives exactly `sigma`, and any mean stays at 0."""
    return sigma * np.sqrt(6) / (4 * 1.4826) * (-1.0) ** np.arange(n)


def line(n: int, start: float, end: float) -> FloatArray:
    """A straight course."""
    return np.linspace(start, end, n)


def path(n: int, *corners: tuple[float, float]) -> FloatArray:
    """Straight pieces between corners, each (share of the run, value)."""
    at, values = zip(*corners, strict=True)
    return np.interp(np.linspace(0.0, 1.0, n), at, values)


def decay(n: int, start: float = 1.0, floor: float = 0.1, tau: float | None = None) -> FloatArray:
    """An exponential decay that has settled at the end, unless `tau` (in epochs) is long."""
    return floor + (start - floor) * np.exp(-np.arange(n) / (tau or n / 8))


def turning(n: int, rise: float, turn: float = 0.5, start: float = 1.0, best: float = 0.5) -> FloatArray:
    """A fall to `best`, level ground around the `turn`, then a climb by `rise` (relative) that lasts to the end."""
    top = best * (1 + rise)
    return path(n, (0, start), (turn - 0.15, best), (turn, best), (turn + (1 - turn) / 2, top), (1, top))


def steps(n: int, *values: float) -> FloatArray:
    """A staircase: each value over an equal part of the run, as of a stepped learning rate."""
    return np.repeat(values, -(-n // len(values)))[:n].astype(float)


def frozen(values: FloatArray) -> FloatArray:
    """The same values, read-only: a check that writes to them raises."""
    values.flags.writeable = False
    return values


def healthy(n: int = 60, seed: int = 0, classes: int = 10) -> Run:
    """A classifier as one wishes it: both losses settle close together, both accuracies end high."""
    start = np.log(classes)
    return run(
        loss=decay(n, start, 0.15) + noise(n, 0.006, seed),
        accuracy=1 - decay(n, 1 - 1 / classes, 0.04) + noise(n, 0.003, seed + 1),
        val_loss=decay(n, start, 0.2) + noise(n, 0.008, seed + 2),
        val_accuracy=1 - decay(n, 1 - 1 / classes, 0.06) + noise(n, 0.004, seed + 3),
        config={"classes": classes},
    )


# -- what a check says -------------------------------------------------------------------------------------------------


def defaults(check: str) -> Any:
    """Return the default thresholds of a check."""
    return importlib.import_module(f"diagnose.checks.{family_of(check)}.{check.replace('-', '_')}").Options()


def too_few(check: str) -> str:
    """Return how a check says that a log has too few epochs for it."""
    module = importlib.import_module(f"diagnose.checks.{family_of(check)}.{check.replace('-', '_')}")
    return f"needs {module.CHECK.needs.min_epochs} epochs"


def outcome(check: str, a_run: Run, *, live: bool = False) -> Outcome:
    """Return how a check ended on a run."""
    (result,) = (o for o in analyze(a_run, _only(check), live=live).outcomes if o.check == check)
    return result


def look(check: str, a_run: Run, **options: float) -> tuple[Finding, ...]:
    """Return the findings of one check, which must have been able to look."""
    report = analyze(a_run, _only(check, options))
    (result,) = (o for o in report.outcomes if o.check == check)
    assert result.kind in (OutcomeKind.FOUND, OutcomeKind.PASSED), result
    return report.findings


def one(check: str, a_run: Run, **options: float) -> Finding:
    """Return the only finding of a check, whose numbers must bear it out."""
    (finding,) = look(check, a_run, **options)
    assert finding.check == check
    for evidence in finding.evidence:
        assert np.isfinite(evidence.value)
    return finding


def not_applicable(check: str, a_run: Run) -> str:
    """Return why a check could not look; it must not have."""
    result = outcome(check, a_run)
    assert result.kind == OutcomeKind.NOT_APPLICABLE
    return result.reason


def fix_ids(finding: Finding) -> Sequence[str]:
    """Return the ids of the fixes, in order."""
    return [fix.id for fix in finding.fixes]


def _only(check: str, options: Mapping[str, float] | None = None) -> Selection:
    return Selection(select=frozenset({check}), options={check: options} if options else {})


def hovering(n: int, value: float) -> FloatArray:
    """Return a score at a level, never the same twice in a row: one that stands still says another thing."""
    return value + 5e-4 * (-1.0) ** np.arange(n)
