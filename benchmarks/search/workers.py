"""Trials a minute of one worker and of two, on Ray, and in one process.

    python -m benchmarks.search workers [--trials N] [--rounds N] [--json FILE]

The trials of `rate`, with all processor cores for each contestant, which run one after the other in an order that is
drawn anew in each round. The time is that from the end of the second trial, when two workers have begun, to the end of
the last one; what comes before (Ray's start, the workers' imports) is told apart, as the seconds until the first trial
is over. It takes about eight minutes; the table is printed after each round, so that one that is broken off has a
figure.

The ratios are geometric means over the rounds; their intervals those of the mean of the logarithms (Student's t). Exit
code 1: the ratio of two workers to one is below 1.5.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import process
from benchmarks.search.estimates import mean, ratio, rounds
from benchmarks.search.pace import per_minute

KINDS = {"inline": "one process", "workers-1": "one worker", "workers-2": "two workers"}
BAR = 1.5
_SEED = 0
#: Trials that are over when the time begins: one for each of two workers.
_SKIPPED = 2


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=14, help="of each search")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures of each round")
    arguments = parser.parse_args(argv)
    if arguments.trials <= _SKIPPED or arguments.rounds < 1:
        parser.error("at least three trials and one round")
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    starts: dict[str, list[float]] = {kind: [] for kind in KINDS}
    order = np.random.default_rng(_SEED)
    for number in range(arguments.rounds):
        for kind in order.permutation(list(KINDS)):
            ends = measured(kind, arguments.trials)["ends"]
            rates[kind].append(per_minute(ends, _SKIPPED))
            starts[kind].append(ends[0])
            told = f"{KINDS[kind]:<12} {rates[kind][-1]:.1f} a minute, the first after {ends[0]:.1f} s"
            print(f"round {number + 1} of {arguments.rounds}: {told}", file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({"rates": rates, "first": starts}, indent=1))
        print(f"{arguments.trials} trials, {rounds(number + 1)}, {len(process.cores())} processor cores\n")
        print("\n".join(table(rates, starts)), end="\n\n", flush=True)
    found = ratio(rates["workers-2"], rates["workers-1"])
    is_met = found.value >= BAR
    print(f"two workers beside one: {found.told('.2f')}; bar {BAR}: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


def table(rates: Mapping[str, Sequence[float]], starts: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the table of the rounds so far."""
    yield "| search | trials a minute | ratio to one process | ratio to one worker | s until the first trial is over |"
    yield "| --- | --- | --- | --- | --- |"
    for kind, title in KINDS.items():
        ratios = [ratio(rates[kind], rates[other]).told(".2f") for other in ("inline", "workers-1")]
        yield f"| {title} | {mean(rates[kind]).value:.1f} | {' | '.join(ratios)} | {mean(starts[kind]).value:.1f} |"


def measured(kind: str, trials: int) -> dict[str, Any]:
    """Run one contestant."""
    return process.result("benchmarks.search.pace", [kind, str(trials), str(_SEED), "-", "-"], 60.0 * trials)


if __name__ == "__main__":
    sys.exit(main())
