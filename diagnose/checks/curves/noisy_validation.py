"""The validation loss jumps from epoch to epoch far more than the training loss.

What it detects
---------------
A validation curve too rough to choose an epoch by.

How it is detected
------------------
The roughness of the second half of the validation loss, relative to its level (5 % of its descent at
least): its noise from second differences, by their median or, in 16 points and more, by their upper
quartile where that says more, so that frequent spikes count and a single one does not. It is told from
`roughness` on where it is `over_training` times that of the training loss, and is a warning from
`severe` on (and `severe_over_training` times), in runs of 16 epochs and more whose score is below
`good`.

Why it matters
--------------
The best epoch, early stopping and the comparison of two runs become a lottery.

How to fix
----------
A larger validation set; for batch normalization larger batches or a lower momentum, so that the
statistics used in validation follow; a lower or decaying rate; and the mean over several seeds before
believing a difference.

References
----------
Ioffe & Szegedy, Batch Normalization (2015): the moving statistics are used in validation only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Severity
from diagnose.measures.curve import curve_of
from diagnose.measures.learning import best_skill
from diagnose.measures.roughness import roughness
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import Run

CHECK = Check(needs=Needs(any_of=(("val_loss",),), min_epochs=8), fault=Fault.DATA)


#: In fewer epochs the descent of the start cannot be told from noise: an info at most.
_ENOUGH = 16


@dataclass(frozen=True)
class Options:
    """Thresholds of noisy-validation."""

    roughness: float = threshold(
        0.07, unit="share", source="chosen on real logs", help="roughness relative to the level, from which it is told"
    )
    severe: float = threshold(
        0.25,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="roughness from which it is a warning",
    )
    good: float = threshold(
        0.95, unit="skill", source="chosen on real logs", help="score at which swings of a small loss cost little"
    )
    over_training: float = threshold(
        3.0, unit="x", source="chosen on real logs", help="roughness over that of the training loss"
    )
    severe_over_training: float = threshold(
        2.0, unit="x", source="chosen on the tuning half of benchmarks/faults", help="the same where it is severe"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("val_loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 8:
        return
    rough = roughness(curve)
    loss = run.get("loss")
    comparable = loss is not None and len(curve_of(loss)) >= max(8, len(curve) // 2)
    train = roughness(curve_of(loss)) if loss is not None and comparable else 0.0
    severe = rough >= options.severe and rough >= options.severe_over_training * train and len(curve) >= _ENOUGH
    severe = severe and (best_skill(run) or 0.0) < options.good
    if not severe and rough < max(options.roughness, options.over_training * train):
        return
    yield Finding(
        severity=Severity.WARNING if severe else Severity.INFO,
        confidence=0.9 if severe else 0.8,
        summary=(
            f"{series.name} jumps by about {100 * rough:.0f} % of its level from {run.axis} to {run.axis}"
            + (f", {loss.name} by {100 * train:.1f} %." if loss is not None and train else ".")
        ),
        evidence=(
            percent(
                series,
                curve,
                f"roughness of {series.name} relative to its level",
                rough,
                (options.severe if severe else options.roughness),
                start=float(curve.epochs[len(curve) // 2]),
            ),
        ),
        fixes=(
            data.enlarge_validation(),
            model.batch_norm_momentum(),
            data.larger_batch(run),
            optimizer.decay_learning_rate(run),
            training.repeat_with_seeds(),
        ),
    )
