"""What every recipe must keep to, whoever wrote it."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes import catalog  # noqa: E402
from recipes.building import build  # noqa: E402
from recipes.config import Config, paths  # noqa: E402
from recipes.parts import output  # noqa: E402
from recipes.parts.layers import without_dropconnect  # noqa: E402
from recipes.recipe import COMMON, Recipe  # noqa: E402
from recipes.task import Facts, Kind  # noqa: E402
from tests.recipes.made_facts import IMBALANCED, VECTOR, facts, image, samples  # noqa: E402

pytestmark = pytest.mark.keras

#: Settings that make a recipe's model small enough for a test.
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"model.width": 6, "model.depth": 2},
    "cnn": {"model.width": 4, "model.depth": 2},
    "transfer": {"transfer.weights": "none", "transfer.backbone": "mobilenet_025", "data.image_size": 32},
    "detector": {"model.width": 4, "model.depth": 1, "detector.grid": 4},
}


def small(name: str, *layers: dict[str, Any]) -> Config:
    return Config.of(name, SMALL[name.partition("/")[0]], *layers)


def data_for(recipe: Recipe) -> Iterator[Facts]:
    """Yield made-up data of every kind that a recipe claims to be for."""
    for kind in sorted(recipe.inputs):
        inputs = VECTOR if kind == "vector" else image(16, 16, 1)
        for task in sorted(recipe.tasks):
            yield facts(task, inputs)


def first_data(recipe: Recipe) -> Facts:
    return next(data_for(recipe))


def encoded(recipe: Recipe, config: Config, facts: Facts, y: Any) -> Any:
    encode = recipe.encode and recipe.encode(config, facts)
    if encode:
        return encode(y)
    return np.eye(facts.task.units, dtype="float32")[y] if output.is_one_hot(config, facts.task) else y


def step(model: Any, recipe: Recipe, config: Config, facts: Facts) -> dict[str, float]:
    """Train a model for one step, and return what it logged."""
    model.run_eagerly = True  # one step does not pay for a graph
    x, y = samples(facts, 8)
    return model.train_on_batch(x, encoded(recipe, config, facts, y), return_dict=True)


each_recipe = pytest.mark.parametrize("name", catalog.NAMES)
each_preset = pytest.mark.parametrize(
    "name", [f"{name}/{preset}" for name in catalog.NAMES for preset in catalog.find(name).presets]
)
each_use = pytest.mark.parametrize(
    ("name", "given"),
    [
        pytest.param(name, given, id=f"{name}-{given.inputs.kind}-{given.task.kind}")
        for name in catalog.NAMES
        for given in data_for(catalog.find(name))
    ],
)


# Settings


@each_recipe
def test_the_settings_that_it_uses_are_there(name):
    for pattern in (*catalog.find(name).uses, *COMMON):
        assert fnmatch.filter(paths(), pattern), pattern


@each_preset
def test_a_preset_sets_what_the_recipe_uses(name):
    settings = catalog.preset_of(name)
    catalog.find(name).check_settings(settings)
    config = Config.of(name)
    for path, value in settings.items():
        assert config.get(path) == value


def test_what_belongs_to_no_recipe_is_in_no_configuration():
    """A setting that no recipe heeds would be a dead option."""
    recipes = [catalog.find(name) for name in catalog.NAMES]
    assert [path for path in paths() if not any(recipe.heeds(path) for recipe in recipes)] == []


#: Path -> another value, and what must be set beside it to make it matter.
OTHERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "data.standardize": (False, {}),
    "model.width": (8, {}),
    "model.depth": (3, {}),
    "model.activation": ("selu", {}),
    "model.kernel_initializer": ("orthogonal", {}),
    "model.batch_norm": (True, {"model.batch_norm": False}),
    "model.skip_connections": (True, {}),
    "model.downsampling": ("average", {}),
    "model.output_activation": ("sigmoid", {}),
    "model.loss": ("categorical_crossentropy", {}),
    "regularization.dropout": (0.45, {}),
    "regularization.dropconnect": (0.25, {}),
    "regularization.l1": (0.01, {}),
    "regularization.l2": (0.02, {}),
    "regularization.label_smoothing": (0.1, {}),
    "optimizer.name": ("lion", {}),
    "optimizer.learning_rate": (0.02, {}),
    "optimizer.momentum": (0.5, {}),
    "optimizer.weight_decay": (0.1, {}),
    "optimizer.clipnorm": (2.0, {}),
    "optimizer.schedule": ("exponential", {}),
    "detector.grid": (8, {}),
    "detector.boxes": (3, {}),
}


@cache
def fingerprint(config: str, kind: Kind) -> str:
    """Return all that a configuration, as JSON, makes of a model, as text."""
    model = build(Config.model_validate_json(config), facts(kind, image(16, 16, 1)))
    optimizer = {**model.optimizer.get_config(), "name": type(model.optimizer).__name__}  # Keras numbers them
    parts = [model.get_config(), optimizer, type(model.loss).__name__, model.loss.get_config()]
    return json.dumps(parts, default=keras.saving.serialize_keras_object, sort_keys=True)


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name in ("mlp", "cnn", "detector") for path in OTHERS if catalog.find(name).heeds(path)],
)
def test_a_setting_that_it_uses_makes_a_difference(name, path):
    value, beside = OTHERS[path]
    kind = Kind.DETECTION if name == "detector" else Kind.MULTICLASS
    before = small(name, beside)
    after = before.replace({path: value})
    assert before.get(path) != value
    assert fingerprint(before.model_dump_json(), kind) != fingerprint(after.model_dump_json(), kind)


@pytest.mark.parametrize("name", ["mlp", "cnn", "detector"])
def test_what_makes_no_difference_has_the_same_fingerprint(name):
    """Else the test above could not fail."""
    kind = Kind.DETECTION if name == "detector" else Kind.MULTICLASS
    settings = {"data.source": "another", "training.seed": 5}
    one, two = (small(name, *layers).model_dump_json() for layers in ((), (settings,)))
    assert fingerprint(one, kind) == fingerprint(two, kind)


# Models


@each_preset
def test_a_preset_builds(name):
    recipe = catalog.find(name)
    given = first_data(recipe)
    config = Config.of(name, {"transfer.weights": "none"} if recipe.heeds("transfer.weights") else {})
    assert build(config, given).input_shape == (None, *given.inputs.shape)


@each_use
def test_a_step_of_training(name, given):
    recipe = catalog.find(name)
    keras.utils.set_random_seed(0)
    config = small(name)
    model = build(config, given)
    before = [weights.numpy() for weights in model.trainable_variables]
    logs = step(model, recipe, config, given)
    assert all(np.isfinite(value) for value in logs.values())
    assert model.output.dtype == "float32"
    if given.task.kind is not Kind.DETECTION:
        assert model.output_shape == (None, given.task.units)
        assert logs.keys() == {"loss", *(metric.name for metric in output.metrics(config, given))}
    for new, old in zip(model.trainable_variables, before, strict=True):
        assert not new.path.endswith("kernel") or not np.array_equal(new, old), new.path


@pytest.mark.parametrize("task", IMBALANCED.values(), ids=str)
def test_imbalanced_classes_are_scored(task):
    given, config = facts(task), small("mlp")
    logs = step(build(config, given), catalog.find("mlp"), config, given)
    assert logs.keys() == {"loss", "accuracy", "precision", "recall", "f1"}
    assert all(np.isfinite(value) for value in logs.values())


@each_recipe
def test_the_seed_decides_the_weights(name):
    given = first_data(catalog.find(name))

    def weights(seed: int) -> list[Any]:
        keras.utils.set_random_seed(seed)
        return build(small(name), given).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


@each_recipe
def test_half_precision_ends_in_float32(name):
    recipe, config = catalog.find(name), small(name)
    given = first_data(recipe)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(config, given)
        logs = step(model, recipe, config, given)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    assert any(layer.compute_dtype == "float16" for layer in model.layers)
    assert np.isfinite(logs["loss"])


@each_recipe
def test_phases_have_epochs_and_rates(name):
    recipe = catalog.find(name)
    config = small(name)
    phases = recipe.phases(config, first_data(recipe))
    assert sum(phase.epochs for phase in phases) <= config.training.epochs
    for phase in phases:
        assert phase.name
        assert phase.epochs > 0
        assert 0 < phase.learning_rate < 1


# Saved models

_LOAD = """
import json, sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("recipes", "tuners", "diagnose"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Absent())
import keras, numpy as np
for path in sys.argv[1:]:
    model = keras.saving.load_model(path + ".keras", safe_mode=True, compile=False)
    np.save(path + ".there.npy", model(np.load(path + ".x.npy")))
