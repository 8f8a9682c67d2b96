"""The model does much better on its training data than on data it has not seen.

What it detects
---------------
A large distance between the training and the validation (or test) score at the end of the run, from one
pair of numbers already: 98 % training accuracy against 54 % test accuracy.

How it is detected
------------------
With a score between 0 and 1 (accuracy, F1, AUC, dice, IoU ...): gap = training - validation, at the end
of both curves, is `score_gap` or more, and `certain_gap` or more when twice its standard error is taken
off. The standard error is binomial, sqrt(p (1 - p) / n); n is taken from the steps of the validation
curve (accuracies over n samples are multiples of 1/n), so that a small validation set needs a larger
gap.

With a loss alone: the validation loss is a multiple of the training loss, has stopped falling while the
training loss fell on (or hardly fell at all), is still a sizeable share of what it started from, and no
validation score is good.

Why it matters
--------------
What the model learned beyond the validation score does not carry over to new data.

How to fix
----------
More data in effect (augmentation, a pretrained backbone), then less freedom (dropout, L2, a smaller
model). Where the gap is there from the first epoch, look at the validation set: another preprocessing or
another distribution shows in the same way.

References
----------
Goodfellow, Bengio, Courville, Deep Learning (2016), section 5.2. A bare ratio of the losses, as in the
rules of SageMaker Debugger ((val - train) / train > 0.1), fires on 39-64 % of runs without overfitting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.chance import accuracy_resolution, binomial_error
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import BOUNDED, is_good
from diagnose.remedies import data, model, regularization, training, transfer
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(
        any_of=(
            ("metric", "val_metric"),
            ("loss", "val_loss"),
            ("metric", "test_metric"),
            ("loss", "test_loss"),
        )
    ),
    fault=Fault.OVERFIT,
)


_UNSEEN = ("val", "test")


@dataclass(frozen=True)
class Options:
    """Thresholds of generalization-gap."""

    score_gap: float = threshold(
        0.1,
        unit="score",
        source="chosen on the tuning half of benchmarks/faults",
        help="distance of the scores",
    )
    certain_gap: float = threshold(
        0.05,
        unit="score",
        source="chosen on the tuning half of benchmarks/faults",
        help="the same, less twice its standard error",
    )
    critical_gap: float = threshold(
        0.3, unit="score", source="a gap beyond doubt: 98 % against 54 % is 0.44", help="gap that is critical"
    )
    loss_ratio: float = threshold(
        3.0, unit="x", source="chosen on the tuning half of benchmarks/faults", help="validation / training loss"
    )
    unexplained: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="validation loss at the end as a share of its opening level, below which a ratio does not matter",
    )
    untouched: float = threshold(
        0.7,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="the same share from which the validation loss counts as untouched by the training",
    )
    still_falling: float = threshold(
        0.2,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="fall of the training loss in the second half",
    )
    following: float = threshold(
        0.35,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="how far, of its logarithm, the validation loss may follow that fall",
    )
    good: float = threshold(
        0.85,
        unit="skill",
        source="as in slow-convergence",
        help="validation score at which a ratio of the losses does not matter",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: by the scores where there are any, else by the losses."""
    scores = [p for split in _UNSEEN if (p := _pair(run, "metric", f"{split}_metric")) and _comparable(*p)]
    if scores:
        found = (_by_score(*pair, options) for pair in scores)
    elif is_good(run, options.good):
        return
    else:
        losses = [p for split in _UNSEEN if (p := _pair(run, "loss", f"{split}_loss"))]
        found = (_by_loss(*pair, options) for pair in losses)
    yield from next(filter(None, map(list, found)), [])


def _comparable(train: Series, other: Series) -> bool:
    return train.quantity == other.quantity and train.quantity in BOUNDED


def _pair(run: Run, training_role: str, other_role: str) -> tuple[Series, Series] | None:
    train, other = run.get(training_role), run.get(other_role)
    if train is None or other is None or not len(curve_of(train)) or not len(curve_of(other)):
        return None
    return train, other


def _by_score(train: Series, other: Series, options: Options) -> Iterator[Finding]:
    high, low = -curve_of(train).end, -curve_of(other).end
    gap = high - low
    if gap < options.score_gap:
        return
    error = binomial_error(low, accuracy_resolution(other)) if len(other) > 2 else 0.0
    certain = gap - 2 * error
    if certain < options.certain_gap:
        return
    yield Finding(
        severity=Severity.CRITICAL if certain >= options.critical_gap else Severity.WARNING,
        confidence=min(0.99, 0.6 + certain),
        summary=(
            f"{train.name} is {100 * high:.0f} % but {other.name} only {100 * low:.0f} %: a gap of "
            f"{100 * gap:.0f} points."
        ),
        epoch=float(other.epochs[-1]),
        evidence=(
            Comparison(
                label=f"{train.name} less {other.name} at the end",
                value=gap,
                threshold=max(options.score_gap, options.certain_gap + 2 * error),
                left_name=train.name,
                left=high,
                right_name=other.name,
                right=low,
                epoch=float(other.epochs[-1]),
            ),
        ),
        fixes=_fixes(),
    )


def _by_loss(train: Series, other: Series, options: Options) -> Iterator[Finding]:
    fitted, unseen = curve_of(train), curve_of(other)
    if len(unseen) < 5 or float(fitted.values.min()) <= 0 or float(unseen.values.min()) <= 0:
        return
    ratio = unseen.end / fitted.end
    share = unseen.end / unseen.opening
    if ratio < options.loss_ratio or share < options.unexplained:
        return
    if share < options.untouched and not _parted(fitted, unseen, options):
        return
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.75,
        summary=(
            f"{other.name} ends at {unseen.end:.3g}, {ratio:.1f} times {train.name} ({fitted.end:.3g}), and has "
            "stopped falling while the training loss fell on."
        ),
        epoch=float(other.epochs[-1]),
        evidence=(
            Comparison(
                label=f"{other.name} over {train.name} at the end",
                value=ratio,
                threshold=options.loss_ratio,
                unit="x",
                left_name=other.name,
                left=unseen.end,
                right_name=train.name,
                right=fitted.end,
                epoch=float(other.epochs[-1]),
            ),
        ),
        fixes=_fixes(),
    )


def _parted(fitted: Curve, unseen: Curve, options: Options) -> bool:
    """Whether in the second half the training loss fell, and the validation loss by much less."""
    train_fall = fitted.end / float(fitted.smooth[len(fitted) // 2])
    other_fall = unseen.end / float(unseen.smooth[len(unseen) // 2])
    return train_fall < 1 - options.still_falling and other_fall > train_fall**options.following


def _fixes() -> tuple[Fix, ...]:
    return (
        data.augment(),
        regularization.add_dropout(),
        regularization.add_l2(),
        regularization.add_l1(),
        model.shrink(),
        transfer.use_pretrained(),
        transfer.freeze_deeper(),
        data.collect_more(),
        data.match_validation_preprocessing(),
        data.resample_validation(),
        training.stop_early(),
    )
