"""Trials a minute: ours with Monitor on beside plain KerasTuner, on the same configurations.

    python -m benchmarks.search rate [--trials N] [--rounds N] [--json FILE]

`mlp` on digits, five epochs a trial, in a process of its own on one processor core. The first search of ours draws the
configurations, and does not count; in each round all contestants go through the same ones, in an order that is drawn
anew. The time is that from the end of the first trial to that of the last: what each does once is left out, and what it
does around a trial is in it (proposing, building, tracing, logging, saving). It takes about eight minutes; the table is
printed after each round, so that one that is broken off has a figure.

A ratio above 1 says that ours has more trials a minute. It is the geometric mean over the rounds, and its interval that
of the mean of the logarithms (Student's t). Exit code 1: the ratio of Monitor on to KerasTuner is below 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import process
from benchmarks.search.estimates import mean, ratio, rounds
from benchmarks.search.pace import EPOCHS, per_minute

KERASTUNER, MONITORED, UNMONITORED = "kerastuner", "inline", "unmonitored"
TITLES = {KERASTUNER: "KerasTuner", MONITORED: "ours, Monitor on", UNMONITORED: "ours, Monitor off"}
_SEED = 0


def measured(kind: str, trials: int, core: str, listed: str = "-") -> dict[str, Any]:
    """Run one contestant."""
    return process.result("benchmarks.search.pace", [kind, str(trials), str(_SEED), core, listed], 60.0 * trials)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6, help="of each search")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures of each round")
    arguments = parser.parse_args(argv)
    if arguments.trials < 2 or arguments.rounds < 1:
        parser.error("at least two trials and one round")
    core = str(process.cores()[-1])
    rates: dict[str, list[float]] = {kind: [] for kind in TITLES}
    order = np.random.default_rng(_SEED)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "values.json"
        drawn = measured(MONITORED, arguments.trials, core)["values"]
        listed.write_text(json.dumps(drawn))
        for number in range(arguments.rounds):
            for kind in order.permutation(list(TITLES)):
                result = measured(kind, arguments.trials, core, str(listed))
                _check(kind, result, drawn)
                rates[kind].append(per_minute(result["ends"], 1))
                print(
                    f"round {number + 1} of {arguments.rounds}: {TITLES[kind]:<18} {rates[kind][-1]:.1f} a minute",
                    file=sys.stderr,
                    flush=True,
                )
            if arguments.json:
                arguments.json.write_text(json.dumps(rates, indent=1))
            print(f"{arguments.trials} trials of {EPOCHS} epochs, {rounds(number + 1)}, one processor core\n")
            print("\n".join(table(rates)), end="\n\n", flush=True)
    found = ratio(rates[MONITORED], rates[KERASTUNER])
    is_met = found.value >= 1
    print(f"Monitor on, not below KerasTuner: {found.told('.2f')}: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


def table(rates: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the table of the rounds so far."""
    yield "| search | trials a minute | ratio to KerasTuner |"
    yield "| --- | --- | --- |"
    for kind, title in TITLES.items():
        beside = "1" if kind == KERASTUNER else ratio(rates[kind], rates[KERASTUNER]).told(".2f")
        yield f"| {title} | {mean(rates[kind]).value:.1f} | {beside} |"


def _check(kind: str, result: dict[str, Any], drawn: Sequence[dict[str, Any]]) -> None:
    """See that it went through the same trials, and that none failed."""
    same = [{path: values[path] for path in drawn[0]} for values in result["values"]]
    if same != list(drawn):
        raise process.ProcessError(f"{kind}: its trials are not those that were drawn first")
    if set(result["states"]) - {"done", "COMPLETED"} or len(result["ends"]) != len(drawn):
        raise process.ProcessError(f"{kind}: trials ended as {', '.join(result['states'])}")


if __name__ == "__main__":
    sys.exit(main())
