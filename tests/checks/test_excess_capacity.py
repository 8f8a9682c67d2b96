from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.blueprint import Optimizer
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import data, findings, planned, report
from tests.curves import defaults
from tests.networks import conv, dense, dropout, flatten, global_pool, held, network, plain, pool

CHECK = "excess-capacity"
OPTIONS = defaults(CHECK)


def samples(count):
    return data(n=max(1, round(count / 0.6)), inputs=np.zeros((max(1, round(count / 0.6)), 4), "float32"))


def found(model, count=60):
    return findings(CHECK, planned(model, samples(count)))


HEAVY = network(conv(64), flatten(), dense(512))
SICK = planned(HEAVY, samples(60))


def severities(told):
    return [f.severity for f in told]


def test_half_a_million_parameters_for_each_sample():
    told = findings(CHECK, SICK)
    assert severities(told) == [Severity.WARNING, Severity.INFO]
    assert "60 training samples" in told[0].summary


@pytest.mark.parametrize(("factor", "fires"), [(1.02, True), (0.98, False)])
def test_how_many_it_takes(factor, fires):
    n = 60
    model = network(dense(100), given=(None, 16))
    parameters = round(factor * OPTIONS.per_sample * n)
    layers = (dataclasses.replace(model.layers[1], trainable_parameters=parameters), *model.layers[2:])
    model = dataclasses.replace(model, layers=(model.layers[0], *layers))
    assert bool(found(model, n)) == fires


def test_more_parameters_than_samples_are_the_normal_state():
    """A first convnet for 2,000 pictures has 1,700 for each."""
    assert [f for f in found(network(*[conv(32), pool()] * 2, flatten(), dense(512)), 1500) if f.severity.rank] == []


@pytest.mark.parametrize(
    "held_back",
    [
        network(conv(64), flatten(), dense(512), dropout()),
        network(plain("RandomFlip"), conv(64), flatten(), dense(512)),
        network(conv(64), flatten(), dense(512, settings={"kernel_regularizer": {"name": "L2", "l2": 1e-3}})),
        network(conv(64), flatten(), dense(512), optimizer=Optimizer("adamw", 1e-3, {"weight_decay": 4e-3})),
        network(*held("resnet50", conv(64)), flatten(), dense(512)),
    ],
    ids=["dropout", "augmentation", "L2", "weight decay", "backbone"],
)
def test_what_holds_it_back_excuses_it(held_back):
    assert Severity.WARNING not in severities(found(held_back))


def test_of_a_frozen_backbone_only_the_head_counts():
    body = [conv(512, is_trainable=False)] * 3
    assert found(network(*body, global_pool(), dense(32))) == ()


def test_a_dense_layer_behind_flatten_that_is_nearly_everything():
    (finding,) = found(HEAVY, 10**6)
    assert (finding.severity, finding.fixes[0].id) == (Severity.INFO, "pool-globally")


def test_a_perceptron_is_its_dense_layer():
    flat = network(flatten(), dense(2048), given=(None, 28, 28, 1))
    assert found(flat, 60_000) == ()


def test_nobody_knows_the_number_of_samples():
    assert severities(findings(CHECK, planned(HEAVY))) == [Severity.INFO]
    (outcome,) = report(CHECK, planned(data=samples(9))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def test_two_wide_dense_layers_for_five_hundred_rows():
    wide = network(dense(2048, name="a"), dense(2048, name="b"), given=(None, 8), classes=2)
    assert [f.severity for f in findings(CHECK, planned(wide, data(n=800)))] == [Severity.WARNING]
    assert findings(CHECK, planned(wide, data(n=2000))) == ()
