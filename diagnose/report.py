"""What an analysis found: the only contract between the analysis and the renderers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diagnose.finding import Finding, Outcome, Severity
from diagnose.run import Run


@dataclass(frozen=True)
class Best:
    """The best epoch by the run's own yardstick."""

    epoch: float
    metric: str
    value: float


@dataclass(frozen=True)
class RunReport:
    """The diagnosis of one run. Findings are ordered: root causes first, then by severity and epoch.

    `verdict` is ``healthy``, ``unknown`` (too little to judge), or the worst severity found.
    """

    run: Run
    verdict: str
    summary: str
    best: Best | None
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def source(self) -> str:
        """The source as the user named it."""
        return self.run.source


@dataclass(frozen=True)
class SourceError:
    """A source that could not be read: one line that says what, where and how to mend it."""

    source: str
    error: str


@dataclass(frozen=True)
class Report:
    """The diagnosis of all sources of one call."""

    runs: tuple[RunReport, ...]
    errors: tuple[SourceError, ...] = ()

    @property
    def worst(self) -> Severity | None:
        """The worst severity of all findings, or None."""
        found = [f.severity for r in self.runs for f in r.findings]
        return max(found, key=lambda s: s.rank, default=None)

    def reaches(self, limit: str) -> bool:
        """Whether a finding is of this severity or a worse one; ``never`` is reached by none."""
        worst = self.worst
        return limit != "never" and worst is not None and worst.rank >= Severity(limit).rank

    def to_dict(self) -> dict[str, Any]:
        """Return the report as the JSON document of schema ``kerasdx/1``."""
        from diagnose.renderers import json

        return json.to_dict(self)

    def _repr_html_(self) -> str:
        from diagnose.renderers import html

        return html.render_fragment(self)

    def __str__(self) -> str:
        from diagnose.renderers import terminal

        return terminal.render(self, color=False, width=80)


def merge(reports: Sequence[Report]) -> Report:
    """Return one report of the runs and errors of several, in order."""
    return Report(
        runs=tuple(r for report in reports for r in report.runs),
        errors=tuple(e for report in reports for e in report.errors),
    )
