from __future__ import annotations

import pytest

from diagnose.blueprint import Optimizer
from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Edit
from tests.blueprints import ACTIVATIONS, findings, planned, report
from tests.curves import defaults
from tests.networks import dense, network, plain

CHECK = "missing-clipping"
OPTIONS = defaults(CHECK)
WILD = Optimizer("sgd", 0.1)


def recurrent(kind, activation="tanh"):
    return plain(
        kind, shape=lambda given: (*given[:-1], 16), numbers=800, activation=ACTIVATIONS[activation], name=kind.lower()
    )


def run(*makes, steps=200, optimizer=WILD):
    return planned(network(*makes, classes=10, given=(None, steps, 8), optimizer=optimizer))


SICK = run(recurrent("SimpleRNN"))


def severities(a_run):
    return [finding.severity for finding in findings(CHECK, a_run)]


def test_a_simple_recurrent_layer_over_200_steps():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "simplernn goes through 200 steps and is trained by sgd without gradient clipping" in finding.summary
    assert finding.fixes[0].edits == (Edit("", "clipnorm", 1.0),)


@pytest.mark.parametrize(("steps", "fires"), [(99, False), (OPTIONS.steps, True), (None, False)])
def test_how_many_steps_it_takes(steps, fires):
    assert bool(severities(run(recurrent("SimpleRNN"), steps=steps))) == fires


@pytest.mark.parametrize(("steps", "fires"), [(49, False), (OPTIONS.simple_steps, True)])
def test_without_a_bound_under_any_optimizer(steps, fires):
    a_run = run(recurrent("SimpleRNN", "relu"), steps=steps, optimizer=Optimizer("adam", 1e-3))
    assert severities(a_run) == [Severity.WARNING] * fires


def test_under_adam_it_is_worth_knowing():
    assert severities(run(recurrent("SimpleRNN"), optimizer=Optimizer("adam", 1e-3))) == [Severity.INFO]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gates_need_a_stack_and_plain_sgd(kind):
    assert severities(run(recurrent(kind), recurrent(kind))) == [Severity.WARNING]
    assert severities(run(recurrent(kind))) == []
    assert severities(run(recurrent(kind), recurrent(kind), optimizer=Optimizer("adam", 1e-3))) == []


@pytest.mark.parametrize(
    ("rate", "momentum", "fires"), [(0.1, 0.0, True), (0.05, 0.0, False), (0.01, 0.9, True), (None, 0.0, False)]
)
def test_what_counts_as_a_large_rate(rate, momentum, fires):
    a_run = run(recurrent("LSTM"), recurrent("LSTM"), optimizer=Optimizer("sgd", rate, {"momentum": momentum}))
    assert bool(severities(a_run)) == fires


@pytest.mark.parametrize("setting", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_any_clipping_will_do(setting):
    assert severities(run(recurrent("SimpleRNN", "relu"), optimizer=Optimizer("sgd", 0.1, {setting: 1.0}))) == []


@pytest.mark.parametrize(
    ("outer", "inner", "name"), [("Bidirectional", "layer", "SimpleRNN"), ("RNN", "cell", "SimpleRNNCell")]
)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_inside_of_another_layer(outer, inner, name, activation):
    wrapped = plain(outer, numbers=800, settings={inner: {"name": name, "activation": activation}})
    adam = run(wrapped, optimizer=Optimizer("adam", 1e-3))
    assert severities(adam) == [Severity.WARNING if activation == "relu" else Severity.INFO]


def test_other_networks_are_not_recurrent():
    assert severities(run(dense(16))) == []


def test_it_needs_a_compiled_model():
    (outcome,) = report(CHECK, planned(network(dense(4), loss=None, given=(None, 4)))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


ADAM = Optimizer("adam", 1e-3)


@pytest.mark.parametrize(("steps", "severity"), [(200, Severity.INFO), (201, Severity.WARNING)])
def test_a_simple_layer_over_more_steps_than_anybody_studies(steps, severity):
    assert severities(run(recurrent("SimpleRNN"), steps=steps, optimizer=ADAM)) == [severity]


@pytest.mark.parametrize(("steps", "fires"), [(499, False), (OPTIONS.gated_steps, True)])
def test_stacked_gates_over_very_many_steps(steps, fires):
    assert (
        severities(run(recurrent("LSTM"), recurrent("GRU"), steps=steps, optimizer=ADAM)) == [Severity.WARNING] * fires
    )
    assert severities(run(recurrent("LSTM"), steps=steps, optimizer=ADAM)) == []


def cells(*names):
    each = tuple({"name": name, "activation": "tanh"} for name in names)
    return plain("RNN", numbers=800, settings={"cell": {"name": "StackedRNNCells", "cells": each}})


@pytest.mark.parametrize(
    ("names", "fires"),
    [
        (("GRUCell", "GRUCell"), True),
        (("LSTMCell",), False),
        (("SimpleRNNCell",), True),
        (("MyCell",), True),
        ((), False),
    ],
)
def test_each_of_stacked_cells_counts(names, fires):
    assert severities(run(cells(*names), steps=512, optimizer=ADAM)) == [Severity.WARNING] * fires


def test_cells_inside_of_two_layers():
    inner = {"name": "RNN", "cell": {"name": "StackedRNNCells", "cells": ({"name": "GRUCell"},) * 2}}
    assert severities(run(plain("Bidirectional", numbers=800, settings={"layer": inner}), steps=512, optimizer=ADAM))


def test_a_frozen_reservoir_has_no_gradient():
    reservoir = plain("SimpleRNN", numbers=800, activation=ACTIVATIONS["tanh"], is_trainable=False)
    assert severities(run(reservoir, steps=1000, optimizer=ADAM)) == []
