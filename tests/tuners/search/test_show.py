"""What ``tune show`` prints: as a table, as CSV, as JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.tuners.search import made_searches as made
from tuners.search import show
from tuners.search.records import SearchRecord


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SearchRecord:
    """A search that is read from whatever folder."""
    values = [{"optimizer.learning_rate": 10.0**-i, "optimizer.name": "adam"} for i in range(4)]
    trials = [made.trial(0, values[0], score=0.5), made.trial(1, values[1], score=0.9), made.diverged(2, values[2])]
    record = made.search([*trials, made.failed(3, values[3])], folder=tmp_path / "search 1")
    monkeypatch.setattr(show, "_read", lambda folder: record)
    return record


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_table_has_leaderboard_importance_sickness_and_the_next_command(few: SearchRecord) -> None:
    text = show.show(few.folder)

    assert "cnn on digits: 4 trials by val_accuracy" in text
    assert "* 1" in text
    assert "Not enough trials to tell" in text
    assert "trial 2  PRUNED: divergence at epoch 2" in text
    assert "tune show" in text.split("Next")[1]


def test_csv_has_a_row_for_each_trial(few: SearchRecord) -> None:
    table = pd.read_csv(io.StringIO(show.show(few.folder, "csv")))
    assert table["state"].tolist() == ["done", "done", "pruned", "failed"]
    assert table["optimizer.learning_rate"].tolist() == [1.0, 0.1, 0.01, 0.001]


def test_json_is_versioned_and_has_everything(few: SearchRecord) -> None:
    found = strict(show.show(few.folder, "json"))

    assert found["schema"] == "kerasdx-search-report/1"
    assert found["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert (found["best"], found["ranking"]) == (1, [1, 0, 2])
    assert [trial["state"] for trial in found["trials"]] == ["done", "done", "pruned", "failed"]
    assert [trial["sick"] for trial in found["trials"]] == [False, False, True, True]
    assert [item["kind"] for item in found["sickness"]] == ["divergence", "out of memory"]


def test_json_has_no_number_that_is_none(few: SearchRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = made.trial(
        4, {"x": float("inf"), "y\udcff": "\udcff"}, score=float("nan"), findings=[{"value": float("nan")}]
    )
    monkeypatch.setattr(show, "_read", lambda folder: replace(few, trials=(*few.trials, odd)))
    found = strict(show.show(few.folder, "json").encode("utf-8").decode())

    assert found["trials"][4]["outcome"]["score"] is None
    assert found["trials"][4]["outcome"]["findings"] == [{"value": None}]
    assert found["trials"][4]["values"]["x"] is None


def test_the_page_is_written(few: SearchRecord, tmp_path: Path) -> None:
    path = show.html(few.folder, tmp_path / "search.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_commands_can_be_typed(few: SearchRecord) -> None:
    made.write_logs(few)
    settings = {**few.settings, "mlflow": "sqlite:///mlruns/mlflow.db"}
    commands = [
        command for command, _ in show.next_commands(replace(few, winner={"verdict": "healthy"}, settings=settings))
    ]

    folder = str(few.folder)
    assert commands == [
        f"tune show '{folder}' --html search.html",
        f"tune train --config '{folder}/winner/config.yaml'",
        f"diagnose '{folder}/trials/0002/run.csv'",
        "tune ui --store sqlite:///mlruns/mlflow.db",
    ]


def test_what_is_not_there_is_not_offered(few: SearchRecord) -> None:
    assert [command.split()[:2] for command, _ in show.next_commands(few)] == [["tune", "show"]]


def test_a_search_without_trials_is_told() -> None:
    text = show.summary(made.search([]))
    assert "0 trials" in text
    assert "No trial has a score." in text
    assert show.document(made.search([]))["best"] is None


def test_no_tensorflow_is_imported() -> None:
    code = (
        "import sys; from tests.tuners.search.made_searches import lifelike; "
        "from tuners.search import page, show, table;"
        "from tuners.search.frame import frame; r = lifelike(25); show.summary(r); page.render(r); frame(r);"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'ray', 'keras_tuner', 'mlflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, cwd=Path(__file__).parents[3]).returncode == 0
