"""Data as everything behind the loaders sees it: three splits of samples and targets, and the facts about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recipes.task import Facts

if TYPE_CHECKING:
    import keras


@runtime_checkable
class Samples(Protocol):
    """Inputs that are fetched by number when they are needed, for example from files."""

    #: Of one sample, and its type.
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the samples of these numbers, shape (len(indices), *shape). May be called by several threads."""
        ...


@dataclass(frozen=True)
class Split:
    """Samples that are used together: for training, for validation, or for the test.

    Parameters
    ----------
    x
        Inputs: an array (n, *shape), in memory or mapped from a file, or `Samples`.
    y
        Targets, as `recipes.task.Task` describes them.
    ids
        Where each sample comes from, for people: the row of a file counted from 1, or a file's name; (n,).
    """

    x: NDArray[Any] | Samples
    y: NDArray[Any]
    ids: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the inputs of these numbers, shape (len(indices), *shape)."""
        return self.x[indices] if isinstance(self.x, np.ndarray) else self.x.take(indices)


@dataclass(frozen=True)
class Column:
    """A column of a table, as the preprocessing takes it.

    Parameters
    ----------
    name
        As in the header.
    kind
        ``number``; ``truth``: yes and no as 1 and 0; ``date``: days since 1970 as a number; ``category``: a word.
    """

    name: str
    kind: Literal["number", "truth", "date", "category"] = "number"


@dataclass(frozen=True)
class Data:
    """A data set, split.

    Parameters
    ----------
    facts
        What a recipe may know: of the training samples alone, but for names and counts.
    train, validation, test
        The splits. Nothing is fitted, chosen or stopped by the test split.
    preprocessing
        Model from raw columns to `Facts.inputs`, fitted on the training samples; None where there is nothing to do. The
        samples of the splits have been through it; a saved model has it in front.
    columns
        What the preprocessing takes, in its order: first all that are numbers, then the categories; empty for images.
    """

    facts: Facts
    train: Split
    validation: Split
    test: Split
    preprocessing: keras.Model | None = None
    columns: tuple[Column, ...] = ()
