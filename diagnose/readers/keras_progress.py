r"""What Keras prints while it trains: the progress bar of ``verbose=1`` and the lines of ``verbose=2``.

Captured output holds every update of the bar, apart by ``\r``, ``\b`` or cursor movements, and whatever else the
program printed. The last update of an epoch counts; an epoch that did not end is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.rows import MAX_ROWS, Log, Row, runs_of
from diagnose.readers.text import NUMBER, lines_of, plain
from diagnose.run import Run

FORMAT = "keras-progress"

_MAX_NOTES = 3

_HEADER = re.compile(r"^\s*Epoch (\d{1,9})/(\d{1,9})\b\s*")
_BAR = re.compile(
    r"""^\s*
    (?:(?P<done>\d{1,12})/(?P<total>\d{1,12}|Unknown)\s*
       (?:\[[=>.\ ]*\]|[━╸╺]+|(?=-\s\d+s\b)|(?=\d+s\b))      # 5/10 [==>..]   5/10 ━━━   5/10 - 3s   5/Unknown 3s
      |(?:-\s)?(?=\d+s\s-\s))                                # verbose=2 of old:  - 3s - loss: ...
    (?P<rest>.*)$""",
    re.VERBOSE,
)
_DASH = re.compile(r"(?:^|\s)-\s")
_PAIR = re.compile(rf"\s*([^\s:][^:]{{0,199}}):\s*({NUMBER})(?=\s|$)")


@dataclass
class _Epoch:
    """What was seen of one epoch so far."""

    number: float
    total: str = ""
    done: int = 0
    complete: bool = False
    closed: bool = False
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Update:
    done: int
    total: str
    complete: bool
    values: dict[str, float]


def matches(document: Document) -> bool:
    """Whether the head has a line of Keras' progress bar with metrics in it."""
    return any(_update(part) is not None for line in document.head_text.splitlines() for part in _updates(line))


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the trainings that were printed."""
    rows: list[Row] = []
    breaks: list[int] = []
    notes: list[str] = []
    for epochs in _trainings(lines_of(document)):
        ended = _ended(epochs)
        if len(ended) < len(epochs):
            notes.append(f"epoch {epochs[-1].number:g} had not ended when the log did, and is left out")
        breaks.append(len(rows))
        rows += [(epoch.number, epoch.values) for epoch in ended]
        _check_length(rows)
    if not rows:
        raise ReadError(
            "is the output of a Keras training in which no epoch ended", "wait for the end of the first epoch"
        )
    return runs_of(document.source, FORMAT, [Log(rows, breaks=breaks, notes=tuple(notes[-_MAX_NOTES:]))], roles)


def _trainings(lines: Iterable[str]) -> Iterator[list[_Epoch]]:
    """Yield the epochs of each training: one whose numbers begin again is another."""
    epochs: list[_Epoch] = []
    headed = False
    for line in lines:
        for part in _updates(line):
            header = _HEADER.match(part)
            if header:
                number = float(header[1])
                if epochs and (not headed or number <= epochs[-1].number):
                    yield epochs
                    epochs = []
                if epochs and not epochs[-1].values:
                    epochs.pop()
                epochs.append(_Epoch(number))
                _check_length(epochs)
                headed = True
                part = part[header.end() :]
            update = _update(part)
            if update is None:
                continue
            if not epochs or (not headed and epochs[-1].complete and update.total == epochs[-1].total):
                epochs.append(_Epoch(len(epochs) + 1.0))
                _check_length(epochs)
            _take(epochs[-1], update)
    if epochs:
        yield epochs


def _check_length(epochs: Sized) -> None:
    if len(epochs) > MAX_ROWS:
        raise ReadError(f"prints more than {MAX_ROWS:,} epochs, too many for a training log")


def _take(epoch: _Epoch, update: _Update) -> None:
    """Take an update into its epoch, unless it belongs to the bar of an evaluation."""
    validated = any(name.startswith("val_") for name in update.values)
    epoch.total = epoch.total or update.total
    if update.total not in (epoch.total, "Unknown") and epoch.total != "Unknown" and not validated:
        return
    if epoch.complete and update.done < epoch.done:
        epoch.closed = True  # a bar that begins again after the epoch's end is evaluate() or predict()
    if epoch.closed and not validated:
        return
    epoch.done = update.done
    if update.total != "Unknown":
        epoch.total = update.total
    epoch.complete = update.complete
    epoch.values.update(update.values)


def _ended(epochs: list[_Epoch]) -> list[_Epoch]:
    """Return the epochs of a training without a last one that was under way when the log ended."""
    *before, last = epochs
    # Data that runs out early ends an epoch before its bar is full; then every epoch ends so.
    full = last.complete or any(e.done == last.done and not e.complete for e in before)
    # Killed in its validation, an epoch has a full bar and no val_loss.
    validated = not (before and before[-1].values.keys() - last.values.keys())
    return [e for e in (epochs if full and validated else before) if e.values]


def _updates(line: str) -> Iterator[str]:
    """Yield the states that a terminal would have shown one after the other on this line."""
    for part in re.split(r"[\r\b]+|\x1b\[\d*[AGKF]", line):
        text = plain(part)
        if text.strip():
            yield text


def _update(text: str) -> _Update | None:
    match = _BAR.match(text)
    if match is None:
        return None
    rest = match["rest"]
    pairs = filter(None, map(_PAIR.match, _DASH.split(rest)))
    values = {pair[1].strip(): float(pair[2]) for pair in pairs if pair[1] != "ETA"}
    if not values:
        return None
    if match["done"] is None:  # verbose=2 prints ended epochs only
        return _Update(0, "", True, values)
    done = int(match["done"])
    ended = match["total"] != "Unknown" and done >= int(match["total"]) and "ETA:" not in rest
    return _Update(done, match["total"], ended, values)
