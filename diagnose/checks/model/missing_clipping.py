"""A recurrent network over many steps is trained without gradient clipping.

What it detects
---------------
Simple recurrent layers over long sequences, and stacks of LSTM or GRU over long ones under plain SGD or over very long
ones under any optimizer, with nothing that bounds the gradient.

How it is detected
------------------
Only where the length of the sequences is fixed in the model. A SimpleRNN whose activation has no bound over
`simple_steps` steps or more is a `warning` under any optimizer. Over `steps` steps or more, under SGD at a rate of
`sgd_rate` or more: a SimpleRNN, or `stacked` LSTM or GRU layers one behind the other, are a `warning`. A SimpleRNN
over as many steps under Adam and its kind, which divide by the gradient's size, is an `info`, and a `warning` over more
than `most_steps`. So are `stacked` gated layers over `gated_steps` or more. Cells of an RNN count as layers of their
kind, stacked ones each; a cell of the user's own, of which nothing is known, as a stack. Where ``clipnorm``,
``clipvalue`` or ``global_clipnorm`` is set nothing is said.

Why it matters
--------------
Through T steps a gradient is multiplied by T Jacobians: where their norm is above 1 it grows exponentially, and a
single such step throws the weights away.

How to fix
----------
``clipnorm=1.0`` in the optimizer.

References
----------
Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, ICML 2013; Le, Jaitly, Hinton, A
simple way to initialize recurrent networks of rectified linear units, 2015 (clipped); Sutskever et al., NeurIPS
2014 (LSTM: 5); Li et al., IndRNN, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from diagnose.blueprint import Blueprint, Curve, Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit
from diagnose.remedies import optimizer
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("compiled",)), explains=("exploding-gradient",), fault=Fault.GRADIENT)

_RECURRENT = frozenset(("SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"))
#: Inside another layer an activation is known by its name only.
_UNBOUNDED_NAMES = frozenset(("relu", "linear", "leaky_relu", "elu", "selu", "softplus"))
_WITHOUT_BOUND = frozenset((Curve.RECTIFIER, Curve.RECTIFIER_LIKE, Curve.LINEAR))


@dataclass(frozen=True)
class Options:
    """Thresholds of missing-clipping."""

    simple_steps: float = threshold(
        50, unit="steps", source="1.1 to the power of 50 is 117", help="of a SimpleRNN without a bound"
    )
    steps: float = threshold(
        100, unit="steps", source="Pascanu et al. 2013 study lengths of 50 to 200", help="of other recurrent layers"
    )
    most_steps: float = threshold(
        200, unit="steps", source="Pascanu et al. 2013 study no longer ones", help="of a SimpleRNN under any optimizer"
    )
    gated_steps: float = threshold(
        500,
        unit="steps",
        source="Li et al., IndRNN, CVPR 2018: LSTM and GRU cope with fewer than 500 to 1000",
        help="of stacked gated layers under any optimizer",
    )
    stacked: float = threshold(
        2, unit="layers", source="gates keep a single layer's gradient in check", help="gated layers in a chain"
    )
    sgd_rate: float = threshold(
        0.1, unit="rate", source="ten times the default of Keras' SGD", help="rate of SGD, times 1 / (1 - momentum)"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, the worst."""
    model = run.model
    if model is None or model.optimizer is None or model.optimizer.clips:
        return
    recurrent = [layer for layer in model.layers if layer.is_trainable and _steps(layer)]
    simple = [layer for layer in recurrent if any(kind == "SimpleRNN" for kind, _ in _cells(layer))]
    unbounded = [layer for layer in simple if _is_unbounded(layer)]
    gated = [layer for layer in recurrent if layer not in simple and _cells(layer)]
    wild = _is_wild(model, options)
    far = [layer for layer in unbounded if _steps(layer) >= options.simple_steps]
    long_simple = [layer for layer in simple if _steps(layer) >= options.steps]
    long_gated = [layer for layer in gated if _steps(layer) >= options.steps]
    if far:
        yield _finding(model, far, options.simple_steps, Severity.WARNING)
    elif long_simple:
        is_far = max(map(_steps, long_simple)) > options.most_steps
        yield _finding(model, long_simple, options.steps, Severity.WARNING if wild or is_far else Severity.INFO)
    elif wild and _depth(model, long_gated) >= options.stacked:
        yield _finding(model, long_gated, options.steps, Severity.WARNING)
    else:
        far_gated = [layer for layer in long_gated if _steps(layer) >= options.gated_steps]
        if _depth(model, far_gated) >= options.stacked:
            yield _finding(model, far_gated, options.gated_steps, Severity.WARNING)


