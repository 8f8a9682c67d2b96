"""Monitor(..., mlflow=True): a user's own training in MLflow, with its diagnosis, never in the training's way."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("mlflow")

import keras
import mlflow
from mlflow.tracking import MlflowClient

from diagnose import Monitor, diagnose
from diagnose.tracking import live, parcel, sending
from diagnose.tracking.parcel import State
from diagnose.tracking.store import TrackingError

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> Iterator[Path]:
    """A working directory whose MLflow is set to the store."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    yield tmp_path
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
    # What `mlflow.set_experiment` has set for the whole process.
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


def compiled() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(monitor: Monitor, epochs: int = 3, **more: Any) -> keras.Model:
    model = compiled()
    model.fit(X, Y, epochs=epochs, batch_size=16, validation_split=0.25, verbose=0, callbacks=[monitor], **more)
    return model


def steps(run_id: str, name: str) -> list[int]:
    return sorted(point.step for point in mlflow.MlflowClient().get_metric_history(run_id, name))


def test_the_active_run_gets_all_of_it(here: Path) -> None:
    with mlflow.start_run() as run:
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor)
    assert monitor.flush()
    there = mlflow.get_run(run.info.run_id)
    for curve in ("loss", "val_accuracy", "learning_rate", "grad_norm/dense", "dead_fraction/dense"):
        name = next(name for name in there.data.metrics if name.startswith(curve))
        assert steps(run.info.run_id, name) == [0, 1, 2]
    assert there.data.params["optimizer.learning_rate"] == "0.1"
    assert there.data.params["data.batch_size"] == "16"
    assert there.data.params["training.epochs"] == "3"
    assert {"health/score", "health/stuck", "best_val_loss", "best_epoch", "epochs_run"} <= there.data.metrics.keys()
    assert there.data.metrics["system/cpu_utilization_percentage"] >= 0
    assert there.data.tags["diagnosis.verdict"] == monitor.report.runs[0].verdict
    assert there.data.tags["mlflow.note.content"]
    assert there.inputs.dataset_inputs[0].dataset.digest
    files = {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
    assert files == {"run.csv", "run.json", "report.html", "report.json", "curves.svg"}
    assert there.info.status == "FINISHED"  # by the user's own block


def test_what_mlflow_has_is_diagnosed_as_the_log_is(here: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mlflow.start_run() as run:
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor, epochs=8)
    monitor.flush()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    (one,), (other,) = diagnose(f"mlflow:{run.info.run_id}").runs, diagnose("run.csv").runs
    assert [finding.check for finding in one.findings] == [finding.check for finding in other.findings]


def test_a_nested_run_and_not_the_one_around_it(here: Path) -> None:
    with mlflow.start_run() as outer, mlflow.start_run(nested=True) as inner:
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor)
    monitor.flush()
    assert "loss" in mlflow.get_run(inner.info.run_id).data.metrics
    assert mlflow.get_run(outer.info.run_id).data.metrics == {}


def test_under_autologging_nothing_is_there_twice(here: Path) -> None:
    mlflow.keras.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as run:
            monitor = Monitor("run.csv", mlflow=True)
            fit(monitor)
    finally:
        mlflow.keras.autolog(disable=True)
    monitor.flush()
    mlflow.flush_async_logging()
    assert steps(run.info.run_id, "loss") == [0, 1, 2]
    assert steps(run.info.run_id, "val_loss") == [0, 1, 2]
    assert steps(run.info.run_id, "grad_norm_global") == [0, 1, 2]
    data = mlflow.get_run(run.info.run_id).data
    assert "optimizer_name" in data.params  # of autologging
    assert "diagnosis.verdict" in data.tags


def test_without_a_run_there_is_one_of_its_own_and_no_file_is_left(here: Path) -> None:
    mlflow.set_experiment("mine")
    monitor = Monitor(mlflow=True)
    fit(monitor)
    assert monitor.flush()
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["kerasdx.kind"] == "training"
    assert [path for path in here.rglob("*") if path.is_file()] == []


def test_a_store_by_its_address(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = f"sqlite:///{tmp_path_factory.mktemp('other')}/mlflow.db"
    monitor = Monitor("run.csv", mlflow=other)
    fit(monitor)
    monitor.flush()
    (box,) = parcel.of_log(Path("run.csv"))
    assert box.state is State.SENT
    assert MlflowClient(tracking_uri=other).get_run(box.run).data.metrics["epochs_run"] == 3


def test_the_training_is_the_same_to_the_last_bit(here: Path) -> None:
    plain = compiled()
    plain.fit(X, Y, epochs=3, batch_size=16, validation_split=0.25, verbose=0)
    with mlflow.start_run():
        watched = fit(Monitor("run.csv", mlflow=True))
    for one, other in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_trainings_of_one_log_are_two_runs(here: Path) -> None:
    mlflow.set_experiment("two")
    monitor = Monitor("run.csv", mlflow=True)
    fit(monitor)
    fit(monitor, epochs=5)  # before the first one is sent
    monitor.flush()
    boxes = parcel.of_log(Path("run.csv"))
    live._finish()
    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("two").experiment_id])
    assert sorted(run.data.metrics["epochs_run"] for run in runs) == [3, 5]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert boxes[0].run in {run.info.run_id for run in runs}
    assert parcel.waiting(here) == ([], {})


def test_a_second_training_in_one_run_loses_nothing(here: Path) -> None:
    with mlflow.start_run() as run:
        for _ in range(2):
            monitor = Monitor("run.csv", mlflow=True)
            fit(monitor)
            monitor.flush()
    assert steps(run.info.run_id, "loss") == [0, 0, 1, 1, 2, 2]


