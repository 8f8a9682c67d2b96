from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Applicability, Edit
from tests.blueprints import findings, planned, report
from tests.networks import batch_norm, conv, dense, global_pool, held, network

CHECK = "unfrozen-batch-norm"
FROZEN, TRAINED = conv(8, is_trainable=False), conv(8)
HEAD = (global_pool(), dense(8))


def look(*backbone, head=HEAD, name="backbone"):
    return findings(CHECK, planned(network(*held(name, *backbone), *head)))


SICK = planned(network(*held("backbone", FROZEN, batch_norm(), FROZEN), global_pool()))


def test_batch_normalization_learns_between_frozen_layers():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    (name,) = finding.layers
    assert finding.fixes[0].edits == (Edit(name, "trainable", False),)
    assert finding.fixes[0].applicability is Applicability.SAFE


def test_the_last_one_of_the_backbone_is_told_with_the_others():
    (finding,) = look(FROZEN, batch_norm(), FROZEN, batch_norm())
    assert len(finding.layers) == 2


def test_the_same_in_a_model_without_containers():
    assert look(FROZEN, batch_norm(), FROZEN, name="")


def test_frozen_itself_it_runs_in_inference_mode():
    assert look(FROZEN, batch_norm(is_trainable=False, training=True), FROZEN) == ()


def test_called_in_inference_mode_it_learns_nothing():
    assert look(FROZEN, batch_norm(training=False), FROZEN) == ()


def test_of_the_head_it_may_learn():
    head = (global_pool(), batch_norm(), dense(8), batch_norm())
    assert look(FROZEN, batch_norm(is_trainable=False), head=head) == ()
    assert look(FROZEN, name="", head=head) == ()


def test_in_an_unfrozen_upper_part_it_is_worth_knowing():
    (finding,) = look(FROZEN, batch_norm(is_trainable=False), TRAINED, batch_norm())
    assert finding.severity is Severity.INFO


def test_a_network_that_trains_as_a_whole():
    assert look(TRAINED, batch_norm(), TRAINED, batch_norm()) == ()


def test_a_network_that_is_frozen_as_a_whole():
    """A discriminator in the model that trains the generator."""
    assert look(FROZEN, batch_norm(is_trainable=False), FROZEN) == ()


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


@pytest.mark.parametrize("is_on", [True, False])
def test_switched_on_again_in_a_frozen_container(is_on):
    """Keras asks the layer itself: it takes the batch's statistics, though β and γ stay."""
    norm = batch_norm(is_trainable=False, is_set_trainable=is_on)
    assert [f.severity for f in look(FROZEN, norm, FROZEN)] == [Severity.WARNING] * is_on
