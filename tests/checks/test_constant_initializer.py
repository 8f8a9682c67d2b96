from __future__ import annotations

import dataclasses

import pytest

from diagnose.blueprint import Initializer
from diagnose.finding import Severity
from tests.blueprints import GLOROT, HE, ZEROS, dense, findings, layer, model, one_finding, planned, report

CHECK = "constant-initializer"
ONES = Initializer("Ones")
HALVES = Initializer("Constant", {"value": 0.5})


def network(first=HE, second=GLOROT, activation="tanh", between=(), units=32, **more):
    return planned(
        model(dense(units, activation, initializer=first, **more), *between, dense(10, "softmax", initializer=second))
    )


SICK = network(ONES, ONES)


@pytest.mark.parametrize(
    "initializer",
    [
        ZEROS,
        ONES,
        HALVES,
        Initializer("RandomUniform", {"minval": 0.1, "maxval": 0.1}),
        Initializer("RandomNormal", {"mean": 0.3, "stddev": 0.0}),
    ],
    ids=lambda initializer: initializer.name,
)
def test_two_constant_layers_in_a_row_stay_symmetric(initializer):
    finding = one_finding(CHECK, network(initializer, initializer))
    assert finding.severity is Severity.CRITICAL
    assert finding.layers == ("dense",)
    assert "32 units" in finding.summary


def test_the_fix_makes_all_of_them_random():
    fix = one_finding(CHECK, network(ONES, ONES, "relu")).fixes[0]
    assert [(edit.layer, edit.value) for edit in fix.edits] == [("dense", "he_normal"), ("dense_2", "glorot_uniform")]


@pytest.mark.parametrize("between", ["Dropout", "Flatten", "BatchNormalization", "MaxPooling2D"])
def test_what_lies_between_does_not_part_them(between):
    assert one_finding(CHECK, network(ONES, ONES, between=(layer(between),))).severity is Severity.CRITICAL


def test_zeros_under_relu_never_change():
    """The derivative of ReLU at zero is zero, whatever comes behind."""
    finding = one_finding(CHECK, network(ZEROS, GLOROT, "relu"))
    assert finding.severity is Severity.CRITICAL
    assert "no gradient" in finding.summary


def test_zeros_under_relu_with_a_bias_above_it_are_fine():
    run = network(ZEROS, GLOROT, "relu")
    blueprint = run.model
    layers = [
        dataclasses.replace(each, bias_initializer=HALVES) if each.name == "dense" else each
        for each in blueprint.layers
    ]
    assert findings(CHECK, planned(dataclasses.replace(blueprint, layers=tuple(layers)))) == ()


def test_copies_that_part_slowly_are_a_warning():
    finding = one_finding(CHECK, network(ONES, GLOROT))
    assert finding.severity is Severity.WARNING
    assert "begin as copies" in finding.summary


# -- known devices -----------------------------------------------------------------------------------------------------


def test_an_output_layer_of_zeros():
    assert findings(CHECK, network(HE, ZEROS)) == ()


def test_a_kernel_of_zeros_between_random_ones():
    assert findings(CHECK, network(ZEROS, GLOROT, "tanh")) == ()


def test_a_residual_branch_that_ends_with_zeros():
    assert findings(CHECK, network(ZEROS, ZEROS, "linear", between=(layer("Add"),))) == ()


def test_a_single_unit_has_no_copy():
    assert findings(CHECK, network(ONES, ONES, units=1)) == ()


def test_frozen_filters_are_meant_so():
    assert findings(CHECK, network(ONES, ONES, is_trainable=False)) == ()


def test_depthwise_kernels_and_embeddings_have_inputs_of_their_own():
    run = planned(
        model(
            layer("DepthwiseConv2D", (None, 8, 8, 32), initializer=ONES),
            layer("Embedding", (None, 8, 8, 32), initializer=ZEROS),
            dense(10, "softmax"),
        )
    )
    assert findings(CHECK, run) == ()


@pytest.mark.parametrize("initializer", [HE, GLOROT, Initializer("Identity"), Initializer("Orthogonal")])
def test_random_weights_are_fine(initializer):
    assert findings(CHECK, network(initializer, initializer)) == ()


def test_without_a_model_it_cannot_look():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.reason.startswith("no model")


def test_an_own_layer_whose_units_are_copies():
    own = layer("Projection", (None, 32), is_custom=True, initializer=ONES, parameters=99, trainable_parameters=99)
    finding = one_finding(CHECK, planned(model(own, dense(10, "softmax", initializer=GLOROT))))
    assert finding.severity is Severity.WARNING
    assert not any(fix.edits for fix in finding.fixes)
    unknown = dataclasses.replace(own, initializer=None)
    assert findings(CHECK, planned(model(unknown, dense(10, "softmax", initializer=GLOROT)))) == ()
