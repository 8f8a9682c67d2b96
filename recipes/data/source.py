"""What a loader hands over: samples and targets as they were found, before anything is split, encoded or fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recipes.data.base import Column, Samples

#: The splits, in their order.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Columns:
    """Rows of a table, in a form that can be mapped from files.

    Parameters
    ----------
    numeric
        (n, numeric columns) float32; NaN: missing. In memory or mapped.
    codes
        (n, categorical columns) int32, index into the column's words; -1: missing.
    words
        Of each categorical column, the words that occur.
    columns
        All columns: the numeric ones first, each kind in the order of its array.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int32]
    words: tuple[NDArray[Any], ...]
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.numeric)

    def joined(self, other: Columns) -> Columns:
        """Return the rows of both, which have the same columns and words."""
        assert self.columns == other.columns
        numeric = np.concatenate([self.numeric, other.numeric])
        return Columns(numeric, np.concatenate([self.codes, other.codes]), self.words, self.columns)

    @classmethod
    def of_vectors(cls, numeric: NDArray[np.float32], names: tuple[str, ...] = ()) -> Columns:
        """Return vectors (n, features) as a table of numbers."""
        names = names or tuple(f"x{number}" for number in range(numeric.shape[1]))
        codes = np.empty((len(numeric), 0), np.int32)
        return cls(numeric, codes, (), tuple(Column(name) for name in names))


@dataclass(frozen=True)
class Part:
    """Samples that belong together.

    Parameters
    ----------
    x
        A table, images (n, height, width, channels), or samples that are fetched when needed (images).
    y
        Targets as found: (n,) or (n, targets), of any type; (n, most, 5) for detection.
    ids
        (n,) where each comes from, see `recipes.data.base.Split`.
    groups
        (n,) of any type: what has the same one stays in one split.
    """

    x: Columns | NDArray[Any] | Samples
    y: NDArray[Any]
    ids: NDArray[Any]
    groups: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Source:
    """A data set as found.

    Parameters
    ----------
    name
        For people.
    kind
        See `recipes.task.Inputs`.
    parts
        ``train``, and ``validation`` and ``test`` where they are given; what is not given is taken from ``train``.
    classes
        Names of the classes, where the targets are their indices.
    targets
        Names of the targets, where the data has any.
    notes
        For `recipes.task.Facts`.
    """

    name: str
    kind: Literal["vector", "image"]
    parts: Mapping[str, Part]
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
