"""One batch for a model: of its data, or drawn to fit its inputs and its losses; and what its losses come to.

Losses of Keras are known well enough to say what a model that knows nothing would put out, and what one that knows the
labels by heart would: the loss function itself then gives the numbers between which a training runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diagnose.sample import Array, DataSample, SplitSample

#: Sizes of axes that are not fixed: of pictures a side, of sequences the length.
_SIDE, _LENGTH = 64, 16
#: What the arrays of a list are called.
_NUMBER_OF_LIST = re.compile(r"x_\d+")
#: Keras' losses by the labels that they take.
_NUMBERED = frozenset(("sparse_categorical_crossentropy",))
_ONE_HOT = frozenset(
    ("categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence", "categorical_hinge")
)
_YES_OR_NO = frozenset(("binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge", "dice"))
#: Losses that an output of zero, as an untrained network nearly has, makes as large as the targets are.
_DISTANCES = frozenset(("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"))
#: Cross-entropies: an untrained model's is that of equal probabilities.
_PROBABILITIES = frozenset(
    ("sparse_categorical_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence",
     "binary_crossentropy", "binary_focal_crossentropy")
)  # fmt: skip


@dataclass(frozen=True)
class LossFunction:
    """What is known of the loss of one output: Keras' full name, empty for one of the user's own, and its settings."""

    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, loss: Any) -> LossFunction:
        """Return what is known of what was given to ``compile`` for an output."""
        if isinstance(loss, str):
            loss = keras.losses.get(loss)
        function = getattr(loss, "fn", loss)
        if not str(getattr(function, "__module__", "")).startswith("keras."):
            return cls()
        return cls(str(getattr(function, "__name__", "")), dict(getattr(loss, "_fn_kwargs", {})))

    @property
    def from_logits(self) -> bool:
        """Whether it applies the sigmoid or the softmax itself."""
        return bool(self.settings.get("from_logits"))

    @property
    def smoothing(self) -> float:
        """How much of the labels is spread over all classes."""
        return float(self.settings.get("label_smoothing") or 0.0)

    def labels(self, output: Array, rng: np.random.Generator) -> Array:
        """Return labels for an output, drawn at random; numbers for losses of the user's own."""
        if self.name in _NUMBERED:
            return rng.integers(0, output.shape[-1], output.shape[:-1])
        if self.name in _ONE_HOT:
            return np.eye(output.shape[-1], dtype="float32")[rng.integers(0, output.shape[-1], output.shape[:-1])]
        if self.name in _YES_OR_NO:
            return rng.integers(0, 2, output.shape).astype("float32")
        return np.abs(rng.normal(size=output.shape)).astype("float32")

    def of_knowing_nothing(self, output: Array) -> Array | None:
        """Return what a model that knows nothing puts out: equal probabilities, or zeros; None if unknown."""
        if self.name in _DISTANCES or (self.name in _PROBABILITIES and self.from_logits):
            return np.zeros_like(output)
        if self.name in _PROBABILITIES:
            return np.full_like(output, 0.5 if self.name in _YES_OR_NO else 1 / output.shape[-1])
        return None

    def of_bias(self, output: Array, bias: Array) -> Array | None:
        """Return what a bias alone makes of an output of probabilities; None of other outputs."""
        if self.name not in _PROBABILITIES:
            return None
        if not self.from_logits:
            exponents = np.exp(np.clip(bias, -50, 50))
            bias = exponents / (1 + exponents) if self.name in _YES_OR_NO else exponents / exponents.sum()
        return np.broadcast_to(bias, output.shape).astype(output.dtype)

    def of_knowing_all(self, output: Array, labels: Array) -> Array | None:
        """Return the output of which the loss is least; None where that is unclear."""
        if self.name in _NUMBERED:
            indices = np.reshape(labels, output.shape[:-1]).astype(int)
            wanted = np.eye(output.shape[-1], dtype="float32")[indices]
        else:
            wanted = np.reshape(labels, output.shape).astype("float32")
        if self.name in _DISTANCES:
            return np.asarray(wanted)
        if self.name not in _PROBABILITIES:
            return None
        if self.name in _YES_OR_NO:
            wanted = wanted * (1 - self.smoothing) + self.smoothing / 2
            return _logit(wanted) if self.from_logits else np.asarray(wanted)
        wanted = wanted * (1 - self.smoothing) + self.smoothing / output.shape[-1]
        return np.asarray(np.log(np.maximum(wanted, 1e-7)) if self.from_logits else wanted)


def _logit(p: Array) -> Array:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1 - p)))


def loss_functions(model: keras.Model, outputs: Any) -> list[LossFunction | None]:
    """Return the loss of each output, in the order in which ``keras.tree`` flattens them; None of what is not trained.

    Parameters
    ----------
    outputs
        What the model puts out.
    """
    count, given = len(keras.tree.flatten(outputs)), model.loss
    if isinstance(given, Mapping):
        names = sorted(outputs) if isinstance(outputs, Mapping) else list(getattr(model, "output_names", ()))
        losses = [given.get(name) for name in names]
    elif isinstance(given, list | tuple):
        losses = list(given)
    else:
        losses = [given] * count
    if len(losses) != count:
        losses = [LossFunction()] * count  # nested: nothing is known of which is whose
    return [loss if loss is None or isinstance(loss, LossFunction) else LossFunction.of(loss) for loss in losses]


# -- inputs ------------------------------------------------------------------------------------------------------------


def chosen(split: SplitSample, count: int) -> Array:
    """Return which samples of a split make the batch: spread over all, for some lie sorted by class."""
    return np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).astype(int))


