"""Training stopped while the loss was still falling fast.

What it detects
---------------
A run that was cut off: it would have gone on improving by a good part of what it had gained.

How it is detected
------------------
A power law a + b t^-c fitted to the smoothed training loss (to the validation loss where that is the
lower one, as under dropout) says what twice as many epochs would gain, as a share of the fall so far; it
must exceed `gain_left`, and the last third of the run must have brought `late_share` of the fall, with
the loss still above `remaining` of its first value (a loss that goes below zero must fall steeply
instead). Not where the score is good already, nor where the validation side has stopped improving or got
worse. Runs of fewer than `settled` epochs get an info, for every short run is still falling, unless they
fall steeply (`steep_gain_left`, `steep_late_share`).

Why it matters
--------------
The model is unfinished: judging its architecture by this run is unfair.

How to fix
----------
Train longer, or get there sooner: a higher rate, momentum or Adam, batch normalization, scaled inputs.

References
----------
Domhan et al., Speeding up Automatic Hyperparameter Optimization by Extrapolation of Learning Curves
(IJCAI 2015); AutoTrainer's rule (best one-epoch gain < 0.01) depends on the metric's scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import gain_left, is_good, late_share
from diagnose.measures.validation_rise import rise_of, rose
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import Run, Series

CHECK = Check(needs=Needs(any_of=(("loss",),), min_epochs=5), explains=("underfitting",), live=False, fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of slow-convergence."""

    sigmas: float = threshold(6.0, unit="σ", source="as in learning-rate-too-low", help="fall over the noise")
    gain_left: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="gain of twice the epochs relative to the fall so far",
    )
    late_share: float = threshold(
        0.12,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="share of the fall in the last third",
    )
    remaining: float = threshold(
        0.15,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="loss at the end over its first value",
    )
    settled: float = threshold(
        20, unit="epochs", source="chosen on real logs", help="epochs from which it is a warning"
    )
    steep_gain_left: float = threshold(
        0.4,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="gain left at which a shorter run is a warning too",
    )
    steep_late_share: float = threshold(
        0.18,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="late share at which a shorter run is a warning too",
    )
    short: float = threshold(
        8, unit="epochs", source="chosen on the tuning half of benchmarks/faults", help="epochs of such a shorter run"
    )
    fair: float = threshold(
        0.45, unit="skill", source="as in underfitting", help="score from which a level validation score counts"
    )
    good: float = threshold(
        0.85, unit="skill", source="chosen on the tuning half of benchmarks/faults", help="skill that is no fault"
    )


def _judged(run: Run) -> Series | None:
    """Return the training loss; the validation loss where dropout or augmentation holds the training loss above it."""
    loss, unseen = run.get("loss"), run.get("val_loss")
    if loss is None or unseen is None or not len(curve_of(loss)) or not len(curve_of(unseen)):
        return loss
    return unseen if curve_of(unseen).end < curve_of(loss).end else loss


def _levelled(run: Run, steep: bool, options: Options) -> bool:
    """Whether the validation side has stopped improving or got worse: more epochs would not help it."""
    loss = run.get("val_loss")
    if loss is not None and len(curve_of(loss)) >= 2 and rose(rise_of(curve_of(loss))):
        return True
    score = run.get("val_metric")
    # A score that stands still at a poor level, or under a loss in free fall, has not arrived.
    unseen = score if score is not None and not steep and is_good(run, options.fair) else loss
    return unseen is not None and len(curve_of(unseen)) >= 5 and late_share(curve_of(unseen)) < options.late_share


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = _judged(run)
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 5:
        return
    late = late_share(curve)
    fall = float(curve.smooth[0] - curve.smooth[-1])
    if fall <= options.sigmas * curve.sigma or late < options.late_share:
        return
    left = gain_left(curve)
    if left < options.gain_left or is_good(run, options.good):
        return
    steep = left >= options.steep_gain_left and late >= options.steep_late_share
    # Nothing tells how far below zero a loss should go that may go there.
    below_zero = float(curve.values.min()) <= 0
    unfinished = steep if below_zero else curve.end >= options.remaining * curve.start
    if not unfinished or _levelled(run, steep, options):
        return
    settled = len(curve) >= (options.short if steep else options.settled)
    yield Finding(
        severity=Severity.WARNING if settled else Severity.INFO,
        confidence=0.75,
        summary=(
            f"{series.name} was still falling when training ended at {curve.end:.4g}; twice the {run.axis}s would gain "
            f"about another {100 * left:.0f} % of the descent."
        ),
        epoch=float(curve.epochs[-1]),
        evidence=(
            percent(series, curve, "gain of twice the training, relative to the fall so far", left, options.gain_left),
            percent(
                series,
                curve,
                "share of the fall in the last third",
                late,
                options.late_share,
                start=float(curve.epochs[int(len(curve) * 2 / 3)]),
            ),
        ),
        fixes=(
            training.train_longer(run),
            optimizer.raise_learning_rate(run, factor=3.0),
            optimizer.use_adam(),
            model.add_batch_norm(),
            data.standardize_inputs(),
        ),
    )
