"""The model ends at a poor score on its own training data.

What it detects
---------------
Both curves close together and bad: the training data themselves are not fitted.

How it is detected
------------------
At the end the skill, (score - chance) / (1 - chance), of the better of training and validation accuracy
(AUC, R2) is below `skill`, the training score is no more than `gap` above the validation score, and the
validation loss has not risen from its minimum (that would be overfitting). Where the run was merely cut
off, or its rate too low, those findings explain this one. Scores whose level means nothing by itself
(mAP, dice of hard classes, a loss in raw units) are not judged.

Why it matters
--------------
The model cannot represent the task, or something holds it back. (Labels that are partly random show in
the same way: then this is as good as it gets.)

How to fix
----------
A bigger network with non-linear activations, less regularization, a higher rate, more epochs; better
inputs.

References
----------
Goodfellow et al., Deep Learning (2016), section 5.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import best_skill
from diagnose.measures.validation_rise import kept_fitting, rise_of, rose
from diagnose.remedies import data, model, optimizer, regularization, training
from diagnose.run import Run

#: Shorter runs have not had the time.
_SETTLED = 8

CHECK = Check(needs=Needs(any_of=(("loss", "metric"),), min_epochs=_SETTLED), explains=("plateau",), fault=Fault.STUCK)


@dataclass(frozen=True)
class Options:
    """Thresholds of underfitting."""

    skill: float = threshold(
        0.5,
        unit="skill",
        source="half way from chance to perfect; held up on the tuning half of benchmarks/faults",
        help="skill below which it is a fault",
    )
    gap: float = threshold(
        0.1, unit="score", source="as in generalization-gap", help="training score above the validation score"
    )


def _overfits(train: Curve, unseen: Curve) -> bool:
    """Whether the validation loss rose while the training loss did not: the model fits more than it should."""
    if len(unseen) < 2:
        return False
    rise = rise_of(unseen)
    return rose(rise) and kept_fitting(train, rise.best_epoch)


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    loss, score = run.get("loss"), run.get("metric")
    skill = best_skill(run)
    if loss is None or score is None or skill is None or skill >= options.skill:
        return
    curve = curve_of(loss)
    if len(curve) < _SETTLED or not len(curve_of(score)):
        return
    unseen = run.get("val_loss")
    if unseen is not None and _overfits(curve, curve_of(unseen)):
        return
    reached = -curve_of(score).end
    validation = run.get("val_metric")
    if validation is not None and len(curve_of(validation)) and reached + curve_of(validation).end > options.gap:
        return
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.8 if skill < 0.3 else 0.65,
        summary=(
            f"{score.name} ends at {reached:.3g} on the training data itself, "
            f"{100 * max(skill, 0):.0f} % of the way from guessing to perfect."
        ),
        epoch=float(curve.epochs[-1]),
        evidence=(
            Comparison(
                label="skill: share of the way from guessing to perfect",
                value=100 * max(skill, 0.0),
                threshold=100 * options.skill,
                unit="%",
                left_name=score.name,
                left=reached,
                right_name="perfect",
                right=1.0,
            ),
        ),
        fixes=(
            model.widen(),
            model.deepen(),
            model.add_nonlinearity(),
            regularization.lower_dropout(),
            regularization.lower_l2(),
            optimizer.raise_learning_rate(run, factor=3.0),
            training.train_longer(run),
            data.check_labels(),
        ),
    )
