"""The side of a trial that runs in a worker process of Ray, and the mailbox between it and the driver.

No file system is shared: what a trial reads is handed to it, and what it leaves is handed back.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import gc
import os
import platform
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from recipes.config import Config
from recipes.errors import one_line
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop

#: Runs a trial, as `tuners.search.task.run_candidate` does.
Run = Callable[[Candidate, Any, Callable[[EpochReport], Stop | None]], Outcome]
#: Number of an attempt, of all attempts at all trials.
Key = int
#: Relative path -> content.
Files = Mapping[str, bytes]

#: A training waits at most so long, in seconds, for what the driver thinks of its last epoch.
_ANSWER = 2.0
#: What the operating system says where no trial could write.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: What has to be the same on all machines: the one writes what the other reads.
_SAME = ("kerasdx", "keras", "tensorflow", "numpy")


class OtherVersionsError(Exception):
    """A machine that has joined after the search began has other packages; the text is `differing`'s."""


@dataclass(frozen=True)
class Letter:
    """What a worker tells the driver.

    Parameters
    ----------
    number
        Of the letter, from 0.
    key
        Attempt that it comes from.
    report
        The end of an epoch; None: the trial has begun.
    """

    number: int
    key: Key
    report: EpochReport | None = None


class Mailbox:
    """An actor that keeps the letters of the workers for the driver, and its answers for them.

    Neither side waits for the other: a slow driver keeps no training waiting.
    """

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._next = 0
        self._stops: dict[Key, Stop] = {}
        self._has_come = asyncio.Event()

    async def post(self, key: Key, report: EpochReport | None) -> Stop | None:
        """Take a letter, and return what the driver has decided about the trial until now."""
        self._letters.append(Letter(self._next, key, report))
        self._next += 1
        self._has_come.set()
        return self._stops.get(key)

    async def take(self, seen: int, seconds: float) -> list[Letter]:
        """Return the letters from a number on, and drop those before; wait for one so many seconds at most."""
        while self._letters and self._letters[0].number < seen:
            self._letters.popleft()
        if not self._letters and seconds:
            self._has_come.clear()
            try:
                await asyncio.wait_for(self._has_come.wait(), seconds)
            except TimeoutError:
                return []
        return list(self._letters)

    async def stop(self, key: Key, stop: Stop) -> None:
        """Keep the answer to an attempt."""
        self._stops[key] = stop


@dataclass(frozen=True)
class Job:
    """An attempt at a trial.

    Parameters
    ----------
    candidate
        As the driver knows it: its folders are on the machine of the driver.
    key
        Number of the attempt.
    run
        Runs it; None: `tuners.search.task.run_candidate`.
    mailbox
        Handle of the actor.
    scratch
        Where temporary folders go on the machine of the driver, which clears it in the end.
    versions
        Of the driver, as `versions` returns them.
    """

    candidate: Candidate
    key: Key
    run: Run | None
    mailbox: Any
    scratch: str
    versions: Mapping[str, str]


def run_job(job: Job, begun: Files, parent: Files, datasets: Any) -> Outcome:
    """Run an attempt at a trial in a temporary folder, and return its outcome with all files that it left there.

    Parameters
    ----------
    job
        The attempt.
    begun, parent
        What is in the trial's folder already, and in that of the trial that it goes on from.
    datasets
        What it is trained on.

    Raises
    ------
    OtherVersionsError
        This machine has other packages than that of the driver.
    OSError
        The files cannot be written.
    """
    if difference := differing(job.versions, versions()):
        raise OtherVersionsError(difference)
    _ask(job, None)
    # A trial that is killed clears nothing; the driver does, on its machine.
    place = job.scratch if os.access(job.scratch, os.W_OK | os.X_OK) else tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="tune-", dir=place, ignore_cleanup_errors=True) as name:
        home = Path(name) / "trial"
        write_files(home, begun)
        candidate = replace(job.candidate, folder=home)
        if candidate.parent is not None:
            candidate = replace(candidate, parent=Path(name) / "parent")
            write_files(Path(name) / "parent", parent)
        outcome = _run(job, candidate, datasets)
        device = f"{outcome.device} on {platform.node()}" if outcome.device else platform.node()
        return replace(outcome, files={**read_files(home), **outcome.files}, device=device)


def _run(job: Job, candidate: Candidate, datasets: Any) -> Outcome:
    try:
        run = job.run or _real_run()
        return run(candidate, datasets, functools.partial(_ask, job))
    except (Exception, SystemExit) as error:  # which Ray would take for the death of the worker
        if is_disk_full(error):
            raise  # no trial is to blame
        told = {"error.txt": traceback.format_exc().encode("utf-8", errors="backslashreplace")}
        return Outcome(State.FAILED, f"{type(error).__name__}: {one_line(error)}", files=told)


def audited(config: Config, datasets: Any) -> list[str]:
    """Return what the audit says of the model of a configuration and its data: a line for a warning or worse."""
    from tuners.audit import Audit

    said: list[str] = []
    Audit(config, datasets.first, said.append).look_at_a_copy()
    return said


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that a disk takes no more, so that no other trial could write either."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@functools.cache
def _real_run() -> Run:
    from tuners.search.task import run_candidate

    gc.freeze()  # a trial is followed by a garbage collection, which need not look at TensorFlow
    return run_candidate


def _ask(job: Job, report: EpochReport | None) -> Stop | None:
    """Report the end of an epoch; about a millisecond, and where nobody answers the training goes on unjudged."""
    try:
        answer: Stop | None = ray.get(job.mailbox.post.remote(job.key, report), timeout=_ANSWER)
    except RayError:
        return None
    return answer


@functools.cache
def versions() -> dict[str, str]:
    """Return name -> version of what has to be the same on all machines."""
    found = {}
    for name in _SAME:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return what is not the same on this machine as on that of the driver, in a line; nothing where all is."""
    found = [f"{name} {theirs[name]}, not {version}" for name, version in ours.items() if theirs[name] != version]
    return f"{platform.node()} has {'; '.join(found)}: install the same versions on all machines" if found else ""


def compared(ours: Mapping[str, str]) -> str:
    """Return `differing` for the machine that this is called on."""
    return differing(ours, versions())


def read_files(folder: Path) -> dict[str, bytes]:
    """Return relative path -> content of all files in a folder but locks; of a folder that does not exist, nothing."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder: Path, files: Files) -> None:
    """Write what `read_files` returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
