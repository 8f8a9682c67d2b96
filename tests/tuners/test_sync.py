"""`tune sync`: what a store did not get while it was away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from diagnose.tracking import parcel
from diagnose.tracking.record import TrainingRecord
from tests import training_logs
from tuners.cli import command

RECORD = TrainingRecord("digits", "mlp", 1_700_000_000.0, 1_700_000_100.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def waits(folder: Path, store: str, key: str) -> Path:
    folder.mkdir(parents=True)
    log = training_logs.write(folder, "run.csv", training_logs.healthy())
    record = TrainingRecord(**{**RECORD.__dict__, "key": key})
    return parcel.begun(log, record, store, parcel.State.UNSENT).path


def tune(*arguments: str) -> Any:
    return CliRunner().invoke(command, ["sync", *arguments])


def test_everything_below_a_folder_is_sent_once(tmp_path: Path, store: str) -> None:
    for name in ("a", "b"):
        waits(tmp_path / name, store, name)
    result = tune(str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count(f"sent to {store}, run ") == 2
    assert result.stdout.endswith("2 sent, nothing waits\n")
    assert tune(str(tmp_path)).stdout == "0 sent, nothing waits\n"
    client = MlflowClient(tracking_uri=store)
    assert len(client.search_runs([client.get_experiment_by_name("digits").experiment_id])) == 2


def test_one_that_cannot_be_sent_does_not_keep_the_others(tmp_path: Path, store: str) -> None:
    waits(tmp_path / "a", f"sqlite:///{__file__}/mlflow.db", "away")
    waits(tmp_path / "b", store, "there")
    (tmp_path / "c.mlflow.json").write_text("{")
    result = tune(str(tmp_path))
    assert result.exit_code == 2
    assert "1 sent, 2 still wait" in result.stderr
    assert "run.csv: sent to" in result.stdout
    assert "c.mlflow.json: is no record of a training" in result.stdout


def test_to_another_store_when_the_first_is_gone(tmp_path: Path) -> None:
    waits(tmp_path / "a", f"sqlite:///{__file__}/mlflow.db", "gone")
    other = f"sqlite:///{tmp_path}/other.db"
    assert tune(str(tmp_path), "--store", other).exit_code == 0
    client = MlflowClient(tracking_uri=other)
    assert len(client.search_runs([client.get_experiment_by_name("digits").experiment_id])) == 1


def test_a_server_has_to_be_named_by_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    waits(tmp_path / "a", "http://somewhere.invalid", "server")
    result = tune(str(tmp_path))
    assert result.exit_code == 2
    assert "--store http://somewhere.invalid" in result.stdout


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = tune(str(tmp_path / "none"))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "there is no such folder" in result.stderr