def _steps(layer: Layer) -> int:
    """Return how many steps a recurrent layer takes; 0 where the model leaves that open."""
    shape = layer.input_shapes[0] if layer.input_shapes else ()
    return (shape[1] or 0) if len(shape) > 2 else 0


def _cells(layer: Layer) -> list[tuple[str, object]]:
    """Return kind and name of the activation of each cell that a recurrent layer steps with; empty for other layers.

    What is inside of another layer counts, and all of a stack of cells; the kind of a cell of the user's own is empty.
    """
    if layer.kind in _RECURRENT:
        return [(layer.kind, layer.settings.get("activation"))]
    return _inside(layer.kind, layer.settings)


def _inside(kind: str, settings: Mapping[str, object]) -> list[tuple[str, object]]:
    if kind == "StackedRNNCells":
        cells = settings.get("cells")
        each = cells if isinstance(cells, list | tuple) else ()
        return [found for cell in each if isinstance(cell, Mapping) for found in _of_cell(cell)]
    inside = settings.get({"Bidirectional": "layer", "RNN": "cell"}.get(kind, ""))
    return _of_cell(inside) if isinstance(inside, Mapping) else [("", None)] * (kind == "RNN")


def _of_cell(settings: Mapping[str, object]) -> list[tuple[str, object]]:
    name = str(settings.get("name", ""))
    if name in ("RNN", "StackedRNNCells"):
        return _inside(name, settings)
    kind = name.removesuffix("Cell")
    return [(kind if kind in _RECURRENT else "", settings.get("activation"))]


def _is_unbounded(layer: Layer) -> bool:
    if layer.activation is None:
        return any(kind == "SimpleRNN" and name in _UNBOUNDED_NAMES for kind, name in _cells(layer))
    return layer.activation.curve in _WITHOUT_BOUND and layer.activation.high is None


def _is_wild(model: Blueprint, options: Options) -> bool:
    """Whether nothing but the rate bounds the step."""
    how = model.optimizer
    if how is None or how.name != "sgd" or how.learning_rate is None:
        return False
    momentum = how.settings.get("momentum") or 0.0
    return how.learning_rate >= options.sgd_rate * (1 - min(float(momentum), 0.99)) * (1 - 1e-6)


def _depth(model: Blueprint, layers: list[Layer]) -> int:
    """Return the length of the longest chain of some layers, counted in cells."""
    cells = {layer.name: _depth_of(layer) for layer in layers}
    return max(
        (cells[layer.name] + sum(cells.get(each.name, 0) for each in model.upstream(layer)) for layer in layers),
        default=0,
    )


def _depth_of(layer: Layer) -> int:
    """Return how many cells a layer has one on the other; one that nothing is known of may be as deep as a stack."""
    return sum(1 if kind else 2 for kind, _ in _cells(layer))


def _finding(model: Blueprint, layers: list[Layer], limit: float, severity: Severity) -> Finding:
    longest = max(layers, key=_steps)
    clip = optimizer.clip_gradients()
    trained = f"by {model.optimizer.name} " if model.optimizer else ""
    return Finding(
        severity=severity,
        confidence=0.75 if severity is Severity.WARNING else 0.5,
        summary=f"{listed([layer.name for layer in layers])} {'goes' if len(layers) == 1 else 'go'} through "
        f"{_steps(longest):,} steps and {'is' if len(layers) == 1 else 'are'} trained {trained}without "
        "gradient clipping.",
        layers=tuple(layer.name for layer in layers),
        evidence=(
            Comparison(
                label="steps that the gradient goes back",
                value=float(_steps(longest)),
                threshold=limit,
                unit="steps",
                left_name=longest.name,
                left=float(_steps(longest)),
                right_name="limit",
                right=limit,
            ),
        ),
        fixes=(replace(clip, edits=(Edit("", "clipnorm", 1.0),)),),
    )
