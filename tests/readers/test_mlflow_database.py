"""MLflow's databases through SQLAlchemy, with the queries for sqlite; PostgreSQL is in `test_mlflow_server`."""

import math
import socket
import time

import pytest

from diagnose.readers import ReadError, read
from diagnose.readers.mlflow import database
from diagnose.readers.mlflow.record import Wanted
from tests.mlflow_stores import Store
from tests.servers import free_port

pytest.importorskip("sqlalchemy")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "mlflow.db")


def records(store, experiment=""):
    return [*database.records(store.uri, Wanted(experiment=experiment))]


def test_runs_are_read(store):
    store.experiment(3, "digits")
    id = store.run(
        {"loss": [1.0, math.nan], "health/score": [9.0, 9.0]}, name="fit", experiment=3, params={"units": "8"}
    )
    (found,) = records(store)
    assert (found.id, found.name, found.experiment, found.params) == (id, "fit", "digits", {"units": "8"})
    assert str(found.metrics) == "{'loss': [(1000.0, 0.0, 1.0), (1001.0, 1.0, nan)]}"


def test_the_runs_of_a_file_are_the_same(store):
    for i in range(5):
        store.run({"loss": [1.0, i], "val_loss": [2.0, i]}, params={"i": str(i)}, tags={"mlflow.runName": f"run {i}"})
    of_file = [*database.records_of_file(store.path, Wanted())]
    assert [(r.id, r.name, r.params, r.metrics) for r in records(store)] == [
        (r.id, r.name, r.params, r.metrics) for r in of_file
    ]


def test_an_experiment_by_its_number(store):
    store.experiment(3, "digits")
    store.run({"loss": [1.0, 0.5]}, experiment=3)
    store.run({"loss": [1.0, 0.5]})
    assert len(records(store, "3")) == 1


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("postgresql://ann:secret@127.0.0.1:{port}/mlflow", "database postgresql://ann:[*]{3}@127.0.0.1.* refused"),
        ("postgres://ann:secret@127.0.0.1:{port}/mlflow", "database postgres://ann:[*]{3}@127.0.0.1.* refused"),
        ("mysql+pymysql://ann:secret@127.0.0.1:{port}/mlflow", "database mysql.pymysql://ann:[*]{3}@127.0.0.1"),
        ("postgresql+nothing://ann:secret@127.0.0.1/mlflow", "is no URI of a database"),
        ("postgresql+asyncpg://ann:secret@127.0.0.1/mlflow", "needs the package asyncpg; pip install asyncpg"),
        ("postgresql://ann:secret@127.0.0.1:port/mlflow", "is no URI of a database"),
    ],
)
def test_a_database_that_cannot_be_reached(monkeypatch, uri, message):
    pytest.importorskip("pymysql" if "pymysql" in uri else "psycopg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(port=free_port()))
    with pytest.raises(ReadError, match=message) as caught:
        read("mlflow:abc")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_never_answers_is_given_up(monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setitem(database._WAITS, "psycopg", {"connect_timeout": 2})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://ann:secret@127.0.0.1:{listener.getsockname()[1]}/x")
        begun = time.monotonic()
        with pytest.raises(ReadError, match="timeout"):
            read("mlflow:abc")
        assert time.monotonic() - begun < 20


def test_a_database_of_something_else(tmp_path):
    with pytest.raises(ReadError, match="has no MLflow tables"):
        next(database.records(f"sqlite:///{tmp_path}/empty.db", Wanted()))


def test_the_package_that_is_missing(monkeypatch, store):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(ReadError, match=r"needs the package sqlalchemy; pip install 'kerasdx\[mlflow\]'"):
        records(store)
