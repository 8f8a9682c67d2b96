"""Searches of equal time side by side, each in a process and on a processor core of its own.

    python -m benchmarks.search compare [--seconds S] [--seeds N] [--only ARM] [--data NAME] [--jobs N] [--output FILE]
                                        [--budget-minutes N]

What is done stands in the file, and is not done again. `report` makes tables of it. All searches of a data set and a
seed come one after the other, in an order that is drawn for them, so that no search has the busy hours of the machine;
first all data sets with the first seed. So whoever has an hour gets most of a seed with ``--budget-minutes 60``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import lines, process
from benchmarks.search.arm import names
from benchmarks.search.problem import PAIRS

OUTPUT = Path("build/search-bench.jsonl")
PROBLEMS = tuple("/".join(pair) for pair in PAIRS)


@dataclass(frozen=True)
class Task:
    """A search that is to be run."""

    arm: str
    problem: str
    seed: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {"arm": self.arm, "problem": self.problem, "seed": self.seed, "seconds": self.seconds}


def planned(arms: Sequence[str], problems: Sequence[str], seeds: int, seconds: float) -> Iterator[Task]:
    """Yield all searches, seed by seed and data set by data set: one that is broken off has all of most of them."""
    for seed in range(seeds):
        order = np.random.default_rng(seed)
        for problem in order.permutation(problems):
            for arm in order.permutation(arms):
                yield Task(str(arm), str(problem), seed, seconds)


def is_done(task: Task, records: Sequence[dict[str, Any]]) -> bool:
    """Whether a search is among the records, and has not failed."""
    wanted = task.to_dict()
    return any("error" not in record and wanted.items() <= record.items() for record in records)


def measured(task: Task, core: int) -> dict[str, Any]:
    """Run a search and return its record."""
    arguments = [task.arm, task.problem, str(task.seed), str(task.seconds), str(core)]
    try:
        result = process.result("benchmarks.search.arm", arguments, task.seconds)
    except process.ProcessError as error:
        result = {"error": str(error)}
    return {**task.to_dict(), **result}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45.0, help="of each search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=names(), help="a search; repeatable")
    parser.add_argument("--data", action="append", help="data set, or RECIPE/DATA; repeatable")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time, each on a processor core of its own")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    process.add_budget(parser)
    arguments = parser.parse_args(argv)
    problems = [name for name in PROBLEMS if not arguments.data or {name, name.partition("/")[2]} & set(arguments.data)]
    if not problems:
        parser.error(f"--data: one of {', '.join(PROBLEMS)}")
    if not 1 <= arguments.jobs <= len(process.cores()):
        parser.error(f"--jobs: there are {len(process.cores())} processor cores")
    records = lines.read(arguments.output)
    tasks = list(planned(arguments.only or names(), problems, arguments.seeds, arguments.seconds))
    left = [task for task in tasks if not is_done(task, records)]
    print(f"{len(tasks)} searches of {arguments.seconds:g} s, {len(left)} left, into {arguments.output}", flush=True)
    failed, number, begun = 0, 0, time.monotonic()

    def done(task: Task, record: dict[str, Any]) -> None:
        nonlocal failed, number
        lines.append(arguments.output, record)
        number += 1
        failed += "error" in record
        print(f"{number:>4}/{len(left)} {time.monotonic() - begun:>6.0f} s  {told(task, record)}", flush=True)

    unbegun = process.side_by_side(left, arguments.jobs, measured, done, 60 * arguments.budget_minutes)
    if unbegun:
        print(f"the minutes are over: {unbegun} searches are left, for which the same command goes on")
    return 1 if failed else 0


def told(task: Task, record: dict[str, Any]) -> str:
    """Return a line on a search that is over."""
    head = f"{task.problem:<18} seed {task.seed}  {task.arm:<24}"
    if "error" in record:
        return f"{head} FAILED: {record['error']}"
    best = f"{record['curve'][-1][1]:.4f}, test {record['curve'][-1][2]:.4f}" if record["curve"] else "no score"
    return f"{head} {len(record['fits']):>3} trainings begun, {record['objective']} {best}"


if __name__ == "__main__":
    sys.exit(main())
