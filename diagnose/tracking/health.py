"""A diagnosis as columns of a tracking store: numbers to sort and compare by, tags to filter by, a description."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from diagnose import __version__
from diagnose.check import Fault, load_checks
from diagnose.finding import Finding, Severity
from diagnose.renderers import markdown
from diagnose.report import RunReport

#: Before the slash stands what MLflow's UI gathers charts under.
PREFIX = "health/"
SCORE, FINDINGS = f"{PREFIX}score", f"{PREFIX}findings"
VERDICT, IDS, ROOT_CAUSE = "diagnosis.verdict", "diagnosis.findings", "diagnosis.root_cause"

#: The worst severity decides between which two scores a run lies. Our own choice: runs are to sort as verdicts do.
_BANDS = {Severity.CRITICAL: (0.0, 30.0), Severity.WARNING: (30.0, 75.0), Severity.INFO: (75.0, 99.0)}
#: Share of what is left of it that a finding of this severity takes off, times its confidence.
_COST = 0.5

#: Of a training that failed before there was anything to diagnose.
FAILED: Mapping[str, float] = {FINDINGS: 1.0, **{f"{PREFIX}{fault}": 0.0 for fault in Fault}, SCORE: 0.0}


@dataclass(frozen=True)
class Health:
    """A diagnosis as columns.

    Parameters
    ----------
    metrics
        ``health/score``, 100 for a healthy run down to 0 (absent where nothing could be judged); ``health/findings``,
        how many there are at warning or above; and for each `Fault` the worst severity found, 0 for none to 3 for
        critical, as ``health/unstable``.
    tags
        ``diagnosis.verdict``, ``diagnosis.findings``, ``diagnosis.root_cause``: ids of checks.
    note
        The short report and the first fix, in Markdown.
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    note: str


def health_of(report: RunReport) -> Health:
    """Return a diagnosis as columns."""
    faults = {check.id: check.declaration.fault for check in load_checks()}
    worst = dict.fromkeys(Fault, 0)
    for finding in report.findings:
        fault = faults.get(finding.check)
        if fault is not None:
            worst[fault] = max(worst[fault], _level(finding.severity))
    metrics: dict[str, float] = {FINDINGS: sum(_is_fault(finding) for finding in report.findings)}
    metrics |= {f"{PREFIX}{fault}": level for fault, level in worst.items()}
    if report.verdict != "unknown":
        metrics[SCORE] = score(report.findings)
    sick = {finding.check for finding in report.findings if _is_fault(finding)}
    # What only an info explains is as far as the faults go back.
    causes = [f.check for f in report.findings if _is_fault(f) and not sick.intersection(f.caused_by)]
    tags = {
        "kerasdx.version": __version__,
        VERDICT: report.verdict,
        IDS: ", ".join(dict.fromkeys(finding.check for finding in report.findings)),
        ROOT_CAUSE: next(iter(causes), ""),
    }
    return Health(metrics, tags, markdown.note(report))


def score(findings: tuple[Finding, ...]) -> float:
    """Return 100 for no finding; else a number in the band of the worst severity, the lower the more and the surer.

    It is ``low + (high - low) * product(1 - 0.5 * confidence)`` over the findings of that severity.
    """
    if not findings:
        return 100.0
    worst = max((finding.severity for finding in findings), key=lambda severity: severity.rank)
    low, high = _BANDS[worst]
    left = math.prod(1 - _COST * finding.confidence for finding in findings if finding.severity is worst)
    return round(low + (high - low) * left, 1)


def _level(severity: Severity) -> int:
    """Return 1 for info, 2 for warning, 3 for critical."""
    return severity.rank + 1


def _is_fault(finding: Finding) -> bool:
    return finding.severity.rank >= Severity.WARNING.rank
