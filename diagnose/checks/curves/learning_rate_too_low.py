"""The loss creeps downhill in a straight line and is still near where it started.

What it detects
---------------
Steps that are too small, from the start or since a schedule made them so.

How it is detected
------------------
By one of two signatures. Creeping: the smoothed training loss fell by more than `sigmas` times its
noise, so the descent is real, but over the whole run by less than `little` of its first value; its
course is straight (the last third of the run brought at least `late_share` of the fall: 1/3 for a
straight line, almost nothing for a run that levels off), it never rose above its start, and no score
gained `score_gain`. Decayed away: when the logged rate had fallen below a tenth of its largest value,
with `left` of the run still to come, the loss was falling so fast that half of the remaining epochs at
that pace would have brought `promised` of the descent so far, and less than `kept` of that came. Not
where the score is `good` already.

Why it matters
--------------
At this pace the run will not arrive. Ten times the rate costs nothing to try.

How to fix
----------
Raise the learning rate (try 3 to 10 times), use momentum or Adam, warm up and then decay; only then
train longer.

References
----------
Smith, Cyclical Learning Rates (2017), learning-rate range test; Goodfellow et al., Deep Learning (2016),
section 11.4.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Severity
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import BOUNDED, is_good, late_share
from diagnose.measures.learning_rate import decayed_at
from diagnose.remedies import data, optimizer, training
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=5),
    explains=("slow-convergence", "underfitting", "not-learning", "metric-stuck"),
    fault=Fault.STUCK,
)


#: Epochs before the rate was gone over which the pace is taken.
_BEFORE = 4


@dataclass(frozen=True)
class Options:
    """Thresholds of learning-rate-too-low."""

    little: float = threshold(
        0.3,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="fall of the training loss relative to its first value",
    )
    late_share: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the fall in the last third",
    )
    sigmas: float = threshold(
        6.0, unit="σ", source="chosen on the tuning half of benchmarks/faults", help="fall over the noise"
    )
    good: float = threshold(
        0.7, unit="skill", source="chosen on the tuning half of benchmarks/faults", help="skill that is no fault"
    )
    score_gain: float = threshold(
        0.5,
        unit="score",
        source="chosen on the tuning half of benchmarks/faults",
        help="gain of a score that is no fault",
    )
    promised: float = threshold(
        0.3,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="what half of the remaining epochs promised at the old pace, over the descent so far",
    )
    pace_sigmas: float = threshold(
        3.0,
        unit="σ",
        source="beyond doubt for white noise",
        help="fall just before, over the noise of one epoch",
    )
    kept: float = threshold(
        0.3, unit="share", source="chosen on the tuning half of benchmarks/faults", help="how much of that came"
    )
    left: float = threshold(
        0.3, unit="share", source="common sense", help="share of the run that must lie after the rate was gone"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 5 or is_good(run, options.good):
        return
    finding = _creeping(run, series, curve, options) or _decayed_away(run, series, curve, options)
    if finding is not None:
        yield finding


def _creeping(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A steady descent that has hardly left its start."""
    if float(curve.values.min()) <= 0 or _score_rose(run, options):
        return None
    fall = float(curve.smooth[0]) - float(curve.smooth[-1])
    relative = (curve.start - curve.end) / curve.start
    late = late_share(curve)
    if fall <= options.sigmas * curve.sigma or not 0 < relative < options.little or late < options.late_share:
        return None
    if float(curve.smooth.max()) > curve.start + 2 * curve.noise:  # it rose first: no straight descent
        return None
    third = float(curve.epochs[int(len(curve) * 2 / 3)])
    return Finding(
        severity=Severity.WARNING,
        confidence=0.8 if relative < options.little / 2 else 0.65,
        summary=(
            f"{series.name} fell steadily but only {100 * relative:.2g} % in {run.epochs} {run.axis}s, "
            f"from {curve.start:.4g} to {curve.end:.4g}: the steps are too small."
        ),
        evidence=(
            percent(series, curve, f"fall of {series.name} over the run", relative, options.little),
            percent(series, curve, "share of the fall in the last third", late, options.late_share, start=third),
        ),
        fixes=(
            optimizer.raise_learning_rate(run),
            optimizer.use_adam(),
            optimizer.add_momentum(),
            optimizer.warm_up(run),
            data.standardize_inputs(),
            training.train_longer(run),
        ),
    )


def _decayed_away(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A schedule that took the rate away while the loss was still falling fast."""
    rate = run.get("learning_rate")
    since = decayed_at(rate)
    if rate is None or since is None:
        return None
    at = int(np.searchsorted(curve.epochs, since))
    left = len(curve) - at
    if at < _BEFORE or left < max(_BEFORE, options.left * len(curve)):
        return None
    fallen = curve.start - float(curve.values[at - 1])
    pace = (float(curve.values[at - _BEFORE]) - float(curve.values[at - 1])) / (_BEFORE - 1)
    promised = pace * left / 2
    realized = float(curve.values[at - 1]) - curve.end
    if fallen <= 0 or promised < options.promised * fallen or realized > options.kept * promised:
        return None
    if pace * (_BEFORE - 1) <= options.pace_sigmas * curve.noise:
        return None
    return Finding(
        severity=Severity.WARNING,
        confidence=0.75,
        summary=(
            f"{series.name} was still falling by {pace:.3g} per {run.axis} when the schedule took the rate away at "
            f"{run.axis} {since:g} (to {rate.values[-1]:.2g} in the end); it has stood at {curve.end:.4g} since."
        ),
        epoch=since,
        evidence=(
            percent(
                series,
                curve,
                "what half of the remaining epochs promised at the pace before, over the descent so far",
                promised / fallen,
                options.promised,
                start=since,
            ),
            percent(series, curve, "how much of that came", max(0.0, realized / promised), options.kept, start=since),
        ),
        fixes=(
            optimizer.slower_decay(run),
            optimizer.cyclic_learning_rate(run),
            optimizer.use_adam(),
            training.train_longer(run),
        ),
    )


def _score_rose(run: Run, options: Options) -> bool:
    """Whether a score between 0 and 1 gained so much that the run did cover ground."""
    scores = [s for s in (run.get("metric"), run.get("val_metric")) if s is not None and s.quantity in BOUNDED]
    gains = [float(c.smooth[0]) - c.end for s in scores if len(c := curve_of(s)) >= 2]
    return max(gains, default=0.0) > options.score_gain
