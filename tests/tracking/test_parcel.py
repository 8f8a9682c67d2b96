"""What waits beside a log until a store has it: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

pytest.importorskip("mlflow")

from mlflow.tracking import MlflowClient

from diagnose.readers.sources import expand
from diagnose.tracking import parcel
from diagnose.tracking.parcel import BusyError, Parcel, State
from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.store import TrackingError, shown_uri, usable_uri

RECORD = TrainingRecord("digits", "mlp", 1_700_000_000.0, 0.0, parameters={"model.width": 8}, key="one")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def a_log(folder: Path, epochs: int = 12) -> Path:
    log = folder / "run.csv"
    rows = [f"{i},{1 / (1 + i)},{1.1 / (1 + i)}" for i in range(epochs)]
    log.write_text("\n".join(["epoch,loss,val_loss", *rows, ""]))
    return log


def run(store: str, id: str) -> Any:
    return MlflowClient(tracking_uri=store).get_run(id)


def test_a_training_whose_process_died_is_sent_from_its_log(tmp_path: Path, store: str) -> None:
    box = parcel.begun(a_log(tmp_path), replace(RECORD, key="died"), store)
    (found,), broken = parcel.waiting(tmp_path)
    assert (found.state, broken) == (State.OPEN, {})
    sent = found.deliver()
    there = run(store, sent.run)
    assert there.info.status == "FAILED"
    assert there.data.metrics["loss"] == pytest.approx(1 / 12)
    assert there.data.tags["diagnosis.verdict"] in ("healthy", "info")
    files = {file.path for file in MlflowClient(tracking_uri=store).list_artifacts(sent.run)}
    assert files == {"run.csv", "report.html", "report.json", "curves.svg"}
    assert Parcel.read(box.path).state is State.SENT
    assert parcel.waiting(tmp_path) == ([], {})


def test_one_that_ended_before_its_first_epoch_did(tmp_path: Path, store: str) -> None:
    box = parcel.begun(tmp_path / "run.csv", replace(RECORD, key="none"), store)
    assert run(store, box.deliver().run).data.params["model.width"] == "8"


def test_what_a_store_does_not_take_says_why_and_waits(tmp_path: Path) -> None:
    nowhere = f"sqlite:///{a_log(tmp_path)}/mlflow.db"
    box = Parcel(parcel.beside(tmp_path / "run.csv"), "run.csv", nowhere, replace(RECORD, ended=1.0), State.UNSENT)
    with pytest.raises(TrackingError):
        box.deliver()
    (waiting,), _ = parcel.waiting(tmp_path)
    assert "cannot use MLflow" in waiting.reason


def test_a_training_that_goes_on_does_not_wait(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path)
    parcel.begun(log, RECORD, store)
    with FileLock(log.with_name(".run.csv.lock")):
        assert parcel.waiting(tmp_path) == ([], {})


def test_two_processes_do_not_send_one_at_once(tmp_path: Path, store: str) -> None:
    box = parcel.begun(a_log(tmp_path), RECORD, store)
    with FileLock(box.path.with_name(f".{box.path.name}.lock")), pytest.raises(BusyError):
        box.deliver()


def test_a_log_that_grows_keeps_what_waits_of_the_training_before(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path, epochs=5)
    parcel.begun(log, replace(RECORD, key="first"), store)
    parcel.begun(log, replace(RECORD, key="second"), store)
    with log.open("a") as file:
        file.write("0,9.0,9.0\n1,8.0,8.0\n")
    waiting, _ = parcel.waiting(tmp_path)
    sent = {box.record.key: run(store, box.deliver().run) for box in waiting}
    assert sent["first"].data.metrics["epochs_run"] == 5
    assert sent["second"].data.metrics["epochs_run"] == 2


def test_a_folder_that_is_moved_takes_its_files_along(tmp_path: Path, store: str) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    log = a_log(before)
    (before / "model.keras").write_bytes(b"model")
    parcel.begun(log, replace(RECORD, key="moved", artifacts=(before / "model.keras",)), store)
    before.rename(after)
    sent = parcel.waiting(after)[0][0].deliver()
    assert "model.keras" in {file.path for file in MlflowClient(tracking_uri=store).list_artifacts(sent.run)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": "kerasdx-mlflow/1"}',
        b'{"schema": "kerasdx-mlflow/9"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_parcel_is_named_and_harms_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mlflow.json").write_bytes(content)
    waiting, broken = parcel.waiting(tmp_path)
    assert waiting == []
    assert list(broken) == [tmp_path / "bad.mlflow.json"]
    assert parcel.of_log(tmp_path / "bad.csv") is None


def test_no_file_outside_its_folder_is_read_as_its_log(tmp_path: Path, store: str) -> None:
    box = parcel.begun(a_log(tmp_path), RECORD, store)
    content = json.loads(box.path.read_text())
    box.path.write_text(json.dumps({**content, "log": "../secret.csv"}))
    with pytest.raises(ValueError, match="lies elsewhere"):
        Parcel.read(box.path)


def test_no_password_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_uri("https://me:secret@host/")
    assert shown == "https://me:***@host/"
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI"):
        usable_uri(shown)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host/")
    assert usable_uri(shown) == "https://me:secret@host/"


def test_it_is_no_log_when_a_folder_is_searched_for_logs(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path)
    parcel.begun(log, RECORD, store)
    assert expand(str(tmp_path)) == [str(log)]
