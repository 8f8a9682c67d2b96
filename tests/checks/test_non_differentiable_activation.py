from __future__ import annotations

import dataclasses

import pytest

from diagnose.blueprint import Activation, Curve
from diagnose.finding import Severity
from tests.blueprints import ACTIVATIONS, dense, findings, layer, model, one_finding, planned, report

CHECK = "non-differentiable-activation"
SICK = planned(model(dense(64, "step"), dense(10, "softmax", given=64)))


def step(name="step"):
    return layer("Activation", (None, 64), name=name, activation=ACTIVATIONS["step"])


def linked(blueprint, *layers):
    return planned(dataclasses.replace(blueprint, layers=layers))


def test_values_of_0_and_10_in_a_hidden_layer():
    finding = one_finding(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert finding.layers == ("dense",)
    assert "2,112 trainable weights of 1 layer get no gradient" in finding.summary
    (edit,) = finding.fixes[0].edits
    assert (edit.layer, edit.setting, edit.value) == ("dense", "activation", "relu")


def test_everything_before_it_is_cut_off():
    finding = one_finding(CHECK, planned(model(dense(64, "relu"), dense(64, given=64), step(), dense(10, given=64))))
    assert "2 layers" in finding.summary
    assert finding.layers == ("step",)


@pytest.mark.parametrize(
    ("loss", "fitting"), [("binary_crossentropy", "sigmoid"), ("mean_squared_error", "linear"), ("my_loss", None)]
)
def test_a_decision_in_the_output_layer(loss, fitting):
    finding = one_finding(CHECK, planned(model(dense(64, "relu"), dense(1, "step", given=64), loss=loss)))
    edits = [edit.value for fix in finding.fixes for edit in fix.edits]
    assert edits == ([fitting] if fitting else [])
    assert finding.fixes[-1].id == "match-output-to-loss"


@pytest.mark.parametrize(("share", "fires"), [(0.04, True), (0.06, False)])
def test_how_much_slope_is_enough(share, fires):
    narrow = Activation("narrow", Curve.OTHER, gradient_share=share)
    run = planned(model(dense(64), layer("Activation", (None, 64), activation=narrow), dense(10, given=64)))
    assert bool(findings(CHECK, run)) == fires


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "linear", "gelu"])
def test_usual_activations(activation):
    assert findings(CHECK, planned(model(dense(64, activation), dense(10, "softmax", given=64)))) == ()


def test_what_could_not_be_judged():
    odd = Activation("odd", Curve.UNKNOWN, gradient_share=0.0)
    run = planned(model(dense(64), layer("Activation", (None, 64), activation=odd), dense(10, given=64)))
    assert findings(CHECK, run) == ()


def test_a_decision_at_the_end_of_a_model_that_is_not_trained():
    assert findings(CHECK, planned(model(dense(64, "relu"), dense(10, given=64), step(), loss=None))) == ()


def test_a_step_amid_a_model_that_is_not_compiled():
    assert (
        one_finding(CHECK, planned(model(dense(64, "step"), dense(10, given=64), loss=None))).severity
        is Severity.CRITICAL
    )


def test_a_mask_made_of_the_inputs():
    assert findings(CHECK, planned(model(step(), dense(10, "softmax", given=64), given=(None, 64)))) == ()


def test_a_way_around_the_step():
    blueprint = model(dense(64, "relu"), step(), layer("Add", (None, 64)), dense(10, "softmax", given=64))
    first, hidden, gate, add, last = blueprint.layers
    run = linked(blueprint, first, hidden, gate, dataclasses.replace(add, inputs=(hidden.name, gate.name)), last)
    assert findings(CHECK, run) == ()


def test_the_straight_through_estimator():
    """x + stop_gradient(step(x) - x)"""
    blueprint = model(
        dense(64, "relu"), step(), layer("Subtract", (None, 64)), layer("StopGradient", (None, 64)),
        layer("Add", (None, 64)), dense(10, "softmax", given=64),
    )  # fmt: skip
    first, hidden, gate, less, stop, add, last = blueprint.layers
    less = dataclasses.replace(less, inputs=(gate.name, hidden.name))
    add = dataclasses.replace(add, inputs=(hidden.name, stop.name))
    assert findings(CHECK, linked(blueprint, first, hidden, gate, less, stop, add, last)) == ()


def test_frozen_weights_need_no_gradient():
    frozen = dataclasses.replace(dense(64, "step"), trainable_parameters=0, is_trainable=False)
    assert findings(CHECK, planned(model(frozen, dense(10, "softmax", given=64)))) == ()


def test_without_a_model_it_cannot_look():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.reason.startswith("no model")


def test_the_number_of_a_class_has_no_derivative():
    index = layer("Argmax", (None,), name="index")
    finding = one_finding(CHECK, planned(model(dense(64, "relu"), dense(10, "softmax", given=64), index, loss="mse")))
    assert "argmax of index has a derivative at 0 % of the inputs" in finding.summary
    assert finding.fixes[-1].id == "match-output-to-loss"


def test_the_number_of_a_class_beside_what_is_trained():
    index = layer("Argmax", (None,), name="index")
    assert findings(CHECK, planned(model(dense(64, "relu"), dense(10, "softmax", given=64), index, loss=None))) == ()
