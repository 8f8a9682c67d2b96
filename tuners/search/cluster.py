"""Trials on Ray: in workers of this machine, or of a cluster.

The driver owns everything: it sends a trial as a task, takes its epochs and its answers through a mailbox
(`ray_worker`), and begins a trial whose process or machine died once more.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.config import Config
from recipes.errors import RecipeError, one_line
from tuners.search import ray_session
from tuners.search.executor import OnReport, Say
from tuners.search.records import Candidate, Outcome, State

if TYPE_CHECKING:
    from tuners.search.ray_worker import Letter, Run

#: A worker process keeps 4 to 8 MB of each trial, and takes some seconds to import TensorFlow: so many trials in one
#: process are some hundred MB, and the import a few hundredths of the time of even short trials.
TRIALS_PER_PROCESS = 40
#: The state of the cluster is looked at every so many seconds.
_LOOK = 2.0
#: How long no machine may have room for a trial before it is told, and before the search ends, in seconds.
_TELL, _GIVE_UP = 15.0, 600.0
#: How long the machines of a cluster are given to tell their versions, in seconds.
_COMPARE = 120.0
#: How long to wait before a machine is asked once more that has just come or gone, in seconds.
_SETTLE = 0.5


@dataclass
class _Attempt:
    """A trial that was sent to Ray, the number of the attempt being that of the trial's."""

    candidate: Candidate
    begun: Any
    parent: Any
    number: int
    key: int
    is_running: bool = False


@dataclass(frozen=True)
class _Wish:
    """How many GPUs a trial is to have, None being one, and whether it needs them."""

    gpus: float | None
    is_need: bool

    def granted(self, most: float, *, may_grow: bool) -> float:
        """Return how many a trial gets where no machine has more than so many.

        Raises
        ------
        RecipeError
            There are not so many, and there never will be.
        """
        if not most and not self.is_need:
            return 0.0
        wanted = min(1.0, most or 1.0) if self.gpus is None else self.gpus
        if wanted > most and not may_grow:
            there = f"this machine has {most:g}" if most else "Ray finds none on this machine"
            raise RecipeError(
                f"a trial needs {wanted:g} GPUs, and {there}; set training.devices to fewer, or "
                "training.accelerator to cpu"
            )
        return wanted


