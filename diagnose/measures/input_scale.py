"""How large the numbers of an input are, column by column, and what the first layers make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diagnose.blueprint import Blueprint, Layer
from diagnose.measures.architecture import NORMALIZATIONS
from diagnose.measures.encoding import drawn, flat, is_image, is_numeric
from diagnose.run import BoolArray, FloatArray
from diagnose.sample import Array

_MOST_SAMPLES = 1000
_MOST_COLUMNS = 1024
#: Of a picture, 8 x 8 as scikit-learn's digits.
FEWEST_PIXELS = 64
#: Interquartile ranges from the median from which on values count as if they lay there: one cannot make a column wide.
_TAIL = 5.0

#: Samples that share a number make it a code.
_FEWEST_CODES = 3

#: Layers that leave the scale of what they are given as it is.
_PASSING = frozenset(
    {
        "InputLayer", "Flatten", "Reshape", "Permute", "Resizing", "CenterCrop", "ZeroPadding1D", "ZeroPadding2D",
        "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
        "GaussianNoise", "GaussianDropout", "Masking", "RandomFlip", "RandomRotation", "RandomZoom",
        "RandomTranslation", "RandomCrop", "RandomContrast", "RandomBrightness", "RandomShear", "Identity",
        "Activation", "Concatenate", "RepeatVector",
    }
)  # fmt: skip
_PLAIN = frozenset(
    {
        "Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D",
        "DepthwiseConv2D", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "ConvLSTM2D",
    }
)  # fmt: skip


#: A code is so much of its distance from the median away from the next number.
_ALONE = 0.8


@dataclass(frozen=True, eq=False)
class Scale:
    """How large one input's numbers are.

    Parameters
    ----------
    names
        Of the columns: features of a table, channels of a sequence; one for a stack of pictures.
    mean, spread, reach
        Of each column: mean and standard deviation with the tails drawn in, largest distance from the median in
        interquartile ranges (0 where that range is 0).
    code, code_reach, code_share
        Of each column: its least or largest number where several samples share it and it stands alone; its distance
        from the median in interquartile ranges, most of which lie between it and the next number (0 where there is no
        such number); and the share of the samples that have it.
    is_dense
        Of each column: whether no single value fills most of it, and it has more than two.
    low, high
        Of all numbers.
    is_image, is_whole_numbers
        What they are.
    """

    names: tuple[str, ...]
    mean: FloatArray
    spread: FloatArray
    reach: FloatArray
    code: FloatArray
    code_reach: FloatArray
    code_share: FloatArray
    is_dense: BoolArray
    low: float
    high: float
    is_image: bool
    is_whole_numbers: bool

    @property
    def are_pixels(self) -> bool:
        """Whether these are pictures with values from 0 to 255."""
        return self.is_image and self.low >= 0 and 32 < self.high <= 255

    @property
    def are_flat_pictures(self) -> bool:
        """Whether the columns may be pixels of square pictures, where those that never change are their margin.

        Of many columns only some are here, and they may always be.
        """
        margin = self.mean[self.spread == 0]
        sides = {round((len(self.names) / channels) ** 0.5) ** 2 * channels for channels in (1, 3)}
        is_at_end = bool(np.isin(margin, (self.low, self.high)).all())
        return len(self.names) >= FEWEST_PIXELS and len(self.names) in sides and is_at_end

    @property
    def are_centred_pixels(self) -> bool:
        """Whether these are pixels with their mean taken off, as several backbones expect them."""
        return self.is_image and -152 <= self.low < -16 and 16 < self.high <= 256


def scale_of(array: Array, features: tuple[str, ...], name: str) -> Scale | None:
    """Return how large an input's numbers are; None where it holds none."""
    if not is_numeric(array) or not array.ndim or not array.size:
        return None
    picked = array[drawn(len(array), _MOST_SAMPLES)]
    is_picture = is_image(picked)
    if is_picture:
        table = flat(picked)[:, :: max(1, picked[0].size // _MOST_COLUMNS)].reshape(-1, 1)
    elif picked.ndim == 3:
        table = picked.reshape(-1, picked.shape[2])
    else:
        table = flat(picked)
    places = np.linspace(0, table.shape[1] - 1, min(table.shape[1], _MOST_COLUMNS)).astype(int)
    table = np.clip(table[drawn(len(table), 50_000)][:, places].astype(np.float64), -1e150, 1e150)
    columns = [_column(table[:, place]) for place in range(table.shape[1])]
    finite = table[np.isfinite(table)]
    if not len(finite):
        return None
    if len(features) == array.shape[-1] == len(places):
        names = features
    else:
        names = tuple(name if len(places) == 1 else f"{name}[{place}]" for place in places)
    mean, spread, reach, code, code_reach, code_share, dense = (np.array(each) for each in zip(*columns, strict=True))
    is_whole = array.dtype.kind in "bui"
    low, high = float(finite.min()), float(finite.max())
    return Scale(
        names, mean, spread, reach, code, code_reach, code_share, dense.astype(bool), low, high, is_picture, is_whole
    )


def _column(values: FloatArray) -> tuple[float, ...]:
    """Return mean, spread, reach, the code with its reach and share, and whether a column is dense."""
    values = values[np.isfinite(values)]
    if not len(values):
        return (0.0,) * 7
    values = np.sort(values)
    low, middle, high = values[[len(values) // 4, len(values) // 2, (3 * len(values)) // 4]]
    reach = max(values[-1] - middle, middle - values[0]) / (high - low) if high > low else 0.0
    code = _code(values, middle, high - low)
    if high > low:
        values = np.clip(values, middle - _TAIL * (high - low), middle + _TAIL * (high - low))
    mean, spread = float(values.mean()), float(values.std())
    if spread <= 1e-12 * (1 + abs(mean)):
        return mean, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    _, counts = np.unique(values, return_counts=True)
    return mean, spread, float(reach), *code, float(len(counts) > 2 and counts.max() <= 0.5 * len(values))


def _code(ordered: FloatArray, middle: float, width: float) -> tuple[float, float, float]:
    """Return the end of a column that several samples share and that stands alone, its reach and its share."""
    found = (0.0, 0.0, 0.0)
    for ascending in (ordered, ordered[::-1]) if width > 0 else ():
        end = ascending[0]
        others = ascending[ascending != end]
        count, reach = len(ordered) - len(others), abs(end - middle) / width
        is_alone = len(others) > 0 and abs(others[0] - end) >= _ALONE * reach * width
        if count >= _FEWEST_CODES and is_alone and reach > found[1]:
            found = float(end), float(reach), count / len(ordered)
    return found


@dataclass(frozen=True)
class Reception:
    """What a model does first with an input.

    Parameters
    ----------
    first
        Layers with weights (or of unknown doing) that take the input, behind those that leave its scale alone.
    factor
        What a Rescaling before them multiplies by.
    offset
        ... and adds.
    is_masked
        Whether samples, or steps, of one number are left out before.
    """

    first: tuple[Layer, ...]
    factor: float = 1.0
    offset: float = 0.0
    is_masked: bool = False

    @property
    def is_known(self) -> bool:
        """Whether all that takes the input is of a kind that feels its scale."""
        return bool(self.first) and all(layer.kind in _PLAIN and not layer.is_custom for layer in self.first)


def reception(model: Blueprint, name: str, inputs: int) -> Reception | None:
    """Return what a model does first with an input; None where it cannot be told."""
    entries = [layer for layer in model.layers if layer.kind == "InputLayer"]
    outer = [layer for layer in entries if not layer.container and not layer.inputs]
    entries = outer or entries
    if not model.is_whole or not entries:
        return None
    if inputs == len(entries) == 1:
        entry = entries[0]
    else:
        named = [layer for layer in entries if layer.name == name]
        if len(named) != 1:
            return None
        entry = named[0]
    first: list[Layer] = []
    factor, offset = 1.0, 0.0
    front, seen = [entry], {entry.name}
    while front:
        for layer in model.after(front.pop(0)):
            if layer.name in seen:
                continue
            seen.add(layer.name)
            if layer.kind == "Rescaling":
                by, plus = layer.settings.get("scale"), layer.settings.get("offset", 0.0)
                if not isinstance(by, int | float) or not isinstance(plus, int | float):
                    return None
                factor, offset = factor * by, offset * by + plus
                front.append(layer)
            elif layer.kind in _PASSING and (layer.activation is None or layer.activation.is_linear):
                front.append(layer)
            else:
                first.append(layer)
    return Reception(tuple(first), factor, offset, any(model.by_name[each].kind == "Masking" for each in seen))


def is_normalized_next(model: Blueprint, layer: Layer) -> bool:
    """Whether a normalization follows a layer at once, and takes the scale of its input away again."""
    return any(after.kind in NORMALIZATIONS | {"Normalization"} for after in model.after(layer))
