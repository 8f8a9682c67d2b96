"""What is lost by stopping sick trials: those that would have become good.

    python -m benchmarks.search wrongly-stopped [--trials N] [--seeds N] [--data NAME] [--space wide|default]
                                                [--strategy NAME] [--jobs N] [--output FILE] [--report]
                                                [--budget-minutes N]

Searches with pruning on, whose pruned trials are trained to their end all the same (`shadow`). A trial is stopped
wrongly if it ends in the best quarter of its search: with a score at least as good as that of the trial that closes the
best quarter, each trial with the score of its end. Where many trials have that same score (36 validation samples have
few values) the best quarter holds more than a quarter of the trials, and more can be stopped wrongly: the column "as
good as the best quarter" tells how many.

A pruned trial keeps the score that it has. So of those stopped wrongly the ones count as lost that had not yet come to
the best quarter when they were stopped.

Exit code 1: more than 2 % of the stopped trials were stopped wrongly, or a search failed. Trials that became NaN have
no score and are no pruned ones.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import lines, process
from benchmarks.search.compare import PROBLEMS
from benchmarks.search.estimates import share
from benchmarks.search.shadow import SPACES

OUTPUT = Path("build/search-stopped.jsonl")
BAR = 0.02
_TOLERANCE = 1e-6


@dataclass
class Count:
    """Trials, and what stopping some of them saved and lost."""

    searches: int = 0
    trials: int = 0
    good: int = 0
    stopped: int = 0
    wrongly: int = 0
    lost: int = 0
    best_lost: int = 0
    epochs: int = 0
    epochs_saved: int = 0
    seconds: float = 0.0
    seconds_saved: float = 0.0
    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, searches: Iterable[Sequence[dict[str, Any]]]) -> Count:
        """Count the trials of some searches."""
        count = cls()
        for trials in searches:
            count._add(trials)
        return count

    def _add(self, trials: Sequence[dict[str, Any]]) -> None:
        bar = best_quarter(trials)
        self.searches += 1
        self.trials += len(trials)
        self.good += sum(_score(trial) >= bar for trial in trials)
        self.epochs += sum(trial["epochs"] for trial in trials)
        self.seconds += sum(trial["seconds"] for trial in trials)
        for trial in trials:
            if trial["pruned"]:
                self._add_stopped(trial, bar)
        best = max(map(_score, trials))
        self.best_lost += best > max(map(_kept, trials)) + _TOLERANCE

    def _add_stopped(self, trial: dict[str, Any], bar: float) -> None:
        then, is_wrong = trial["pruned"], _score(trial) >= bar
        self.stopped += 1
        self.wrongly += is_wrong
        self.lost += is_wrong and _kept(trial) < bar
        self.epochs_saved += trial["epochs"] - then["epochs"]
        self.seconds_saved += trial["seconds"] - then["seconds"]
        check = then["reason"].partition(" at epoch")[0]
        stopped, wrongly = self.reasons.get(check, (0, 0))
        self.reasons[check] = stopped + 1, wrongly + is_wrong


def best_quarter(trials: Sequence[dict[str, Any]]) -> float:
    """Return the score that closes the best quarter of the trials, those without a score among them as the worst."""
    scores = sorted(map(_score, trials), reverse=True)
    bar = scores[math.ceil(len(scores) / 4) - 1]
    return bar - _TOLERANCE if math.isfinite(bar) else -np.finfo(float).max  # no score is never good


def _score(trial: dict[str, Any]) -> float:
    return -math.inf if trial["score"] is None else float(trial["score"])


def _kept(trial: dict[str, Any]) -> float:
    """Return the score that a search has of it: of a pruned one that at its end."""
    if not trial["pruned"]:
        return _score(trial)
    score = trial["pruned"]["score"]
    return -math.inf if score is None else float(score)


def tables(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the report."""
    yield (
        "| space | data | searches | trials | as good as the best quarter | stopped | stopped wrongly | ... and lost | "
        "searches that lost their best | epochs saved | seconds saved |"
    )
    yield f"|{' --- |' * 11}"
    for space in dict.fromkeys(record["space"] for record in records):
        of_space = [record for record in records if record["space"] == space]
        for problem in sorted({record["problem"] for record in of_space}):
            yield _row(space, problem, [record for record in of_space if record["problem"] == problem])
        yield _row(space, "all", of_space)
    yield _row("both", "all", records)
    yield ""
    yield "| stopped for | trials | wrongly |"
    yield "| --- | --- | --- |"
    reasons = _count(records).reasons
    for check, (stopped, wrongly) in sorted(reasons.items(), key=lambda item: -item[1][0]):
        yield f"| `{check}` | {stopped} | {_share(wrongly, stopped)} |"


