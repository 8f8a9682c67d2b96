"""Functions of the user's as recipes: what they take and return, and what is said where they cannot be used."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes import building  # noqa: E402
from recipes.catalog import find  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.errors import ConfigError, RecipeError  # noqa: E402
from recipes.task import Kind  # noqa: E402
from tests.recipes.made_facts import IMBALANCED, TASKS, facts  # noqa: E402

pytestmark = pytest.mark.keras

THREE = TASKS[Kind.MULTICLASS]
PLAIN = """
    import keras

    def build(hp):
        "Dense layers of my own.\\n\\nMore of it."
        units = hp.Int("units", 2, 64, default=8)
        rate = hp.Float("rate", 0.0, 0.5, default=0.1)
        kind = hp.Choice("kind", ["relu", "tanh"])
        layers = [keras.layers.Dense(units, kind), keras.layers.Dropout(rate), keras.layers.Dense(3, "softmax")]
        return keras.Sequential([keras.Input((5,)), *layers])
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into the current folder; return what names its function `build`."""
    monkeypatch.chdir(tmp_path)

    def written(code, name="own.py"):
        (tmp_path / name).write_text(textwrap.dedent(code))
        return f"{name}:build"

    return written


def build(name, task=THREE, **settings):
    how = Config.of(name, {path.replace("__", "."): value for path, value in settings.items()})
    return building.build(how, facts(task))


def message(name, *args, **settings):
    with pytest.raises(RecipeError) as error:
        build(name, *args, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- what a function takes ---


def test_hyperparameters_have_their_defaults(write):
    model = build(write(PLAIN))
    assert [layer.name.partition("_")[0] for layer in model.layers] == ["dense", "dropout", "dense"]
    assert model.layers[0].units == 8
    assert model.layers[0].activation is keras.activations.relu


def test_hyperparameters_are_set_by_the_configuration(write):
    model = build(write(PLAIN), hyperparameters__units=16, hyperparameters__rate=0, hyperparameters__kind="tanh")
    assert model.layers[0].units == 16
    assert model.layers[0].activation is keras.activations.tanh


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("unit", 16, "hyperparameters.unit: own.py:build does not ask for it; did you mean units?"),
        ("x", 16, "hyperparameters.x: own.py:build does not ask for it; it asks for units, rate, kind"),
        ("units", 65, "hyperparameters.units: must be int from 2 to 64, not 65"),
        ("rate", 0.6, "hyperparameters.rate: must be float from 0.0 to 0.5, not 0.6"),
        ("kind", "selu", "hyperparameters.kind: must be one of relu, tanh, not 'selu'"),
    ],
)
def test_a_hyperparameter_that_is_not_asked_for_or_not_allowed(write, name, value, expected):
    path = write(PLAIN)
    with pytest.raises(ConfigError) as error:
        build(path, **{f"hyperparameters__{name}": value})
    assert str(error.value) == expected


def test_the_configuration_and_the_facts_can_be_asked_for(write):
    name = write("""
        import keras

        def build(config, facts):
            out = keras.layers.Dense(facts.task.units, "softmax")
            return keras.Sequential([keras.Input(facts.inputs.shape), keras.layers.Dense(config.model.width), out])
    """)
    model = build(name, model__width=7)
    assert model.layers[0].units == 7
    assert model.output_shape == (None, 3)


def test_parameters_are_told_by_their_annotations_too(write):
    name = write("""
        from __future__ import annotations
        import keras, keras_tuner
        from recipes.config import Config

        def build(search: keras_tuner.HyperParameters, rest: Config, deep=False):
            units = search.Int("units", 1, 9, default=rest.model.width)
            return keras.Sequential([keras.Input((5,)), keras.layers.Dense(units), keras.layers.Dense(3, "softmax")])
    """)
    assert build(name, model__width=6).layers[0].units == 6


def test_a_module_is_found_from_the_current_folder(write):
    write(PLAIN, "my_own_model.py")
    assert build("my_own_model:build").output_shape == (None, 3)
    assert find("my_own_model:build").summary == "Dense layers of my own."


# --- what becomes of its model ---


@pytest.mark.parametrize(
    ("kind", "end", "loss"),
    [
        (Kind.BINARY, 'Dense(1, "sigmoid")', keras.losses.BinaryCrossentropy),
        (Kind.MULTICLASS, 'Dense(3, "softmax")', keras.losses.SparseCategoricalCrossentropy),
        (Kind.MULTILABEL, 'Dense(4, "sigmoid")', keras.losses.BinaryCrossentropy),
        (Kind.REGRESSION, "Dense(2)", keras.losses.MeanSquaredError),
    ],
)
def test_a_model_that_is_not_compiled_is_compiled_for_the_task(write, kind, end, loss):
    name = write(f"""
        import keras

        def build():
            return keras.Sequential([keras.layers.{end}])
    """)
    model = build(name, TASKS[kind], optimizer__name="sgd", optimizer__learning_rate=0.5)
    assert isinstance(model.loss, loss)
    assert isinstance(model.optimizer, keras.optimizers.SGD)


COMPILED = """
    import keras

    def mine(y, p):
        return keras.losses.sparse_categorical_crossentropy(y, p)

    def build():
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, "softmax")])
        model.compile("rmsprop", LOSS, metrics=["accuracy"])
        return model
