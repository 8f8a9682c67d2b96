"""`diagnose ... --mlflow`: the diagnosis in the run that it is of; again, it is an update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from click.testing import CliRunner
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from diagnose.cli import command
from diagnose.tracking import parcel
from diagnose.tracking.record import TrainingRecord
from tests import training_logs


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return tmp_path


def diagnose(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments)


def client(store: str) -> MlflowClient:
    return MlflowClient(tracking_uri=store)


def runs(store: str, experiment: str = "diagnose") -> list[Any]:
    found = client(store).get_experiment_by_name(experiment)
    return list(client(store).search_runs([found.experiment_id])) if found else []


def their_run(store: str) -> str:
    """A run that something else has logged: an overfitting one."""
    to = client(store)
    run_id = str(to.create_run("0", run_name="theirs").info.run_id)
    rows = training_logs.overfitting().splitlines()[1:]
    values = [[float(cell) for cell in row.split(",")] for row in rows]
    metrics = [Metric(name, row[i], 1, int(row[0])) for row in values for i, name in ((1, "loss"), (2, "val_loss"))]
    to.log_batch(run_id, metrics=metrics)
    return run_id


def test_a_log_becomes_a_run_of_its_own_and_stays_one(here: Path, store: str) -> None:
    training_logs.write(here, "overfit.csv", training_logs.overfitting())
    before = len(runs(store))
    for _ in range(2):
        result = diagnose("overfit.csv", "--mlflow")
        assert result.exit_code == 1  # there are findings
    assert f"logged to {store}: run " in result.stderr
    assert len(runs(store)) == before + 1
    run = next(run for run in runs(store) if run.info.run_name == "overfit.csv")
    assert run.data.tags["diagnosis.root_cause"] == "overfitting"
    assert run.data.metrics["health/overfit"] >= 2
    assert len(client(store).get_metric_history(run.info.run_id, "val_loss")) == 60


def test_a_log_that_has_grown_is_updated(here: Path, store: str) -> None:
    log = here / "grown.csv"
    rows = training_logs.nan(epochs=20, at=10).splitlines(keepends=True)
    log.write_text("".join(rows[:9]))
    diagnose("grown.csv", "--mlflow")
    log.write_text("".join(rows))
    diagnose("grown.csv", "--mlflow")
    (run,) = [run for run in runs(store) if run.info.run_name == "grown.csv"]
    assert run.data.tags["diagnosis.root_cause"] == "nan-loss"
    assert len(client(store).get_metric_history(run.info.run_id, "loss")) == 20


def test_a_run_of_somebody_else_gets_its_diagnosis_and_nothing_else_changes(here: Path, store: str) -> None:
    run_id = their_run(store)
    for _ in range(2):
        assert diagnose(f"mlflow:{run_id}", "--mlflow").exit_code == 1
    run = client(store).get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.data.tags["diagnosis.root_cause"] == "overfitting"
    assert len(client(store).get_metric_history(run_id, "val_loss")) == 60
    assert len(client(store).get_metric_history(run_id, "health/score")) == 1
    assert {file.path for file in client(store).list_artifacts(run_id)} == {"report.html", "report.json", "curves.svg"}


def test_every_run_of_an_experiment(here: Path, store: str) -> None:
    experiment = client(store).create_experiment("theirs")
    for loss in (0.5, 0.9):
        run_id = client(store).create_run(experiment).info.run_id
        client(store).log_batch(run_id, metrics=[Metric("loss", loss / (1 + i), 1, i) for i in range(12)])
    result = diagnose("mlflow:experiment/theirs", "--mlflow", "--fail-on", "never")
    assert result.exit_code == 0
    assert "2 runs" in result.stderr
    assert all("diagnosis.verdict" in run.data.tags for run in runs(store, "theirs"))


def test_the_log_of_a_training_that_a_store_has_is_that_run(here: Path, store: str) -> None:
    log = training_logs.write(here, "run.csv", training_logs.healthy())
    record = TrainingRecord("mine", "mine", 1.0, 2.0, key="of this test")
    sent = parcel.begun(log, record, store, parcel.State.UNSENT).deliver()
    diagnose("run.csv", "--mlflow")
    assert [run.info.run_id for run in runs(store, "mine")] == [sent.run]
    assert "run.csv" not in {run.info.run_name for run in runs(store)}


def test_the_name_of_a_log_behind_the_option_is_no_store(here: Path, store: str) -> None:
    training_logs.write(here, "behind.csv", training_logs.healthy())
    assert diagnose("--mlflow", "behind.csv").exit_code == 0
    assert "behind.csv" in {run.info.run_name for run in runs(store)}


def test_a_store_by_its_file(here: Path, tmp_path: Path) -> None:
    training_logs.write(here, "run.csv", training_logs.healthy())
    for _ in range(2):  # the first time it is made
        assert diagnose("run.csv", "--mlflow", "other.db").exit_code == 0
    assert len(runs(f"sqlite:///{tmp_path}/other.db")) == 1


def test_another_training_in_the_place_of_a_log_is_another_run(here: Path, store: str) -> None:
    for text in (training_logs.healthy(), training_logs.overfitting()):
        training_logs.write(here, "replaced.csv", text)
        diagnose("replaced.csv", "--mlflow")
    assert len([run for run in runs(store) if run.info.run_name == "replaced.csv"]) == 2


def test_a_health_that_falls_is_the_one_that_is_shown(here: Path, store: str) -> None:
    log = here / "falls.csv"
    rows = training_logs.overfitting().splitlines(keepends=True)
    for count in (9, len(rows)):
        log.write_text("".join(rows[:count]))
        diagnose("falls.csv", "--mlflow")
    (run,) = [run for run in runs(store) if run.info.run_name == "falls.csv"]
    assert run.data.metrics["health/score"] < 75
    assert run.data.tags["mlflow.note.content"].count("overfitting") < 9


def test_a_store_by_its_address(here: Path, tmp_path: Path) -> None:
    training_logs.write(here, "run.csv", training_logs.healthy())
    other = f"sqlite:///{tmp_path}/other.db"
    assert diagnose("run.csv", "--mlflow", other).exit_code == 0
    assert len(runs(other)) == 1


def test_a_store_that_is_not_there_is_one_line_and_the_report_is_told(here: Path) -> None:
    training_logs.write(here, "run.csv", training_logs.healthy())
    result = diagnose("run.csv", "--mlflow", "sqlite:////proc/none/mlflow.db")
    assert result.exit_code == 2
    assert "healthy" in result.stdout
    assert result.stderr.count("\n") == 1
    assert "sqlite:////proc/none/mlflow.db" in result.stderr


def test_an_old_store_of_files(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run_id = their_run(f"file://{tmp_path}/mlruns")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    assert diagnose(str(tmp_path / "mlruns"), "--mlflow").exit_code == 1
    assert (tmp_path / "mlruns" / "0" / run_id / "tags" / "diagnosis.root_cause").read_text() == "overfitting"


def test_a_run_in_mlflow_is_not_watched(here: Path) -> None:
    result = diagnose("mlflow:experiment/x", "--watch")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_it_does_not_go_with_watch(here: Path) -> None:
    result = diagnose("run.csv", "--watch", "--mlflow")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
