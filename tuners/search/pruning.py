"""Which sick trials are ended early, and which are let go on because they may still become good.

A finding alone ends a trial only where there is no hope after it (`diagnose.Monitor.lost`). What is sick and may
recover is ended where it also is among the worse half: its best value so far is compared with what the other trials had
reached after as many epochs. What is among the best quarter is never ended, whatever was found, but for a loss that is
no number. How often a trial is ended that would have become good: ``python -m benchmarks.search wrongly-stopped``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from diagnose.run import Series
from tuners.objective import Objective
from tuners.search.records import EpochReport, State, Stop

#: Findings of trainings that seldom become good, where they are critical. Overfitting is not among them: it comes after
#: the best epoch, and early stopping waits for that.
SICK = frozenset(
    (
        "nan-loss",
        "divergence",
        "not-learning",
        "metric-stuck",
        "impossible-loss",
        "dying-relu",
        "vanishing-gradient",
        "exploding-gradient",
        "saturated-activation",
        "symmetric-weights",
        "frozen-weights",
        "learning-rate-too-high",
    )
)
#: So many other trials must have come as far before a trial is compared with them.
PEERS = 4
#: The best share of the trials, which is protected, and the share that is not bad enough to be ended.
PROTECTED, TOLERATED = 0.25, 0.5
#: There is no number to compare.
_NOT_A_NUMBER = "nan-loss"


class Pruning:
    """Decides for all trials of a search; knows how far each had come after each epoch.

    Parameters
    ----------
    objective
        What trials are judged by.
    is_on
        Whether sick trials are ended; if not, only a loss that is no number ends one.
    """

    def __init__(self, objective: Objective, *, is_on: bool = True) -> None:
        self._objective = objective
        self._is_on = is_on
        # (trial, part) -> best cost after each epoch
        self._bests: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)

    def report(self, number: int, report: EpochReport) -> Stop | None:
        """Take the end of an epoch, and return why the trial is to end; None where it goes on.

        Parameters
        ----------
        number
            Of the trial.
        report
            The epoch; those of a trial come in their order.
        """
        self._note(number, report)
        for finding in report.findings:
            if finding["check"] == _NOT_A_NUMBER and finding["lost"]:
                return Stop(State.FAILED, _reason(finding["check"], finding["epoch"], report.epoch))
        if not self._is_on:
            return None
        for finding in sorted(report.findings, key=lambda each: not each["lost"]):
            is_sick = finding["check"] in SICK and finding["severity"] == "critical"
            if (finding["lost"] or is_sick) and not self._is_spared(number, report, is_lost=finding["lost"]):
                return Stop(State.PRUNED, _reason(finding["check"], finding["epoch"], report.epoch))
        return None

    def recall(self, number: int, part: int, series: Iterable[Series]) -> None:
        """Take the curves of a training that ended before."""
        for each in series:
            if each.name == self._objective.name:
                for epoch, value in zip(each.epochs.tolist(), each.values.tolist(), strict=True):
                    self._note(number, EpochReport(part, part + 1, int(epoch), 0, {each.name: value}))

    def forget(self, number: int) -> None:
        """Leave a trial out that is to be run again."""
        for key in [key for key in self._bests if key[0] == number]:
            del self._bests[key]

    def rank(self, number: int, report: EpochReport) -> float | None:
        """Return the share of the other trials that had come further after as many epochs; None of too few."""
        mine = self._bests[number, report.part].get(report.epoch, math.inf)
        others = list(self._others(number, report))
        if len(others) < PEERS:
            return None
        return sum(other < mine or not math.isfinite(mine) for other in others) / len(others)

    def _note(self, number: int, report: EpochReport) -> None:
        value = report.logs.get(self._objective.name, math.nan)
        cost = self._objective.cost(value) if math.isfinite(value) else math.inf
        bests = self._bests[number, report.part]
        bests[report.epoch] = min(cost, bests.get(report.epoch - 1, math.inf))

    def _is_spared(self, number: int, report: EpochReport, *, is_lost: bool) -> bool:
        rank = self.rank(number, report)
        if rank is None:
            return not is_lost
        return rank < (PROTECTED if is_lost else TOLERATED)

    def _others(self, number: int, report: EpochReport) -> Iterable[float]:
        """Yield the best cost of each other trial after an epoch, in the same part; one that ended keeps its last."""
        for (other, part), bests in self._bests.items():
            if other != number and part == report.part and bests:
                epoch = min(report.epoch, max(bests))
                if epoch in bests:
                    yield bests[epoch]


def _reason(check: str, epoch: float | None, now: int) -> str:
    return f"{check} at epoch {now if epoch is None else epoch:g}"
