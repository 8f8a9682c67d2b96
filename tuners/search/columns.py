"""The hyperparameters of a search as columns: a value of each trial, what kind they are, on which scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuners.search.records import SearchRecord, State, TrialRecord
from tuners.search.wording import short_names

#: Numbers that are all positive and span more than this are looked at by their orders of magnitude, unless the space
#: says how they were drawn.
_LOG_RATIO = 50.0


class Kind(StrEnum):
    """What the values of a hyperparameter are."""

    NUMBER = "number"
    #: Numbers that are told apart by their ratios.
    LOG = "log"
    #: Names, switches.
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """The values of one hyperparameter.

    Parameters
    ----------
    path, name
        Whole, and as short as it can be told from the others.
    kind
        What they are.
    values
        One for each trial; None where the trial does not have it, as in a conditional space.
    """

    path: str
    name: str
    kind: Kind
    values: tuple[Any, ...]

    @property
    def distinct(self) -> list[Any]:
        """The values that occur, each once: numbers ascending, others as they came."""
        known = [value for value in self.values if value is not None]
        return list(dict.fromkeys(known)) if self.kind is Kind.CATEGORY else sorted(set(known))

    def numbers(self) -> NDArray[np.float64]:
        """Return the values as numbers, NaN where there is none; not of categories."""
        return np.array([math.nan if value is None else float(value) for value in self.values])


def columns(record: SearchRecord, trials: Sequence[TrialRecord]) -> list[Column]:
    """Return the hyperparameters in the order of the space, those of which trials differ."""
    paths = dict.fromkeys([*record.space, *(path for trial in trials for path in trial.values)])
    names = short_names(paths)
    found = (_column(path, names[path], record.space.get(path, {}), trials) for path in paths)
    return [column for column in found if len(set(column.values)) > 1]


def settled(record: SearchRecord) -> list[TrialRecord]:
    """Return the trials that tell something of their settings: each setting once, trained as far as it was meant to.

    Left out are those that run, those that the search had no more time for, and those that another trial went on from
    (it has the same settings, and was trained for longer).
    """
    over = [trial for trial in record.trials if trial.state not in (State.RUNNING, State.STOPPED)]
    continued = {trial.parent for trial in over}
    return [trial for trial in over if trial.number not in continued]


def _column(path: str, name: str, described: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Column:
    values = tuple(_plain(trial.values.get(path)) for trial in trials)
    known = [value for value in values if value is not None]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return Column(
            path, name, Kind.CATEGORY, tuple(v if v is None or isinstance(v, bool) else str(v) for v in values)
        )
    return Column(path, name, Kind.LOG if _is_logarithmic(described, known) else Kind.NUMBER, values)


def _plain(value: Any) -> Any:
    """Return a value that can be compared and counted; what is no number has no place on a scale."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _is_logarithmic(described: Mapping[str, Any], values: Sequence[float]) -> bool:
    if not values or min(values) <= 0:
        return False
    if "low" in described:
        return bool(described.get("log"))
    return max(values) > _LOG_RATIO * min(values)
