from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.blueprint import Loss
from diagnose.finding import Severity
from diagnose.run import Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, dense, findings, layer, model, one_finding, planned, report

CHECK = "output-units-mismatch"
N = 600
NUMBERS = np.arange(N) % 10
ONE_HOT = np.eye(10)[NUMBERS]
TWO = np.arange(N) % 2
AMOUNTS = np.linspace(-3, 90, N)


def labelled(labels, **more):
    samples = SplitSample(inputs={"x": np.zeros((len(labels), 32))}, labels={"y": labels}, count=len(labels))
    return DataSample(source="data.npz", splits={Split.TRAIN: samples}, **more)


def trained(units, activation, loss, labels=None, **more):
    blueprint = model(dense(64, "relu"), dense(units, activation, given=64), loss=loss, **more)
    return planned(blueprint, None if labels is None else labelled(labels))


SICK = trained(8, "softmax", "sparse_categorical_crossentropy", NUMBERS)
SPARSE, CATEGORICAL, BINARY = "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"
MSE = "mean_squared_error"


def edits(finding):
    return {edit.setting: edit.value for edit in finding.fixes[0].edits}


# -- units and classes -------------------------------------------------------------------------------------------------


def test_fewer_units_than_classes():
    finding = one_finding(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert finding.summary == "Output dense_2 has 8 units, and the labels have 10 classes."
    assert edits(finding) == {"units": 10, "activation": "softmax"}


def test_a_class_of_the_validation_split_counts_too():
    rare = labelled(TWO)
    more = SplitSample(inputs={"x": np.zeros((3, 32))}, labels={"y": np.array([0, 1, 2])}, count=3)
    sample = dataclasses.replace(rare, splits={**rare.splits, Split.VALIDATION: more})
    assert "3 classes" in one_finding(CHECK, dataclasses.replace(trained(2, "softmax", SPARSE), data=sample)).summary


def test_units_that_no_class_belongs_to_are_worth_a_word():
    finding = one_finding(CHECK, trained(11, "softmax", SPARSE, NUMBERS))
    assert finding.severity is Severity.INFO
    assert "1 will never be right" in finding.summary


def test_a_class_that_may_just_be_rare_is_not_missed():
    assert findings(CHECK, trained(12, "softmax", SPARSE, np.append(NUMBERS[:40], 11))) == ()


def test_one_unit_for_several_classes():
    finding = one_finding(CHECK, trained(1, "sigmoid", SPARSE, NUMBERS))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == {"units": 10, "activation": "softmax"}


def test_one_unit_for_two_classes():
    finding = one_finding(CHECK, trained(1, "sigmoid", SPARSE, TWO))
    assert edits(finding) == {"activation": "sigmoid", "loss": BINARY}


@pytest.mark.parametrize("loss", [SPARSE, CATEGORICAL])
def test_one_unit_is_wrong_whatever_the_labels(loss):
    assert one_finding(CHECK, trained(1, "softmax", loss)).severity is Severity.CRITICAL


def test_several_classes_for_one_sigmoid_unit():
    finding = one_finding(CHECK, trained(1, "sigmoid", BINARY, NUMBERS))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == {"units": 10, "activation": "softmax", "loss": SPARSE}


def test_a_loss_that_is_named_anew_takes_probabilities():
    assert edits(one_finding(CHECK, trained(1, "linear", SPARSE, TWO, from_logits=True))) == {
        "activation": "sigmoid",
        "loss": BINARY,
    }
    assert edits(one_finding(CHECK, trained(10, "linear", SPARSE, ONE_HOT, from_logits=True))) == {
        "activation": "softmax",
        "loss": CATEGORICAL,
    }
    assert edits(one_finding(CHECK, trained(8, "linear", SPARSE, NUMBERS, from_logits=True))) == {"units": 10}


# -- the form of the labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "labels", "fitting"),
    [
        (SPARSE, ONE_HOT, {"loss": CATEGORICAL}),
        (CATEGORICAL, NUMBERS, {"activation": "softmax", "loss": SPARSE}),
        (CATEGORICAL, NUMBERS[:, None], {"activation": "softmax", "loss": SPARSE}),
        (BINARY, NUMBERS, {"activation": "softmax", "loss": SPARSE}),
        (MSE, NUMBERS, {"activation": "softmax", "loss": SPARSE}),
    ],
)
def test_numbers_for_rows_and_rows_for_numbers(loss, labels, fitting):
    finding = one_finding(CHECK, trained(10, "softmax", loss, labels))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == fitting


