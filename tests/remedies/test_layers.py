"""Remedies in named layers: the edits, and code that runs and does the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

from diagnose.fix import Applicability
from diagnose.remedies import layers


def test_edits_and_titles_name_the_layers():
    fix = layers.initialize({"a": "he_normal", "b": "he_normal", "c": "he_normal", "d": "he_normal"})
    assert fix.title == "Set kernel_initializer of a, b, c and 1 more to he_normal"
    assert {(edit.setting, edit.value) for edit in fix.edits} == {("kernel_initializer", "he_normal")}
    assert fix.changes[0].value == "he_normal"


def test_no_change_stands_for_two_initializers():
    assert layers.initialize({"a": "he_normal", "b": "glorot_uniform"}).changes == ()


def test_an_output_that_nobody_is_sure_of_is_not_changed_by_itself():
    fix = layers.fit_output("out", units=10, loss="sparse_categorical_crossentropy", is_sure=False)
    assert fix.applicability is Applicability.UNSAFE
    assert fix.title == "Use units=10, loss='sparse_categorical_crossentropy' for out"
    assert [(edit.layer, edit.setting) for edit in fix.edits] == [("out", "units"), ("", "loss")]


# -- the code ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def names():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(3, "sigmoid", name="out")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    x, y = rng.normal(size=(12, 4)).astype("float32"), np.arange(12) % 3
    return {"keras": keras, "np": np, "model": model, "x_train": x, "y_train": y, "x_val": x[:6], "y_val": y[:6]}


def execute(fix, names):
    exec(compile(re.sub(r"epochs=3\b", "epochs=1", fix.code), f"<{fix.id}>", "exec"), names)  # noqa: S102
    return names["better"]


@pytest.mark.keras
def test_layers_are_initialized(names):
    better = execute(layers.initialize({"block/hidden": "he_normal"}), names)
    assert type(better.get_layer("hidden").kernel_initializer).__name__ == "HeNormal"


@pytest.mark.keras
def test_layers_are_activated(names):
    better = execute(layers.activate(["hidden"]), names)
    assert better.get_layer("hidden").activation.__name__ == "relu"


@pytest.mark.keras
def test_output_units_and_loss_change_together(names):
    fix = layers.fit_output("out", activation="softmax", units=5, loss="categorical_crossentropy")
    names["y_train"], names["y_val"] = np.eye(5)[names["y_train"]], np.eye(5)[names["y_val"]]
    better = execute(fix, names)
    assert better.output_shape == (None, 5)
    assert better.loss == "categorical_crossentropy"


@pytest.mark.keras
def test_only_the_loss_changes(names):
    names["y_train"], names["y_val"] = np.eye(3)[names["y_train"]], np.eye(3)[names["y_val"]]
    better = execute(layers.fit_output("out", loss="categorical_crossentropy"), names)
    assert better.loss == "categorical_crossentropy"


@pytest.mark.keras
def test_only_the_activation_changes(names):
    better = execute(layers.fit_output("out", activation="softmax"), names)
    assert better.loss == "sparse_categorical_crossentropy"
    assert better.layers[-1].activation.__name__ == "softmax"


@pytest.mark.keras
def test_a_feature_map_is_flattened(names):
    keras = names["keras"]
    names["model"] = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Dense(3, "softmax")]
    )
    names["model"].compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    names["x_train"], names["x_val"] = np.zeros((12, 4, 4, 1)), np.zeros((6, 4, 4, 1))
    assert execute(layers.flatten_before("dense"), names).output_shape == (None, 3)
