"""What the cells of a table's column are: numbers, yes and no, dates, or words; and their values."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes.errors import DataError

#: What stands for no value in a file.
MISSING_WORDS = ("", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "none", "?")
#: A column with at least this share of numbers is one of numbers, and its other cells are mistakes.
MOSTLY = 0.9
#: A column of words with more distinct ones is text, not a category.
MOST_DISTINCT = 10_000
_FEW_DISTINCT = 20

_TRUTH = {"true": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "no": 0.0, "n": 0.0}
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
#: Names of columns that tell rows apart; `CsvFile` and pandas call a column without a name by its number.
_ID_NAME = re.compile(r"index|row|id|.*[ _-]id|column \d+|unnamed: ?\d+", re.IGNORECASE)

Kind = Literal["number", "truth", "date", "category"]
FloatArray = NDArray[np.float64]


def factorized(series: pd.Series[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the index (n,) of each cell's word, -1 where it is missing, and the words."""
    if isinstance(series.dtype, pd.CategoricalDtype) or not isinstance(series.dtype, np.dtype):
        series = series.astype(object)
    codes, distinct = pd.factorize(series)
    words = [_word(value) for value in distinct]
    known: dict[str, int] = {}
    renumbered = np.array([known.setdefault(word, len(known)) if word else -1 for word in words] + [-1], np.int64)
    return renumbered[codes], list(known)


def numbers(series: pd.Series[Any], kind: Kind = "number") -> FloatArray:
    """Return cells (n,) as numbers; NaN where they are missing, or not of the kind."""
    if _is_numeric(series):
        return series.to_numpy(np.float64, na_value=np.nan)
    codes, words = factorized(series)
    return np.append(_values(words, kind), np.nan)[codes]


def _is_numeric(series: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series))


def _word(value: Any) -> str:
    """Return a cell as text: whole numbers without a fraction, dates as ISO 8601 has them."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(value).isoformat()
    return str(value).strip()


def _values(words: list[str], kind: Kind) -> FloatArray:
    """Return the numbers that words stand for; NaN where they stand for none."""
    if kind == "truth":
        return np.array([_TRUTH.get(word.lower(), np.nan) for word in words], np.float64)
    if kind == "date":
        return _days(words)
    return np.asarray(pd.to_numeric(pd.Series(words, dtype=object), errors="coerce"), np.float64)


def _days(words: list[str]) -> FloatArray:
    """Return days since 1970 of dates as ISO 8601 has them; NaN for what is no such date."""
    texts = pd.Series([word if _DATE.fullmatch(word) else None for word in words], dtype=object)
    moments = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
    return np.asarray((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1), np.float64)


class Census:
    """What is known of a column, from all blocks of rows that were seen.

    Parameters
    ----------
    name
        Of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.present = 0
        self._numbers = 0
        self._truths = 0
        self._dates = 0
        self._words: set[str] = set()
        self._low, self._high = np.inf, -np.inf
        self._is_unique = True
        self._stray: tuple[int, str] | None = None

    def update(self, series: pd.Series[Any], lines: NDArray[np.int64]) -> None:
        """Take in a block of cells and the lines that they are in.

        Raises
        ------
        DataError
            An infinite number.
        """
        if _is_numeric(series):
            values = numbers(series)
            seen = ~np.isnan(values)
            self._numbers += int(seen.sum())
            distinct = len(np.unique(values[seen]))
        else:
            codes, words = factorized(series)
            seen = codes >= 0
            values = self._count(codes, words, lines)
            distinct = len(words)
        self.present += int(seen.sum())
        self._is_unique = self._is_unique and distinct == int(seen.sum())
        self._range(values, lines)

    def _count(self, codes: NDArray[np.int64], words: list[str], lines: NDArray[np.int64]) -> FloatArray:
        """Count the kinds of words, and return the numbers among them."""
        values, counts = _values(words, "number"), np.bincount(codes[codes >= 0], minlength=len(words))
        strays = np.isnan(values)
        self._numbers += int(counts[~strays].sum())
        self._truths += int(counts[~np.isnan(_values(words, "truth"))].sum())
        self._dates += int(counts[~np.isnan(_days(words))].sum())
        if self._stray is None and strays.any():
            row = int(np.flatnonzero(np.append(strays, False)[codes])[0])
            self._stray = int(lines[row]), words[codes[row]]
        if len(self._words) <= MOST_DISTINCT:
            self._words.update(words)
        return np.append(values, np.nan)[codes]

    def _range(self, values: FloatArray, lines: NDArray[np.int64]) -> None:
        with np.errstate(over="ignore"):
            infinite = np.isinf(values.astype(np.float32))
        if infinite.any():
            line = int(lines[np.flatnonzero(infinite)[0]])
            raise DataError(
                f"line {line}, column {self.name!r}: the value is infinite, or too large for 32-bit floats; "
                "mend it, or leave it empty"
            )
        known = values[~np.isnan(values)]
        if len(known):
            self._low, self._high = min(self._low, known.min()), max(self._high, known.max())

    def kind(self) -> Kind:
        """Return what the column holds.

        Raises
        ------
        DataError
            Nearly all cells are numbers, and the others are not.
        """
        if self._numbers == self.present:
            return "number"
        if self._truths == self.present:
            return "truth"
        if self._dates == self.present:
            return "date"
        if self._numbers >= MOSTLY * self.present:
            assert self._stray is not None
            line, word = self._stray
            raise DataError(
                f"line {line}, column {self.name!r}: {word[:40]!r} is no number, and {self._numbers} of {self.present} "
                "cells of the column are; mend it, leave it empty, or leave the column out with data.ignore"
            )
        return "category"

    def useless(self) -> str:
        """Return why a column cannot help to predict anything; empty where it may."""
        if not self.present:
            return "empty"
        kind = self.kind()
        is_constant = self._low == self._high if kind == "number" else len(self._words) == 1
        if is_constant:
            return "the same everywhere"
        if self._is_unique and _ID_NAME.fullmatch(self.name) and kind in ("number", "category"):
            return "different everywhere"
        many = len(self._words) > min(MOST_DISTINCT, max(_FEW_DISTINCT, self.present / 2))
        return "text" if kind == "category" and many else ""

    def mixture(self) -> str:
        """Return what is to be said of a category of which many words are numbers; empty where there is nothing."""
        if not self._numbers or self._numbers < self.present / 2 or self._stray is None:
            return ""
        line, word = self._stray
        return f"column {self.name!r} is taken for words: line {line} has {word[:40]!r}, no number"
