"""Text -> table: finds the delimiter, what stands before the header, and the header; reads the rows in bounded memory.

Nothing here knows what a column means, but for one question that finds the header among the lines of a preamble:
is one of its names a loss or a metric?
"""

from __future__ import annotations

import codecs
import csv
import math
import re
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diagnose.readers.base import HEAD_BYTES, Document, ReadError
from diagnose.readers.columns import MAX_NAME, classify, clean_name
from diagnose.run import FloatArray

BoolArray = NDArray[np.bool_]

#: In the order of preference. Two blanks or more come before one, so that ``Train Loss`` stays one name.
DELIMITERS = (",", ";", "\t", "|", "  ", " ")
#: Cells that say: nothing was logged here.
ABSENT = frozenset(("", "na", "n/a", "none", "null", "<na>", "-", "--", "?", "#n/a"))

MAX_LINE = 4 * 1024 * 1024
MAX_COLUMNS = 50_000
MAX_CELLS = 100_000_000
MAX_LABELS = 10_000
MAX_TABLES = 1_000
_BLOCK = 1024 * 1024
#: Delimiters that split a line without a quote as it stands.
_SIMPLE = (",", ";", "\t")
#: From this many lines on NumPy's own parser is faster.
_MANY = 500
#: Rows that are kept to tell whether the last line of the file is whole.
_REMEMBERED = 12
_SNIFF_LINES = (8, 40, 400)
#: A head with fewer lines than this has long ones, and more is read to see them.
_FEW_LINES = 4
#: From this many lines on, a table with more lines left out than read is none.
_ENOUGH = 10_000

#: ``\d+\.?\d*`` would try every way to part a long row of digits in two.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_WRAPPED = re.compile(
    rf"(?:(?:tf\.)?[Tt]ensor|(?:np\.|numpy\.)?(?:float\d*|int\d*|array))\(\[?\s*({_NUMBER})\.?\s*\]?(?:,.*)?\)"
    rf"|\[\s*({_NUMBER})\s*\]|({_NUMBER})\s*%",
    re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_NO_NAME = re.compile(r"[{}=<>\ufffd]|: +\S")
_RULE = re.compile(r"[-=+|:\s]+")


@dataclass(frozen=True)
class Layout:
    """Where the table is in the text.

    Parameters
    ----------
    delimiter
        One of `DELIMITERS`.
    names
        The header, cleaned; empty where there is none.
    fields
        How many a row has.
    first_row
        Index of the first line that is no preamble and no header.
    rows
        How many rows the head shows; 0 where there is a header and nothing else.
    judged
        Whether a name is a loss or a metric.
    """

    delimiter: str
    names: tuple[str, ...]
    fields: int
    first_row: int
    rows: int
    judged: bool


@dataclass
class Table:
    """The rows under one header, by columns.

    Parameters
    ----------
    names
        C names; empty where there is no header.
    columns
        C arrays of shape (n,); NaN where `logged` is false.
    logged
        C arrays of shape (n,), or None where every cell holds a number.
    labels
        Column -> the text in each row, for columns of text with few different values.
    text
        The columns that hold mostly text.
    breaks
        Rows before which the header stands again.
    first_line
        The line, from 1, of the first row.
    left_out
        How many lines are no row, by their number of fields.
    torn
        Whether the last line was cut off and left out.
    label
        What the training is called, where a format tells.
    """

    names: tuple[str, ...]
    columns: list[FloatArray]
    logged: list[BoolArray | None]
    labels: dict[int, list[str]] = field(default_factory=dict)
    text: frozenset[int] = frozenset()
    breaks: tuple[int, ...] = ()
    first_line: int = 1
    left_out: dict[int, int] = field(default_factory=dict)
    torn: bool = False
    label: str = ""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def is_logged(self, column: int) -> BoolArray:
        """Return, shape (n,), where the column holds a number."""
        logged = self.logged[column]
        return np.ones(len(self), dtype=bool) if logged is None else logged


def parse_number(cell: str) -> float | None:
    """Return the number in a cell, or None where it holds none: ``0.5``, ``0,5``, ``tensor(0.5)``, ``nan``."""
    cell = cell.strip().strip("\"'").strip()
    try:
        return float(cell)
    except ValueError:
        pass
    if _DECIMAL_COMMA.fullmatch(cell):
        return float(cell.replace(",", "."))
    match = _WRAPPED.fullmatch(cell)
    return float(next(g for g in match.groups() if g is not None)) if match else None


