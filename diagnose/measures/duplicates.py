"""Samples that occur twice: byte for byte, or nearly so."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.measures.encoding import drawn, flat, is_image, is_numeric, pooled, standardized
from diagnose.run import FloatArray
from diagnose.sample import Array

#: What is looked at of a split.
MOST_SAMPLES = 4000
_MOST_NEAR = 1500
#: Pixels or features by which nearly equal samples are compared.
_SIGNATURE = 16
_PIXELS = 4096
#: Copies whose surroundings are looked at.
_MOST_COPIES = 64
#: Neighbours by which the usual distance is measured; copies are not among them, unless there are many.
_USUAL = (5, 10)


def row_keys(inputs: Mapping[str, Array], like: Mapping[str, Array], rows: NDArray[np.intp]) -> list[bytes]:
    """Return a key of each sample: equal where all its inputs are, read as the types that `like` has.

    A sample that is one value all over (a black picture, an empty sequence) has an empty key: it is a copy of nothing.
    """
    digests = [hashlib.blake2b(digest_size=16) for _ in rows]
    is_blank = np.ones(len(rows), dtype=bool)
    for name in sorted(inputs):
        table = flat(inputs[name][rows])
        if is_numeric(table):
            kind = like[name].dtype if name in like and is_numeric(like[name]) else table.dtype
            with np.errstate(all="ignore"):
                plain = np.ascontiguousarray(table.astype(kind) + np.zeros(1, dtype=kind))  # -0.0 becomes 0.0
            cells = [row.tobytes() for row in plain]
            is_blank &= (plain == plain[:, :1]).all(axis=1) if plain.shape[1] > 1 else False
        else:
            cells = ["\0".join(map(str, row)).encode("utf-8", "replace") for row in table.tolist()]
            is_blank &= np.array([not cell.strip(b"\0 ") for cell in cells], dtype=bool)
        for digest, cell in zip(digests, cells, strict=True):
            digest.update(cell)
    return [b"" if blank else digest.digest() for digest, blank in zip(digests, is_blank, strict=True)]


def chance_bits(inputs: Mapping[str, Array], rows: NDArray[np.intp]) -> float:
    r"""Return how unlikely two samples are the same by chance, in bits: :math:`-\log_2 \sum p^2` summed over columns.

    0 where every column has few values (categories, whole numbers of a small range): columns that go together make
    such samples meet far more often than the sum says.
    """
    bits, is_coarse = 0.0, True
    for array in inputs.values():
        table = flat(array[rows])
        if table.shape[1] > 512:
            table = table[:, np.linspace(0, table.shape[1] - 1, 512).astype(int)]
        is_coarse &= array.ndim < 3
        for place in range(table.shape[1]):
            column = table[:, place] if is_numeric(table) else np.array([str(cell) for cell in table[:, place]])
            _, counts = np.unique(column, return_counts=True)
            is_coarse &= len(counts) <= max(32, len(rows) // 20)
            if is_numeric(table) and column.dtype.kind == "f" and len(counts) > 0.5 * len(column):
                bits += 23.0 if len(counts) > 0.9 * len(column) else math.log2(len(column))
            elif len(counts):
                shares = counts / len(column)
                bits += -math.log2(float((shares * shares).sum()))
    return 0.0 if is_coarse else bits


def columns_around(copies: Array, rows: Array) -> float:
    """Return in how many columns the nearest row that is not the same differs: the median over copies of rows.

    Where rows meet by chance, many more nearly meet: the nearest others differ in a column or two.
    """
    table = flat(rows)
    gaps = []
    for copy in flat(copies)[drawn(len(copies), _MOST_COPIES)]:
        differing = ((table != copy) & ((table == table) | (copy == copy))).sum(axis=1)  # NaN is as NaN
        gaps.append(int(differing[differing > 0].min(initial=table.shape[1])))
    return float(np.median(gaps)) if gaps else 0.0


@dataclass(frozen=True, eq=False)
class Near:
    """Samples of one set that nearly are samples of another.

    Parameters
    ----------
    partners
        For each looked-at sample its nearest in the other set; -1 where that is not near at all.
    by_chance
        Share of such samples that the usual distances would give.
    """

    partners: NDArray[np.intp]
    by_chance: float

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.partners >= 0).sum())


def near_images(images: Array, others: Array, *, ratio: float, likeness: float) -> Near:
    """Find pictures that are another's copy but for brightness, contrast, noise or compression.

    A pair must be closer than `ratio` of the usual distance to the 10th neighbour on small grey versions, and
    correlate by `likeness` or more pixel by pixel.
    """
    ours, theirs = (_unit(flat(pooled(each, _SIGNATURE).mean(axis=3))) for each in (images, others))
    near = _nearest(ours, theirs, ratio)
    for place in np.flatnonzero(near.partners >= 0):
        pair = np.stack([images[place].ravel(), others[near.partners[place]].ravel()]).astype(np.float64)
        step = max(1, pair.shape[1] // _PIXELS)
        left, right = _unit(pair[:, ::step])
        if float(left @ right) < likeness:
            near.partners[place] = -1
    return near


def near_rows(rows: FloatArray, others: FloatArray, *, ratio: float) -> Near:
    """Find rows far closer to one of the others than their 10th neighbour there is."""
    both = standardized(np.concatenate([rows, others]))
    return _nearest(both[: len(rows)], both[len(rows) :], ratio)


def near_within(rows: FloatArray, *, ratio: float) -> Near:
    """Find rows far closer to another row of the same set than their 10th neighbour is."""
    both = standardized(rows)
    return _nearest(both, both, ratio, without_self=True)


def _unit(values: FloatArray) -> FloatArray:
    """Return rows of mean 0 and length 1; blank ones stay zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9))


