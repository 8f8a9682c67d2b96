"""The training loss rose again and stayed up: the optimizer lost the minimum.

What it detects
---------------
A training loss that had fallen and then climbed, for good, not as a spike that recovers.

How it is detected
------------------
The level at the end (median of the last tenth) lies above the smoothed minimum by more than `sigmas`
times the noise, by `rise` of what the run had gained (its descent from the opening level), and by
`relative` of the minimum itself; or the end lies above `start_factor` times the first value. A loss that
more than doubled for the rest of a run (`lasting`) needs only `lasting_rise` of the gain. Not counted: a
rise that begins at a logged increase of the learning rate less than a tenth of the run before the end (a
warm restart). Where the last two values both exceed `blown_up` times the first there is no doubt left, and
a training that still goes on may be ended for it.

Why it matters
--------------
The weights at the end are worse than earlier ones on the very data that they were trained on.

How to fix
----------
Lower the learning rate, clip the gradients, warm the rate up; scale the inputs; start again from the
best weights.

References
----------
Zhang et al., AutoTrainer (ICSE 2021); Ben Braiek & Khomh, TheDeepChecker (TOSEM 2022): loss at least
twice its best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning_rate import restarts
from diagnose.remedies import data, optimizer
from diagnose.run import Run

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=3),
    explains=("nan-loss", "overtraining", "not-learning", "plateau", "underfitting"),
    fault=Fault.UNSTABLE,
)


@dataclass(frozen=True)
class Options:
    """Thresholds of divergence."""

    sigmas: float = threshold(
        6.0, unit="σ", source="chosen on the tuning half of benchmarks/faults", help="rise over the noise"
    )
    rise: float = threshold(
        0.25,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise as a share of what had been gained",
    )
    relative: float = threshold(
        0.5, unit="share", source="half of TheDeepChecker's factor 2, which alone is late", help="rise / minimum"
    )
    lasting: float = threshold(
        0.3,
        unit="share",
        source="as the full tail of overfitting",
        help="share of the run after the minimum that is lasting",
    )
    lasting_rise: float = threshold(
        0.02,
        unit="share",
        source="chosen on real logs",
        help="rise over the gain, where it more than doubled and lasts",
    )
    start_factor: float = threshold(
        1.5, unit="x", source="chosen on the tuning half of benchmarks/faults", help="end over the first value"
    )
    blown_up: float = threshold(
        10.0,
        unit="x",
        source="no healthy run of benchmarks/faults comes near",
        help="the last two values over the first from which there is no doubt",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 3 or not _diverged(curve, options) or _just_restarted(run, curve):
        return
    best_epoch = float(curve.epochs[curve.best_at])
    end = float(curve.epochs[-1])
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=_confidence(curve, options),
        summary=(
            f"{series.name} fell to {curve.best:.4g} at {run.axis} {best_epoch:g}, then climbed and stayed at "
            f"{curve.end:.4g}."
        ),
        epoch=best_epoch,
        evidence=(
            Interval(
                label=f"rise of {series.name} from its minimum, in units of its noise",
                value=curve.rise_sigmas,
                threshold=options.sigmas,
                unit="σ",
                series=series.name,
                start=best_epoch,
                end=end,
            ),
        ),
        fixes=(
            optimizer.lower_learning_rate(run),
            optimizer.clip_gradients(),
            optimizer.warm_up(run),
            data.standardize_inputs(),
            optimizer.use_adam(),
        ),
    )


def _confidence(curve: Curve, options: Options) -> float:
    if curve.start > 0 and float(curve.values[-2:].min()) > options.blown_up * curve.start:
        return 0.99
    return 0.9 if len(curve) >= 8 else 0.75


def _diverged(curve: Curve, options: Options) -> bool:
    if curve.rise <= 0:
        return False
    if curve.start > 0 and curve.end > options.start_factor * curve.start:
        return True
    if curve.rise_sigmas <= options.sigmas:
        return False
    gained = max(0.0, curve.opening - curve.best)
    relative = curve.rise / abs(curve.best) if float(curve.values.min()) > 0 else math.inf
    if relative > options.relative and curve.rise > options.rise * gained:
        return True
    lasting = curve.tail_share >= options.lasting
    return lasting and relative > 1.0 and curve.rise > options.lasting_rise * gained


def _just_restarted(run: Run, curve: Curve) -> bool:
    """Whether the end still stands under a warm restart, which never lifts a loss above where it began."""
    if curve.end > curve.start:
        return False
    raised = restarts(run.get("learning_rate"))
    return bool(len(raised)) and bool(raised[-1] > curve.epochs[int(0.9 * (len(curve) - 1))])
