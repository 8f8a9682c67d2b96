"""What the cells of a table's column are: numbers, yes and no, dates, or words; and their values."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes.errors import DataError

#: What stands for no value, in files and frames.
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
    """Return the index (n,) of each cell's word, -1 where it is missing, and the words.

    Missing is what pandas holds for missing, and what `MISSING_WORDS` names, blanks around it or not.
    """
    if isinstance(series.dtype, pd.CategoricalDtype) or not isinstance(series.dtype, np.dtype):
        series = series.astype(object)
    codes, distinct = pd.factorize(series)
    words = [_word(value) for value in distinct]
    known: dict[str, int] = {}
    numbered = [-1 if word in MISSING_WORDS else known.setdefault(word, len(known)) for word in words]
    return np.array([*numbered, -1], np.int64)[codes], list(known)


def present(series: pd.Series[Any]) -> NDArray[np.bool_]:
    """Return (n,) whether a cell holds a value, see `factorized`."""
    return series.notna().to_numpy() if _is_numeric(series) else factorized(series)[0] >= 0


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


def _hashes(values: NDArray[Any]) -> NDArray[np.uint64]:
    return pd.util.hash_array(values, categorize=False)


class Census:
    """What is known of a column, from all blocks of rows that were seen; how rows are parted makes no difference.

    A block in which all cells are numbers holds numbers, another one holds text. So two cells are the same where they
    are the same number ("7" and "007"), the same truth ("yes" and "true"), or the same word.

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
        #: Distinct cells; no more are taken in once there are more than `MOST_DISTINCT`.
        self._distinct: set[float | str] = set()
        #: Hashes of all cells where the column is called as an id is; None: two are the same, or it is not.
        self._ids: list[NDArray[np.uint64]] | None = [] if _ID_NAME.fullmatch(name) else None
        self._stray: tuple[int, str] | None = None
        self._infinite: int | None = None

    def update(self, series: pd.Series[Any], lines: NDArray[np.int64]) -> None:
        """Take in a block of cells and the lines that they are in."""
        if _is_numeric(series):
            values, words = numbers(series), set[str]()
            seen = int((~np.isnan(values)).sum())
            self._numbers += seen
        else:
            codes, known = factorized(series)
            seen = int((codes >= 0).sum())
            values, words = self._count(codes, known, lines)
        self.present += seen
        distinct = np.unique(values[~np.isnan(values)])
        if len(self._distinct) <= MOST_DISTINCT:
            self._distinct.update(words, distinct[: MOST_DISTINCT + 1].tolist())
        if self._ids is not None:
            hashes = [_hashes(distinct), _hashes(np.array(sorted(words), dtype=object))]
            self._ids = [*self._ids, *hashes] if len(distinct) + len(words) == seen else None
        self._note_infinite(values, lines)

    def _count(
        self, codes: NDArray[np.int64], known: list[str], lines: NDArray[np.int64]
    ) -> tuple[FloatArray, set[str]]:
        """Count the kinds of words; return the cells (n,) that are numbers, NaN for others, and the other words."""
        values, truths = _values(known, "number"), _values(known, "truth")
        counts = np.bincount(codes[codes >= 0], minlength=len(known))
        strays = np.isnan(values)
        self._numbers += int(counts[~strays].sum())
        self._truths += int(counts[~np.isnan(truths)].sum())
        self._dates += int(counts[~np.isnan(_days(known))].sum())
        if self._stray is None and strays.any():
            row = int(np.flatnonzero(np.append(strays, False)[codes])[0])
            self._stray = int(lines[row]), known[codes[row]]
        words = {
            word if np.isnan(truth) else str(bool(truth))
            for word, truth, is_stray in zip(known, truths, strays, strict=True)
            if is_stray
        }
        return np.append(values, np.nan)[codes], words

    def _note_infinite(self, values: FloatArray, lines: NDArray[np.int64]) -> None:
        if self._infinite is None:
            with np.errstate(over="ignore"):
                infinite = np.isinf(values.astype(np.float32))
            self._infinite = int(lines[np.flatnonzero(infinite)[0]]) if infinite.any() else None

    def kind(self) -> Kind:
        """Return what the column holds.

        Raises
        ------
        DataError
            Nearly all cells are numbers, and the others are not; or a number is infinite.
        """
        if self._numbers == self.present:
            if self._infinite is not None:
                raise DataError(
                    f"line {self._infinite}, column {self.name!r}: the value is infinite, or too large for 32-bit "
                    "floats; mend it, or leave it empty"
                )
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
        if len(self._distinct) == 1:
            return "the same everywhere"
        if kind in ("number", "category") and self._is_unique():
            return "different everywhere"
        many = len(self._distinct) > min(MOST_DISTINCT, max(_FEW_DISTINCT, self.present / 2))
        return "text" if kind == "category" and many else ""

    def _is_unique(self) -> bool:
        """Whether the column is called as an id is, and no two cells are the same."""
        return self._ids is not None and len(np.unique(np.concatenate(self._ids))) == self.present

    def mixture(self) -> str:
        """Return what is to be said of a category of which many words are numbers; empty where there is nothing."""
        if not self._numbers or self._numbers < self.present / 2 or self._stray is None:
            return ""
        line, word = self._stray
        return f"column {self.name!r} is taken for words: line {line} has {word[:40]!r}, no number"
