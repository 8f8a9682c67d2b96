"""Trainings in MLflow: what is stored can be read, and a store that fails costs a line."""

import logging
import math
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from mlflow.tracking import MlflowClient

from diagnose.readers import read
from diagnose.tracking import sending, store
from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.sending import send
from diagnose.tracking.store import TrackingError, store_uri

RECORD = TrainingRecord(
    experiment="digits",
    run="mlp, seed 0",
    started=1_700_000_000.0,
    ended=1_700_000_012.5,
    parameters={
        "recipe": "mlp", "optimizer.learning_rate": 0.001, "model.width": 64, "model.batch_norm": False,
        "data.target": ("height", "weight"), "hyperparameters.rate": None, "data.source": "",
    },
    curves={
        "loss": [(0, 1.0), (1, 0.5), (2, 0.25)],
        "val_loss": [(0, 1.1), (1, math.nan), (2, math.inf)],
        "grad_norm/dense": [(0, 0.1), (1, 0.2), (2, 0.3)],
        "grad_norm/dense_1": [(0, 0.1), (1, 0.2), (2, 0.3)],
    },
    metrics={"test_accuracy": 0.9, "best_val_loss": 1.1, "best_epoch": 0, "epochs_run": 3},
    tags={"diagnosis.verdict": "warning"},
    note="# A run\n\nWith **bold** words.",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with a store in it, its name a hard one."""
    folder = tmp_path_factory.mktemp("a b%c#d")
    send(replace(RECORD, experiment="first"), f"sqlite:///{folder}/mlruns/mlflow.db")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    return folder


def stored(run_id):
    return MlflowClient(tracking_uri=store_uri(Path.cwd())).get_run(run_id)


def history(run_id, name):
    points = MlflowClient(tracking_uri=store_uri(Path.cwd())).get_metric_history(run_id, name)
    return [(point.step, point.value) for point in points]


class TestStored:
    def test_a_run_with_its_names_times_and_status(self, here):
        run = stored(send(RECORD))
        assert run.info.run_name == "mlp, seed 0"
        assert run.info.status == "FINISHED"
        assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_000_012_500)

    def test_a_training_that_failed(self, here):
        assert stored(send(replace(RECORD, is_failed=True))).info.status == "FAILED"

    def test_every_setting_numbers_as_numbers(self, here):
        assert stored(send(RECORD)).data.params == {
            "recipe": "mlp", "optimizer.learning_rate": "0.001", "model.width": "64", "model.batch_norm": "false",
            "data.target": "height, weight", "hyperparameters.rate": "", "data.source": "",
        }  # fmt: skip

    def test_curves_and_single_metrics(self, here):
        run_id = send(RECORD)
        assert history(run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
        assert history(run_id, "grad_norm/dense") == [(0, 0.1), (1, 0.2), (2, 0.3)]
        assert history(run_id, "best_epoch") == [(0, 0)]

    def test_tags_and_the_description(self, here):
        tags = stored(send(RECORD)).data.tags
        assert tags["diagnosis.verdict"] == "warning"
        assert "# A run" in tags["mlflow.note.content"]

    def test_files_and_folders_beside_the_store(self, here, tmp_path):
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / "confusion.png").write_bytes(b"png")
        (tmp_path / "report.html").write_text("<p>fine</p>")
        run_id = send(replace(RECORD, artifacts=(tmp_path / "report.html", tmp_path / "figures")))
        artifacts = here / "mlruns" / "artifacts" / run_id / "artifacts"
        assert (artifacts / "report.html").read_text() == "<p>fine</p>"
        assert (artifacts / "figures" / "confusion.png").read_bytes() == b"png"

    def test_more_than_fits_in_one_request(self, here):
        curves = {f"update_ratio/layer_{i}": [(epoch, 1.0) for epoch in range(12)] for i in range(100)}
        parameters = {f"model.setting_{i}": i for i in range(150)}
        data = stored(send(replace(RECORD, curves=curves, parameters=parameters))).data
        assert len(data.params) == 150
        assert len(data.metrics) == 104

    def test_names_that_mlflow_does_not_take(self, here):
        curves = {
            "grad_norm/block:1//conv*": [(0, 1.0), (1, 2.0)], "grad_norm/block_1/conv_": [(0, 3.0), (1, 4.0)],
            "../x": [(0, 1.0), (1, 5.0)], "é" * 300: [(0, 1.0), (1, 6.0)],
        }  # fmt: skip
        metrics = stored(send(replace(RECORD, curves=curves, metrics={}))).data.metrics
        assert metrics == {
            "grad_norm/block_1/conv_": 2.0, "grad_norm/block_1/conv__2": 4.0, "x": 5.0, "é" * 250: 6.0
        }  # fmt: skip

    def test_a_metric_that_is_also_a_curve_adds_no_point_to_it(self, here):
        run_id = send(replace(RECORD, metrics={"loss": 0.2}))
        assert history(run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
        assert history(run_id, "loss_2") == [(0, 0.2)]

    def test_texts_that_are_too_long_are_cut(self, here):
        data = stored(send(replace(RECORD, parameters={"a": "x" * 9000}, note="y" * 9000))).data
        assert data.params["a"] == "x" * 5999 + "…"
        assert 4900 < len(data.tags["mlflow.note.content"]) <= 5000


class TestDiagnosed:
    def test_a_stored_run_is_what_the_reader_reads(self, here):
        (run,) = read(f"mlflow:{send(RECORD)}")
        assert run.get("loss").values.tolist() == [1.0, 0.5, 0.25]
        assert [str(value) for value in run.get("val_loss").values] == ["1.1", "nan", "inf"]
        assert run.layers["grad_norm"].layers == ("dense", "dense_1")
        assert [series.name for series in run.series] == ["loss", "val_loss"]
        assert run.config["hyperparameters"]["optimizer.learning_rate"] == "0.001"


class TestStore:
    def test_the_default_is_a_file_of_the_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert store_uri(tmp_path) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
        assert list(tmp_path.iterdir()) == []

    def test_the_user_s_own_store_is_heeded(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlruns/mlflow.db")
        monkeypatch.chdir(tmp_path)
        assert stored(send(RECORD)).info.status == "FINISHED"
        assert list(tmp_path.iterdir()) == []

    def test_a_relative_store_keeps_its_files_where_it_is(self, here, tmp_path, monkeypatch):
        run_id = send(RECORD, "sqlite:///mlruns/mlflow.db")
        assert stored(run_id).info.artifact_uri.startswith("file:///")

    def test_a_store_whose_making_was_interrupted_is_not_there(self, tmp_path, monkeypatch):
        import mlflow.store.tracking.sqlalchemy_store as module

        def interrupted(uri, _artifacts):
            Path(uri.removeprefix("sqlite:///")).write_bytes(b"half of it")
            raise KeyboardInterrupt

        monkeypatch.setattr(module, "SqlAlchemyStore", interrupted)
        with pytest.raises(KeyboardInterrupt):
            send(RECORD, f"sqlite:///{tmp_path}/mlflow.db")
        assert [path.name for path in tmp_path.iterdir()] == [".mlflow.db.lock"]

    @pytest.mark.long
    def test_two_processes_that_make_it_at_once(self, tmp_path):
        store = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
        code = (
            "import mlflow.tracking\n"
            "from tests.tracking.test_sending import RECORD\n"
            "from diagnose.tracking.sending import send\n"
            "input('ready\\n')\n"
            f"print(send(RECORD, {store!r}))"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        run_id = send(RECORD, store)
        other_id, errors = other.communicate(timeout=240)
        assert errors == ""
        client = MlflowClient(tracking_uri=store)
        assert {client.get_run(each.strip()).info.status for each in (run_id, other_id)} == {"FINISHED"}
        assert sorted(e.name for e in client.search_experiments()) == ["Default", "digits"]

    def test_nothing_is_said(self, here, capfd):
        level = logging.getLogger("mlflow").level
        send(RECORD)
        assert capfd.readouterr() == ("", "")
        assert logging.getLogger("mlflow").level == level


class TestFailure:
    def fails(self, uri, match):
        with pytest.raises(TrackingError, match=match) as caught:
            send(RECORD, uri)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
        return str(caught.value)

    def test_a_place_where_nothing_can_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        self.fails(
            f"sqlite:///{tmp_path}/file/mlflow.db",
            f"cannot use MLflow at sqlite:///{tmp_path}/file/mlflow.db: ",
        )

    def test_a_file_that_is_no_database(self, tmp_path):
        (tmp_path / "mlflow.db").write_text("no database at all" * 100)
        self.fails(f"sqlite:///{tmp_path}/mlflow.db", "is no store of MLflow's; name another file")

    def test_the_database_of_another_program_is_left_alone(self, tmp_path):
        with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
            connection.execute("CREATE TABLE t (a)")
        before = (tmp_path / "app.db").read_bytes()
        self.fails(f"sqlite:///{tmp_path}/app.db", "is no store of MLflow's")
        assert (tmp_path / "app.db").read_bytes() == before

    def test_a_database_that_is_down_is_said_at_once(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.fails(f"postgresql://me:secret@127.0.0.1:{taken.getsockname()[1]}/runs", "refused")

    def test_a_store_that_mlflow_does_not_know(self):
        self.fails("bogus://store", "is no address of an MLflow store; write sqlite:///FILE")

    @pytest.mark.parametrize("part", ["?", "%20"])
    def test_a_path_that_means_another_one_in_a_uri(self, tmp_path, part):
        self.fails(f"sqlite:///{tmp_path}/a{part}b/mlflow.db", re.escape(f"takes no path with {part!r} in it"))

    def test_a_server_that_is_down(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.fails(f"http://127.0.0.1:{taken.getsockname()[1]}", "refuses the connection")

    def test_a_server_that_never_answers(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.fails(f"http://127.0.0.1:{silent.getsockname()[1]}", "has not answered|does not answer|no answer")

    def test_a_store_that_hangs_while_it_is_opened(self, monkeypatch, tmp_path):
        never = threading.Event()
        monkeypatch.setattr("mlflow.tracking.MlflowClient", lambda tracking_uri: never.wait())
        monkeypatch.setattr(store, "_OPEN_SECONDS", 0.05)
        self.fails(f"file://{tmp_path}/mlruns", r"no answer within 0\.05 seconds")
        never.set()

    def test_an_experiment_that_was_deleted(self, here):
        client = MlflowClient(tracking_uri=store_uri(here))
        deleted = client.create_experiment("gone")
        client.delete_experiment(deleted)
        with pytest.raises(TrackingError, match=f"'gone' was deleted.*restore --experiment-id {deleted}"):
            send(replace(RECORD, experiment="gone"))

    def test_a_file_that_is_not_there_leaves_the_run(self, here, tmp_path):
        with pytest.raises(TrackingError, match="absent"):
            send(replace(RECORD, experiment="no file", artifacts=(tmp_path / "absent.html",)))
        client = MlflowClient(tracking_uri=store_uri(here))
        experiment = client.get_experiment_by_name("no file")
        (run,) = client.search_runs([experiment.experiment_id])
        assert (run.info.status, run.data.metrics["test_accuracy"]) == ("FINISHED", 0.9)

    def test_a_run_that_could_not_be_written_whole_is_marked(self, here, monkeypatch):
        def full(*_args, **_kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(MlflowClient, "log_batch", full)
        with pytest.raises(TrackingError, match="No space left"):
            send(replace(RECORD, experiment="full disk"))
        client = MlflowClient(tracking_uri=store_uri(here))
        (run,) = client.search_runs([client.get_experiment_by_name("full disk").experiment_id])
        assert run.info.status == "FAILED"

    def test_mlflow_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
        self.fails("sqlite:///x.db", r"pip install 'kerasdx\[mlflow\]'")


class TestAgain:
    """What is sent again is stored once."""

    KEYED = replace(RECORD, experiment="keyed")

    def test_under_a_key_a_training_is_one_run(self, here):
        first = send(replace(self.KEYED, key="a"))
        assert send(replace(self.KEYED, key="a", metrics={"later": 1.0})) == first
        assert "later" not in stored(first).data.metrics
        assert send(replace(self.KEYED, key="b")) != first

    def test_one_that_goes_on_is_ended_later(self, here):
        first = send(replace(self.KEYED, key="c", ended=0.0, curves={}, metrics={}))
        assert stored(first).info.status == "RUNNING"
        assert send(replace(self.KEYED, key="c")) == first
        assert stored(first).info.status == "FINISHED"
        assert history(first, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]

    def test_what_is_missing_is_added_and_what_is_there_stays(self, here):
        first = send(replace(self.KEYED, key="d", ended=0.0, curves={}, parameters={"recipe": "mlp"}, metrics={}))
        assert sending.append(first, {"loss": [(0, 9.0, 1.0), (1, 9.0, 2.0)]}) == {"loss": 1}
        send(replace(self.KEYED, key="d"))
        assert history(first, "loss") == [(0, 9.0), (1, 9.0), (2, 0.25)]
        assert stored(first).data.params["model.width"] == "64"

    @pytest.mark.parametrize("moment", ["log_batch", "set_terminated", "log_text", "log_artifact", "set_tag"])
    def test_an_end_at_any_moment(self, here, tmp_path, monkeypatch, moment):
        (tmp_path / "run.csv").write_text("epoch,loss")
        record = replace(
            self.KEYED, key=f"ended in {moment}", texts={"report.html": "<p>"}, artifacts=(tmp_path / "run.csv",)
        )
        whole = getattr(MlflowClient, moment)

        def half(self, *args, **kwargs):
            whole(self, *args, **kwargs)
            raise OSError(32, "Broken pipe")

        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, moment, half)
            with pytest.raises(TrackingError, match="Broken pipe"):
                send(record)
        run_id = send(record)
        client = MlflowClient(tracking_uri=store_uri(here))
        experiment = client.get_experiment_by_name("keyed").experiment_id
        assert len(client.search_runs([experiment], f"tags.`kerasdx.key` = '{record.key}'")) == 1
        assert stored(run_id).info.status == "FINISHED"
        assert history(run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
        assert {file.path for file in client.list_artifacts(run_id)} == {"report.html", "run.csv"}


class TestOfSomebodyElse:
    """A run that this project did not make keeps what it has."""

    @pytest.fixture
    def theirs(self, here):
        client = MlflowClient(tracking_uri=store_uri(here))
        run_id = client.create_run("0", tags={"mlflow.note.content": "My notes."}).info.run_id
        client.log_param(run_id, "recipe", "theirs")
        client.log_metric(run_id, "loss", 7.0, step=0)  # after the training has begun: autologging
        client.log_metric(run_id, "loss", 8.0, step=1, timestamp=1)  # long before: another training
        return run_id

    def test_status_settings_and_curves_stay(self, theirs):
        assert send(replace(RECORD, run_id=theirs)) == theirs
        assert stored(theirs).info.status == "RUNNING"
        assert stored(theirs).data.params["recipe"] == "theirs"
        assert sorted(history(theirs, "loss")) == [(0, 7.0), (1, 0.5), (1, 8.0), (2, 0.25)]

    def test_a_description_without_room_for_ours_stays(self, theirs):
        client = MlflowClient(tracking_uri=store_uri(Path.cwd()))
        client.set_tag(theirs, "mlflow.note.content", "x" * 4990)
        send(replace(RECORD, run_id=theirs, note="ours"))
        assert stored(theirs).data.tags["mlflow.note.content"] == "x" * 4990

    def test_the_description_has_both_and_ours_is_replaced(self, theirs):
        for note in ("first", "second"):
            send(replace(RECORD, run_id=theirs, note=note))
            client = MlflowClient(tracking_uri=store_uri(Path.cwd()))
            there = client.get_run(theirs).data.tags["mlflow.note.content"]
            client.set_tag(theirs, "mlflow.note.content", f"{there}\n\nMore of mine.")
        assert there == "My notes.\n\n<!-- kerasdx -->\nsecond\n<!-- /kerasdx -->\n\nMore of mine."

    def test_a_run_that_is_not_there(self, here):
        with pytest.raises(TrackingError, match="not found"):
            send(replace(RECORD, run_id="f" * 32))


def test_the_user_s_switches_stay_and_ours_go(here, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    send(RECORD)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_epochs_with_fractions_are_counted(here):
    curves = {"loss": [(0.25, 1.0), (0.5, 0.9), (1.0, 0.8)], "eval_loss": [(0.5, 1.0), (1.0, 0.9)]}
    run_id = send(replace(RECORD, experiment="fractions", curves=curves))
    assert history(run_id, "loss") == [(0, 1.0), (1, 0.9), (2, 0.8)]
    assert history(run_id, "eval_loss") == [(1, 1.0), (2, 0.9)]
