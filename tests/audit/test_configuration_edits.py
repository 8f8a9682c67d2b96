"""Edits of a model in its Keras 3 configuration."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

pytest.importorskip("keras")

import keras

from diagnose.audit.configuration_edits import EditError, apply
from diagnose.fix import Edit

pytestmark = pytest.mark.keras


def sequential() -> keras.Model:
    return keras.Sequential([
        keras.Input((4,)),
        keras.layers.Dense(8, kernel_initializer="zeros", name="hidden"),
        keras.layers.Dropout(0.5, name="dropout"),
        keras.layers.Dense(1, activation="softmax", name="out"),
    ])  # fmt: skip


def functional() -> keras.Model:
    inputs = keras.Input((4,))
    inner_inputs = keras.Input((8,))
    inner = keras.Model(inner_inputs, keras.layers.Dense(8, name="deep")(inner_inputs), name="block")
    x = keras.layers.Dense(8, name="hidden")(inputs)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Add(name="add")([inner(x), x])
    return keras.Model(inputs, keras.layers.Dense(1, name="out")(x))


def configuration(model: keras.Model) -> dict[str, Any]:
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    content: dict[str, Any] = json.loads(model.to_json())
    return content


def rebuilt(content: dict[str, Any]) -> keras.Model:
    return keras.models.model_from_json(json.dumps(content))


@pytest.mark.parametrize("make", [sequential, functional])
def test_layers_and_compilation_are_changed_and_the_rest_is_as_it_was(make: Any) -> None:
    before = configuration(make())
    kept = copy.deepcopy(before)
    edits = [
        Edit("hidden", "kernel_initializer", "he_normal"), Edit("out", "activation", "sigmoid"),
        Edit("", "loss", "mse"), Edit("", "learning_rate", 0.001), Edit("", "clipnorm", 1.0),
    ]  # fmt: skip
    model = rebuilt(apply(before, edits))
    assert before == kept
    assert type(model.get_layer("hidden").kernel_initializer).__name__ == "HeNormal"
    assert model.get_layer("out").activation is keras.activations.sigmoid
    assert model.loss == "mse"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    assert model.optimizer.clipnorm == 1.0


@pytest.mark.parametrize("make", [sequential, functional])
def test_a_layer_is_taken_out_and_what_it_was_given_goes_on(make: Any) -> None:
    model = rebuilt(apply(configuration(make()), [Edit("dropout", op="remove")]))
    assert "dropout" not in {layer.name for layer in model.layers}
    assert model.output_shape == (None, 1)
    assert model.count_params() == make().count_params()


def test_a_last_layer_can_be_taken_out() -> None:
    model = rebuilt(apply(configuration(functional()), [Edit("out", op="remove")]))
    assert model.output_shape == (None, 8)


def test_a_layer_of_a_model_inside_is_found_by_its_name() -> None:
    model = rebuilt(apply(configuration(functional()), [Edit("deep", "activation", "relu")]))
    assert model.get_layer("block").get_layer("deep").activation is keras.activations.relu


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit("nobody", "units", 3), "nobody is not one of the layers"),
        (Edit("hidden", "no_such", 3), "hidden has no setting no_such"),
        (Edit("add", op="remove"), "has several inputs"),
    ],
)
def test_what_cannot_be_changed_is_said(edit: Edit, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        apply(configuration(functional()), [edit])


def test_a_model_that_is_not_compiled_has_no_loss_to_change() -> None:
    with pytest.raises(EditError, match="not compiled"):
        apply(json.loads(sequential().to_json()), [Edit("", "loss", "mse")])
