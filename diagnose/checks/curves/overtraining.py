"""Training went on long after the validation loss had stopped improving.

What it detects
---------------
A run most of which brought nothing: the best epoch lies far back.

How it is detected
------------------
At least `wasted` of the epochs, and at least `least_epochs`, come after the minimum of the smoothed
validation loss. It is a fault where the loss has risen since (more than its noise, see overfitting) and
`info` where it only stayed level.

Why it matters
--------------
Time and money; and, where the loss rose, a worse model.

How to fix
----------
Early stopping with the best weights restored.

References
----------
Prechelt, Early Stopping - But When? (1998); SageMaker Debugger, rule ``Overtraining`` (patience 5-10).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import arrived_at
from diagnose.measures.validation_rise import Limits, rise_of, rose
from diagnose.remedies import training
from diagnose.run import Run

CHECK = Check(needs=Needs(any_of=(("loss", "val_loss"),), min_epochs=20), live=False, fault=Fault.OVERFIT)


@dataclass(frozen=True)
class Options:
    """Thresholds of overtraining."""

    wasted: float = threshold(
        0.5,
        unit="share",
        source="the patience of SageMaker Debugger, scaled",
        help="share of the run that brought nothing",
    )
    least_epochs: float = threshold(
        20, unit="epochs", source="twice the patience of SageMaker Debugger", help="epochs that brought nothing"
    )
    rise: float = threshold(
        0.03,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults: less than in overfitting, for the waste counts too",
        help="rise of the validation loss that makes it a fault",
    )
    band: float = threshold(
        0.02, unit="share", source="as in plateau", help="how near its end a training loss has arrived, of its descent"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series, loss = run.get("val_loss"), run.get("loss")
    if series is None or loss is None:
        return
    curve, train = curve_of(series), curve_of(loss)
    if len(curve) < options.least_epochs or len(train) < options.least_epochs:
        return
    arrived = train.epochs[arrived_at(train, max(options.band * train.descent, 2 * train.sigma))]
    since = max(float(curve.epochs[curve.best_at]), float(arrived))
    wasted = int((curve.epochs > since).sum())
    if wasted < max(options.least_epochs, options.wasted * len(curve)):
        return
    rise = rise_of(curve)
    worse = rose(rise, Limits(rise=options.rise, of_progress=0.0, negligible=0.0))
    share = wasted / len(curve)
    yield Finding(
        severity=Severity.WARNING if worse else Severity.INFO,
        confidence=0.9,
        summary=(
            f"{loss.name} had arrived and {series.name} was past its best (at {run.axis} {rise.best_epoch:g}) by "
            f"{run.axis} {since:g}; the {wasted * curve.block} {run.axis}s after that ({100 * share:.0f} % of the run) "
            f"{'made it worse' if worse else 'brought nothing'}."
        ),
        epoch=since,
        evidence=(percent(series, curve, "share of the run that brought nothing", share, options.wasted, start=since),),
        fixes=(training.stop_early(run, epoch=rise.best_epoch),),
    )
