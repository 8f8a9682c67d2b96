"""Trials that workers of Ray can run without TensorFlow: what they do stands among their values."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.config import Config
from tuners.objective import Objective
from tuners.search.cluster import RayExecutor
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop

Ask = Callable[[EpochReport], Stop | None]

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


class Counted:
    """Data that notes in a file each time it is made into bytes."""

    def __init__(self, values: Any, log: Path) -> None:
        self.values, self.log = values, log

    def __reduce__(self) -> Any:
        with self.log.open("a") as file:
            file.write("1")
        return Counted, (self.values, self.log)


def candidate(number: int, what: str, folder: Path, **more: Any) -> Candidate:
    place = folder / "trials" / f"{number:04}"
    config = Config(recipe="mlp", data={"source": "iris"})
    return Candidate(number, config, {"do": what}, place, Objective("val_accuracy", "max"), **more)


def run(candidate: Candidate, datasets: Any, ask: Ask) -> Outcome:
    """Do what the values say: ``report:3``, ``slow:/tmp/go``, ``die:/tmp/once`` ..."""
    what, _, argument = candidate.values["do"].partition(":")
    return globals()[f"_{what}"](candidate, datasets, ask, argument)


def _report(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Report so many epochs, each a bit long; end where the answer says so."""
    candidate.folder.mkdir(parents=True, exist_ok=True)
    epochs = int(argument)
    for epoch in range(epochs):
        time.sleep(0.05)
        stop = ask(EpochReport(0, 1, epoch, epochs, {"val_accuracy": epoch / 10}))
        if stop is not None:
            return Outcome(stop.state, stop.reason, score=epoch / 10, epochs=epoch + 1)
    (candidate.folder / "part").mkdir()
    (candidate.folder / "part" / ".run.csv.lock").touch()
    (candidate.folder / "part" / "run.csv").write_text("epoch\n")
    return Outcome(State.DONE, score=float(np.sum(getattr(datasets, "values", 0))), epochs=epochs, device="1 x CPU")


def _slow(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Report an epoch, and go on until a file is there."""
    ask(EpochReport(0, 1, 0, 1, {"pid": float(os.getpid())}))
    while not Path(argument).exists():
        time.sleep(0.05)
    return Outcome(State.DONE, score=1.0)


def _facts(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Leave what the process is like in a file."""
    names = (*THREADS, "CUDA_VISIBLE_DEVICES", "RAY_AUTH_MODE")
    time.sleep(float(argument or 0))
    told = [str(os.getpid()), str(candidate.folder), *(os.environ.get(name, "") for name in names)]
    return Outcome(State.DONE, files={"facts": "\n".join(told).encode()})


def _read(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Hand back a file of the user's, found as on the machine of the driver."""
    return Outcome(State.DONE, files={"read": Path(argument).read_bytes()})


def _parent(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Hand back what the parent left, and what was in the own folder."""
    assert candidate.parent is not None
    own = (candidate.folder / "checkpoint" / "state").read_bytes()
    return Outcome(State.DONE, files={"seen": (candidate.parent / "best.npz").read_bytes() + own})


def _fail(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    if argument == "exit":
        sys.exit(3)
    raise ValueError("no such\nlayer")


def _die(candidate: Candidate, datasets: Any, ask: Ask, argument: str) -> Outcome:
    """Report an epoch and be killed, but for the attempt that finds the file there."""
    if argument and Path(argument).exists():
        ask(EpochReport(0, 1, 0, 1, {"attempt": 2.0}))
        return Outcome(State.DONE, score=0.5)
    if argument:
        Path(argument).touch()
    ask(EpochReport(0, 1, 0, 1, {"attempt": 1.0}))
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@contextmanager
def opened(datasets: Any = None, **more: Any) -> Iterator[RayExecutor]:
    executor = RayExecutor(datasets, run=run, **{"workers": 2, "address": None, **more})
    try:
        yield executor
    finally:
        executor.close()


def ended(executor: RayExecutor, count: int, on_report: Any = lambda number, report: None) -> dict[int, Outcome]:
    """Return number -> outcome of the next trials."""
    outcomes = [executor.next(on_report) for _ in range(count)]
    assert len({number for number, _ in outcomes}) == count
    return dict(outcomes)


@contextmanager
def two_nodes(token: str) -> Iterator[Any]:
    """Yield a cluster with a head that trains nothing, and two nodes with a core each; it asks for a token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")  # before Ray is imported
        patch.setenv("RAY_AUTH_TOKEN", token)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
        from ray._raylet import AuthenticationTokenLoader
        from ray.cluster_utils import Cluster

        AuthenticationTokenLoader.instance().reset_cache()  # another test may have had another one
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()
