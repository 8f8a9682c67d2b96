"""A training's model in MLflow: logged to its run once, loaded without this project, and registered under a name."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("mlflow")

import mlflow
from mlflow.tracking import MlflowClient

from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.sending import send
from diagnose.tracking.store import TrackingError
from recipes import building, export
from recipes.catalog import find
from recipes.config import Config
from recipes.data import load_data
from tuners import registry

pytestmark = pytest.mark.keras

#: Only MLflow, Keras and NumPy: what a person has who was given the store. Prints the largest differences.
ELSEWHERE = """
import json, pickle, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("recipes", "tuners", "diagnose"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import keras, mlflow, numpy as np
store, path = sys.argv[1:]
mlflow.set_tracking_uri(store)
with open(path, "rb") as file:
    models = pickle.load(file)
told = {}
for name, (uri, raw, expected) in models.items():
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, raw)
    plain, general = mlflow.keras.load_model(uri), mlflow.pyfunc.load_model(uri)
    rows = len(keras.tree.flatten(general.input_example)[0])
    answers = [
        plain.predict(tensors, verbose=0) - expected,
        general.predict(raw) - expected,
        general.predict(general.input_example) - expected[:rows],
    ]
    told[name] = [float(np.abs(answer).max()) for answer in answers]
print("told" + json.dumps(told))
"""


def _saved(folder: Path, name: str, recipe: str, settings: dict[str, Any]) -> Path:
    """Save a model of a recipe, untrained, as a training saves it."""
    config = Config.of(recipe, settings)
    data = load_data(config)
    path = folder / f"{name}.keras"
    export.save(export.deployable(building.build(config, data.facts), find(recipe), data), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def _unset() -> Iterator[None]:
    """MLflow is set to no store, as in a process that has only this project."""
    with pytest.MonkeyPatch.context() as patch:
        mlflow.set_tracking_uri(None)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Name -> the file of a model, and raw inputs."""
    folder, draw = tmp_path_factory.mktemp("models"), np.random.default_rng(0)
    colours = draw.choice(["red", "green", ""], 60)
    table = pd.DataFrame({"size": draw.normal(size=60), "colour": colours, "y": [0, 1] * 30})
    table.to_csv(folder / "table.csv", index=False)
    small = {"model.width": 4, "model.depth": 1}
    mixed = {
        "numeric": np.array([[0.5], [np.nan], [-1.0]], "float32"),
        "categorical": np.array([["red"], [""], ["blue"]]),
    }
    return {
        "table": (
            _saved(folder, "table", "mlp", {"data.source": str(folder / "table.csv"), "data.target": "y", **small}),
            mixed,
        ),
        "images": (
            _saved(folder, "images", "cnn", {"data.source": "digits", **small}),
            draw.integers(0, 256, (7, 8, 8, 1)).astype("uint8"),
        ),
        "detector": (
            _saved(folder, "detector", "detector", {"data.source": "scattered_digits", **small}),
            draw.integers(0, 256, (2, 64, 64, 1)).astype("uint8"),
        ),
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('a b#c')}/mlruns/mlflow.db"


def a_run(store: str) -> str:
    now = time.time()
    record = TrainingRecord(
        experiment="digits",
        run="mlp",
        started=now - 9,
        ended=now,
        parameters={"model.width": 4},
        curves={"loss": [(0, 1.0), (1, 0.5)]},
        metrics={"test_accuracy": 0.5, "epochs_run": 2},
    )
    return send(record, store)


def client(store: str) -> MlflowClient:
    return MlflowClient(tracking_uri=store)


def history(store: str, run_id: str, name: str) -> list[float]:
    return [point.value for point in client(store).get_metric_history(run_id, name)]


@pytest.fixture(scope="module")
def logged(store: str, models: dict[str, tuple[Path, Any]]) -> tuple[str, str]:
    """Run and URI of a model that is registered as the champion."""
    run_id = a_run(store)
    path, example = models["images"]
    return run_id, registry.log_model(run_id, path, example, uri=store, register="digits", alias="champion")


