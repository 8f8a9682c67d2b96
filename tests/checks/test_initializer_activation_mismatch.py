from __future__ import annotations

import dataclasses

import pytest

from diagnose.blueprint import Initializer
from diagnose.finding import Severity
from tests.blueprints import GLOROT, HE, LECUN, dense, dry_run, findings, layer, model, one_finding, planned, report

CHECK = "initializer-activation-mismatch"
WILD = Initializer("RandomNormal", {"mean": 0.0, "stddev": 1.0})
TINY = Initializer("RandomNormal", {"mean": 0.0, "stddev": 0.001})


def stack(depth, activation="relu", initializer=GLOROT, units=64, **more):
    """`depth` equal layers and a classifier behind them."""
    body = [dense(units, activation, given=units, initializer=initializer, **more) for _ in range(depth)]
    return planned(model(*body, dense(10, "softmax", given=units), given=(None, units)))


SICK = stack(30)


# -- it vanishes -------------------------------------------------------------------------------------------------------


def test_thirty_layers_of_glorot_under_relu_stall():
    """He et al. 2015: 22 layers train under Glorot's initialization, 30 do not."""
    finding = one_finding(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.evidence[0].value == pytest.approx(-9, abs=0.6)
    assert "31 layers" in finding.summary
    fix = finding.fixes[0]
    assert {edit.value for edit in fix.edits} == {"he_normal"}
    assert len(fix.edits) == 30


@pytest.mark.parametrize("depth", [1, 3, 10, 22])
def test_a_shallower_network_does_not_mind(depth):
    assert findings(CHECK, stack(depth)) == ()


def test_the_very_deep_is_critical():
    assert one_finding(CHECK, stack(60)).severity is Severity.CRITICAL


@pytest.mark.parametrize(("activation", "initializer"), [("relu", HE), ("selu", LECUN), ("tanh", GLOROT)])
def test_what_fits_keeps_the_signal_at_any_depth(activation, initializer):
    assert findings(CHECK, stack(100, activation, initializer)) == ()


def test_normalization_begins_anew():
    body = []
    for _ in range(40):
        body += [dense(64, "relu", given=64), layer("BatchNormalization", (None, 64), parameters=256)]
    assert findings(CHECK, planned(model(*body, dense(10, "softmax", given=64), given=(None, 64)))) == ()


def test_a_sum_begins_anew():
    """A skip connection over every second layer."""
    layers = list(stack(1).model.layers[:1])
    for number in range(40):
        before = layers[-1].name
        first = dense(64, "relu", given=64, name=f"first_{number}", inputs=(before,))
        second = dense(64, "relu", given=64, name=f"second_{number}", inputs=(first.name,))
        layers += [first, second, layer("Add", (None, 64), name=f"add_{number}", inputs=(before, second.name))]
    assert findings(CHECK, planned(dataclasses.replace(SICK.model, layers=tuple(layers), outputs=()))) == ()


def test_weights_of_a_thousandth():
    finding = one_finding(CHECK, stack(4, initializer=TINY))
    assert "vanished" in finding.summary
    assert "RandomNormal(stddev=0.001)" in finding.summary


def test_the_default_of_random_normal_is_fine():
    assert findings(CHECK, stack(4, initializer=Initializer("RandomNormal", {"stddev": 0.05}), units=256)) == ()


def test_frozen_layers_have_weights_from_elsewhere():
    assert findings(CHECK, stack(40, is_trainable=False)) == ()


# -- it explodes, or saturates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2])
def test_deviation_one_on_hundreds_of_inputs(depth):
    finding = one_finding(CHECK, stack(depth, initializer=WILD, units=512))
    assert finding.severity is Severity.WARNING
    assert "exploded" in finding.summary
    assert {edit.value for edit in finding.fixes[0].edits} == {"he_normal"}


def test_one_such_layer_of_few_inputs_is_put_up_with():
    assert findings(CHECK, stack(1, initializer=WILD, units=64)) == ()


def test_positive_weights_add_up():
    """Uniform between 0 and 1: the mean, not the variance, makes the sums large."""
    uniform = Initializer("RandomUniform", {"minval": 0.0, "maxval": 1.0})
    assert "exploded" in one_finding(CHECK, stack(3, initializer=uniform, units=64)).summary


@pytest.mark.parametrize(("activation", "stddev"), [("tanh", 0.5), ("sigmoid", 1.5)])
def test_units_that_begin_at_their_bounds(activation, stddev):
    wide = Initializer("RandomNormal", {"stddev": stddev})
    finding = one_finding(CHECK, stack(2, activation, wide, units=256))
    assert finding.severity is Severity.WARNING
    assert "begin at their bounds" in finding.summary
    assert {edit.value for edit in finding.fixes[0].edits} == {"glorot_uniform"}


def test_units_that_begin_half_way_do_not_matter():
    assert findings(CHECK, stack(2, "tanh", Initializer("RandomNormal", {"stddev": 0.15}), units=256)) == ()


# -- worth a word ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "fitting"), [("tanh", "glorot_uniform"), ("selu", "lecun_normal")])
def test_he_where_nothing_is_cut_off(activation, fitting):
    finding = one_finding(CHECK, stack(3, activation, HE))
    assert finding.severity is Severity.INFO
    assert {edit.value for edit in finding.fixes[0].edits} == {fitting}


def test_the_gate_of_a_squeeze_and_excitation_block_is_no_hidden_layer():
    gate = dense(32, "sigmoid", initializer=HE)
    run = planned(model(dense(32, "relu", initializer=HE), gate, layer("Multiply"), dense(10, "softmax")))
    assert findings(CHECK, run) == ()


def test_an_initializer_of_the_users_is_not_judged():
    assert findings(CHECK, stack(60, initializer=Initializer("my_initializer"))) == ()


def test_a_graph_that_could_not_be_seen_is_not_judged():
    assert findings(CHECK, planned(dataclasses.replace(SICK.model, is_whole=False))) == ()


def test_without_a_model_it_cannot_look():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.reason.startswith("no model")


# -- sigmoids in a row -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depth", "severity"), [(5, None), (6, Severity.INFO), (8, Severity.INFO), (9, Severity.WARNING)]
)
def test_sigmoids_in_a_row_where_nothing_was_measured(depth, severity):
    """A quarter to the power of 8 is 1.5e-5, to that of 9 it is 4e-6: less than 10 to the power of -5."""
    found = findings(CHECK, stack(depth, "sigmoid"))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    if depth == 6:
        assert "6 hidden sigmoid layers in a row" in found[0].summary
        assert "leave 0.0002 of a gradient" in found[0].summary
        assert [edit.value for edit in found[0].fixes[0].edits] == ["relu"] * 6


