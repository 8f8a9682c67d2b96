"""Report -> workflow commands of GitHub Actions: annotations of the files that a job has looked at.

Escaping follows `actions/toolkit` (packages/core/src/command.ts). GitHub shows the first ten errors and the first
ten warnings of a step, so causes come before their effects, whatever the order of the runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from diagnose.finding import Finding, Severity
from diagnose.renderers import outline, wording
from diagnose.renderers.outline import Entry
from diagnose.report import Report, RunReport
from diagnose.run import Run

_COMMANDS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


def render(report: Report) -> str:
    """Return one annotation per finding and unreadable source, and a line that counts the runs."""
    told = [
        (root_or_effect, -entry.finding.severity.rank, _annotation(run, entry))
        for run in report.runs
        for root in outline.outline(run.findings)
        for root_or_effect, entry in [(0, root), *((1, effect) for effect in root.effects)]
    ]
    told.sort(key=lambda item: item[:2])
    lines = [command("error", [f"Cannot read {e.source}: {e.error}"], e.source, "kerasdx") for e in report.errors]
    lines += [line for _, _, line in told]
    # Nothing but words of our own: a name from a log may not start a command.
    return "\n".join([*lines, f"kerasdx: {wording.tally(report.runs) if report.runs else 'no runs'}"]) + "\n"


def command(name: str, message: Sequence[str], source: str, title: str, line: int | None = None) -> str:
    """Return a workflow command with a message of several lines; `source` is its file where it is one."""
    properties = {"file": source} if _is_file(source) else {}
    if line is not None:
        properties["line"] = str(line)
    properties["title"] = title
    written = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{'%0A'.join(map(_escape, message))}"


def _is_file(source: str) -> bool:
    return bool(source) and source != "-" and not _URI.match(source)


def _annotation(report: RunReport, entry: Entry) -> str:
    finding, run = entry.finding, report.run
    lines = [finding.summary]
    if finding.caused_by:
        lines.append(f"Caused by {', '.join(finding.caused_by)}.")
    lines += [wording.evidence(item, run.axis) for item in finding.evidence]
    lines += [f"Fix {i}: {fix.title}" for i, fix in enumerate(finding.fixes, 1)]
    if run.title != run.source:
        lines.insert(0, run.title)
    title = f"{finding.check} ({wording.sureness(finding.confidence)})"
    source, line = _place(run, finding)
    return command(_COMMANDS[finding.severity], lines, source, title, line)


def _place(run: Run, finding: Finding) -> tuple[str, int | None]:
    """Return the file that a finding is about, and the line of it that makes the first of its layers, if that is known.

    The source of a model may be a function, ``my_model.py:build``: its file is what comes before the colon.
    """
    file, _, _ = run.source.rpartition(":")
    if run.model is None or not file.endswith(".py"):
        return run.source, None
    lines = [run.model.by_name[name].line for name in finding.layers if name in run.model.by_name]
    return file, min((line for line in lines if line is not None), default=None)


def _escape(text: str) -> str:
    """Return text without the characters that end a command; wording spells out the line breaks of names."""
    return wording.printable(text).replace("%", "%25")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
