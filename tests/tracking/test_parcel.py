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


def begun_before(log: Path, record: TrainingRecord, store: str) -> Parcel:
    """The parcel of a training that has begun before its log had anything in it."""
    content = log.read_bytes()
    log.write_bytes(b"")
    box = parcel.begun(log, record, store)
    log.write_bytes(content)
    return box


def run(store: str, id: str) -> Any:
    return MlflowClient(tracking_uri=store).get_run(id)


def test_a_training_whose_process_died_is_sent_from_its_log(tmp_path: Path, store: str) -> None:
    box = begun_before(a_log(tmp_path), replace(RECORD, key="died"), store)
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
    box = parcel.begun(tmp_path / "run.csv", replace(RECORD, ended=1.0), nowhere, State.UNSENT)
    with pytest.raises(TrackingError):
        box.deliver()
    (waiting,), _ = parcel.waiting(tmp_path)
    assert "cannot use MLflow at" in waiting.reason


def test_a_training_that_goes_on_does_not_wait(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path)
    parcel.begun(log, RECORD, store)
    with FileLock(log.with_name(".run.csv.lock")):
        assert parcel.waiting(tmp_path) == ([], {})


def test_two_processes_do_not_send_one_at_once(tmp_path: Path, store: str) -> None:
    box = parcel.begun(a_log(tmp_path), RECORD, store)
    with FileLock(box.path.with_name(f".{box.path.name}.lock")), pytest.raises(BusyError):
        box.deliver()


def test_each_training_of_a_log_has_its_own_part(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path, epochs=5)
    facts = '{"schema": "kerasdx-run/1", "batch_size": 7}'
    (tmp_path / "run.json").write_text(facts)
    first = begun_before(log, replace(RECORD, key="first", artifacts=(log, tmp_path / "run.json")), store)
    second = parcel.begun(log, replace(RECORD, key="second", started=RECORD.started + 9, parameters={}), store)
    with log.open("a") as file:
        file.write("0,9.0,9.0\n1,8.0,8.0\n")
    assert [box.path for box in parcel.of_log(log)] == [second.path, first.path]
    sent = {box.record.key: run(store, box.deliver().run) for box in parcel.waiting(tmp_path)[0]}
    assert sent["first"].data.metrics["epochs_run"] == 5
    assert sent["second"].data.metrics["epochs_run"] == 2
    assert "data.batch_size" not in sent["first"].data.params  # run.json is of the last training
    assert sent["second"].data.params["data.batch_size"] == "7"


def test_a_log_that_is_renamed_takes_what_waits_along(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path, epochs=5)
    begun_before(log, replace(RECORD, key="renamed"), store)
    log.rename(tmp_path / "run.1.csv")
    parcel.follow(log, tmp_path / "run.1.csv")
    ((box,), _) = parcel.waiting(tmp_path)
    assert run(store, box.deliver().run).data.metrics["epochs_run"] == 5


def test_the_run_is_found_where_another_experiment_is_set_by_now(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "then")
    record = replace(RECORD, experiment="", key="moved experiment")
    box = begun_before(a_log(tmp_path), record, store)
    first = box.deliver(replace(record, ended=0.0))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "now")
    assert replace(first, state=State.OPEN).deliver().run == first.run


def test_a_folder_that_is_moved_takes_its_files_along(tmp_path: Path, store: str) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    log = a_log(before)
    (before / "model.keras").write_bytes(b"model")
    begun_before(log, replace(RECORD, key="moved", artifacts=(before / "model.keras",)), store)
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
    assert parcel.of_log(tmp_path / "bad.csv") == []


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(log="../secret.csv"),
        lambda content: content["record"].update(artifacts=["/etc/hostname"]),
        lambda content: content["record"].update(artifacts=["../secret.csv"]),
        lambda content: content.update(log=5),
        lambda content: content["record"].update(started="now"),
        lambda content: content.update(until="all"),
    ],
)
def test_one_that_names_other_files_or_is_of_other_types_is_refused(tmp_path: Path, store: str, change: Any) -> None:
    box = parcel.begun(a_log(tmp_path), RECORD, store)
    content = json.loads(box.path.read_text())
    change(content)
    box.path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is no record of a training"):
        Parcel.read(box.path)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:secret@host/db", "postgresql://me:se/cr#et@host/db", "postgresql://me:s@cret@host/db",
        "postgresql://host/db?user=me&password=secret", "https://me:secret@host/",
    ],
)  # fmt: skip
def test_no_password_is_kept(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    shown = shown_uri(uri)
    assert "***" in shown
    assert "et" not in shown.partition("***")[2].partition("@")[0]
    assert "secret" not in shown
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        usable_uri(shown)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert usable_uri(shown) == uri


def test_a_server_that_a_file_names_is_told_nothing_unless_a_person_names_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="--store http://somewhere"):
        usable_uri("http://somewhere")


def test_it_is_no_log_when_a_folder_is_searched_for_logs(tmp_path: Path, store: str) -> None:
    log = a_log(tmp_path)
    parcel.begun(log, RECORD, store)
    assert expand(str(tmp_path)) == [str(log)]
