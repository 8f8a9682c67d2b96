"""An output whose size or axes do not fit its loss and its labels.

What it detects
---------------
One unit under a loss for several classes; fewer units than classes; class numbers given to a loss that takes one-hot
rows, and the other way round; labels of another width than the output; a dense layer on a feature map or a sequence
that was never flattened, so that there is a prediction for each place and one label for each sample.

How it is detected
------------------
The shape of each output is held against what its loss takes and against the labels, where there are some. It is
``critical`` where they cannot meet, and where a class has no unit. Units that no class belongs to are an ``info``, from
`spare` of them on, where every class occurs in the labels. A loss of your own is tried on numbers: it is ``critical``
where labels as they come make it compare each prediction with every label, and labels of the output's shape do not.
Labels that are text or raw are not judged. Segmentation and sequence models, whose labels have the axes of the output,
are sound.

Why it matters
--------------
Keras stops with a shape error at best. At worst it broadcasts: each prediction is then compared with every label, and
the loss falls to a level that means nothing. A class number without a unit gives a loss of NaN, or an error.

How to fix
----------
K classes need K units with softmax, and sparse categorical cross-entropy for class numbers or categorical
cross-entropy for one-hot rows; two classes can do with one sigmoid unit and binary cross-entropy. Flatten, or pool
globally, before the dense head.

References
----------
Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2 (output units); the Keras reference of
SparseCategoricalCrossentropy and CategoricalCrossentropy (shapes of labels).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Loss, Output, Shape
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.architecture import CONVOLUTIONS, head_of
from diagnose.measures.losses import Family, family_of
from diagnose.measures.targets import Form, Misfit, Target, losses_of, misfit, target_of
from diagnose.remedies import data, layers, model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model", "compiled")),
    fault=Fault.DATA,
    explains=("not-learning", "impossible-loss", "metric-stuck", "nan-loss", "output-activation-mismatch"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of output-units-mismatch."""

    spare: float = threshold(
        1.0,
        unit="units",
        source="each is a class that the model is taught never to name",
        help="units more than classes from which they are reported",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding for each output that does not fit."""
    for output, loss, _ in losses_of(run):
        target = target_of(run, output)
        why = misfit(output, target)
        spare = (output.units or 0) - target.classes if target is not None else 0
        if run.model is not None and why is not None and not (why is Misfit.TOO_MANY and spare < options.spare):
            yield _finding(run.model, output, loss, target, why)
    for output in run.model.outputs if run.model is not None else ():
        if output.loss is not None and output.loss.spread_labels is not None:
            yield _spread(output, output.loss, output.loss.spread_labels)


def _spread(output: Output, loss: Loss, shape: Shape) -> Finding:
    """A loss of the user's own that makes a table of labels and predictions."""
    given, made = len(shape), len(output.shape)
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.95,
        summary=f"Loss {loss.name} compares each prediction of a batch with every label: output {output.name} has the "
        f"shape {_shape(output.shape)}, the labels {_shape(shape)}, and one is spread against the other.",
        layers=(output.layer,),
        evidence=(
            Comparison(
                label="axes of the labels against those of the output",
                value=float(given - made),
                unit="axes",
                left_name="axes of the labels",
                left=float(given),
                right_name=f"axes of {output.name}",
                right=float(made),
            ),
        ),
        fixes=(data.shape_labels(),),
    )


def _finding(blueprint: Blueprint, output: Output, loss: Loss, target: Target | None, why: Misfit) -> Finding:
    is_harmless = why is Misfit.TOO_MANY
    needed = _needed(target, why)
    return Finding(
        severity=Severity.INFO if is_harmless else Severity.CRITICAL,
        confidence=0.7 if is_harmless else 0.95,
        summary=_summary(output, loss, target, why),
        layers=(output.layer,),
        evidence=(
            Comparison(
                label="units of the output against what its loss and labels need",
                value=float((output.units or 0) - needed),
                unit="units",
                left_name=f"units of {output.layer}",
                left=float(output.units or 0),
                right_name="needed",
                right=float(needed),
            ),
        ),
        fixes=_fixes(blueprint, output, target, why),
    )


