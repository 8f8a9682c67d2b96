"""The multilayer perceptron."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes.building import build  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.parts import output  # noqa: E402
from recipes.parts.layers import DropConnectDense  # noqa: E402
from recipes.task import Inputs, Kind, Task  # noqa: E402
from tests.recipes.made_facts import VECTOR, facts, image  # noqa: E402

pytestmark = pytest.mark.keras

PLAIN = {"regularization.dropout": 0.0, "regularization.l2": 0.0}


def mlp(kind: Kind | Task = Kind.MULTICLASS, inputs: Inputs = VECTOR, **settings: object):
    changed = {path.replace("__", "."): value for path, value in settings.items()}
    return build(Config.of("mlp", PLAIN, changed), facts(kind, inputs))


def hidden(model) -> list:
    return [
        layer for layer in model.layers if layer.name.startswith("hidden") and isinstance(layer, keras.layers.Dense)
    ]


def test_width_and_depth():
    model = mlp(model__width=7, model__depth=3)
    assert [layer.units for layer in hidden(model)] == [7, 7, 7]
    assert model.count_params() == 5 * 7 + 7 + 2 * (7 * 7 + 7) + 7 * 3 + 3


def test_an_image_is_standardized_and_laid_out_in_a_row():
    model = mlp(inputs=image(2, 3, 2), model__depth=1)
    assert hidden(model)[0].kernel.shape[0] == 12
    row = keras.Model(model.input, model.get_layer("flatten").output)
    np.testing.assert_allclose(row(np.full((1, 2, 3, 2), 130.0)), np.ones((1, 12)), rtol=1e-5)


def test_a_vector_goes_in_as_it_is():
    assert [type(layer).__name__ for layer in mlp(model__depth=1).layers] == [
        "InputLayer", "Dense", "Activation", "Dense",
    ]  # fmt: skip


def test_dropout_stands_behind_every_hidden_layer_and_not_before_the_output_alone():
    model = mlp(regularization__dropout=0.5, model__depth=2)
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [
        "hidden_1_dropout", "hidden_2_dropout",
    ]  # fmt: skip


def test_dropconnect_is_of_the_hidden_layers():
    model = mlp(regularization__dropconnect=0.5, model__depth=2)
    assert [isinstance(layer, DropConnectDense) for layer in hidden(model)] == [True, True]
    assert not isinstance(model.get_layer("output"), DropConnectDense)


def test_skip_connections_go_around_every_block():
    model = mlp(model__skip_connections=True, model__depth=3)
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 3
    assert [layer.name for layer in model.layers if "projection" in layer.name] == ["hidden_1_projection"]


def test_skip_connections_keep_the_gradient_of_a_deep_stack():
    """Twenty sigmoid layers: without them the first layer learns nothing."""

    def first_step(skip: bool) -> float:
        keras.utils.set_random_seed(0)
        model = mlp(
            model__depth=20, model__activation="sigmoid", model__skip_connections=skip, model__width=8,
            model__kernel_initializer="glorot_uniform", optimizer__name="sgd", optimizer__learning_rate=1.0,
        )  # fmt: skip
        model.run_eagerly = True
        before = hidden(model)[0].kernel.numpy()
        x = np.random.default_rng(0).normal(size=(32, 5))
        model.train_on_batch(x, np.arange(32) % 3)
        return float(np.linalg.norm(hidden(model)[0].kernel.numpy() - before))

    assert first_step(skip=False) < 1e-6
    assert first_step(skip=True) > 1e-3


@pytest.mark.parametrize(
    ("preset", "path", "larger"),
    [("small", "model.width", False), ("wide", "model.width", True), ("deep", "model.depth", True),
     ("regularized", "regularization.dropout", True), ("regularized", "regularization.l2", True)],
)  # fmt: skip
def test_presets_are_what_they_are_called(preset, path, larger):
    default, found = Config.of("mlp").get(path), Config.of(f"mlp/{preset}").get(path)
    assert (found > default) is larger
    assert found != default


def test_it_learns_what_no_linear_model_can():
    """Exclusive or of two signs, and the product of two numbers in units of its own."""
    draw = np.random.default_rng(0)
    x = draw.uniform(-1, 1, (512, 5)).astype("float32")
    keras.utils.set_random_seed(0)
    model = mlp(Kind.BINARY, optimizer__learning_rate=0.01)
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")
    model.fit(x[:400], y[:400], epochs=20, verbose=0)
    assert model.evaluate(x[400:], y[400:], verbose=0, return_dict=True)["accuracy"] > 0.9


def test_a_regression_answers_in_its_own_units():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(512, 5)).astype("float32")
    y = (5000 + 800 * np.abs(x[:, :1])).astype("float32")
    task = Task(Kind.REGRESSION, ("price",), (), (float(y.mean()),), (float(y.std()),))
    keras.utils.set_random_seed(0)
    model = mlp(task, optimizer__learning_rate=0.01)
    model.fit(x[:400], output.encode(Config.of("mlp"), facts(task))(y[:400]), epochs=20, verbose=0)
    predicted = output.decoded(model, facts(task)).predict(x[400:], verbose=0)
    assert np.std(predicted - y[400:]) < 0.3 * np.std(y)
    assert np.mean(predicted - y[400:]) == pytest.approx(0, abs=100)
