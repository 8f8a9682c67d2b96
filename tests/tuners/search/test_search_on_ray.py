"""Real searches past one process: on workers of this machine, and on a cluster that loses a node in mid-trial."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from diagnose import diagnose
from tests.tuners.search.ray_trials import two_nodes
from tuners.search.journal import read
from tuners.search.records import State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.keras,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray"),
]

ROOT = Path(__file__).parents[3]
#: Nothing in it that a training could be lost by.
SEARCH = ("search", "mlp", "-d", "iris", "--strategy", "random", "--space", "space.yaml")
SPACE = "optimizer.learning_rate: {low: 1e-4, high: 1e-2, log: true}\nmodel.width: [8, 16]\n"
#: A function of the user's, which workers have to find too.
OWN = """
import keras
def build(hp):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 16), "relu"),
                             keras.layers.Dense(3, "softmax")])
"""


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from tuners.cli import main; main()", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "MLFLOW_TRACKING_URI": "", **environment},
    )  # fmt: skip


def events(folder: Path) -> list[Any]:
    """Return the events of a search that goes on; what is not written to its end yet is none."""
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def kinds_in(store: Path) -> Counter[str]:
    """Return how many runs of each kind a store has."""
    with closing(sqlite3.connect(store)) as connection:
        return Counter(kind for (kind,) in connection.execute("SELECT value FROM tags WHERE key = 'kerasdx.kind'"))


def test_two_workers_find_a_winner_that_reloads_to_its_score(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    search = command(
        tmp_path, "search", "mine.py:build", "-d", "iris", "--strategy", "random", "--workers", "2", "--trials", "5",
        "--epochs", "3", "-o", "s",
    )  # fmt: skip
    out, _ = search.communicate(timeout=400)
    assert search.returncode == 0, out
    record = read(tmp_path / "s")
    assert [trial.state for trial in record.trials] == [State.DONE] * 5
    assert len(diagnose(tmp_path / "s" / "trials").runs) == 5
    assert kinds_in(tmp_path / "mlruns" / "mlflow.db") == {"search": 1, "trial": 5, "winner": 1}
    check = (
        "import json, keras, numpy as np; from recipes import load_data;"
        "model = keras.saving.load_model('s/winner/model.keras');"
        "raw = load_data('iris', {'data.standardize': False}).test;"
        "print(np.mean(model.predict(raw.x, verbose=0).argmax(1) == raw.y))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    result = json.loads((tmp_path / "s" / "winner" / "result.json").read_text())
    assert float(loaded.stdout) == pytest.approx(result["test"]["scores"][0]["value"])


@pytest.fixture
def cluster() -> Iterator[Any]:
    with two_nodes("s" * 64) as made:
        yield made


def test_a_node_is_killed_in_mid_trial_and_every_trial_comes_to_its_end_once(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    search = command(
        tmp_path, *SEARCH, "--cluster", cluster.address, "--trials", "6", "--epochs", "40",
        "--set", "training.early_stopping=0", "--no-prune", "--no-mlflow", "-o", "s",
    )  # fmt: skip
    folder = tmp_path / "s"
    deadline = time.monotonic() + 240
    while not any(event["event"] == "ended" for event in events(folder)):
        assert search.poll() is None, search.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    doomed = cluster.worker_nodes.copy().pop()
    os.kill(doomed.all_processes["raylet"][0].process.pid, signal.SIGKILL)
    out, _ = search.communicate(timeout=400)
    assert search.returncode == 0, out
    assert Counter(event["number"] for event in events(folder) if event["event"] == "ended") == dict.fromkeys(
        range(6), 1
    )
    record = read(folder)
    assert {trial.state for trial in record.trials} == {State.DONE}
    assert {trial.outcome.epochs for trial in record.trials if trial.outcome} == {40}
    assert record.winner is not None
