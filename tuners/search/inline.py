"""Trials one after the other, in the process of the search."""

from __future__ import annotations

import gc
from collections import deque
from functools import partial

from recipes.config import Config
from tuners.audit import Audit
from tuners.search.executor import OnReport, Say
from tuners.search.records import Candidate, Outcome
from tuners.search.task import Datasets, run_candidate


class InlineExecutor:
    """Runs a trial when it is asked for the next one that is over.

    Parameters
    ----------
    datasets
        Of the search.
    """

    slots = 1

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._waiting: deque[Candidate] = deque()
        gc.freeze()  # a trial is followed by a garbage collection, which need not look at what was there before

    def audit(self, config: Config, say: Say) -> None:
        """Look before the first trial."""
        Audit(config, self._datasets.first, say).look_at_a_copy()

    def submit(self, candidate: Candidate) -> None:
        """Take a trial."""
        self._waiting.append(candidate)

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        """Run the trial that was taken first."""
        candidate = self._waiting.popleft()
        return candidate.number, run_candidate(candidate, self._datasets, partial(on_report, candidate.number))

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        gc.unfreeze()