"""


def saved() -> Iterator[tuple[str, Any, Facts]]:
    """Yield models with all that can be in a file."""
    pictures = image(16, 16, 1)
    settings = {"model.batch_norm": True, "model.skip_connections": True, "regularization.l1": 0.01}
    for activation in ("relu", "maxout", "prelu", "mish", "selu"):
        given = facts(Kind.REGRESSION, VECTOR)
        model = build(small("mlp", settings, {"model.activation": activation}), given)
        yield f"mlp-{activation}", output.decoded(model, given), given
    model = build(small("mlp", {"regularization.dropconnect": 0.3}), given)
    yield "mlp-dropconnect", without_dropconnect(model), given
    for activation in ("maxout", "prelu"):
        given = facts(IMBALANCED[Kind.MULTICLASS], pictures)
        yield f"cnn-{activation}", build(small("cnn/residual", {"model.activation": activation}), given), given
    for name in catalog.NAMES:
        given = first_data(catalog.find(name))
        yield name, build(small(name), given), given


@pytest.mark.slow
def test_a_saved_model_loads_in_safe_mode_where_this_package_is_not(tmp_path: Path):
    here = {}
    for name, model, given in saved():
        x, _ = samples(given, 4)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.x.npy", x)
        here[name] = np.asarray(model(x))
    subprocess.run([sys.executable, "-c", _LOAD, *(str(tmp_path / name) for name in here)], check=True, cwd=tmp_path)
    for name, predicted in here.items():
        np.testing.assert_allclose(
            np.load(tmp_path / f"{name}.there.npy"), predicted, rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("name", ["mlp", "cnn", "transfer"])
def test_a_saved_model_is_compiled_when_it_is_loaded(name, tmp_path):
    """Loss, metrics and optimizer are Keras' own too."""
    given = first_data(catalog.find(name))
    build(small(name, {"optimizer.schedule": "cyclic"}), given).save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).compiled
