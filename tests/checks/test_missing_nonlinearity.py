from __future__ import annotations

from dataclasses import replace

import pytest

from diagnose.finding import Severity
from tests.blueprints import ACTIVATIONS, GLOROT, HE, dense, findings, layer, model, one_finding, planned, report

CHECK = "missing-nonlinearity"


def conv(filters, activation="linear", given=(None, 28, 28, 3), kind="Conv2D", kernel=3, size=None):
    rows, columns = size or given[1:3]
    return layer(
        kind, (None, rows, columns, filters), given=given, activation=ACTIVATIONS[activation], initializer=GLOROT,
        settings={"filters": filters, "kernel_size": kernel if isinstance(kernel, list) else [kernel, kernel]},
    )  # fmt: skip


SICK = planned(model(dense(64), dense(64, given=64), dense(10, "softmax", given=64)))


def test_a_model_that_is_linear_as_a_whole():
    finding = one_finding(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert finding.layers == ("dense", "dense_2", "dense_3")
    assert [(edit.layer, edit.value) for edit in finding.fixes[0].edits] == [("dense", "relu"), ("dense_2", "relu")]


@pytest.mark.parametrize(
    "kind", ["Flatten", "Dropout", "BatchNormalization", "AveragePooling2D", "Reshape", "Permute", "Rescaling"]
)
def test_nothing_linear_between_makes_a_difference(kind):
    run = planned(model(dense(64), layer(kind, (None, 64)), dense(10, "softmax", given=64)))
    assert one_finding(CHECK, run).severity is Severity.CRITICAL


def test_an_activation_layer_that_is_linear():
    run = planned(
        model(
            dense(64), layer("Activation", (None, 64), activation=ACTIVATIONS["linear"]), dense(10, "softmax", given=64)
        )
    )
    assert one_finding(CHECK, run).severity is Severity.CRITICAL


def test_a_part_of_the_model():
    finding = one_finding(
        CHECK, planned(model(dense(64, "relu"), dense(64, given=64), dense(64, given=64), dense(10, given=64)))
    )
    assert finding.severity is Severity.WARNING
    assert finding.layers == ("dense_2", "dense_3", "dense_4")


def test_convolutions_in_a_row():
    run = planned(
        model(
            conv(16, "relu"), conv(32, given=(None, 28, 28, 16)), conv(64, given=(None, 28, 28, 32)),
            layer("GlobalMaxPooling2D", (None, 64)), dense(10, "softmax", given=64),
        )
    )  # fmt: skip
    assert one_finding(CHECK, run).severity is Severity.WARNING


def test_a_convolution_before_a_dense_layer_still_shares_its_weights():
    run = planned(
        model(
            conv(16, "relu"), conv(32, given=(None, 28, 28, 16)), layer("Flatten", (None, 25088)),
            dense(10, "softmax", given=25088),
        )
    )  # fmt: skip
    assert one_finding(CHECK, run).severity is Severity.INFO


# -- sound -------------------------------------------------------------------------------------------------------------


def test_linear_regression():
    assert findings(CHECK, planned(model(dense(1), loss="mean_squared_error"))) == ()


def test_an_activation_of_its_own_layer():
    run = planned(
        model(
            dense(64), layer("BatchNormalization", (None, 64)),
            layer("Activation", (None, 64), activation=ACTIVATIONS["relu"]), dense(10, "softmax", given=64),
        )
    )  # fmt: skip
    assert findings(CHECK, run) == ()


@pytest.mark.parametrize("kind", ["LayerNormalization", "MaxPooling1D", "LSTM", "Multiply", "Mine"])
def test_what_is_not_linear_or_not_known(kind):
    run = planned(model(dense(64), layer(kind, (None, 64), is_custom=kind == "Mine"), dense(10, given=64)))
    assert findings(CHECK, run) == ()


@pytest.mark.parametrize("width", [16, 96])
def test_a_linear_bottleneck(width):
    """MobileNetV3 has one that is as wide as what it is given."""
    run = planned(
        model(
            conv(width, "relu"), conv(16, given=(None, 28, 28, width), kernel=1), layer("BatchNormalization"),
            conv(96, "relu", given=(None, 28, 28, 16), kernel=1), dense(10, "softmax", given=96),
        )
    )  # fmt: skip
    assert findings(CHECK, run) == ()


def test_a_linear_autoencoder():
    run = planned(model(dense(4, given=32), dense(32, given=4), loss="mean_squared_error"))
    assert findings(CHECK, run) == ()


def test_a_linear_classifier_of_low_rank():
    run = planned(model(dense(4, given=32), dense(10, "softmax", given=4)))
    assert one_finding(CHECK, run).severity is Severity.WARNING


def test_depthwise_and_pointwise():
    run = planned(
        model(
            conv(32, "relu"), conv(32, given=(None, 28, 28, 32), kind="DepthwiseConv2D"),
            conv(64, "relu", given=(None, 28, 28, 32), kernel=1), dense(10, "softmax", given=64),
        )
    )  # fmt: skip
    assert findings(CHECK, run) == ()


def test_rows_and_columns():
    run = planned(
        model(
            conv(32, "relu"), conv(32, given=(None, 28, 28, 32), kernel=[1, 7]),
            conv(32, "relu", given=(None, 28, 28, 32), kernel=[7, 1]), dense(10, "softmax", given=32),
        )
    )  # fmt: skip
    assert findings(CHECK, run) == ()


def test_the_picture_that_a_generator_begins_with():
    run = planned(
        model(
            dense(6272, given=128), layer("Reshape", (None, 7, 7, 128), given=(None, 6272)),
            conv(128, given=(None, 7, 7, 128), kind="Conv2DTranspose", size=(14, 14)),
            layer("LeakyReLU", (None, 14, 14, 128), activation=ACTIVATIONS["leaky_relu"]),
            conv(1, "tanh", given=(None, 14, 14, 128)),
            loss=None, given=(None, 128),
        )
    )  # fmt: skip
    assert findings(CHECK, run) == ()


def test_a_layer_whose_output_goes_two_ways():
    blueprint = model(dense(64, "relu"), dense(64, given=64), dense(64, "relu", given=64), dense(10, given=64))
    summed = layer("Add", (None, 64), name="add", inputs=("dense_2", "dense_3"))
    layers = (*blueprint.layers, summed)
    run = planned(type(blueprint)(name="m", kind="Functional", layers=layers, outputs=blueprint.outputs))
    assert findings(CHECK, run) == ()


def test_a_usual_network():
    run = planned(model(dense(64, "relu", initializer=HE), dense(64, "relu", given=64), dense(10, given=64)))
    assert findings(CHECK, run) == ()


def test_without_a_model_it_cannot_look():
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.reason.startswith("no model")


@pytest.mark.parametrize("kernel", [1, 3])
def test_scores_that_a_transposed_convolution_enlarges(kernel):
    run = planned(
        model(
            conv(24, "relu"),
            conv(3, given=(None, 28, 28, 24), kernel=kernel),
            conv(3, given=(None, 28, 28, 3), kind="Conv2DTranspose", size=(56, 56)),
            loss=None, given=(None, 28, 28, 3),
        )
    )  # fmt: skip
    enlarged = replace(run.model.layers[-1], settings={**run.model.layers[-1].settings, "strides": [2, 2]})
    run = replace(run, model=replace(run.model, layers=(*run.model.layers[:-1], enlarged)))
    assert findings(CHECK, run) == ()
