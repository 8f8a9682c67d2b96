"""Losses of Keras by what they take."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from diagnose.blueprint import Loss


class Family(StrEnum):
    """Losses that take the same labels and the same output."""

    #: Numbers of classes against K probabilities.
    SPARSE = "sparse"
    #: A row of K per sample against K probabilities that sum to 1.
    CATEGORICAL = "categorical"
    #: Zeros and ones against as many probabilities, each by itself.
    BINARY = "binary"
    #: Any number against a number.
    REGRESSION = "regression"
    #: -1 and 1 against a score.
    HINGE = "hinge"
    #: Shares of overlap of masks between 0 and 1.
    OVERLAP = "overlap"


_FAMILIES: Mapping[str, Family] = {
    "sparse_categorical_crossentropy": Family.SPARSE,
    "categorical_crossentropy": Family.CATEGORICAL,
    "categorical_focal_crossentropy": Family.CATEGORICAL,
    "categorical_generalized_cross_entropy": Family.CATEGORICAL,
    "kl_divergence": Family.CATEGORICAL,
    "binary_crossentropy": Family.BINARY,
    "binary_focal_crossentropy": Family.BINARY,
    "mean_squared_error": Family.REGRESSION,
    "mean_absolute_error": Family.REGRESSION,
    "mean_absolute_percentage_error": Family.REGRESSION,
    "mean_squared_logarithmic_error": Family.REGRESSION,
    "huber": Family.REGRESSION,
    "log_cosh": Family.REGRESSION,
    "poisson": Family.REGRESSION,
    "hinge": Family.HINGE,
    "squared_hinge": Family.HINGE,
    "dice": Family.OVERLAP,
    "tversky": Family.OVERLAP,
}


def family_of(loss: Loss | None) -> Family | None:
    """Return the family of a loss of Keras'; None for others."""
    return None if loss is None or loss.is_custom else _FAMILIES.get(loss.name)
