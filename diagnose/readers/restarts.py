"""Several trainings in one table: where one ends and the next begins, and whether the next goes on with the last.

A log that is opened for appending gets a second training under the first when the script is run again. If the loss
goes on where it ended, the training was resumed and both are one run; if it is back where it began, they are two.
"""

from __future__ import annotations

import numpy as np

from diagnose.readers.base import ReadError
from diagnose.readers.table import BoolArray
from diagnose.run import FloatArray

#: A table in which the epochs start over more often is not one log that was appended to.
MAX_PARTS = 1_000
#: How near to its last value, as a share of the way from first to last, a curve that goes on must be.
_NEAR_THE_END = 0.25
#: ... or within so many standard deviations of the curve's own noise.
_NOISE = 4.0


def starts(epochs: FloatArray, conflict: BoolArray, counted: BoolArray | None = None) -> list[int]:
    """Return the rows at which a training begins; the first is 0.

    Parameters
    ----------
    epochs
        Shape (n,); the epoch of each row.
    conflict
        Shape (n,); rows of the same epoch as the row before that cannot belong to the same training.
    counted
        Shape (n,); rows that are not looked at where False (a final test is logged under any epoch).

    Raises
    ------
    ReadError
        More than `MAX_PARTS` trainings.
    """
    rows = np.arange(len(epochs)) if counted is None else np.flatnonzero(counted)
    falls = rows[1:][(np.diff(epochs[rows]) < 0) | conflict[rows[1:]]]
    if len(falls) >= MAX_PARTS:
        raise ReadError(
            f"the epochs start over {len(falls):,} times, first in row {falls[0] + 1}",
            "sort the rows by training and epoch, or leave the column out with --role NAME=ignore",
        )
    return [0, *(int(row) for row in falls)]


def continues(before: FloatArray, after: FloatArray) -> bool:
    """Whether a curve goes on where another ended, and is not back near where that one began.

    Parameters
    ----------
    before
        Shape (n,); the curve of the training before.
    after
        Shape (m,); the curve of the training after.

    Notes
    -----
    With first value f, last value l (median of the last three), value q after a quarter of the epochs, noise
    s = 1.4826 MAD(differences)/sqrt(2) and first value x after: it goes on if |x - l| <= max(4 s, 0.25 |l - f|) and x
    is not behind q by more than 4 s. A curve that never left its start does not tell, and counts as started anew.
    """
    before = before[np.isfinite(before)]
    after = after[np.isfinite(after)]
    if len(before) < 3 or not len(after):
        return False
    first, last, now = float(before[0]), float(np.median(before[-3:])), float(after[0])
    quarter = float(before[max(1, len(before) // 4)])
    differences = np.diff(before)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / np.sqrt(2)
    slack = _NOISE * noise
    if abs(last - first) <= slack:
        return False
    near = abs(now - last) <= max(slack, _NEAR_THE_END * abs(last - first))
    behind = (quarter - now) if last > first else (now - quarter)
    return bool(near and behind <= slack)
