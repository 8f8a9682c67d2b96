"""Trials in workers of this machine: what comes back, what a death costs, what is left behind."""

from __future__ import annotations

import errno
import importlib.util
import os
import signal as signals
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.errors import RecipeError
from tests.tuners.search.ray_trials import Counted, candidate, ended, opened, run
from tuners.search import cluster, ray_session
from tuners.search.cluster import RayExecutor
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop

pytestmark = [
    pytest.mark.long,
    pytest.mark.keras,  # beside TensorFlow's: Ray's processes are as heavy
    # Not imported here: the way of authentication is read from the environment when it is.
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray"),
]


@pytest.fixture(scope="module", autouse=True)
def _token() -> Iterator[None]:
    """Keep the token of these tests out of the home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "t" * 64)
        patch.delenv("RAY_AUTH_MODE", raising=False)
        yield


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    return Counted(np.ones(1000), tmp_path_factory.mktemp("data") / "count")


@pytest.fixture(scope="module")
def executor(counted: Counted) -> Iterator[RayExecutor]:
    with opened(counted) as executor:
        yield executor


def facts(outcome: Any) -> list[str]:
    return outcome.files["facts"].decode().split("\n")


def test_a_trial_reports_its_epochs_and_its_files_come_back(executor: RayExecutor, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    executor.submit(candidate(7, "report:4", tmp_path))
    outcome = ended(executor, 1, lambda number, report: told.append((number, report.epoch)))[7]
    assert told == [(7, 0), (7, 1), (7, 2), (7, 3)]
    assert (outcome.state, outcome.score, outcome.epochs) == (State.DONE, 1000.0, 4)
    assert outcome.files == {"part/run.csv": b"epoch\n"}
    assert outcome.device == f"1 x CPU on {os.uname().nodename}"
    assert not (tmp_path / "trials").exists()


def test_the_driver_ends_a_trial_and_not_its_neighbour(executor: RayExecutor, tmp_path: Path) -> None:
    def judge(number: int, report: EpochReport) -> Stop | None:
        return Stop(State.PRUNED, "divergence at epoch 1") if number == 0 and report.epoch >= 1 else None

    executor.submit(candidate(0, "report:100", tmp_path))
    executor.submit(candidate(1, "report:5", tmp_path))
    outcomes = ended(executor, 2, judge)
    assert (outcomes[0].state, outcomes[0].reason) == (State.PRUNED, "divergence at epoch 1")
    assert outcomes[0].epochs < 50
    assert (outcomes[1].state, outcomes[1].epochs) == (State.DONE, 5)


def test_data_is_shipped_once(executor: RayExecutor, counted: Counted, tmp_path: Path) -> None:
    for number in range(6):
        executor.submit(candidate(number, "report:1", tmp_path))
    assert {outcome.score for outcome in ended(executor, 6).values()} == {1000.0}
    assert counted.log.read_text() == "1"


def test_workers_share_the_cores_and_ask_for_a_token(executor: RayExecutor, tmp_path: Path) -> None:
    executor.submit(candidate(0, "facts", tmp_path))
    _, folder, omp, tensorflow, _, mode = facts(ended(executor, 1)[0])
    assert omp == tensorflow == str(max(1, cluster._cores() // 2))
    assert mode == "token"
    assert not Path(folder).exists()
    assert not str(folder).startswith(str(tmp_path))


def test_two_run_at_a_time_in_processes_of_their_own(executor: RayExecutor, tmp_path: Path) -> None:
    assert executor.slots == 2
    pids: dict[int, float] = {}
    go = tmp_path / "go"

    def note(number: int, report: EpochReport) -> None:
        pids[number] = report.logs["pid"]
        if len(pids) == 2:  # neither can end before both have begun
            go.touch()

    for number in range(2):
        executor.submit(candidate(number, f"slow:{go}", tmp_path))
    ended(executor, 2, note)
    assert len({*pids.values(), os.getpid()}) == 3


def test_what_the_parent_left_and_what_was_begun_is_at_hand(executor: RayExecutor, tmp_path: Path) -> None:
    asked = candidate(3, "parent", tmp_path, parent=tmp_path / "0001")
    for path, content in ((tmp_path / "0001" / "best.npz", b"best "), (asked.folder / "checkpoint" / "state", b"own")):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    executor.submit(asked)
    outcome = ended(executor, 1)[3]
    assert outcome.files["seen"] == b"best own"
    assert outcome.files["checkpoint/state"] == b"own"


@pytest.mark.parametrize(("what", "reason"), [("fail:", "ValueError: no such layer"), ("fail:exit", "SystemExit: 3")])
def test_an_exception_fails_the_trial_once(executor: RayExecutor, tmp_path: Path, what: str, reason: str) -> None:
    executor.submit(candidate(0, what, tmp_path))
    outcome = ended(executor, 1)[0]
    assert (outcome.state, outcome.reason) == (State.FAILED, reason)
    assert b"Traceback" in outcome.files["error.txt"]


def test_a_worker_that_is_killed_costs_an_attempt(executor: RayExecutor, tmp_path: Path) -> None:
    told = []
    executor.submit(candidate(5, f"die:{tmp_path / 'once'}", tmp_path))
    executor.submit(candidate(6, "report:3", tmp_path))
    with pytest.warns(UserWarning, match=r"trial 5: the worker died \(.*killed\?\); it is run again, attempt 2 of 3"):
        outcomes = ended(executor, 2, lambda number, report: told.append((number, report.logs.get("attempt"))))
    assert (outcomes[5].state, outcomes[5].score) == (State.DONE, 0.5)
    assert outcomes[6].state is State.DONE
    assert [attempt for number, attempt in told if number == 5][-1] == 2.0


@pytest.mark.filterwarnings("ignore:trial 4")
def test_a_trial_that_always_kills_its_worker_fails_without_a_word_of_rays(
    executor: RayExecutor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    executor.submit(candidate(4, "die:", tmp_path))
    executor.submit(candidate(5, "report:60", tmp_path))  # gives Ray the time to speak
    outcome = ended(executor, 2)[4]
    assert capfd.readouterr() == ("", "")
    assert outcome.state is State.FAILED
    assert outcome.reason == "the worker died 3 times: the process ended: out of memory, or killed?"


def test_letters_of_an_attempt_that_died_are_not_delivered(executor: RayExecutor, tmp_path: Path) -> None:
    told: list[int] = []
    report = EpochReport(0, 1, 9, 10, {})
    import ray

    ray.get(executor._mailbox.post.remote(-1, report))
    executor.submit(candidate(2, "report:2", tmp_path))
    ended(executor, 1, lambda number, report: told.append(report.epoch))
    assert told == [0, 1]


def test_a_mailbox_that_dies_loses_letters_and_no_trial(executor: RayExecutor, tmp_path: Path) -> None:
    import ray

    executor.submit(candidate(0, "report:20", tmp_path))
    killed = []

    def kill(number: int, report: EpochReport) -> None:
        if not killed:
            killed.append(ray.kill(executor._mailbox, no_restart=False))

    assert ended(executor, 1, kill)[0].state is State.DONE
    executor.submit(candidate(1, "report:2", tmp_path))
    told: list[int] = []
    ended(executor, 1, lambda number, report: told.append(report.epoch))
    assert told == [0, 1]


@pytest.mark.slow
def test_a_process_is_recycled_after_some_trials(
    tmp_path: Path, executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.close()  # the last test with it: a process has one cluster at a time
    monkeypatch.setattr(cluster, "TRIALS_PER_PROCESS", 2)
    with opened(workers=1) as once:
        for number in range(3):
            once.submit(candidate(number, "facts", tmp_path))
        pids = [facts(outcome)[0] for outcome in ended(once, 3).values()]
    assert pids[0] == pids[1] != pids[2]


@pytest.mark.slow
def test_each_trial_has_a_gpu_and_a_process_of_its_own(
    tmp_path: Path, executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.close()
    import ray

    init = ray.init
    monkeypatch.setattr(ray, "init", lambda *args, **more: init(*args, num_gpus=2, **more))
    with opened(workers=3) as gpus:
        assert gpus.slots == 2
        for number in range(3):
            gpus.submit(candidate(number, "facts:1", tmp_path))
        told = [facts(outcome) for outcome in ended(gpus, 3).values()]
    assert {each[4] for each in told} == {"0", "1"}
    assert len({each[0] for each in told}) == 3


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a folder for Ray, whose sockets have names of at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


def left(mark: str) -> list[str]:
    """Return the processes in whose environment a word stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


