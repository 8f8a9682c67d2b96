"""One trial: reported, ended, and whatever goes wrong in it told as its outcome."""

from __future__ import annotations

import errno
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from diagnose.readers import read
from recipes.config import Config
from recipes.errors import RecipeError
from recipes.mlp import RECIPE
from recipes.recipe import Phase
from tuners import trial
from tuners.checkpoint import Checkpoint
from tuners.objective import Objective
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop
from tuners.search.task import Datasets, parts, run_candidate

pytestmark = pytest.mark.keras

ACCURACY = Objective("val_accuracy", "max")
SETTINGS = {
    "data.source": "iris", "training.epochs": 4, "training.early_stopping": 0, "training.monitor": str(ACCURACY),
    "model.width": 8, "optimizer.learning_rate": 0.03,
}  # fmt: skip


@pytest.fixture(scope="module")
def iris() -> Datasets:
    return Datasets.load(config())


def config(**settings: Any) -> Config:
    return Config.of("mlp", SETTINGS, {name.replace("__", "."): value for name, value in settings.items()})


def candidate(folder: Path, chosen: Config | None = None, **fields: Any) -> Candidate:
    return Candidate(0, chosen or config(), {}, folder / "trial", ACCURACY, **fields)


def run(
    candidate: Candidate, data: Datasets, answer: Stop | None = None, at: int = 0
) -> tuple[Outcome, list[EpochReport]]:
    """Run a trial, give an answer from an epoch on, and return what it said meanwhile."""
    reports: list[EpochReport] = []

    def ask(report: EpochReport) -> Stop | None:
        reports.append(report)
        return answer if report.epoch >= at else None

    return run_candidate(candidate, data, ask), reports


def test_each_epoch_is_reported_and_the_best_counts(iris: Datasets, tmp_path: Path):
    outcome, reports = run(candidate(tmp_path), iris)
    assert outcome.state is State.DONE
    assert [(each.epoch, each.epochs, each.part, each.parts) for each in reports] == [(i, 4, 0, 1) for i in range(4)]
    scores = [each.logs["val_accuracy"] for each in reports]
    assert outcome.score == max(scores)
    assert outcome.best_epoch == int(np.argmax(scores))
    assert outcome.epochs == 4
    assert outcome.memory > 100
    assert outcome.verdict != "unknown"


def test_the_whole_curve_stays_and_output_does_not_reach_the_terminal(
    iris: Datasets, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trial, "fingerprint", lambda _data: print("said by a trial") or "")
    run(candidate(tmp_path), iris)
    assert capsys.readouterr().out == ""
    assert (tmp_path / "trial" / "output.txt").read_text() == "said by a trial\n"
    assert read(tmp_path / "trial" / "run.csv")[0].epochs == 4


def test_an_answer_ends_it_with_its_best_score(iris: Datasets, tmp_path: Path):
    outcome, reports = run(candidate(tmp_path), iris, Stop(State.PRUNED, "divergence at epoch 1"), at=1)
    assert (outcome.state, outcome.reason, outcome.epochs) == (State.PRUNED, "divergence at epoch 1", 2)
    assert outcome.score == max(each.logs["val_accuracy"] for each in reports)


def test_a_stop_that_fails_it_leaves_no_score(iris: Datasets, tmp_path: Path):
    outcome, _ = run(candidate(tmp_path), iris, Stop(State.FAILED, "nan-loss at epoch 0"))
    assert (outcome.state, outcome.score) == (State.FAILED, None)


