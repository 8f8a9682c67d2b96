"""MLflow's stores on disk, read without the package, and its URIs."""

import math
import sqlite3
import subprocess
import sys

import pytest

from diagnose.readers import ReadError, read

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
        ("mlflow:", "names no run"),
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


def test_a_server_needs_the_package(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", None)
    with pytest.raises(ReadError, match=r"pip install 'kerasdx\[mlflow\]'"):
        read("mlflow:abc")


def test_a_server_that_does_not_answer(monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ReadError, match="cannot be read from MLflow at http"):
        read("mlflow:abc")


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