@pytest.mark.parametrize("labels", [AMOUNTS, np.stack([AMOUNTS, AMOUNTS], axis=1)])
def test_another_width_than_the_labels(labels):
    finding = one_finding(CHECK, trained(3, "linear", MSE, labels))
    assert finding.severity is Severity.CRITICAL
    assert edits(finding) == {"units": labels.size // N}


def test_a_dense_layer_on_a_feature_map_that_was_not_flattened():
    head = layer("Dense", (None, 7, 7, 10), given=(None, 7, 7, 64), settings={"units": 10})
    finding = one_finding(CHECK, planned(model(head, given=(None, 7, 7, 64)), labelled(NUMBERS)))
    assert finding.severity is Severity.CRITICAL
    assert "(7, 7, 10)" in finding.summary
    assert finding.fixes[0].id == "flatten-before-output"


def test_a_sequence_where_one_number_is_wanted():
    head = layer("Dense", (None, 20, 1), given=(None, 20, 64), settings={"units": 1})
    assert "axes" in one_finding(CHECK, planned(model(head, loss=MSE), labelled(AMOUNTS))).summary


# -- sound -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "activation", "loss", "labels"),
    [
        (10, "softmax", SPARSE, NUMBERS),
        (10, "softmax", SPARSE, NUMBERS[:, None].astype("float32")),
        (10, "softmax", CATEGORICAL, ONE_HOT),
        (10, "softmax", CATEGORICAL, 0.9 * ONE_HOT + 0.01),
        (10, "sigmoid", BINARY, (ONE_HOT + ONE_HOT[::-1]) > 0),
        (1, "sigmoid", BINARY, TWO),
        (1, "sigmoid", BINARY, TWO[:, None]),
        (1, "linear", MSE, AMOUNTS),
        (1, "linear", MSE, NUMBERS),
        (2, "linear", MSE, np.stack([AMOUNTS, AMOUNTS], axis=1)),
        (1, "tanh", "hinge", 2 * TWO - 1),
        (10, "softmax", SPARSE, 1 + NUMBERS),  # from 1 to 10: label-range says what is to be done
        (10, "softmax", SPARSE, np.array(["a", "b"] * 300)),
        (10, "softmax", SPARSE, np.full(N, np.nan)),
        (10, "softmax", SPARSE, np.empty(0)),
    ],
)
def test_what_fits(units, activation, loss, labels):
    assert findings(CHECK, trained(units, activation, loss, labels)) == ()


@pytest.mark.parametrize(
    ("shape", "loss", "labels"),
    [
        ((None, 8, 8, 3), SPARSE, np.arange(6 * 64).reshape(6, 8, 8) % 3),
        ((None, 8, 8, 3), SPARSE, np.arange(6 * 64).reshape(6, 8, 8, 1) % 3),
        ((None, 8, 8, 1), BINARY, np.arange(6 * 64).reshape(6, 8, 8) % 2),
        ((None, None, None, 1), MSE, np.linspace(0, 1, 6 * 64).reshape(6, 8, 8, 1)),
        ((None, 20, 50), SPARSE, np.arange(120).reshape(6, 20) % 50),
        ((None, 20, 1), MSE, np.linspace(0, 1, 120).reshape(6, 20)),
        ((None, 1, 1), MSE, np.linspace(0, 1, 6)),
    ],
)
def test_segmentation_and_sequences(shape, loss, labels):
    assert findings(CHECK, planned(model(layer("Conv2D", shape), loss=loss), labelled(labels))) == ()


def test_labels_that_the_loss_ignores():
    blueprint = trained(10, "softmax", SPARSE).model
    output = dataclasses.replace(blueprint.outputs[0], loss=Loss(SPARSE, settings={"ignore_class": 255}))
    run = planned(dataclasses.replace(blueprint, outputs=(output,)), labelled(np.append(NUMBERS, 255)))
    assert findings(CHECK, run) == ()


def test_a_loss_of_the_users_is_not_judged():
    blueprint = trained(10, "softmax", SPARSE).model
    output = dataclasses.replace(blueprint.outputs[0], loss=Loss(SPARSE, is_custom=True))
    assert findings(CHECK, planned(dataclasses.replace(blueprint, outputs=(output,)), labelled(ONE_HOT))) == ()


def test_raw_data_is_encoded_before():
    run = trained(10, "softmax", CATEGORICAL)
    assert findings(CHECK, dataclasses.replace(run, data=data(labels=NUMBERS, is_raw=True))) == ()


def test_a_model_that_is_not_compiled_cannot_be_judged():
    (outcome,) = report(CHECK, trained(10, "softmax", None)).outcomes
    assert outcome.reason.startswith("the model is not compiled")


def test_a_loss_of_ones_own_that_spreads_labels_against_predictions():
    blueprint = trained(1, "linear", MSE).model
    output = dataclasses.replace(blueprint.outputs[0], loss=Loss("mine", is_custom=True, spread_labels=(None,)))
    finding = one_finding(CHECK, planned(dataclasses.replace(blueprint, outputs=(output,))))
    assert finding.severity is Severity.CRITICAL
    assert "every label" in finding.summary
