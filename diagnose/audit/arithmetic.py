"""What a layer costs and sees: floating-point operations, memory of its output, receptive field.

Operations are counted as papers and profilers count FLOPs: for one sample, in inference, a multiplication and an
addition being two. What has weights is counted exactly, with its bias; a function of each number, a sum of layers and
the scaling of a normalization count one for each thing that is done to a number. What only moves numbers costs nothing.
"""

# ruff: noqa: ARG001  # all that counts operations has one signature
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from diagnose.blueprint import Shape

_layers = keras.layers
_CONVOLUTIONS = (_layers.Conv1D, _layers.Conv2D, _layers.Conv3D)
_TRANSPOSED = (_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose)
_DEPTHWISE = (_layers.DepthwiseConv1D, _layers.DepthwiseConv2D)
_SEPARABLE = (_layers.SeparableConv1D, _layers.SeparableConv2D)
_POOLING = (
    *(_layers.MaxPooling1D, _layers.MaxPooling2D, _layers.MaxPooling3D),
    *(_layers.AveragePooling1D, _layers.AveragePooling2D, _layers.AveragePooling3D),
)
_GLOBAL_POOLING = (
    *(_layers.GlobalMaxPooling1D, _layers.GlobalMaxPooling2D, _layers.GlobalMaxPooling3D),
    *(_layers.GlobalAveragePooling1D, _layers.GlobalAveragePooling2D, _layers.GlobalAveragePooling3D),
)
_UPSAMPLING = (_layers.UpSampling1D, _layers.UpSampling2D, _layers.UpSampling3D)
_GATES = (_layers.SimpleRNN, _layers.LSTM, _layers.GRU)
_CONVOLUTIONAL_GATES = (_layers.ConvLSTM1D, _layers.ConvLSTM2D, _layers.ConvLSTM3D)
_ATTENTION = (_layers.Attention, _layers.AdditiveAttention, _layers.MultiHeadAttention, _layers.GroupQueryAttention)
_SEE_ALL = (
    *(*_GLOBAL_POOLING, *_GATES, *_CONVOLUTIONAL_GATES, *_ATTENTION),
    *(_layers.Flatten, _layers.Bidirectional),
)
#: Operations that keep the shape and yet mix places.
_MIXING = frozenset(("Matmul", "Einsum", "Flip", "Roll", "Sort", "Cumsum", "Cumprod"))
_JOINING = frozenset(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"))
#: They take statistics of the sample itself.
_SAMPLE_NORMALIZATIONS = frozenset(
    ("LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization", "SpectralNormalization")
)
_SCALING = frozenset(("BatchNormalization", "Rescaling", "Normalization", "LayerScale", "CustomScaleLayer"))
#: They move numbers, or do something to them only while training.
_FREE = frozenset(
    (
        *("InputLayer", "Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", "Identity", "Embedding"),
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise"),
        *("AlphaDropout", "ActivityRegularization", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
        *("Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D", "UpSampling2D", "UpSampling3D"),
        *("Cast", "ExpandDims", "Squeeze", "Transpose", "GetItem", "Stack", "Split", "BroadcastTo", "Repeat", "Pad"),
        *("StopGradient", "Shape", "Masking", "StochasticDepth"),
    )
)  # fmt: skip
#: Every unit of their output takes from one place of the input alone, the same for all.
_POINTWISE = frozenset(
    (
        *_FREE - {"Flatten", "Reshape", "Permute", "RepeatVector", "Transpose", "GetItem", "Repeat", "Shape"}
        - {"Squeeze", "ExpandDims", "Stack", "Split", "BroadcastTo"},
        *_JOINING, *_SCALING, *_SAMPLE_NORMALIZATIONS, "Dense", "Activation", "Softmax", "ReLU", "LeakyReLU", "PReLU",
        "ELU",
    )
)  # fmt: skip

Tensors = Sequence[Shape]


# Memory


def bytes_of(shapes: Tensors, types: Sequence[str]) -> int | None:
    """Return the memory of tensors for one sample; None where an axis has no fixed size."""
    sizes = [_size(shape) for shape in shapes]
    if not sizes or None in sizes:
        return None
    return sum(size * _bytes_each(kind) for size, kind in zip(sizes, types, strict=True) if size is not None)


def _bytes_each(kind: str) -> int:
    if kind == "bfloat16":
        return 2
    return 1 if kind in ("bool", "string") or kind.startswith("float8") else np.dtype(kind).itemsize


def _size(shape: Shape) -> int | None:
    """Return how many numbers a sample has; None where an axis has no fixed size."""
    return None if any(axis is None for axis in shape[1:]) else math.prod(shape[1:])  # type: ignore[arg-type]


# Operations


def flops_of(operation: keras.Operation, kind: str, given: Tensors, made: Tensors, *, is_function: bool) -> int | None:
    """Return the floating-point operations of one call for one sample; None where they are not known.

    Parameters
    ----------
    operation, kind
        The layer or operation of Keras', and its class' name.
    given, made
        Shapes of its inputs and outputs.
    is_function
        Whether it applies a non-linear function to each number that it puts out.
    """
    sizes = [_size(shape) for shape in (*given, *made)]
    if not made or None in sizes:
        return None
    if kind in _FREE:
        return 0
    size = sum(_size(shape) or 0 for shape in made)
    for kinds, count in _COUNTED.items():
        if isinstance(operation, kinds):
            found = count(operation, given, made)
            return None if found is None else found + is_function * size
    if kind in _JOINING:
        return max(len(given) - 1, 1) * size
    if kind in _SCALING:
        return 2 * size
    if kind in _SAMPLE_NORMALIZATIONS:  # mean, variance (3), scale and shift (4)
        return 8 * size
    if kind == "Activation":
        return is_function * size
    return size if is_function else None


def _multiply_adds(kernel: Any) -> int:
    return math.prod(kernel.shape)


def _bias(layer: Any, made: Shape) -> int:
    return (_size(made) or 0) if getattr(layer, "use_bias", getattr(layer, "bias", None) is not None) else 0


def _dense(layer: Any, given: Tensors, made: Tensors) -> int:
    places = math.prod(given[0][1:-1])  # type: ignore[arg-type]
    return 2 * places * _multiply_adds(layer.kernel) + _bias(layer, made[0])


def _einsum(layer: Any, given: Tensors, made: Tensors) -> int:
    """Count one multiplication and addition for every combination of indices, the batch's apart."""
    names, _, kernel = layer.equation.replace(" ", "").partition("->")[0].partition(",")
    names = names.replace("...", "ABCDEFGH"[: len(given[0]) - len(names.replace("...", ""))])
    axes = {**dict(zip(names[1:], given[0][1:], strict=True)), **dict(zip(kernel, layer.kernel.shape, strict=True))}
    return 2 * math.prod(axis or 1 for axis in axes.values()) + _bias(layer, made[0])


def _places(layer: Any, shape: Shape) -> int:
    """Return at how many places a filter is applied to make an output (or, transposed, take an input) of this shape."""
    axes = shape[2:] if layer.data_format == "channels_first" else shape[1:-1]
    return math.prod(axes)  # type: ignore[arg-type]


def _convolution(layer: Any, given: Tensors, made: Tensors) -> int:
    return 2 * _places(layer, made[0]) * _multiply_adds(layer.kernel) + _bias(layer, made[0])


def _transposed(layer: Any, given: Tensors, made: Tensors) -> int:
    return 2 * _places(layer, given[0]) * _multiply_adds(layer.kernel) + _bias(layer, made[0])


def _separable(layer: Any, given: Tensors, made: Tensors) -> int:
    kernels = _multiply_adds(layer.depthwise_kernel) + _multiply_adds(layer.pointwise_kernel)
    return 2 * _places(layer, made[0]) * kernels + _bias(layer, made[0])


def _pooling(layer: Any, given: Tensors, made: Tensors) -> int:
    return math.prod(layer.pool_size) * (_size(made[0]) or 0)


def _global_pooling(layer: Any, given: Tensors, made: Tensors) -> int:
    return _size(given[0]) or 0


def _recurrent(layer: Any, given: Tensors, made: Tensors) -> int:
    """Count the products with the kernels at every step, and one for each number of the gates that they make."""
    gates = layer.cell.kernel.shape[-1]
    each = 2 * (_multiply_adds(layer.cell.kernel) + _multiply_adds(layer.cell.recurrent_kernel)) + 2 * gates
    return (given[0][1] or 0) * each


def _convolutional_recurrent(layer: Any, given: Tensors, made: Tensors) -> int:
    steps = given[0][1] or 0
    step = made[0] if not layer.return_sequences else (made[0][0], *made[0][2:])
    kernels = _multiply_adds(layer.cell.kernel) + _multiply_adds(layer.cell.recurrent_kernel)
    return 2 * steps * _places(layer, step) * kernels


def _attention(layer: Any, given: Tensors, made: Tensors) -> int:
    """Count the products of queries with keys and of scores with values."""
    query, value = given[0], given[min(1, len(given) - 1)]
    return 2 * (query[1] or 0) * (value[1] or 0) * ((query[-1] or 0) + (value[-1] or 0))


def _multi_head(layer: Any, given: Tensors, made: Tensors) -> int | None:
    query, value = given[0], given[min(1, len(given) - 1)]
    if len(query) != 3 or len(value) != 3:
        return None
    asked, held = query[1] or 0, value[1] or 0
    dense = (layer._query_dense, layer._key_dense, layer._value_dense, layer._output_dense)
    projections = sum(
        places * _multiply_adds(one.kernel) for places, one in zip((asked, held, held, asked), dense, strict=True)
    )
    return 2 * projections + 2 * asked * held * layer._num_heads * (layer._key_dim + layer._value_dim)


def _bidirectional(layer: Any, given: Tensors, made: Tensors) -> int | None:
    parts = [_counted(one, given, made) for one in (layer.forward_layer, layer.backward_layer)]
    return None if None in parts else sum(part for part in parts if part is not None)


def _time_distributed(layer: Any, given: Tensors, made: Tensors) -> int | None:
    one = _counted(layer.layer, [(shape[0], *shape[2:]) for shape in given], [(shape[0], *shape[2:]) for shape in made])
    return None if one is None else (given[0][1] or 0) * one


def _counted(layer: Any, given: Tensors, made: Tensors) -> int | None:
    return flops_of(layer, type(layer).__name__, given, made, is_function=False)


_COUNTED: Mapping[tuple[type, ...], Callable[[Any, Tensors, Tensors], int | None]] = {
    (_layers.Dense,): _dense,
    (_layers.EinsumDense,): _einsum,
    (*_CONVOLUTIONS, *_DEPTHWISE): _convolution,
    _TRANSPOSED: _transposed,
    _SEPARABLE: _separable,
    _POOLING: _pooling,
    _GLOBAL_POOLING: _global_pooling,
    _GATES: _recurrent,
    _CONVOLUTIONAL_GATES: _convolutional_recurrent,
    (_layers.MultiHeadAttention,): _multi_head,
    (_layers.Attention,): _attention,
    (_layers.Bidirectional,): _bidirectional,
    (_layers.TimeDistributed,): _time_distributed,
}


# Receptive field


@dataclass(frozen=True)
class Field:
    """What one unit sees of an input of the model.

    Parameters
    ----------
    sizes
        Of the spatial axes of that input, None where one is not fixed; empty where there are none.
    extents
        How many steps of the input it sees along each axis.
    jumps
        By how many steps of the input the fields of two neighbouring units are apart.
    is_whole
        Whether it sees all of the input, whatever comes after.
    """

    sizes: tuple[int | None, ...] = ()
    extents: tuple[Fraction, ...] = ()
    jumps: tuple[Fraction, ...] = ()
    is_whole: bool = False

    @property
    def steps(self) -> tuple[int, ...] | None:
        """The extents in whole steps; None where there are none, or all is seen of what has no fixed size."""
        if not self.is_whole:
            return tuple(math.ceil(extent) for extent in self.extents) or None
        return None if None in self.sizes else tuple(size or 0 for size in self.sizes)


def field_of_input(sizes: tuple[int | None, ...]) -> Field:
    """Return what a unit of an input sees, whose spatial axes have these sizes: itself."""
    return Field(sizes, (Fraction(1),) * len(sizes), (Fraction(1),) * len(sizes))


def spatial_axes(shape: Shape) -> tuple[int | None, ...]:
    """Return the sizes of the axes of an input that are neither the batch nor the channels."""
    is_first = len(shape) > 3 and keras.config.image_data_format() == "channels_first"
    return shape[2:] if is_first else shape[1:-1]


def field_after(
    operation: keras.Operation, kind: str, fields: Sequence[Field | None], given: Tensors, made: Tensors
) -> Field | None:
    """Return what a unit of a layer's output sees; None where it cannot be told.

    Parameters
    ----------
    operation, kind
        The layer or operation of Keras', and its class' name.
    fields
        Of its inputs; the largest counts.
    given, made
        Shapes of its inputs and outputs.
    """
    known = [field for field in fields if field is not None]
    if not known or len(known) < len(fields) or not made:
        return None
    if kind == "Embedding":
        return field_of_input(given[0][1:])
    known = [field for field in known if field.extents] or known
    field = max(known, key=lambda one: (one.is_whole, one.extents))
    if field.is_whole or not field.extents:
        return field
    if len({len(one.extents) for one in known}) > 1:
        return None
    if isinstance(operation, _SEE_ALL):
        return replace(field, is_whole=True)
    windows = _windows(operation, kind, given, made, len(field.extents))
    if windows is None:
        return None
    extents = tuple(e + (w - 1) * j for e, j, (w, _) in zip(field.extents, field.jumps, windows, strict=True))
    return replace(field, extents=extents, jumps=tuple(j * s for j, (_, s) in zip(field.jumps, windows, strict=True)))


#: (window, stride) along each axis.
Windows = tuple[tuple[int, Fraction], ...]


def _windows(operation: Any, kind: str, given: Tensors, made: Tensors, axes: int) -> Windows | None:
    """Return how many neighbours a unit takes along each axis, and how many it moves on."""
    if isinstance(operation, (*_CONVOLUTIONS, *_DEPTHWISE, *_SEPARABLE)):
        return _strided(operation.kernel_size, operation.strides, operation.dilation_rate, axes)
    if isinstance(operation, _POOLING):
        return _strided(operation.pool_size, operation.strides, 1, axes)
    if isinstance(operation, _TRANSPOSED):
        sizes, steps = _each(operation.kernel_size, axes), _each(operation.strides, axes)
        return tuple((math.ceil(size / step), Fraction(1, step)) for size, step in zip(sizes, steps, strict=True))
    if isinstance(operation, _UPSAMPLING):
        neighbours = 1 if getattr(operation, "interpolation", "nearest") == "nearest" else 2
        return tuple((neighbours, Fraction(1, size)) for size in _each(operation.size, axes))
    of_each_number = not isinstance(operation, keras.Layer) and all(shape == made[0] for shape in given)
    if kind in _POINTWISE or (of_each_number and kind not in _MIXING):
        return ((1, Fraction(1)),) * axes
    return None


def _strided(size: Any, strides: Any, dilation: Any, axes: int) -> Windows:
    sizes, steps, gaps = _each(size, axes), _each(strides, axes), _each(dilation, axes)
    return tuple(((s - 1) * gap + 1, Fraction(step)) for s, step, gap in zip(sizes, steps, gaps, strict=True))


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (int(value),) * axes