@pytest.mark.long
def test_elsewhere_every_kind_of_model_predicts_what_the_saved_one_does(
    store: str, models: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    wanted = {}
    for name, (path, raw) in models.items():
        uri = registry.log_model(a_run(store), path, raw, uri=store)
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, raw)
        wanted[name] = (uri, raw, keras.saving.load_model(path).predict(tensors, verbose=0))
    (tmp_path / "models").write_bytes(pickle.dumps(wanted))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, store, str(tmp_path / "models")],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, timeout=200,
    )  # fmt: skip
    assert "told" in done.stdout, done.stderr
    differences = json.loads(done.stdout.partition("told")[2])
    assert differences == {name: [pytest.approx(0, abs=1e-6)] * 3 for name in models}


class TestLogged:
    def test_the_run_and_the_model_name_each_other(self, store: str, logged: tuple[str, str]) -> None:
        run_id, uri = logged
        (output,) = client(store).get_run(run_id).outputs.model_outputs
        model = client(store).get_logged_model(output.model_id)
        assert (model.model_uri, model.name, model.source_run_id, model.status) == (uri, "model", run_id, "READY")

    def test_the_model_has_the_settings_and_scores_of_its_run(self, store: str, logged: tuple[str, str]) -> None:
        (output,) = client(store).get_run(logged[0]).outputs.model_outputs
        model = client(store).get_logged_model(output.model_id)
        assert model.params == {"model.width": "4"}
        assert {metric.key: metric.value for metric in model.metrics} == {"test_accuracy": 0.5}
        assert "mlflow.user" in model.tags

    def test_no_point_of_the_run_is_stored_twice(self, store: str, logged: tuple[str, str]) -> None:
        assert history(store, logged[0], "test_accuracy") == [0.5]

    def test_signature_and_example_are_of_raw_inputs(self, store: str, logged: tuple[str, str]) -> None:
        model = _described(store, logged[1])
        assert model.signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "uint8", "shape": (-1, 8, 8, 1)}
        assert model.signature.outputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 10)}

    def test_what_it_needs_is_pinned(self, store: str, logged: tuple[str, str]) -> None:
        folder = _stored(store, logged[1])
        needed = (folder / "requirements.txt").read_text().split()
        assert {f"keras=={keras.__version__}", f"numpy=={np.__version__}"} < set(needed)
        assert [line.partition("==")[0] for line in needed] == ["mlflow", "keras", "tensorflow", "numpy"]


class TestRegistered:
    def test_under_a_name_and_an_alias(self, store: str, logged: tuple[str, str]) -> None:
        version = client(store).get_model_version_by_alias("digits", "champion")
        assert (version.version, version.run_id, version.status) == (1, logged[0], "READY")
        assert version.source == logged[1]  # by which MLflow's page links to the model

    def test_the_model_names_its_version(self, store: str, logged: tuple[str, str]) -> None:
        model = client(store).get_logged_model(logged[1].removeprefix("models:/"))
        assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "digits", "version": "1"}]

    def test_a_better_model_becomes_the_next_version_and_the_champion(
        self, store: str, models: dict[str, tuple[Path, Any]]
    ) -> None:
        path, example = models["images"]
        for _ in range(2):
            run_id = a_run(store)
            registry.log_model(run_id, path, example, uri=store, register="two versions", alias="champion")
        version = client(store).get_model_version_by_alias("two versions", "champion")
        assert (version.version, version.run_id) == (2, run_id)

    def test_a_model_that_was_logged_before(self, store: str, models: dict[str, tuple[Path, Any]]) -> None:
        run_id = a_run(store)
        path, example = models["images"]
        uri = registry.log_model(run_id, path, example, uri=store)
        assert registry.log_model(run_id, path, example, uri=store, register="later") == uri
        assert len(client(store).search_model_versions("name = 'later'")) == 1


