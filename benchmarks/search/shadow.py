"""A search whose pruned trials go on to their end: what they would have come to.

    python -m benchmarks.search.shadow SPACE RECIPE/DATA SEED TRIALS STRATEGY CORE FILE

The driver decides as ever, and is told nothing of a trial from its decision on, as if it had ended there: so it holds
later trials against what a search would have seen.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.search.arm import confine
from benchmarks.search.problem import named
from recipes.config import Config
from tuners.search.executor import Executor, OnReport, Say
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop

SPACES = ("wide", "default")


class Shadow:
    """An executor that notes where trials would have been pruned, and lets them go on.

    Parameters
    ----------
    inner
        What runs them, in this process.
    objective
        Column that is to be as large as possible.
    """

    def __init__(self, inner: Executor, objective: str) -> None:
        self._inner, self._objective = inner, objective
        self._begun: dict[int, float] = {}
        self._best: dict[int, float] = {}
        #: Trial -> what it was when it would have been pruned.
        self.pruned: dict[int, dict[str, Any]] = {}
        #: Trial -> what has become of it, in the end.
        self.ended: dict[int, dict[str, Any]] = {}

    @property
    def slots(self) -> int:
        return self._inner.slots

    def audit(self, config: Config, say: Say) -> None:
        self._inner.audit(config, say)

    def submit(self, candidate: Candidate) -> None:
        self._begun[candidate.number] = time.perf_counter()
        self._inner.submit(candidate)

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        def ask(number: int, report: EpochReport) -> Stop | None:
            if number in self.pruned:
                return None
            value = report.logs.get(self._objective)
            if value is not None and value == value:
                self._best[number] = max(value, self._best.get(number, value))
            stop = on_report(number, report)
            if stop is None or stop.state is not State.PRUNED:
                return stop
            self.pruned[number] = {
                "epochs": report.epoch + 1,
                "seconds": time.perf_counter() - self._begun[number],
                "score": self._best.get(number),
                "reason": stop.reason,
            }
            return None

        number, outcome = self._inner.next(ask)
        self.ended[number] = {
            "state": str(outcome.state),
            "reason": outcome.reason,
            "score": outcome.score,
            "epochs": outcome.epochs,
            "seconds": time.perf_counter() - self._begun[number],
        }
        return number, self._as_pruned(number, outcome)

    def close(self) -> None:
        self._inner.close()

    def _as_pruned(self, number: int, outcome: Outcome) -> Outcome:
        """Return what the driver is to be told: what it would have been told, had the trial ended there."""
        then = self.pruned.get(number)
        if then is None:
            return outcome
        score = then["score"]
        return replace(
            outcome,
            state=State.PRUNED if score is not None else State.FAILED,
            reason=then["reason"],
            score=score,
            scores=() if score is None else (score,),
            epochs=then["epochs"],
        )


def run(space: str, name: str, seed: int, trials: int, strategy: str) -> dict[str, Any]:
    """Search, and return for each trial how it ended and where it would have been pruned."""
    from benchmarks.search import ours
    from benchmarks.search.samples import Samples

    problem = named(name, seed)
    samples = Samples.of(problem)
    shadows: list[Shadow] = []

    def wrap(inner: Executor) -> Executor:
        shadows.append(Shadow(inner, samples.objective))
        return shadows[0]

    wide = problem.space if space == "wide" else None
    ours.search_trials(problem, samples, trials=trials, wrap=wrap, strategy=strategy, wide=wide)
    (shadow,) = shadows
    return {
        "trials": [{"number": n, **ended, "pruned": shadow.pruned.get(n)} for n, ended in sorted(shadow.ended.items())]
    }


def main() -> int:
    space, name, seed, trials, strategy, core, file = sys.argv[1:]
    confine(int(core))
    Path(file).write_text(json.dumps(run(space, name, int(seed), int(trials), strategy)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
