"""A measurement in a process of its own, on a processor core of its own."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

_Task = TypeVar("_Task")
_Done = TypeVar("_Done")

#: Beside the time of the search: imports, data, the end of what is under way.
_MORE_SECONDS = 600.0
_SHOWN = 2000


class ProcessError(Exception):
    """A process that brought nothing; the text is the end of what it said."""


def result(module: str, arguments: Sequence[str], seconds: float = 0.0) -> dict[str, Any]:
    """Run a module, whose last argument is the file to write, and return what it has written there.

    What it prints is kept back: KerasTuner tells of each trial, with the traceback of those that fail.

    Raises
    ------
    ProcessError
        It ended with an error, or not at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, said = Path(folder) / "result.json", Path(folder) / "said"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        with said.open("wb") as stream:
            command = [sys.executable, "-m", module, *arguments, str(file)]
            try:
                code: Any = subprocess.run(
                    command, stdout=stream, stderr=stream, env=environment, timeout=seconds + _MORE_SECONDS
                ).returncode
            except subprocess.TimeoutExpired:
                code = "none: it was still running"
        if code or not file.exists():
            raise ProcessError(f"exit code {code}; {said.read_text(errors='replace')[-_SHOWN:]}")
        return json.loads(file.read_text())


def cores() -> list[int]:
    """Return the processor cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Let the command line say for how many minutes searches are begun."""
    parser.add_argument(
        "--budget-minutes",
        type=float,
        default=math.inf,
        metavar="N",
        help="begin no search after so many minutes; the same command goes on with those that are left",
    )


def side_by_side(
    tasks: Sequence[_Task],
    jobs: int,
    run: Callable[[_Task, int], _Done],
    done: Callable[[_Task, _Done], None],
    seconds: float = math.inf,
) -> int:
    """Run tasks, as many at a time as there are jobs, each with a processor core that no other has.

    Parameters
    ----------
    tasks, jobs
        Begun in their order.
    run
        (task, core) -> what came of it; called in a thread.
    done
        Called with each task and what came of it, one at a time.
    seconds
        After which no task is begun any more.

    Returns
    -------
    int
        How many tasks were not begun.
    """
    deadline, unbegun = time.monotonic() + seconds, 0
    free: SimpleQueue[int] = SimpleQueue()
    for core in cores()[:jobs]:
        free.put(core)

    def on_a_core(task: _Task) -> _Done | None:
        core = free.get()
        try:
            return run(task, core) if time.monotonic() < deadline else None
        finally:
            free.put(core)

    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(on_a_core, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                came = future.result()
                if came is None:
                    unbegun += 1
                else:
                    done(waiting[future], came)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return unbegun
