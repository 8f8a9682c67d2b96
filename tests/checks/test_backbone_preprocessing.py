from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Edit
from tests.blueprints import data, findings, planned, report
from tests.networks import conv, global_pool, held, network, plain, rescaling

CHECK = "backbone-preprocessing"
OWN = plain("Rescaling", settings={"scale": 1 / 255, "offset": 0.0}, name="inside")


def model(name, *before, frozen=True, own=False):
    layers = [*([OWN] if own else []), conv(8, is_trainable=not frozen)]
    return network(*before, *held(name, *layers), global_pool())


def pictures(low, high, **more):
    return data(classes=3, n=30, inputs=np.linspace(low, high, 30 * 12, dtype="float32").reshape(30, 2, 2, 3), **more)


def look(name, *before, images=None, **more):
    return findings(CHECK, planned(model(name, *before, **more), images))


SICK = planned(model("resnet50", rescaling()))


def test_0_to_1_for_a_resnet50():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "resnet50 is given images from 0 to 1 by rescaling" in finding.summary
    assert "keras.applications.resnet.preprocess_input" in finding.fixes[0].code


def test_an_efficientnet_scales_by_itself():
    (finding,) = look("efficientnetb0", rescaling(), own=True)
    assert finding.severity is Severity.WARNING
    assert finding.fixes[0].edits == (Edit("rescaling", op="remove"),)
    assert look("efficientnetb0", own=True) == ()


def test_one_that_was_made_without_its_scaling_may_be_given_anything():
    assert look("MobileNetV3Small", rescaling(1 / 127.5, -1.0)) == ()


@pytest.mark.parametrize(("name", "scale", "offset", "fires"), [
    ("vgg16", 1 / 255, 0.0, True),
    ("resnet101", 1 / 127.5, -1.0, True),
    ("mobilenetv2_1.00_224", 1 / 255, 0.0, True),
    ("mobilenetv2_1.00_224", 1 / 127.5, -1.0, False),
    ("resnet50v2", 1 / 127.5, -1.0, False),
    ("inception_v3", 1 / 255, 0.0, True),
    ("xception", 1 / 127.5, -1.0, False),
    ("densenet121", 1 / 255, 0.0, False),
    ("my_encoder", 1 / 255, 0.0, False),
    ("mobilenet_1.00_224", 1.0, -117.0, False),
])  # fmt: skip
def test_what_each_expects(name, scale, offset, fires):
    assert bool(look(name, rescaling(scale, offset))) == fires


def test_the_rescaling_is_set_right():
    (finding,) = look("mobilenetv2_1.00_224", rescaling())
    edits = {edit.setting: edit.value for edit in finding.fixes[0].edits}
    assert edits == pytest.approx({"scale": 1 / 127.5, "offset": -1.0})


def test_trained_from_scratch_any_scale_will_do():
    (finding,) = look("resnet50", rescaling(), frozen=False)
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("name", "low", "high", "fires"),
    [
        ("resnet50", 0, 1, True),
        ("resnet50", 0, 255, False),
        ("resnet50", -124, 152, False),
        ("inception_v3", 0, 255, True),
        ("inception_v3", -1, 1, False),
        ("densenet121", 0, 255, True),
        ("densenet121", -2.1, 2.6, False),
        ("efficientnetb0", 0, 1, True),
        ("efficientnetb0", 0, 255, False),
        ("resnet50", 3, 3, False),
        ("resnet50", np.nan, np.nan, False),
    ],
)
def test_the_range_of_the_data(name, low, high, fires):
    assert bool(look(name, images=pictures(low, high), own=name.startswith("eff"))) == fires


def test_data_and_layers_together():
    assert look("inception_v3", rescaling(1 / 127.5, -1.0), images=pictures(0, 255)) == ()
    assert look("inception_v3", rescaling(2.0, -1.0), images=pictures(0, 1)) == ()


def test_nobody_knows_what_it_is_given():
    assert look("resnet50") == ()
    assert look("resnet50", images=pictures(0, 1, is_raw=True)) == ()


@pytest.mark.parametrize(
    "between",
    [conv(3), plain("Lambda", is_custom=True), plain("Subtract"), plain("Normalization", numbers=7)],
    ids=["conv", "custom", "operation", "normalization"],
)
def test_another_layer_on_the_way_ends_the_search(between):
    assert look("resnet50", rescaling(), between) == ()


def test_augmentation_on_the_way_does_not():
    assert look("resnet50", rescaling(), plain("RandomFlip"), plain("Resizing"))


def test_it_needs_a_model():
    (outcome,) = report(CHECK, planned(data=pictures(0, 1))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def constant(kind, scale=1.0, offset=0.0):
    return plain(kind, settings={"scale": scale, "offset": offset})


@pytest.mark.parametrize(
    ("name", "before", "fires"),
    [
        ("resnet50", [constant("TrueDivide", 1 / 127.5), constant("Subtract", offset=-1.0)], True),
        ("mobilenetv2_1.00_224", [constant("TrueDivide", 1 / 127.5), constant("Subtract", offset=-1.0)], False),
        ("mobilenetv2_1.00_224", [constant("Add", offset=-114.8)], True),
        ("resnet50", [constant("Add", offset=-114.8)], False),
        ("vgg16", [constant("Lambda", 1 / 127.5, -1.0)], True),
        ("xception", [constant("Multiply", 1 / 255)], True),
        ("resnet50", [constant("Add", offset=5.0)], False),
    ],
)
def test_preprocessing_of_another_network_as_operations(name, before, fires):
    assert bool(look(name, *before)) == fires
