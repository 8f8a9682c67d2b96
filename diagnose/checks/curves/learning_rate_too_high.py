"""The steps overshoot: the loss blows up, swings, or was thrown off in the first epoch.

What it detects
---------------
The signatures of a learning rate that is too large for this model and data.

How it is detected
------------------
One of these signatures. The loss grew by `blow_up` on its way to NaN. It climbed from its minimum by
`climb` and `climb_sigmas` and stayed up with a `poor` score, or by `blind_climb` with any score; not
where the rate was logged to restart warm and the loss stays below its start. The first epoch's loss is
`overshoot` times the level at which the run then stayed flat: the first steps threw the weights into a
region without slope. Its noise exceeds `noise_of_descent` of the net descent and `noise_of_level` of the
level. Or a logged cut of the rate to half or less was followed at once by a fall of `relief` of the
descent so far: then an `info`, for the schedule already mended it.

Why it matters
--------------
The optimizer does not reach the minimum that it is near to.

How to fix
----------
Divide the rate by 3 to 10; warm up; clip gradients; decay. Unscaled inputs have the same effect as a
large rate: scale them.

References
----------
Goodfellow et al., Deep Learning (2016), section 8.3.1; Smith, Cyclical Learning Rates (2017); gradient
descent on x^2 diverges for rates above 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import over_run, percent
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of, median, quantile
from diagnose.measures.learning import best_skill
from diagnose.measures.learning_rate import cuts, restarts
from diagnose.remedies import data, optimizer
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=3),
    explains=(
        "divergence",
        "oscillating-loss",
        "nan-loss",
        "exploding-gradient",
        "dying-relu",
        "not-learning",
        "plateau",
        "underfitting",
        "noisy-validation",
    ),
    fault=Fault.UNSTABLE,
)


@dataclass(frozen=True)
class Options:
    """Thresholds of learning-rate-too-high."""

    blow_up: float = threshold(
        3.0, unit="x", source="chosen on the tuning half of benchmarks/faults", help="last finite loss over the least"
    )
    climb: float = threshold(
        0.03,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise of the loss relative to its minimum and to what it had gained",
    )
    blind_climb: float = threshold(
        0.15,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="the same where no score tells that the level is poor",
    )
    poor: float = threshold(
        0.5, unit="skill", source="as in underfitting", help="skill above which a climb is let pass"
    )
    climb_sigmas: float = threshold(4.0, unit="σ", source="as in overfitting", help="the same in units of the noise")
    noise_of_descent: float = threshold(
        0.3,
        unit="share",
        source="twice the limit of oscillating-loss",
        help="noise over net descent",
    )
    noise_of_level: float = threshold(
        0.1, unit="share", source="twice the limit of oscillating-loss", help="noise over level"
    )
    overshoot: float = threshold(
        3.0,
        unit="x",
        source="chosen on the tuning half of benchmarks/faults",
        help="first loss over the level of a run that stays flat",
    )
    flat: float = threshold(
        0.05, unit="share", source="chosen on real logs", help="spread of such a run's middle 80 %, over its level"
    )
    thrown_off: float = threshold(
        0.3, unit="skill", source="as poor in not-learning", help="skill above which such a run is let pass"
    )
    relief: float = threshold(
        0.15, unit="share", source="chosen on real logs", help="fall at a cut of the rate over the descent"
    )
    relief_sigmas: float = threshold(
        6.0, unit="σ", source="chosen on real logs", help="the same in units of the noise of one epoch"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: the most certain signature."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 2:
        return
    for signature in (_blown_up, _climbed, _thrown_off, _swings, _relieved):
        finding = signature(run, series, curve, options)
        if finding is not None:
            yield finding
            return


def _blown_up(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A loss that climbed before it left the finite numbers."""
    least = float(curve.values.min())
    last = float(curve.values[-1])
    if np.isfinite(series.values[-1]) or least <= 0 or last < options.blow_up * least:
        return None
    return _finding(
        run,
        f"{series.name} grew from {least:.4g} to {last:.4g} and then was no number any more: the steps are too large.",
        over_run(series, curve, "last finite loss over the least", last / least, options.blow_up, "x"),
        confidence=0.85,
        severity=Severity.CRITICAL,
    )


