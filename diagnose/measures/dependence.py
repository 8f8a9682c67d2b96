r"""Whether inputs say anything about labels: several statistics, each against its own permutations.

Each statistic sees another kind of dependence: columns and their squares (lines, rings), products of columns (exclusive
or), neighbourhoods (spirals), kernels (everything smooth; the Hilbert-Schmidt independence criterion of Gretton et al.,
2005), and where inputs are numbers of users or things, what each of these likes. Pictures and sequences are also
described by what does not change where an object moves: values, spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diagnose.measures.encoding import encode, flat, is_image, is_numeric, normal_scores, pooled, standardized
from diagnose.measures.labels import Kind, Labels
from diagnose.measures.two_sample import principal
from diagnose.run import BoolArray, FloatArray, Split
from diagnose.sample import Array, DataSample

PERMUTATIONS = 199
_MOST_SAMPLES = 1000
_MOST_COLUMNS = 256
_DIRECTIONS = 24
_NEIGHBOURS = 8
#: Samples of each name, on average, that tell what it likes.
_EACH = 4
#: An input of more columns holds no names, and one with fewer values names kinds rather than users or things.
_MOST_NAMES, _FEWEST_NAMED = 8, 50
_QUANTILES = np.linspace(0, 1, 9)


@dataclass(frozen=True)
class Dependence:
    """What the statistics say.

    Parameters
    ----------
    p_values
        Statistic -> how many of the shuffled labels did as well, as a share.
    samples, columns
        That were looked at.
    detectable
        The weakest correlation of one column with the labels that would have been seen most times.
    """

    p_values: dict[str, float]
    samples: int
    columns: int
    detectable: float

    @property
    def best(self) -> float:
        """The smallest p-value: that of the statistic that comes nearest to seeing something."""
        return min(self.p_values.values())


def dependence(data: DataSample, labels: Labels) -> Dependence | None:
    """Measure how inputs and labels of the training split depend on each other.

    None where they cannot be compared, or where the inputs are nothing but names, with too few samples of each.
    """
    encoding = encode(data)
    if not encoding.is_complete or Split.TRAIN not in encoding.splits:
        return None
    encoded = encoding.splits[Split.TRAIN]
    if len(labels.training) != len(data.training):
        return None
    kept = np.flatnonzero(_has_label(labels.training[encoded.rows]))[:_MOST_SAMPLES]
    rows = encoded.rows[kept]
    if len(rows) < 2 * _NEIGHBOURS:
        return None
    columns_of_names = [_columns_of_names(array[rows]) for array in data.training.inputs.values()]
    if all(columns_of_names) and any(_are_rare(each) for columns in columns_of_names for each in columns):
        return None
    targets = _targets(labels.training[rows], labels.kind)
    parts = [encoded.values[kept], *(_invariant(array[rows]) for array in data.training.inputs.values())]
    features = np.concatenate(parts, axis=1)
    features = standardized(normal_scores(features))[:, :_MOST_COLUMNS]
    if not features.shape[1] or not targets.shape[1]:
        return None
    shuffled = _shuffled(targets)
    names = [each for columns in columns_of_names for each in columns if _are_names(each)]
    statistics = {**_statistics(features, shuffled), **_by_name(features, names, shuffled)}
    p_values = {name: _p_value(values) for name, values in statistics.items()}
    columns = features.shape[1]
    detectable = (math.sqrt(2 * math.log(40 * columns)) + 1) / math.sqrt(len(rows))
    return Dependence(p_values, len(rows), columns, detectable)


def _has_label(labels: Array) -> BoolArray:
    if not is_numeric(labels):
        return np.asarray(labels != "")
    return np.asarray(np.isfinite(labels.reshape(len(labels), -1)).all(axis=1))


def _targets(labels: Array, kind: Kind) -> FloatArray:
    """Return labels as columns of mean 0 and deviation 1: an indicator of each class, or scores."""
    if kind is Kind.CLASSES:
        classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[: min(len(classes), 30)]
        return standardized((numbers[:, None] == frequent).astype(np.float64))
    values = labels.astype(np.float64)[:, :30]
    if kind is Kind.MULTI_LABEL:
        return standardized(values)
    scores = normal_scores(values)
    return standardized(np.concatenate([scores, scores**2], axis=1))


def _shuffled(targets: FloatArray) -> FloatArray:
    """Return shape (n, 1 + PERMUTATIONS, k): the labels as they are, then shuffled."""
    rng = np.random.default_rng(0)
    orders = [np.arange(len(targets)), *(rng.permutation(len(targets)) for _ in range(PERMUTATIONS))]
    return np.stack([targets[order] for order in orders], axis=1)


def _statistics(features: FloatArray, shuffled: FloatArray) -> dict[str, FloatArray]:
    """Return statistic -> its value for the labels as they are, then for each permutation."""
    n, times, k = shuffled.shape
    labels = shuffled.reshape(n, times * k).astype(np.float32)

    def strongest(columns: FloatArray) -> FloatArray:
        squares = (columns.astype(np.float32).T @ labels) ** 2
        return np.asarray(squares.reshape(columns.shape[1], times, k).sum(axis=2).max(axis=0), dtype=np.float64)

    directions = standardized(principal(features, _DIRECTIONS))
    distances = _square_distances(features)
    return {
        "columns": strongest(standardized(np.concatenate([features, features**2], axis=1))),
        "products": strongest(_products(directions)),
        "linear": _explained(features @ features.T, shuffled),
        "neighbours": _explained(_neighbours(distances), shuffled),
        "kernel": _explained(np.exp(-distances / max(1e-12, float(np.median(distances)) / 2)), shuffled),
    }


def _columns_of_names(array: Array) -> list[Array]:
    """Return the columns of an input that is a few whole numbers for each sample, as of users and things."""
    if array.dtype.kind not in "iu" or not 0 < array[:1].size <= _MOST_NAMES:
        return []
    return list(array.reshape(len(array), -1).T)


def _are_names(column: Array) -> bool:
    """Whether there are several samples of each number."""
    return 2 < len(np.unique(column)) <= len(column) / _EACH


def _are_rare(column: Array) -> bool:
    return len(np.unique(column)) > max(_FEWEST_NAMED, len(column) / _EACH)


def _by_name(features: FloatArray, names: list[Array], shuffled: FloatArray) -> dict[str, FloatArray]:
    """Return whether samples of one name that are alike in the rest have like labels; nothing where none are named."""
    if not names:
        return {}
    same = np.sum([name[:, None] == name for name in names], axis=0, dtype=np.float64)
    return {"names": _explained(same * (1 + features @ features.T / features.shape[1]), shuffled)}


def _explained(kernel: FloatArray, shuffled: FloatArray) -> FloatArray:
    n, times, k = shuffled.shape
    labels = shuffled.reshape(n, times * k).astype(np.float32)
    products = (kernel.astype(np.float32) @ labels) * labels
    return np.asarray(products.reshape(n, times, k).sum(axis=(0, 2)), dtype=np.float64)


def _products(columns: FloatArray) -> FloatArray:
    left, right = np.triu_indices(columns.shape[1], k=1)
    products = standardized(columns[:, left] * columns[:, right])
    return products if products.shape[1] else columns


def _square_distances(features: FloatArray) -> FloatArray:
    squares = (features**2).sum(axis=1)
    return np.asarray(np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0.0))


def _neighbours(distances: FloatArray) -> FloatArray:
    """Return 1 where the second sample is one of the nearest to the first."""
    others = distances + np.diag(np.full(len(distances), np.inf))
    nearest = np.argpartition(others, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
    kernel = np.zeros(distances.shape)
    np.put_along_axis(kernel, nearest, 1.0, axis=1)
    return kernel


def _p_value(values: FloatArray) -> float:
    return float((values >= values[0] - 1e-6 * abs(values[0])).sum() / len(values))


def _invariant(array: Array) -> FloatArray:
    """Return what stays the same where a thing moves in a picture or a sequence; no columns for a table."""
    if not is_numeric(array) or array.ndim < 2 or array[0].size < 16:
        return np.empty((len(array), 0))
    if is_image(array):
        return _finite(_of_images(array))
    if array.ndim == 2 and array.dtype.kind in "iu":
        return _finite(_occurrences(array))
    if array.ndim == 3:
        return _finite(_of_sequences(array))
    return np.empty((len(array), 0))


def _of_images(images: Array) -> FloatArray:
    small = pooled(images, 32)
    small = np.where(np.isfinite(small), small, 0.0)
    channels = flat(small).reshape(len(small), -1, small.shape[3])
    values = np.quantile(channels[:, :, :4], _QUANTILES, axis=1).transpose(1, 0, 2)
    spectrum = np.abs(np.fft.rfft2(small.mean(axis=3)))[:, :6, :6]
    return np.concatenate([flat(values), flat(spectrum)], axis=1)


def _of_sequences(sequences: Array) -> FloatArray:
    series = np.where(np.isfinite(sequences), sequences, 0).astype(np.float64)[:, :512, :8]
    values = np.quantile(series, _QUANTILES, axis=1).transpose(1, 0, 2)
    spectrum = np.abs(np.fft.rfft(series, axis=1))[:, :12]
    return np.concatenate([flat(values), flat(spectrum)], axis=1)


def _occurrences(tokens: Array) -> FloatArray:
    """Return how often the most frequent whole numbers occur in each row."""
    values, counts = np.unique(tokens, return_counts=True)
    frequent = values[np.argsort(-counts, kind="stable")][:64]
    return np.stack([(tokens == value).sum(axis=1) for value in frequent], axis=1).astype(np.float64)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), np.clip(values, -1e100, 1e100), 0.0)
