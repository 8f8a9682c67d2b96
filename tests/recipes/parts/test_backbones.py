"""Backbones of every family: how they are fed, what their blocks are, what is frozen, where their weights come from."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes.errors import RecipeError  # noqa: E402
from recipes.parts import backbones  # noqa: E402
from recipes.parts.backbones import Backbone, Frozen, Scaling  # noqa: E402
from recipes.task import Inputs  # noqa: E402

pytestmark = pytest.mark.keras

#: The smallest member of each family -> its module in `keras.applications`, and how many blocks its authors gave it.
FAMILIES = {
    "convnext_tiny": ("convnext", 22),  # stem, 3 + 3 + 9 + 3, between them 3 downsamplings
    "densenet121": ("densenet", 62),  # stem, 6 + 12 + 24 + 16, between them 3 transitions
    "efficientnet_b0": ("efficientnet", 18),  # stem, 16 inverted bottlenecks, head
    "efficientnet_v2_b0": ("efficientnet_v2", 23),  # stem, 21 inverted bottlenecks, head
    "inception_resnet_v2": ("inception_resnet_v2", 49),  # stem of 5, 5b, 10 times A, 6a, 20 B, 7a, 10 C, 7b
    "inception_v3": ("inception_v3", 16),  # stem of 5, mixed 0 to 10
    "mobilenet_025": ("mobilenet", 14),  # stem, 13 separable convolutions
    "mobilenet_v2_035": ("mobilenet_v2", 19),  # stem, 17 inverted bottlenecks, head
    "mobilenet_v3_small": ("mobilenet_v3", 13),  # stem, 11 inverted bottlenecks, head
    "nasnet_mobile": ("nasnet", 17),  # stem, 2 cells, 3 times 4 cells, between them 2 reductions
    "resnet50": ("resnet", 17),  # stem, 3 + 4 + 6 + 3
    "resnet50_v2": ("resnet_v2", 17),
    "vgg16": ("vgg16", 5),
    "xception": ("xception", 14),
}
SMALL = "mobilenet_025"


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return backbones.load(SMALL, (32, 32), "none").model


def images(*shape, low=0.0, high=255.0):
    return np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)


def prepare(x, scaling=backbones.SCALINGS["included"], size=None, low=0.0, high=255.0):
    """Return images as a backbone that takes any size is given them."""
    anything = keras.Input((None, None, 3))
    backbone = Backbone(keras.Model(anything, anything), scaling)
    inputs = keras.Input(x.shape[1:])
    size = size or x.shape[1:3]
    prepared = backbones.prepared(inputs, Inputs("image", x.shape[1:], low, high), backbone, size)
    return np.asarray(keras.Model(inputs, prepared)(x))


def max_block_above(model, block_of):
    """Yield each layer with weights, and the last block of all layers with weights that it builds on."""
    above = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            parents = [above[id(parent)] for parent in node.parent_nodes]
            seen = max(parents, default=0)
            if getattr(node.operation, "weights", None):
                yield node.operation, seen
                seen = max(seen, block_of[id(node.operation)])
            above[id(node)] = seen


def test_the_table_has_every_backbone_of_keras_applications():
    there = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {preset.constructor for preset in backbones.PRESETS.values()} == there


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_fed_and_divided_as_its_authors_did(name):
    module, count = FAMILIES[name]
    size = backbones.size_of(name, (8, 8, 1), 0)
    backbone = backbones.load(name, size, "none")
    model = backbone.model

    x = images(1, *size, 3)
    expected = getattr(keras.applications, module).preprocess_input(x.copy())
    assert np.allclose(prepare(x, backbone.scaling), expected, atol=1e-4)
    assert np.all(np.isfinite(model(expected)))

    parts = backbones.blocks(model, name)
    assert len(parts) == count
    block_of = {id(layer): i for i, block in enumerate(parts) for layer in block}
    assert sum(map(len, parts)) == len(block_of)  # no layer is in two
    assert all(any(layer.weights for layer in block) for block in parts)
    for layer, above in max_block_above(model, block_of):
        assert above <= block_of[id(layer)], f"{layer.name} is in a block before one that it builds on"
    keras.backend.clear_session()


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("grey", [False, True])
def test_images_are_scaled_as_keras_applications_does(mode, grey):
    x = images(2, 4, 5, 1 if grey else 3)
    rgb = np.repeat(x, 3, axis=-1) if grey else x
    expected = keras.applications.imagenet_utils.preprocess_input(rgb.copy(), mode=mode)
    assert np.allclose(prepare(x, backbones.SCALINGS[mode]), expected, atol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 16.0)])
def test_images_of_any_range_become_0_to_255(low, high):
    x = images(2, 4, 4, 3, low=low, high=high)
    assert np.allclose(prepare(x, low=low, high=high), 255 * (x - low) / (high - low), atol=1e-3)


def test_images_are_resized():
    x = np.full((1, 8, 8, 3), 7.0, np.float32)
    assert np.array_equal(prepare(x, size=(12, 20)), np.full((1, 12, 20, 3), 7.0))


@pytest.mark.parametrize(
    ("name", "shape", "image_size", "expected"),
    [
        (SMALL, (8, 8, 1), 0, (32, 32)),  # enlarged to what it can take
        (SMALL, (8, 16, 1), 0, (32, 64)),  # with the same ratio of the sides
        (SMALL, (64, 48, 3), 0, (64, 48)),  # left as they are
        (SMALL, (64, 48, 3), 96, (96, 96)),
        ("xception", (64, 48, 3), 64, (71, 71)),
        ("hub:anything", (28, 28, 1), 0, (32, 32)),
    ],
)
def test_the_size_of_images(name, shape, image_size, expected):
    assert backbones.size_of(name, shape, image_size) == expected


@pytest.mark.parametrize(("share", "blocks"), [(0.0, 0), (0.5, 7), (0.75, 10), (0.97, 13), (1.0, 14)])
@pytest.mark.parametrize("before", [0.0, 1.0])
def test_the_first_blocks_are_frozen(small, share, blocks, before):
    backbones.freeze(small, before, SMALL)
    found = backbones.freeze(small, share, SMALL)
    assert found == Frozen(blocks, 14)
    assert str(found) == f"{blocks} of 14 blocks frozen"
    parts = backbones.blocks(small, SMALL)
    kernels = [sum(len(layer.weights) == 1 for layer in block) for block in parts]  # stem: 1, others: depthwise, 1 × 1
    assert len(small.trainable_weights) == sum(kernels[blocks:])


def test_batch_normalization_is_never_trained(small):
    backbones.freeze(small, 0.0, SMALL)
    norms = [layer for layer in small.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert not any(layer.trainable for layer in norms)


def test_layers_inside_of_layers_are_frozen_with_them():
    inside = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inside(inputs)))
    assert backbones.freeze(model, 0.5) == Frozen(1, 2)
    assert [len(layer.trainable_weights) for layer in model.layers] == [0, 0, 2]
    assert backbones.freeze(model, 0.0) == Frozen(0, 2)
    assert len(model.trainable_weights) == 6


def test_dropout_is_taken_out():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    backbones.as_features(model)
    x = np.ones((1, 4), np.float32)
    assert np.array_equal(model(x, training=True), x)


def residual():
    """A stem, two residual blocks of which the second has a shortcut with weights, and a chain."""
    conv, norm, relu = keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.ReLU
    inputs = keras.Input((8, 8, 3))
    x = relu(name="stem_relu")(norm(name="stem_norm")(conv(4, 3, padding="same", name="stem")(inputs)))
    y = conv(4, 3, padding="same", name="a2")(relu(name="a_relu")(conv(4, 3, padding="same", name="a1")(x)))
    x = relu(name="a_out")(keras.layers.Add(name="a_add")([x, y]))
    y, short = conv(8, 3, strides=2, padding="same", name="b1")(x), conv(8, 1, strides=2, name="b_short")(x)
    x = keras.layers.Add(name="b_add")([y, short])
    return keras.Model(inputs, norm(name="top_norm")(conv(16, 1, name="top")(x)))


def test_blocks_are_told_by_the_graph():
    names = [[layer.name for layer in block] for block in backbones.blocks(residual())]
    assert [sorted(block) for block in names] == [
        ["stem", "stem_norm", "stem_relu"],
        ["a1", "a2", "a_add", "a_out", "a_relu"],
        ["b1", "b_add", "b_short"],
        ["top", "top_norm"],
    ]


def test_blocks_of_a_model_without_a_graph_are_its_layers():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = keras.layers.Dense(3), keras.layers.Dense(2)

        def call(self, x):
            return self.second(self.first(x))

    model = Own()
    model(np.ones((1, 4), np.float32))
    assert backbones.blocks(model) == ((model.first,), (model.second,))


def test_a_name_that_is_not_there():
    with pytest.raises(RecipeError, match=r"no backbone 'mobilenetv2'; did you mean mobilenet_v2\?"):
        backbones.size_of("mobilenetv2", (32, 32, 3), 0)


# --- weights ---


def nested(model):
    inputs = keras.Input((32, 32, 3))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(model(inputs))))


@pytest.mark.parametrize("form", ["b.weights.h5", "legacy.h5", "b.keras", "nested.keras"])
def test_weights_come_from_a_file(small, tmp_path, form):
    path = tmp_path / form
    if form.endswith(".weights.h5"):
        small.save_weights(path)
    else:
        (nested(small) if form.startswith("nested") else small).save(path)
    keras.utils.set_random_seed(1)
    loaded = backbones.load(SMALL, (32, 32), str(path)).model
    for one, other in zip(loaded.get_weights(), small.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("form", ["other.weights.h5", "other.h5", "other.keras"])
def test_weights_of_another_backbone_are_refused(tmp_path, form):
    other = residual()
    path = tmp_path / form
    other.save_weights(path) if ".weights." in form else other.save(path)
    with pytest.raises(RecipeError, match=f"{form}: not the weights of {SMALL}: .+") as error:
        backbones.load(SMALL, (32, 32), str(path))
    assert "\n" not in str(error.value)


def test_the_first_weights_that_differ_are_named(small, tmp_path):
    path = tmp_path / "wide.keras"
    nested(backbones.load("mobilenet_050", (32, 32), "none").model).save(path)
    with pytest.raises(RecipeError, match=r"conv1/kernel has shape \(3, 3, 3, 16\), .* needs \(3, 3, 3, 8\)"):
        backbones.load(SMALL, (32, 32), str(path))


@pytest.mark.parametrize("form", ["garbage.keras", "garbage.weights.h5", "garbage.h5"])
def test_a_file_of_something_else_is_refused(tmp_path, form):
    (tmp_path / form).write_bytes(b"not weights at all" * 99)
    with pytest.raises(RecipeError, match=form):
        backbones.load(SMALL, (32, 32), str(tmp_path / form))


def test_no_code_runs_from_a_saved_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(RecipeError, match=r"lambda\.keras: cannot be opened: .*Lambda"):
        backbones.load(SMALL, (32, 32), str(tmp_path / "lambda.keras"))


@pytest.mark.parametrize(("name", "message"), [("gone.keras", "there is no file"), ("here.txt", "is no weights file")])
def test_a_file_that_cannot_be_meant(tmp_path, name, message):
    (tmp_path / "here.txt").write_text("")
    with pytest.raises(RecipeError, match=f"transfer.weights: .*{message}"):
        backbones.load(SMALL, (32, 32), str(tmp_path / name))


def test_published_deviations_are_not_taken_for_variances(monkeypatch, tmp_path):
    def efficientnet(**_):
        return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Normalization()])

    published = efficientnet()
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    published.set_weights([mean, deviation, np.array(0)])
    published.save_weights(tmp_path / "b0.weights.h5")
    monkeypatch.setattr(keras.applications, "EfficientNetB0", efficientnet)
    model = backbones.load("efficientnet_b0", (32, 32), str(tmp_path / "b0.weights.h5")).model
    x = images(1, 32, 32, 3, high=1.0)
    assert np.allclose(model(x), (x - mean) / deviation, atol=1e-3)


def test_without_a_network_one_line_says_what_to_pass(monkeypatch):
    patience = []

    def offline(weights, **_):
        patience.append(socket.getdefaulttimeout())
        raise Exception(f"URL fetch failure on https://somewhere: None --\n{weights}")

    monkeypatch.setattr(keras.applications, "MobileNet", offline)
    with pytest.raises(RecipeError) as error:
        backbones.load(SMALL, (32, 32), "imagenet")
    assert str(error.value) == (
        f"the backbone {SMALL} cannot be had: URL fetch failure on https://somewhere: None -- imagenet; "
        "pass transfer.weights=FILE with its weights, or transfer.weights=none"
    )
    assert patience[0] <= 60
    assert socket.getdefaulttimeout() is None


# --- KerasHub ---


def test_kerashub_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(RecipeError, match=r"hub:resnet_18 needs KerasHub: pip install 'kerasdx\[hub\]'"):
        backbones.load("hub:resnet_18", (32, 32), "imagenet")


@pytest.mark.long
def test_a_preset_of_kerashub(tmp_path: Path):
    keras_hub = pytest.importorskip("keras_hub")
    original = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block",
    )  # fmt: skip
    original.save_to_preset(str(tmp_path))
    name = f"hub:{tmp_path}"
    assert backbones.load(name, (32, 32), "none").scaling == Scaling(1 / 255)  # no converter is known

    converter = keras_hub.layers.ResNetImageConverter(scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])
    converter.save_to_preset(str(tmp_path))
    loaded = backbones.load(name, (32, 32), "imagenet")
    assert loaded.scaling == Scaling((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    x = images(1, 32, 32, 3)
    assert np.allclose(prepare(x, loaded.scaling), converter(x), atol=1e-4)
    for one, other in zip(loaded.model.get_weights(), original.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert len(backbones.blocks(loaded.model, name)) == 3  # stem, two residual blocks
    drawn = backbones.load(name, (32, 32), "none").model
    assert not np.array_equal(drawn.get_weights()[0], original.get_weights()[0])

    original.save_weights(tmp_path / "own.weights.h5")
    again = backbones.load(name, (32, 32), str(tmp_path / "own.weights.h5")).model
    assert np.array_equal(again.get_weights()[0], original.get_weights()[0])


def test_a_preset_that_is_not_there(tmp_path: Path):
    pytest.importorskip("keras_hub")
    with pytest.raises(RecipeError, match=r"cannot be had: .*config\.json"):
        backbones.load(f"hub:{tmp_path}", (32, 32), "imagenet")
