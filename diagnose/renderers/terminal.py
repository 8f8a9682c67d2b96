"""Report -> text for a terminal: eighty columns, readable without colour and, if need be, in ASCII.

Only the widths of characters come from rich: its console, which would serve for little else, costs more to
import than a report costs to render.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells

from diagnose.blueprint import Blueprint
from diagnose.finding import Severity
from diagnose.fix import Fix
from diagnose.renderers import braille, comparison, layer_table, outline, plots, wording
from diagnose.renderers.outline import Entry
from diagnose.report import Report, RunReport, SourceError

_COLOURS = {
    "critical": "1;31",
    "warning": "1;33",
    "info": "36",
    "healthy": "1;32",
    "unknown": "1;35",
    "train": "94",  # the plain blue is hardly readable on black
    "validation": "33",
    "test": "35",
    "bold": "1",
    "dim": "2",
    "code": "36",
}

_ASCII = str.maketrans({
    "✓": "+", "✗": "X", "·": "-", "–": "-", "—": "-", "−": "-", "─": "-", "…": "~", "↳": "\\", "→": "->",
    "≥": ">=", "≤": "<=", "×": "x", "²": "^2", "√": "sqrt ", "Σ": "sum ", "∇": "grad ", "‖": "||",
    "σ": "sigma", "η": "eta", "Δ": "delta ", "λ": "lambda", "γ": "gamma", "β": "beta",
    "’": "'", "“": '"', "”": '"', "±": "+-",
})  # fmt: skip

#: Runs, findings, fixes and reasons beyond these are named or counted only, unless the report is verbose.
_RUNS_IN_FULL = 10
_FINDINGS_IN_FULL = 8
_FIXES_IN_FULL = 3
_REASONS = 3
_GRAVITY = ("critical", "warning", "info", "unknown", "healthy")
_WIDE = 100
_NARROW = 60
_MIN_WIDTH = 40
_FIX_INDENT = 11
#: Code is never wrapped, so it stands as far to the left as it can.
_CODE_INDENT = 4
_MIN_SOURCE = 20
_MAX_TEXT = 100
#: Layers of a table, unless the report is verbose, and the widths of its columns.
_LAYERS_IN_FULL, _MAX_LAYER_CELL, _MIN_LAYER_NAME = 24, 28, 8

#: A piece of a line: text and the name of its style.
Piece = tuple[str, str]


def render(report: Report, *, color: bool, width: int = 80, verbose: bool = False, ascii: bool = False) -> str:
    """Return the report as text.

    Parameters
    ----------
    report
        The report.
    color
        Whether to colour it; where not, it holds no escape sequence at all.
    width
        Columns of the terminal.
    verbose
        Whether to show every finding, fix and piece of code, and the healthy runs among several too.
    ascii
        Whether only ASCII can be shown.
    """
    page = _Page(color=color, width=max(width, _MIN_WIDTH), ascii=ascii)
    if len(report.runs) > 1:
        _summary_table(page, report.runs)
    in_full = _chosen(report.runs, verbose)
    for run in in_full:
        _run(page, run, verbose)
    left = sum(outline.is_sick(r) for r in report.runs) - sum(outline.is_sick(r) for r in in_full)
    if left:
        page.text(
            f"{wording.count(left, 'more run')} with findings in the table; --verbose shows all.",
            style="dim",
        )
        page.gap()
    _errors(page, report.errors)
    return page.finish()


def _chosen(runs: Sequence[RunReport], verbose: bool) -> list[RunReport]:
    """Return the runs to tell in full: all if verbose, else those not healthy, the sick before others."""
    if verbose or len(runs) == 1:
        return list(runs)
    notable = [r for r in runs if r.verdict != "healthy"]
    kept = sorted(notable, key=lambda r: _GRAVITY.index(r.verdict))[:_RUNS_IN_FULL]
    return [r for r in notable if r in kept]


class _Page:
    """Lines of styled text of a given width; every text passes through its `clean`."""

    def __init__(self, *, color: bool, width: int, ascii: bool) -> None:
        self.width = width
        self.ascii = ascii
        self._color = color
        self._lines: list[str] = []

    def clean(self, text: str) -> str:
        """Return text as it can be shown: control characters, and non-ASCII where need be, are spelled out."""
        text = wording.printable(text)
        if self.ascii and not text.isascii():
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
        return text

    def line(self, pieces: Iterable[Piece]) -> None:
        """Add one line that is known to fit."""
        self._lines.append("".join(self._ink(self.clean(text), style) for text, style in pieces).rstrip())

    def text(self, text: str, *, indent: int = 0, lead: str = "", lead_style: str = "", style: str = "") -> None:
        """Add a paragraph, wrapped; `lead` stands before its first line, the others hang under it."""
        lead = self.clean(lead)
        hang = indent + cell_len(lead)
        lines = wrap(self.clean(text), max(20, min(self.width, _MAX_TEXT) - hang)) or [""]
        self.line([(" " * indent, ""), (lead, lead_style), (lines[0], style)])
        for line in lines[1:]:
            self.line([(" " * hang, ""), (line, style)])

    def code(self, code: str, *, indent: int) -> None:
        """Add code line by line, never wrapped: it is there to be copied."""
        for line in code.expandtabs(4).strip("\n").splitlines():
            self.line([(" " * indent, ""), (line, "code")])

    def gap(self) -> None:
        """Add an empty line."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def finish(self) -> str:
        """Return the page, ended by one line break."""
        return "\n".join(self._lines).rstrip() + "\n"

    def _ink(self, text: str, style: str) -> str:
        if not self._color or not style or not text:
            return text
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of a text, none wider than `width` cells; a word too long for a line is cut."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        size = cell_len(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            lines.append(line)
        *full, word = chop_cells(word, width) if size > width else [word]
        lines.extend(full)
        line, used = word, cell_len(word)
    return [*lines, line] if line else lines