def test_an_active_run_of_another_store_is_left_alone(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = f"sqlite:///{tmp_path_factory.mktemp('other')}/mlflow.db"
    with mlflow.start_run() as run:
        monitor = Monitor("run.csv", mlflow=other)
        fit(monitor)
    monitor.flush()
    assert mlflow.get_run(run.info.run_id).data.metrics == {}
    assert len(MlflowClient(tracking_uri=other).search_runs(["0"])) == 1


@pytest.mark.parametrize("wrong", [3, None, Path("x")])
def test_what_is_no_store_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="mlflow is True, False or the address of a store"):
        Monitor("run.csv", mlflow=wrong)


def test_a_copy_has_the_wish_and_not_the_connection(here: Path) -> None:
    with mlflow.start_run() as run:
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor)
        monitor.flush()
        again = pickle.loads(pickle.dumps(copy.deepcopy(monitor)))  # noqa: S301
        fit(again)
    again.flush()
    assert "loss" in mlflow.get_run(run.info.run_id).data.metrics


class TestFaults:
    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
        """A store that is away as long as the list has something in it."""
        is_away = [True]
        for name in ("send", "append"):
            whole = getattr(sending, name)

            def sometimes(*args: Any, whole: Any = whole, **kwargs: Any) -> Any:
                if is_away:
                    raise TrackingError("cannot use MLflow at http://away: Connection refused")
                return whole(*args, **kwargs)

            monkeypatch.setattr(sending, name, sometimes)
            if hasattr(parcel, name):
                monkeypatch.setattr(parcel, name, sometimes)
        monkeypatch.setattr(live, "_PAUSE", 0.05)
        return is_away

    def test_what_a_store_does_not_take_waits_beside_the_log(
        self, here: Path, away: list[bool], capsys: pytest.CaptureFixture[str]
    ) -> None:
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor)
        monitor.flush()
        told = capsys.readouterr()
        assert f"it is kept: tune sync {here}" in told.err
        assert "Traceback" not in told.out + told.err
        away.clear()
        (box,), _ = parcel.waiting(here)
        sent = box.deliver()
        assert steps(sent.run, "loss") == [0, 1, 2]
        data = mlflow.get_run(sent.run).data
        assert data.params["optimizer.learning_rate"] == "0.1"
        assert mlflow.get_run(sent.run).info.status == "FINISHED"

    def test_one_that_comes_back_gets_every_epoch_once(self, here: Path, away: list[bool]) -> None:
        class Return(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                time.sleep(0.1)
                if epoch == 4:
                    away.clear()

        with mlflow.start_run() as run:
            monitor = Monitor("run.csv", mlflow=True)
            model = compiled()
            model.fit(X, Y, epochs=12, verbose=0, callbacks=[monitor, Return()])
        monitor.flush()
        assert steps(run.info.run_id, "loss") == list(range(12))
        assert steps(run.info.run_id, "grad_norm_global") == list(range(12))

    def test_a_store_that_does_not_answer_keeps_no_epoch_waiting(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = threading.Event()

        def silent(*_args: Any, **_kwargs: Any) -> Any:
            answer.wait()
            raise TrackingError("no answer")

        monkeypatch.setattr(sending, "send", silent)
        monkeypatch.setattr(parcel, "send", silent)
        monitor = Monitor("run.csv", mlflow=True)
        fit(monitor)  # would never end
        assert not monitor.flush(0)
        answer.set()
        assert monitor.flush(60)

    @pytest.mark.parametrize("again", ["the same", "another"])
    def test_an_interrupted_training_is_sent_when_the_next_one_begins(self, here: Path, again: str) -> None:
        class Interrupt(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if epoch == 1:
                    raise KeyboardInterrupt

        first = Monitor("run.csv", mlflow=True)
        with pytest.raises(KeyboardInterrupt):
            compiled().fit(X, Y, epochs=3, verbose=0, callbacks=[first, Interrupt()])
        interrupted = first._tracked
        assert interrupted is not None
        second = first if again == "the same" else Monitor("run.csv", mlflow=True)
        fit(second)
        assert interrupted.flush(60)
        second.flush()
        client = MlflowClient()
        order = ["start_time DESC"]
        runs = client.search_runs(["0"], "tags.`kerasdx.kind` = 'training'", order_by=order, max_results=2)
        assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]
        # Keras interrupts before Monitor has heard of the second epoch's end, or after.
        assert [steps(run.info.run_id, "loss") for run in runs] == [[0, 1, 2], [0, 1]]

    @pytest.mark.slow
    @pytest.mark.parametrize("end", ["kill", "exit"])
    def test_the_process_ends(self, here: Path, store: str, end: str) -> None:
        code = f"""
import sys, time, keras
from diagnose import Monitor
from tests.live.test_monitor_mlflow import X, Y, compiled
class Wait(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 3 and {end == "kill"}:
            print("now", flush=True)
            time.sleep(60)
compiled().fit(X, Y, epochs=5, verbose=0, callbacks=[Monitor("run.csv", mlflow={store!r}), Wait()])
"""
        root = Path(__file__).parents[2]
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=here,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        assert process.stdout is not None
        if end == "kill":
            assert any(line == "now\n" for line in process.stdout)
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=240)
        (box,) = parcel.of_log(here / "run.csv")
        assert box.state is (State.OPEN if end == "kill" else State.SENT)
        run = box.deliver().run if end == "kill" else box.run
        assert mlflow.get_run(run).info.status == ("FAILED" if end == "kill" else "FINISHED")
        assert steps(run, "loss") == list(range(4 if end == "kill" else 5))