def inputs_of(model: keras.Model, data: DataSample, at: Array) -> Any:
    """Return samples of the data as the model takes them."""
    given = data.training.inputs
    names = _input_names(model)
    if len(given) == 1:
        arrays = [next(iter(given.values()))]
    elif set(names) == set(given):
        arrays = [given[name] for name in names]
    elif not names:  # it was not made of tensors, and says itself what it takes
        tensors = {name: _as_tensor(array[at]) for name, array in given.items()}
        return list(tensors.values()) if all(map(_NUMBER_OF_LIST.fullmatch, tensors)) else tensors
    else:
        arrays = list(given.values())
    return _packed(getattr(model, "_inputs_struct", None), [_as_tensor(array[at]) for array in arrays])


def labels_of(model: keras.Model, data: DataSample, at: Array, outputs: Any) -> Any:
    """Return the labels of samples in the structure of what the model puts out; None where there are none."""
    given = data.training.labels
    if not given:
        return None
    arrays = list(given.values())
    names = sorted(outputs) if isinstance(outputs, Mapping) else list(getattr(model, "output_names", None) or ())
    if len(arrays) > 1 and set(names) == set(given):
        arrays = [given[name] for name in names]
    return _packed(outputs, [_as_tensor(array[at]) for array in arrays])


def made_up_inputs(model: keras.Model, count: int, rng: np.random.Generator) -> Any:
    """Return random inputs; None where nothing tells what the model takes."""
    wanted = list(_wanted(model))
    if not wanted:
        return None
    arrays = [_as_tensor(_drawn(model, tensor, shape, dtype, count, rng)) for tensor, shape, dtype in wanted]
    return _packed(getattr(model, "_inputs_struct", None), arrays)


def made_up_labels(model: keras.Model, outputs: Any, rng: np.random.Generator) -> Any:
    """Return random labels for what a model has put out; None of outputs that are not trained."""
    arrays = [
        None if loss is None else _as_tensor(loss.labels(np.asarray(output), rng))
        for loss, output in zip(loss_functions(model, outputs), keras.tree.flatten(outputs), strict=True)
    ]
    return _packed(outputs, arrays)


def fixed_size(model: keras.Model) -> int | None:
    """Return the batch size that is written into the model, or None."""
    return next((shape[0] for _, shape, _ in _wanted(model) if shape and shape[0]), None)


def _as_tensor(array: Array) -> Any:
    """Return an array as TensorFlow takes it; text, of whatever type, as strings."""
    if array.dtype.kind in "OUS":
        array = array.astype(str)
    return tf.convert_to_tensor(array)


def _packed(structure: Any, leaves: list[Any]) -> Any:
    """Return leaves in a structure where they fit, else the only one, or all in a list."""
    if structure is not None and len(keras.tree.flatten(structure)) == len(leaves):
        return keras.tree.pack_sequence_as(structure, leaves)
    return leaves[0] if len(leaves) == 1 else leaves


def _input_names(model: keras.Model) -> list[str]:
    """Return the names of the inputs in the order in which ``keras.tree`` flattens them."""
    struct = getattr(model, "_inputs_struct", None)
    if isinstance(struct, Mapping):
        return sorted(struct)
    return [tensor.name for tensor in keras.tree.flatten(struct)] if struct is not None else []


def _wanted(model: keras.Model) -> Iterator[tuple[Any, Sequence[int | None], str]]:
    """Yield (symbolic tensor, shape with the batch, type) of each input; the tensor is None in a model of one's own."""
    struct = getattr(model, "_inputs_struct", None)
    if struct is None and isinstance(model, keras.Sequential) and model.built:
        struct = model.inputs
    if struct is not None:
        for tensor in keras.tree.flatten(struct):
            yield tensor, tensor.shape, str(tensor.dtype)
        return
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    only = next(iter(shapes.values()), None) if len(shapes) == 1 else None
    if isinstance(only, list | tuple) and all(isinstance(size, int | None) for size in only):
        yield None, only, "float32"


def _drawn(
    model: keras.Model, tensor: Any, shape: Sequence[int | None], dtype: str, count: int, rng: np.random.Generator
) -> Array:
    """Return random values for one input."""
    whole = (count, *(size or (_SIDE if len(shape) > 3 else _LENGTH) for size in shape[1:]))
    takers = _takers(model, tensor)
    is_index = any(isinstance(taker, keras.layers.Embedding) for taker in takers)
    if dtype == "string":
        return np.array(["a"], dtype=object)[np.zeros(whole, dtype=int)]
    if dtype == "bool":
        return rng.random(whole) < 0.5
    if is_index or "int" in dtype:
        return rng.integers(0, _vocabulary(model), whole).astype(dtype)
    values = rng.normal(size=whole)
    for taker in takers:  # what scales its input is given what it was made for
        if isinstance(taker, keras.layers.Rescaling) and np.ndim(taker.scale) == 0 and taker.scale:
            return np.asarray((values - taker.offset) / taker.scale, dtype=dtype)
        if isinstance(taker, keras.layers.Normalization) and getattr(taker, "mean", None) is not None:
            return np.asarray(values * np.sqrt(taker.variance) + taker.mean, dtype=dtype)
    return values.astype(dtype)


def _takers(model: keras.Model, tensor: Any) -> list[Any]:
    """Return the layers that are given an input as it is."""
    if tensor is None:  # a model of one's own: whatever it holds may be
        return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    nodes = getattr(tensor._keras_history.operation, "_outbound_nodes", ())
    return [node.operation for node in nodes]


def _vocabulary(model: keras.Model) -> int:
    """Return the number of indices that every embedding of the model has."""
    sizes = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    sizes += [layer.num_tokens for layer in model._flatten_layers() if isinstance(layer, keras.layers.CategoryEncoding)]
    return max(1, min(sizes, default=2))
