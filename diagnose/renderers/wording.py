"""The words and numbers of a report, said the same way by every renderer.

What is returned is plain text with names from the log in it; each renderer escapes it for its own medium.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

from diagnose.finding import Comparison, Evidence, Finding, Interval, LayerTable, Point
from diagnose.fix import Change, Edit, Fix
from diagnose.report import Best, RunReport

#: A sign beside the word, so that a verdict can be told without colour: (Unicode, ASCII).
SIGNS = {
    "healthy": ("✓", "+"),
    "info": ("i", "i"),
    "warning": ("!", "!"),
    "critical": ("✗", "X"),
    "unknown": ("?", "?"),
}

#: Control characters, those that turn the line around, and what no encoding can hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LAYERS_SHOWN = 5
#: From here on digits are grouped: they are sizes and no epochs.
_GROUPED = 10_000
_OPERATIONS = {
    "set": "set {path} to {value}",
    "multiply": "multiply {path} by {value}",
    "add": "add {value} to {path}",
}


def printable(text: str) -> str:
    """Return text on one line with nothing in it that steers a terminal: such characters are spelled out."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def number(value: float, digits: int = 4) -> str:
    """Return a number with about so many significant digits, without an exponent where it is easy to read."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    size = abs(value)
    if 1000 <= size < 1e6 and digits <= 4:
        return f"{value:.0f}"
    text = f"{value:.{digits}g}" if size == 0 or size >= 1e-4 else f"{value:.{max(1, digits - 1)}g}"
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if exponent else text


def ticks(values: Sequence[float], width: int) -> list[str]:
    """Return the numbers on an axis, each at most `width` characters, with the digits that tell them apart."""
    gap = min((b - a for a, b in itertools.pairwise(sorted(set(values)))), default=math.inf)
    for digits in range(4, 16):
        written = [number(value, digits) for value in values]
        if max(map(len, written), default=0) > width:
            break
        if all(abs(float(text) - value) <= 0.1 * gap for text, value in zip(written, values, strict=True)):
            return written
    return [_within(value, width) for value in values]


def _within(value: float, width: int) -> str:
    """Return a number with as many of four digits as `width` characters hold: cut, it would be another number."""
    return next((text for digits in (4, 3, 2) if len(text := number(value, digits)) <= width), number(value, 1))


def measured(value: float, unit: str = "") -> str:
    """Return a number with its unit."""
    return f"{number(value)} {unit}" if unit else number(value)


def count(n: int, noun: str, plural: str = "") -> str:
    """Return ``1 epoch``, ``2 epochs``, ``25,636,712 parameters``."""
    written = str(n) if n < _GROUPED else f"{n:,}"
    return f"{written} {noun}" if n == 1 else f"{written} {plural or noun + 's'}"


def sureness(confidence: float) -> str:
    """Return ``97 % sure``; only a certainty is called 100 %."""
    percent = 100 if confidence == 1 else min(99, round(100 * confidence))
    return f"{percent} % sure"


def evidence(item: Evidence, axis: str = "epoch") -> str:
    """Return one line of evidence: what was measured, the threshold, and where."""
    text = f"{item.label}: {measured(item.value, item.unit)}"
    if item.threshold is not None:
        text += f" (threshold {measured(item.threshold, item.unit)})"
    at = where(item, axis)
    return f"{text}; {at}" if at else text


def where(item: Evidence, axis: str = "epoch") -> str:
    """Return where a piece of evidence was measured: the curve or layers, and the epochs."""
    match item:
        case Point():
            return f"{item.series}, {axis} {item.epoch:g}"
        case Interval():
            return f"{item.series}, {axis}s {item.start:g} to {item.end:g}"
        case Comparison():
            at = "" if item.epoch is None else f", {axis} {item.epoch:g}"
            return f"{item.left_name} {number(item.left)}, {item.right_name} {number(item.right)}{at}"
        case LayerTable():
            rows = worst_first(item)
            shown = ", ".join(f"{layer} {number(value)}" for layer, value in rows[:_LAYERS_SHOWN])
            more = len(rows) - _LAYERS_SHOWN
            lead = "" if item.epoch is None else f"{axis} {item.epoch:g}: "
            return f"{lead}{shown}" + (f" and {count(more, 'more layer')}" if more > 0 else "")
        case _:
            return ""


def worst_first(table: LayerTable) -> list[tuple[str, float]]:
    """Return the rows of a layer table from the one that `value` names as the worst."""
    return sorted(table.rows, key=lambda row: _distance(row[1], table.value))


def _distance(value: float, worst: float) -> float:
    distance = abs(value - worst)
    return math.inf if math.isnan(distance) else distance


def place(finding: Finding, axis: str = "epoch") -> str:
    """Return where a finding holds: the epoch it began at and its layers; empty for the whole run."""
    parts = [] if finding.epoch is None else [f"{axis} {finding.epoch:g}"]
    if finding.layers:
        parts.append(names(finding.layers))
    return ", ".join(parts)


def names(items: Sequence[str], shown: int = _LAYERS_SHOWN) -> str:
    """Return names joined by commas, the tail counted."""
    more = len(items) - shown
    return ", ".join(items[:shown]) + (f" and {more} more" if more > 0 else "")


def shorten(text: str, length: int) -> str:
    """Return text of at most `length` characters, its middle cut: both ends of a layer's name tell it apart."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def best(item: Best, axis: str = "epoch") -> str:
    """Return ``val_loss 0.41 at epoch 12``."""
    return f"{item.metric} {number(item.value)} at {axis} {item.epoch:g}"


def length(report: RunReport) -> str:
    """Return how long the run was, ``60 epochs``; of what is not trained yet, how large it is."""
    run = report.run
    if not run.is_planned:
        return count(run.epochs, run.axis)
    parts = []
    if run.model is not None:
        parts += [count(len(run.model.layers), "layer"), count(run.model.parameters, "parameter")]
    if run.data is not None and run.data.samples is not None:
        parts.append(count(run.data.samples, "training sample"))
    return ", ".join(parts)


def change(item: Change) -> str:
    """Return one change of one setting in words, with the bounds of its outcome."""
    value = number(item.value) if isinstance(item.value, float) else str(item.value)
    text = _OPERATIONS[item.op].format(path=item.path, value=value)
    bounds = [("at least", item.low), ("at most", item.high)]
    limits = [f"{word} {number(limit)}" for word, limit in bounds if limit is not None]
    return f"{text} ({', '.join(limits)})" if limits else text


def edit(item: Edit) -> str:
    """Return one change of the model that was looked at, in words."""
    if item.op == "remove":
        return f"take {item.layer} out"
    value = number(item.value) if isinstance(item.value, float) else str(item.value)
    return f"set {item.setting} of {item.layer or 'the compilation'} to {value}"


def rationale(fix: Fix) -> str:
    """Return why a fix should work, what it treats where that is open, and what it costs."""
    sentences = [_sentence(fix.why)] if fix.why else []
    if fix.addresses:
        sentences.append(_sentence(f"For the case: {fix.addresses}"))
    if fix.cost:
        sentences.append(_sentence(f"Cost: {fix.cost}"))
    return " ".join(sentences)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def tally(reports: Sequence[RunReport]) -> str:
    """Return ``3 runs: 1 critical, 2 healthy``, the worst first."""
    verdicts = [r.verdict for r in reports]
    order = ("critical", "warning", "info", "unknown", "healthy")
    parts = [f"{verdicts.count(v)} {v}" for v in order if v in verdicts]
    return f"{count(len(reports), 'run')}: {', '.join(parts)}"
