from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.blueprint import Activation, Curve, Loss
from diagnose.finding import Severity
from tests.blueprints import ACTIVATIONS, dense, findings, layer, model, one_finding, planned, report
from tests.checks.test_output_units_mismatch import (
    AMOUNTS,
    BINARY,
    CATEGORICAL,
    MSE,
    NUMBERS,
    ONE_HOT,
    SPARSE,
    TWO,
    N,
    edits,
    labelled,
)

CHECK = "output-activation-mismatch"
SEVERAL = ((ONE_HOT + ONE_HOT[::-1]) > 0).astype(int)


def trained(units, activation, loss, labels=None, metrics=(), **more):
    blueprint = model(dense(64, "relu"), dense(units, activation, given=64), loss=loss, metrics=metrics, **more)
    return planned(blueprint, None if labels is None else labelled(labels))


SICK = trained(10, "linear", SPARSE)


# -- losses of probabilities -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize(
    ("units", "loss", "fitting"), [(10, SPARSE, "softmax"), (10, CATEGORICAL, "softmax"), (1, BINARY, "sigmoid")]
)
def test_what_is_no_probability(units, activation, loss, fitting):
    finding = one_finding(CHECK, trained(units, activation, loss))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == {"activation": fitting}


@pytest.mark.parametrize("loss", [SPARSE, CATEGORICAL])
def test_sigmoid_for_one_of_several_classes(loss):
    finding = one_finding(CHECK, trained(10, "sigmoid", loss))
    assert finding.severity is Severity.WARNING
    assert edits(finding) == {"activation": "softmax"}


@pytest.mark.parametrize(("labels", "severity"), [(None, Severity.WARNING), (ONE_HOT, Severity.WARNING)])
def test_softmax_with_binary_cross_entropy(labels, severity):
    finding = one_finding(CHECK, trained(10, "softmax", BINARY, labels))
    assert finding.severity is severity
    assert edits(finding) == {"loss": CATEGORICAL}


def test_softmax_where_several_labels_hold():
    finding = one_finding(CHECK, trained(10, "softmax", BINARY, SEVERAL))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == {"activation": "sigmoid"}


@pytest.mark.parametrize(
    ("units", "activation", "loss", "floor"),
    [(10, "softmax", SPARSE, "1.5"), (10, "softmax", CATEGORICAL, "1.5"), (1, "sigmoid", BINARY, "0.5")],
)
def test_probabilities_taken_for_logits(units, activation, loss, floor):
    """Two softmaxes: the best that can be given is 1 for the class and 0 for the others, e / (e + 9)."""
    finding = one_finding(CHECK, trained(units, activation, loss, from_logits=True))
    assert finding.severity is Severity.WARNING
    assert f"cannot fall below {floor}" in finding.summary
    assert edits(finding) == {"activation": "linear"}


@pytest.mark.parametrize("loss", [BINARY, MSE, None, "my_loss"])
def test_a_softmax_over_one_unit_is_always_1(loss):
    finding = one_finding(CHECK, trained(1, "softmax", loss))
    assert finding.severity is Severity.CRITICAL
    assert "always 1" in finding.summary


def test_a_softmax_over_places_is_not_over_one_unit():
    attention = layer("Softmax", (None, 20, 1), activation=ACTIVATIONS["softmax"], settings={"axis": 1})
    assert findings(CHECK, planned(model(dense(64, "relu"), attention, loss=None))) == ()


def test_one_unit_for_several_classes_is_told_once():
    """By output-units-mismatch."""
    assert findings(CHECK, trained(1, "softmax", SPARSE)) == ()
    assert findings(CHECK, trained(1, "linear", SPARSE)) == ()


# -- regression --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "labels"), [("sigmoid", AMOUNTS), ("tanh", AMOUNTS), ("relu", AMOUNTS - 50)])
def test_labels_that_the_activation_cannot_give(activation, labels):
    finding = one_finding(CHECK, trained(1, activation, MSE, labels))
    assert finding.severity is Severity.CRITICAL
    assert "lie beyond" in finding.summary
    assert edits(finding) == {"activation": "linear"}


@pytest.mark.parametrize(("share", "fires"), [(0.005, False), (0.02, True)])
def test_a_few_outliers_do_not_matter(share, fires):
    labels = np.linspace(0, 1, N)
    labels[: int(share * N)] = 3.0
    assert bool(findings(CHECK, trained(1, "sigmoid", MSE, labels))) == fires


