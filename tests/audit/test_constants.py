"""Numbers that stand in a model itself: what a step of its graph scales by, and what has left its first value."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from diagnose.audit.graph import blueprint_of  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers


@pytest.mark.parametrize(
    ("step", "scale", "offset"),
    [
        (lambda x: x / 127.5, 1 / 127.5, 0.0),
        (lambda x: x * 2, 2.0, 0.0),
        (lambda x: x - 1.0, 1.0, -1.0),
        (lambda x: 1.0 - x, -1.0, 1.0),
        (lambda x: x + np.array([-1.0, -2.0, -3.0], "float32"), 1.0, -2.0),
        (layers.Lambda(keras.applications.mobilenet_v2.preprocess_input), 1 / 127.5, -1.0),
    ],
)
def test_by_how_much_a_step_scales(step, scale, offset):
    x = keras.Input((4, 4, 3))
    told = blueprint_of(keras.Model(x, step(x))).layers[-1].settings
    assert (told["scale"], told["offset"]) == pytest.approx((scale, offset), abs=1e-6)


def test_what_is_no_scaling():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Lambda(lambda t: t / 2)(x + x * x))
    assert all("offset" not in layer.settings for layer in blueprint_of(model).layers)


def test_numbers_that_have_left_their_first_value():
    x = keras.Input((3,))
    y = layers.Dense(2, name="dense")(
        layers.BatchNormalization(name="norm")(layers.Dense(3, use_bias=False, name="plain")(x))
    )
    model = keras.Model(x, y)
    told = [layer.has_learned for layer in blueprint_of(model).layers]
    assert told == [None, None, False, False]
    model.get_layer("norm").moving_mean.assign([0.0, 0.1, 0.0])
    model.get_layer("dense").bias.assign([0.0, 1e-8])
    assert [layer.has_learned for layer in blueprint_of(model).layers] == [None, None, True, True]


def test_what_is_written_of_training_in_a_functional_model():
    inner = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, name="deep")])
    x = keras.Input((3,))
    model = keras.Model(x, layers.BatchNormalization(name="norm")(inner(x, training=True), training=False))
    made = blueprint_of(model).by_name
    assert [made[name].default_training for name in ("deep", "norm")] == [True, False]
    assert [made[name].training for name in ("deep", "norm")] == [None, None]
    drawn = np.asarray(model(np.ones((64, 3), "float32")))
    assert (drawn == 0).any()  # so it is: called without the argument it drops units
    assert (np.asarray(model(np.ones((64, 3), "float32"), training=False)) > 0.9).all()


def test_a_layer_switched_on_again_in_a_frozen_container():
    inner = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="norm")])
    x = keras.Input((3,))
    model = keras.Model(x, inner(x))
    inner.trainable = False
    assert blueprint_of(model).by_name["norm"].is_set_trainable is False
    inner.layers[0].trainable = True
    norm = blueprint_of(model).by_name["norm"]
    assert (norm.is_trainable, norm.is_set_trainable) == (False, True)
    model(np.full((8, 3), 5.0, "float32"), training=True)
    assert np.asarray(inner.layers[0].moving_mean).any()  # so it is: it learns statistics
