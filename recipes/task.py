"""What a data set asks of a model: the task, the inputs, and the facts that a model is built from. No Keras here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Kind(StrEnum):
    """Kinds of tasks."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    DETECTION = "detection"

    @property
    def is_classification(self) -> bool:
        """Whether each sample has one class of several."""
        return self in (Kind.BINARY, Kind.MULTICLASS)


@dataclass(frozen=True)
class Task:
    """What is to be predicted.

    Parameters
    ----------
    kind
        The kind of task.
    names
        Classes (binary: the negative one first), labels (multi-label), targets (regression), classes of objects
        (detection).
    counts
        Training samples of each class (of multi-label: with the label; of detection: objects); empty for regression.
    means, deviations
        Regression: mean and standard deviation of each target over the training samples, in its own units.
    sizes
        Detection: widths and heights of training objects as shares of the image, a few hundred drawn evenly.

    Notes
    -----
    Targets as a model is trained on them, for n samples:

    ===========  =======================================================================
    binary       (n,) float32 of 0 and 1
    multiclass   (n,) int32, index of the class; one-hot (n, classes) float32 where `one_hot` of the pipeline is on
    multilabel   (n, labels) float32 of 0 and 1
    regression   (n, targets) float32, in the target's own units
    detection    (n, most, 5) float32: centre x, centre y, width, height as shares of the image, index of the class;
                 rows that are no object have class -1
    ===========  =======================================================================
    """

    kind: Kind
    names: tuple[str, ...]
    counts: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    sizes: tuple[tuple[float, float], ...] = ()

    #: From this ratio of the largest class to the smallest on, accuracy misleads (SageMaker Debugger warns at 10).
    IMBALANCED = 3.0

    @property
    def units(self) -> int:
        """Output units of a model for this task; of detection the number of classes."""
        return 1 if self.kind is Kind.BINARY else len(self.names)

    @property
    def imbalance(self) -> float:
        """Largest class over smallest, in training samples; 1 where there are no classes."""
        if not self.kind.is_classification or not self.counts:
            return 1.0
        return max(self.counts) / max(1, min(self.counts))

    @property
    def is_imbalanced(self) -> bool:
        """Whether F1, precision and recall belong beside accuracy."""
        return self.imbalance >= self.IMBALANCED

    def class_weights(self) -> dict[int, float]:
        """Return class -> weight n / (classes * n_class), scikit-learn's "balanced"; its mean over samples is 1."""
        total, classes = sum(self.counts), len(self.counts)
        return {i: total / (classes * count) for i, count in enumerate(self.counts) if count}


@dataclass(frozen=True)
class Inputs:
    """What a model is given.

    Parameters
    ----------
    kind
        ``vector``: features, already preprocessed where they come from a table. ``image``: height x width x channels.
    shape
        Of one sample, without the batch.
    low, high
        Range of image values by their type or file: 0 and 255, or 0 and 1; of vectors as seen in training samples.
    mean, variance
        Of each channel (image) or feature (vector) over the training samples.
    """

    kind: Literal["vector", "image"]
    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Facts:
    """All that a recipe may know of the data when it builds a model.

    Parameters
    ----------
    name
        Of the data, for people: ``digits``, ``houses.csv``.
    inputs, task
        See there.
    samples
        ``train``, ``validation``, ``test`` -> number of samples.
    notes
        What a person should know: files that were skipped, rows without a target.
    """

    name: str
    inputs: Inputs
    task: Task
    samples: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def steps(self, batch_size: int) -> int:
        """Return the steps of a training epoch; the last one may be of a smaller batch."""
        return -(-self.samples["train"] // batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts ready for JSON."""
        facts = asdict(self)
        facts["task"]["kind"] = str(self.task.kind)
        return facts