@pytest.mark.parametrize(
    ("labels", "severity"), [(None, Severity.WARNING), (ONE_HOT, Severity.INFO), (9 * ONE_HOT + 0.5, Severity.CRITICAL)]
)
def test_softmax_for_a_regression_loss(labels, severity):
    assert one_finding(CHECK, trained(10, "softmax", MSE, labels)).severity is severity


def test_poisson_needs_a_positive_rate():
    assert edits(one_finding(CHECK, trained(1, "linear", "poisson"))) == {"activation": "softplus"}


def test_hinge_needs_both_signs():
    assert one_finding(CHECK, trained(1, "sigmoid", "hinge", 2 * TWO - 1)).severity is Severity.WARNING


# -- sound -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "activation", "loss", "labels"),
    [
        (10, "softmax", SPARSE, NUMBERS),
        (10, "softmax", CATEGORICAL, ONE_HOT),
        (10, "softmax", "kl_divergence", 0.9 * ONE_HOT + 0.01),
        (10, "sigmoid", BINARY, SEVERAL),
        (1, "sigmoid", BINARY, TWO),
        (1, "linear", MSE, AMOUNTS),
        (1, "relu", MSE, AMOUNTS + 3),
        (1, "sigmoid", MSE, TWO),
        (784, "sigmoid", MSE, None),
        (784, "sigmoid", BINARY, None),
        (1, "tanh", MSE, None),
        (1, "tanh", "hinge", 2 * TWO - 1),
        (1, "linear", "hinge", 2 * TWO - 1),
        (10, "softmax", MSE, 0.9 * ONE_HOT + 0.01),
        (1, "sigmoid", "dice", None),
        (10, "linear", "cosine_similarity", None),
        (10, "linear", "my_loss", None),
    ],
)
def test_what_fits(units, activation, loss, labels):
    assert findings(CHECK, trained(units, activation, loss, labels)) == ()


@pytest.mark.parametrize(("units", "loss"), [(10, SPARSE), (10, CATEGORICAL), (1, BINARY)])
def test_logits_for_a_loss_that_takes_them(units, loss):
    assert findings(CHECK, trained(units, "linear", loss, from_logits=True)) == ()


@pytest.mark.parametrize("activation", [None, Activation("mine", Curve.UNKNOWN)])
def test_an_activation_that_is_not_known(activation):
    blueprint = SICK.model
    output = dataclasses.replace(blueprint.outputs[0], activation=activation)
    assert findings(CHECK, planned(dataclasses.replace(blueprint, outputs=(output,)))) == ()


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "activation", "loss", "metric"),
    [
        (10, "softmax", SPARSE, "binary_accuracy"),
        (10, "softmax", SPARSE, "categorical_accuracy"),
        (10, "softmax", CATEGORICAL, "sparse_categorical_accuracy"),
        (1, "sigmoid", BINARY, "categorical_accuracy"),
    ],
)
def test_a_metric_that_reads_the_output_in_another_way(units, activation, loss, metric):
    finding = one_finding(CHECK, trained(units, activation, loss, metrics=(metric,)))
    assert finding.severity is Severity.WARNING
    assert finding.fixes[0].id == "fix-metric"


def test_accuracy_of_a_regression_is_worth_a_word():
    assert one_finding(CHECK, trained(1, "linear", MSE, AMOUNTS, metrics=("accuracy",))).severity is Severity.INFO


@pytest.mark.parametrize(
    ("units", "activation", "loss", "metric"),
    [
        (10, "softmax", SPARSE, "accuracy"),
        (10, "softmax", SPARSE, "sparse_categorical_accuracy"),
        (1, "sigmoid", BINARY, "binary_accuracy"),
        (1, "linear", MSE, "mean_absolute_error"),
        (1, "sigmoid", MSE, "accuracy"),
    ],
)
def test_metrics_that_fit(units, activation, loss, metric):
    assert findings(CHECK, trained(units, activation, loss, metrics=(metric,))) == ()


def test_without_a_model_it_cannot_look():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.reason.startswith("no model")


# -- twice, and in hidden layers ---------------------------------------------------------------------------------------


def squashed_twice(units, first, second, loss, *between):
    last = layer("Activation", (None, units), activation=ACTIVATIONS[second], name="last")
    return planned(model(dense(64, "relu"), dense(units, first, given=64, name="first"), *between, last, loss=loss))


