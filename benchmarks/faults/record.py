"""Records the benchmark: `python -m benchmarks.faults.record`.

Runs whose facts are on disk are not trained again, so an interrupted recording goes on where it stopped.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
from multiprocessing import get_context
from pathlib import Path

FOLDER = Path(__file__).parent
RUNS = FOLDER / "runs"
RUNS_A_WORKER = 70
"""Keras loses a few megabytes with each model: workers are replaced now and then."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default=["*"], nargs="+", metavar="GLOB", help="runs by name: 'nan-*', '*--digits--1'"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="train also what is on disk")
    parser.add_argument("--verify-only", action="store_true", help="label what is on disk, train nothing")
    arguments = parser.parse_args()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    if not arguments.verify_only:
        _record(arguments.only, arguments.workers, arguments.again)
    _label()


def _record(patterns: list[str], workers: int, again: bool) -> None:
    from benchmarks.faults.plan import runs

    RUNS.mkdir(exist_ok=True)
    names = [run.name for run in runs() if any(fnmatch.fnmatch(run.name, p) for p in patterns)]
    names = [name for name in names if again or not (RUNS / f"{name}.json").exists()]
    begin = time.monotonic()
    with get_context("spawn").Pool(workers, _quiet, maxtasksperchild=RUNS_A_WORKER) as pool:
        for done, (name, outcome) in enumerate(pool.imap_unordered(_one, names), 1):
            print(f"{done}/{len(names)} {time.monotonic() - begin:6.0f} s  {name}  {outcome}", flush=True)


def _quiet() -> None:
    """One thread a worker: two workers then fill two cores, and results do not depend on the thread count."""
    os.nice(10)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _one(name: str) -> tuple[str, str]:
    """Records one run; an error is an outcome, so that one bad cause does not end the recording."""
    from benchmarks.faults.plan import runs
    from benchmarks.faults.training import record

    try:
        return name, f"{record(next(run for run in runs() if run.name == name), RUNS):.1f} s"
    except Exception as error:  # whatever Keras raises
        return name, f"{type(error).__name__}: {error}"


def _label() -> None:
    from benchmarks.faults.labels import write

    print(write(RUNS, FOLDER))


if __name__ == "__main__":
    main()
