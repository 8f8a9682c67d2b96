"""A plot as characters: training as a braille line, validation as ``o``, told apart without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diagnose.renderers.plots import Curve, Mark, Plot
from diagnose.renderers.wording import shorten, ticks
from diagnose.run import Split

#: Dots of a braille cell by (row, column), and the offset of the block in Unicode.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800
_LABEL_WIDTH = 8
#: Labels of a curve that hardly moves need more digits.
_WIDEST_LABEL = 12
_MOST_MARKS = 6

#: Style of what a cell shows; the terminal turns it into colour.
Cell = tuple[str, str]

_STYLES = {Split.TRAIN: "train", Split.VALIDATION: "validation", Split.TEST: "test"}
_GLYPHS = {Split.VALIDATION: "o", Split.TEST: "x"}


@dataclass(frozen=True)
class Symbols:
    """The characters of a drawing."""

    corner: str
    tick: str
    side: str
    floor: str
    mark: str
    guide: str
    line: str


UNICODE = Symbols(corner="└", tick="┤", side="│", floor="─", mark="▲", guide="┊", line="⠤⠤")
ASCII = Symbols(corner="+", tick="+", side="|", floor="-", mark="^", guide=":", line="..")


def draw(plot: Plot, *, width: int, height: int, ascii: bool) -> list[list[Cell]]:
    """Return the plot as lines of styled pieces, each line `width` cells wide at most.

    Parameters
    ----------
    plot
        The data, thinned out to about two points per column.
    width
        Columns of the whole drawing, labels included.
    height
        Rows of the area in which the curves lie.
    ascii
        Whether only ASCII can be shown.
    """
    symbols = ASCII if ascii else UNICODE
    labels = _labels(plot, height)
    label_width = max(_LABEL_WIDTH, *map(len, labels.values()))
    columns = width - label_width - 2
    marks = sorted(plot.marks, key=lambda m: m.number)[:_MOST_MARKS]
    grid = _Grid(columns, height, ascii)
    drawn = _line_splits(plot)
    for curve in plot.curves:
        if curve.split in drawn:
            grid.line(plot, curve)
    for curve in plot.curves:
        if curve.split not in drawn:
            grid.scatter(plot, curve)
    for mark in marks:
        grid.guide(_column(plot, mark.epoch, columns), symbols.guide)
    lines = [_legend(plot, symbols, drawn, width)]
    for row in range(height):
        side = symbols.tick if row in labels else symbols.side
        lines.append([(f"{labels.get(row, ''):>{label_width}} ", "dim"), (side, "dim"), *grid.row(row)])
    lines.append([(" " * (label_width + 1) + symbols.corner, "dim"), *_floor(plot, marks, columns, symbols)])
    lines.append([(" " * (label_width + 2) + _ends(plot, columns), "dim")])
    return lines


def _labels(plot: Plot, height: int) -> dict[int, str]:
    """Return the numbers on the value axis: row -> text."""
    rows = (0, height // 2, height - 1)
    values = [plot.y.at(1 - row / (height - 1)) for row in rows]
    return dict(zip(rows, ticks(values, _WIDEST_LABEL), strict=True))


def points(width: int) -> int:
    """Return how many points of a curve a drawing of this width can show."""
    return 4 * (width - _LABEL_WIDTH - 2)


def _line_splits(plot: Plot) -> frozenset[Split]:
    """Return the split drawn as a line: training, or whichever comes first where there is none."""
    return frozenset({plot.curves[0].split})


def _legend(plot: Plot, symbols: Symbols, drawn: frozenset[Split], width: int) -> list[Cell]:
    room = (width - (12 if plot.y.log else 1)) // len(plot.curves) - 5
    pieces: list[Cell] = [(" ", "")]
    for curve in plot.curves:
        glyph = symbols.line if curve.split in drawn else _GLYPHS[curve.split] * 2
        pieces += [(f" {glyph}", _STYLES[curve.split]), (f" {shorten(curve.name, max(4, room))} ", "bold")]
    if plot.y.log:
        pieces.append((" log scale", "dim"))
    return pieces


def _column(plot: Plot, epoch: float, columns: int) -> int:
    return round(float(plot.x.position(np.array(epoch))) * (columns - 1))


def _floor(plot: Plot, marks: Sequence[Mark], columns: int, symbols: Symbols) -> list[Cell]:
    """Return the x axis with the marks of the findings in it, each with its number."""
    row: list[Cell] = [(symbols.floor, "dim")] * columns
    for column, sharing in _gathered(plot, marks, columns):
        style = max(sharing, key=lambda m: m.severity.rank).severity.value
        text = symbols.mark + ",".join(str(m.number) for m in sharing)
        start = min(column, max(0, columns - len(text)))
        for i, character in enumerate(text[: columns - start]):
            row[start + i] = (character, style)
    return row


def _gathered(plot: Plot, marks: Sequence[Mark], columns: int) -> Iterator[tuple[int, list[Mark]]]:
    """Yield columns with the marks that share them; marks too near to stand apart are joined."""
    column, end = 0, -1
    sharing: list[Mark] = []
    for mark in sorted(marks, key=lambda m: m.epoch):
        at = _column(plot, mark.epoch, columns)
        if sharing and at > end:
            yield column, sharing
            sharing = []
        if not sharing:
            column = at
        sharing.append(mark)
        end = column + sum(len(str(m.number)) + 1 for m in sharing)
    if sharing:
        yield column, sharing


def _ends(plot: Plot, columns: int) -> str:
    left, right = f"{plot.x.low:g}", f"{plot.axis} {plot.x.high:g}"
    return left + right.rjust(columns - len(left))


class _Grid:
    """Cells of a drawing area: one curve as a line of dots, and glyphs and guides over and behind it."""

    def __init__(self, columns: int, rows: int, ascii: bool) -> None:
        self._columns = columns
        self._rows = rows
        self._ascii = ascii
        self._patterns = np.zeros((rows, columns), dtype=int)
        self._line_style = ""
        self._glyphs: dict[tuple[int, int], Cell] = {}
        self._guides: dict[int, str] = {}

    def line(self, plot: Plot, curve: Curve) -> None:
        """Draw a curve as connected dots."""
        weights = np.array([[1]] if self._ascii else _DOTS)
        down, across = weights.shape
        dots = np.zeros((self._rows * down, self._columns * across), dtype=int)
        x = plot.x.position(curve.epochs) * (dots.shape[1] - 1)
        y = (1 - plot.y.position(curve.values)) * (dots.shape[0] - 1)
        for i in np.flatnonzero(np.isfinite(y)):
            j = i + 1 if i + 1 < len(y) and np.isfinite(y[i + 1]) else i
            steps = int(max(abs(x[j] - x[i]), abs(y[j] - y[i]))) + 2
            at_y = np.rint(np.linspace(y[i], y[j], steps)).astype(int)
            dots[at_y, np.rint(np.linspace(x[i], x[j], steps)).astype(int)] = 1
        cells = dots.reshape(self._rows, down, self._columns, across)
        self._patterns = np.einsum("rdca,da->rc", cells, weights)
        self._line_style = _STYLES[curve.split]

    def scatter(self, plot: Plot, curve: Curve) -> None:
        """Put a glyph at each point; over a line in every other column only, so that both can be seen."""
        columns = np.rint(plot.x.position(curve.epochs) * (self._columns - 1))
        rows = np.rint((1 - plot.y.position(curve.values)) * (self._rows - 1))
        finite = np.isfinite(rows)
        for column, row in zip(columns[finite].astype(int), rows[finite].astype(int), strict=True):
            if not (column % 2 and self._patterns[row, column]):
                self._glyphs[row, column] = (_GLYPHS[curve.split], _STYLES[curve.split])

    def guide(self, column: int, symbol: str) -> None:
        """Draw a vertical guide where nothing else is."""
        self._guides[column] = symbol

    def row(self, row: int) -> list[Cell]:
        """Return the cells of one row."""
        return [self._cell(row, column) for column in range(self._columns)]

    def _cell(self, row: int, column: int) -> Cell:
        if (row, column) in self._glyphs:
            return self._glyphs[row, column]
        pattern = int(self._patterns[row, column])
        if pattern:
            return ("." if self._ascii else chr(_BRAILLE + pattern)), self._line_style
        return self._guides.get(column, " "), "dim"