def is_absent(cell: str) -> bool:
    """Whether a cell says that nothing was logged."""
    return cell.strip().strip("\"'").strip().lower() in ABSENT


def split_line(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line. A quote that is not closed ends with its line, not with the file."""
    if delimiter == " ":
        return line.split()
    if delimiter == "  ":
        return re.split(r"\s{2,}|\t+", line.strip())
    if delimiter == "|":
        line = line.strip().strip("|")
    if '"' in line:
        try:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            pass
    return line.split(delimiter)


_last_sniffed: tuple[weakref.ref[Document], Layout | None] | None = None


def sniff(document: Document) -> Layout | None:
    """Return where the table is, told from the first 64 KiB; None where there is none.

    Several formats ask about one document in turn, so the last answer is kept.
    """
    global _last_sniffed
    if _last_sniffed is not None and _last_sniffed[0]() is document:
        return _last_sniffed[1]
    layout = _sniff(_head_lines(document))
    _last_sniffed = (weakref.ref(document), layout)
    return layout


def read_tables(document: Document, layout: Layout) -> list[Table]:
    """Return the tables of a document: more than one where the header changes on the way.

    Raises
    ------
    ReadError
        A line longer than 4 MiB, more cells than memory is meant for, or more lines left out than read.
    """
    reading = _Reading(layout)
    skip = layout.first_row
    last_line = None
    for lines, torn in line_blocks(document):
        if torn:
            last_line = lines.pop()
        start = min(skip, len(lines))
        skip -= start
        reading.add(lines[start:] if start else lines)
    reading.end(last_line)
    return reading.tables


def line_blocks(document: Document) -> Iterator[tuple[list[str], bool]]:
    r"""Yield blocks of lines, and whether the last of them has no line end; ``\r\r\n`` ends one line.

    Raises
    ------
    ReadError
        A line is longer than 4 MiB.
    """
    if len(document.head) < HEAD_BYTES:
        lines = _newlines(document.head_text).split("\n")
        torn = bool(lines[-1])
        yield (lines if torn else lines[:-1]), torn
        return
    decode = codecs.getincrementaldecoder(document.encoding)(errors="replace").decode
    rest = ""
    count = 0
    with document.open() as stream:
        while True:
            block = stream.read(_BLOCK)
            text = rest + decode(block, final=not block)
            held = "" if not block else text[len(text.rstrip("\r")) :]  # its \n may be in the next block
            lines = _newlines(text[: len(text) - len(held)]).split("\n")
            rest = lines.pop() + held
            if len(rest) > MAX_LINE:
                raise ReadError(f"line {count + len(lines) + 1} is longer than {MAX_LINE // 2**20} MiB", "")
            count += len(lines)
            if lines:
                yield lines, False
            if not block:
                break
    if rest:
        yield [rest], True


def _newlines(text: str) -> str:
    if "\r" not in text:
        return text
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")


def _head_lines(document: Document) -> list[str]:
    lines = _newlines(document.head_text).split("\n")
    if len(document.head) < HEAD_BYTES:
        return lines
    if len(lines) <= _FEW_LINES:  # thousands of columns
        with document.open() as stream:
            text = stream.read(MAX_LINE).decode(document.encoding, errors="replace")
        lines = _newlines(text).split("\n")[: 2 * _FEW_LINES]
    return lines[:-1]  # the last was cut by the limit


def _sniff(lines: Sequence[str]) -> Layout | None:
    for limit in _SNIFF_LINES:
        looked_at = lines[:limit]
        found = [
            layout
            for delimiter in DELIMITERS
            if (delimiter == "," or any(delimiter in line for line in looked_at))
            and all(line.count(delimiter) < MAX_COLUMNS for line in looked_at)
            for layout in _layouts(looked_at, delimiter)
        ]
        best = max(found, key=lambda a: (a.judged and a.rows > 0, a.rows >= 2, a.judged, a.rows), default=None)
        if best is not None:
            best = next((layout for layout in found if _is_of_one_log(layout, best)), best)
        if best is not None and (best.judged or limit == _SNIFF_LINES[-1] or len(lines) <= limit):
            return best if best.judged or best.rows >= 2 else None
    return None


def _is_of_one_log(layout: Layout, best: Layout) -> bool:
    """Whether a table is no preamble of another one, but a shorter training before it."""
    alike = (layout.delimiter, layout.names[:1]) == (best.delimiter, best.names[:1])
    return alike and layout.judged and best.judged and layout.rows > 0 and layout.first_row <= best.first_row


def _layouts(lines: Sequence[str], delimiter: str) -> Iterator[Layout]:
    """Yield every place where a table could begin, if the fields are separated so."""
    rows = [
        (i, fields, any(map(_holds_number, fields)))
        for i, line in enumerate(lines)
        if line.strip() and not (_RULE.fullmatch(line) and line.strip() != "-")
        for fields in [split_line(line.lstrip("# ") if line.startswith("#") else line, delimiter)]
    ]
    runs = _run_lengths([len(fields) if numeric else 0 for _, fields, numeric in rows])
    for at, (i, fields, numeric) in enumerate(rows):
        if numeric:
            before = len(rows[at - 1][1]) if at else 0
            if runs[at] >= 3 and (at == 0 or runs[at - 1] != runs[at] + 1 or before != len(fields)):
                yield _headerless(rows[at:], delimiter, runs[at])
            continue
        names = tuple(map(clean_name, fields))
        following = runs[at + 1] if at + 1 < len(rows) else 0
        if not any(names) or not (all(map(_is_name, fields)) or (following and _names_a_curve(fields))):
            continue
        width = len(rows[at + 1][1]) if following else len(names)
        if width == len(names) + 1 and delimiter in ("  ", " "):
            names = ("", *names)  # the index that pandas prints has no name
        elif width == len(names) - 1 and not names[-1]:
            names = names[:-1]
        elif width == len(names) + 1 and rows[at + 1][1][-1] == "":
            width -= 1
        if width == len(names) and (following or at + 1 == len(rows)):
            first = rows[at + 1][0] if following else i + 1
            judged = any(classify(n).is_judged for n in names)
            if following or judged:
                yield Layout(delimiter, _distinct(names), width, first, following, judged)


def _is_name(cell: str) -> bool:
    """Whether a cell could name a column: prose, JSON and ``key=value`` do not."""
    return len(cell) <= MAX_NAME and not _NO_NAME.search(cell)


def _names_a_curve(fields: Sequence[str]) -> bool:
    """Whether a loss or a metric is named plainly: then a name beside it may hold any sign, as ``acc>0.5`` does."""
    return any(_is_name(cell) and classify(clean_name(cell)).is_judged for cell in fields)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with a number behind those that were there before."""
    if len(set(names)) == len(names):
        return tuple(names)
    seen: dict[str, int] = {}
    told_apart = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told_apart.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return tuple(told_apart)


def _holds_number(cell: str) -> bool:
    return parse_number(cell) is not None


def _run_lengths(widths: Sequence[int]) -> list[int]:
    """Return, for each row, how many rows from it on have its number of fields; 0 for rows without a number."""
    runs = [0] * len(widths)
    for i in range(len(widths) - 1, -1, -1):
        if widths[i]:
            runs[i] = 1 + (runs[i + 1] if i + 1 < len(widths) and widths[i + 1] == widths[i] else 0)
    return runs


def _headerless(rows: Sequence[tuple[int, list[str], bool]], delimiter: str, run: int) -> Layout:
    """Return the layout of a table without names; pandas and NumPy may have numbered its columns."""
    i, fields, _ = rows[0]
    numbers = [parse_number(f) for f in fields if not is_absent(f)]
    numbered = numbers == list(range(len(numbers))) and len(fields) > 2
    return Layout(delimiter, (), len(fields), i + numbered, run - numbered, False)


class _Reading:
    """Takes blocks of lines and makes tables of them."""

    def __init__(self, layout: Layout) -> None:
        self.delimiter = layout.delimiter
        self.tables: list[Table] = []
        self.line = layout.first_row + 1
        self.cells = 0
        self._begin(layout.names, layout.fields)

    def _begin(self, names: tuple[str, ...], fields: int) -> None:
        self.names = names
        self.fields = fields
        self.columns = [_ColumnReading() for _ in range(fields)]
        self.rows = 0
        self.breaks: list[int] = []
        self.left_out: dict[int, int] = {}
        self.first_line = self.line
        self.before: list[list[str]] = []

    def add(self, lines: list[str]) -> None:
        """Take the next lines, without the last of the file where that has no line end."""
        if not self._load(lines):
            rows = self._split(lines)
            if any(len(row) != self.fields for row in rows) or not self._take(rows):
                self._sift(rows)
        self.line += len(lines)
        left_out = sum(self.left_out.values())
        if left_out > max(_ENOUGH, self.rows):
            raise ReadError(
                f"most lines have no {self.fields} fields as the first rows have: "
                f"{left_out:,} of {left_out + self.rows:,} up to line {self.line:,}",
                "is it a log with one line per epoch?",
            )

    def _split(self, lines: list[str]) -> list[list[str]]:
        delimiter = self.delimiter
        if delimiter in _SIMPLE and not any('"' in line for line in lines):
            return [line.split(delimiter) for line in lines]
        return [split_line(line, delimiter) for line in lines]

    def _load(self, lines: list[str]) -> bool:
        """Add many lines that hold numbers only; return whether they do."""
        if len(lines) < _MANY or self.delimiter not in _SIMPLE or not lines[0]:
            return False
        try:
            values = np.loadtxt(lines, delimiter=self.delimiter, comments=None, ndmin=2)
        except ValueError:
            return False
        if values.shape[1] != self.fields:
            return False
        for i, column in enumerate(self.columns):
            column.add(values[:, i].copy())
        self._count(len(values), self._split(lines[-_REMEMBERED:]))
        return True

    def _take(self, rows: list[list[str]]) -> bool:
        """Add rows that hold numbers or nothing; return whether they do."""
        if not rows:
            return True
        try:
            parsed = [_plain_numbers(cells) for cells in zip(*rows, strict=True)]
        except ValueError:
            return False
        masks = [logged for _, logged in parsed if logged is not None]
        if len(masks) == len(parsed) and not np.all(np.any(masks, axis=0)):
            return False  # a row without a number
        for column, (values, logged) in zip(self.columns, parsed, strict=True):
            column.add(values, logged)
        self._count(len(rows), rows[-_REMEMBERED:])
        return True

    def _sift(self, rows: list[list[str]]) -> None:
        """Add the rows among lines that hold other things too."""
        kept: list[list[str]] = []
        for at, row in enumerate(rows):
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            width = len(row)
            if width > self.fields and not any(cell.strip() for cell in row[self.fields :]):
                row = row[: self.fields]  # a delimiter at the end of every row
            if len(row) == self.fields and any(_holds_number(cell) for cell in row):
                kept.append(row)
            elif self._is_header(row):
                self._keep(kept)
                kept = []
                self._header(_distinct([clean_name(cell) for cell in row]), self.line + at + 1)
            elif not row[0].lstrip().startswith("#") and not all(map(is_absent, row)):
                self.left_out[width] = self.left_out.get(width, 0) + 1
        self._keep(kept)

    def _is_header(self, row: list[str]) -> bool:
        if any(_holds_number(cell) for cell in row):
            return False
        names = _distinct([clean_name(cell) for cell in row])
        if names == self.names:
            return True
        if not self.names or not any(classify(n).is_judged for n in names):
            return False
        return names[0] == self.names[0] or all(map(_is_name, row))

    def _header(self, names: tuple[str, ...], line: int) -> None:
        if names == self.names:
            if self.rows and (not self.breaks or self.breaks[-1] != self.rows):
                self.breaks.append(self.rows)
            return
        self._close()
        if len(self.tables) > MAX_TABLES:
            raise ReadError(f"the header changes more than {MAX_TABLES} times, last in line {line}", "")
        self._begin(names, len(names))
        self.first_line = line

    def _keep(self, rows: list[list[str]]) -> None:
        if not rows:
            return
        for column, cells in zip(self.columns, zip(*rows, strict=True), strict=True):
            column.read(cells, self.rows)
        self._count(len(rows), rows[-_REMEMBERED:])

    def _count(self, rows: int, last: list[list[str]]) -> None:
        self.rows += rows
        self.cells += rows * self.fields
        self.before = [row for row in last if len(row) == self.fields]
        if self.cells > MAX_CELLS:
            raise ReadError(
                f"has more than {MAX_CELLS:,} values", "log every epoch in place of every step, or split the file"
            )

    def _close(self) -> None:
        if not self.rows:
            return
        n = self.rows
        finished = [column.finish() for column in self.columns]
        text = frozenset(i for i, column in enumerate(self.columns) if column.is_text)
        self.tables.append(
            Table(
                names=self.names,
                columns=[values for values, _ in finished],
                logged=[logged for _, logged in finished],
                labels={i: self.columns[i].row_labels(n) for i in text if self.columns[i].labels is not None},
                text=text,
                breaks=tuple(self.breaks),
                first_line=self.first_line,
                left_out=self.left_out,
            )
        )
        self.rows = 0

    def end(self, last_line: str | None) -> None:
        """Finish the last table with a last line that has no line end, which may have been cut off anywhere."""
        row = split_line(last_line, self.delimiter) if last_line and last_line.strip() else None
        whole = row is None or self._is_whole(row)
        if row is not None and whole:
            self._sift([row])
        self._close()
        if self.tables and not whole:
            self.tables[-1].torn = True

    def _is_whole(self, row: list[str]) -> bool:
        """Whether a last line without a line end has all that the rows before it have."""
        if len(row) != self.fields:
            return False
        if not self.before:
            return True
        shapes = [[_shape(cell) for cell in other] for other in self.before]
        if any(all(_shape(cell) != other[i] for other in shapes) for i, cell in enumerate(row)):
            return False
        # A number cut off is still a number, but 5.1e-05 cut to 5.1 would read as an explosion.
        return len(row[-1].strip()) >= min(len(other[-1].strip()) for other in self.before) - 2


def _plain_numbers(cells: Sequence[str]) -> tuple[FloatArray, BoolArray | None]:
    """Return the numbers in cells that hold one or nothing, and where there is one; else raise ValueError."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells)), None
    except ValueError:
        values = np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float64)
        return values, np.array([cell != "" for cell in cells], dtype=bool)


def _shape(cell: str) -> str:
    if is_absent(cell):
        return "absent"
    return "number" if _holds_number(cell) else "text"


class _ColumnReading:
    """Takes the cells of one column, block by block."""

    __slots__ = ("labels", "logged", "memo", "numbers", "texts", "values")

    def __init__(self) -> None:
        self.values: list[FloatArray] = []
        self.logged: list[BoolArray | None] = []
        self.labels: list[tuple[int, list[str]]] | None = []
        self.memo: dict[str, float | str | None] = {}
        self.numbers = 0
        self.texts = 0

    def add(self, values: FloatArray, logged: BoolArray | None = None) -> None:
        """Add cells that hold numbers, or nothing where not logged."""
        self.values.append(values)
        self.logged.append(logged)
        self.numbers += len(values) if logged is None else int(np.count_nonzero(logged))

    def read(self, cells: Sequence[str], row: int) -> None:
        """Add the cells of the rows from `row` on, whatever they hold."""
        if self.labels is None and self.is_text:
            self.texts += len(cells)
            self.add(np.full(len(cells), np.nan), np.zeros(len(cells), dtype=bool))
            return
        try:
            self.add(*_plain_numbers(cells))
        except ValueError:
            self._read_mixed(cells, row)

    def _read_mixed(self, cells: Sequence[str], row: int) -> None:
        values = [math.nan] * len(cells)
        logged = np.ones(len(cells), dtype=bool)
        texts: list[str] = [""] * len(cells)
        found_text = 0
        for i, cell in enumerate(cells):
            if cell == "":
                logged[i] = False
                continue
            try:
                values[i] = float(cell)
                continue
            except ValueError:
                meaning = self._meaning(cell)
            if isinstance(meaning, float):
                values[i] = meaning
                continue
            logged[i] = False
            if meaning is not None:
                texts[i] = meaning
                found_text += 1
        self.add(np.array(values, dtype=np.float64), logged)
        self.texts += found_text
        if self.labels is not None and found_text:
            self.labels.append((row, texts))

    def _meaning(self, cell: str) -> float | str | None:
        """Return the number in a cell that is no plain one, its text, or None where nothing was logged."""
        if cell in self.memo:
            return self.memo[cell]
        meaning: float | str | None = None if is_absent(cell) else parse_number(cell)
        if meaning is None and not is_absent(cell):
            meaning = clean_name(cell)
        if len(self.memo) < MAX_LABELS:
            self.memo[cell] = meaning
        else:
            self.labels = None  # too many different texts to be names of anything
        return meaning

    @property
    def is_text(self) -> bool:
        """Whether the column holds more text than numbers."""
        return self.texts > self.numbers

    def finish(self) -> tuple[FloatArray, BoolArray | None]:
        """Return the values, and where there are any."""
        values = self.values[0] if len(self.values) == 1 else np.concatenate(self.values)
        if all(part is None for part in self.logged):
            return values, None
        return values, np.concatenate(
            [
                np.ones(len(v), dtype=bool) if part is None else part
                for v, part in zip(self.values, self.logged, strict=True)
            ]
        )

    def row_labels(self, rows: int) -> list[str]:
        """Return the text in each row; empty where the texts were too many."""
        texts = [""] * rows
        for start, block in self.labels or []:
            texts[start : start + len(block)] = block
        return texts