class TestAgain:
    def test_nothing_is_logged_or_registered_twice(
        self, store: str, logged: tuple[str, str], models: dict[str, tuple[Path, Any]]
    ) -> None:
        run_id, uri = logged
        path, example = models["images"]
        assert registry.log_model(run_id, path, example, uri=store, register="digits", alias="champion") == uri
        assert len(client(store).get_run(run_id).outputs.model_outputs) == 1
        assert len(client(store).search_model_versions("name = 'digits'")) == 1

    def test_what_was_interrupted_is_completed(
        self, store: str, models: dict[str, tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = a_run(store)
        path, example = models["images"]
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, "log_model_artifacts", _no_room)
            with pytest.raises(TrackingError, match="No space left"):
                registry.log_model(run_id, path, example, uri=store)
        uri = registry.log_model(run_id, path, example, uri=store)
        (output,) = client(store).get_run(run_id).outputs.model_outputs
        assert uri == f"models:/{output.model_id}"
        assert client(store).get_logged_model(output.model_id).status == "READY"
        assert history(store, run_id, "test_accuracy") == [0.5]

    def test_one_that_was_deleted_is_logged_anew(self, store: str, models: dict[str, tuple[Path, Any]]) -> None:
        run_id = a_run(store)
        path, example = models["images"]
        uri = registry.log_model(run_id, path, example, uri=store)
        client(store).delete_logged_model(uri.removeprefix("models:/"))
        assert registry.log_model(run_id, path, example, uri=store) != uri


def test_mlflow_is_set_to_what_it_was_set_to(
    store: str, models: dict[str, tuple[Path, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own store, and a run of it that goes on."""
    own = f"sqlite:///{tmp_path}/own.db"
    run_id = a_run(store)
    shutil.copyfile(store.removeprefix("sqlite:///"), tmp_path / "own.db")  # to make one takes seconds
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    mlflow.set_tracking_uri(own)
    try:
        with mlflow.start_run() as active:
            before = _environment()
            path, example = models["images"]
            registry.log_model(run_id, path, example, uri=store, register="elsewhere", alias="champion")
            assert mlflow.active_run() is active
            assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (own, own)
            assert mlflow.last_logged_model() is None
            assert _environment() == before
        assert client(own).search_registered_models("name = 'elsewhere'") == []
        assert client(own).get_run(active.info.run_id).outputs.model_outputs == []
    finally:
        mlflow.set_tracking_uri(None)


class TestRefused:
    @pytest.fixture
    def call(self, store: str, models: dict[str, tuple[Path, Any]]) -> dict[str, Any]:
        path, example = models["images"]
        return {"run_id": "0" * 32, "model_file": path, "example": example, "uri": store}

    def test_a_run_that_is_not_there(self, call: dict[str, Any]) -> None:
        with pytest.raises(TrackingError, match=r"Run with id=0+ not found"):
            registry.log_model(**call)

    def test_a_file_that_is_no_model(self, call: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "no.keras").write_text("no model")
        call |= {"run_id": a_run(call["uri"]), "model_file": tmp_path / "no.keras"}
        with pytest.raises(TrackingError, match=r"no\.keras does not load in Keras' safe mode: .*; give a \.keras"):
            registry.log_model(**call)

    def test_an_example_of_something_else(self, call: dict[str, Any]) -> None:
        call |= {"run_id": a_run(call["uri"]), "example": np.zeros((2, 3), "float32")}
        with pytest.raises(TrackingError, match=r"the example does not fit .*images\.keras") as raised:
            registry.log_model(**call)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("name", ["", "a/b", "a:b", "v1.0"])
    def test_a_name_that_mlflow_does_not_take(self, call: dict[str, Any], name: str) -> None:
        with pytest.raises(TrackingError, match="it takes no name like"):
            registry.log_model(**call, name=name)

    def test_an_alias_of_nothing(self, call: dict[str, Any]) -> None:
        with pytest.raises(TrackingError, match="the alias 'champion' needs a name"):
            registry.log_model(**call, alias="champion")

    def test_an_alias_that_mlflow_does_not_take(self, call: dict[str, Any]) -> None:
        call |= {"run_id": a_run(call["uri"]), "register": "aliased", "alias": "v1"}
        with pytest.raises(TrackingError, match=r"cannot use MLflow at .*alias"):
            registry.log_model(**call)


def _described(store: str, uri: str) -> Any:
    from mlflow.models import Model

    return Model.load(_stored(store, uri))


def _stored(store: str, uri: str) -> Path:
    """Return the folder of a stored model."""
    location = client(store).get_logged_model(uri.removeprefix("models:/")).artifact_location
    return Path(mlflow.artifacts.download_artifacts(location))


def _environment() -> dict[str, str]:
    """Return the environment without what MLflow notes for itself, such as the number of its telemetry's session."""
    return {name: value for name, value in os.environ.items() if not name.startswith("_MLFLOW")}


def _no_room(*_: Any) -> None:
    raise OSError(28, "No space left on device", "model.keras")
