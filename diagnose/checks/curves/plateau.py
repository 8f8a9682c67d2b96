"""The training loss has been level for a large part of the run.

What it detects
---------------
A flat stretch: a minimum, a saddle, or a floor; up to the end, or until a sudden drop.

How it is detected
------------------
From some epoch on the smoothed training loss stays within `band` of the whole descent (or twice its
noise) of its final level; that stretch is at least `share` of the run and `least_epochs` long. At a good
level that is convergence, an `info`. It is a warning where the level is bad: skill (see underfitting)
below `skill`, or, without a score to judge by, a loss that has lost less than `explained` of its first
value. A stretch within the run counts too, where it fills `stretch` of it and the loss then fell by
`drop` of its descent.

Why it matters
--------------
At a bad level the run is stuck; at a good one the remaining epochs are wasted.

How to fix
----------
Momentum or Adam, a larger or cyclic rate, smaller batches (their noise helps to leave a flat region). At
a good level: stop, or decay the rate.

References
----------
Dauphin et al., Identifying and attacking the saddle point problem (2014); Smith, Cyclical Learning Rates
(2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Interval, Severity
from diagnose.fix import Fix
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import arrived_at, best_skill, explained, longest_level
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import Run, Series

CHECK = Check(needs=Needs(any_of=(("loss",),), min_epochs=10), fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of plateau."""

    band: float = threshold(
        0.02, unit="share", source="chosen on real logs", help="width of the band relative to the descent"
    )
    share: float = threshold(0.5, unit="share", source="chosen on real logs", help="share of the run that is level")
    least_epochs: float = threshold(10, unit="epochs", source="chosen on real logs", help="length of the stretch")
    wide_band: float = threshold(
        0.05,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="the same for a stretch that was left again",
    )
    stretch: float = threshold(
        0.25,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the run that is level before the loss falls again",
    )
    drop: float = threshold(
        0.3,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="fall after such a stretch, relative to the descent",
    )
    skill: float = threshold(0.4, unit="skill", source="below underfitting's half way", help="skill of a bad level")
    explained: float = threshold(
        0.3,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the first loss that must be gone for a level to count as good",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: of the stretch at the end, else of one that was left again."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < options.least_epochs:
        return
    finding = _at_the_end(run, series, curve, options) or _left_again(run, series, curve, options)
    if finding is not None:
        yield finding


def _at_the_end(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    since = arrived_at(curve, max(options.band * curve.descent, 2 * curve.sigma))
    length = len(curve) - since
    if length < options.least_epochs or length < options.share * len(curve):
        return None
    start, end = float(curve.epochs[since]), float(curve.epochs[-1])
    evidence = (_level(series, curve, length / len(curve), options.share, start, end),)
    if not _is_bad(run, curve, options):
        return Finding(
            severity=Severity.INFO,
            confidence=0.8,
            summary=f"{series.name} has been level at {curve.end:.4g} since {run.axis} {start:g}: it has converged.",
            epoch=start,
            evidence=evidence,
            fixes=(
                training.stop_early(run, epoch=start),
                optimizer.decay_learning_rate(run),
                *(() if run.get("val_loss") is not None else (training.log_validation(),)),
            ),
        )
    return Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=(
            f"{series.name} has been level at {curve.end:.4g} since {run.axis} {start:g}: stuck far from a good value."
        ),
        epoch=start,
        evidence=evidence,
        fixes=_ways_out(run),
    )


def _left_again(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A long level stretch from which the loss then fell by a good part of its descent."""
    band = max(options.wide_band * curve.descent, 4 * curve.sigma)
    first, last = longest_level(curve, band, until=arrived_at(curve, band))
    length = last - first + 1
    if length < options.least_epochs or length < options.stretch * len(curve):
        return None
    fell = float(curve.smooth[last]) - curve.end
    if fell < options.drop * curve.descent:
        return None
    start, end = float(curve.epochs[first]), float(curve.epochs[last])
    return Finding(
        severity=Severity.WARNING,
        confidence=0.75,
        summary=(
            f"{series.name} stood at {curve.smooth[last]:.4g} from {run.axis} {start:g} to {end:g}, then fell to "
            f"{curve.end:.4g}: {100 * (length / len(curve)):.0f} % of the run went by on a plateau."
        ),
        epoch=start,
        evidence=(_level(series, curve, length / len(curve), options.stretch, start, end),),
        fixes=_ways_out(run),
    )


def _level(series: Series, curve: Curve, share: float, limit: float, start: float, end: float) -> Interval:
    return percent(series, curve, f"share of the run with {series.name} level", share, limit, start=start, end=end)


def _ways_out(run: Run) -> tuple[Fix, ...]:
    return (
        optimizer.use_adam(),
        optimizer.add_momentum(),
        optimizer.cyclic_learning_rate(run),
        optimizer.raise_learning_rate(run, factor=3.0),
        model.initialize_he(),
        data.smaller_batch(run),
    )


def _is_bad(run: Run, curve: Curve, options: Options) -> bool:
    skill = best_skill(run)
    if skill is not None:
        return skill < options.skill
    judged = any(s.direction is not None and not s.is_loss for s in run.series)
    return not judged and explained(curve) < options.explained
