"""Activations whose derivative is zero nearly everywhere, with weights behind them.

What it detects
---------------
Steps, signs, rounding and other functions that give gradient descent nothing to go by, for example one whose values
are 0 and 10 only, between weights that are to be trained and the loss.

How it is detected
------------------
Activations are judged by differentiating them numerically between -20 and 20. One that has a derivative at no more than
`gradient_share` of the inputs stops what comes back from the loss, and so does an argmax. It is ``critical`` where
trainable weights are reached in no other way: not around it, through a skip connection or another branch. A step at the
end of a model that is not compiled (a decision, an index) is no fault, and neither is a mask that is made of the inputs
alone.

Why it matters
--------------
By the chain rule the gradient of every weight before the step is multiplied by its derivative: zero. Those weights
keep their random initial values.

How to fix
----------
ReLU in hidden layers; sigmoid (or softmax) in the output layer, with the decision taken after training. Where a step is
needed in between, pass the gradient by it: x + stop_gradient(step(x) - x).

References
----------
Bengio, Léonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
Computation, 2013, arXiv:1308.3432 (the straight-through estimator).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Curve, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import with_more
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.fix import Fix
from diagnose.measures.architecture import WEIGHTED
from diagnose.remedies import layers, model
from diagnose.run import Run

#: Operations that tell where something stands: whole numbers, which have no derivative.
_POSITIONS = frozenset(("Argmax", "Argmin", "Argsort", "Searchsorted", "Digitize"))

CHECK = Check(
    needs=Needs(before=("model",)),
    fault=Fault.GRADIENT,
    explains=("not-learning", "frozen-weights", "metric-stuck", "plateau", "vanishing-gradient", "underfitting"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of non-differentiable-activation."""

    gradient_share: float = threshold(
        0.05,
        unit="share",
        source="a hard sigmoid or tanh has a slope at a quarter of the inputs or more, a step at none",
        help="share of inputs with a derivative, up to which an activation stops the gradient",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding with all layers whose activation cuts weights off from the loss."""
    blueprint = run.model
    if blueprint is None or not blueprint.is_whole:
        return

    def is_step(layer: Layer) -> bool:
        activation = layer.activation
        return layer.kind in _POSITIONS or (
            activation is not None
            and (
                activation.curve is Curve.STEP
                or (activation.curve is not Curve.UNKNOWN and activation.gradient_share <= options.gradient_share)
            )
        )

    ends = _ends(blueprint, is_step)
    cut = _reached(blueprint, ends, _is_stop) - _reached(blueprint, ends, lambda each: _is_stop(each) or is_step(each))
    lost = [layer for layer in blueprint.layers if layer.name in cut and layer.trainable_parameters]
    names = {layer.name for layer in lost}
    steps = [
        layer
        for layer in blueprint.layers
        if is_step(layer)
        and layer.name in cut
        and (layer.name in names or any(each.name in names for each in blueprint.upstream(layer)))
    ]
    if not steps or not lost:
        return
    first, name = steps[0].activation, steps[0].activation.name if steps[0].activation else steps[0].kind.lower()
    share = first.gradient_share if first is not None else 0.0
    weights = sum(layer.trainable_parameters for layer in lost)
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=0.95,
        summary=(
            f"{name} of {with_more(steps[0].name, len(steps))} has a derivative at "
            f"{100 * share:.0f} % of the inputs: {weights:,} trainable weights of {len(lost)} "
            f"layer{'s' if len(lost) > 1 else ''} get no gradient."
        ),
        layers=tuple(layer.name for layer in steps),
        evidence=(
            LayerTable(
                label="share of inputs at which the activation has a derivative",
                value=share,
                threshold=options.gradient_share,
                unit="share",
                statistic="gradient_share",
                rows=tuple(
                    (layer.name, layer.activation.gradient_share if layer.activation else 0.0) for layer in steps
                ),
            ),
        ),
        fixes=_fixes(blueprint, steps),
    )


def _ends(blueprint: Blueprint, is_step: Callable[[Layer], bool]) -> list[Layer]:
    """Return the layers that a gradient comes from.

    Without a loss these are the outputs, or what a decision at the end of the model is made of.
    """
    trained = [output for output in blueprint.outputs if output.loss is not None]
    ends = [blueprint.by_name[each.layer] for each in trained or blueprint.outputs if each.layer in blueprint.by_name]
    if trained:
        return ends
    return [before for end in ends for before in (blueprint.before(end) if is_step(end) else (end,))]


def _reached(blueprint: Blueprint, ends: list[Layer], stops: Callable[[Layer], bool]) -> set[str]:
    """Return the layers that a gradient gets to from the ends; what `stops` it is not reached itself."""
    reached: set[str] = set()
    front = list(ends)
    while front:
        layer = front.pop()
        if layer.name not in reached and not stops(layer):
            reached.add(layer.name)
            front.extend(blueprint.before(layer))
    return reached


def _is_stop(layer: Layer) -> bool:
    return layer.kind == "StopGradient"


def _fixes(blueprint: Blueprint, steps: list[Layer]) -> tuple[Fix, ...]:
    """ReLU in hidden layers; what an output should have depends on its loss."""
    can_be_set = [each for each in steps if each.kind in WEIGHTED or each.kind == "Activation"]
    hidden = [each.name for each in can_be_set if not blueprint.is_output(each)]
    at_the_end = any(blueprint.is_output(each) for each in steps)
    return (
        *((layers.activate(hidden),) if hidden else ()),
        *((_output_fixes(blueprint, can_be_set)) if at_the_end else ()),
        *((model.match_output_to_loss(),) if at_the_end or not hidden else ()),
    )


def _output_fixes(blueprint: Blueprint, can_be_set: list[Layer]) -> tuple[Fix, ...]:
    fitting = {
        "binary_crossentropy": "sigmoid",
        "sparse_categorical_crossentropy": "softmax",
        "categorical_crossentropy": "softmax",
        "mean_squared_error": "linear",
        "mean_absolute_error": "linear",
        "huber": "linear",
    }
    settable = {each.name for each in can_be_set}
    return tuple(
        layers.fit_output(output.layer, activation="linear" if output.loss.from_logits else fitting[output.loss.name])
        for output in blueprint.outputs
        if output.loss is not None and output.loss.name in fitting and output.layer in settable
    )[:1]
