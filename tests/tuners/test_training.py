"""One training from configuration to model: everything that it leaves, and that it is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diagnose import diagnose
from recipes.config import Config, read
from recipes.data import load_data
from recipes.data.base import Data
from recipes.errors import RecipeError
from tuners import Training, train

pytestmark = pytest.mark.keras

SETTINGS = {"data.source": "iris", "training.epochs": 12, "model.width": 16, "optimizer.learning_rate": 0.01}
#: Only Keras and NumPy: what a person has who was given the model.
ELSEWHERE = """
import sys, json, numpy as np, keras
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("recipes", "tuners", "diagnose"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
model = keras.saving.load_model(sys.argv[1])
with np.load(sys.argv[2]) as test:
    predicted = model.predict(test["x"], verbose=0)
    print(json.dumps({"accuracy": float((predicted.argmax(-1) == test["y"]).mean()), "compiled": model.compiled}))
"""


@pytest.fixture(scope="module")
def iris() -> Data:
    return load_data("iris")


@pytest.fixture(scope="module")
def done(iris: Data, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train(
        Config.of("mlp", SETTINGS), data=iris, folder=tmp_path_factory.mktemp("trainings") / "run", track=False
    )


def test_everything_is_in_the_folder(done: Training) -> None:
    names = {path.name for path in done.folder.path.iterdir()}
    wanted = "config.yaml run.csv run.json checkpoint model.keras report.html result.json README.md test.png"
    assert names >= set(wanted.split())


def test_the_model_learnt_and_the_score_is_that_of_the_test_set(done: Training, iris: Data) -> None:
    assert done.evaluation.samples == len(iris.test)
    assert done.evaluation.main.metric == "accuracy"
    assert 1 / 3 < done.evaluation.main.low < done.evaluation.main.value <= 1  # better than guessing
    assert done.result["test"]["scores"][0]["value"] == done.evaluation.main.value


def test_loaded_elsewhere_the_model_has_the_reported_score(done: Training, iris: Data, tmp_path: Path) -> None:
    """Raw measurements in, in a process that cannot import this project."""
    from sklearn.datasets import load_iris

    raw, labels = load_iris(return_X_y=True)
    held_out = _rows(iris, raw)
    np.savez(tmp_path / "test.npz", x=raw[held_out].astype("float32"), y=labels[held_out])
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(done.folder.model), str(tmp_path / "test.npz")],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True,
    )  # fmt: skip
    assert json.loads(told.stdout) == {"accuracy": pytest.approx(done.evaluation.main.value), "compiled": False}


def test_the_report_is_that_of_the_log(done: Training) -> None:
    (run,) = diagnose(done.folder.log).runs
    assert done.verdict == run.verdict
    assert "<html" in done.folder.report.read_text(encoding="utf-8")


def test_the_result_tells_the_whole_story(done: Training) -> None:
    result = json.loads(done.folder.result.read_text(encoding="utf-8"))
    assert (result["recipe"], result["data"]["name"], result["over"]) == ("mlp", "iris", "trained")
    assert 0 <= result["best_epoch"] < result["epochs"] <= 12
    assert result["versions"]["keras"]
    assert result["mlflow_run"] is None


def test_the_configuration_repeats_the_training(done: Training, iris: Data, tmp_path: Path) -> None:
    config = Config.from_dict(read(done.folder.config))
    again = train(config, data=iris, folder=tmp_path / "again", track=False)
    assert again.evaluation.to_dict() == done.evaluation.to_dict()
    assert (tmp_path / "again" / "run.csv").read_text() == done.folder.log.read_text()


def test_a_complete_training_is_scored_again_and_not_trained_again(done: Training, iris: Data) -> None:
    log = done.folder.log.read_text()
    again = train(done.config, data=iris, folder=done.folder.path, resume=True, track=False)
    assert again.evaluation.to_dict() == done.evaluation.to_dict()
    assert done.folder.log.read_text() == log


def test_a_folder_that_is_taken_is_refused(done: Training, iris: Data) -> None:
    with pytest.raises(RecipeError, match="holds a training already"):
        train(done.config, data=iris, folder=done.folder.path, track=False)


def test_a_recipe_that_is_not_for_the_data_is_refused_before_anything_is_written(tmp_path: Path, iris: Data) -> None:
    config = Config.of("cnn", {"data.source": "iris"})
    with pytest.raises(RecipeError, match="iris has vector inputs, and the recipe cnn takes image"):
        train(config, data=iris, folder=tmp_path / "run", track=False)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_model_that_cannot_be_built_leaves_the_folder_free(tmp_path: Path, iris: Data) -> None:
    config = Config.of("mlp", {**SETTINGS, "model.loss": "mse"})
    with pytest.raises(RecipeError, match=r"model\.loss: mse does not fit"):
        train(config, data=iris, folder=tmp_path / "run", track=False)
    assert not (tmp_path / "run").exists()


def test_a_store_that_cannot_be_reached_costs_a_line_and_not_the_training(
    iris: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config.of("mlp", {**SETTINGS, "training.epochs": 1})
    training = train(config, data=iris, folder=tmp_path / "run", track="sqlite:////proc/nowhere/mlflow.db")
    assert training.folder.model.exists()
    assert training.result["mlflow_run"] is None
    assert "MLflow" in capsys.readouterr().err


def _rows(data: Data, raw: Any) -> Any:
    """Return the rows of the table that the test samples are, by what the preprocessing makes of each row."""
    assert data.preprocessing is not None
    features = np.asarray(data.preprocessing.predict(raw.astype("float32"), verbose=0))
    distance = np.abs(features[None] - data.test.x[:, None]).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-4
    return distance.argmin(axis=1)
