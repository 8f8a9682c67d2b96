"""MLflow's stores on disk, read without the package, and its URIs; what is made of a run, whatever keeps it."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from diagnose import diagnose
from diagnose.readers import ReadError, read
from diagnose.readers.mlflow import database, record
from diagnose.readers.mlflow.record import Wanted
from tests.mlflow_stores import Store

ROOT = Path(__file__).parents[2]
CURVES = {"loss": [1.0, 0.5, 0.25], "val/loss": [1.1, math.nan, math.inf]}


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """A sqlite and a file store that MLflow itself wrote: {kind: (path, run id)}."""
    pytest.importorskip("mlflow")
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("mlflow")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        for kind, path, uri in (
            ("sqlite", folder / "mlflow.db", f"sqlite:///{folder}/mlflow.db"),
            ("file", folder / "mlruns", f"file://{folder}/mlruns"),
        ):
            client = MlflowClient(tracking_uri=uri)
            experiment = client.create_experiment("digits", artifact_location=f"file://{folder}/artifacts")
            run = client.create_run(experiment, run_name="brave-hen")
            metrics = [Metric(name, v, 1000 + i, i) for name, values in CURVES.items() for i, v in enumerate(values)]
            metrics += [Metric("best_val_loss", 1.1, 2000, 0)]
            metrics += [Metric("system/cpu", 1, 1, 0), Metric("system/cpu", 2, 2, 1)]
            client.log_batch(run.info.run_id, metrics=metrics, params=[Param("units", "32")])
            client.create_run(experiment, run_name="never-trained")
            made[kind] = (path, run.info.run_id)
    return made


@pytest.fixture(params=["sqlite", "file"])
def store(request, stores):
    return stores[request.param]


def test_a_store_is_known_by_its_content(store):
    (run,) = read(store[0])
    assert run.format == "mlflow"
    assert run.axis == "epoch"
    assert run.get("loss").values.tolist() == [1.0, 0.5, 0.25]
    assert run.config["hyperparameters"] == {"units": "32"}


def test_nan_and_infinity_are_kept(store):
    (run,) = read(store[0])
    assert [str(v) for v in run.get("val_loss").values] == ["1.1", "nan", "inf"]


def test_single_values_and_the_machine_s_load_are_no_curves(store):
    (run,) = read(store[0])
    assert [s.name for s in run.series] == ["loss", "val/loss"]


@pytest.mark.parametrize("uri", ["mlflow:{}", "mlflow:experiment/digits"])
def test_uris(store, uri, monkeypatch):
    path, run_id = store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}" if path.is_file() else str(path))
    (run,) = read(uri.format(run_id))
    assert run.source == uri.format(run_id)
    assert run.get("loss").values.tolist() == [1.0, 0.5, 0.25]


def test_the_default_store_is_that_of_the_working_directory(stores, monkeypatch):
    path, run_id = stores["sqlite"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(path.parent)
    (run,) = read(f"mlflow:{run_id}")
    assert run.get("loss") is not None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mlflow:0000", "there is no run 0000"),
        ("mlflow:experiment/digit", "no experiment 'digit' .*did you mean 'digits'"),
        ("mlflow:experiment/", "names no experiment"),
    ],
)
def test_what_is_not_there(store, uri, message, monkeypatch):
    path, _ = store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}" if path.is_file() else str(path))
    with pytest.raises(ReadError, match=message):
        read(uri)


def test_no_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReadError, match="no MLflow store here"):
        read("mlflow:abc")


def test_the_package_is_not_imported_for_a_store_on_disk(store):
    code = f"import sys\nfrom diagnose.readers import read\nread({str(store[0])!r})\nassert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_reading_changes_nothing(stores):
    path, _ = stores["sqlite"]
    before = path.read_bytes()
    read(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else(tmp_path):
    path = tmp_path / "notes.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    with pytest.raises(ReadError, match="without MLflow's tables"):
        read(path)


def test_a_view_that_computes_for_ever_is_not_taken_for_a_table(tmp_path):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        for table in ("runs", "params", "experiments"):
            connection.execute(f"CREATE TABLE {table} (name)")
        connection.execute(
            "CREATE VIEW metrics AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        )
    with pytest.raises(ReadError, match="without MLflow's tables"):
        read(path)


# --- What is wanted ---------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An empty store that MLFLOW_TRACKING_URI names."""
    store = Store(tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    return store


class TestWanted:
    def test_a_whole_store(self, made):
        made.experiment(1, "digits")
        made.run({"loss": [1.0, 0.5]}, name="a")
        made.run({"loss": [1.0, 0.4]}, name="b", experiment=1)
        assert [run.title for run in read("mlflow:")] == ["mlflow: [Default/a]", "mlflow: [digits/b]"]

    def test_an_experiment_by_its_number_where_none_is_called_so(self, made):
        made.experiment(7, "digits")
        made.run({"loss": [1.0, 0.5]}, name="a", experiment=7)
        made.run({"loss": [1.0, 0.4]}, name="b")
        assert len(read("mlflow:experiment/7")) == 1
        made.experiment(8, "7")
        made.run({"loss": [1.0, 0.3]}, name="c", experiment=8)
        (run,) = read("mlflow:experiment/7")
        assert run.get("loss").values[-1] == 0.3

    def test_runs_come_in_the_order_in_which_they_began(self, made):
        for name in "cab":
            made.run({"loss": [1.0, 0.5]}, name=name)
        assert [run.part.label for run in read("mlflow:experiment/Default")] == ["c", "a", "b"]

    def test_runs_of_one_name_are_told_apart_by_their_id(self, made):
        for id in ("a" * 32, "b" * 32):
            made.run({"loss": [1.0, 0.5]}, id=id, name="fit")
        assert [run.part.label for run in read("mlflow:")] == ["fit aaaaaaaa", "fit bbbbbbbb"]

    def test_a_run_without_a_name_is_called_by_its_id(self, made):
        made.run({"loss": [1.0, 0.5]}, id="a" * 32)
        made.run({"loss": [1.0, 0.5]}, id="b" * 32, tags={"mlflow.runName": "before MLflow 2"})
        assert [run.part.label for run in read("mlflow:")] == ["aaaaaaaa", "before MLflow 2"]

    def test_runs_without_a_curve_are_left_out(self, made):
        made.run({"accuracy": [0.9]}, name="a search")
        made.run({"loss": [1.0, 0.5]}, name="a trial")
        assert len(read("mlflow:")) == 1

    def test_pages_join(self, made, monkeypatch):
        monkeypatch.setattr(database, "_PAGE_RUNS", 3)
        monkeypatch.setattr(database, "_PAGE_VALUES", 5)
        for i in range(10):
            made.run({"loss": [i, 0.5], "val_loss": [i, 0.6]}, name=f"run {i}", params={"i": str(i)})
        runs = read("mlflow:")
        assert [run.get("loss").values[0] for run in runs] == list(range(10))
        assert [run.get("val_loss").values[0] for run in runs] == list(range(10))
        assert [run.config["hyperparameters"]["i"] for run in runs] == [str(i) for i in range(10)]

    def test_of_more_runs_than_can_be_read_the_newest_are(self, made, monkeypatch):
        monkeypatch.setattr(database, "MOST_RUNS", 2)
        monkeypatch.setattr(record, "MOST_RUNS", 2)
        for name in "abc":
            made.run({"loss": [1.0, 0.5]}, name=name)
        runs = read("mlflow:")
        assert [run.part.label for run in runs] == ["b", "c"]
        assert all("newest 2 runs" in run.notes[0] for run in runs)

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            ("mlflow:gone", "run gone was deleted .*mlflow runs restore --run-id gone"),
            ("mlflow:experiment/old", "experiment 'old' was deleted .*mlflow experiments restore"),
            ("mlflow:experiment/empty", "no run in the MLflow experiment 'empty' yet"),
            ("mlflow:", "no run in the MLflow store yet"),
            ("mlflow:experiment/9", "no experiment '9'"),
        ],
    )
    def test_what_is_not_there_any_more_or_yet(self, made, uri, message):
        made.experiment(1, "old", "deleted")
        made.experiment(2, "empty")
        made.run({"loss": [1.0, 0.5]}, id="gone", stage="deleted")
        with pytest.raises(ReadError, match=message):
            read(uri)

    def test_a_run_with_more_values_than_can_be_read_is_refused(self, made, monkeypatch):
        monkeypatch.setattr(database, "_MOST_VALUES", 3)
        made.run({"loss": [1.0, 0.5, 0.4, 0.3]}, id="long")
        with pytest.raises(ReadError, match="run long has 4 values"):
            read("mlflow:")


