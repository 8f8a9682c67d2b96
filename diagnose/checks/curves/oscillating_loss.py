"""The training loss swings up and down by a large part of what it gains.

What it detects
---------------
A training loss that does not settle: its swings are of the size of its progress.

How it is detected
------------------
The noise of the training loss in the second half of the run (second differences, so that a trend does
not count) against its net descent and against its level: both `of_descent` and `of_level` are exceeded.
Or, where the rate was never raised, the roughness of that half (see noisy-validation) exceeds
`roughness` of its level, which counts as 5 % of the descent at least. Never a count of sign changes:
noise of any size changes sign. Epochs right after a logged increase of the learning rate are left out.

Why it matters
--------------
Steps that overshoot the minimum: where training stops is a matter of luck.

How to fix
----------
Lower the learning rate or let it decay, use larger batches, clip the gradients, less momentum.

References
----------
Counting sign changes fires on 32 % of good runs (docs/decisions/0005). Zhang et al., AutoTrainer (ICSE
2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of, point_noise
from diagnose.measures.learning_rate import increases
from diagnose.measures.roughness import roughness
from diagnose.remedies import data, optimizer
from diagnose.run import FloatArray, Run, Series

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=8),
    explains=("noisy-validation", "slow-convergence"),
    fault=Fault.UNSTABLE,
)


@dataclass(frozen=True)
class Options:
    """Thresholds of oscillating-loss."""

    of_descent: float = threshold(
        0.25,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="noise over net descent",
    )
    roughness: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="roughness of the second half relative to its own level",
    )
    of_level: float = threshold(
        0.08, unit="share", source="chosen on the tuning half of benchmarks/faults", help="noise over level"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 8 or curve.level <= 0:
        return
    raised = increases(run.get("learning_rate"))
    evidence = _against_descent(series, curve, raised, options)
    if not evidence and not len(raised):
        evidence = _against_level(series, curve, options)
    if not evidence:
        return
    decisive = evidence[0]
    yield Finding(
        severity=Severity.WARNING,
        confidence=min(0.95, 0.6 + (decisive.value / (decisive.threshold or 1.0) - 1) / 4),
        summary=(
            f"{series.name} swings from {run.axis} to {run.axis} by {evidence[-1].value:.0f} % of its level instead of "
            "settling."
        ),
        evidence=evidence,
        fixes=(
            optimizer.lower_learning_rate(run),
            optimizer.decay_learning_rate(run),
            data.larger_batch(run),
            optimizer.clip_gradients(),
            optimizer.lower_momentum(),
            data.shuffle(),
        ),
    )


def _against_descent(series: Series, curve: Curve, raised: FloatArray, options: Options) -> tuple[Interval, ...]:
    """Return the evidence of swings of the size of the progress, or nothing."""
    steady = _without_restarts(curve, raised)
    # Swings that die away are a loss that settles: the second half decides.
    noise = point_noise(steady[len(steady) // 2 :] if len(steady) >= 16 else steady)
    descent = max(0.0, curve.opening - curve.end)
    if noise < options.of_level * curve.level or noise < options.of_descent * descent:
        return ()
    ratio = min(noise / descent, 10.0) if descent > 0 else 10.0
    return (
        percent(series, curve, f"noise of {series.name} over its net descent", ratio, options.of_descent),
        percent(series, curve, f"noise of {series.name} over its level", noise / curve.level, options.of_level),
    )


def _against_level(series: Series, curve: Curve, options: Options) -> tuple[Interval, ...]:
    """Return the evidence of swings that are large beside the level that the run has reached, or nothing."""
    rough = roughness(curve)
    if rough < options.roughness:
        return ()
    label = f"roughness of {series.name} in the second half, relative to its level"
    return (percent(series, curve, label, rough, options.roughness),)


def _without_restarts(curve: Curve, raised: FloatArray) -> FloatArray:
    """Return the values without the first, and without the windows after increases of the rate."""
    keep = np.ones(len(curve), dtype=bool)
    keep[0] = False
    for epoch in raised:
        keep &= ~((curve.epochs >= epoch) & (curve.epochs < epoch + curve.window))
    return curve.values[keep] if keep.sum() >= 6 else curve.values