@pytest.mark.parametrize(
    ("units", "first", "second", "loss", "floor"),
    [
        (10, "softmax", "softmax", SPARSE, "1.5"),
        (10, "sigmoid", "softmax", CATEGORICAL, "1.5"),
        (1, "sigmoid", "sigmoid", BINARY, "0.5"),
    ],
)
def test_probabilities_of_probabilities(units, first, second, loss, floor):
    finding = one_finding(CHECK, squashed_twice(units, first, second, loss))
    assert finding.severity is Severity.WARNING
    assert f"applies {second} to what first has made probabilities already" in finding.summary
    assert f"cannot fall below {floor}" in finding.summary
    assert [(edit.layer, edit.setting, edit.value) for edit in finding.fixes[0].edits] == [
        ("first", "activation", "linear")
    ]


def test_a_dropout_between_does_not_hide_it():
    assert findings(CHECK, squashed_twice(10, "softmax", "softmax", SPARSE, layer("Dropout", (None, 10))))


@pytest.mark.parametrize("first", ["linear", "tanh", "relu"])
def test_a_softmax_of_its_own_layer(first):
    assert findings(CHECK, squashed_twice(10, first, "softmax", SPARSE)) == ()


def test_what_is_scaled_or_weighted_between_is_no_probability_any_more():
    scaled = layer("Rescaling", (None, 10))
    assert findings(CHECK, squashed_twice(10, "sigmoid", "softmax", SPARSE, scaled)) == ()
    assert findings(CHECK, trained(10, "softmax", SPARSE)) == ()


def test_a_hidden_softmax():
    run = planned(model(dense(32, "softmax", name="hidden"), dense(10, "softmax", given=32), loss=SPARSE))
    finding = one_finding(CHECK, run)
    assert finding.severity is Severity.INFO
    assert "hidden applies softmax: its values (32) sum to 1" in finding.summary
    assert edits(finding) == {"activation": "relu"}


def test_weights_of_attention_are_a_softmax_in_its_place():
    weights = dense(32, "softmax", name="weights")
    scores = layer("Multiply", (None, 32), name="product", inputs=("weights", "input"))
    run = planned(model(weights, scores, dense(10, "softmax", given=32), loss=SPARSE))
    assert findings(CHECK, run) == ()


# -- thresholds of metrics ---------------------------------------------------------------------------------------------


def changed(run, **more):
    outputs = (dataclasses.replace(run.model.outputs[0], **more),)
    return dataclasses.replace(run, model=dataclasses.replace(run.model, outputs=outputs))


def with_thresholds(activation, low, high):
    run = trained(6, activation, BINARY, metrics=("precision",), from_logits=activation == "linear")
    return changed(run, thresholds={"precision": (low, high)})


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.2, 0.8), (-1e-7, 1 + 1e-7)])
def test_thresholds_of_probabilities_for_logits(low, high):
    finding = one_finding(CHECK, with_thresholds("linear", low, high))
    assert finding.severity is Severity.WARNING
    assert "precision" in finding.summary
    assert findings(CHECK, with_thresholds("sigmoid", low, high)) == ()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (-1.0, 1.0)])
def test_thresholds_of_logits(low, high):
    assert findings(CHECK, with_thresholds("linear", low, high)) == ()


def test_a_threshold_that_every_probability_is_above():
    assert one_finding(CHECK, with_thresholds("sigmoid", 0.0, 0.0)).severity is Severity.WARNING


def test_accuracy_of_one_logit_cuts_at_one_half():
    assert (
        "accuracy" in one_finding(CHECK, trained(1, "linear", BINARY, metrics=("accuracy",), from_logits=True)).summary
    )
    assert findings(CHECK, trained(1, "sigmoid", BINARY, metrics=("accuracy",))) == ()


# -- the axis of a softmax ---------------------------------------------------------------------------------------------


def of_words(axis):
    softmax = dataclasses.replace(ACTIVATIONS["softmax"], axis=axis)
    end = layer("Softmax", (None, 15, 5), activation=softmax)
    return planned(model(layer("Dense", (None, 15, 5), given=(None, 15, 8)), end, loss=SPARSE))


@pytest.mark.parametrize("axis", [1, -2])
def test_softmax_along_another_axis_than_that_of_the_classes(axis):
    finding = one_finding(CHECK, of_words(axis))
    assert finding.severity is Severity.CRITICAL
    assert "axis 1" in finding.summary


@pytest.mark.parametrize("axis", [-1, 2])
def test_softmax_along_the_last_axis(axis):
    assert findings(CHECK, of_words(axis)) == ()


def test_softmax_along_the_axis_that_the_loss_takes():
    assert findings(CHECK, changed(of_words(1), loss=Loss(CATEGORICAL, settings={"axis": 1}))) == ()
