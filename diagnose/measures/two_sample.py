r"""Whether two samples come from one distribution: Kolmogorov-Smirnov, chi-squared, a classifier.

A large sample makes the smallest difference significant, so every measure gives how large the difference is beside
how sure it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.measures.encoding import normal_scores, ranks, standardized
from diagnose.run import FloatArray

FOLDS = 5
#: Directions that the classifier is given, at most.
_MOST_DIRECTIONS = 48


@dataclass(frozen=True)
class Auc:
    """How well two samples can be told apart: 0.5 not at all, 1 always; and the standard error."""

    value: float
    error: float


def wilson(hits: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson interval of a share of `hits` in `n`."""
    if n <= 0:
        return 0.0, 1.0
    share, square = hits / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(max(0.0, share * (1 - share)) / n + square / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def ks(left: FloatArray, right: FloatArray) -> tuple[float, float]:
    r"""Return the largest distance of two distribution functions, and its p-value.

    Asymptotic, with Stephens' correction for small samples: :math:`2 \sum_j (-1)^{j-1} e^{-2 j^2 \lambda^2}` at
    :math:`\lambda = (\sqrt{n} + 0.12 + 0.11 / \sqrt{n}) D`, :math:`n = n_1 n_2 / (n_1 + n_2)` (Press et al., Numerical
    Recipes, section 14.3). Ties make it err on the safe side.
    """
    if not len(left) or not len(right):
        return 0.0, 1.0
    left, right = np.sort(left), np.sort(right)
    values = np.concatenate([left, right])
    distance = float(
        np.abs(
            np.searchsorted(left, values, "right") / len(left) - np.searchsorted(right, values, "right") / len(right)
        ).max()
    )
    root = math.sqrt(len(left) * len(right) / (len(left) + len(right)))
    reach = (root + 0.12 + 0.11 / root) * distance
    if reach < 0.3:
        return distance, 1.0
    total = sum((-1) ** (j - 1) * math.exp(-2 * j * j * reach * reach) for j in range(1, 101))
    return distance, min(1.0, max(0.0, 2 * total))


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values corrected for their number by Holm's step-down procedure (1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, steps)
    return corrected


@dataclass(frozen=True)
class ShareShift:
    """How far the shares of classes differ between two samples.

    Parameters
    ----------
    distance
        Total variation: the share of samples that would have to change their class.
    by_chance
        What random splitting alone makes of it, on average.
    p_value
        Of a chi-squared test; rare classes are taken together.
    """

    distance: float
    by_chance: float
    p_value: float

    @property
    def excess(self) -> float:
        """The distance beyond what chance makes."""
        return self.distance - self.by_chance


def share_shift(left: NDArray[np.int64], right: NDArray[np.int64]) -> ShareShift:
    """Compare how often each class occurs in two samples."""
    n, m = int(left.sum()), int(right.sum())
    if not n or not m:
        return ShareShift(0.0, 0.0, 1.0)
    together = (left + right) / (n + m)
    distance = 0.5 * float(np.abs(left / n - right / m).sum())
    errors = np.sqrt(together * (1 - together) * (1 / n + 1 / m))
    return ShareShift(distance, 0.5 * math.sqrt(2 / math.pi) * float(errors.sum()), _chi_squared(left, right))


def _chi_squared(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Return the p-value that two rows of counts have the same shares, by Wilson and Hilferty's approximation."""
    n, m = int(left.sum()), int(right.sum())
    few = (left + right) * min(n, m) < 5 * (n + m)  # fewer than five expected in the smaller sample
    table = np.array([[*left[~few], left[few].sum()], [*right[~few], right[few].sum()]], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    freedom = table.shape[1] - 1
    if freedom < 1:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / (n + m)
    statistic = float(((table - expected) ** 2 / expected).sum())
    spread = 2 / (9 * freedom)
    return 0.5 * math.erfc(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def classifier_auc(left: FloatArray, right: FloatArray) -> Auc | None:
    """Return how well a classifier tells two samples apart that it has not seen; None where they are too small.

    A ridge-regularized linear discriminant on normal scores and their squares (what has moved, and what has spread),
    brought down to their principal directions; each fifth is judged by the classifier of the other four. The classifier
    two-sample test of Lopez-Paz and Oquab (ICLR 2017), with the area under the ROC curve for the accuracy, since the
    samples differ in size.
    """
    smaller = min(len(left), len(right))
    if smaller < 4 * FOLDS:
        return None
    scores = normal_scores(np.concatenate([left, right]))
    features = standardized(np.concatenate([scores, scores**2], axis=1))
    if not features.shape[1]:
        return None
    features = principal(features, min(_MOST_DIRECTIONS, max(1, smaller // 4)))
    is_right = np.arange(len(features)) >= len(left)
    places = np.random.default_rng(0).permutation(len(features))
    fold = np.empty(len(features), dtype=int)
    for side in (False, True):  # every fold has its share of both
        own = places[is_right[places] == side]
        fold[own] = np.arange(len(own)) % FOLDS
    areas = [
        auc(_discriminant(features[fold != k], is_right[fold != k], features[fold == k]), is_right[fold == k])
        for k in range(FOLDS)
    ]
    value = float(np.mean(areas))
    return Auc(value, auc_error(value, len(left), len(right)))


def principal(values: FloatArray, most: int) -> FloatArray:
    """Return the coordinates of centred rows along their leading principal directions.

    Found by subspace iteration from a fixed random start (Halko, Martinsson, Tropp, 2011): near enough, and many times
    faster than all of them.
    """
    if values.shape[1] <= most:
        return values
    directions = np.random.default_rng(0).normal(size=(values.shape[1], min(values.shape[1], most + 8)))
    for _ in range(3):
        directions, _ = np.linalg.qr(values.T @ (values @ directions))
    found = values @ directions
    _, vectors = np.linalg.eigh(found.T @ found)
    return np.asarray(found @ vectors[:, ::-1][:, :most])


def _discriminant(known: FloatArray, is_right: NDArray[np.bool_], unknown: FloatArray) -> FloatArray:
    weights = np.where(is_right, 0.5 / is_right.sum(), 0.5 / (~is_right).sum())
    target = np.where(is_right, 1.0, -1.0)
    centre = weights @ known
    centred = known - centre
    covariance = (centred * weights[:, None]).T @ centred
    ridge = 1e-9 + 2 * float(np.trace(covariance)) / len(known)
    direction = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), centred.T @ (weights * target))
    return np.asarray((unknown - centre) @ direction)


def auc(scores: FloatArray, is_right: NDArray[np.bool_]) -> float:
    """Return the probability that a score of the right sample exceeds one of the left, ties counting half."""
    n, m = int(is_right.sum()), int((~is_right).sum())
    return float((ranks(scores[:, None])[:, 0][is_right].sum() - n * (n - 1) / 2) / (n * m))


def auc_error(value: float, n: int, m: int) -> float:
    """Return the standard error of an area under the ROC curve (Hanley and McNeil, 1982)."""
    one, two = value / (2 - value), 2 * value * value / (1 + value)
    variance = value * (1 - value) + (m - 1) * (one - value * value) + (n - 1) * (two - value * value)
    return math.sqrt(max(0.0, variance) / (n * m))
