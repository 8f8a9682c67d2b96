"""The outputs of a blueprint: the last function of each, and what it is compiled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keras

from diagnose.audit.compilation import losses_of, metrics_of, thresholds_of
from diagnose.audit.walk import End, told
from diagnose.blueprint import Activation, Curve, Layer, Loss, Output

#: They leave numbers what they are, or choose among them.
_PASSING = frozenset(
    (
        *("Reshape", "Flatten", "Permute", "Cast", "Identity", "Squeeze", "ExpandDims", "Transpose", "GetItem"),
        *("Dropout", "ActivityRegularization", "StopGradient", "RepeatVector", "Repeat", "Split", "Masking"),
        *(f"{kind}{rank}D" for kind in ("Cropping", "UpSampling", "ZeroPadding") for rank in (1, 2, 3)),
        *(f"{kind}{rank}D" for kind in ("MaxPooling", "AveragePooling") for rank in (1, 2, 3)),
        *(f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
    )
)  # fmt: skip
#: Of several inputs that are alike they make another one of the kind.
_JOINING = frozenset(("Concatenate", "Average", "Maximum", "Minimum", "Stack"))
#: They scale and shift.
_AFFINE = frozenset(
    ("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "Normalization")
)
_PROJECTING = frozenset(("Embedding", "MultiHeadAttention", "GroupedQueryAttention"))
_LINEAR = Activation("linear", Curve.LINEAR)


def outputs_of(
    model: keras.Model, given: Sequence[End], layers: Sequence[Layer], names: Mapping[int, str]
) -> tuple[Output, ...]:
    """Return the outputs whose layers are known.

    Parameters
    ----------
    given
        Where the walk through the graph ended.
    layers
        Of the blueprint.
    names
        ``id`` of a part of the graph -> name of its layer.
    """
    ends = [end for end in given if end.part is not None]
    called_so = [end.name for end in ends]
    no_losses: list[Loss | None] = [None] * len(ends)
    no_metrics: list[tuple[str, ...]] = [()] * len(ends)
    losses = told(lambda: losses_of(model, called_so), no_losses)
    metrics = told(lambda: metrics_of(model, called_so), no_metrics)
    no_thresholds: list[dict[str, tuple[float, float]]] = [{}] * len(ends)
    thresholds = told(lambda: thresholds_of(model, called_so), no_thresholds)
    by_name = {layer.name: layer for layer in layers}
    return tuple(
        Output(
            name=end.name,
            layer=names[id(end.part)],
            shape=end.shape,
            activation=told(partial(_last_activation, by_name[names[id(end.part)]], by_name, {}), None),
            loss=loss,
            metrics=measured,
            thresholds=cuts,
        )
        for end, loss, measured, cuts in zip(ends, losses, metrics, thresholds, strict=True)
    )


def _last_activation(
    layer: Layer, by_name: Mapping[str, Layer], known: dict[str, Activation | None]
) -> Activation | None:
    """Return the last function that was applied to what a layer gives; None where it is not known."""
    if layer.name not in known:
        known[layer.name] = None  # of a layer that takes, in another call, what it gave itself
        before = [by_name[name] for name in dict.fromkeys(layer.inputs)]
        known[layer.name] = _applied_last(layer, [partial(_last_activation, one, by_name, known) for one in before])
    return known[layer.name]


def _applied_last(layer: Layer, before: Sequence[Callable[[], Activation | None]]) -> Activation | None:
    """Return the last function of a layer's output, given how to find out those of its inputs."""
    if layer.is_custom or layer.kind == "InputLayer":
        return layer.activation
    if layer.kind in _PASSING or (layer.kind == "Activation" and layer.activation and layer.activation.is_linear):
        return before[0]() if len(before) == 1 else None
    if layer.kind in _JOINING or (layer.kind in ("Add", "Subtract") and len(layer.inputs) > 1):
        return _common(layer.kind, [one() for one in before])
    if layer.kind in _AFFINE | _PROJECTING:
        return _LINEAR
    if layer.activation is not None and layer.activation.is_linear and not layer.parameters:  # scaled by a constant
        found = before[0]() if len(before) == 1 else None
        return found if found and found.is_linear else None
    return layer.activation


def _common(kind: str, activations: Sequence[Activation | None]) -> Activation | None:
    """Return the function that all inputs of a joining layer have gone through, if what it makes is like theirs."""
    first = activations[0] if activations else None
    if first is None or any(one is None or one.curve is not first.curve for one in activations):
        return None
    if kind not in _JOINING:  # a sum
        return first if first.is_linear else None
    return None if first.curve is Curve.SOFTMAX and kind != "Average" else first