def test_a_stop_ends_all_phases_and_all_parts(iris: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    phases = (Phase("first", 2, 0.01), Phase("second", 2, 0.01))
    monkeypatch.setattr(trial, "find", lambda _name: replace(RECIPE, phases=lambda *_: phases))
    whole, _ = run(candidate(tmp_path / "whole"), iris)
    assert whole.epochs == 4
    outcome, reports = run(candidate(tmp_path / "cut", executions=2), iris, Stop(State.PRUNED, "no"))
    assert (outcome.epochs, len(reports)) == (1, 1)


def test_weights_that_are_no_numbers_fail_it(tmp_path: Path):
    chosen = Config.of("mlp", {
        "data.source": "diabetes", "training.epochs": 3, "training.monitor": "max:val_r2", "optimizer.name": "sgd",
        "optimizer.learning_rate": 100.0, "model.width": 8,
    })  # fmt: skip
    outcome, _ = run(replace(candidate(tmp_path, chosen), objective=Objective("val_r2", "max")), Datasets.load(chosen))
    assert outcome.state is State.FAILED
    assert outcome.reason.startswith("nan-loss at epoch")
    assert outcome.score is None
    assert "nan-loss" in {finding["check"] for finding in outcome.findings}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), "out of memory"),
        (RecipeError("no such thing; do this"), "no such thing; do this"),
        (ValueError("negative dimension\nsize"), "ValueError: negative dimension size"),
    ],
)
def test_whatever_is_raised_is_its_outcome(
    iris: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
):
    def fail(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr("recipes.building.network", fail)
    outcome, reports = run(candidate(tmp_path), iris)
    assert (outcome.state, outcome.reason, outcome.score, reports) == (State.FAILED, reason, None, [])
    assert type(error).__name__ in (tmp_path / "trial" / "error.txt").read_text()


def test_a_full_disk_ends_the_search_and_not_the_trial(iris: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("recipes.building.network", full)
    with pytest.raises(OSError, match="No space left"):
        run(candidate(tmp_path), iris)


def test_an_objective_that_is_no_column_names_those_that_there_are(iris: Datasets, tmp_path: Path):
    chosen = candidate(tmp_path, config(training__monitor="max:val_gain"))
    outcome, _ = run(chosen, iris)
    assert outcome.state is State.FAILED
    assert "'val_gain' is no column of the log; there are: accuracy, loss" in outcome.reason


@pytest.mark.slow
def test_no_weights_are_written_that_nobody_needs(iris: Datasets, tmp_path: Path):
    run(candidate(tmp_path, keep=False), iris)
    assert not list(tmp_path.rglob("*.npz"))
    outcome, _ = run(candidate(tmp_path / "kept", keep=True), iris)
    assert len(list((tmp_path / "kept").rglob("best-*.npz"))) == 1
    assert outcome.score is not None
    run(candidate(tmp_path / "worse", keep=1.0), iris)
    assert not list((tmp_path / "worse").rglob("*.npz"))
    run(candidate(tmp_path / "better", keep=0.1), iris)
    assert list((tmp_path / "better").rglob("best-*.npz"))


def test_several_trainings_have_their_own_seeds_and_folds(tmp_path: Path):
    trainings = parts(candidate(tmp_path, executions=2, folds=3))
    assert [(c.training.seed, c.data.fold, c.data.folds) for c, _ in trainings] == [
        (seed, fold, 3) for seed in (0, 1) for fold in (0, 1, 2)
    ]
    assert [folder.name for _, folder in trainings] == [f"part-{number}" for number in range(1, 7)]
    assert parts(candidate(tmp_path)) == [(config(), tmp_path / "trial")]


def test_the_score_of_several_trainings_is_their_mean(tmp_path: Path):
    data = Datasets.load(config(), folds=2)
    outcome, reports = run(candidate(tmp_path, folds=2), data)
    best = [max(r.logs["val_accuracy"] for r in reports if r.part == part) for part in (0, 1)]
    assert outcome.scores == tuple(best)
    assert outcome.score == pytest.approx(np.mean(best))
    assert {path.parent.name for path in tmp_path.rglob("run.csv")} == {"part-1", "part-2"}


def test_a_promoted_trial_goes_on_where_its_parent_ended(iris: Datasets, tmp_path: Path):
    whole, of_whole = run(candidate(tmp_path / "whole"), iris)
    short = config(training__stop_after=2)
    first, of_first = run(candidate(tmp_path / "first", short), iris)
    second, of_second = run(candidate(tmp_path / "second", parent=tmp_path / "first" / "trial", begins=2), iris)
    assert (first.epochs, second.epochs) == (2, 2)
    assert [each.logs for each in (*of_first, *of_second)] == [each.logs for each in of_whole]
    assert second.score == whole.score
    assert read(tmp_path / "second" / "trial" / "run.csv")[0].epochs == 4


def test_an_interrupted_trial_goes_on_from_what_was_saved(
    iris: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole, of_whole = run(candidate(tmp_path / "whole"), iris)
    monkeypatch.setattr("tuners.search.task.PAUSE", 1e-9)

    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    cut = candidate(tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        run_candidate(cut, iris, interrupt)
    saved = Checkpoint(cut.folder / "checkpoint").counters()
    assert saved is not None
    assert saved.epoch == 3
    outcome, reports = run(cut, iris)
    assert [each.epoch for each in reports] == [3]
    assert outcome.score == whole.score
    assert reports[-1].logs == of_whole[-1].logs


def test_what_was_decided_is_known_to_a_process_that_comes_after(iris: Datasets, tmp_path: Path):
    sick = candidate(tmp_path, keep=True)
    first, _ = run(sick, iris, Stop(State.FAILED, "nan-loss at epoch 1"), at=1)
    again, reports = run(sick, iris)  # killed before anybody took note
    assert reports == []
    assert (again.state, again.reason, again.score, again.epochs) == (first.state, first.reason, None, 2)


def test_a_trial_that_only_the_time_ended_goes_on_when_it_is_promoted(iris: Datasets, tmp_path: Path):
    run(candidate(tmp_path / "first"), iris, Stop(State.STOPPED, "the time is up at epoch 1"), at=1)
    promoted = candidate(tmp_path / "second", parent=tmp_path / "first" / "trial", begins=2)
    outcome, reports = run(promoted, iris)
    assert outcome.state is State.DONE
    assert [each.epoch for each in reports] == [2, 3]


def test_a_copy_that_was_cut_off_is_made_again(iris: Datasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(candidate(tmp_path / "first", config(training__stop_after=2)), iris)
    promoted = candidate(tmp_path / "second", parent=tmp_path / "first" / "trial", begins=2)

    def cut_off(source: Path, target: Path, **_options: Any) -> None:
        target.mkdir(parents=True)
        (target / "run.csv").write_bytes((source / "run.csv").read_bytes())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copytree", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(promoted, iris)
    outcome, reports = run(promoted, iris)
    assert [each.epoch for each in reports] == [2, 3]
    assert outcome.epochs == 2


def test_weights_that_are_as_good_are_kept(iris: Datasets, tmp_path: Path):
    score = run(candidate(tmp_path / "first"), iris)[0].score
    assert score is not None
    run(candidate(tmp_path / "tie", keep=score), iris)
    assert list((tmp_path / "tie").rglob("best-*.npz"))


def test_what_the_users_function_does_not_ask_for_this_time_is_left_out(tmp_path: Path):
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "def build(hp):\n"
        "    wide = hp.Boolean('wide')\n"
        "    units = hp.Int('units', 4, 8) if wide else 2\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, 'relu'),\n"
        "                             keras.layers.Dense(3, 'softmax')])\n"
    )
    values = {"hyperparameters.wide": False, "hyperparameters.units": 6}
    chosen = Config.of(f"{tmp_path}/mine.py:build", {"data.source": "iris", "training.epochs": 1}, values)
    given = replace(candidate(tmp_path, chosen), values=values)
    assert run(given, Datasets.load(chosen))[0].state is State.DONE
    unasked = replace(given, folder=tmp_path / "other", values={})
    assert "does not ask for it" in run(unasked, Datasets.load(chosen))[0].reason


def test_data_of_trials_is_found_by_what_tells_it_apart(tmp_path: Path):
    base = config()
    data = Datasets.load(base, 2, [{"data.standardize": True}, {"data.standardize": False}])
    chosen = base.replace({"data.standardize": False, "data.folds": 2, "data.fold": 1})
    assert np.array_equal(data.get(chosen).train.x, Datasets.load(chosen).first.train.x)
    again = pickle.loads(pickle.dumps(data))  # noqa: S301 - our own
    assert again.get(chosen).preprocessing is None
    assert np.array_equal(again.get(chosen).train.x, data.get(chosen).train.x)


def test_the_same_trial_twice_is_the_same(iris: Datasets, tmp_path: Path):
    first, second = (run(candidate(tmp_path / name), iris)[1] for name in ("a", "b"))
    assert [each.logs for each in first] == [each.logs for each in second]
    keras.utils.clear_session()
