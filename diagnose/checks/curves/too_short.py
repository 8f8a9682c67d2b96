"""The log is too short to judge a trend.

What it detects
---------------
A run of so few epochs that its noise cannot be told from its trend.

How it is detected
------------------
Fewer than `least_epochs` points in the longest curve.

Why it matters
--------------
A report without a finding on such a run is no clean bill of health.

How to fix
----------
Train for more epochs, or log more often.

References
----------
Zhang et al., AutoTrainer (ICSE 2021) judges after 30 % of the epochs at the earliest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.remedies import training
from diagnose.run import Run

CHECK = Check(live=False, fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """Thresholds of too-short."""

    least_epochs: float = threshold(
        7, unit="epochs", source="second differences need 3 points, a median of them 7", help="points needed"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, an info."""
    points = max((len(s) for s in run.series), default=0)
    if points >= options.least_epochs:
        return
    yield Finding(
        severity=Severity.INFO,
        confidence=1.0,
        summary=f"Only {points} {run.axis}{'s' if points != 1 else ''} logged: too few to judge a trend.",
        evidence=(
            Comparison(
                label=f"{run.axis}s in the log",
                value=float(points),
                threshold=options.least_epochs,
                left_name="logged",
                left=float(points),
                right_name="needed",
                right=options.least_epochs,
            ),
        ),
        fixes=(training.train_longer(run, factor=max(2.0, math.ceil(3 * options.least_epochs / max(points, 1)))),),
    )