# --- What a run tells -------------------------------------------------------------------------------------------------


class TestRun:
    def test_tells_where_it_is_from(self, made):
        made.experiment(1, "digits")
        id = made.run({"loss": [1.0, 0.5]}, experiment=1)
        (run,) = read("mlflow:")
        place = {"store": made.uri, "run_id": id, "experiment": "digits", "status": "FINISHED"}
        assert dict(run.config["mlflow"]) == place

    def test_tells_an_absolute_store_also_where_it_is_named_by_a_path(self, made, monkeypatch):
        made.run({"loss": [1.0, 0.5]})
        monkeypatch.chdir(made.path.parent)
        assert read("mlflow.db")[0].config["mlflow"]["store"] == made.uri

    def test_goes_on(self, made):
        made.run({"loss": [1.0, 0.5]}, status="RUNNING")
        (run,) = read("mlflow:")
        assert run.config["mlflow"]["status"] == "RUNNING"
        assert "RUNNING" in run.notes[-1]

    def test_has_only_begun(self, made):
        made.run({"loss": [1.0]}, id="new", status="RUNNING")
        with pytest.raises(ReadError, match="it has only begun"):
            read("mlflow:new")

    def test_curves_are_no_health_no_machine_and_no_single_value(self, made):
        curve = [0.5, 0.4]
        made.run({"loss": curve, "health/score": curve, "system/cpu": curve, "best_val_loss": [0.1]})
        assert [s.name for s in read("mlflow:")[0].series] == ["loss"]

    def test_layer_statistics(self, made):
        made.run({"loss": [1.0, 0.5], "grad_norm/dense": [0.1, 0.2], "grad_norm/out": [0.3, 0.4]})
        (run,) = read("mlflow:")
        assert run.layers["grad_norm"].layers == ("dense", "out")
        assert run.layers["grad_norm"].values.tolist() == [[0.1, 0.3], [0.2, 0.4]]

    def test_layers_are_in_the_order_of_the_model(self, made):
        names = ("dense_10", "out", "dense_2", "dense", "conv2d")
        layers = {f"grad_norm/{name}": [0.1, 0.2] for name in names}
        made.run({"loss": [1.0, 0.5], **layers})
        (run,) = read("mlflow:")
        assert run.layers["grad_norm"].layers == ("conv2d", "dense", "dense_2", "dense_10", "out")
        artifacts = made.path.parent / "artifacts" / "abc" / "artifacts"
        artifacts.mkdir(parents=True)
        facts = {"schema": "kerasdx-run/1", "architecture": [{"name": name} for name in names]}
        (artifacts / "run.json").write_text(json.dumps(facts))
        made.run({"loss": [1.0, 0.5], **layers}, id="abc")
        (run,) = read("mlflow:abc")
        assert run.layers["grad_norm"].layers == names

    def test_settings_that_advice_is_based_on(self, made):
        made.run(
            {"loss": [1.0, 0.5]}, params={"optimizer.learning_rate": "0.1", "data.batch_size": "32", "model.width": "8"}
        )
        config = read("mlflow:")[0].config
        assert (config["learning_rate"], config["batch_size"]) == (0.1, 32)

    def test_text_in_a_column_of_numbers_is_left_out(self, made):
        id = made.run({"loss": [1.0, 0.5, 0.2]})
        for value in ("'much'", "NULL", "x'00'"):
            made.execute(f"INSERT INTO metrics VALUES ('loss', {value}, 1000, ?, 9, 0)", id)
        made.execute("INSERT INTO metrics VALUES ('loss', 0.1, 'now', ?, 9, 0)", id)
        assert read("mlflow:")[0].get("loss").values.tolist() == [1.0, 0.5, 0.2]


