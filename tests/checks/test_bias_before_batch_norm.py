from __future__ import annotations

import dataclasses

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Applicability, Edit
from tests.blueprints import ACTIVATIONS, findings, planned, report
from tests.networks import batch_norm, conv, dense, flatten, global_pool, held, network, plain, pool

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


@pytest.mark.parametrize("between", [
    [pool()], [pool(kind="AveragePooling2D")], [plain("UpSampling2D")], [flatten()], [pool(), plain("Cropping2D")],
    [global_pool()], [plain("Add")],
])  # fmt: skip
def test_what_keeps_a_constant_one_hides_nothing(between):
    assert look(conv(16, activation="linear"), *between, batch_norm())


@pytest.mark.parametrize("between", [
    plain("ZeroPadding2D"), plain("Reshape"), plain("Dropout"), plain("Multiply"), pool(is_custom=True),
    plain("Add", activation=ACTIVATIONS["relu"]),
])  # fmt: skip
def test_what_does_not_keep_it_does(between):
    assert look(conv(16, activation="linear"), between, batch_norm()) == ()


def test_a_second_way_out_of_the_pooling_takes_the_bias_along():
    model = network(conv(16, activation="linear", name="conv"), pool(name="pool"), batch_norm(), flatten())
    aside = dataclasses.replace(model.layers[-1], inputs=("pool",), name="aside")
    assert findings(CHECK, planned(model))
    assert findings(CHECK, planned(dataclasses.replace(model, layers=(*model.layers, aside)))) == ()


def test_without_beta_the_bias_is_taken_away_as_well():
    assert look(conv(16, activation="linear"), plain("BatchNormalization", settings={"axis": -1, "center": False}))


def test_each_frame_of_a_film():
    frames = (None, 8, 32, 32, 16)
    convolution = plain(
        "TimeDistributed", shape=lambda _: frames, numbers=448, activation=ACTIVATIONS["linear"],
        settings={"layer": {"name": "Conv2D", "use_bias": True, "kernel_size": (3, 3), "data_format": "channels_last"}},
    )  # fmt: skip
    norm = plain("TimeDistributed", numbers=64, settings={"layer": {"name": "BatchNormalization", "axis": -1}})
    (finding,) = look(convolution, norm, given=(None, 8, 32, 32, 3))
    assert "16 numbers" in finding.summary
