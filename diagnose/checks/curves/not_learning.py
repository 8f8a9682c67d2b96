"""The run learned nothing: it stays where it started, or at chance level.

What it detects
---------------
A flat training loss, or one that settled at the level of guessing.

How it is detected
------------------
By one of three rules. At chance: the loss ends between `chance_tolerance` below and `above_chance` above
ln K, for the K in run.json, a K whose ln K the loss is, or a K whose 1/K an accuracy is that never
improved, and the accuracy ends inside 1/K plus three binomial standard errors (and `chance_margin`). No
gain: the loss ends no lower than it began and a poor accuracy never rose. Flat: from its opening level
(the first epochs without the very first) the training loss fell by less than `flat` of it (`flat_unseen`
where the validation loss never fell below its first value), or less than its noise, and no score rose
above its noise; a score that is already good is no such run.

Why it matters
--------------
Nothing else in the log means anything until the model learns at all.

How to fix
----------
From curves alone the cause cannot be known. Candidates, in the order that this run's numbers suggest: a
wrong learning rate, labels that do not belong to the inputs or an output layer that does not fit the
loss, unscaled inputs, dead or saturated units, an initialization without any asymmetry, frozen layers.
Layer statistics tell them apart: the callback `Monitor("run.csv")` logs them in one line.

References
----------
Karpathy, A Recipe for Training Neural Networks (2019): verify the loss at initialization is ln K. Zhang
et al., AutoTrainer (ICSE 2021); SageMaker Debugger, rule ``LossNotDecreasing``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Comparison, Evidence, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.chance import (
    accuracy_resolution,
    binomial_error,
    classes_at_chance,
    classes_of,
)
from diagnose.measures.curve import Curve, curve_of, falling_share, median, moving_average
from diagnose.measures.learning import best_skill
from diagnose.remedies import data, model, optimizer, training, transfer
from diagnose.run import Run, Series

CHECK = Check(
    needs=Needs(any_of=(("loss",),), min_epochs=3),
    explains=("metric-stuck", "plateau", "underfitting", "slow-convergence"),
    fault=Fault.STUCK,
)


#: Fewer epochs than this that still fall steadily may yet learn; a flat loss alone says nothing before.
_SHORT = 6
#: The accuracy alone tells small numbers of classes only.
_MOST_GUESSED = 10
#: Up to this confidence it is a warning: a loss that is flat from the start may have started good.
_DOUBTFUL = 0.7


@dataclass(frozen=True)
class Options:
    """Thresholds of not-learning."""

    flat: float = threshold(
        0.02,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="fall of the training loss from its opening level",
    )
    flat_unseen: float = threshold(
        0.05,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="the same where the validation loss never fell below its first value",
    )
    poor: float = threshold(
        0.3, unit="skill", source="chosen on the tuning half of benchmarks/faults", help="skill that is poor"
    )
    chance_tolerance: float = threshold(
        0.03,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="distance of the loss from ln K",
    )
    above_chance: float = threshold(
        0.15,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults",
        help="how far above ln K the loss may lie",
    )
    chance_margin: float = threshold(
        0.05, unit="accuracy", source="chosen on the tuning half of benchmarks/faults", help="accuracy above 1/K"
    )
    good: float = threshold(
        0.5, unit="skill", source="half way from chance to perfect", help="skill at which a flat run is no fault"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    series = run.get("loss")
    if series is None:
        return
    curve = curve_of(series)
    if len(curve) < 3:
        return
    found = (
        _at_chance(run, series, curve, options)
        or _no_gain(run, series, curve, options)
        or _flat(run, series, curve, options)
    )
    if found is None:
        return
    summary, evidence, confidence = found
    yield Finding(
        severity=Severity.CRITICAL if confidence > _DOUBTFUL else Severity.WARNING,
        confidence=confidence,
        summary=summary if run.layers else f"{summary} The curves alone cannot tell why; layer statistics would.",
        epoch=float(curve.epochs[0]),
        evidence=evidence,
        fixes=_candidates(run, curve),
    )


def _at_chance(
    run: Run, series: Series, curve: Curve, options: Options
) -> tuple[str, tuple[Evidence, ...], float] | None:
    accuracy = run.find("accuracy")
    if accuracy is None or not len(curve_of(accuracy)):
        return None
    if len(curve) < _SHORT and falling_share(curve) == 1.0:  # on its way, as yet too short a one
        return None
    reached = -curve_of(accuracy).end
    classes = classes_of(run.config) or _guessed_classes(curve.end, reached, accuracy, options)
    if classes is None:
        return None
    excess = curve.end / math.log(classes) - 1
    if not -options.chance_tolerance <= excess <= options.above_chance:
        return None
    error = binomial_error(1 / classes, accuracy_resolution(accuracy))
    # A coarse accuracy bounds the sample from below only: the margin keeps its error from excusing everything.
    limit = 1 / classes + max(options.chance_margin, min(3 * error, 2 * options.chance_margin))
    if reached > limit:
        return None
    summary = (
        f"{series.name} stays at {curve.end:.3f}, the level of guessing among {classes} classes "
        f"(ln {classes} = {math.log(classes):.3f}), with {accuracy.name} at {100 * reached:.0f} %."
    )
    evidence = (
        Comparison(
            label=f"distance of {series.name} from chance level, ln {classes}",
            value=abs(curve.end - math.log(classes)),
            threshold=(options.above_chance if excess > 0 else options.chance_tolerance) * math.log(classes),
            left_name=series.name,
            left=curve.end,
            right_name=f"ln {classes}",
            right=math.log(classes),
        ),
        Comparison(
            label=f"{accuracy.name} at the end against guessing",
            value=reached,
            threshold=limit,
            left_name=accuracy.name,
            left=reached,
            right_name=f"1/{classes}",
            right=1 / classes,
        ),
    )
    return summary, evidence, 0.97


def _guessed_classes(loss: float, reached: float, accuracy: Series, options: Options) -> int | None:
    """Return K where the loss is ln K; else, where the accuracy never improved, the K whose 1/K it is."""
    by_loss = classes_at_chance(loss, options.chance_tolerance)
    if by_loss is not None or _improved(accuracy) or reached < 1 / (_MOST_GUESSED + 0.5):
        return by_loss
    return max(2, round(1 / reached))


def _no_gain(
    run: Run, series: Series, curve: Curve, options: Options
) -> tuple[str, tuple[Evidence, ...], float] | None:
    """A loss that ends where it began or higher, with a poor accuracy that never rose."""
    accuracy = run.find("accuracy")
    skill = best_skill(run)
    if len(curve) < _SHORT or accuracy is None or not len(curve_of(accuracy)):
        return None
    if skill is None or skill > options.poor:
        return None
    scores = [accuracy, *filter(None, (run.get("val_accuracy"),))]
    if any(_improved(s) for s in scores) or curve.start - curve.end > options.flat * abs(curve.start):
        return None
    summary = (
        f"{series.name} ends at {curve.end:.4g}, no lower than it began ({curve.start:.4g}), and {accuracy.name} never "
        f"rose above {100 * (-float(curve_of(accuracy).values.min())):.0f} %."
    )
    evidence = (
        Comparison(
            label=f"fall of {series.name} over the run",
            value=curve.start - curve.end,
            threshold=options.flat * abs(curve.start),
            left_name="first",
            left=curve.start,
            right_name="at the end",
            right=curve.end,
        ),
    )
    return summary, evidence, 0.9


def _flat(run: Run, series: Series, curve: Curve, options: Options) -> tuple[str, tuple[Evidence, ...], float] | None:
    if len(curve) < _SHORT:
        return None
    rest = curve.values[1:]  # the first epoch may lie anywhere
    opening = median(rest[: max(2, len(rest) // 5)])
    size = abs(opening)
    fall = opening - curve.end
    tolerance = options.flat_unseen if _unseen_never_fell(run, options) else options.flat
    floor = max(tolerance * size, 2 * curve.sigma)
    if abs(fall) > floor or (size == 0 and best_skill(run) is None):  # a loss of nothing but 0 may be a filler
        return None
    if curve.start - opening > size:  # the first epoch brought it all: learned fast, or reached its floor
        return None
    if opening - float(moving_average(rest, curve.window).min()) > max(
        floor, 4 * curve.sigma
    ):  # fell and came back: no flat run
        return None
    skill = best_skill(run)
    if skill is not None and skill >= options.good:
        return None
    if skill is None and 2 * curve.sigma > options.flat * size:  # too noisy to call a loss alone flat
        return None
    if any(_improved(s) for s in run.series if not s.is_loss and s.direction is not None):
        return None
    summary = f"{series.name} is flat: {opening:.4g} at the start, {curve.end:.4g} at the end."
    evidence = (
        percent(
            series, curve, f"fall of {series.name} over the run, relative", fall / (size or 1.0), floor / (size or 1.0)
        ),
    )
    return summary, evidence, 0.85 if skill is not None else 0.65


def _unseen_never_fell(run: Run, options: Options) -> bool:
    """Whether the validation loss is nowhere below its first value by more than a flat loss may be."""
    unseen = run.get("val_loss")
    if unseen is None or len(curve_of(unseen)) < _SHORT:
        return False
    curve = curve_of(unseen)
    return curve.start - curve.best <= options.flat * abs(curve.start)


def _improved(series: Series) -> bool:
    """Whether a score got better, since its first epoch, by more than its noise and 3 % of its level."""
    curve = curve_of(series)
    if len(curve) < 3:
        return False
    gain = median(curve.values[1 : 1 + max(2, len(curve) // 5)]) - curve.end
    return gain > max(3 * curve.sigma, 0.03 * curve.level)


def _candidates(run: Run, curve: Curve) -> tuple[Fix, ...]:
    """Return what to look at, ranked by what the curve itself suggests, each with the cause that it treats."""
    too_high = optimizer.lower_learning_rate(run, addresses="learning rate too high")
    too_low = optimizer.raise_learning_rate(run, addresses="learning rate too low")
    output = model.match_output_to_loss(addresses="output layer does not fit the loss")
    labels = data.check_labels(addresses="labels do not belong to the inputs")
    scale = data.standardize_inputs(addresses="inputs are not scaled")
    dead = model.use_leaky_relu(addresses="dead units")
    initial = model.initialize_he(addresses="constant or too small initial weights")
    vanishing = model.add_batch_norm(addresses="vanishing gradients or saturated units")
    frozen = transfer.unfreeze(addresses="layers are frozen")
    order: tuple[Fix, ...]
    if curve.start > 1.5 * curve.opening:  # the first epoch threw the weights far away
        order = (too_high, scale, dead, labels, output, initial, vanishing)
    elif falling_share(curve) >= 0.85:  # hardly moves, but always downhill
        order = (too_low, vanishing, frozen, scale, labels, output, initial)
    elif curve.noise <= 1e-6 * max(abs(curve.level), 1e-12):  # does not move at all
        order = (dead, frozen, output, initial, too_low, labels, scale)
    else:
        order = (labels, output, too_low, too_high, scale, initial, vanishing, dead)
    return order if run.layers else (training.monitor_layers(), *order)