def shorten_left(text: str, width: int) -> str:
    """Return text of at most `width` cells, cut on the left: the end of a path tells files apart."""
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - 1:
        text = text[max(1, (cell_len(text) - width + 1) // 2) :]
    return "…" + text


def _sign(page: _Page, verdict: str) -> str:
    return wording.SIGNS[verdict][page.ascii]


def _summary_table(page: _Page, runs: Sequence[RunReport]) -> None:
    """Add the table of all runs; in a narrow terminal the source gives way, then the best epoch."""
    rows = comparison.summary_rows(runs)
    page.text(wording.tally(runs), style="bold")
    page.gap()
    titles = [page.clean(r.title) for r in rows]
    if max(map(cell_len, titles)) > _MIN_SOURCE:
        titles = comparison.without_common_folder(titles)
    heads = ("verdict", "source", "epochs", "leading finding", "best")
    cells = [
        (f"{_sign(page, r.verdict)} {r.verdict}", title, str(r.epochs), r.leading, page.clean(r.best))
        for r, title in zip(rows, titles, strict=True)
    ]
    widths = [max(cell_len(line[i]) for line in (heads, *cells)) for i in range(len(heads))]
    widths[3], widths[4] = min(widths[3], max(24, page.width // 3)), min(widths[4], 28)
    room = page.width - sum(widths) + widths[1] - 2 * (len(heads) - 1)
    if room < min(widths[1], _MIN_SOURCE):
        room += widths.pop() + 2
    widths[1] = max(10, min(widths[1], room))
    for line, style in zip((heads, *cells), ("dim", *(r.verdict for r in rows)), strict=True):
        fitted = [_fit(text, width) for text, width in zip(line, widths, strict=False)]
        fitted[1] = _fit(shorten_left(line[1], widths[1]), widths[1])
        fitted[2] = f"{line[2]:>{widths[2]}}"
        rest = "dim" if style == "dim" else ""
        page.line([(fitted[0], style), ("  " + "  ".join(fitted[1:]), rest)])
    page.gap()


def _fit(text: str, width: int) -> str:
    """Return text cut or filled to exactly `width` cells."""
    if cell_len(text) > width:
        text = chop_cells(text, width - 1)[0] + "…" if width > 1 else "…"[:width]
    return text + " " * (width - cell_len(text))


def _run(page: _Page, report: RunReport, verbose: bool) -> None:
    _header(page, report)
    if not report.run.is_planned:
        _plots(page, report)
    entries = outline.outline(report.findings)
    shown = entries if verbose else outline.head(entries, _FINDINGS_IN_FULL)
    told: dict[str, int] = {}
    for entry in shown:
        _finding(page, entry, report.run.axis, told, verbose)
    if not verbose:
        _further(page, outline.flatten(entries)[_FINDINGS_IN_FULL:])
    if report.run.model is not None and (report.run.is_planned or verbose):
        _layers(page, report.run.model, verbose)
    _unseen(page, report, verbose)
    page.gap()


def _header(page: _Page, report: RunReport) -> None:
    run = report.run
    page.text(
        f"{run.title}  ({run.format}, {wording.length(report)})",
        lead=f"{_sign(page, report.verdict)} {report.verdict}  ",
        lead_style=report.verdict,
        style="bold",
    )
    if not report.findings or all(f.severity == Severity.INFO for f in report.findings):
        page.text(report.summary, indent=2)
    elif report.best is not None:
        page.text(f"Best {wording.best(report.best, run.axis)}.", indent=2)
    for note in run.notes:
        page.text(note, indent=2, lead="note: ", lead_style="dim", style="dim")
    page.gap()


def _plots(page: _Page, report: RunReport) -> None:
    """Add the two most telling plots: side by side where they fit."""
    beside = page.width >= _NARROW
    width = min(page.width // 2 - 1, 58) if beside else page.width
    height = 9 if page.width >= _WIDE else 7
    drawn = plots.plots(report, points=braille.points(width), limit=2)
    if not drawn:
        _last_values(page, report)
        return
    if len(drawn) == 1 and beside:
        width = min(page.width, 72)
    columns = [braille.draw(p, width=width, height=height, ascii=page.ascii) for p in drawn]
    if not beside:
        columns = [[line for column in columns for line in column]]
    for lines in zip(*columns, strict=True):
        page.line([piece for line in lines for piece in _fit_pieces(page, line, width)])
    page.gap()


def _fit_pieces(page: _Page, pieces: Sequence[Piece], width: int) -> list[Piece]:
    """Return the pieces cut or filled to `width` cells, and two columns of space."""
    fitted: list[Piece] = []
    left = width
    for text, style in pieces:
        text = page.clean(text)
        if cell_len(text) > left:
            text = _fit(text, left) if left else ""
        fitted.append((text, style))
        left -= cell_len(text)
    return [*fitted, (" " * (left + 2), "")]


def _last_values(page: _Page, report: RunReport) -> None:
    """Add the values of a run too short for a curve."""
    values = [f"{s.name} {wording.number(float(s.values[-1]))}" for s in report.run.series if len(s)]
    if values:
        page.text(wording.names(values, 12), indent=2, lead="logged: ", lead_style="dim")
        page.gap()


def _finding(page: _Page, entry: Entry, axis: str, told: dict[str, int], verbose: bool) -> None:
    """Add a root cause in full, and its effects under it; `told` says which finding brought up which fix."""
    finding = entry.finding
    _title(page, entry, axis, indent=0)
    page.text(finding.summary, indent=4)
    for item in finding.evidence:
        page.text(wording.evidence(item, axis), indent=4, lead="- ", style="dim", lead_style="dim")
    in_full = 0 if finding.severity == Severity.INFO else _FIXES_IN_FULL
    shown = finding.fixes if verbose else finding.fixes[:in_full]
    for i, fix in enumerate(shown, 1):
        _fix(page, fix, i, told.get(fix.title), verbose)
    others = [fix.title for fix in finding.fixes[len(shown) :] if fix.title not in told]
    if others:
        page.text("; ".join(others), indent=4, lead="or:    " if shown else "fixes: ", lead_style="healthy")
    for fix in finding.fixes:
        told.setdefault(fix.title, entry.number)
    for effect in entry.effects:
        page.gap()
        _effect(page, effect, axis, told, verbose)
    page.gap()


def _title(page: _Page, entry: Entry, axis: str, indent: int) -> None:
    finding = entry.finding
    place = wording.place(finding, axis)
    parts = [place, wording.sureness(finding.confidence)]
    arrow = "↳ " if indent else ""
    page.text(
        f"{finding.check} ({'; '.join(p for p in parts if p)})",
        indent=indent,
        lead=f"{entry.number:>2} {arrow}{_sign(page, finding.severity.value)} {finding.severity.value}: ",
        lead_style=finding.severity.value,
        style="bold",
    )


def _fix(page: _Page, fix: Fix, number: int, told_at: int | None, verbose: bool) -> None:
    """Add a fix: in full once, by its title where another finding has brought it up."""
    again = told_at is not None and not verbose
    title = f"{fix.title} (see finding {told_at})" if again else fix.title
    page.text(title, indent=4, lead=f"fix {number}: ", lead_style="healthy", style="bold")
    if again:
        return
    page.text(wording.rationale(fix), indent=_FIX_INDENT)
    if fix.code and (verbose or number == 1):
        page.code(fix.code, indent=_CODE_INDENT)


def _effect(page: _Page, entry: Entry, axis: str, told: dict[str, int], verbose: bool) -> None:
    """Add an effect: what it is and rests on; of its fixes only those that are not proposed already."""
    finding = entry.finding
    _title(page, entry, axis, indent=4)
    page.text(f"caused by {', '.join(finding.caused_by)}", indent=9, style="dim")
    page.text(finding.summary, indent=9)
    for item in finding.evidence if verbose else finding.evidence[:1]:
        page.text(wording.evidence(item, axis), indent=9, lead="- ", style="dim", lead_style="dim")
    others = [fix for fix in finding.fixes if fix.title not in told]
    if verbose:
        for i, fix in enumerate(others, 1):
            _fix(page, fix, i, None, verbose)
    elif others:
        page.text(f"Should it stay once its cause is mended: {'; '.join(f.title for f in others)}.", indent=9)
    told.update({fix.title: entry.number for fix in others})


def _layers(page: _Page, model: Blueprint, verbose: bool) -> None:
    """Add the layer table; in a narrow terminal its last columns give way, in a long one its middle."""
    listed = layer_table.rows(model)
    first, left, last = layer_table.folded(listed, len(listed) if verbose else _LAYERS_IN_FULL)
    cells = [layer_table.HEADS, *(row.cells for row in (*first, *last))]
    widths = [min(_MAX_LAYER_CELL, max(cell_len(page.clean(row[i])) for row in cells)) for i in range(len(cells[0]))]
    shown = len(widths)
    while shown > 3 and sum(widths[:shown]) + 2 * shown > page.width:
        shown -= 1
    over = sum(widths[:shown]) + 2 * (shown - 1) - page.width
    widths[0] -= max(0, min(over, widths[0] - _MIN_LAYER_NAME))
    page.text(f"{wording.count(len(listed), 'layer')}: {layer_table.total(model)}", style="bold")
    page.line([(_layer_line(page, layer_table.HEADS[:shown], widths), "dim")])
    for row in first:
        page.line([(_layer_line(page, row.cells[:shown], widths), "dim" if row.is_frozen else "")])
    if left:
        page.text(f"… {wording.count(left, 'more layer')} (--verbose shows them)", indent=2, style="dim")
    for row in last:
        page.line([(_layer_line(page, row.cells[:shown], widths), "dim" if row.is_frozen else "")])
    page.gap()


def _layer_line(page: _Page, cells: Sequence[str], widths: Sequence[int]) -> str:
    written = []
    for head, cell, width in zip(layer_table.HEADS, cells, widths, strict=False):
        text = page.clean(wording.shorten(cell, width))
        padding = " " * (width - cell_len(text))
        written.append(padding + text if head in layer_table.NUMBERS else text + padding)
    return "  ".join(written)


def _further(page: _Page, entries: Sequence[Entry]) -> None:
    """Add in one paragraph what other findings there are."""
    if not entries:
        return
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.finding.check] = counts.get(entry.finding.check, 0) + 1
    listed = ", ".join(f"{check} ×{n}" if n > 1 else check for check, n in counts.items())
    page.text(f"{wording.count(sum(counts.values()), 'more finding')}: {listed} (--verbose shows them)")
    page.gap()


def _unseen(page: _Page, report: RunReport, verbose: bool) -> None:
    """Add what passed, what could not be looked at and how to log it, and checks that failed."""
    groups, passed = outline.unseen(report.outcomes), outline.passed(report.outcomes)
    missing = sum(len(group.checks) for group in groups)
    if passed or missing:
        text = f"{wording.count(len(passed), 'check')} passed"
        page.text(text + (f", {missing} could not look:" if missing else "."), style="dim")
    shown = groups if verbose else groups[:_REASONS]
    for group in shown:
        listed = wording.names(group.checks, len(group.checks) if verbose else 4)
        page.text(f"{group.reason} ({listed})", indent=2, lead="- ", style="dim", lead_style="dim")
    if len(shown) < len(groups):
        left = sum(len(group.checks) for group in groups[len(shown) :])
        page.text(f"- {left} for other reasons (--verbose tells them)", indent=2, style="dim")
    if verbose and passed:
        page.text(f"passed: {', '.join(passed)}", indent=2, style="dim")
    for outcome in outline.failed(report.outcomes):
        page.text(
            f"{outcome.check}: {outcome.reason}",
            lead=f"{_sign(page, 'critical')} check failed: ",
            lead_style="critical",
        )


def _errors(page: _Page, errors: Sequence[SourceError]) -> None:
    for error in errors:
        page.text(
            f"{error.source}: {error.error}",
            lead=f"{_sign(page, 'critical')} cannot read ",
            lead_style="critical",
        )
