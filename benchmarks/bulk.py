"""How many ordinary logs a core reads and diagnoses per second, and what a log of a million rows costs.

    python -m benchmarks.bulk [--logs N] [--rows N]

Prints the figures beside the bars and the share of time that each check takes, and ends with 1 where a bar is
missed. Logs per second are taken from the processor time of all threads, the long log from the clock, which
needs an idle machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from diagnose.analyze import analyze
from diagnose.check import LoadedCheck, load_checks
from diagnose.finding import Finding
from diagnose.readers import read
from diagnose.run import Run

ROOT = Path(__file__).parents[1]
LOGS_PER_SECOND = 500
SECONDS, GIGABYTES = 5.0, 1.0
HEADER = "epoch,accuracy,loss,val_accuracy,val_loss"

#: Runs the command and says last on standard error what it took: memory at most in KiB, processor time in s.
CHILD = """
import resource, sys
from diagnose.cli import command
try:
    command.main(sys.argv[1:])
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--logs", type=int, default=1500)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many = many_logs(Path(folder), arguments.logs)
        long = long_log(Path(folder), arguments.rows)
    return 0 if many and long else 1


def write_log(path: Path, epochs: int, seed: int) -> None:
    """Write a log of one of many shapes: healthy, overfitting, stuck, noisy, diverging, NaN."""
    rng = np.random.default_rng(seed)
    epoch = np.arange(epochs)
    pace = rng.uniform(0.02, 0.5) * epochs
    loss = rng.uniform(0.02, 0.6) + np.exp(-epoch / pace)
    rise = rng.choice([0.0, 0.0, 0.01, -0.005])
    val_loss = loss + 0.05 + rise * np.maximum(epoch - epochs // 3, 0) * 50 / epochs
    noise = rng.choice([0.002, 0.01, 0.05])
    loss, val_loss = (np.abs(c + rng.normal(0, noise, epochs)) for c in (loss, val_loss))
    if seed % 20 == 0:
        loss[epochs // 2 :] = val_loss[epochs // 2 :] = np.nan
    columns = [epoch, np.exp(-loss), loss, np.exp(-val_loss), val_loss]
    np.savetxt(path, np.column_stack(columns), "%.9g", ",", header=HEADER, comments="")


def many_logs(folder: Path, count: int, epochs: int = 50) -> bool:
    """Read and diagnose `count` different logs; return whether the bar is met."""
    paths = [folder / f"run{seed}.csv" for seed in range(count)]
    for seed, path in enumerate(paths):
        write_log(path, epochs, seed)
    for path in paths[:5]:  # imports and caches
        list(map(analyze, read(path)))

    start = time.process_time()
    runs = [run for path in paths for run in read(path)]
    middle = time.process_time()
    for run in runs:
        analyze(run)
    end = time.process_time()

    rate = count / (end - start)
    reading = (middle - start) / (end - start)
    met = rate >= LOGS_PER_SECOND
    print(f"{count} logs of {epochs} epochs: {rate:.0f} a second and core (bar {LOGS_PER_SECOND}: {word(met)})")
    print(f"{(end - start) / count * 1000:.3f} ms a log: reading {reading:.0%}, analysis {1 - reading:.0%}")
    # Read anew: what checks share of a curve is worked out once for each run.
    print_shares([run for path in paths for run in read(path)])
    return met


def print_shares(runs: list[Run]) -> None:
    """Print how the time of the analysis is spread over the checks, the slowest first."""
    spent: defaultdict[str, float] = defaultdict(float)
    checks = [timed(check, spent) for check in load_checks()]
    start = time.process_time()
    for run in runs:
        analyze(run, checks=checks)
    whole = time.process_time() - start
    spent["(selection, needs, links)"] = whole - sum(spent.values())
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:<34} {seconds / whole:6.1%} {seconds / len(runs) * 1e6:8.1f} µs a log")


def timed(check: LoadedCheck, spent: dict[str, float]) -> LoadedCheck:
    """Return the check with its time added up under its id."""

    def function(run: Run, options: Any) -> Iterable[Finding]:
        start = time.process_time()
        try:
            return list(check.function(run, options))
        finally:
            spent[check.id] += time.process_time() - start

    return dataclasses.replace(check, function=function)


def long_log(folder: Path, rows: int) -> bool:
    """Diagnose one log of many rows in a process of its own; return whether both bars are met."""
    path = folder / "long.csv"
    write_log(path, rows, seed=1)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode > 1:
        raise SystemExit(done.stderr)
    memory, cpu = done.stderr.split()[-2:]
    gigabytes = int(memory) * 1024 / 1e9
    size = path.stat().st_size / 1e6
    print(f"a log of {rows:,} rows ({size:.0f} MB), whole process:")
    print(
        f"  {seconds:.2f} s (bar {SECONDS:g} s: {word(seconds < SECONDS)}), "
        f"of which {float(cpu):.2f} s of processor time"
    )
    print(f"  {gigabytes:.2f} GB at most (bar {GIGABYTES:g} GB: {word(gigabytes < GIGABYTES)})")
    return seconds < SECONDS and gigabytes < GIGABYTES


def word(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