def _row(space: str, problem: str, records: Sequence[dict[str, Any]]) -> str:
    count = _count(records)
    cells = (
        space, problem, count.searches, count.trials, f"{count.good / count.trials:.0%}",
        _share(count.stopped, count.trials), _share(count.wrongly, count.stopped), _share(count.lost, count.stopped),
        count.best_lost, f"{count.epochs_saved / max(1, count.epochs):.0%}",
        f"{count.seconds_saved / max(1e-9, count.seconds):.0%}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _count(records: Iterable[dict[str, Any]]) -> Count:
    return Count.of(record["trials"] for record in records)


def _share(count: int, of: int) -> str:
    if not of:
        return "0 of 0"
    found = share(count, of)
    return f"{found.value:.1%} ({count}/{of}; {found.low:.1%}-{found.high:.1%})"


def planned(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what is to be run, seed by seed and data set by data set: both spaces of each come together."""
    for seed in range(arguments.seeds):
        for problem in PROBLEMS:
            for space in arguments.space or SPACES:
                if not arguments.data or {problem, problem.partition("/")[2]} & set(arguments.data):
                    yield {
                        "space": space,
                        "problem": problem,
                        "seed": seed,
                        "asked": arguments.trials,
                        "strategy": arguments.strategy,
                    }


def measured(task: dict[str, Any], core: int) -> dict[str, Any]:
    """Run a search and return its record."""
    given = (task["space"], task["problem"], task["seed"], task["asked"], task["strategy"], core)
    try:
        # No trial takes a minute.
        return {**task, **process.result("benchmarks.search.shadow", list(map(str, given)), 60.0 * task["asked"])}
    except process.ProcessError as error:
        return {**task, "error": str(error)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="of each search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", action="append", help="data set, or RECIPE/DATA; repeatable")
    parser.add_argument("--space", action="append", choices=SPACES)
    parser.add_argument("--strategy", default="random", choices=("random", "bayesian"))
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time, each on a processor core of its own")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--report", action="store_true", help="only the tables of what is there")
    process.add_budget(parser)
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.jobs <= len(process.cores()):
        parser.error(f"--jobs: there are {len(process.cores())} processor cores")
    wanted = list(planned(arguments))

    def there() -> list[dict[str, Any]]:
        known = [record for record in lines.read(arguments.output) if "error" not in record]
        return [record for record in known if any(task.items() <= record.items() for task in wanted)]

    def done(task: dict[str, Any], record: dict[str, Any]) -> None:
        lines.append(arguments.output, record)
        told = record.get("error") or f"{sum(bool(trial['pruned']) for trial in record['trials'])} stopped"
        print(f"{task['space']:<8} {task['problem']:<18} seed {task['seed']}  {told}", file=sys.stderr, flush=True)

    unbegun = 0
    if not arguments.report:
        known = there()
        left = [task for task in wanted if not any(task.items() <= record.items() for record in known)]
        unbegun = process.side_by_side(left, arguments.jobs, measured, done, 60 * arguments.budget_minutes)
    records = there()
    if not records:
        print(f"{arguments.output}: no such search in it", file=sys.stderr)
        return 1
    print("\n".join(tables(records)))
    count = _count(records)
    is_met = count.wrongly <= BAR * count.stopped
    print(f"\nstopped wrongly: {_share(count.wrongly, count.stopped)}; bar {BAR:.0%}: {'met' if is_met else 'MISSED'}")
    if unbegun:
        print(f"the minutes are over: {unbegun} of {len(wanted)} searches are left, for which the same command goes on")
    return 0 if is_met and len(records) + unbegun == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
