"""The validation loss rises from its minimum while the training loss keeps falling.

What it detects
---------------
A run that got worse on unseen data while it went on fitting the training data.

How it is detected
------------------
With s the moving average of the validation loss over w = max(3, n/20) epochs, i* its minimum and sigma =
1.4826 MAD(second differences) / (sqrt(6) sqrt(w)) its noise: the rise (s_end - s_i*) is more than
`sigmas` times the noise, more than `rise` of the level, lasts, and the smoothed training loss has not
risen since i*, nor from its own minimum. A rise that is small beside all that the curve had gained
(`of_progress`) must be large beside its level (`small_rise`, and below `negligible` even `doubling`).
Below `sure_sigmas` the epochs after the minimum must also rise among themselves (`trend`): the minimum
of many noisy points is a lucky one. s_end is the median of the last tenth. A rise that fills less than
30 % of the run must be steeper in proportion: the few epochs of patience before early stopping are not
overfitting. A curve that goes below zero is held against its own descent instead of its level.

Where no loss was logged, the validation score is judged in the same way.

Why it matters
--------------
The weights at the end are worse than those of the best epoch, and every epoch since was wasted.

How to fix
----------
Stop at the best epoch and restore its weights; that costs nothing. To push the minimum lower:
augmentation, dropout, L2, a smaller model, a pretrained backbone, more data.

References
----------
Prechelt, Early Stopping - But When? (1998), criteria GL and UP. Scaling by the run's own noise: on real
logs such a rule kept a precision of 0.97 where fixed ratios fell to 0.23-0.81 (docs/decisions/0005).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.validation_rise import Limits, Rise, kept_fitting, rise_of, rose
from diagnose.remedies import data, model, regularization, training, transfer
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(any_of=(("val_loss",), ("val_metric",)), min_epochs=3),
    explains=("generalization-gap", "overtraining", "loss-metric-disagreement"),
    fault=Fault.OVERFIT,
)

#: Below this many epochs the noise cannot be estimated and the rise must be `short_rise` and unbroken.
_SHORT = 6


@dataclass(frozen=True)
class Options:
    """Thresholds of overfitting."""

    sigmas: float = threshold(
        4.0,
        unit="σ",
        source="measured on real logs, see docs/decisions/0005",
        help="rise in units of the smoothed noise",
    )
    rise: float = threshold(
        0.05, unit="share", source="measured on real logs, see docs/decisions/0005", help="rise relative to the minimum"
    )
    of_progress: float = threshold(
        0.08,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise relative to all that the curve had gained, below which `small_rise` is asked",
    )
    small_rise: float = threshold(
        0.15,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise asked where it is small beside the progress",
    )
    negligible: float = threshold(
        0.03,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise relative to all that the curve had gained, below which `doubling` is asked",
    )
    doubling: float = threshold(
        1.0,
        unit="share",
        source="the loss has doubled",
        help="rise asked where it is next to nothing beside the progress",
    )
    short_rise: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="rise asked of a run with fewer than 6 epochs",
    )
    sure_sigmas: float = threshold(
        8.0, unit="σ", source="simulated flat noise", help="rise from which no trend after the minimum is asked"
    )
    trend: float = threshold(
        0.1,
        unit="share",
        source="simulated flat noise",
        help="rise of the second half of the epochs after the minimum over the first half, relative to the rise",
    )
    sustained: float = threshold(
        0.4,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the epochs after the minimum that lie clearly above it",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    loss = run.get("val_loss")
    validation = loss if loss is not None else run.get("val_metric")
    if validation is None or validation.direction is None:
        return
    curve = curve_of(validation)
    if len(curve) < 3:
        return
    rise = rise_of(curve)
    if not _rose(curve, rise, options):
        return
    train = run.get("loss") if validation.is_loss else run.get("metric")
    if train is not None and not kept_fitting(curve_of(train), rise.best_epoch):
        return
    yield _finding(run, validation, curve, rise, train, options)


def _rose(curve: Curve, rise: Rise, options: Options) -> bool:
    if len(curve) < _SHORT:
        tail = curve.values[int(np.argmin(curve.values)) :]
        unbroken = len(tail) >= 3 and bool((np.diff(tail) > 0).all())
        return unbroken and rise.relative >= options.short_rise
    return rose(
        rise,
        Limits(
            sigmas=options.sigmas,
            rise=options.rise,
            of_progress=options.of_progress,
            small_rise=options.small_rise,
            negligible=options.negligible,
            doubling=options.doubling,
            sustained=options.sustained,
            trend=options.trend,
            sure_sigmas=options.sure_sigmas,
        ),
    )


def _finding(run: Run, validation: Series, curve: Curve, rise: Rise, train: Series | None, options: Options) -> Finding:
    verb = "rose" if validation.is_loss else "fell"
    size = f"{100 * rise.relative:.0f} %" if math.isfinite(rise.relative) else "clearly"
    kept = f" while {train.name} went on improving" if train is not None else ""
    doubled = rise.relative >= 1 and curve.tail_share >= 0.3
    end = float(curve.epochs[-1])
    return Finding(
        severity=Severity.CRITICAL if doubled else Severity.WARNING,
        confidence=(0.95 if len(curve) >= _SHORT else 0.75) - (0.2 if train is None else 0.0),
        summary=(
            f"{validation.name} {verb} {size} from its best level ({rise.best:.4g} at {run.axis} {rise.best_epoch:g}) "
            f"to {rise.end:.4g}{kept}."
        ),
        epoch=rise.best_epoch,
        evidence=(
            percent(
                validation,
                curve,
                f"rise of {validation.name} from its best, relative",
                min(rise.relative, 1e6),
                options.rise,
                start=rise.best_epoch,
                end=end,
            ),
            Interval(
                label="the same in units of the run's own noise",
                value=rise.sigmas,
                threshold=options.sigmas,
                unit="σ",
                series=validation.name,
                start=rise.best_epoch,
                end=end,
            ),
        ),
        fixes=(
            training.stop_early(run, epoch=rise.best_epoch),
            data.augment(),
            regularization.add_dropout(),
            regularization.add_l2(),
            regularization.add_l1(),
            model.shrink(),
            transfer.use_pretrained(),
            data.collect_more(),
        ),
    )
