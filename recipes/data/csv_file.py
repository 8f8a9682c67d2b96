"""CSV files: checked line by line, then read in blocks of rows by pandas."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes.data.cells import MISSING_WORDS
from recipes.errors import DataError

#: A longer line is no line of a table.
_MAX_LINE = 10_000_000
#: Cells that are handled at once.
BLOCK_CELLS = 1_000_000
_SEPARATORS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(rb'(^|;)\s*"?-?\d+,\d+"?\s*(;|$)', re.MULTILINE)

_COMMA_NUMBER = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"


class CsvFile:
    """A table in a file, UTF-8, with a header.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DataError
        It cannot be read, or has no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: NDArray[np.int64] | None = None
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise DataError(f"{path}: is no ordinary file; name a CSV file with data.source")
        try:
            with path.open("rb") as file:
                head = file.read(100_000)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; name a CSV file with data.source") from None
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{path}: is UTF-16; save it as UTF-8")
        if b"\0" in head:
            raise DataError(f"{path}: is binary, no table of text; is it the right file?")
        if not head.strip(b"\xef\xbb\xbf \r\n\t"):
            raise DataError(f"{path}: is empty")
        self.separator = self._separator(head)
        self.decimal = "," if self.separator == ";" and _DECIMAL_COMMA.search(head) else "."
        self.names, self._header_line = self._header()

    def lines(self) -> NDArray[np.int64]:
        """Return the line (n,) in which each row begins; every row is looked at once.

        Raises
        ------
        DataError
            A row with too many cells or too few, or what is no text.
        """
        if self._lines is None:
            self._lines = np.frombuffer(array("q", self._rows()), np.int64)
        return self._lines

    def blocks(self, texts: Collection[str] = ()) -> Iterator[tuple[NDArray[np.int64], pd.DataFrame]]:
        """Yield blocks of rows: the lines that they begin in, and their cells, numbers where all in a block are.

        Parameters
        ----------
        texts
            Columns whose cells are left as they are written.
        """
        lines, start = self.lines(), 0
        if not len(lines):
            return
        try:
            with pd.read_csv(
                self.path,
                sep=self.separator,
                decimal=self.decimal,
                header=None,
                names=self.names,
                index_col=False,
                skiprows=self._header_line,
                chunksize=max(1, BLOCK_CELLS // len(self.names)),
                dtype=dict.fromkeys(texts, object),
                na_values=list(MISSING_WORDS),
                keep_default_na=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8",
            ) as reader:
                for block in reader:
                    yield lines[start : start + len(block)], self._with_points(block, texts)
                    start += len(block)
        except (pd.errors.ParserError, UnicodeError, ValueError, OSError) as error:
            raise DataError(f"{self.path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
        if start != len(lines):
            raise DataError(f"{self.path}: quotes are not balanced, or the file changed while it was read")

    def _with_points(self, block: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
        """Return cells with a point in each number: pandas leaves the commas of a column that has other cells too."""
        if self.decimal == ".":
            return block
        for name in self.names:
            if name not in texts and not pd.api.types.is_numeric_dtype(block[name]):
                block[name] = block[name].replace(_COMMA_NUMBER, r"\1.\2", regex=True)
        return block

    def _separator(self, head: bytes) -> str:
        if self.path.suffix.lower() == ".tsv":
            return "\t"
        first = head.decode("utf-8", "replace").lstrip("\ufeff\r\n").partition("\n")[0]
        return max(_SEPARATORS, key=first.count)

    def _header(self) -> tuple[list[str], int]:
        """Return the names of the columns, and the line that they are in."""
        with self.path.open("rb") as file:
            line, text = next((line, text) for line, text in self._texts(file) if text.strip("\r\n"))
        names = [name.strip() for name in self._cells(text, line)]
        names = [name or f"column {number}" for number, name in enumerate(names, start=1)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            places = " and ".join(str(number) for number, name in enumerate(names, start=1) if name == twice)
            raise DataError(f"{self.path}: line {line} names column {twice!r} twice (columns {places}); rename one")
        return names, line

    def _cells(self, text: str, line: int) -> list[str]:
        try:
            rows = list(csv.reader([text.strip("\r\n")], delimiter=self.separator, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise DataError(f"{self.path}: line {line}: {error}; is it a table?") from None
        return rows[0]

    def _texts(self, file: IO[bytes]) -> Iterator[tuple[int, str]]:
        """Yield line numbers and lines."""
        for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), start=1):
            if len(line) >= _MAX_LINE or b"\0" in line:
                raise DataError(f"{self.path}: line {number} is no line of a table; is it the right file?")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise DataError(
                    f"{self.path}: line {number}: byte 0x{byte:02x} is not UTF-8; save it as UTF-8"
                ) from None

    def _rows(self) -> Iterator[int]:
        """Yield the line in which each row begins."""
        separator, width = self.separator, len(self.names)
        blanks = " \t".replace(separator, "")
        with self.path.open("rb") as file:
            texts = self._texts(file)
            for line, text in texts:
                text = text.rstrip("\r\n")
                if line <= self._header_line or not text.strip(blanks):
                    continue
                if '"' in text:
                    cells = self._quoted(text, line, texts)
                else:
                    cells = text.count(separator) + 1
                    if "\r" in text:
                        raise DataError(
                            f"{self.path}: line {line} has a carriage return in it; save with plain line ends"
                        )
                if cells != width:
                    raise DataError(
                        f"{self.path}: line {line} has {cells} cells, and the header names {width} columns; "
                        f"mend the line (cells are set apart by {separator!r})"
                    )
                yield line

    def _quoted(self, text: str, line: int, texts: Iterator[tuple[int, str]]) -> int:
        """Return the number of cells of a row with quotes, which may go on in the next lines."""

        def parts() -> Iterator[str]:
            yield text + "\n"
            for _, following in texts:
                yield following

        try:
            return len(next(csv.reader(parts(), delimiter=self.separator, skipinitialspace=True, strict=True)))
        except (csv.Error, StopIteration) as error:
            what = "a quote is not closed" if "unexpected end" in str(error) else str(error)
            raise DataError(f"{self.path}: line {line}: {what}; mend the line") from None


class Frame:
    """A pandas frame, read as a file is; its lines are its rows counted from 1.

    Parameters
    ----------
    frame
        The frame; its index does not matter.

    Raises
    ------
    DataError
        Two columns of one name.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.names = [str(name) for name in frame.columns]
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"the frame has two columns {twice!r}; rename one")
        self._frame: Any = frame.set_axis(self.names, axis=1)

    def lines(self) -> NDArray[np.int64]:
        """Return the number (n,) of each row."""
        return np.arange(1, len(self._frame) + 1)

    def blocks(self, texts: Collection[str] = ()) -> Iterator[tuple[NDArray[np.int64], pd.DataFrame]]:
        """Yield blocks of rows: their numbers, and their cells."""
        del texts  # cells are what they are
        step = max(1, BLOCK_CELLS // max(1, len(self.names)))
        for start in range(0, len(self._frame), step):
            block = self._frame.iloc[start : start + step]
            yield np.arange(start + 1, start + 1 + len(block)), block
