"""A head on a backbone: what is trained in which phase, and what stays as it was."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes import building  # noqa: E402
from recipes.catalog import find  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.errors import RecipeError  # noqa: E402
from recipes.parts import backbones  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402
from recipes.task import Kind  # noqa: E402
from recipes.transfer import backbone_of, frozen, phases  # noqa: E402
from tests.recipes import made_facts  # noqa: E402

pytestmark = pytest.mark.keras

KINDS = [Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL, Kind.REGRESSION]
TINY = "mobilenet_025"  # of the preset


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a backbone that let a signal through, as if it had been pretrained."""
    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    model = backbones.load(TINY, (32, 32), "none").model
    draw = np.random.default_rng(0)
    for kernel in (weight for weight in model.weights if len(weight.shape) == 4):
        fan_in = 9 if "dw" in kernel.path else np.prod(kernel.shape[:3])
        kernel.assign(draw.normal(0, np.sqrt(2 / fan_in), kernel.shape))
    model.save_weights(path)
    return str(path)


@pytest.fixture
def cheap(monkeypatch):
    """A backbone that is built at once, with dropout and batch normalization, in place of MobileNet."""

    def mobilenet(input_shape, weights, **_):
        layers = [keras.layers.Conv2D(4, 3, strides=8, name="conv1")]
        layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        layers += [keras.layers.Conv2D(8, 1, name="conv_pw_1"), keras.layers.BatchNormalization()]
        return keras.Sequential([keras.Input(input_shape), *layers])

    monkeypatch.setattr(keras.applications, "MobileNet", mobilenet)


def config(**settings):
    tiny = {"transfer.weights": "none", "training.epochs": 12, "optimizer.learning_rate": 0.01}
    return Config.of("transfer/tiny", tiny, {name.replace("__", "."): value for name, value in settings.items()})


def built(config, kind=Kind.MULTICLASS, inputs=None):
    facts = made_facts.facts(kind, inputs or made_facts.image())
    return find("transfer").build(config, facts), facts


def state(layer):
    return [weight.copy() for weight in layer.get_weights()]


def changed(before, layer):
    return [not np.array_equal(old, new) for old, new in zip(before, layer.get_weights(), strict=True)]


def plan(config):
    return [(phase.name, phase.epochs, phase.learning_rate) for phase in phases(config, made_facts.facts())]


# --- phases ---


def test_the_head_is_trained_first_and_then_fine_tuned_at_a_lower_rate():
    assert plan(config(transfer__weights="imagenet", transfer__head_epochs=5, transfer__fine_tune_rate=1e-4)) == [
        ("head", 5, 0.01),
        ("fine-tuning", 7, 1e-4),
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"transfer__freeze_depth": 1.0}, [("head", 12, 0.01)]),
        ({"transfer__fine_tune_rate": 0}, [("head", 12, 0.01)]),
        ({"transfer__head_epochs": 12}, [("head", 12, 0.01)]),
        ({"transfer__head_epochs": 99}, [("head", 12, 0.01)]),
        ({"transfer__head_epochs": 0}, [("fine-tuning", 12, 1e-4)]),
        ({"transfer__weights": "none"}, [("training", 12, 0.01)]),
    ],
)
def test_a_phase_without_a_point_is_left_out(settings, expected):
    assert plan(config(**{"transfer__weights": "imagenet", **settings})) == expected


@pytest.mark.long
def test_only_what_a_phase_is_for_changes(weights):
    how = config(transfer__weights=weights, transfer__head_epochs=1, transfer__freeze_depth=0.75)
    facts = made_facts.facts(Kind.MULTICLASS, made_facts.image())
    x, y = made_facts.samples(facts)
    recipe = find("transfer")
    model = building.network(recipe, how, facts)
    backbone, head = backbone_of(model), model.get_layer("output")
    head_phase, fine_tuning = recipe.phases(how, facts)

    building.start(model, recipe, head_phase, how, facts)
    assert str(frozen(model, how)) == "14 of 14 blocks frozen"
    assert len(model.trainable_variables) == 2
    before = state(backbone)
    model.fit(x, y, verbose=0)
    assert not any(changed(before, backbone))

    building.start(model, recipe, fine_tuning, how, facts)
    assert str(frozen(model, how)) == "10 of 14 blocks frozen"  # 0.75 · 14 = 10.5, to the even number
    assert len(model.trainable_variables) == 2 + 4 * 2  # of the head; of each block depthwise and 1 × 1
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    parts = backbones.blocks(backbone, TINY)
    before = {layer.name: state(layer) for layer in backbone.layers}
    before_head = state(head)
    model.fit(x, y, verbose=0)
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in [*norms, *(layer for block in parts[:10] for layer in block)]:
        assert not any(changed(before[layer.name], layer)), layer.name
    for layer in (layer for block in parts[10:] for layer in block if layer not in norms):
        assert all(changed(before[layer.name], layer)), layer.name
    assert all(changed(before_head, head))


