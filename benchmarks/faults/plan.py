"""Which runs there are, what each is called, and to which half each cause belongs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from benchmarks.faults.causes import CAUSES, HELD_OUT
from benchmarks.faults.configuration import Cause, Task
from benchmarks.faults.tasks import TASKS


@dataclass(frozen=True)
class Planned:
    """One run: a cause on a task with a seed."""

    cause: Cause
    task: Task
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cause.name}--{self.task.name}--{self.seed}"

    @property
    def twin(self) -> tuple[str, int]:
        """What a plain run of the same data is known by."""
        return self.task.name, self.seed


def runs() -> list[Planned]:
    """All runs; every cause's first task and seed come first, so that a partial recording covers all causes."""
    rounds: dict[int, list[Planned]] = defaultdict(list)
    for cause in CAUSES:
        for place, (task, seed) in enumerate(_pairs(cause)):
            # The plain runs are the twins that all others are compared with.
            rounds[-1 if cause.name.startswith("plain-") else place].append(Planned(cause, TASKS[task], seed))
    return [run for place in sorted(rounds) for run in rounds[place]]


def _pairs(cause: Cause) -> list[tuple[str, int]]:
    """Plain runs and causes on few tasks: every task with every seed. Others: the seeds alternate over the tasks."""
    tasks, seeds = cause.tasks, cause.seeds
    if cause.name.startswith("plain-") or len(tasks) < 3:
        return [(task, seed) for seed in seeds for task in tasks]
    pairs = [(task, seeds[place % len(seeds)]) for place, task in enumerate(tasks)]
    if len(tasks) == 3 and len(seeds) > 1:
        pairs.append((tasks[0], seeds[1]))
    return pairs


def halves() -> dict[str, str]:
    """Cause -> `tune` or `test`: every second one of the causes that were written after the rules is the test half.

    The plain runs, which the others are compared with, are always in `tune`.
    """
    written_later = [cause.name for cause in HELD_OUT if not cause.name.startswith("plain-")]
    held_out = set(written_later[1::2])
    return {cause.name: "test" if cause.name in held_out else "tune" for cause in CAUSES}
