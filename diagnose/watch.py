"""``diagnose --watch``: follow logs that still grow.

A poll costs one ``stat`` per log; only a log that changed is read again. A log may be missing at first, be
cut short or replaced by a new training, and end in half a line: none of these ends the watch or shows a false
finding.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from diagnose import console, news
from diagnose.readers.base import ReadError
from diagnose.readers.sources import expand
from diagnose.report import Report, SourceError, merge

#: Seconds between two searches of a folder for new logs.
RESCAN = 10.0
#: Polls for which a log that ends in half a line is left to be completed. Progress bars never complete one.
PATIENCE = 3

#: What tells that a file changed: time, size, and the inode, which a replacement changes.
Signature = tuple[tuple[str, int, int, int], ...]


@dataclass
class _Log:
    """What is known of one source."""

    source: str
    read: Signature = ()
    pending: Signature = ()
    deferred: int = 0
    report: Report = field(default_factory=lambda: Report(runs=()))

    def is_due(self, signature: Signature) -> bool:
        """Whether to read now: the log is whole, or has not changed for one poll, or never is whole."""
        if signature == self.pending or self.deferred >= PATIENCE or not _is_torn(self.source):
            return True
        self.pending = signature
        self.deferred += 1
        return False

    def update(self, report: Report, signature: Signature) -> None:
        """Take a new report; one without runs does not replace one that has them."""
        self.read, self.pending, self.deferred = signature, (), 0
        if report.runs or not self.report.runs:
            self.report = report


class Watch:
    """The logs that are followed, and the last report of each.

    Parameters
    ----------
    arguments
        Files and folders; they need not exist yet.
    diagnose
        Source -> report; puts what cannot be read into the report's errors.
    """

    def __init__(self, arguments: Sequence[str], diagnose: Callable[[str], Report]) -> None:
        self._arguments = arguments
        self._diagnose = diagnose
        self._logs: dict[str, _Log] = {}
        self._folders: dict[str, tuple[float, list[str]]] = {}

    def poll(self, *, final: bool = False) -> bool:
        """Read what changed and return whether anything did.

        Parameters
        ----------
        final
            Do not wait for half a line to be completed.
        """
        changed = False
        for source in [s for a in self._arguments for s in self._sources(a)]:
            log = self._logs.get(source)
            if log is None:
                log = self._logs[source] = _Log(source)
                changed = True
            signature = _signature(source)
            if signature and signature != log.read and (final or log.is_due(signature)):
                log.update(self._diagnose(source), signature)
                changed = True
        return changed

    def report(self) -> Report:
        """Return the last report of every log; one that never came is an error of it."""
        return merge([log.report if log.read else _absent(log.source) for log in self._logs.values()])

    def _sources(self, argument: str) -> list[str]:
        if not os.path.isdir(argument):
            return [argument]
        due, sources = self._folders.get(argument, (0.0, []))
        if time.monotonic() >= due:
            try:
                sources = expand(argument)
            except ReadError:  # no log in it yet
                sources = [argument]
            self._folders[argument] = (time.monotonic() + RESCAN, sources)
        return sources


def _absent(source: str) -> Report:
    return Report(runs=(), errors=(SourceError(source, "no log here yet; start the training or mend the path"),))


def _signature(source: str) -> Signature:
    """Return what changes with the source; empty where there is nothing."""
    files = [source]
    if os.path.isdir(source):
        files = [os.path.join(folder, name) for folder, _, names in os.walk(source) for name in names]
    return tuple(_stat(files))


def _stat(files: Sequence[str]) -> Iterator[tuple[str, int, int, int]]:
    for file in files:
        with contextlib.suppress(OSError):
            status = os.stat(file)
            yield file, status.st_mtime_ns, status.st_size, status.st_ino


def _is_torn(source: str) -> bool:
    """Whether the last line has no end yet."""
    try:
        with open(source, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # empty, a folder, or gone
        return False


class Display(Protocol):
    """Where a watch is shown."""

    def show(self, report: Report) -> bool:
        """Show what changed; False where nobody is there to see it any more."""

    def end(self, report: Report) -> None:
        """Show the last report."""


def follow(watch: Watch, display: Display, interval: float, pause: Callable[[float], None] = time.sleep) -> Report:
    """Poll until Ctrl-C (or SIGTERM, as ``timeout`` sends it) and return the last report."""
    with contextlib.suppress(KeyboardInterrupt), _terminable():
        watched = True
        while watched:
            if watch.poll():
                watched = display.show(watch.report())
            pause(interval)
    watch.poll(final=True)
    report = watch.report()
    display.end(report)
    return report


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the watch as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _title(report: Report) -> str:
    """What is being watched, in a line."""
    if len(report.runs) == 1:
        run = report.runs[0].run
        return f"watching {run.epochs} {run.axis}s of {run.title}"
    return f"watching {len(report.runs)} runs" if report.runs else ""


def _troubles(report: Report) -> list[str]:
    return [f"waiting for {e.source}: {e.error}" for e in report.errors]


class Lines:
    """For a pipe or a file: one line for each finding that is news, the whole report at the end.

    Parameters
    ----------
    deliver
        Writes the last report.
    save
        Writes every report to the output file, where the call names one.
    """

    def __init__(self, deliver: Callable[[Report], None], save: Callable[[Report], None]) -> None:
        self._deliver = deliver
        self._save = save
        self._news: dict[str, news.News] = {}
        self._said: set[str] = set()

    def show(self, report: Report) -> bool:
        """Append a line for each finding that is new, or got worse, and is settled (see `diagnose.news`)."""
        for trouble in _troubles(report):
            if trouble not in self._said:
                self._said.add(trouble)
                console.complain(trouble)
        self._save(report)
        lines = [
            news.line(finding, run.run, prefix=run.run.title)
            for run in report.runs
            for finding in self._news.setdefault(run.run.title, news.News()).tell(run)
        ]
        return console.write_out("\n".join(lines)) if lines else True

    def end(self, report: Report) -> None:
        """Write the last report as a call without ``--watch`` would."""
        self._deliver(report)


class Screen:
    """For a terminal: the report, drawn anew at each change, as much of it as fits.

    Parameters
    ----------
    render
        Report -> text.
    size
        Returns columns and lines; asked at each drawing, for windows are resized.
    """

    _HOME = "\x1b[H"
    _REST_OF_LINE = "\x1b[K"
    _REST_OF_SCREEN = "\x1b[J"
    _NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"

    def __init__(self, render: Callable[[Report], str], size: Callable[[], tuple[int, int]]) -> None:
        self._render = render
        self._size = size
        self._is_first = True

    def show(self, report: Report) -> bool:
        """Draw the top of the report and, below it, what is being watched."""
        columns, height = self._size()
        lines = self._render(report).rstrip("\n").split("\n") if report.runs else []
        below = [line for line in (*_troubles(report), _title(report)) if line]
        room = max(height - len(below) - 1, 1)
        if len(lines) > room:
            below[-1] = f"{len(lines) - room} more lines; {below[-1]}"
        footer = [console.one_line(f"Ctrl-C ends; {line}")[: columns - 1] for line in below]
        # One write without erasing the screen first: it does not flicker.
        drawn = "\n".join(f"{line}{self._REST_OF_LINE}" for line in (*lines[:room], *footer))
        return self._put(f"{self._HOME}{self._NO_WRAP}{drawn}{self._WRAP}{self._REST_OF_SCREEN}")

    def end(self, report: Report) -> None:
        """Leave the whole report on the screen."""
        self._put(f"{self._HOME}{self._REST_OF_SCREEN}")
        if report.runs:
            console.write_out(self._render(report))

    def _put(self, text: str) -> bool:
        if self._is_first:  # what stood on the screen scrolls up instead of being drawn over
            self._is_first = False
            text = "\n" * (self._size()[1] - 1) + text
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:  # the terminal was closed
            return False
        return True
