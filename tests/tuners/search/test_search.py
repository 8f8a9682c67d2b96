"""Whole searches: trials that are trained, a winner that reloads to its score, a store that has them all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from diagnose import diagnose
from diagnose.check import Fault
from recipes.config import Config
from recipes.data import load_data
from recipes.errors import RecipeError
from tuners.cli import command
from tuners.folder import Folder
from tuners.search import SearchSettings, search
from tuners.search.driver import Search
from tuners.search.journal import SearchFolder, read
from tuners.search.plan import Plan
from tuners.search.records import State
from tuners.training import train

pytestmark = [pytest.mark.keras, pytest.mark.long]

SETTINGS = {"data.source": "iris", "training.epochs": 6, "model.width": 8, "training.early_stopping": 0}
SPACE = {"optimizer.learning_rate": {"low": 1e-3, "high": 0.1, "log": True}, "regularization.l2": [0.0, 0.001]}


def config(**settings: Any) -> Config:
    return Config.of("mlp", SETTINGS, {name.replace("__", "."): value for name, value in settings.items()})


def settings(**given: Any) -> SearchSettings:
    return SearchSettings(**{"strategy": "random", "trials": 3, **given})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, store: str) -> Search:
    """A small search, that others look at."""
    folder = tmp_path_factory.mktemp("search") / "found"
    return search(config(), SPACE, settings(), folder=folder, track=store)


def predicted(folder: Folder) -> float:
    """Return the accuracy on the test samples of the model as it was saved."""
    model = keras.saving.load_model(folder.model)
    raw = load_data("iris", {"data.standardize": False}).test
    return float(np.mean(model.predict(raw.x, verbose=0).argmax(axis=1) == raw.y))


def test_the_winner_reloads_to_the_reported_score(found: Search):
    assert found.winner is not None
    assert found.best is not None
    result = found.winner.folder.read_result()
    assert result is not None
    assert predicted(found.winner.folder) == pytest.approx(result["test"]["scores"][0]["value"])
    assert result["best_val_accuracy"] == found.best.score


def test_its_configuration_repeats_it(found: Search, tmp_path: Path):
    assert found.winner is not None
    again = train(found.winner.folder.read_config(), folder=tmp_path / "again", track=False)
    assert again.result["test"] == found.winner.result["test"]
    weights = [model.get_weights() for model in (again.model, found.winner.model)]
    assert all(map(np.array_equal, *weights))


def test_the_winner_is_given_a_report_of_its_own_trial(found: Search):
    assert found.winner is not None
    assert found.best is not None
    assert found.winner.folder.log.read_bytes() == found.record.log(found.best).read_bytes()
    assert found.winner.folder.card.exists()


def test_every_trial_can_be_diagnosed(found: Search):
    report = diagnose(found.folder / "trials")
    assert len(report.runs) == 3


def test_the_store_has_a_run_for_each_trial_below_one_for_the_search(found: Search, store: str):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("mlp iris")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"found", "found-0000", "found-0001", "found-0002", "found-winner"}
    parent = runs["found"]
    assert parent.info.status == "FINISHED"
    assert found.best is not None
    assert parent.data.metrics["best_val_accuracy"] == pytest.approx(found.best.score)
    assert "test_accuracy" in parent.data.metrics
    for trial in found.record.trials:
        run = runs[f"found-{trial.number:04d}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert float(run.data.params["optimizer.learning_rate"]) == trial.values["optimizer.learning_rate"]
        assert run.data.metrics["best_val_accuracy"] == pytest.approx(trial.score)
        assert run.data.metrics["epochs_run"] == 6
        assert run.data.tags["trial.state"] == "done"
        assert len(client.get_metric_history(run.info.run_id, "val_loss")) == 6
    assert runs["found-winner"].data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_the_run_of_the_search_shows_all_of_it(found: Search, store: str):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    (parent,) = client.search_runs(["1"], "tags.`kerasdx.kind` = 'search'")
    assert "3 trials by val_accuracy" in parent.data.tags["mlflow.note.content"]
    assert {"overview.html", "search-report.json"} <= {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert parent.data.metrics["system/system_memory_usage_percentage"] > 0
    names = {each.dataset.name for each in parent.inputs.dataset_inputs}
    assert names == {"iris"}


def test_every_trial_has_all_settings_its_health_and_its_report(found: Search, store: str):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    trials = client.search_runs(["1"], "tags.`kerasdx.kind` = 'trial'")
    settings = {frozenset(run.data.params) for run in trials}
    assert len(settings) == 1
    for run in trials:
        assert {"health/findings", "health/overfit"} <= run.data.metrics.keys()
        assert run.data.tags["diagnosis.verdict"]
        assert run.data.tags["mlflow.note.content"]
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files == {"run.csv", "run.json", "report.html", "report.json", "curves.svg"}


def test_a_trial_that_failed_has_every_column_of_health(tmp_path: Path):
    from tuners.search.records import Outcome, TrialRecord
    from tuners.search.tracking import Courier

    place = SearchFolder(tmp_path)
    place.begin(Plan.of(config(), SPACE, settings(), None).content(False))
    values = {"optimizer.learning_rate": 0.01, "regularization.l2": 0.0}
    failed = TrialRecord(0, values, "0000", outcome=Outcome(State.FAILED, "out of memory"))
    record = Courier(place, {}, lambda *_a, **_k: None, False)._record(failed, "")
    assert record.metrics["health/score"] == 0
    assert record.metrics["health/findings"] == 1
    assert {f"health/{fault}" for fault in Fault} <= record.metrics.keys()


def test_the_winner_is_a_model_of_the_store(found: Search, store: str):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    (winner,) = client.search_runs(["1"], "tags.`kerasdx.kind` = 'winner'")
    (model,) = winner.outputs.model_outputs
    logged = client.get_logged_model(model.model_id)
    assert logged.status == "READY"
    assert "signature" in (Path(logged.artifact_location.removeprefix("file://")) / "MLmodel").read_text()


@pytest.mark.slow
def test_what_a_store_did_not_get_is_synced_with_the_winner_registered(tmp_path: Path):
    from mlflow.tracking import MlflowClient

    away = tmp_path / "away"
    away.write_text("a file, and no folder")
    uri = f"sqlite:///{away}/mlflow.db"
    folder = tmp_path / "s"
    search(config(training__epochs=1), SPACE, settings(trials=2), folder=folder, track=uri, register="iris@champion")
    away.unlink()
    result = CliRunner().invoke(command, ["sync", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    client = MlflowClient(uri)
    runs = {run.info.run_name: run for run in client.search_runs(["1"])}
    assert sorted(runs) == ["s", "s-0000", "s-0001", "s-winner"]
    parents = {run.data.tags.get("mlflow.parentRunId") for name, run in runs.items() if name != "s"}
    assert parents == {runs["s"].info.run_id}
    assert runs["s"].info.status == "FINISHED"
    registry = MlflowClient(uri, uri)
    assert registry.get_model_version_by_alias("iris", "champion").run_id == runs["s-winner"].info.run_id
    assert CliRunner().invoke(command, ["sync", str(tmp_path)]).stdout == "0 sent, nothing waits\n"


@pytest.mark.slow
def test_a_store_that_was_away_gets_its_trials_when_the_search_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from mlflow.tracking import MlflowClient

    away = tmp_path / "away"
    away.write_text("a file, and no folder")
    uri = f"sqlite:///{away}/mlflow.db"
    search(config(training__epochs=1), SPACE, settings(trials=2), folder=tmp_path / "s", track=uri)
    assert "it is kept: tune sync" in capsys.readouterr().err
    away.unlink()
    search(config(training__epochs=1), SPACE, settings(trials=3), folder=tmp_path / "s", track=uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("mlp iris")
    assert experiment is not None
    names = [run.info.run_name for run in client.search_runs([experiment.experiment_id])]
    assert sorted(names) == ["s", "s-0000", "s-0001", "s-0002", "s-winner"]


@pytest.mark.slow
def test_trained_anew_the_winner_has_seen_all_but_the_test(tmp_path: Path):
    found = search(config(), SPACE, settings(final="retrain"), folder=tmp_path / "s", track=False)
    assert found.winner is not None
    assert found.best is not None
    assert found.best.outcome is not None
    assert found.winner.result["data"]["samples"] == {"train": 120, "validation": 0, "test": 30}
    assert found.winner.result["epochs"] == found.best.outcome.best_epoch + 1
    assert predicted(found.winner.folder) == pytest.approx(found.winner.evaluation.main.value)
    assert not list((tmp_path / "s" / "trials").rglob("*.npz"))
    again = train(found.winner.folder.read_config(), folder=tmp_path / "again", track=False)
    assert again.result["test"] == found.winner.result["test"]


@pytest.mark.slow
def test_cross_validated_trials_have_the_mean_of_their_folds(tmp_path: Path):
    found = search(config(), SPACE, settings(trials=2, folds=3), folder=tmp_path / "s", track=False)
    for trial in found.record.trials:
        assert trial.outcome is not None
        assert len(trial.outcome.scores) == 3
        assert trial.score == pytest.approx(np.mean(trial.outcome.scores))
        assert len(found.record.logs(trial)) == 3
    assert found.winner is not None
    assert found.winner.result["data"]["samples"]["validation"] == 0


@pytest.mark.slow
def test_the_same_seed_is_the_same_search(found: Search, tmp_path: Path):
    again = search(config(), SPACE, settings(), folder=tmp_path / "again", track=False)
    other = search(config(), SPACE, settings(seed=1), folder=tmp_path / "other", track=False)
    assert [(t.values, t.score) for t in again.record.trials] == [(t.values, t.score) for t in found.record.trials]
    assert [t.values for t in other.record.trials] != [t.values for t in found.record.trials]


def test_a_nan_is_seen_and_never_the_best(tmp_path: Path):
    chosen = config(data__source="diabetes", optimizer__name="sgd", training__epochs=2)
    found = search(
        chosen, {"optimizer.learning_rate": [0.001, 100.0]}, settings(strategy="grid"), folder=tmp_path / "s",
        track=False,
    )  # fmt: skip
    by_rate = {trial.values["optimizer.learning_rate"]: trial for trial in found.record.trials}
    assert by_rate[100.0].state is State.FAILED
    assert by_rate[100.0].reason.startswith("FAILED: nan-loss at epoch")
    assert found.best == by_rate[0.001]


@pytest.mark.slow
def test_hyperband_goes_on_from_where_trials_ended(tmp_path: Path):
    found = search(
        config(training__epochs=4), SPACE, settings(strategy="hyperband", trials=0), folder=tmp_path / "s", track=False
    )
    promoted = [trial for trial in found.record.trials if trial.parent is not None]
    assert promoted
    for trial in promoted:
        rows = len(found.record.log(trial).read_text().splitlines()) - 1
        assert trial.outcome is not None
        assert rows > trial.outcome.epochs
    assert found.winner is not None
    assert len(list((tmp_path / "s" / "trials").rglob("best-*.npz"))) == 1


@pytest.mark.slow
def test_the_users_own_function_is_searched_by_what_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import keras\n"
        "def build(hp):\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int('units', 2, 16), 'relu')])\n"
        "    if hp.Boolean('deep'):\n"
        "        with hp.conditional_scope('deep', [True]):\n"
        "            model.add(keras.layers.Dense(hp.Choice('second', [4, 8]), 'relu'))\n"
        "    model.add(keras.layers.Dense(3, 'softmax'))\n"
        "    model.compile(keras.optimizers.Adam(hp.Float('rate', 1e-3, 1e-1, sampling='log')),\n"
        "                  'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
        "    return model\n"
    )
    chosen = Config.of("mine.py:build", {"data.source": "iris", "training.epochs": 2})
    found = search(chosen, settings=settings(trials=4, objective="val_accuracy"), folder="s", track=False)
    assert {"hyperparameters.units", "hyperparameters.rate"} <= set(found.record.trials[0].values)
    assert all(trial.state is State.DONE for trial in found.record.trials)
    assert found.winner is not None
    assert keras.saving.load_model(found.winner.folder.model).predict(np.zeros((1, 4)), verbose=0).shape == (1, 3)


def test_a_winner_whose_weights_are_gone_says_how_to_go_on(found: Search, tmp_path: Path):
    search(config(training__epochs=1), SPACE, settings(trials=1), folder=tmp_path / "s", track=False)
    folder = SearchFolder(tmp_path / "s")
    for path in (folder.winner.path, folder.trial(0) / "checkpoint"):
        shutil.rmtree(path)
    with pytest.raises(RecipeError, match=r"weights of the best trial are not there any more; .*--final retrain"):
        search(config(training__epochs=1), SPACE, settings(trials=1), folder=tmp_path / "s", track=False)
    again = search(
        config(training__epochs=1), SPACE, settings(trials=1, final="retrain"), folder=tmp_path / "s", track=False
    )
    assert again.winner is not None


@pytest.mark.slow
def test_the_command_searches_shows_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    arguments = ["search", "mlp", "-d", "iris", "--epochs", "2", "--trials", "2", "--no-mlflow", "--strategy", "random"]

    def tune(*more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            command.main(list(more))
        return int(left.value.code or 0), capsys.readouterr().out

    code, out = tune(*arguments, "--space", "model.width=4|8")
    assert code == 0
    assert "into runs/search-mlp-iris-1" in out
    assert "trial 1" in out
    assert "Test set (30 samples, never trained or chosen on)" in out
    assert "tune show runs/search-mlp-iris-1 --html" in out
    code, out = tune(*arguments, "--space", "model.width=4|8")
    assert "into runs/search-mlp-iris-2" in out  # the first one is over
    code, out = tune("show", "runs/search-mlp-iris-1", "--format", "json")
    assert json.loads(out)["best"] in (0, 1)
    code, out = tune("show", "runs/search-mlp-iris-1", "--format", "csv")
    assert len(out.splitlines()) == 3
    code, out = tune("show", "runs/search-mlp-iris-1", "--html", "page.html")
    assert "<html" in Path("page.html").read_text()
    assert read(Path("runs/search-mlp-iris-1")).winner is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "name a recipe"),
        (["search", "mlp"], "name the data"),
        (["search", "mlp", "-d", "iris", "--space", "model.widht=3|4"], "model.width"),
        (["search", "mlp", "-d", "iris", "--space", "data.test=0.1|0.2"], "data.test: is not searched"),
        (["search", "mlp", "-d", "iris", "--space", "nothing.yaml"], "there is no such file"),
        (["search", "mlp", "-d", "iris", "--time", "soon"], "time"),
        (["search", "mlp", "-d", "iris", "--objective", "val_gain"], "is more better, or less?"),
        (["search", "mlp", "-d", "iris", "--trials", "-1"], "trials"),
        (["search", "mlp", "-d", "iris", "--warm-start", "nowhere"], "nowhere: holds no search"),
        (["search", "cnn", "-d", "iris"], "the recipe cnn takes image"),
        (["show", "nowhere"], "nowhere: holds no search"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        command.main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == 2
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_winner_that_the_time_ended_is_repeated_by_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tuners.search.pruning import Pruning
    from tuners.search.records import Stop

    def late(_self: Any, _number: int, report: Any) -> Stop | None:
        return Stop(State.STOPPED, "the time is up at epoch 2") if report.epoch == 2 else None

    monkeypatch.setattr(Pruning, "report", late)
    found = search(config(), SPACE, settings(trials=1), folder=tmp_path / "s", track=False)
    assert found.winner is not None
    assert found.winner.result["epochs"] == 3
    assert found.winner.config.training.stop_after == 3
    again = train(found.winner.folder.read_config(), folder=tmp_path / "again", track=False)
    assert again.result["test"] == found.winner.result["test"]


def test_a_hyperband_winner_of_a_low_round_is_not_trained_on(tmp_path: Path):
    found = search(
        config(training__epochs=9), SPACE, settings(strategy="hyperband", trials=2), folder=tmp_path / "s", track=False
    )
    assert found.winner is not None
    assert found.winner.result["epochs"] == 1
    assert found.best is not None
    assert found.winner.result["best_val_accuracy"] == found.best.score


def test_what_a_function_did_not_ask_for_is_not_asked_of_its_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import keras\n"
        "def build(hp):\n"
        "    units = hp.Int('units', 4, 8)\n"
        "    if units > 6: hp.Float('rest', 0.0, 0.5)\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, 'relu'),\n"
        "                             keras.layers.Dense(3, 'softmax')])\n"
    )
    chosen = Config.of("mine.py:build", {"data.source": "iris", "training.epochs": 1})
    space = {"hyperparameters.units": [4, 5], "hyperparameters.rest": {"low": 0.0, "high": 0.5}}
    with monkeypatch.context() as patch:
        patch.setattr("tuners.search.space._check_own", lambda *_arguments: None)
        found = search(chosen, space, settings(trials=2), folder="s", track=False)
    assert [trial.state for trial in found.record.trials] == [State.DONE] * 2
    assert found.winner is not None
    assert "rest" not in found.winner.config.hyperparameters


def test_a_model_that_cannot_be_saved_is_refused_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import keras\n"
        "def build(hp):\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x),\n"
        "                             keras.layers.Dense(hp.Int('units', 3, 3), 'softmax')])\n"
    )
    chosen = Config.of("mine.py:build", {"data.source": "iris", "training.epochs": 1})
    with pytest.raises(RecipeError, match=r"mine.py:build|saved"):
        search(chosen, settings=settings(), folder="s", track=False)
    assert not Path("s").exists()


@pytest.mark.slow
def test_another_store_gets_all_trials_and_a_search_of_its_own(found: Search, tmp_path: Path):
    from mlflow.tracking import MlflowClient

    copy = tmp_path / "found"
    shutil.copytree(found.folder, copy)
    shutil.rmtree(copy / "winner")
    uri = f"sqlite:///{tmp_path}/other.db"
    search(config(), SPACE, settings(), folder=copy, track=uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("mlp iris")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"found", "found-0000", "found-0001", "found-0002", "found-winner"}
    assert runs["found-0001"].data.tags["mlflow.parentRunId"] == runs["found"].info.run_id


def test_when_it_is_told_to_end_it_ends_as_with_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    former = signal.getsignal(signal.SIGTERM)  # of Ray, if a test before has used it
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tuners.search.task.trial.run", lambda *_a, **_k: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as left:
        command.main(["search", "mlp", "-d", "iris", "--trials", "2", "--no-mlflow", "-o", "s"])
    assert left.value.code == 130
    assert "interrupted; to go on: tune" in capsys.readouterr().err
    assert read(Path("s")).trials[0].attempts == 0
    assert signal.getsignal(signal.SIGTERM) is former
