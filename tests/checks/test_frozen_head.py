from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Edit
from tests.blueprints import findings, planned, report
from tests.networks import conv, dense, global_pool, held, network

CHECK = "frozen-head"


def look(*makes, **more):
    return findings(CHECK, planned(network(*makes, **more)))


def head(**more):
    return dense(10, "softmax", name="head", **more)


FROZEN = conv(8, is_trainable=False)
SICK = planned(network(*held("backbone", FROZEN), global_pool(), head(is_trainable=False), classes=None))


def test_nothing_is_trainable():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert "None of the model's" in finding.summary
    assert finding.fixes[0].edits == ()  # it may be the model as a whole that is frozen


def test_the_head_is_frozen():
    (finding,) = look(conv(8), global_pool(), head(is_trainable=False), classes=None)
    assert (finding.severity, finding.layers) == (Severity.WARNING, ("head",))
    assert finding.fixes[0].edits == (Edit("head", "trainable", True),)


def test_a_frozen_backbone_under_a_head_that_trains():
    assert look(*held("backbone", FROZEN), global_pool(), head(), classes=None) == ()


def test_a_frozen_embedding_below():
    assert look(dense(8, is_trainable=False), dense(8), given=(None, 4)) == ()


def test_the_frozen_discriminator_behind_a_generator():
    generator = held("generator", dense(16), dense(16))
    discriminator = held("discriminator", dense(16, is_trainable=False), dense(1, "sigmoid", is_trainable=False))
    assert look(*generator, *discriminator, classes=None, given=(None, 4), loss="binary_crossentropy") == ()


def test_a_model_without_parameters():
    assert look(global_pool(), classes=None) == ()


@pytest.mark.parametrize("run", [planned(), planned(network(FROZEN, global_pool(), loss=None))])
def test_a_model_that_is_not_going_to_be_trained(run):
    (outcome,) = report(CHECK, run).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("container", "more", "fires"),
    [
        ("resnet50", {"name": "new"}, True),
        ("resnet50", {"name": "fc1"}, False),
        ("resnet50", {"name": "new", "has_learned": True}, False),
        ("encoder", {"name": "new"}, False),
    ],
    ids=["new", "its own top", "trained before", "not known"],
)
def test_a_new_layer_frozen_with_the_backbone(container, more, fires):
    found = look(*held(container, FROZEN), global_pool(), dense(16, is_trainable=False, **more), head(), classes=None)
    assert [(f.severity, f.layers) for f in found] == [(Severity.WARNING, ("new",))] * fires


def test_fresh_numbers_behind_trained_ones_tell_of_a_new_layer_too():
    taught = conv(8, is_trainable=False, has_learned=True)
    new = dense(16, is_trainable=False, has_learned=False, name="new")
    assert look(*held("encoder", taught), global_pool(), new, head(), classes=None)
    assert look(*held("encoder", FROZEN), global_pool(), new, head(), classes=None) == ()