def _climbed(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A loss that fell and then climbed, at a level that is no good."""
    gained = max(0.0, curve.opening - curve.best)
    if curve.rise_sigmas <= options.climb_sigmas or curve.rise <= options.climb * max(abs(curve.best), gained):
        return None
    skill = best_skill(run)
    large = curve.rise > options.blind_climb * max(abs(curve.best), gained)
    poor = skill is not None and skill <= options.poor
    if not large and not poor:
        return None
    if len(restarts(run.get("learning_rate"))) and curve.end <= curve.start:
        return None
    label = "rise of the loss from its minimum, in units of its noise"
    return _finding(
        run,
        f"{series.name} fell to {curve.best:.4g} and then climbed to {curve.end:.4g}: the steps leave the minimum.",
        over_run(series, curve, label, curve.rise_sigmas, options.climb_sigmas, "σ"),
        confidence=0.75,
    )


def _thrown_off(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A first epoch far above a level that then never changes."""
    rest = curve.values[1:]
    if len(rest) < 3:
        return None
    level = median(rest)
    if level <= 0 or curve.start < options.overshoot * level:
        return None
    if quantile(rest, 0.9) - quantile(rest, 0.1) > options.flat * level:
        return None
    skill = best_skill(run)
    if skill is None or skill > options.thrown_off:
        return None
    return _finding(
        run,
        f"{series.name} began at {curve.start:.4g} and stayed at {level:.4g} since: the first steps were too large.",
        over_run(series, curve, "first loss over the level of the rest", curve.start / level, options.overshoot, "x"),
        confidence=0.75,
    )


def _swings(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """Noise of the size of the progress."""
    if len(curve) < 8 or curve.level <= 0:
        return None
    descent = max(0.0, curve.opening - curve.end)
    if curve.noise < options.noise_of_level * curve.level or curve.noise < options.noise_of_descent * descent:
        return None
    ratio = min(curve.noise / descent, 10.0) if descent > 0 else 10.0
    return _finding(
        run,
        f"{series.name} swings by {100 * curve.noise / curve.level:.0f} % of its level from {run.axis} to "
        f"{run.axis}: the steps overshoot.",
        percent(series, curve, "noise of the loss over its net descent", ratio, options.noise_of_descent),
        confidence=0.7,
    )


def _relieved(run: Run, series: Series, curve: Curve, options: Options) -> Finding | None:
    """A sharp fall right at a logged cut of the rate."""
    for epoch in cuts(run.get("learning_rate")):
        at = int(np.searchsorted(curve.epochs, epoch))
        if not 3 <= at < len(curve) - 1:
            continue
        before, after = median(curve.values[at - 3 : at]), median(curve.values[at : at + 2])
        fallen = curve.start - before
        if fallen > 0 and before - after > max(options.relief * fallen, options.relief_sigmas * curve.noise):
            relief = (before - after) / fallen
            return _finding(
                run,
                f"{series.name} fell at once from {before:.4g} to {after:.4g} when the rate was cut at {run.axis} "
                f"{epoch:g}: it had been too high before.",
                percent(series, curve, "fall at the cut over the descent so far", relief, options.relief),
                confidence=0.7,
                severity=Severity.INFO,
            )
    return None


def _finding(
    run: Run, summary: str, evidence: Interval, *, confidence: float, severity: Severity = Severity.WARNING
) -> Finding:
    return Finding(
        severity=severity,
        confidence=confidence,
        summary=summary,
        epoch=evidence.start,
        evidence=(evidence,),
        fixes=(
            optimizer.lower_learning_rate(run),
            optimizer.warm_up(run),
            optimizer.clip_gradients(),
            optimizer.decay_learning_rate(run),
            data.standardize_inputs(),
        ),
    )
