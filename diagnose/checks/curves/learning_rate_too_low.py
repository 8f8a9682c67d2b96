"""The loss creeps downhill in a straight line and is still near where it started.

What it detects
---------------
Steps that are too small: steady progress, hardly any distance.

How it is detected
------------------
The smoothed training loss fell by more than `sigmas` times its noise, so the descent is real, but over
the whole run by less than `little` of its first value; and its course is straight: the last third of the
run brought at least `late_share` of the fall (1/3 for a straight line, almost nothing for a run that
levels off).

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

from diagnose.check import Check, Needs, threshold
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import BOUNDED, is_good, late_share
from diagnose.remedies import data, optimizer, training
from diagnose.run import Run

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=5),
    explains=("slow-convergence", "underfitting", "not-learning", "metric-stuck"),
)


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


def _score_rose(run: Run, options: Options) -> bool:
    """Whether a score between 0 and 1 gained so much that the run did cover ground."""
    scores = [s for s in (run.get("metric"), run.get("val_metric")) if s is not None and s.quantity in BOUNDED]
    gains = [float(c.smooth[0]) - c.end for s in scores if len(c := curve_of(s)) >= 2]
    return max(gains, default=0.0) > options.score_gain


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 5 or float(curve.values.min()) <= 0:
        return
    fall = float(curve.smooth[0]) - float(curve.smooth[-1])
    relative = (curve.start - curve.end) / curve.start
    late = late_share(curve)
    if fall <= options.sigmas * curve.sigma or not 0 < relative < options.little or late < options.late_share:
        return
    if float(curve.smooth.max()) > curve.start + 2 * curve.noise or _score_rose(run, options):
        return
    if is_good(run, options.good):
        return
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.8 if relative < options.little / 2 else 0.65,
        summary=(
            f"{series.name} fell steadily but only {100 * relative:.2g} % in {run.epochs} {run.axis}s, "
            f"from {curve.start:.4g} to {curve.end:.4g}: the steps are too small."
        ),
        evidence=(
            Interval(
                label=f"fall of {series.name} over the run",
                value=100 * relative,
                threshold=100 * options.little,
                unit="%",
                series=series.name,
                start=float(curve.epochs[0]),
                end=float(curve.epochs[-1]),
            ),
            Interval(
                label="share of the fall in the last third",
                value=100 * late,
                threshold=100 * options.late_share,
                unit="%",
                series=series.name,
                start=float(curve.epochs[int(len(curve) * 2 / 3)]),
                end=float(curve.epochs[-1]),
            ),
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
