"""What every remedy must keep to, whoever wrote it."""

from __future__ import annotations

import ast
import inspect
import re

import numpy as np
import pytest

from diagnose.fix import Applicability
from diagnose.remedies import data, optimizer, training, transfer
from diagnose.run import Run, Series, Split
from tests.remedies.catalogue import REMEDIES

each_remedy = pytest.mark.parametrize("name", REMEDIES)

#: A remedy that is known to be harmless enough for a tuner to apply by itself.
SAFE = {"lower-learning-rate", "clip-gradients", "stop-early", "add-dropout"}


def a_run(rate: float | None = None, epochs: int = 60, **config: object) -> Run:
    numbers = np.arange(epochs, dtype=float)
    series = [Series("loss", "loss", Split.TRAIN, numbers, np.exp(-numbers))]
    if rate is not None:
        series.append(Series("learning_rate", "learning_rate", Split.TRAIN, numbers, np.full(epochs, rate)))
    return Run(source="run.csv", format="keras-csv", series=tuple(series), config=config)


@each_remedy
def test_text_is_there_and_short_enough(name):
    fix = REMEDIES[name]()
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fix.id)
    assert len(fix.title) <= 70
    assert "\n" not in fix.title
    assert not fix.title.endswith(".")
    assert fix.why.endswith(".")
    assert fix.cost.endswith(".")


@each_remedy
def test_the_cause_that_it_treats_is_passed_on(name):
    assert REMEDIES[name](addresses="too much capacity").addresses == "too much capacity"


@each_remedy
def test_a_manual_fix_has_no_changes_and_any_other_has(name):
    fix = REMEDIES[name]()
    assert (fix.applicability == Applicability.MANUAL) == (not fix.changes)


@each_remedy
def test_values_lie_within_their_bounds(name):
    for change in REMEDIES[name]().changes:
        if change.low is not None and change.high is not None:
            assert change.low < change.high
            if change.op == "set":
                assert change.low <= float(change.value) <= change.high


@each_remedy
def test_code_parses(name):
    code = REMEDIES[name]().code
    ast.parse(code)
    assert code.endswith("\n")


@each_remedy
def test_code_that_compiles_names_metrics(name):
    """The third positional argument of compile is loss_weights."""
    for node in ast.walk(ast.parse(REMEDIES[name]().code)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "compile":
            assert not node.args


def test_ids_are_unique():
    ids = [REMEDIES[name]().id for name in REMEDIES]
    assert len(set(ids)) == len(ids)


def test_what_a_tuner_needs_is_safe():
    safe = {fix.id for fix in (f() for f in REMEDIES.values()) if fix.applicability == Applicability.SAFE}
    assert safe >= SAFE


@each_remedy
def test_a_run_that_logged_nothing_is_no_obstacle(name):
    function = REMEDIES[name]
    if "run" in inspect.signature(function).parameters:
        assert function(Run(source="empty.csv", format="keras-csv")) == function()


def test_the_rate_of_the_log_is_named():
    fix = optimizer.lower_learning_rate(a_run(rate=0.1))
    assert fix.title == "Lower the learning rate from 0.1 to 0.01"
    assert '"learning_rate": 0.01' in fix.code


@pytest.mark.parametrize(
    "config",
    [
        {"learning_rate": 0.02},
        {"optimizer": {"name": "sgd", "learning_rate": 0.02}},
        {"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.02}}},
    ],
)
def test_the_rate_of_the_configuration_is_named(config):
    assert "from 0.02 to 0.2" in optimizer.raise_learning_rate(a_run(**config)).title


@pytest.mark.parametrize("rate", [float("nan"), 0.0, -1.0, True, "0.1", float("inf")])
def test_a_rate_that_is_none_is_not_named(rate):
    fix = optimizer.lower_learning_rate(a_run(learning_rate=rate))
    assert fix.title == "Lower the learning rate by a factor of 10"


def test_a_decayed_rate_counts_with_its_highest_value():
    epochs = np.arange(3.0)
    rates = Series("lr", "learning_rate", Split.TRAIN, epochs, np.array([np.nan, 0.1, 0.001]))
    run = Run(source="run.csv", format="keras-csv", series=(rates,))
    assert "from 0.1 to 0.01" in optimizer.lower_learning_rate(run).title


@pytest.mark.parametrize(("size", "target"), [(528, 32), (32, 16), (1, 1)])
def test_a_smaller_batch_follows_from_the_batch_in_use(size, target):
    fix = data.smaller_batch(a_run(batch_size=size))
    assert fix.title == f"Lower the batch size from {size} to {target}"
    assert fix.changes[0].value == target


def test_a_larger_batch_is_four_times_the_batch_in_use():
    assert data.larger_batch(a_run(batch_size=8)).changes[0].value == 32


def test_epochs_of_the_run_are_named():
    assert training.train_longer(a_run(epochs=60)).title == "Train longer: 120 epochs instead of 60"
    assert "epoch 14" in training.stop_early(a_run(epochs=60), epoch=14).title
    assert training.stop_early(a_run(epochs=60)).changes[0].value == 6


def test_fine_tuning_is_ten_times_slower():
    assert transfer.fine_tune_lower(a_run(rate=0.01)).title == "Fine-tune at 0.001 or less instead of 0.01"


def test_non_finite_validation_data_has_code_of_its_own():
    fix = data.find_non_finite(split="validation")
    assert "x_val" in fix.code
    assert "x_train" not in fix.code
