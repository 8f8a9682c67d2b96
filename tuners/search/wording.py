"""The words and numbers of a search, said the same way in the live table, the leaderboard and the page.

What is returned is plain text on one line; HTML has to escape it.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from diagnose.console import one_line
from diagnose.renderers.wording import number, printable, shorten
from tuners.search.records import State, TrialRecord

__all__ = [
    "NOTHING", "diagnosis", "duration", "health", "one_line", "score", "settings", "short_names", "sickness", "table",
    "value", "wrapped",
]  # fmt: skip

NOTHING = "-"
_TELLS_NOTHING = frozenset({"name", "kind", "type"})
#: How a reason begins: with a check, with a function of the user's (``my models/mine.py:build: ``), with an exception.
_CHECK = re.compile(r"([\w-]+) at epoch \d")
_FUNCTION = re.compile(r"(?:.*?\.py|[\w.]+):[^\W\d][\w.]*: ")
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception)\b")
_NO_MEMORY = "out of memory"
_EXHAUSTED = frozenset({"MemoryError", "ResourceExhaustedError"})
#: Characters of what names a kind of failure.
_KIND = 60


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return path -> its last part, with as many of the parts before as tell it from the others .

    Examples
    --------
    >>> short_names(["optimizer.learning_rate", "conv.width", "dense.width"])
    {'optimizer.learning_rate': 'learning_rate', 'conv.width': 'conv.width', 'dense.width': 'dense.width'}
    """
    parts = {path: _telling(path.split(".")) for path in paths}
    names = {}
    for path, own in parts.items():
        others = [other for key, other in parts.items() if key != path]
        size = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names[path] = printable(path if own in others else ".".join(own[-size:]))
    return names


def _telling(parts: list[str]) -> list[str]:
    """Return the parts of a path without a last one that tells nothing: ``optimizer.name`` is the optimizer."""
    return parts[:-1] if len(parts) > 1 and parts[-1] in _TELLS_NOTHING else parts


def value(item: Any) -> str:
    """Return the value of a setting: ``0.00316``, ``adam``, ``64``."""
    if item is None:
        return NOTHING
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, float):
        return number(item, 3)
    if isinstance(item, list | tuple):
        return ",".join(map(value, item))
    return printable(str(item))


def settings(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return ``learning_rate 0.003, dropout 0.2``; what has no name is left out."""
    return ", ".join(f"{names[path]} {value(item)}" for path, item in values.items() if path in names)


def score(item: float | None) -> str:
    """Return a score with four digits; a dash where there is none."""
    return NOTHING if item is None or not math.isfinite(item) else number(item)


def duration(seconds: float) -> str:
    """Return a time in two units at most: ``4.2 s``, ``25 s``, ``3 min``, ``1 h 20 min``, ``2 d 3 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def diagnosis(trial: TrialRecord) -> str:
    """Return what ails a trial in a word or two: ``healthy``, ``overfitting``, ``divergence``, ``out of memory``."""
    outcome = trial.outcome
    if outcome is None:
        return ""
    if outcome.state in (State.PRUNED, State.FAILED):
        return sickness(trial)
    if outcome.findings:
        more = len(outcome.findings) - 1
        return printable(str(outcome.findings[0].get("check", "?"))) + (f" +{more}" if more else "")
    return NOTHING if outcome.verdict == "unknown" else printable(outcome.verdict)


def sickness(trial: TrialRecord) -> str:
    """Return the kind of a trial's sickness, empty where it is not sick.

    That is the check or the fault that ended it (``divergence``, ``out of memory``, ``ValueError``, else how what was
    told begins), or its first critical finding, which stands before its effects.
    """
    if not trial.is_sick or trial.outcome is None:
        return ""
    if trial.outcome.state in (State.PRUNED, State.FAILED) and trial.outcome.reason:
        return printable(_kind(" ".join(trial.outcome.reason.split()))) or "failed"
    critical = (finding.get("check") for finding in trial.outcome.findings if finding.get("severity") == "critical")
    return printable(str(next(critical, None) or trial.outcome.state))


def _kind(reason: str) -> str:
    """Return what a reason has in common with those of the same kind."""
    if found := _CHECK.match(reason):
        return found[1]
    said = _FUNCTION.sub("", reason, count=1) if _FUNCTION.match(reason) else reason
    if found := _EXCEPTION.match(said):
        name = found[0].rpartition(".")[2]
        return _NO_MEMORY if name in _EXHAUSTED else name
    clause = re.split(r"[;,] ", said)[0]
    head, _, rest = clause.partition(": ")
    is_setting = bool(rest) and " " not in head  # what is wrong with it is told behind its name
    return shorten(clause if is_setting else head, _KIND)


def health(trial: TrialRecord) -> str:
    """Return how a trial is marked: ``healthy``, ``warning``, ``critical``, ``pruned``, ``failed``, ``running`` ..."""
    if trial.outcome is None:
        return "running"
    if trial.outcome.state in (State.PRUNED, State.FAILED):
        return str(trial.outcome.state)
    verdict = trial.outcome.verdict
    return verdict if verdict in ("healthy", "warning", "critical") else "healthy" if verdict == "info" else "unknown"


def table(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Return aligned lines, two spaces between columns; `right` says which columns are numbers."""
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(right))]
    lines = []
    for row in rows:
        cells = (
            " " * (width - cell_len(cell)) + cell if is_number else set_cell_size(cell, width)
            for cell, width, is_number in zip(row, widths, right, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return lines


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return text in lines of at most so many characters, all but the first indented; names stay whole."""
    return textwrap.wrap(text, max(20, width), subsequent_indent=indent, break_on_hyphens=False)
