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
#: Samples that differ, of which there must be so many, or they are a few kinds of things.
FEWEST_GROUPS = 30
_MOST_NEAR = 1500
#: Pixels or features by which nearly equal samples are compared.
_SIGNATURE = 16
_PIXELS = 4096
#: Columns in which values are counted.
_THINNED = 512
#: Copies whose surroundings are looked at.
_MOST_COPIES = 64
#: Side to which pictures are blurred where it is asked how much room they have.
_BLURRED = 6
#: The neighbour by which the usual distance is measured; copies are not counted.
_USUAL = 10
_MOST_ROUNDS = 5
#: Neighbours by which dimensions are counted.
_AROUND = 20
#: Share of the usual distance up to which samples are copies where dimensions are counted.
_COPIED = 0.1
#: Quantile of the distance to the nearest that stands for the smallest, and the power of it from which on there are
#: steps.
_LOW = 0.02
_GRAINED = 0.25
#: Dimensions from which on nothing is said of steps, with few samples and with many: all distances are about the same.
_MOST_GRAINED = (4.0, 10.0)
_MANY = 200


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
        table = _thinned(flat(array[rows]))
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


def is_continuous(inputs: Mapping[str, Array], rows: NDArray[np.intp], distinct: int) -> bool:
    """Whether an input has a value of its own for each of so many distinct samples: such ones never meet by chance."""
    return any(
        array.dtype.kind == "f" and len(np.unique(_thinned(flat(array[rows])))) >= distinct for array in inputs.values()
    )


def _thinned(table: Array) -> Array:
    """Return at most `_THINNED` of the columns, spread over all of them."""
    if table.shape[1] <= _THINNED:
        return table
    return table[:, np.linspace(0, table.shape[1] - 1, _THINNED).astype(int)]


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
    groups
        How many of the other set are left when of such that are near to each other one is kept.
    """

    partners: NDArray[np.intp]
    groups: int

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.partners >= 0).sum())


@dataclass(frozen=True)
class Room:
    """How much room samples have: how many ways to differ, and whether these are steps.

    Parameters
    ----------
    dimensions
        Of what the samples lie in, by how fast their number grows with the distance.
    is_grained
        Whether no two come closer than a step to each other, as where something stands at a whole pixel.
    """

    dimensions: float
    is_grained: bool

    def by_chance(self, ratio: float) -> float:
        """Return how often the nearest lies within `ratio` of the distance to the 10th by chance alone."""
        return min(1.0, _USUAL * float(ratio**self.dimensions))


def near_images(images: Array, others: Array, *, ratio: float, likeness: float) -> Near:
    """Find pictures that are another's copy but for brightness, contrast, noise or compression.

    A pair must be closer than `ratio` of the usual distance to the 10th neighbour on small grey versions, and
    correlate by `likeness` or more pixel by pixel.
    """
    near = _nearest(_small(images, _SIGNATURE), _small(others, _SIGNATURE), ratio)
    for place in np.flatnonzero(near.partners >= 0):
        pair = np.stack([images[place].ravel(), others[near.partners[place]].ravel()]).astype(np.float64)
        step = max(1, pair.shape[1] // _PIXELS)
        left, right = _unit(pair[:, ::step])
        if float(left @ right) < likeness:
            near.partners[place] = -1
    return near


def near_rows(rows: FloatArray, others: FloatArray, *, ratio: float) -> Near:
    """Find rows far closer to one of the others than their 10th neighbour there is, but not the same."""
    both = standardized(np.concatenate([rows, others]))
    return _nearest(both[: len(rows)], both[len(rows) :], ratio, is_other=True)


def near_within(rows: FloatArray, *, ratio: float) -> Near:
    """Find rows far closer to another row of the same set than their 10th neighbour is, but not the same."""
    both = standardized(rows)
    return _nearest(both, both, ratio, is_other=True)


def room_of_images(images: Array) -> Room | None:
    """Return how much room pictures have; None where there are too few that differ.

    They are blurred, so that what moves by a pixel comes to lie near where it was.
    """
    return _room(_small(images, _BLURRED))


def room_of_rows(rows: FloatArray) -> Room | None:
    """Return how much room rows have; None where there are too few that differ."""
    return _room(standardized(rows))


def _small(images: Array, side: int) -> FloatArray:
    """Return small grey pictures as rows of mean 0 and length 1."""
    return _unit(flat(pooled(images, side).mean(axis=3)))


def _unit(values: FloatArray) -> FloatArray:
    """Return rows of mean 0 and length 1; blank ones stay zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9))


