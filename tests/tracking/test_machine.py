"""The machine's load while it trains: MLflow's names, few samples, and nothing that could disturb a training."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("psutil")

from diagnose.tracking import machine
from diagnose.tracking.machine import MachineLoad

#: As fast as tests like it.
FAST = 0.002


def taken(load: MachineLoad) -> dict[int, float]:
    """Number of the sample -> when it was taken."""
    return {step: time for step, time, _ in load._samples}


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(FAST)


class TestSamples:
    def test_one_at_the_start_and_one_at_the_end(self) -> None:
        load = MachineLoad(interval=3600)
        load.start()
        wait_for(lambda: taken(load))
        memory = load.stop()["system/system_memory_usage_percentage"]
        assert [step for step, *_ in memory] == [0, 1]
        assert all(0 < value <= 100 for _, value, _ in memory)

    def test_the_processors_load_is_that_since_the_sample_before(self) -> None:
        load = MachineLoad(interval=3600)
        load.start()
        wait_for(lambda: taken(load))
        ((step, value, _),) = load.stop()["system/cpu_utilization_percentage"]
        assert step == 1
        assert 0 <= value <= 100

    def test_names_and_units_are_those_of_mlflow(self) -> None:
        load = MachineLoad(interval=3600)
        load.start()
        found = set(load.stop())
        assert found >= {
            f"system/{name}"
            for name in (
                "cpu_utilization_percentage", "system_memory_usage_megabytes", "system_memory_usage_percentage",
                "disk_usage_percentage", "disk_usage_megabytes", "disk_available_megabytes", "process_memory_megabytes",
            )
        }  # fmt: skip

    def test_each_has_its_time(self) -> None:
        before = time.time()
        load = MachineLoad(interval=FAST)
        load.start()
        wait_for(lambda: len(taken(load)) > 3)
        load.stop()
        times = [taken(load)[step] for step in sorted(taken(load))]
        assert times == sorted(times)
        assert before <= times[0] <= times[-1] <= time.time()

    def test_a_long_training_has_rarer_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "MOST_SAMPLES", 8)
        load = MachineLoad(interval=FAST)
        load.start()
        wait_for(lambda: taken(load) and max(taken(load)) >= 40)
        steps = [int(step) for step, *_ in load.stop()["system/process_memory_megabytes"]]
        assert len(steps) <= 10
        assert steps[0] == 0
        gaps = {later - earlier for earlier, later in itertools.pairwise(steps)}
        assert len(gaps) == 1
        assert gaps <= {8, 16, 32, 64}


class TestGraphicsCards:
    @pytest.fixture
    def nvidia(self, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        """One card that tells everything, and one that knows no power, as a part of a shared card."""

        def power(handle: int) -> int:
            if handle == 1:
                raise RuntimeError("Not Supported")
            return 150_000

        fake = SimpleNamespace(
            nvmlInit=lambda: None,
            nvmlShutdown=lambda: None,
            nvmlDeviceGetCount=lambda: 2,
            nvmlDeviceGetHandleByIndex=lambda number: number,
            nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=20e9, total=80e9),
            nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=70),
            nvmlDeviceGetPowerUsage=power,
            nvmlDeviceGetEnforcedPowerLimit=lambda handle: 300_000,
        )
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        return fake

    def test_what_each_tells(self, nvidia: SimpleNamespace) -> None:
        load = MachineLoad(interval=3600)
        load.start()
        seen = {name: curve[0][1] for name, curve in load.stop().items() if "gpu" in name}
        both = {"memory_usage_percentage": 25.0, "memory_usage_megabytes": 20_000.0, "utilization_percentage": 70.0}
        assert seen == {
            **{f"system/gpu_{number}_{name}": value for number in (0, 1) for name, value in both.items()},
            "system/gpu_0_power_usage_watts": 150.0,
            "system/gpu_0_power_usage_percentage": 50.0,
        }

    def test_no_driver(self, nvidia: SimpleNamespace) -> None:
        nvidia.nvmlInit = _broken
        load = MachineLoad(interval=3600)
        load.start()
        assert not [name for name in load.stop() if "gpu" in name]


class TestNothingGoesWrong:
    def test_without_psutil_there_is_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psutil", None)
        load = MachineLoad(interval=FAST)
        load.start()
        assert load.stop() == {}

    def test_what_cannot_be_read_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import psutil

        monkeypatch.setattr(psutil, "disk_usage", _broken)
        load = MachineLoad(interval=3600)
        load.start()
        found = load.stop()
        assert "system/disk_usage_percentage" not in found
        assert "system/system_memory_usage_percentage" in found

    def test_no_more_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threading.Thread, "start", _broken)
        load = MachineLoad()
        load.start()
        assert load.stop() == {}

    def test_stopped_without_start_and_twice(self) -> None:
        assert MachineLoad().stop() == {}
        load = MachineLoad(interval=3600)
        load.start()
        load.start()
        assert load.stop() == load.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "kerasdx-machine-load"]

    def test_a_copy_begins_anew(self) -> None:
        load = MachineLoad(interval=3600)
        load.start()
        wait_for(lambda: taken(load))
        for again in (pickle.loads(pickle.dumps(load)), copy.deepcopy(load)):  # noqa: S301
            assert (again.interval, again.stop()) == (3600, {})
            again = copy.deepcopy(again)
            again.start()
            assert again.stop()
        assert load.stop()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads
    def test_a_fork_has_nothing_and_does_not_hang(self) -> None:
        load = MachineLoad(interval=FAST)
        load.start()
        wait_for(lambda: len(taken(load)) > 2)
        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()
        child = context.Process(target=_in_a_fork, args=(load, answers))
        child.start()
        child.join(30)
        assert (child.exitcode, answers.get()) == (0, (0, True))
        assert load.stop()

    def test_a_process_that_ends_is_not_held_up(self) -> None:
        code = "from diagnose.tracking.machine import MachineLoad; MachineLoad(3600).start()"
        assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0

    def test_mlflow_is_not_imported(self) -> None:
        code = (
            "import sys; from diagnose.tracking.machine import MachineLoad as M; m = M(); m.start(); m.stop();"
            "sys.exit('mlflow' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def _in_a_fork(load: MachineLoad, answers: Any) -> None:
    inherited = load.stop()
    load.start()
    answers.put((len(inherited), bool(load.stop())))


def _broken(*_: Any) -> None:
    raise RuntimeError("broken")
