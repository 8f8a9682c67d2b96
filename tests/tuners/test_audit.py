"""The audit before a training of `tune`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from mlflow import MlflowClient

from recipes import build
from recipes.config import Config
from recipes.data import load_data
from tuners import audit as audits
from tuners import train
from tuners.audit import Audit

pytestmark = [pytest.mark.keras, pytest.mark.audited]

IRIS = Config.of("mlp", {"data.source": "iris", "training.epochs": 1})


def looked(model: keras.Model, config: Config, data) -> tuple[Audit, str]:
    told: list[str] = []
    audit = Audit(config, data, told.append)
    audit.look(model)
    return audit, "\n".join(told)


@pytest.mark.parametrize(
    ("recipe", "source"), [("mlp", "iris"), ("mlp", "breast_cancer"), ("mlp", "diabetes"), ("cnn", "digits")]
)
def test_the_recipes_are_sound(recipe, source):
    config = Config.of(recipe, {"data.source": source})
    data = load_data(config)
    audit, told = looked(build(config, data), config, data)
    assert audit.report is not None
    assert told == ""
    assert not [outcome for outcome in audit.report.outcomes if outcome.kind == "error"]


def test_what_is_wrong_is_told_and_kept():
    data = load_data(IRIS)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    audit, told = looked(model, IRIS, data)
    assert "audit: before training: critical: output-" in told
    assert audit.result()["verdict"] == "critical"
    assert set(audit.result()["findings"][0]) == {"check", "severity", "summary"}


def test_an_audit_that_fails_is_its_own_affair(monkeypatch):
    def fails(*_args, **_more):
        raise RuntimeError("nothing to see")

    monkeypatch.setattr(audits, "audit", fails)
    audit, told = looked(build(IRIS), IRIS, load_data(IRIS))
    assert (audit.result(), told) == (None, "")


def test_what_failed_is_shown_to_who_looks_for_it(monkeypatch, capsys):
    def fails(*arguments, **more):
        raise RuntimeError("nothing to see")

    monkeypatch.setattr(audits, "audit", fails)
    monkeypatch.setenv("KERASDX_DEBUG", "1")
    data = load_data(IRIS)
    looked(build(IRIS, data), IRIS, data)
    assert "RuntimeError: nothing to see" in capsys.readouterr().err


def test_a_copy_leaves_the_random_state_alone():
    data, before = load_data(IRIS), np.random.get_state()[1].tobytes()
    audit = Audit(IRIS, data, print)
    audit.look_at_a_copy()
    assert audit.report is not None
    assert np.random.get_state()[1].tobytes() == before


def test_the_result_has_it(tmp_path):
    assert train(IRIS, folder=tmp_path / "run", track=False).result["audit"]["verdict"] in ("healthy", "info")


def test_the_report_on_a_training_names_what_it_began_with_as_the_cause(tmp_path):
    config = IRIS.replace({"model.kernel_initializer": "zeros", "training.epochs": 3})
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    trained = train(config, folder=tmp_path / "run", track=store)
    found = {finding.check: finding for finding in trained.report.runs[0].findings}
    assert next(iter(found)) == "constant-initializer"
    assert "constant-initializer" in found["symmetric-weights"].caused_by
    assert "constant-initializer" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    logged = MlflowClient(store).get_run(trained.result["mlflow_run"])
    assert logged.data.tags["diagnosis.root_cause"] == "constant-initializer"


def test_a_training_that_begins_well_has_the_report_of_its_log(tmp_path):
    trained = train(IRIS, folder=tmp_path / "run", track=False)
    assert trained.report.runs[0].run.model is None
