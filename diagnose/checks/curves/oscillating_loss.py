"""The training loss swings up and down by a large part of what it gains.

What it detects
---------------
A training loss that does not settle: its swings are of the size of its progress.

How it is detected
------------------
The noise of the training loss in the second half of the run (second differences, so that a trend does
not count) against its net descent and against its level: both ratios are exceeded. Never a count of sign
changes: noise of any size changes sign. Epochs right after a logged increase of the learning rate are
left out.

Why it matters
--------------
Steps that overshoot the minimum: where training stops is a matter of luck.

How to fix
----------
Lower the learning rate or let it decay, use larger batches, clip the gradients, less momentum.

References
----------
`knowledge`: counting sign changes fires on 32 % of good runs. Zhang et al., AutoTrainer (ICSE 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Needs, threshold
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of, point_noise
from diagnose.measures.learning_rate import increases
from diagnose.remedies import data, optimizer
from diagnose.run import FloatArray, Run

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=8),
    explains=("noisy-validation", "slow-convergence"),
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
    of_level: float = threshold(
        0.08, unit="share", source="chosen on the tuning half of benchmarks/faults", help="noise over level"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 8:
        return
    steady = _without_restarts(curve, increases(run.get("learning_rate")))
    # Swings that die away are a loss that settles: the second half decides.
    noise = point_noise(steady[len(steady) // 2 :] if len(steady) >= 16 else steady)
    descent = max(0.0, curve.opening - curve.end)
    level = curve.level
    if level <= 0 or noise < options.of_level * level or noise < options.of_descent * descent:
        return
    ratio = noise / descent if descent > 0 else 10.0
    yield Finding(
        severity=Severity.WARNING,
        confidence=min(0.95, 0.6 + ratio / 2),
        summary=(
            f"{series.name} swings by {noise:.3g} from {run.axis} to {run.axis}, {100 * noise / level:.0f} % of its "
            f"level, against a net descent of {descent:.3g}."
        ),
        evidence=(
            Interval(
                label=f"noise of {series.name} over its net descent",
                value=100 * min(ratio, 10.0),
                threshold=100 * options.of_descent,
                unit="%",
                series=series.name,
                start=float(curve.epochs[0]),
                end=float(curve.epochs[-1]),
            ),
            Interval(
                label=f"noise of {series.name} over its level",
                value=100 * noise / level,
                threshold=100 * options.of_level,
                unit="%",
                series=series.name,
                start=float(curve.epochs[0]),
                end=float(curve.epochs[-1]),
            ),
        ),
        fixes=(
            optimizer.lower_learning_rate(run),
            optimizer.decay_learning_rate(run),
            data.larger_batch(run),
            optimizer.clip_gradients(),
            optimizer.lower_momentum(),
        ),
    )


def _without_restarts(curve: Curve, raised: FloatArray) -> FloatArray:
    """Return the values without the first, and without the windows after increases of the rate."""
    keep = np.ones(len(curve), dtype=bool)
    keep[0] = False
    for epoch in raised:
        keep &= ~((curve.epochs >= epoch) & (curve.epochs < epoch + curve.window))
    return curve.values[keep] if keep.sum() >= 6 else curve.values
