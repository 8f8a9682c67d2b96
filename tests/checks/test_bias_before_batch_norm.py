from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Applicability, Edit
from tests.blueprints import findings, planned, report
from tests.networks import batch_norm, conv, dense, flatten, held, network, plain

CHECK = "bias-before-batch-norm"

MODEL = network(conv(16, activation="linear", name="conv"), batch_norm(), plain("Activation"), flatten())
SICK = planned(MODEL)


def look(*makes, **more):
    return findings(CHECK, planned(network(*makes, **more)))


def test_a_bias_that_is_taken_away_again():
    (finding,) = findings(CHECK, SICK)
    assert (finding.severity, finding.layers) == (Severity.INFO, ("conv",))
    assert "16 numbers" in finding.summary


def test_leaving_it_out_is_safe():
    ((fix,),) = (finding.fixes for finding in findings(CHECK, SICK))
    assert fix.applicability is Applicability.SAFE
    assert fix.edits == (Edit("conv", "use_bias", False),)


def test_dense_layers_too():
    assert look(dense(8, "linear"), batch_norm(), given=(None, 4))


@pytest.mark.parametrize(
    "body",
    [
        [conv(16, activation="linear", use_bias=False), batch_norm()],
        [conv(16, activation="relu"), batch_norm()],
        [conv(16, activation="linear"), plain("ReLU"), batch_norm()],
        [conv(16, activation="linear", is_trainable=False), batch_norm()],
        [conv(16, activation="linear"), batch_norm(training=False)],
        [conv(16, activation="linear"), batch_norm(is_trainable=False)],
        [conv(16, activation="linear"), plain("LayerNormalization")],
        [conv(16, activation="linear", is_custom=True), batch_norm()],
        [conv(16, activation="linear", calls=2), batch_norm()],
    ],
    ids=[
        "no bias",
        "activation",
        "ReLU between",
        "frozen",
        "inference",
        "frozen norm",
        "layer norm",
        "custom",
        "shared",
    ],
)
def test_a_bias_that_has_an_effect_or_no_cost(body):
    assert look(*body, flatten()) == ()


def test_published_networks_are_left_as_they_are():
    body = held("resnet50", conv(16, activation="linear"), batch_norm())
    assert look(*body, flatten()) == ()


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
