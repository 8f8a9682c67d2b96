"""How a search goes on, for whoever waits for it: a live table in a terminal, a line for each trial in a pipe."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from diagnose import console as streams
from diagnose.renderers.wording import count, printable, shorten
from tuners.objective import Objective
from tuners.search import wording
from tuners.search.records import EpochReport, State, TrialRecord, ranked

#: Times a second that the table is drawn; more often it flickers, and costs the trainings.
_DRAWN = 4
#: Seconds between two lines on trials that are not over, in a pipe.
_PAUSE = 10.0
#: Rows of trials that run, and of the best.
_RUNNING, _BEST = 8, 5
#: Lines of a terminal that are not the table's.
_SPARE = 2
_DIAGNOSIS = 18
#: Columns that settings need to be of use.
_LEAST_SETTINGS = 14
#: Narrowest terminals have no room for the columns that are not about the score.
_NARROW = 60


@dataclass
class _Running:
    """A trial that is not over."""

    values: Mapping[str, Any]
    attempt: int
    begun: float
    first: EpochReport | None = None
    report: EpochReport | None = None
    score: float | None = None
    told: float = field(default=0.0)

    def left(self, now: float) -> float | None:
        """Return the seconds that it takes at most: it may be stopped early. None: not known yet.

        What it had trained before it began here, as one that goes on from another had, took none of its time.
        """
        if self.first is None or self.report is None:
            return None
        done = _share(self.report, 1)
        here = done - _share(self.first, 0)
        return (now - self.begun) * (1 - done) / here if here > 0 else None


class LiveTable:
    """Tells how far a search has come.

    Parameters
    ----------
    console
        Where to; a terminal gets a table, anything else lines.
    objective
        What trials are judged by.
    space
        Path -> description of each hyperparameter.
    trials
        At most so many; None: no limit.
    seconds
        The search may take so long from here on; None: no limit.

    Notes
    -----
    To be used in a ``with`` statement, which takes the table down whatever happens, and leaves its last state.
    """

    def __init__(
        self,
        console: Console,
        objective: Objective,
        space: Mapping[str, Mapping[str, Any]],
        *,
        trials: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self._console, self._objective = console, objective
        self._most, self._seconds = trials, seconds
        self._paths = dict.fromkeys(space)
        self._names = wording.short_names(self._paths)
        self._is_ascii = streams.needs_ascii(cast(TextIO, console.file))
        self._running: dict[int, _Running] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._here: list[float] = []  # seconds of the trials of this process
        self._lock = threading.RLock()  # the table is drawn by a thread of its own
        self._live: Live | None = None
        self._is_over = False
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._begun = self._told = time.monotonic()
        if self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.quiet:
            self._live = Live(
                console=self._console, get_renderable=self._drawn, refresh_per_second=_DRAWN, redirect_stdout=False,
                redirect_stderr=False, vertical_overflow="crop",
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._is_over = True
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
        else:
            self._tell(self._headline())

    def resumed(self, records: Iterable[TrialRecord]) -> None:
        """Take the trials that an earlier process has finished."""
        with self._lock:
            for record in records:
                self._ended[record.number] = record
                self._learn(record.values)
            found = len(self._ended)
        if found:
            self.note(f"going on after {count(found, 'trial')}")

    def started(self, number: int, values: Mapping[str, Any], attempt: int = 1) -> None:
        """Take a trial that begins; `attempt` is more than 1 where its process or machine died."""
        now = time.monotonic()
        with self._lock:
            self._learn(values)
            self._running[number] = _Running(values, attempt, now, told=now)
        if attempt > 1:
            self.note(f"trial {number}: attempt {attempt}")

    def epoch(self, number: int, report: EpochReport) -> None:
        """Take the end of an epoch of a trial."""
        now = time.monotonic()
        with self._lock:
            trial = self._running.get(number)
            if trial is None:
                return
            trial.first, trial.report = trial.first or report, report
            value = report.logs.get(self._objective.name)
            if self._objective.is_better(value, trial.score):
                trial.score = value
            line = f"trial {number}: {_progress(report)}, {self._scored(trial.score)}"
        if self._live is None and now - max(self._told, trial.told) >= _PAUSE:
            self._tell(line)

    def ended(self, record: TrialRecord) -> None:
        """Take a trial that is over."""
        with self._lock:
            self._learn(record.values)
            self._running.pop(record.number, None)
            self._ended[record.number] = record
            if record.outcome is not None:
                self._here.append(record.outcome.seconds)
        if self._live is None:
            self._tell(self._line(record))

    def note(self, text: str) -> None:
        """Tell something that stays, above the table."""
        self._tell(text)

    def _learn(self, values: Mapping[str, Any]) -> None:
        """Name the hyperparameters that the space does not tell of, as those of a function of the user's."""
        if unknown := [path for path in values if path not in self._paths]:
            self._paths.update(dict.fromkeys(unknown))
            self._names = wording.short_names(self._paths)

    def _tell(self, text: str) -> None:
        """Print a line; in a pipe it is not broken, for programs read it."""
        self._told = time.monotonic()
        is_pipe = self._live is None
        self._console.print(self._plain(text), markup=False, highlight=False, emoji=False, soft_wrap=is_pipe)

    def _line(self, record: TrialRecord) -> str:
        """Return what is told of a trial that is over."""
        outcome = record.outcome
        assert outcome is not None
        facts = [self._scored(record.score)] if record.score is not None else []
        facts += [count(outcome.epochs, "epoch"), wording.duration(outcome.seconds)]
        if outcome.state is State.DONE and outcome.findings:
            facts.append(wording.diagnosis(record))
        reason = f"{wording.one_line(record.reason)}; " if record.reason else ""
        settings = wording.settings(record.values, self._names)
        return f"trial {record.number}: {reason}{', '.join(facts)}; {settings}"

    def _scored(self, score: float | None) -> str:
        return f"{printable(self._objective.name)} {wording.score(score)}"

    def _headline(self) -> str:
        """Return ``12 of 50 trials, best val_accuracy 0.983 (trial 7), 2 min, about 8 min left``."""
        with self._lock:
            done, best = len(self._ended), self._best()
            told = [f"{done} of {self._most} trials" if self._most else count(done, "trial")]
            if best:
                told.append(f"best {self._scored(best[0].score)} (trial {best[0].number})")
            told.append(wording.duration(time.monotonic() - self._begun))
            left = self._left()
        return ", ".join(told) + ("" if left is None else f", about {wording.duration(left)} left")

    def _left(self) -> float | None:
        """Return the seconds left: of the trials that are to come, or of the time, whichever ends first."""
        if self._is_over or not self._running:
            return None
        now, limits = time.monotonic(), []
        if self._seconds is not None:
            limits.append(max(0.0, self._begun + self._seconds - now))
        if self._most is not None and self._here:
            usual = statistics.median(self._here)
            spent = sum(min(usual, now - trial.begun) for trial in self._running.values())
            work = usual * max(0, self._most - len(self._ended)) - spent
            limits.append(max(0.0, work) / len(self._running))
        return min(limits, default=None)

    def _best(self) -> list[TrialRecord]:
        return ranked(self._ended.values(), self._objective)[:_BEST]

    def _drawn(self) -> Group:
        """Return the table, no higher than the terminal."""
        with self._lock:
            width, height = self._console.width, self._console.height
            lines = [self._plain(line) for line in self._table(width)]
        lines = lines[: max(1, height - _SPARE)]
        return Group(
            *(Text(_cut(line, width), no_wrap=True, style="" if i else "bold") for i, line in enumerate(lines))
        )

    def _table(self, width: int) -> Iterator[str]:
        yield from wording.wrapped(self._headline(), width)
        head = ("trial", "state", "epoch", "score", "diagnosis", "left")
        rows = [(self._cells(number, trial), trial.values) for number, trial in list(self._running.items())[:_RUNNING]]
        rows += [(self._cells_of(record), record.values) for record in self._best()]
        keep = range(len(head)) if width >= _NARROW else (0, 1, 2, 3)
        if rows:
            cells = [[row[i] for i in keep] for row in (head, *(row for row, _ in rows))]
            lines = wording.table(cells, [(True, False, True, True, False, True)[i] for i in keep])
            used = max(map(cell_len, lines)) + 2
            texts = ["settings", *(wording.settings(values, self._names) for _, values in rows)]
            for line, text in zip(lines, texts, strict=True):
                yield line + " " * (used - cell_len(line)) + text if width - used >= _LEAST_SETTINGS else line
        if sick := Counter(wording.sickness(record) for record in self._ended.values() if record.is_sick):
            yield "sick: " + ", ".join(f"{number} {kind}" for kind, number in sick.most_common())

    def _cells(self, number: int, trial: _Running) -> tuple[str, ...]:
        """Return the cells of a trial that is not over; the search may have ended it."""
        report, left = trial.report, trial.left(time.monotonic())
        state = "interrupted" if self._is_over else "running" if report else "starting"
        found = [str(finding.get("check", "?")) for finding in report.findings] if report else []
        diagnosis = printable(found[0]) + (f" +{len(found) - 1}" if len(found) > 1 else "") if found else ""
        return (
            str(number), state, _epochs(report), wording.score(trial.score), shorten(diagnosis, _DIAGNOSIS),
            "" if left is None or self._is_over else wording.duration(left),
        )  # fmt: skip

    def _cells_of(self, record: TrialRecord) -> tuple[str, ...]:
        epochs = "" if record.outcome is None else str(record.outcome.epochs)
        diagnosis = shorten(wording.diagnosis(record), _DIAGNOSIS)
        return str(record.number), str(record.state), epochs, wording.score(record.score), diagnosis, ""

    def _plain(self, text: str) -> str:
        """Return text as the stream can show it."""
        text = printable(text)
        return text.replace("…", "~").encode("ascii", "backslashreplace").decode() if self._is_ascii else text


def _share(report: EpochReport, ended: int) -> float:
    """Return the share of a trial that is done before the epoch of a report (`ended` 0), or after it (1)."""
    return (report.part + (report.epoch + ended) / report.epochs) / report.parts


def _epochs(report: EpochReport | None) -> str:
    """Return ``4/30``, of several trainings ``2: 4/30``."""
    if report is None:
        return ""
    part = f"{report.part + 1}: " if report.parts > 1 else ""
    return f"{part}{report.epoch + 1}/{report.epochs}"


def _progress(report: EpochReport) -> str:
    part = f"training {report.part + 1}/{report.parts}, " if report.parts > 1 else ""
    return f"{part}epoch {report.epoch + 1}/{report.epochs}"


def _cut(line: str, width: int) -> str:
    """Return as much of a line as fits; a line that is cut ends so that one can see it."""
    if cell_len(line) <= width:
        return line
    text = Text(line)
    text.truncate(width - 2)
    return f"{text.plain}.."
