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


def wave(*makes, steps=16000, channels=1):
    pooled = plain("GlobalMaxPooling1D", shape=lambda s: (None, s[-1]))
    return findings(CHECK, planned(network(*makes, pooled, given=(None, steps, channels))))


@pytest.mark.parametrize(
    ("steps", "channels", "severity"),
    [
        (16000, 1, Severity.WARNING),
        (16000, OPTIONS.most_channels, Severity.WARNING),
        (16000, OPTIONS.most_channels + 1, None),
        (1000, 1, Severity.INFO),
        (128, 6, None),
    ],
)
def test_samples_of_a_wave_by_seven(steps, channels, severity):
    found = wave(*[conv(8, kind="Conv1D")] * 3, steps=steps, channels=channels)
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_words_and_causal_convolutions_are_no_wave():
    assert wave(plain("Embedding", shape=lambda s: (*s[:2], 64)), conv(8, kind="Conv1D")) == ()
    assert wave(conv(8, kind="Conv1D", settings={"padding": "causal"})) == ()


def mask(*makes, side=256, channels=1, classes=5, loss="sparse_categorical_crossentropy"):
    end = conv(classes, activation="softmax", name="mask")
    return findings(CHECK, planned(network(*makes, end, given=(None, side, side, channels), classes=None, loss=loss)))


def test_a_mask_by_four_small_convolutions():
    (finding,) = mask(*[conv(8)] * 3)
    assert finding.severity is Severity.WARNING
    assert "mask, which decides on each position, sees 9×9 of 256×256" in finding.summary


@pytest.mark.parametrize(
    ("makes", "more"),
    [
        ([conv(8)] * 3, {"loss": "mean_squared_error"}),
        ([conv(8)] * 3, {"classes": 1}),
        ([conv(8)] * 3, {"side": 40}),
        ([conv(8)] * 3, {"channels": 103}),
        ([conv(8, strides=2), conv(8)], {}),
        ([conv(8), plain("MultiHeadAttention")], {}),
        ([conv(8), plain("Mine", is_custom=True)], {}),
    ],
    ids=["regression", "an image again", "small image", "spectra", "patches", "attention", "unknown"],
)
def test_what_may_see_little(makes, more):
    assert mask(*makes, **more) == ()


def test_an_output_that_is_measured_as_a_mask_is_no_image():
    model = network(*[conv(8)] * 3, conv(1, activation="sigmoid"), given=(None, 256, 256, 1), classes=None,
                    loss="binary_crossentropy", metrics=("binary_io_u",))  # fmt: skip
    assert findings(CHECK, planned(model))


def test_a_loss_of_ones_own_on_probabilities():
    model = network(*[conv(8)] * 3, conv(5, activation="softmax"), given=(None, 256, 256, 1), classes=None)
    own = dataclasses.replace(
        model.outputs[0], loss=dataclasses.replace(model.outputs[0].loss, name="mine", is_custom=True)
    )
    assert findings(CHECK, planned(dataclasses.replace(model, outputs=(own,))))
