from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import findings, planned, report
from tests.networks import batch_norm, dense, dropout, network, plain

CHECK = "training-mode-fixed"


def look(*makes):
    return findings(CHECK, planned(network(dense(16), *makes, given=(None, 4))))


SICK = planned(network(dense(16), dropout(0.5, training=True), given=(None, 4)))


def test_dropout_that_never_ends():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "dropout is called with training=True" in finding.summary
    assert "Monte Carlo" in finding.summary


@pytest.mark.parametrize("layer", [plain("RandomFlip", training=True), plain("GaussianNoise", training=True)])
def test_augmentation_and_noise_are_never_meant(layer):
    (finding,) = look(layer)
    assert "Monte Carlo" not in finding.summary


def test_batch_normalization_by_the_batch_for_good():
    assert look(batch_norm(training=True))
    assert look(batch_norm(training=True, is_trainable=False)) == ()  # Keras 3 runs it in inference mode


@pytest.mark.parametrize("training", [None, False])
def test_what_keras_decides_is_right(training):
    assert look(dropout(0.5, training=training), batch_norm(training=training)) == ()


def test_a_rate_of_zero_and_layers_that_do_not_care():
    assert look(dropout(0.0, training=True), dense(16, training=True)) == ()


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def test_written_in_a_functional_model_it_holds_outside_of_evaluate_and_predict():
    (finding,) = look(dropout(0.5, default_training=True))
    assert finding.severity is Severity.WARNING
    assert "which evaluate and predict overrule, while it acts in model(x) and in an exported model" in finding.summary
    assert look(batch_norm(default_training=True, is_trainable=False)) == ()
    assert look(dropout(0.5, default_training=False)) == ()


@pytest.mark.parametrize(
    "name", ["mc_dropout", "MCDropout", "McDrop", "bayesian_head", "monte_carlo", "net_mc", "uncertainty"]
)
def test_drawn_answers_that_are_meant(name):
    assert look(dropout(0.5, training=True, name=name)) == ()
    (finding,) = look(dropout(0.5, default_training=True, name=name))
    assert finding.severity is Severity.INFO
    assert look(plain("RandomFlip", training=True, name=name))


@pytest.mark.parametrize("name", ["dropout", "mccormick", "dmc", "emcee"])
def test_other_names_mean_nothing(name):
    assert look(dropout(0.5, training=True, name=name))
