from __future__ import annotations

import pytest

from diagnose.blueprint import Optimizer
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import findings, planned, report
from tests.curves import defaults
from tests.networks import batch_norm, conv, dense, global_pool, held, network, plain

CHECK = "fine-tuning-rate"
OPTIONS = defaults(CHECK)
FROZEN, TRAINED = conv(8, is_trainable=False), conv(8)
IN_PART = [FROZEN] * 6 + [TRAINED] * 6


def tuned(*makes, name="resnet50", optimizer="adam", rate=1e-3, **more):
    return planned(network(*held(name, *makes), global_pool(), optimizer=Optimizer(optimizer, rate), **more))


SICK = tuned(*IN_PART)


def test_the_default_rate_of_adam_on_a_backbone_frozen_in_part():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "resnet50 is fine-tuned (6 of its layers" in finding.summary
    assert finding.fixes[0].title == "Fine-tune at 1e-05 or less instead of 0.001"


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e-3), ("rmsprop", 0.1), ("sgd", 0.05), ("sgd", 10.0)])
def test_the_lower_rate_is_one_that_passes(optimizer, rate):
    (finding,) = findings(CHECK, tuned(*IN_PART, optimizer=optimizer, rate=rate))
    (edit,) = finding.fixes[0].edits
    assert (edit.layer, edit.setting) == ("", "learning_rate")
    assert edit.value <= rate / 10
    assert findings(CHECK, tuned(*IN_PART, optimizer=optimizer, rate=edit.value)) == ()


@pytest.mark.parametrize(
    ("optimizer", "rate", "fires"),
    [
        ("adam", 0.001000000047, True),
        ("adam", 5e-4, False),
        ("rmsprop", 1e-2, True),
        ("sgd", 1e-2, False),
        ("sgd", OPTIONS.sgd_rate, True),
        ("adadelta", 1.0, False),
        ("adam", None, False),
        ("adam", float("inf"), False),
    ],
)
def test_how_high_it_must_be(optimizer, rate, fires):
    assert bool(findings(CHECK, tuned(*IN_PART, optimizer=optimizer, rate=rate))) == fires


@pytest.mark.parametrize("held", [{"is_trainable": False}, {"training": False}])
def test_a_backbone_whose_normalization_is_in_inference_mode_while_it_trains_was_pretrained(held):
    assert findings(CHECK, tuned(TRAINED, batch_norm(**held), TRAINED))


@pytest.mark.parametrize("makes", [[TRAINED] * 12, [FROZEN] * 12, [TRAINED, batch_norm()] * 6])
def test_from_scratch_or_frozen_as_a_whole(makes):
    assert findings(CHECK, tuned(*makes)) == ()


def test_any_large_container_may_be_pretrained():
    assert findings(CHECK, tuned(*IN_PART, name="encoder"))
    assert findings(CHECK, tuned(FROZEN, TRAINED, name="encoder")) == ()


def test_a_frozen_embedding_does_not_make_a_backbone():
    embedding = plain("Embedding", numbers=1000, is_trainable=False)
    assert findings(CHECK, tuned(embedding, *[TRAINED] * 12, name="encoder")) == ()


def test_frozen_layers_outside_of_a_container_are_no_backbone():
    assert findings(CHECK, tuned(*IN_PART, name="")) == ()


def test_it_needs_a_compiled_model():
    (outcome,) = report(CHECK, planned(network(dense(4), loss=None, given=(None, 4)))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def test_training_false_tells_what_is_meant_where_fit_overrules_it():
    assert findings(CHECK, tuned(*[conv(8, default_training=False)] * 12))
    assert findings(CHECK, tuned(*[conv(8, default_training=False, is_trainable=False)] * 12)) == ()


@pytest.mark.parametrize(
    ("backbone", "head", "fires"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_numbers_that_have_moved_under_a_fresh_head(backbone, head, fires):
    body = held("encoder", *[conv(8, has_learned=backbone)] * 12)
    model = network(*body, global_pool(), dense(4, has_learned=head), optimizer=Optimizer("adam", 1e-3))
    assert bool(findings(CHECK, planned(model))) == fires


@pytest.mark.parametrize(
    ("optimizer", "rate", "name", "fires"),
    [
        ("adam", OPTIONS.any_rate, "resnet50", True),
        ("adam", 5e-3, "resnet50", False),
        ("rmsprop", 0.045, "resnet50", False),
        ("sgd", 0.1, "resnet50", False),
        ("adam", 1e-2, "encoder", False),
    ],
)
def test_a_rate_that_is_too_high_for_fresh_weights_too(optimizer, rate, name, fires):
    found = findings(CHECK, tuned(*[TRAINED] * 12, optimizer=optimizer, rate=rate, name=name))
    assert ["too high for fresh weights too" in f.summary for f in found] == [True] * fires