"""


@pytest.mark.parametrize(
    ("loss", "one_hot"),
    [
        ('"sparse_categorical_crossentropy"', False),
        ('"categorical_crossentropy"', True),
        ("keras.losses.SparseCategoricalCrossentropy()", False),
        ("keras.losses.CategoricalFocalCrossentropy()", True),
        ("keras.losses.categorical_crossentropy", True),
        ("mine", False),
    ],
)
def test_a_compiled_model_is_left_as_it_is_and_gets_targets_in_the_form_of_its_loss(write, loss, one_hot):
    name = write(COMPILED.replace("LOSS", loss))
    imbalanced = IMBALANCED[Kind.MULTICLASS]  # for which the loss would be another one
    model = build(name, imbalanced)
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    y = find(name).encode(Config.of(name), facts(imbalanced))(np.array([0, 2, 1], np.int32))
    assert np.array_equal(y, np.eye(3)[[0, 2, 1]] if one_hot else [0, 2, 1])
    history = model.fit(np.ones((3, 5), np.float32), y, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_labels_are_not_mixed_for_a_loss_that_takes_none_of_it(write):
    name = write(COMPILED.replace("LOSS", '"sparse_categorical_crossentropy"'))
    how = Config.of(name, {"data.mixing": "mixup"})
    building.build(how, facts())
    with pytest.raises(ConfigError, match="compiled with sparse_categorical_crossentropy, which cannot mix labels"):
        find(name).encode(how, facts())(np.array([0]))


def test_targets_of_a_regression_keep_their_units(write):
    name = write("def build(): ...")
    y = np.array([[100.0, 1.0], [200.0, 2.0]], np.float32)
    assert np.array_equal(find(name).encode(Config.of(name), facts(TASKS[Kind.REGRESSION]))(y), y)


def test_a_module_is_imported_once_for_each_state_of_its_file(write):
    name = write("def build(): ...")
    first = find(name)
    assert find(name) is first
    write("def build(): ...  # and more")
    assert find(name) is not first


# --- what cannot be used ---


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def other(): ...", "own.py:build: own.py has no function 'build'; it has other"),
        ("build = 3", "own.py:build: own.py has no function 'build'"),
        ("def build(model): ...", "own.py:build: what is its parameter 'model'? It can take hp, config and facts"),
        ("def build(): return None", "own.py:build returns nothing, not a keras.Model"),
        ("def build(): return 3", "own.py:build returns an int, not a keras.Model"),
    ],
)
def test_a_function_that_cannot_be_used(write, code, expected):
    assert message(write(code)) == expected


@pytest.mark.parametrize(
    ("code", "expected", "line"),
    [
        ("def build():\n    return 1 / 0", "ZeroDivisionError: division by zero", 2),
        ("import nothing_like_this", "ModuleNotFoundError: No module named 'nothing_like_this'", 1),
        ("def build(:", "SyntaxError: ", 1),
    ],
)
def test_an_error_of_the_users_says_where_it_is(write, tmp_path, code, expected, line):
    said = message(write(code))
    assert said.startswith(f"own.py:build: {expected}")
    assert said.endswith(f"own.py:{line}")


def test_a_module_that_is_not_there(write):
    assert "there is no file gone.py" in message("gone.py:build")
    assert "there is no module 'gone_for_good'" in message("gone_for_good:build")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("[keras.Input((4,)), dense(3, 'softmax')]", "the model takes (4,), and a sample of made is (5,)"),
        (
            "[keras.Input((5,)), dense(4, 'softmax')]",
            "the model puts out (4,) for a sample, and the multiclass task of made needs (3,)",
        ),
        ("[keras.layers.Conv2D(3, 3)]", "the model does not take a sample of made, (5,): "),
        ("[dense(3)]", "the output is linear, and a multiclass task needs softmax; end with Dense(3, "),
    ],
)
def test_a_model_that_does_not_fit_the_data(write, network, expected):
    name = write(f"""
        import keras
        dense = keras.layers.Dense

        def build():
            return keras.Sequential({network})
    """)
    assert message(name).startswith(f"own.py:build: {expected}")


def test_several_outputs_are_refused(write):
    name = write("""
        import keras

        def build():
            x = keras.Input((5,))
            return keras.Model(x, [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)])
    """)
    assert "the model puts out several outputs for a sample" in message(name)


def test_a_detector_must_bring_its_loss(write):
    name = write("import keras\ndef build(): return keras.Sequential([keras.layers.Dense(3)])")
    assert "compile the model with yours" in message(name, TASKS[Kind.DETECTION])