class TestSteps:
    def test_a_second_training_in_a_run_is_another_one(self, made):
        first = [(t, t, 1.0 - 0.1 * t) for t in range(6)]
        again = [(100 + t, t, 3.0 - 0.1 * t) for t in range(4)]
        made.run({"loss": [*first, *again], "val_loss": [(t + 100, t, 3.5) for t in range(4)]}, name="fit")
        one, other = read("mlflow:")
        assert (one.part.label, other.part.label) == ("fit, 1", "fit, 2")
        assert one.get("loss").values.tolist() == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])
        assert one.get("val_loss") is None
        assert other.get("val_loss").values.tolist() == [3.5] * 4
        assert one.config["mlflow"]["run_id"] == other.config["mlflow"]["run_id"]

    def test_a_resumed_training_is_one(self, made):
        before = [(t, t, 1.0 - 0.1 * t) for t in range(6)]
        resumed = [(100 + t, t, 0.99 - 0.1 * t) for t in range(3, 8)]
        made.run({"loss": [*before, *resumed]})
        (run,) = read("mlflow:")
        assert run.get("loss").values.tolist() == pytest.approx([1.0, 0.9, 0.8, 0.69, 0.59, 0.49, 0.39, 0.29])

    def test_values_that_were_sent_twice_are_one_training(self, made):
        curve = [(t, t, 1.0 - 0.1 * t) for t in range(6)]
        made.run({"loss": [*curve, *((at + 100, step, value) for at, step, value in curve)]})
        (run,) = read("mlflow:")
        assert len(run.get("loss")) == 6

    def test_values_that_were_sent_at_once_are_in_the_order_of_their_steps(self, made):
        made.run({"loss": [(5, 2, 0.3), (5, 0, 1.0), (5, 1, 0.5)]})
        assert read("mlflow:")[0].get("loss").values.tolist() == [1.0, 0.5, 0.3]

    def test_a_curve_without_steps_beside_others_is_placed_by_its_time(self, made):
        steps = [(10 * t, 2 * t, 1.0 - 0.1 * t) for t in range(6)]
        made.run({"loss": steps, "validation_loss": [(21, 0, 0.9), (41, 0, 0.8)]})
        series = read("mlflow:")[0].get("val_loss")
        assert (series.epochs.tolist(), series.values.tolist()) == ([4, 8], [0.9, 0.8])

    def test_a_curve_without_steps_that_is_there_twice_is_left_out(self, made):
        curve = [1.0, 0.5, 0.4]
        made.run({"loss": curve, "val_loss": curve, "validation_loss": [(t, 0, 0.5) for t in range(3)]})
        assert [s.name for s in read("mlflow:")[0].series] == ["loss", "val_loss"]


