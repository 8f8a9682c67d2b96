from __future__ import annotations

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Applicability
from tests.blueprints import findings, planned, report
from tests.curves import defaults
from tests.networks import batch_norm, conv, dense, dropout, flatten, held, network, plain, pool

CHECK = "misplaced-dropout"
OPTIONS = defaults(CHECK)

AFTER_OUTPUT = network(dense(64), dense(10, "softmax"), dropout(0.5), classes=None, given=(None, 32))
SICK = planned(AFTER_OUTPUT)


def look(*makes, given=(None, 32), **more):
    return findings(CHECK, planned(network(*makes, given=given, **more)))


def severities(found):
    return [finding.severity for finding in found]


def test_dropout_behind_the_output():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "behind the last layer with weights" in finding.summary
    assert finding.fixes[0].applicability is Applicability.SAFE
    assert [(edit.layer, edit.op) for edit in finding.fixes[0].edits] == [("dropout", "remove")]


def test_dropout_between_the_last_weights_and_the_softmax():
    (finding,) = look(dense(64), dense(10, "linear"), dropout(0.2), plain("Softmax"), classes=None)
    assert finding.layers == ("dropout",)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_before_the_last_dense_layer_is_the_usual_place(rate):
    assert look(dense(64), dropout(rate), dense(64), dropout(rate)) == ()


def test_an_encoder_that_ends_in_dropout_is_part_of_something_larger():
    assert look(dense(64), dropout(0.1), classes=None, loss=None) == ()


@pytest.mark.parametrize(
    ("rate", "severity"), [(0.1, Severity.INFO), (OPTIONS.before_norm, Severity.WARNING), (0.5, Severity.WARNING)]
)
def test_dropout_into_batch_normalization(rate, severity):
    (finding,) = look(dense(64), dropout(rate), batch_norm(), dense(64))
    assert finding.severity is severity
    assert len(look(dense(64), dropout(rate), plain("ReLU"), batch_norm(), dense(64))) == 1


def test_dropout_behind_batch_normalization_is_right():
    assert look(dense(64, "linear"), batch_norm(), plain("ReLU"), dropout(0.5), dense(64)) == ()


@pytest.mark.parametrize(("rate", "fires"), [(0.79, False), (OPTIONS.highest, True)])
def test_hardly_any_unit_is_left(rate, fires):
    found = look(dense(64), dropout(rate), dense(64))
    assert severities(found) == [Severity.WARNING] * fires
    assert all("not the one to keep" in finding.summary for finding in found)


@pytest.mark.parametrize(("rate", "fires"), [(0.2, False), (0.49, False), (OPTIONS.on_inputs, True)])
def test_dropout_on_the_inputs(rate, fires):
    assert severities(look(dropout(rate), dense(64))) == [Severity.WARNING] * fires


def test_a_denoising_autoencoder_drops_inputs_on_purpose():
    assert look(dropout(0.5), dense(8), dense(32, "linear"), classes=None, loss="mean_squared_error") == ()


@pytest.mark.parametrize(("rate", "severity"), [(0.3, Severity.INFO), (0.6, Severity.WARNING)])
def test_two_in_a_row(rate, severity):
    (finding,) = look(dense(64), dropout(rate), dropout(rate), dense(64))
    assert finding.severity is severity
    assert finding.layers == ("dropout_3",)


@pytest.mark.parametrize(("rate", "fires"), [(0.25, False), (OPTIONS.between_convolutions, True)])
def test_single_numbers_between_convolutions(rate, fires):
    body = [conv(8), dropout(rate), conv(8), flatten()]
    assert severities(look(*body, given=(None, 32, 32, 3))) == [Severity.INFO] * fires


def test_whole_channels_between_convolutions_are_right():
    body = [conv(8), dropout(0.3, kind="SpatialDropout2D"), conv(8), pool(), dropout(0.2), flatten()]
    assert look(*body, given=(None, 32, 32, 3)) == ()


def test_published_networks_are_left_as_they_are():
    assert look(*held("efficientnetb0", conv(8), dropout(0.5), batch_norm()), flatten(), given=(None, 32, 32, 3)) == ()


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