class RayExecutor:
    """Runs trials in processes of Ray, as many at a time as there is room for.

    Parameters
    ----------
    datasets
        Of the search; goes to each machine once.
    workers
        How many trials at a time; None: as many as the cluster has room for.
    address
        ``host:port`` of the head of a cluster that runs; None: a private one on this machine.
    cpus_per_trial
        Cores that a trial uses. None: of this machine, its share; of a cluster, one, and beside a GPU the cores that
        there are for each.
    gpus_per_trial
        GPUs that a trial gets where there are any; None: one; 0: none.
    needs_gpu
        Whether a trial is worth nothing without; else it gets none where no machine has one now.
    attempts
        How often a trial is begun whose process or machine dies.
    run
        What runs a trial, a function that workers can import; None: `tuners.search.task.run_candidate`.
    files
        The user's own Python files below the current folder, which are shipped to a cluster.

    Raises
    ------
    RecipeError
        Ray is not installed or does not start, the cluster does not answer, refuses the token, or has other versions
        of the packages; or this machine has not the GPUs that a trial needs.
    """

    def __init__(
        self,
        datasets: Any,
        *,
        workers: int | None,
        address: str | None,
        cpus_per_trial: float | None = None,
        gpus_per_trial: float | None = None,
        needs_gpu: bool = False,
        attempts: int = 3,
        run: Run | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        self._workers = workers or (1 if address is None else None)
        self._address, self._attempts, self._run = address, attempts, run
        self._running: dict[Any, _Attempt] = {}
        self._audit: tuple[Any, Say] | None = None
        self._keys = itertools.count()
        self._scratch = tempfile.TemporaryDirectory(prefix="tune-", ignore_cleanup_errors=True)
        self._is_open = False
        try:
            self._open(datasets, cpus_per_trial, _Wish(gpus_per_trial, needs_gpu), files)
        except BaseException:
            self.close()
            raise

    def _open(self, datasets: Any, cpus: float | None, wish: _Wish, files: Sequence[Path]) -> None:
        if self._address is None:
            assert self._workers is not None
            ray_session.start(self._workers)
        else:
            ray_session.join(self._address, files=files)
        self._is_open = True
        import ray

        nodes = _alive()
        self._gpus = wish.granted(max(node.get("GPU", 0.0) for node in nodes.values()), may_grow=bool(self._address))
        if self._address is None:
            assert self._workers is not None
            # A place is a CPU of Ray, whatever its cores: `ray_session.start` has made as many.
            self._cpus, cores = 1.0, cpus or _cores() // self._workers
        else:
            self._cpus = cores = cpus or _cores_beside_gpu(nodes.values(), self._gpus)
            _compare_versions(nodes)
        self._send = self._task(threads=max(1, int(cores)))
        self._datasets = ray.put(datasets)
        self._mailbox = _mailbox()
        self._seen = 0
        self._letters = self._mailbox.take.remote(0, _LOOK)
        self._no_room_since: float | None = None
        self._has_told = False
        self._looked = -math.inf
        self._look()

    def _task(self, threads: int) -> Any:
        import ray

        from tuners.search.ray_worker import run_job

        return ray.remote(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            runtime_env={"env_vars": ray_session.threads(threads)},  # beside what the session has set
            max_retries=0,  # attempts are counted here
            # TensorFlow keeps the memory of a GPU, and that GPU, until its process ends.
            max_calls=1 if self._gpus else TRIALS_PER_PROCESS,
        )(run_job)

    def audit(self, config: Config, say: Say) -> None:
        """Send what trials begin with to a worker that is none of their places; what it says is told during `next`."""
        import ray

        from tuners.search.ray_worker import audited

        hidden = {"CUDA_VISIBLE_DEVICES": "-1"}  # the devices are the trials'
        task = ray.remote(num_cpus=0, max_retries=0, max_calls=1, runtime_env={"env_vars": hidden})(audited)
        self._audit = task.remote(config, self._datasets), say

    def submit(self, candidate: Candidate) -> None:
        """Send a trial, with what is in its folder and in that of its parent."""
        import ray

        from tuners.search.ray_worker import read_files

        parent = {} if candidate.parent is None else read_files(candidate.parent)
        self._begin(candidate, ray.put(read_files(candidate.folder)), ray.put(parent), 1)

    def _begin(self, candidate: Candidate, begun: Any, parent: Any, number: int) -> None:
        from tuners.search.ray_worker import Job, versions

        attempt = _Attempt(candidate, begun, parent, number, key=next(self._keys))
        job = Job(candidate, attempt.key, self._run, self._mailbox, self._scratch.name, versions())
        self._running[self._send.remote(job, begun, parent, self._datasets)] = attempt

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        """Wait until a trial is over; a trial whose process or machine dies is sent again, and fails after some times.

        Raises
        ------
        RecipeError
            No machine has room for a trial, for minutes; a disk is full; a machine has other packages.
        """
        import ray

        while True:
            waited_for = [self._letters, *self._running]
            ray.wait(waited_for, timeout=_LOOK)
            ready, _ = ray.wait(
                waited_for, num_returns=len(waited_for), timeout=0
            )  # letters come first, so ask for all
            if self._letters in ready:
                self._deliver(self._letters, on_report)
                self._letters = self._mailbox.take.remote(self._seen, _LOOK)
            for reference in ready:
                if reference in self._running and (ended := self._ended(reference, on_report)):
                    return ended
            self._tell_audit()
            self._look()

    def _deliver(self, letters: Any, on_report: OnReport) -> None:
        """Report the epochs in letters, and post the answers; those of an attempt that is over are left out."""
        import ray

        try:
            came: list[Letter] = ray.get(letters)
        except ray.exceptions.RayActorError:  # Ray begins it anew
            self._seen = 0
            return
        attempts = {attempt.key: attempt for attempt in self._running.values()}
        for letter in came:
            attempt = attempts.get(letter.key)
            if letter.number < self._seen:
                continue
            self._seen = letter.number + 1
            if attempt is None:
                continue
            attempt.is_running = True
            stop = on_report(attempt.candidate.number, letter.report) if letter.report else None
            if stop is not None:
                self._mailbox.stop.remote(letter.key, stop)

    def _ended(self, reference: Any, on_report: OnReport) -> tuple[int, Outcome] | None:
        """Return the number and the outcome of a task that is over; None where the trial was sent again."""
        import ray

        failures = ray.exceptions
        number = self._running[reference].candidate.number
        try:
            outcome: Outcome = ray.get(reference)
        except failures.RayTaskError as error:
            _check_machine(error)
            outcome = Outcome(State.FAILED, _cause(error))
        except failures.RuntimeEnvSetupError as error:
            raise RecipeError(f"Ray cannot set up a worker: {one_line(error)}") from None
        except failures.RayError as error:  # of the worker, its machine, or the way to it
            return self._again(self._running.pop(reference), error)
        # A worker ends only after its last letter was taken.
        self._deliver(self._mailbox.take.remote(self._seen, 0.0), on_report)
        del self._running[reference]
        return number, outcome

    def _tell_audit(self) -> None:
        """Say what the audit has found, once it has; one that fails is its own affair."""
        import ray

        if self._audit is None:
            return
        lines, say = self._audit
        if not ray.wait([lines], timeout=0)[0]:
            return
        self._audit = None
        with suppress(ray.exceptions.RayError):
            for line in ray.get(lines):
                say(line)

    def _again(self, attempt: _Attempt, error: Exception) -> tuple[int, Outcome] | None:
        number, reason = attempt.candidate.number, _death(error)
        if attempt.number >= self._attempts:
            times = "once" if attempt.number == 1 else f"{attempt.number} times"
            return number, Outcome(State.FAILED, f"the worker died {times}: {reason}")
        warnings.warn(
            f"trial {number}: the worker died ({reason}); it is run again, attempt {attempt.number + 1} of "
            f"{self._attempts}",
            stacklevel=2,
        )
        self._begin(attempt.candidate, attempt.begun, attempt.parent, attempt.number + 1)
        return None

    def _look(self) -> None:
        """Note how many trials there is room for, and say where there is none."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        room = sum(_places(node, self._cpus, self._gpus) for node in _alive().values())
        self.slots = max(1, room if self._workers is None else min(room, self._workers))
        if room or any(attempt.is_running for attempt in self._running.values()):
            self._no_room_since = None
            return
        self._no_room_since = self._no_room_since or now
        waited = now - self._no_room_since
        needs = f"{self._cpus:g} CPUs" + (f" and {self._gpus:g} GPUs" if self._gpus else "")
        if waited > _GIVE_UP:
            raise RecipeError(f"no machine of the cluster has {needs} for a trial; add one, and begin the search again")
        if waited > _TELL and not self._has_told:
            self._has_told = True
            warnings.warn(f"no machine of the cluster has {needs} for a trial; waiting for one", stacklevel=2)

    def close(self) -> None:
        """End what still runs, and the private cluster; one that was joined goes on without this search."""
        if self._is_open:
            import ray

            self._is_open = False
            audit = [] if self._audit is None else [self._audit[0]]
            for reference in [*self._running, *audit]:
                with suppress(ray.exceptions.RayError):
                    ray.cancel(reference, force=True)
            self._running.clear()
            ray.shutdown(wait_for_processes=True)
        self._scratch.cleanup()


def _check_machine(error: Any) -> None:
    """Look whether what a task has died of is its machine's fault: that would end all trials that are sent there.

    Raises
    ------
    RecipeError
        Its disk is full, or it has other packages or none.
    """
    from tuners.search.ray_worker import OtherVersionsError, is_disk_full

    cause = error.cause
    if is_disk_full(cause):
        raise RecipeError(f"a worker cannot write: {one_line(cause)}; make room, and begin the search again")
    if isinstance(cause, OtherVersionsError):
        raise RecipeError(f"{one_line(cause)}, and begin the search again")


def _mailbox() -> Any:
    """Make the mailbox on the machine of the driver, which has to live anyway."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from tuners.search.ray_worker import Mailbox

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


def _alive() -> dict[str, dict[str, float]]:
    """Return id -> resources of the machines that live."""
    import ray

    nodes: Any = ray.nodes  # has no types
    return {node["NodeID"]: node["Resources"] for node in nodes() if node["Alive"]}


def _places(node: dict[str, float], cpus: float, gpus: float) -> int:
    """Return how many trials a machine has room for."""
    wanted = {"CPU": cpus, "GPU": gpus}
    return int(min(node.get(name, 0.0) // amount for name, amount in wanted.items() if amount))


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores_beside_gpu(nodes: Iterable[dict[str, float]], gpus: float) -> float:
    """Return the cores for a trial in a cluster: one; beside a GPU as many as the poorest machine has for each."""
    shares = [node.get("CPU", 0.0) // (node["GPU"] / gpus) for node in nodes if gpus and node.get("GPU", 0.0) >= gpus]
    return max(1.0, min(shares, default=1.0))


def _compare_versions(nodes: Iterable[str]) -> None:
    """Refuse a cluster whose machines have other packages; a machine that is lost meanwhile is left out.

    Raises
    ------
    RecipeError
        The first difference.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from tuners.search.ray_worker import compared, versions

    task = ray.remote(num_cpus=0, max_retries=0)(compared)

    def ask(node: str) -> Any:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return task.options(scheduling_strategy=there).remote(versions())

    end = time.monotonic() + _COMPARE
    asked = {node: ask(node) for node in nodes}
    while asked:
        silent = []
        for node, answer in asked.items():
            try:
                if different := ray.get(answer, timeout=max(0.0, end - time.monotonic())):
                    raise RecipeError(different)
            except ray.exceptions.GetTimeoutError:
                raise RecipeError(f"a machine of the cluster starts no worker within {_COMPARE:g} seconds") from None
            except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
                silent.append(node)
            except ray.exceptions.RayError as error:
                message = f"a machine of the cluster cannot run kerasdx: {_cause(error)}; install it there"
                raise RecipeError(message) from None
        # A machine that has just gone is listed for some seconds, and one that has just come takes no task yet.
        if silent:
            time.sleep(_SETTLE)
        asked = {node: ask(node) for node in set(silent) & _alive().keys()}


def _cause(error: Exception) -> str:
    """Return what went wrong in a task, in a line."""
    cause = getattr(error, "cause", None) or error
    if cause is error:  # its message is a whole traceback, whose last line tells
        return str(error).strip().splitlines()[-1][:200]
    return f"{type(cause).__name__}: {one_line(cause)}"


def _death(error: Exception) -> str:
    """Return what a worker died of, for people."""
    import ray

    failures = ray.exceptions
    if isinstance(error, failures.OutOfMemoryError):
        return "its machine had no memory left"
    if isinstance(error, failures.NodeDiedError | failures.LocalRayletDiedError):
        return "its machine was lost"
    if isinstance(error, failures.ObjectLostError):
        return "its result was lost with its machine"
    if isinstance(error, failures.WorkerCrashedError):
        return "the process ended: out of memory, or killed?"
    return one_line(error)
