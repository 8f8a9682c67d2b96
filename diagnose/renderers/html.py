"""Report -> HTML: one self-contained page, or a fragment for a notebook.

Nothing is loaded and nothing is run: no script, no font, no image from elsewhere; a policy in the page forbids it.
Jinja2 escapes all that goes into the templates; the drawings escape their own texts (see `svg`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from diagnose import __version__
from diagnose.finding import LayerTable, Outcome
from diagnose.renderers import comparison, layer_table, outline, plots, svg, wording
from diagnose.renderers.outline import Entry, Unseen
from diagnose.report import Report, RunReport

_POINTS = 800
_FINDINGS = 60
_PLOTS = 8
#: Runs beyond these stand in the table only; a page of hundreds of runs opens slowly and nobody reads it.
_RUNS_IN_FULL = 40
_COLUMNS, _ROWS = 60, 60
_MAPS = 7
_LAYERS = 1_000
_OVERLAID, _OVERLAY_POINTS = 8, 300


@dataclass(frozen=True)
class _Section:
    """One run as the template shows it."""

    anchor: str
    report: RunReport
    entries: tuple[Entry, ...]
    findings_left: int
    charts: tuple[tuple[str, Markup], ...]
    charts_left: int
    heat_maps: tuple[tuple[str, Markup], ...]
    layers: Sequence[layer_table.Row]
    size: str
    unseen: list[Unseen]
    failed: list[Outcome]
    passed: list[str]


@dataclass(frozen=True)
class _Comparison:
    """A ranking of runs as the template shows it."""

    siblings: comparison.Siblings
    chart: Markup
    swatches: tuple[Markup, ...]


def render(report: Report) -> str:
    """Return the report as a whole HTML page."""
    return _environment().get_template("page.html").render(_context(report))


def render_fragment(report: Report) -> str:
    """Return the report as HTML to be put into a page, as a notebook does."""
    return _environment().get_template("report.html").render(_context(report))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(svg.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        wording=wording,
        finding_anchor=finding_anchor,
        is_layer_table=lambda item: isinstance(item, LayerTable),
        layer_heads=layer_table.HEADS,
        layer_numbers=layer_table.NUMBERS,
    )
    return environment


def _context(report: Report) -> Mapping[str, Any]:
    in_full = _in_full(report)
    sections = {i: _section(i, report.runs[i]) for i in in_full}
    return {
        "version": __version__,
        "title": _title(report),
        "report": report,
        "tally": wording.tally(report.runs),
        "rows": comparison.summary_rows(report.runs),
        "titles": comparison.without_common_folder([r.run.title for r in report.runs]),
        "comparisons": [_comparison(s) for s in _siblings(report)],
        "sections": sections,
        "first_told": _first_told(sections.values()),
        "style": Markup(_style()),
    }


@functools.cache
def _style() -> str:
    return svg.stylesheet() + (svg.TEMPLATES / "page.css").read_text(encoding="utf-8")


def _title(report: Report) -> str:
    if len(report.runs) == 1:
        return f"{report.runs[0].run.title}: {report.runs[0].verdict}"
    return wording.tally(report.runs) if report.runs else "nothing could be read"


def _in_full(report: Report) -> list[int]:
    """Return the runs that get a section of their own: those with a fault before the others."""
    order = sorted(range(len(report.runs)), key=lambda i: not outline.is_sick(report.runs[i]))
    return sorted(order[:_RUNS_IN_FULL])


def _siblings(report: Report) -> tuple[comparison.Siblings, ...]:
    return comparison.siblings(report.runs, points=_OVERLAY_POINTS, curves=_OVERLAID)


def _section(index: int, report: RunReport) -> _Section:
    drawn = plots.plots(report, points=_POINTS, limit=_PLOTS)
    maps = plots.heat_maps(report, columns=_COLUMNS, rows=_ROWS)[:_MAPS]
    return _Section(
        anchor=f"run-{index + 1}",
        report=report,
        entries=outline.head(outline.outline(report.findings), _FINDINGS),
        findings_left=max(0, len(report.findings) - _FINDINGS),
        charts=tuple((p.title, Markup(svg.chart(p))) for p in drawn),
        charts_left=max(0, plots.count_plots(report) - _PLOTS),
        layers=[] if report.run.model is None else layer_table.rows(report.run.model)[:_LAYERS],
        size="" if report.run.model is None else layer_table.total(report.run.model),
        heat_maps=tuple((m.statistic.replace("_", " "), Markup(svg.heat_map(m))) for m in maps),
        unseen=outline.unseen(report.outcomes),
        failed=outline.failed(report.outcomes),
        passed=outline.passed(report.outcomes),
    )


def _first_told(sections: Iterable[_Section]) -> dict[str, tuple[str, str]]:
    """Return where each piece of code stands first on the page: code -> anchor of the finding, and its place in words.

    Sick runs of one folder mostly share their remedies: elsewhere a link stands for the code.
    """
    told: dict[str, tuple[str, str]] = {}
    for section in sections:
        for entry in outline.flatten(section.entries):
            place = f"finding {entry.number} of {section.report.run.title}"
            for fix in entry.finding.fixes:
                told.setdefault(fix.code, (finding_anchor(section.anchor, entry), place))
    return told


def finding_anchor(section: str, entry: Entry) -> str:
    """Return the id of a finding's part of the page."""
    return f"{section}-finding-{entry.number}"


def _comparison(siblings: comparison.Siblings) -> _Comparison:
    drawn = 0 if siblings.plot is None else len(siblings.plot.curves)
    return _Comparison(
        siblings=siblings,
        chart=Markup("" if siblings.plot is None else svg.overlay(siblings.plot)),
        swatches=tuple(Markup(svg.swatch(f"run-{i}")) for i in range(drawn)),
    )
