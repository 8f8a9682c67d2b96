"""The training loss has been level for a large part of the run.

What it detects
---------------
A flat stretch up to the end: a minimum, a saddle, or a floor.

How it is detected
------------------
From some epoch on the smoothed training loss stays within `band` of the whole descent (or twice its
noise) of its final level; that stretch is at least `share` of the run and `least_epochs` long. At a good
level that is convergence, an `info`. It is a warning where the level is bad: skill (see underfitting)
below `skill`, or, without a score to judge by, a loss that has lost less than `explained` of its first
value.

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

from diagnose.check import Check, Needs, threshold
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import arrived_at, best_skill, explained
from diagnose.remedies import data, optimizer, training
from diagnose.run import Run

CHECK = Check(needs=Needs(any_of=(("loss",),), min_epochs=10))


@dataclass(frozen=True)
class Options:
    """Thresholds of plateau."""

    band: float = threshold(
        0.02, unit="share", source="chosen on real logs", help="width of the band relative to the descent"
    )
    share: float = threshold(0.5, unit="share", source="chosen on real logs", help="share of the run that is level")
    least_epochs: float = threshold(10, unit="epochs", source="chosen on real logs", help="length of the stretch")
    skill: float = threshold(0.4, unit="skill", source="below underfitting's half way", help="skill of a bad level")
    explained: float = threshold(
        0.3,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the first loss that must be gone for a level to count as good",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < options.least_epochs:
        return
    since = arrived_at(curve, max(options.band * curve.descent, 2 * curve.sigma))
    length = len(curve) - since
    if length < options.least_epochs or length < options.share * len(curve):
        return
    bad = _is_bad(run, curve, options)
    start = float(curve.epochs[since])
    end = float(curve.epochs[-1])
    yield Finding(
        severity=Severity.WARNING if bad else Severity.INFO,
        confidence=0.8,
        summary=(
            f"{series.name} has been level at {curve.end:.4g} since {run.axis} {start:g}"
            + (": stuck far from a good value." if bad else ": it has converged.")
        ),
        epoch=start,
        evidence=(
            Interval(
                label=f"share of the run with {series.name} level",
                value=100 * length / len(curve),
                threshold=100 * options.share,
                unit="%",
                series=series.name,
                start=start,
                end=end,
            ),
        ),
        fixes=(
            (
                optimizer.use_adam(),
                optimizer.add_momentum(),
                optimizer.cyclic_learning_rate(run),
                optimizer.raise_learning_rate(run, factor=3.0),
                data.smaller_batch(run),
            )
            if bad
            else (training.stop_early(run, epoch=start), optimizer.decay_learning_rate(run))
        ),
    )


def _is_bad(run: Run, curve: Curve, options: Options) -> bool:
    skill = best_skill(run)
    if skill is not None:
        return skill < options.skill
    judged = any(s.direction is not None and not s.is_loss for s in run.series)
    return not judged and explained(curve) < options.explained