_SCRIPT = """
import pathlib, sys
from tests.tuners.search.ray_trials import candidate, ended, opened
folder = pathlib.Path(sys.argv[1])
with opened(workers=1) as executor:
    executor.submit(candidate(0, f"slow:{folder / 'never'}", folder))
    executor.next(lambda number, report: print("epoch", flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
def test_nothing_is_left_of_a_search_that_is_interrupted_or_killed(
    tmp_path: Path, short_path: Path, signal: str
) -> None:
    mark = f"TUNE_TEST={tmp_path}"
    search = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        env={**os.environ, "TUNE_TEST": str(tmp_path), "RAY_ADDRESS": "127.0.0.1:1", "TMPDIR": str(short_path)},
        start_new_session=True,
    )  # fmt: skip
    assert search.stdout is not None
    assert search.stderr is not None
    assert search.stdout.readline() == "epoch\n"
    assert len(left(mark)) > 2
    os.killpg(search.pid, getattr(signals, signal)) if signal == "SIGINT" else search.kill()
    search.wait(60)
    if signal == "SIGINT":
        said = search.stderr.read()
        assert said.strip().endswith("KeyboardInterrupt")
        assert said.count("Traceback") == 1
        assert not list(short_path.glob("tune-*"))
    deadline = time.monotonic() + 120  # two of Ray's agents try for a minute to tell their killed head that it is gone
    while (still := left(mark)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not still


def test_without_ray_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match=r"pip install 'kerasdx\[distributed\]'"):
        RayExecutor(None, workers=2, address=None)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nobody answers there (Connection refused)"),
        ("ray://127.0.0.1:10001", "write HOST:PORT of the head node"),
        ("127.0.0.1", "write HOST:PORT of the head node"),
        ("127.0.0.1:99999", "nobody answers there"),
        ("no-such-host.invalid:6379", "nobody answers there"),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_in_a_line(address: str, said: str) -> None:
    with pytest.raises(RecipeError, match=f"--cluster {address}: ") as told:
        RayExecutor(None, workers=None, address=address)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_machines_have_places_by_cores_and_gpus() -> None:
    places = cluster._places
    assert places({"CPU": 8.0, "memory": 1e9}, 1.0, 0.0) == 8
    assert places({"CPU": 8.0, "GPU": 2.0}, 1.0, 1.0) == 2
    assert places({"CPU": 8.0}, 1.0, 1.0) == 0
    assert places({"CPU": 3.0, "GPU": 4.0}, 2.0, 1.0) == 1
    assert places({}, 1.0, 0.0) == 0
    assert places({"CPU": 1.0, "GPU": 1.0}, 0.5, 0.5) == 2


def test_cores_are_shared_among_the_gpus_of_the_poorest_machine() -> None:
    nodes = [{"CPU": 32.0, "GPU": 4.0}, {"CPU": 6.0, "GPU": 2.0}, {"CPU": 2.0}]
    assert cluster._cores_beside_gpu(nodes, 1.0) == 3.0
    assert cluster._cores_beside_gpu(nodes, 2.0) == 6.0
    assert cluster._cores_beside_gpu(nodes, 0.0) == 1.0


@pytest.mark.parametrize(
    ("wish", "is_need", "most", "granted"),
    [
        (None, False, 0.0, 0.0),
        (2.0, False, 0.0, 0.0),
        (None, False, 4.0, 1.0),
        (2.0, False, 4.0, 2.0),
        (0.0, False, 4.0, 0.0),
        (None, True, 4.0, 1.0),
    ],
)
def test_a_trial_has_the_gpus_of_its_wish_and_none_where_there_are_none(
    wish: float | None, is_need: bool, most: float, granted: float
) -> None:
    for may_grow in (True, False):
        assert cluster._Wish(wish, is_need).granted(most, may_grow=may_grow) == granted


def test_gpus_that_are_missing_are_waited_for_in_a_cluster_only() -> None:
    assert cluster._Wish(None, is_need=True).granted(0.0, may_grow=True) == 1.0
    assert cluster._Wish(2.0, is_need=False).granted(1.0, may_grow=True) == 2.0
    with pytest.raises(RecipeError, match=r"^a trial needs 1 GPUs, and Ray finds none on this machine; set training\."):
        cluster._Wish(None, is_need=True).granted(0.0, may_grow=False)
    with pytest.raises(RecipeError, match=r"needs 2 GPUs, and this machine has 1; set training\.devices to fewer, or"):
        cluster._Wish(2.0, is_need=False).granted(1.0, may_grow=False)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return what runs a trial as a worker does, here, and without a mailbox."""
    from tuners.search import ray_worker

    monkeypatch.setattr(ray_worker, "_ask", lambda job, report: None)

    def run_alone(asked: Candidate, scratch: Path, versions: Mapping[str, str] | None = None) -> Outcome:
        job = ray_worker.Job(asked, 0, run, None, str(scratch), versions or ray_worker.versions())
        return ray_worker.run_job(job, {}, {}, None)

    return run_alone