class TestSetup:
    FACTS = '{"schema": "kerasdx-run/1", "batch_size": 16, "classes": 10, "loss": "mse"}'

    def test_is_that_of_the_log_which_kerasdx_logged(self, made):
        artifacts = made.path.parent / "elsewhere"
        artifacts.mkdir()
        (artifacts / "run.json").write_text(self.FACTS)
        made.run({"loss": [1.0, 0.5]}, artifacts=artifacts.as_uri(), params={"data.batch_size": "8"})
        config = read("mlflow:")[0].config
        assert (config["classes"], config["batch_size"]) == (10, 16)
        assert config["hyperparameters"] == {"data.batch_size": "8"}

    def test_is_found_where_the_store_was_moved_to(self, made):
        artifacts = made.path.parent / "artifacts" / "abc" / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "run.json").write_text(self.FACTS)
        made.run({"loss": [1.0, 0.5]}, id="abc", artifacts="file:///not/here/any/more/abc/artifacts")
        assert read("mlflow:")[0].config["classes"] == 10

    @pytest.mark.parametrize("content", ["{", "[1]", '{"classes": 10}', "[" * 100_000, " " * 2_000_000])
    def test_that_is_broken_or_of_others_is_none(self, made, content):
        artifacts = made.path.parent / "artifacts" / "abc" / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "run.json").write_text(content)
        made.run({"loss": [1.0, 0.5]}, id="abc", artifacts="mlflow-artifacts:/abc")
        assert "classes" not in read("mlflow:")[0].config

    def test_that_would_never_end_is_not_opened(self, made):
        artifacts = made.path.parent / "artifacts" / "abc" / "artifacts"
        artifacts.mkdir(parents=True)
        os.mkfifo(artifacts / "run.json")
        made.run({"loss": [1.0, 0.5]}, id="abc")
        assert "classes" not in read("mlflow:")[0].config


@pytest.mark.parametrize("log", sorted((ROOT / "examples" / "layers" / "logs").glob("*.csv")), ids=lambda log: log.stem)
def test_the_findings_are_those_of_the_log(made, log):
    """A run that has the curves of a log, and its set-up, is diagnosed as the log is."""
    expected = diagnose(log).runs[0]
    curves = {s.name: list(zip(s.epochs, s.epochs, s.values, strict=True)) for s in expected.run.series}
    for statistic in expected.run.layers.values():
        for layer, values in zip(statistic.layers, statistic.values.T, strict=True):
            points = [(e, e, v) for e, v in zip(statistic.epochs, values, strict=True) if not math.isnan(v)]
            curves[f"{statistic.name}/{layer}"] = points
    artifacts = made.path.parent / "artifacts" / "abc" / "artifacts"
    artifacts.mkdir(parents=True)
    facts = dict(expected.run.config)
    (artifacts / "run.json").write_text(json.dumps(facts))
    made.run(curves, id="abc", tags={"kerasdx.version": "1"})
    found = diagnose("mlflow:abc").runs[0]
    assert (found.verdict, found.summary) == (expected.verdict, expected.summary)
    assert [(f.check, f.severity, f.layers) for f in found.findings] == [
        (f.check, f.severity, f.layers) for f in expected.findings
    ]