def test_a_dry_run_measures_the_gradients_itself():
    run = dataclasses.replace(stack(8, "sigmoid"), dry_run=dry_run())
    assert findings(CHECK, run) == ()


def test_sigmoids_with_normalization_between_or_tanh():
    body = []
    for _ in range(8):
        body += [dense(64, "sigmoid", given=64), layer("BatchNormalization", (None, 64), parameters=256)]
    assert findings(CHECK, planned(model(*body, dense(10, "softmax", given=64), given=(None, 64)))) == ()
    assert findings(CHECK, stack(8, "tanh")) == ()


# -- recurrences -------------------------------------------------------------------------------------------------------


def recurrent(kind="SimpleRNN", *, steps=20, width=8, units=32, activation="tanh", before=(), **initializers):
    settings = {
        "units": units,
        "activation": activation,
        "kernel_initializer": {"name": "GlorotUniform"},
        "recurrent_initializer": {"name": "Orthogonal", "gain": 1.0},
        **initializers,
    }
    if kind == "Bidirectional":
        settings = {"layer": {"name": "GRU", **settings}}
    if kind == "RNN":
        settings = {"cell": {"name": "StackedRNNCells", "cells": ({"name": "GRUCell", **settings},) * 2}}
    cell = layer(kind, (None, units), given=(None, steps, width), parameters=100, settings=settings)
    return planned(model(*before, cell, dense(1, given=units), given=(None, steps, width)))


def gain(value):
    return {"recurrent_initializer": {"name": "Orthogonal", "gain": value}}


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM", "Bidirectional", "RNN"])
@pytest.mark.parametrize("more", [{}, gain(1.5), {"recurrent_initializer": {"name": "GlorotUniform"}}])
def test_recurrences_as_keras_begins_them(kind, more):
    assert findings(CHECK, recurrent(kind, **more)) == ()
    assert findings(CHECK, recurrent(kind, steps=500, width=300, **more)) == ()


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "Bidirectional", "RNN"])
def test_a_gain_of_twelve_leaves_the_state_at_its_bounds(kind):
    found = one_finding(CHECK, recurrent(kind, **gain(12.0)))
    assert found.severity is Severity.WARNING
    assert "Orthogonal(gain=12) on GlorotUniform" in found.summary
    fix = found.fixes[0]
    assert bool(fix.edits) == (kind in ("SimpleRNN", "GRU"))


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("which", ["kernel_initializer", "recurrent_initializer"])
def test_weights_of_deviation_1_on_hundreds_of_units(kind, which):
    wild = {which: {"name": "RandomNormal", "mean": 0.0, "stddev": 1.0}}
    assert one_finding(CHECK, recurrent(kind, width=256, units=256, **wild))


def test_embedded_words_are_small():
    words = layer("Embedding", (None, 20, 256), given=(None, 20), initializer=Initializer("RandomUniform"))
    wild = {"kernel_initializer": {"name": "RandomNormal", "mean": 0.0, "stddev": 1.0}}
    assert findings(CHECK, recurrent("LSTM", width=256, before=(words,), **wild)) == ()


def test_under_relu_the_gradient_explodes():
    assert findings(CHECK, recurrent(steps=200, activation="relu")) == ()
    found = one_finding(CHECK, recurrent(steps=30, activation="relu", **gain(2.0)))
    assert "10^8.7 times as large on its way back through 30 steps" in found.summary


def test_a_reservoir_is_not_trained():
    _, cell, last = recurrent(**gain(12.0)).model.layers
    frozen = dataclasses.replace(cell, is_trainable=False)
    assert findings(CHECK, planned(model(frozen, last, given=(None, 20, 8)))) == ()
