"""Records the benchmark of layers: `python -m benchmarks.faults.layers.record`.

Runs that were observed already are not trained again, so an interrupted recording goes on where it stopped.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RUNS_A_WORKER = 60
"""Keras loses a few megabytes with each model: workers are replaced now and then."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default=["*"], nargs="+", metavar="GLOB", help="runs by name: 'deep-*', '*--digits-5--1'"
    )
    parser.add_argument("--rounds", type=int, help="so many runs of each cause")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="train also what was observed already")
    parser.add_argument("--unwatched", action="store_true", help="observe only, write no logs: to try causes out")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder of facts, labels and logs")
    parser.add_argument("--verify-only", action="store_true", help="label what was observed, train nothing")
    arguments = parser.parse_args()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    if not arguments.verify_only:
        _record(arguments)
    from benchmarks.faults.layers.labels import write

    print(write(arguments.into))


def _record(arguments: argparse.Namespace) -> None:
    from benchmarks.faults.layers.facts import jsonable, read
    from benchmarks.faults.layers.plan import runs

    logs = None if arguments.unwatched else arguments.into / "runs"
    if logs:
        logs.mkdir(parents=True, exist_ok=True)
    arguments.into.mkdir(parents=True, exist_ok=True)
    file = arguments.into / "facts.jsonl"
    known = read(file)
    names = [run.name for run in runs(arguments.rounds) if any(fnmatch.fnmatch(run.name, p) for p in arguments.only)]
    if not arguments.again:
        names = [name for name in names if name not in known or (logs and not (logs / f"{name}.csv").exists())]
    begin = time.monotonic()
    work = [(name, logs) for name in names]
    with (
        get_context("spawn").Pool(arguments.workers, _quiet, maxtasksperchild=RUNS_A_WORKER) as pool,
        file.open("a", encoding="utf-8") as facts,
    ):
        for done, (name, found) in enumerate(pool.imap_unordered(_one, work), 1):
            said = found if isinstance(found, str) else f"{found['seconds']} s"
            print(f"{done}/{len(names)} {time.monotonic() - begin:6.0f} s  {name}  {said}", flush=True)
            if not isinstance(found, str):
                facts.write(json.dumps(jsonable(found), separators=(",", ":")) + "\n")
                facts.flush()
    _in_order(file)


def _in_order(file: Path) -> None:
    """Rewrites the facts with one line a run, by name: what an interrupted recording repeated is dropped."""
    from benchmarks.faults.layers.facts import read

    partial = file.with_suffix(".part")
    lines = (json.dumps(found, separators=(",", ":")) for _, found in sorted(read(file).items()))
    partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    partial.replace(file)


def _quiet() -> None:
    """One thread a worker: two workers then fill two cores, and results do not depend on the thread count."""
    os.nice(10)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _one(work: tuple[str, Path | None]) -> tuple[str, dict[str, Any] | str]:
    """Records one run; an error is an outcome, so that one bad cause does not end the recording."""
    from benchmarks.faults.layers.plan import runs
    from benchmarks.faults.layers.training import record

    name, logs = work
    try:
        return name, record(next(run for run in runs() if run.name == name), logs)
    except Exception as error:  # whatever Keras raises
        return name, f"{type(error).__name__}: {str(error)[:300]}"


if __name__ == "__main__":
    main()
