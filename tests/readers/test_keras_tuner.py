"""KerasTuner projects and their files."""

import json

import pytest

from diagnose.readers import ReadError, read


def trial(number, curves, **other):
    metrics = {
        name: {"direction": "min", "observations": [{"value": [v], "step": i} for i, v in enumerate(values)]}
        for name, values in curves.items()
    }
    return {
        "trial_id": f"{number:04}",
        "hyperparameters": {"space": [], "values": {"units": 32, "learning_rate": 0.1 / (number + 1)}},
        "metrics": {"metrics": metrics},
        "score": 0.5,
        "best_step": 0,
        "status": "COMPLETED",
        "message": None,
        **other,
    }


ORACLE = {"ongoing_trials": {}, "hyperparameters": {"space": [], "values": {}}, "seed": 1, "tried_so_far": []}
CURVES = {"loss": [1.0, 0.5, 0.25], "val_loss": [1.1, 0.8, 0.9]}
POINT = {"loss": [0.5], "val_loss": [0.6]}


@pytest.fixture
def project(tmp_path):
    def make(*trials):
        (tmp_path / "oracle.json").write_text(json.dumps(ORACLE))
        (tmp_path / "tuner0.json").write_text("{}")
        for number, content in enumerate(trials):
            folder = tmp_path / f"trial_{number:04}"
            folder.mkdir()
            (folder / "trial.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return make


def test_each_trial_with_a_curve_is_a_run(project):
    first, second = read(project(trial(0, CURVES), trial(1, CURVES)))
    assert first.format == "keras-tuner"
    assert (first.part.label, second.part.label) == ("trial_0000", "trial_0001")
    assert first.get("val_loss").values.tolist() == [1.1, 0.8, 0.9]
    assert second.config["hyperparameters"]["learning_rate"] == 0.05


def test_trials_without_a_curve_are_counted(project):
    (run,) = read(project(trial(0, CURVES), trial(1, POINT)))
    assert "1 of 2 trials stored one value per metric and no curve" in run.notes


def test_a_torn_trial_does_not_hide_the_others(project):
    (run,) = read(project(trial(0, CURVES), json.dumps(trial(1, CURVES))[:200]))
    assert any("trial_0001 is left out" in note and "torn" in note for note in run.notes)


def test_why_a_trial_was_stopped_is_a_note(project):
    (run,) = read(project(trial(0, CURVES, message="PRUNED: nan-loss")))
    assert "PRUNED: nan-loss" in run.notes


def test_executions_of_a_trial_are_averaged(project):
    content = trial(0, CURVES)
    content["metrics"]["metrics"]["loss"]["observations"][0]["value"] = [1.0, 3.0]
    (run,) = read(project(content))
    assert run.get("loss").values[0] == 2.0


def test_a_project_without_any_curve_says_where_one_would_be(project):
    with pytest.raises(ReadError, match=r"2 of 2 trials stored one value per metric.*CSVLogger"):
        read(project(trial(0, POINT), trial(1, POINT)))


def test_a_trial_file_alone():
    (run,) = read("trial.json", content=json.dumps(trial(0, CURVES)).encode())
    assert run.get("loss").values.tolist() == [1.0, 0.5, 0.25]


def test_a_trial_file_with_one_value_is_no_training_log():
    with pytest.raises(ReadError, match=r"not a training log; .*CSVLogger"):
        read("trial.json", content=json.dumps(trial(0, POINT)).encode())


def test_an_oracle_file_is_no_training_log():
    with pytest.raises(ReadError, match="not a training log; pass the project folder"):
        read("oracle.json", content=json.dumps(ORACLE).encode())