def _distances(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Return shape (ours, theirs); what is nearly zero beside the rows' own lengths is 0, for it is but rounding."""
    lengths = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1)
    squares = lengths - 2 * ours @ theirs.T
    return np.sqrt(np.where(squares > 1e-12 * lengths, squares, 0.0))


def _nearest(ours: FloatArray, theirs: FloatArray, ratio: float, *, is_other: bool = False) -> Near:
    """Find rows whose nearest of the others lies within `ratio` of the usual distance to the 10th.

    Parameters
    ----------
    is_other
        Whether rows that are the same do not count.
    """
    nobody = Near(np.full(len(ours), -1, dtype=np.intp), 0)
    if not len(ours) or not len(theirs) or not ours.shape[1]:
        return nobody
    kept = _apart(_distances(theirs, theirs), ratio)
    if len(kept) <= _USUAL + 1:
        return Near(nobody.partners, len(kept))
    distances = _distances(ours, theirs)
    usual = np.partition(distances[:, kept], _USUAL - 1, axis=1)[:, _USUAL - 1]
    typical = float(np.median(usual))
    is_candidate = distances > 0 if is_other else np.ones(distances.shape, bool)
    closest = np.where(is_candidate, distances, np.inf).argmin(axis=1)
    # The difference of large squares is too coarse for what is nearly zero.
    first = np.sqrt(((ours - theirs[closest]) ** 2).sum(axis=1))
    has_distance = (usual > 0) & (ours**2).sum(axis=1).astype(bool) & is_candidate.any(axis=1)
    is_near = has_distance & (first < ratio * np.minimum(usual, typical))
    return Near(np.where(is_near, closest, -1), len(kept))


def _apart(distances: FloatArray, ratio: float) -> NDArray[np.intp]:
    """Return which samples to keep so that no two are near: within `ratio` of the usual distance to the 10th of them.

    What is usual depends on what is kept (frames of a film have ten neighbours in their own), so it is found in a few
    rounds, beginning with the distance of any two.
    """
    apart = distances[distances > 0]
    reach = ratio * float(np.median(apart)) if len(apart) else 0.0
    kept = np.arange(len(distances))
    for _ in range(_MOST_ROUNDS):
        is_taken = np.zeros(len(distances), bool)
        chosen = []
        for place in range(len(distances)):
            if not is_taken[place]:
                chosen.append(place)
                is_taken |= distances[place] <= reach
        kept = np.array(chosen)
        if len(kept) <= _USUAL + 1:
            return kept
        usual = float(np.median(np.partition(distances[np.ix_(kept, kept)], _USUAL, axis=1)[:, _USUAL]))
        if abs(ratio * usual - reach) <= 0.05 * reach:
            return kept
        reach = ratio * usual
    return kept


def _room(rows: FloatArray) -> Room | None:
    r"""Return how much room there is around samples, copies left out.

    Their dimensions are those of Levina and Bickel (Maximum Likelihood Estimation of Intrinsic Dimension, 2004), the
    inverse averaged as MacKay and Ghahramani proposed: :math:`1/d` is the mean of :math:`\log(r_k / r_j)` over
    neighbours :math:`j < k`, with :math:`(k - 1)/(k - 2)` against its bias. Where samples fill the room evenly,
    :math:`r_1^d` is exponentially distributed: its quantile `_LOW` is :math:`-\log(1 - q) / \log 2` of its median,
    0.03; where there are steps, about the same.
    """
    if not rows.shape[1]:
        return None
    distances = _distances(rows, rows)
    kept = _apart(distances, _COPIED)
    if len(kept) < FEWEST_GROUPS:
        return None
    count = min(_AROUND, len(kept) // 6)
    among = np.partition(distances[np.ix_(kept, kept)], range(count + 1), axis=1)[:, 1 : count + 1]
    growth = float(np.log(among[:, -1:] / among[:, :-1]).mean())
    if growth <= 0:
        return None
    dimensions = (count - 2) / (count - 1) / growth
    low, middle = np.quantile(among[:, 0], [_LOW, 0.5])
    is_grained = dimensions < _MOST_GRAINED[len(kept) >= _MANY] and (low / middle) ** dimensions > _GRAINED
    return Room(dimensions, bool(is_grained))


def can_be_pictures(array: Array, other: Array) -> bool:
    """Whether two stacks of pictures of one size can be compared."""
    return is_image(array) and is_image(other) and array.shape[1:] == other.shape[1:]


def near_sample(count: int) -> NDArray[np.intp]:
    """Return which of `count` samples are looked at for near copies."""
    return drawn(count, _MOST_NEAR)