def test_a_trial_works_below_the_folder_of_the_driver_where_it_is_there_else_below_the_machines_own(
    alone: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "own"))
    for place in ("own", "driver"):
        (tmp_path / place).mkdir()
    for scratch, used in (("driver", "driver"), ("elsewhere", "own")):
        folder = Path(facts(alone(candidate(0, "facts", tmp_path), tmp_path / scratch))[1])
        assert folder.is_relative_to(tmp_path / used)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["driver", "own"]
    assert not [*(tmp_path / "own").iterdir(), *(tmp_path / "driver").iterdir()]


def test_a_machine_with_other_versions_runs_nothing_and_ends_the_search(
    alone: Callable[..., Outcome], tmp_path: Path
) -> None:
    from ray.exceptions import RayTaskError

    from tuners.search.ray_worker import OtherVersionsError, versions

    with pytest.raises(OtherVersionsError, match=r"not 3\.1: install") as told:
        alone(candidate(0, "facts", tmp_path), tmp_path, {**versions(), "keras": "3.1"})
    with pytest.raises(RecipeError, match=r" has keras .*, not 3\.1: install the same .* and begin the search again$"):
        cluster._check_machine(RayTaskError("run_job", "", told.value))


def test_only_a_disk_that_takes_no_more_ends_the_search() -> None:
    from ray.exceptions import RayTaskError

    full = RayTaskError("run_job", "", OSError(errno.ENOSPC, "No space left on device", "/tmp/x"))
    with pytest.raises(RecipeError, match=r"a worker cannot write: .*No space left.*; make room, and begin"):
        cluster._check_machine(full)
    denied = RayTaskError("run_job", "", PermissionError(errno.EACCES, "Permission denied", "/tmp"))
    cluster._check_machine(denied)
    assert cluster._cause(denied) == "PermissionError: [Errno 13] Permission denied: '/tmp'"


def test_only_files_below_the_folder_are_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.py").write_text("x = 1")
    with ray_session._staged([Path("models/own.py")]) as folder:
        assert folder is not None
        assert (Path(folder) / "models" / "own.py").read_text() == "x = 1"
    with pytest.raises(RecipeError, match=r"\.\./own\.py: only files below"), ray_session._staged([Path("../own.py")]):
        pass


def test_other_versions_are_told_in_a_line() -> None:
    from tuners.search.ray_worker import differing, versions

    assert differing(versions(), versions()) == ""
    line = differing({**versions(), "keras": "3.1"}, versions())
    assert f"keras {versions()['keras']}, not 3.1: install the same versions" in line
