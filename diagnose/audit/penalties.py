"""What layers of the user's own add to the loss for their weights (``add_loss``), whatever their input is.

A regularizer is written at the variable that it penalizes; what a ``call`` adds is nowhere to be read. So such a layer
is called on two inputs made up for it, by itself: what it adds both times alike hangs on its weights alone.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras
import numpy as np

from diagnose.audit.functions import is_user_written
from diagnose.audit.tracing import inputs_as_built
from diagnose.live.passive import untouched

#: More numbers than these are not made up as an input.
_MOST = 4_000_000
#: For an axis of any size.
_SIZE = 2
_ROUNDING = 1e-5


def added_penalty(layer: Any) -> float:
    """Return what a layer's own ``call`` adds to the loss whatever its input is; 0 where it adds nothing like that.

    The layer stays as it was.

    Raises
    ------
    Exception
        What its ``call`` raises on an input that was made up.
    """
    if not isinstance(layer, keras.Layer) or not layer.built or not _adds_losses(layer):
        return 0.0
    args, kwargs = _arguments(layer)
    first, second = (_added(layer, *_filled(args, kwargs, value)) for value in (0.5, -1.0))
    is_same = math.isfinite(first) and math.isclose(first, second, rel_tol=_ROUNDING)
    return first if is_same and first > 0 else 0.0


def _adds_losses(layer: keras.Layer) -> bool:
    """Whether a method of the user's in the class of a layer adds a loss."""
    own = [kind for kind in type(layer).__mro__ if not kind.__module__.startswith("keras.")]
    methods = [inspect.unwrap(each) for kind in own for each in vars(kind).values() if callable(each)]
    names = [getattr(getattr(method, "__code__", None), "co_names", ()) for method in methods]
    return is_user_written(layer) and any("add_loss" in each for each in names)


def _arguments(layer: keras.Layer) -> tuple[Any, Any]:
    """Return symbolic arguments, as a graph calls the layer with or as it was built."""
    if layer._inbound_nodes:
        arguments = layer._inbound_nodes[0].arguments
        return arguments.args, arguments.kwargs
    return inputs_as_built(layer, "float32")


def _filled(args: Any, kwargs: Any, value: float) -> tuple[Any, Any]:
    """Return arguments with a constant in the place of each tensor; of whole numbers 0 and 1."""

    def one(part: Any) -> Any:
        if not isinstance(part, keras.KerasTensor):
            return part
        shape = tuple(size or _SIZE for size in part.shape)
        if math.prod(shape) > _MOST:
            raise ValueError("the input is too large")
        given = value if "float" in part.dtype else float(value > 0)
        return keras.ops.convert_to_tensor(np.full(shape, given), dtype=part.dtype)

    made: tuple[Any, Any] = keras.tree.map_structure(one, (args, dict(kwargs)))
    return made


def _added(layer: keras.Layer, args: Any, kwargs: Any) -> float:
    """Return the sum of the losses that one call adds."""
    losses: list[Any] = []
    object.__setattr__(layer, "add_loss", lambda loss: losses.extend(keras.tree.flatten(loss)))  # past Keras' own
    try:
        with untouched(layer, generators=True), keras.StatelessScope():  # what it assigns to its variables is dropped
            layer.call(*args, **kwargs)
            return float(sum(float(keras.ops.sum(loss)) for loss in losses))
    finally:
        object.__delattr__(layer, "add_loss")