def _needed(target: Target | None, why: Misfit) -> int:
    if target is None:
        return 2
    if why in (Misfit.WIDTH, Misfit.AXES, Misfit.ROWS):
        return target.width
    return max(target.classes, target.width, 1 + (why is Misfit.ONE_UNIT))


def _summary(output: Output, loss: Loss, target: Target | None, why: Misfit) -> str:
    units = output.units or 0
    made = f"{units} unit{'' if units == 1 else 's'}"
    given = "" if target is None else f"{target.form.value} of shape {_shape(target.shape)}"
    classes = 0 if target is None else target.classes
    return {
        Misfit.ONE_UNIT: f"Output {output.name} has 1 unit, and {loss.name} needs one for each class"
        + (f": {classes} of them." if classes else ", two at least."),
        Misfit.TOO_FEW: f"Output {output.name} has {made}, and the labels have {classes} classes.",
        Misfit.TOO_MANY: f"Output {output.name} has {made}, and the labels have only {classes} classes: "
        f"{units - classes} will never be right.",
        Misfit.ROWS: f"The labels of output {output.name} are {given}, and {loss.name} takes class numbers.",
        Misfit.NUMBERS: f"The labels of output {output.name} are {given}, and {loss.name} compares each of its {made} "
        "with a label of its own.",
        Misfit.WIDTH: f"Output {output.name} has {made}, and its labels are {given}: they cannot be compared.",
        Misfit.AXES: f"Output {output.name} has the shape {_shape(output.shape[1:])} for each sample, and its labels "
        f"are {given}: the axes do not match.",
    }[why]


def _shape(shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"


def _fixes(blueprint: Blueprint, output: Output, target: Target | None, why: Misfit) -> tuple[Fix, ...]:
    mechanical = _mechanical(blueprint, output, target, why)
    lost_axes = (layers.flatten_before(output.layer),) if why is Misfit.AXES and len(output.shape) > 2 else ()
    return (*((mechanical,) if mechanical else ()), *lost_axes, model.match_output_to_loss())


def _mechanical(blueprint: Blueprint, output: Output, target: Target | None, why: Misfit) -> Fix | None:
    """Return the edit that makes output, loss and labels meet, where there is a head that can be edited.

    A loss that is set by its name takes probabilities, so that the activation must be set with it.
    """
    is_sure = target is not None and len(blueprint.outputs) == 1
    has_logits = output.loss is not None and output.loss.from_logits
    head = head_of(blueprint, output)
    if why is Misfit.AXES or (target is not None and target.form is Form.MULTI_HOT):
        return None
    if why is Misfit.ROWS and not has_logits:
        return layers.fit_output(output.layer, loss="categorical_crossentropy", is_sure=is_sure)
    if head is None:
        return None
    size = "filters" if head.kind in CONVOLUTIONS else "units"
    if why in (Misfit.WIDTH, Misfit.TOO_MANY):
        units = None if target is None else target.classes if why is Misfit.TOO_MANY else target.width
        return layers.fit_output(head.name, size=size, units=units, is_sure=why is Misfit.WIDTH)
    if head.name != output.layer or head.activation is None:
        return None
    if why is Misfit.ROWS:
        return layers.fit_output(head.name, activation="softmax", loss="categorical_crossentropy", is_sure=is_sure)
    classes = 2 if target is None else target.classes
    if why is Misfit.ONE_UNIT and classes == 2:
        return layers.fit_output(head.name, activation="sigmoid", loss="binary_crossentropy", is_sure=is_sure)
    if classes < 2:
        return None
    keeps_loss = family_of(output.loss) is Family.SPARSE
    return layers.fit_output(
        head.name,
        activation="" if keeps_loss and has_logits else "softmax",
        size=size,
        units=classes if classes > (output.units or 0) else None,
        loss="" if keeps_loss else "sparse_categorical_crossentropy",
        is_sure=is_sure,
    )
