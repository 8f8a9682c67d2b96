"""What reading a split comes to, and how much of it may be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.sample import SplitSample

#: So many samples tell a share of 0.5 to within 0.022 (binomial, 95 %), and their distances fit in memory.
MOST_SAMPLES = 2000
MOST_BYTES = 64_000_000
SECONDS = 5.0


@dataclass(frozen=True)
class Limit:
    """How much of a split is read.

    Parameters
    ----------
    samples, bytes
        Of it that are kept.
    seconds
        For reading it, where it comes in batches.
    """

    samples: int = MOST_SAMPLES
    bytes: int = MOST_BYTES
    seconds: float = SECONDS

    def rows(self, row_bytes: int) -> int:
        """Return how many samples of so many bytes may be kept; one at least."""
        return max(1, min(self.samples, self.bytes // max(1, row_bytes)))


@dataclass(frozen=True)
class Reading:
    """A split, and what its container tells beside the samples.

    Parameters
    ----------
    split
        The samples.
    features, classes, batch_size, is_raw, is_sequence, notes
        As of `diagnose.sample.DataSample`.
    """

    split: SplitSample
    features: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    classes: tuple[str, ...] = ()
    batch_size: int | None = None
    is_raw: bool = False
    is_sequence: bool = False
    notes: tuple[str, ...] = ()


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of at most so many of `count` samples, ascending and spread over all of them.

    One is drawn in each of as many equal stretches, always the same: equal steps could keep in step with the data, for
    example with classes that take turns.
    """
    if count <= most:
        return np.arange(count)
    edges = np.linspace(0, count, most + 1).astype(np.int64)
    drawn: NDArray[np.int64] = np.random.default_rng(0).integers(edges[:-1], edges[1:])
    return drawn


def one_line(error: BaseException) -> str:
    """Return an exception of the user's code, or of another library, in a line."""
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def are_windows(rows: NDArray[Any]) -> bool:
    """Whether samples that follow each other are windows of one series, each a step further than the last.

    Parameters
    ----------
    rows
        (n, steps, ...), consecutive.
    """
    if len(rows) < 3 or rows.ndim < 2 or rows.shape[1] < 3 or rows.dtype.kind not in "iuf":
        return False
    moved = rows[1:, :-1] == rows[:-1, 1:]
    still = rows[1:] == rows[:-1]
    return bool(moved.mean() > 0.95 and still.mean() < 0.95)
