"""Which share of a layer's units are copies of each other.

A unit is one column of the kernel with its bias: two units whose incoming weights are equal compute the same and
get the same gradient, and stay equal for ever. Only what sees the same inputs is compared: the filters of one group
of a convolution, the filters of one channel of a depthwise convolution.

Columns that are zero as a whole are not counted, unless the kernel has no other: an L1 penalty drives the columns of
single units to zero, which is pruning and no symmetry. A kernel that is zero as a whole is counted: its units are
equal, and part in the first step if what follows them differs (the last layer of a residual branch that starts at
zero); then the next measurement says 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from diagnose.live.anatomy import WatchedLayer

Weights = npt.NDArray[np.floating[Any]]

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_PLAIN = (keras.layers.Dense, *_CONVOLUTIONS, *_TRANSPOSED, *_DEPTHWISE, *_SEPARABLE)
_RECURRENT = (keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)

_SAMPLED_ROWS = 8


def duplicate_fraction(layer: WatchedLayer) -> float | None:
    """Return the share of a layer's units whose incoming weights equal exactly those of another one.

    Parameters
    ----------
    layer
        A layer that is built. Whether it is trained does not matter.

    Returns
    -------
    float or None
        0 to 1. None where there is nothing to compare: a layer without kernel, an embedding, a layer that is not
        one of Keras' own kinds, less than two units that see the same inputs, weights that are not finite.
    """
    if not getattr(layer.operation, "built", False):
        return None
    blocks = _blocks(layer.operation)
    kernel = next(blocks, None)
    if kernel is None or kernel.shape[2] < 2:
        return None
    if all(_differ(group) for group in kernel):
        return 0.0
    whole = np.concatenate([kernel, *blocks], axis=1)
    if not np.isfinite(whole).all():
        return None
    return float(np.mean([_share(*group) for group in zip(kernel, whole, strict=True)]))


def _blocks(operation: keras.Operation) -> Iterator[Weights]:
    """Yield what is incoming to the units, each groups x rows x units: the kernel, more kernels, the bias."""
    if isinstance(operation, keras.layers.EinsumDense):
        yield from _einsum_blocks(operation)
    elif isinstance(operation, _RECURRENT):
        cell = operation.cell
        for weights in (cell.kernel, cell.recurrent_kernel, cell.bias):
            if weights is not None:
                yield _array(weights).reshape(1, -1, cell.units)
    elif isinstance(operation, _PLAIN):
        kernel, groups = _kernel(operation)
        yield _grouped(kernel, groups)
        if operation.bias is not None:
            yield _grouped(_array(operation.bias)[np.newaxis], groups)


def _kernel(layer: keras.Layer) -> tuple[Weights, int]:
    """Return the kernel as rows x units, and how many groups of units there are with inputs of their own."""
    kernel = _array(layer.pointwise_kernel if isinstance(layer, _SEPARABLE) else layer.kernel)
    if isinstance(layer, _TRANSPOSED):
        kernel = np.moveaxis(kernel, -2, -1)
    if isinstance(layer, _DEPTHWISE):
        channels, units = kernel.shape[-2:]
        return kernel.reshape(-1, channels * units), channels
    return kernel.reshape(-1, kernel.shape[-1]), getattr(layer, "groups", 1)


def _einsum_blocks(layer: keras.layers.EinsumDense) -> Iterator[Weights]:
    """Yield the blocks of a dense layer in Einstein's notation; none where the units are not axes of their own."""
    inputs, kernel, output = re.split(",|->", layer.equation.replace(".", ""))
    units = "".join(axis for axis in output if axis in kernel)
    contracted = "".join(axis for axis in kernel if axis in inputs)
    if set(units) & set(contracted) or layer.bias_axes not in (None, units):
        return
    weights = _array(layer.kernel).transpose([kernel.index(axis) for axis in contracted + units])
    width = int(np.prod(weights.shape[len(contracted) :]))
    yield weights.reshape(1, -1, width)
    if layer.bias is not None:
        yield _array(layer.bias).reshape(1, 1, width)


def _array(variable: Any) -> Weights:
    """Return the values of a variable, on a CPU without a copy."""
    values = np.asarray(tf.convert_to_tensor(getattr(variable, "value", variable)))
    return values if values.dtype.kind == "f" else values.astype(np.float32)


def _grouped(block: Weights, groups: int) -> Weights:
    """Split units (rows x units) that are sorted by group: groups x rows x units."""
    rows, units = block.shape
    return block.reshape(rows, groups, units // groups).swapaxes(0, 1)


def _differ(kernel: Weights) -> bool:
    """Whether a few rows show already that no two columns are equal: true of all that is random."""
    middle = np.sort(kernel[len(kernel) // 2])
    if (middle[1:] != middle[:-1]).all() and np.isfinite(middle[[0, -1]]).all():
        return True
    few = np.linspace(0, len(kernel) - 1, _SAMPLED_ROWS).astype(int)
    return bool(np.isfinite(kernel[few]).all() and (_times(kernel[few]) == 1).all())


def _share(kernel: Weights, whole: Weights) -> float:
    """Return the share of columns that are not alone; zero columns count where there are no others."""
    used = np.asarray(kernel.any(axis=0))
    if not used.any():
        used = ~used
    return float(np.count_nonzero(_times(whole[:, used]) > 1) / whole.shape[1])


def _times(columns: Weights) -> npt.NDArray[np.intp]:
    """Return for every column how often it occurs. ``-0`` is ``0``."""
    rows = np.ascontiguousarray(columns.T + 0.0)
    keys = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(count[group])