def test_a_random_backbone_is_trained_whole(cheap):
    how = config()
    facts = made_facts.facts(Kind.MULTICLASS, made_facts.image())
    model = building.build(how, facts)
    backbone = backbone_of(model)
    assert all(layer.trainable for layer in backbone.layers)
    before = state(backbone)
    model.fit(*made_facts.samples(facts), verbose=0)
    assert all(changed(before, backbone))  # the statistics of batch normalization too


def test_to_call_a_model_is_inference(cheap):
    model, facts = built(config(regularization__dropout=0.5))
    x, _ = made_facts.samples(facts, 4)
    before = state(model)
    assert np.array_equal(model(x), model.predict(x, verbose=0))
    assert not any(changed(before, model))


@pytest.mark.parametrize(("weights", "rate"), [("imagenet", 0.0), ("none", 0.5)])
def test_only_a_random_backbone_keeps_its_dropout(cheap, tmp_path, weights, rate):
    model, facts = built(config(transfer__weights=weights))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    x, _ = made_facts.samples(facts, 2)
    assert np.array_equal(loaded(x), model(x))
    for one in (model, loaded):
        assert [part.rate for part in backbone_of(one).layers if isinstance(part, keras.layers.Dropout)] == [rate]


# --- network ---


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_for_every_task(cheap, kind):
    facts = made_facts.facts(kind, made_facts.image(channels=3))
    recipe = find("transfer")
    how = config(transfer__weights="imagenet")
    model = building.build(how, facts)
    encode = recipe.encode(how, facts)
    x, y = made_facts.samples(facts)
    history = model.fit(x, encode(y) if encode else y, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert model.output_shape == (None, facts.task.units)


def test_the_head(cheap):
    def names(**settings):
        model, _ = built(config(**settings))
        after = model.layers.index(backbone_of(model)) + 1
        return [layer.name for layer in model.layers[after:]]

    assert names(regularization__dropout=0.0) == ["mean", "output"]
    assert names(regularization__dropout=0.2) == ["mean", "dropout", "output"]
    assert names(regularization__dropout=0.2, transfer__head_units=16) == [
        "mean", "dropout", "hidden", "hidden_relu", "hidden_dropout", "output",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image_size", "inputs", "expected"),
    [(32, made_facts.image(), 32), (0, made_facts.image(48, 48, 3), 48), (64, made_facts.image(48, 48, 3), 64)],
)
def test_the_backbone_gets_images_of_the_size_that_is_asked_for(cheap, image_size, inputs, expected):
    model, _ = built(config(data__image_size=image_size), inputs=inputs)
    assert backbone_of(model).input_shape == (None, expected, expected, 3)


@pytest.mark.parametrize("inputs", [made_facts.image(channels=2), made_facts.image(channels=4)])
def test_channels_that_are_no_picture_are_refused(inputs):
    with pytest.raises(RecipeError, match="takes images of 1 or 3 channels, not of shape"):
        built(config(), inputs=inputs)


def test_tables_are_refused():
    with pytest.raises(RecipeError, match="made has vector inputs, and the recipe transfer takes image"):
        building.build(config(), made_facts.facts())


def test_presets_name_backbones_that_are_there():
    recipe: Recipe = find("transfer")
    for settings in recipe.presets.values():
        assert settings["transfer.backbone"] in backbones.PRESETS


@pytest.mark.long
def test_a_saved_model_loads_in_safe_mode_without_this_package(weights, tmp_path):
    model, facts = built(config(transfer__weights=weights))
    x, _ = made_facts.samples(facts, 2)
    np.save(tmp_path / "x.npy", x)
    model.save(tmp_path / "model.keras")
    code = (
        "import sys; sys.modules['recipes'] = None\n"
        "import keras, numpy as np\n"
        "model = keras.saving.load_model('model.keras', safe_mode=True)\n"
        "np.save('y.npy', model(np.load('x.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert np.allclose(np.load(tmp_path / "y.npy"), model(x), atol=1e-5)
