"""Report -> GitHub-flavoured Markdown, fit for a comment on a pull request.

Whatever comes from a log is escaped: it shows as it stands there, and starts no markup, HTML or mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from diagnose.fix import Fix
from diagnose.renderers import comparison, outline, wording
from diagnose.renderers.outline import Entry
from diagnose.report import Report, RunReport

_ICONS = {"healthy": "✅", "info": "ℹ️", "warning": "⚠️", "critical": "❌", "unknown": "❔"}
#: An underscore within a word starts no emphasis, and names are full of them.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK_START = re.compile(r"^\s*(?=[-+#=]|\d+[.)])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
#: GitHub refuses a comment of more than 65,536 characters.
_LIMIT = 60_000
_ROWS = 200
_FINDINGS_IN_FULL = 20
_FINDINGS_IN_NOTE = 5


def render(report: Report) -> str:
    """Return the report as Markdown, cut where a comment could not hold it."""
    blocks: list[str] = []
    left = _LIMIT
    for block in _blocks(report):
        left -= len(block) + 2
        if left < 0:
            blocks.append("The report is cut here: it is too long for a comment.")
            break
        blocks.append(block)
    return "\n\n".join(blocks) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    """Yield the parts of the report, each whole in itself, the important first."""
    yield _heading(report)
    if len(report.runs) > 1:
        yield _table(report.runs)
    if report.errors:
        lines = [f"- {code_span(e.source)}: {escape(e.error)}" for e in report.errors[:_ROWS]]
        yield "### Could not be read\n\n" + "\n".join(lines)
    for run in report.runs:
        if len(report.runs) == 1 or outline.is_sick(run):
            yield from _run(run)


def note(report: RunReport) -> str:
    """Return a run's verdict, the first fix and the leading findings: what is read beside a table of runs.

    Of a long text only the first lines are seen at once. Icons are left out: they need a font.
    """
    entries = outline.flatten(outline.outline(report.findings))
    if not entries:
        return f"**{report.verdict}**: {escape(report.summary)}"
    blocks = [f"**{report.verdict}: {_told(entries[0], report.run.axis)}"]
    fix = next((fix for entry in entries for fix in entry.finding.fixes), None)
    if fix is not None:
        blocks.append(f"How to fix it:\n\n{_fix(1, fix)}")
    lines = [f"- {e.finding.severity}: **{_told(e, report.run.axis)}" for e in entries[1:_FINDINGS_IN_NOTE]]
    if len(entries) > _FINDINGS_IN_NOTE:
        lines.append(f"- {wording.count(len(entries) - _FINDINGS_IN_NOTE, 'more finding')} in report.html")
    return "\n\n".join([*blocks, *(["Also:\n\n" + "\n".join(lines)] if lines else [])])


def _told(entry: Entry, axis: str) -> str:
    """Return a finding's check, its end of bold, where it is, how sure it is, and what it says."""
    finding = entry.finding
    place = wording.place(finding, axis)
    details = ", ".join([*([escape(place)] if place else []), wording.sureness(finding.confidence)])
    return f"{escape(finding.check)}** ({details}): {escape(finding.summary)}"


def escape(text: str) -> str:
    """Return text that shows as it is written, on one line."""
    text = _CONTROL.sub(" ", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A zero-width space keeps somebody of that name from being told of the comment.
    text = _MARKUP.sub(r"\\\g<0>", text).replace("@", "@\u200b")
    return _BLOCK_START.sub("&#8203;", text)


def code_span(text: str) -> str:
    """Return text as inline code, whatever backticks it has; a pipe is escaped as tables want it."""
    text = _CONTROL.sub(" ", text) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _cell(text: str) -> str:
    """Return inline code for a table: there a pipe ends the cell even in code, unless it is escaped."""
    return code_span(text.replace("|", "\\|"))


def _heading(report: Report) -> str:
    if not report.runs:
        return "## kerasdx: nothing could be read"
    return f"## kerasdx: {wording.tally(report.runs)}"


def _verdict(verdict: str) -> str:
    return f"{_ICONS[verdict]} {verdict}"


def _table(runs: Sequence[RunReport]) -> str:
    lines = ["| Verdict | Source | Epochs | Leading finding | Best |", "| --- | --- | ---: | --- | --- |"]
    rows = comparison.summary_rows(runs)
    for row in rows[:_ROWS]:
        best = _cell(row.best) if row.best else ""
        cells = (_verdict(row.verdict), _cell(row.title), str(row.epochs), escape(row.leading), best)
        lines.append(f"| {' | '.join(cells)} |")
    if len(rows) > _ROWS:
        lines.append(f"\n{wording.count(len(rows) - _ROWS, 'more run')}.")
    return "\n".join(lines)


def _run(report: RunReport) -> Iterator[str]:
    run = report.run
    yield f"### {_verdict(report.verdict)}: {code_span(run.title)}"
    facts = [escape(run.format), wording.length(report)]
    if report.best is not None:
        facts.append(f"best {escape(wording.best(report.best, run.axis))}")
    yield ", ".join(facts) + "."
    if not report.findings:
        yield escape(report.summary)
    for note in run.notes:
        yield f"_{escape(note)}_"
    entries = outline.flatten(outline.outline(report.findings))
    for entry in entries[:_FINDINGS_IN_FULL]:
        yield from _finding(entry, run.axis)
    if len(entries) > _FINDINGS_IN_FULL:
        yield wording.count(len(entries) - _FINDINGS_IN_FULL, "more finding") + "."
    yield from _unseen(report)


def _finding(entry: Entry, axis: str) -> Iterator[str]:
    finding = entry.finding
    place = wording.place(finding, axis)
    details = [escape(place)] if place else []
    details.append(wording.sureness(finding.confidence))
    if finding.caused_by:
        details.append(f"caused by {escape(', '.join(finding.caused_by))}")
    yield (
        f"**{entry.number}. {_verdict(finding.severity.value)}: {escape(finding.check)}** ({', '.join(details)})  \n"
        f"{escape(finding.summary)}"
    )
    yield "\n".join(f"- {escape(wording.evidence(item, axis))}" for item in finding.evidence)
    if finding.fixes:
        title = "Should it stay once its cause is mended" if finding.caused_by else "How to fix it"
        body = "\n".join(_fix(i, fix) for i, fix in enumerate(finding.fixes, 1))
        yield f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _fix(number: int, fix: Fix) -> str:
    lead = f"{number}. "
    text = f"{lead}**{escape(fix.title)}.** {escape(wording.rationale(fix))}"
    if not fix.code:
        return text
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", fix.code)), default=0))
    lines = [f"{fence}python", *fix.code.strip("\n").splitlines(), fence]
    indent = " " * len(lead)
    return text + "\n\n" + "\n".join((indent + line).rstrip() for line in lines) + "\n"


def _unseen(report: RunReport) -> Iterator[str]:
    groups, failed = outline.unseen(report.outcomes), outline.failed(report.outcomes)
    passed = len(outline.passed(report.outcomes))
    if not (groups or failed or passed):
        return
    missing = sum(len(group.checks) for group in groups)
    summary = f"{wording.count(passed, 'check')} passed"
    summary += f", {missing} could not look" if missing else ""
    summary += f", {len(failed)} failed" if failed else ""
    if not (groups or failed):
        yield summary + "."
        return
    lines = [f"- {escape(group.reason)} ({escape(', '.join(group.checks))})" for group in groups]
    lines += [f"- {escape(outcome.check)} failed: {escape(outcome.reason)}" for outcome in failed]
    body = "\n".join(lines)
    yield f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
