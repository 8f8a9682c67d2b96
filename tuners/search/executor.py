"""Who runs trials: what the driver asks of it, whether it is this process or a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from recipes.config import Config
from tuners.search.records import Candidate, EpochReport, Outcome, Stop

#: Takes a line for the person in front of the search.
Say = Callable[[str], None]
#: Called in the driver's process with a trial's number and the end of an epoch; the answer reaches the trial, at once
#: or after one more epoch.
OnReport = Callable[[int, EpochReport], Stop | None]


class Executor(Protocol):
    """Runs trials, several at a time where it can."""

    #: How many trials it runs at a time; may change while a cluster grows or shrinks.
    slots: int

    def audit(self, config: Config, say: Say) -> None:
        """Look, where trials run, at what they begin with; what is wrong with it is said at once, or during `next`."""
        ...

    def submit(self, candidate: Candidate) -> None:
        """Take a trial; `next` runs it or waits for it."""
        ...

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        """Wait until one of the trials is over, and return its number and what has become of it.

        Epochs of all trials that run are reported meanwhile. A trial whose process or machine dies is run again, and
        fails after some attempts. Called only while there are trials.
        """
        ...

    def close(self) -> None:
        """End what still runs; called in any case, also after an interruption."""
        ...
