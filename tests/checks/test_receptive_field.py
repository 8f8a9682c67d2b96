from __future__ import annotations

import dataclasses

import pytest

from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import findings, planned, report
from tests.curves import defaults
from tests.networks import conv, flatten, global_pool, network, plain, pool

CHECK = "receptive-field"
OPTIONS = defaults(CHECK)


def look(*makes, side, **more):
    return findings(CHECK, planned(network(*makes, given=(None, side, side, 3), **more)))


SICK = planned(network(conv(8), pool(), conv(16), pool(), global_pool(), given=(None, 224, 224, 3)))


def test_10_of_224_pixels():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "10×10 of 224×224" in finding.summary


@pytest.mark.parametrize(
    ("side", "severity"), [(101, Severity.WARNING), (99, Severity.INFO), (51, Severity.INFO), (50, None)]
)
def test_how_small_it_must_be(side, severity):
    assert OPTIONS.field_share == 0.1
    found = look(conv(8), pool(), conv(16), pool(), global_pool(), side=side)
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_the_golden_field_of_21_suffices_for_small_images():
    body = [conv(8, strides=2), pool(), conv(8, strides=2), pool()]
    model = network(*body, global_pool(), given=(None, 64, 64, 3))
    assert model.layers[4].receptive_field == (21, 21)
    assert findings(CHECK, planned(model)) == ()


def test_a_dense_layer_sees_everything():
    assert look(conv(8), pool(), flatten(), side=224) == ()


def test_windows_over_words_are_the_method():
    words = network(
        conv(8, 3, kind="Conv1D"), plain("GlobalMaxPooling1D", shape=lambda s: (None, s[-1])), given=(None, 500, 64)
    )
    assert findings(CHECK, planned(words)) == ()


def test_a_recurrent_convolution_sees_more_at_each_step_on_the_way():
    assert look(conv(8), conv(8), plain("ConvLSTM2D"), conv(8), side=3) == ()
    assert look(conv(8), conv(8), *[conv(8)] * 20, side=3)


@pytest.mark.parametrize("kind", ["MultiHeadAttention", "Permute", "Resizing"])
def test_layers_that_see_further_end_the_search(kind):
    assert look(conv(8), plain(kind), global_pool(), side=224) == ()


def test_a_global_pooling_in_the_middle_of_the_network_is_no_head():
    """Squeeze-and-excitation pools everything, to weight the channels."""
    again = plain("UpSampling2D", shape=lambda given: (None, 7, 7, given[-1]))
    squeezed = plain("GlobalAveragePooling2D", shape=lambda given: (None, 1, 1, given[-1]))
    assert look(conv(8), squeezed, again, flatten(), side=224) == ()


def test_what_is_not_known_is_not_judged():
    model = network(conv(8), global_pool(), given=(None, None, None, 3))
    assert findings(CHECK, planned(model)) == ()
    model = network(conv(8), global_pool(), given=(None, 224, 224, 3))
    unknown = tuple(dataclasses.replace(layer, receptive_field=None) for layer in model.layers)
    assert findings(CHECK, planned(dataclasses.replace(model, layers=unknown))) == ()
    assert findings(CHECK, planned(dataclasses.replace(model, is_whole=False))) == ()


@pytest.mark.parametrize(("beyond", "fires"), [(11, False), (12, True)])
def test_most_layers_beyond_the_border(beyond, fires):
    """Two convolutions see 3 and 5 of 5 pixels; those behind them see all of it."""
    assert (beyond / (2 + beyond) >= OPTIONS.beyond_share) == fires
    found = look(*[conv(8)] * (2 + beyond), global_pool(), side=5)
    assert [f.severity for f in found] == [Severity.INFO] * fires


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
