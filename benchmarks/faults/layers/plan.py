"""Which runs there are, what each is called, and to which half each cause belongs."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.faults.configuration import Cause
from benchmarks.faults.layers.causes import CAUSES, FAMILIES
from benchmarks.faults.layers.tasks import TASKS
from benchmarks.faults.plan import Planned

PLAIN = "plain-"
"""The sound set-ups that all others are compared with."""


def runs(first: int | None = None) -> list[Planned]:
    """All runs, or so many of each cause; each cause's first comes first: a partial recording covers all causes."""
    rounds: dict[int, list[Planned]] = defaultdict(list)
    for cause in CAUSES:
        for place, (task, seed) in enumerate(_pairs(cause)[:first]):
            rounds[place].append(Planned(cause, TASKS[task], seed))
    planned = [run for place in sorted(rounds) for run in rounds[place]]
    return sorted(planned, key=lambda run: not run.cause.name.startswith(PLAIN))


def _pairs(cause: Cause) -> list[tuple[str, int]]:
    """Plain runs: every task with every seed. Others: the seeds alternate over the tasks."""
    tasks, seeds = cause.tasks, cause.seeds
    if cause.name.startswith(PLAIN):
        return [(task, seed) for seed in seeds for task in tasks]
    if len(tasks) < 3:
        return [(task, seed) for seed in seeds for task in tasks]
    return [(task, seeds[place % len(seeds)]) for place, task in enumerate(tasks)]


def halves() -> dict[str, str]:
    """Cause -> `tune` or `test`: every second cause of each family, in listed order, is the test half."""
    return {
        cause.name: ("tune", "test")[place % 2] for family in FAMILIES.values() for place, cause in enumerate(family)
    }