class TestWriter:
    def test_is_not_kept_waiting(self, made, monkeypatch):
        monkeypatch.setattr(database, "_PAGE_RUNS", 1)
        for _ in range(3):
            made.run({"loss": [1.0, 0.5]})
        records = database.records_of_file(made.path, Wanted())
        next(records)
        with closing(sqlite3.connect(made.path, timeout=0)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            writer.rollback()
        assert len([*records]) == 2

    def test_is_waited_for(self, made):
        made.run({"loss": [1.0, 0.5]})
        writer = sqlite3.connect(made.path, check_same_thread=False)
        writer.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.3, writer.rollback).start()
        assert len(read("mlflow:")) == 1
        writer.close()


# --- File stores ------------------------------------------------------------------------------------------------------


def write_run(folder, metrics):
    (folder / "metrics").mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"run_id: {folder.name}\nrun_name: old\nlifecycle_stage: active\n")
    for name, text in metrics.items():
        (folder / "metrics" / name).write_text(text)


def test_a_run_folder_of_a_file_store(tmp_path):
    write_run(tmp_path / "abc", {"loss": "1 1.0 0\n2 0.5 1\n"})
    (run,) = read(tmp_path / "abc")
    assert run.get("loss").values.tolist() == [1.0, 0.5]


def test_a_torn_last_line_of_a_metric_is_left_out(tmp_path):
    write_run(tmp_path / "abc", {"loss": "1 1.0 0\n2 0.5 1\n3 0.2"})
    (run,) = read(tmp_path / "abc")
    assert run.get("loss").values.tolist() == [1.0, 0.5]


def test_metrics_logged_without_a_step_are_counted(tmp_path):
    write_run(tmp_path / "abc", {"loss": "1 1.0 0\n2 0.5 0\n3 0.2 0\n"})
    (run,) = read(tmp_path / "abc")
    assert run.get("loss").values.tolist() == [1.0, 0.5, 0.2]
    assert "without a step" in run.notes[0]


def test_runs_without_a_curve(tmp_path):
    write_run(tmp_path / "abc", {"accuracy": "1 0.9 0\n"})
    with pytest.raises(ReadError, match="1 run without a curve"):
        read(tmp_path / "abc")