def _nearest(ours: FloatArray, theirs: FloatArray, ratio: float, *, without_self: bool = False) -> Near:
    nobody = Near(np.full(len(ours), -1, dtype=np.intp), 1.0)
    low, high = _USUAL
    if len(theirs) <= high + 1 or not len(ours) or not ours.shape[1]:
        return nobody
    squares = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1) - 2 * ours @ theirs.T
    if without_self:
        np.fill_diagonal(squares, np.inf)
    closest = squares.argmin(axis=1)
    # The difference of large squares is too coarse for what is nearly zero.
    first = np.sqrt(((ours - theirs[closest]) ** 2).sum(axis=1))
    ordered = np.sqrt(np.maximum(np.partition(squares, [low - 1, high - 1], axis=1)[:, [low - 1, high - 1]], 0.0))
    usual, nearer = ordered[:, 1], ordered[:, 0]
    typical = float(np.median(usual))
    has_distance = (usual > 0) & (ours**2).sum(axis=1).astype(bool)
    is_near = has_distance & (first < ratio * np.minimum(usual, typical))
    return Near(np.where(is_near, closest, -1), _by_chance(nearer, usual, ratio))


def _by_chance(nearer: FloatArray, usual: FloatArray, ratio: float) -> float:
    """Return how often the nearest lies within `ratio` of the 10th, where points fill as many dimensions as these do.

    The number of dimensions follows from how fast the distance grows from the 5th neighbour to the 10th.
    """
    known = (nearer > 0) & (usual > nearer)
    if not known.any():
        return 1.0
    growth = float(np.mean(np.log(usual[known] / nearer[known])))
    dimensions = float(np.log(_USUAL[1] / _USUAL[0])) / growth
    return min(1.0, _USUAL[1] * float(ratio**dimensions))


def can_be_pictures(array: Array, other: Array) -> bool:
    """Whether two stacks of pictures of one size can be compared."""
    return is_image(array) and is_image(other) and array.shape[1:] == other.shape[1:]


def near_sample(count: int) -> NDArray[np.intp]:
    """Return which of `count` samples are looked at for near copies."""
    return drawn(count, _MOST_NEAR)
