"""Trials on a cluster of several nodes on this machine: one is killed in mid-trial, another comes, tokens differ."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.errors import RecipeError
from tests.tuners.search.ray_trials import Counted, candidate, ended, opened, two_nodes
from tuners.search import cluster
from tuners.search.records import EpochReport, State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.keras,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray"),
]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    with two_nodes("n" * 64) as made:
        yield made


def test_what_is_shipped_and_who_is_let_in(nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.py").write_text("x = 1\n")
    data = Counted(np.ones(10), tmp_path / "count")
    with opened(data, workers=None, address=nodes.address, files=[Path("models/own.py")]) as executor:
        assert executor.slots == 2
        for number, what in enumerate(("read:models/own.py", "report:2", "report:2")):
            executor.submit(candidate(number, what, tmp_path))
        outcomes = ended(executor, 3)
    assert outcomes[0].files["read"] == b"x = 1\n"
    assert outcomes[1].score == outcomes[2].score == 10.0
    assert data.log.read_text() == "1"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "w" * 64)
    with pytest.raises(RecipeError, match=r"refuses this machine's token; put that of the head \(ray get-auth-token\)"):
        opened(workers=None, address=nodes.address).__enter__()


def test_other_versions_are_refused(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuners.search import ray_worker

    monkeypatch.setattr(ray_worker, "versions", lambda: {"keras": "2.0", "kerasdx": "0"})
    with pytest.raises(RecipeError, match=r" has keras 3\.\S+, not 2\.0; kerasdx .*, not 0: install the same versions"):
        opened(workers=None, address=nodes.address).__enter__()


def test_a_machine_that_was_lost_since_it_was_listed_is_no_obstacle(
    nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, calls = cluster._alive, []

    def late() -> dict[str, dict[str, float]]:
        calls.append(1)  # first it is listed still
        return there() | ({"e" * 56: {"CPU": 1.0}} if len(calls) < 3 else {})

    monkeypatch.setattr(cluster, "_alive", late)
    with opened(workers=None, address=nodes.address) as executor:
        assert executor.slots == 2
    assert len(calls) > 3


@pytest.mark.filterwarnings("ignore:trial")
def test_a_node_is_killed_in_mid_trial_and_no_trial_is_lost_or_told_twice(nodes: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    pids: dict[int, list[int]] = {}

    def note(number: int, report: EpochReport) -> None:
        pids.setdefault(number, []).append(int(report.logs["pid"]))
        if len(pids) == 2 and not go.exists():
            raylet = int(Path(f"/proc/{pids[0][0]}/stat").read_text().split()[3])
            os.kill(raylet, signal.SIGKILL)
            go.touch()  # the other one ends, and makes room

    with opened(workers=None, address=nodes.address) as executor:
        for number in range(2):
            executor.submit(candidate(number, f"slow:{go}" if number else f"slow:{tmp_path / 'never'}", tmp_path))
        first = executor.next(note)
        assert first[0] == 1
        (tmp_path / "never").touch()
        second = executor.next(note)
    assert second[0] == 0
    assert {first[1].state, second[1].state} == {State.DONE}
    assert len(pids[0]) == 2
    assert len(set(pids[0])) == 2
    assert len(pids[1]) == 1


@pytest.mark.filterwarnings("ignore:trial")
def test_places_come_and_go_with_nodes_and_without_room_it_ends(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_LOOK", 0.2)
    with opened(workers=None, address=nodes.address) as executor:
        before = executor.slots
        nodes.add_node(num_cpus=2)
        executor.submit(candidate(0, "report:40", tmp_path))
        ended(executor, 1)
        assert executor.slots == before + 2
    monkeypatch.setattr(cluster, "_TELL", 0.5)
    monkeypatch.setattr(cluster, "_GIVE_UP", 2.0)
    with opened(workers=None, address=nodes.address, gpus_per_trial=1, needs_gpu=True) as executor:
        executor.submit(candidate(0, "report:1", tmp_path))
        with (
            pytest.warns(UserWarning, match="no machine of the cluster has 1 CPUs and 1 GPUs for a trial; waiting"),
            pytest.raises(RecipeError, match="no machine of the cluster has 1 CPUs and 1 GPUs for a trial; add one"),
        ):
            executor.next(lambda number, report: None)


def test_a_trial_computes_with_the_cores_that_it_has_beside_its_gpu(nodes: Any, tmp_path: Path) -> None:
    nodes.add_node(num_cpus=3, num_gpus=1)
    with opened(workers=None, address=nodes.address) as executor:
        executor.submit(candidate(0, "facts", tmp_path))
        outcome = ended(executor, 1)[0]
    assert outcome.files["facts"].decode().split("\n")[2:4] == ["3", "3"]