class TestOldStores:
    """What MLflow 0.9 to 2 left behind; the fields are those of its ``meta.yaml``."""

    META_0_9 = (
        "artifact_uri: {folder}/artifacts\nend_time: 1553000060000\nentry_point_name: ''\nexperiment_id: 0\n"
        "name: ''\nrun_uuid: {id}\nsource_name: train.py\nsource_type: 4\nsource_version: null\n"
        "start_time: 1553000000000\nstatus: 3\ntags: []\nuser_id: ann\n"
    )
    META_1 = (
        "artifact_uri: file://{folder}/artifacts\nend_time: null\nentry_point_name: ''\nexperiment_id: '0'\n"
        "lifecycle_stage: {stage}\nname: ''\nrun_id: {id}\nrun_uuid: {id}\nsource_name: ''\nsource_type: 4\n"
        "source_version: ''\nstart_time: {start}\nstatus: 1\ntags: []\nuser_id: ann\n"
    )
    META_2 = META_1.replace("name: ''\nrun_id", "run_id").replace("run_uuid", "run_name: {name}\nrun_uuid")

    @pytest.fixture
    def mlruns(self, tmp_path, monkeypatch):
        root = tmp_path / "mlruns"
        self.experiment(root / "0", "Default")
        (root / ".trash").mkdir()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", root.as_uri())
        return root

    def experiment(self, folder, name, stage="active"):
        folder.mkdir(parents=True)
        meta = f"artifact_location: {folder.as_uri()}\nexperiment_id: '{folder.name}'\nlifecycle_stage: {stage}\n"
        (folder / "meta.yaml").write_text(f"{meta}name: {name}\n")

    def run(self, folder, meta, *, stage="active", name="''", start=1, metrics=None, tags=None):
        for kind, files in (("metrics", metrics or {"loss": "1 1.0 0\n2 0.5 1\n"}), ("tags", tags or {})):
            for key, text in files.items():
                (folder / kind / key).parent.mkdir(parents=True, exist_ok=True)
                (folder / kind / key).write_text(text)
        values = {"folder": folder, "id": folder.name, "stage": stage, "name": name, "start": start}
        (folder / "meta.yaml").write_text(meta.format(**values))

    def test_before_1_0_runs_had_another_id_and_values_no_step(self, mlruns):
        self.run(mlruns / "0" / "abc", self.META_0_9, metrics={"loss": "1 1.0\n2 0.5\n3 0.4\n"})
        (run,) = read("mlflow:abc")
        assert run.get("loss").values.tolist() == [1.0, 0.5, 0.4]
        assert run.config["mlflow"]["status"] == "FINISHED"

    def test_with_1_x_the_name_is_a_tag(self, mlruns):
        for id, name in (("abc", "one"), ("def", "other")):
            self.run(mlruns / "0" / id, self.META_1, tags={"mlflow.runName": name})
        assert [run.part.label for run in read("mlflow:")] == ["one", "other"]
        assert all(run.config["mlflow"]["status"] == "RUNNING" for run in read("mlflow:"))

    def test_with_2_x_it_is_a_field(self, mlruns):
        self.run(mlruns / "0" / "abc", self.META_2, name="'it''s late'", start=2)
        self.run(mlruns / "0" / "def", self.META_2, name='"tab\\tand \\xE9"', start=1)
        self.run(mlruns / "0" / "fed", self.META_2, name="a long name that is\n  folded", start=3)
        labels = [run.part.label for run in read(mlruns)]
        assert labels[1:] == ["it's late", "a long name that is folded"]

    def test_deleted_runs_and_what_is_in_the_trash_are_left_out(self, mlruns):
        self.run(mlruns / "0" / "abc", self.META_1)
        self.run(mlruns / "0" / "def", self.META_1, stage="deleted")
        self.experiment(mlruns / ".trash" / "3", "thrown away", "deleted")
        self.run(mlruns / ".trash" / "3" / "fed", self.META_1)
        assert [run.config["mlflow"]["run_id"] for run in read("mlflow:")] == ["abc"]
        with pytest.raises(ReadError, match="run def was deleted"):
            read("mlflow:def")
        with pytest.raises(ReadError, match="experiment 'thrown away' was deleted"):
            read("mlflow:experiment/thrown away")

    def test_names_of_metrics_with_slashes(self, mlruns):
        self.run(
            mlruns / "0" / "abc", self.META_1, metrics={"train/loss": "1 1 0\n2 .5 1\n", "val/loss": "1 2 0\n2 3 1\n"}
        )
        (run,) = read("mlflow:abc")
        assert run.get("val_loss").values.tolist() == [2, 3]

    def test_values_of_a_data_set(self, mlruns):
        text = "1 1.0 0\n2 0.5 1 digits 5f3c\n3 0.4 2\n"
        self.run(mlruns / "0" / "abc", self.META_2, metrics={"loss": text})
        assert read("mlflow:abc")[0].get("loss").values.tolist() == [1.0, 0.5, 0.4]

    def test_where_it_is_from(self, mlruns):
        self.run(mlruns / "0" / "abc", self.META_2)
        for source in (mlruns, mlruns / "0", mlruns / "0" / "abc", "mlflow:"):
            place = read(source)[0].config["mlflow"]
            assert (place["store"], place["run_id"]) == (mlruns.as_uri(), "abc")
        assert place["experiment"] == "Default"

    def test_an_experiment_by_name_or_number(self, mlruns):
        self.experiment(mlruns / "12", "digits")
        self.run(mlruns / "12" / "abc", self.META_2)
        assert len(read("mlflow:experiment/digits")) == len(read("mlflow:experiment/12")) == 1
        with pytest.raises(ReadError, match="no run in the MLflow experiment 'Default' yet"):
            read("mlflow:experiment/Default")

    def test_the_set_up_among_its_artifacts(self, mlruns):
        self.run(mlruns / "0" / "abc", self.META_2)
        (mlruns / "0" / "abc" / "artifacts").mkdir()
        (mlruns / "0" / "abc" / "artifacts" / "run.json").write_text(TestSetup.FACTS)
        assert read("mlflow:abc")[0].config["classes"] == 10
