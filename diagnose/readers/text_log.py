"""Text logs that programs write in their own words, an epoch at a time.

``2023-05-15 20:39:04 INFO:Epoch 1: Train Loss=0.0218, Val Loss=0.0230``, nnU-Net's lines below ``Epoch 3``,
dictionaries printed by the Hugging Face Trainer, PyTorch's ``Epoch: [3][10/500] Loss 6.9 (6.95)``: a line names its
epoch or belongs to the epoch named last, and holds names with numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import classify
from diagnose.readers.rows import MAX_ROWS, Log, Row, runs_of
from diagnose.readers.text import NUMBER, lines_of, plain
from diagnose.run import Run

FORMAT = "text-log"

#: A line of a log is short; what is longer is data.
_MAX_LINE = 2000
#: Without epoch numbers, so many lines must repeat before they are taken for epochs.
_MIN_UNNUMBERED = 3

_EPOCH = re.compile(
    r"(?<![\w-])epoch['\"]?\s{0,9}[:=#-]?\s{0,9}[\[(]?\s{0,9}(\d{1,9}(?:\.\d{1,20})?)(?![\w.]*[a-z])", re.I
)
_STEP = re.compile(r"(?<![\w-])(?:step|iter|iteration)['\"]?\s{0,9}[:=#]?\s{0,9}[\[(]?\s{0,9}(\d{1,12})(?!\w)", re.I)
_ROUND = re.compile(r"^\s{0,99}\[(\d{1,9})(?:/\d{1,9})?\](?=\s)")

_MEASURED = (
    r"loss|acc|accuracy|error|err|auc|f1|dice|iou|mae|mse|rmse|mape|lr|rate|score|perplexity|ppl|reward|map|psnr|ssim"
    r"|acc@\d"
)
#: What follows a word is no character of one, so to give some back would find nothing (``+``: possessive).
_WORD = r"[A-Za-z][\w/.@-]{0,60}+"
_PAIR = re.compile(
    rf"""(?<![\w.])
    (?:(?P<name>{_WORD}(?:\ {_WORD}){{0,3}})['"]?\s{{0,9}}[:=]\s{{0,9}}
      |(?P<measured>(?:{_WORD}\ ){{0,2}}(?:\w{{1,60}}[_/-])?(?:{_MEASURED}))\s{{1,9}})
    (?:\[\s{{0,9}}(?P<list>(?:np\.float\d\d\()?(?:{NUMBER})\)?(?:,\s?(?:np\.float\d\d\()?(?:{NUMBER})\)?){{0,99}})\s{{0,9}}\]
      |(?:np\.float\d\d\()?(?P<number>{NUMBER})\)?
       (?:(?P<percent>\s?%)|/(?P<whole>\d{{1,12}})|\s{{0,3}}\(\s{{0,9}}(?P<average>{NUMBER})\s{{0,9}}\))?
       (?![\w]|\.\d))""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(rf"(?<![\w.])(?:{NUMBER})")
_SPLIT = r"train|training|val|valid|validation|test|testing|eval|evaluation|dev"
#: The phase that a line speaks of; a part of a path or of a module's name is none.
_PHASE = re.compile(rf"(?<![\w./\\-])({_SPLIT})(?![\w./\\-])", re.I)
_NAMES_SPLIT = re.compile(rf"(?:^|[\s_/-])({_SPLIT})(?:[\s_/-]|$)", re.I)
#: Lines that look back on epochs.
_RECORD = re.compile(r"(?<![a-z])(?:best|final|finished|early stopping|loaded|restor[a-z]+|resum[a-z]+)(?![a-z])", re.I)
_HEADER_WORDS = re.compile(r"[a-z]{3,}")


@dataclass
class _Line:
    """What one line tells."""

    epoch: float | None = None
    step: float | None = None
    values: dict[str, float] = field(default_factory=dict)


def matches(document: Document) -> bool:
    """Whether the head has epochs with a loss or a metric in them."""
    lines = _parsed(document.head_text.splitlines())
    return any(classify(name).is_judged for _, values in _log(lines, _axis(document)).rows for name in values)


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the trainings in the text."""
    log = _log(_parsed(lines_of(document)), _axis(document))
    return runs_of(document.source, FORMAT, [log], roles)


def _parsed(lines: Iterable[str]) -> Iterator[_Line]:
    return (line for line in map(_parse, lines) if line is not None)


def _axis(document: Document) -> str:
    """Return what the lines of the head are numbered by: ``epoch``, ``step``, or an empty string."""
    lines = [*_parsed(document.head_text.splitlines())]
    if any(line.epoch is not None for line in lines):
        return "epoch"
    return "step" if any(line.step is not None and line.values for line in lines) else ""


def _log(lines: Iterable[_Line], axis: str) -> Log:
    if not axis:
        return _unnumbered(line.values for line in lines)
    return Log(_numbered((line.epoch if axis == "epoch" else line.step, line.values) for line in lines), axis)


def _numbered(lines: Iterable[tuple[float | None, dict[str, float]]]) -> list[Row]:
    """Return a row for each number; a line without one belongs to the number before it.

    A log that was cut at its start begins within an epoch: what stands before the first number belongs to the
    epoch before it. Settings are printed there, too; they are told by their names, which no later epoch has.
    """
    current: float | None = None
    preamble: dict[str, float] = {}
    rows: list[tuple[float, dict[str, float]]] = []
    for number, values in lines:
        current = number if number is not None else current
        if current is None:
            preamble.update(values)
        elif rows and rows[-1][0] == current:
            rows[-1][1].update(values)
        elif values:
            rows.append((current, values))
            _check_length(rows)
    known = {name for _, values in rows for name in values}
    before = {name: value for name, value in preamble.items() if name in known}
    if before and rows[0][0] >= 1:
        rows.insert(0, (rows[0][0] - 1, before))
    return [*rows]


def _unnumbered(lines: Iterable[dict[str, float]]) -> Log:
    """Count the rows of a log that numbers none: one begins where a name comes again."""
    rows: list[dict[str, float]] = []
    for values in lines:
        if not rows or rows[-1].keys() & values.keys():
            rows.append({})
            _check_length(rows)
        rows[-1].update(values)
    rows = [row for row in rows if any(classify(name).is_judged for name in row)]
    if len(rows) < _MIN_UNNUMBERED:
        return Log([])
    note = "no epoch is numbered: the lines were counted from 1"
    return Log([(float(i), row) for i, row in enumerate(rows, start=1)], notes=(note,))


def _check_length(rows: Sized) -> None:
    if len(rows) > MAX_ROWS:
        raise ReadError(f"has more than {MAX_ROWS:,} lines with numbers", "log every epoch in place of every step")


def _parse(raw: str) -> _Line | None:
    if len(raw) > _MAX_LINE:
        return None
    text = plain(raw)
    pairs = [*_PAIR.finditer(text)]
    epoch = _EPOCH.search(text) or _ROUND.search(text)
    step = None if epoch else _STEP.search(text)
    if not (pairs or epoch):
        return None
    first = min(m.start() for m in (*pairs, epoch) if m)
    # "Best epoch: 3" is a name and a number, too.
    named = min(m.start() if m is epoch else max(m.end("name"), m.end("measured")) for m in (*pairs, epoch) if m)
    if _RECORD.search(text, 0, named):
        return None
    values = _values(text, pairs, first)
    if not values and not (epoch and _is_header(text[: epoch.start()])):
        return None
    return _Line(float(epoch[1]) if epoch else None, float(step[1]) if step else None, values)


def _is_header(before: str) -> bool:
    """Whether a line that names an epoch and no value begins it: only a time stamp and a level stand before it."""
    words = [word for word in _HEADER_WORDS.findall(before.lower()) if not _PHASE.fullmatch(word)]
    return all(word in ("info", "debug", "start", "starting", "begin", "beginning", "root", "main") for word in words)


def _values(text: str, pairs: list[re.Match[str]], first: int) -> dict[str, float]:
    phase = _PHASE.search(text, 0, first)
    values: dict[str, float] = {}
    for pair in pairs:
        name = (pair["name"] or pair["measured"]).strip()
        if _RECORD.search(name) or name.lower() in ("epoch", "step", "iter", "iteration"):
            continue
        if phase and not _NAMES_SPLIT.search(name):
            name = f"{phase[1].lower()} {name}"
        values[name] = _number(pair)
    return values


def _number(pair: re.Match[str]) -> float:
    """Return the value: the running average where it stands in parentheses, the mean of one value per class."""
    if pair["list"] is not None:
        numbers = [float(n) for n in _NUMBER.findall(re.sub(r"np\.float\d\d\(", "", pair["list"]))]
        return sum(numbers) / len(numbers) if numbers else float("nan")
    number = float(pair["average"] or pair["number"])
    whole = float(pair["whole"] or 0)
    return number / whole if whole else number
