"""The convolutional network."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes.building import build  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.errors import RecipeError  # noqa: E402
from recipes.task import Inputs, Kind  # noqa: E402
from tests.recipes.made_facts import facts, image  # noqa: E402

pytestmark = pytest.mark.keras


def cnn(inputs: Inputs, preset: str = "default", **settings: object):
    changed = {path.replace("__", "."): value for path, value in settings.items()}
    return build(Config.of(f"cnn/{preset}", {"model.width": 4}, changed), facts(Kind.MULTICLASS, inputs))


def sides(model) -> list[tuple[int, int]]:
    """Return height and width of what each stage puts out."""
    shapes = [layer.output.shape for layer in model.layers if layer.name.endswith("_2_relu")]
    return [tuple(shape[1:3]) for shape in shapes]


def filters(model) -> list[int]:
    return [layer.filters for layer in model.layers if layer.name.endswith("_2") and hasattr(layer, "filters")]


@pytest.mark.parametrize("preset", ["default", "residual", "strided"])
def test_each_stage_has_half_the_side_and_twice_the_filters(preset):
    model = cnn(image(32, 16, 3), preset, model__depth=4)
    assert sides(model) == [(32, 16), (16, 8), (8, 4), (4, 2)]
    assert filters(model) == [4, 8, 16, 32]
    assert model.get_layer("mean").output.shape == (None, 32)


def test_filters_stop_doubling():
    assert filters(cnn(image(16, 16), model__width=300, model__depth=3)) == [300, 512, 512]
    assert filters(cnn(image(), model__width=600, model__depth=2)) == [600, 600]


def test_sixteen_pixels_can_be_halved_four_times():
    """16, 8, 4, 2, 1; then nothing is left to pool, and later stages keep their size."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sides(cnn(image(16, 16), model__depth=5)) == [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    with pytest.warns(UserWarning, match=r"16x16 images are a single pixel before stage 6 of 6.*model.depth=5"):
        model = cnn(image(16, 16), model__depth=6)
    assert sides(model)[-2:] == [(1, 1), (1, 1)]


def test_stages_that_cannot_shrink_are_told_of_once():
    with pytest.warns(UserWarning, match="before stage 5 of 8") as told:
        cnn(image(8, 8), model__depth=8)
    assert len(told) == 1


@pytest.mark.parametrize("downsampling", ["max", "average", "stride"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (3, 5)])
def test_images_of_any_size_come_through(shape, downsampling):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cnn(image(*shape), model__downsampling=downsampling, model__skip_connections=True, model__depth=4)
    assert model(np.zeros((2, *shape, 1))).shape == (2, 3)


@pytest.mark.parametrize(
    ("downsampling", "kind"), [("max", "MaxPooling2D"), ("average", "AveragePooling2D"), ("stride", None)]
)
def test_how_space_shrinks(downsampling, kind):
    model = cnn(image(), model__downsampling=downsampling, model__depth=3)
    pools = [type(layer).__name__ for layer in model.layers if layer.name.startswith("pool_")]
    assert pools == ([kind] * 2 if kind else [])
    strides = [layer.strides for layer in model.layers if layer.name in ("conv_2_1", "conv_3_1")]
    assert strides == [(1, 1) if kind else (2, 2)] * 2


def test_pooling_shrinks_space_and_not_channels():
    model = cnn(image(), model__depth=2)
    pool = model.get_layer("pool_2")
    assert pool.input.shape == (None, 8, 8, 4)
    assert pool.output.shape == (None, 4, 4, 4)


def test_parameters_of_the_textbook():
    """28x28x1, 32 filters of 3x3: 320; 64 filters on 32 channels: 18,496."""
    model = cnn(image(28, 28), model__width=32, model__depth=2, model__batch_norm=False)
    assert model.get_layer("conv_1_1").count_params() == 320
    assert model.get_layer("conv_2_1").count_params() == 18_496


def test_images_are_standardized_by_the_training_samples():
    model = cnn(Inputs("image", (4, 4, 3), 0, 255, (10.0, 20.0, 30.0), (1.0, 4.0, 9.0)), model__depth=1)
    out = keras.Model(model.input, model.get_layer("standardize").output)
    np.testing.assert_allclose(out(np.full((1, 4, 4, 3), [11.0, 22.0, 33.0])), np.ones((1, 4, 4, 3)), rtol=1e-5)


def test_dropout_stands_before_the_output_alone():
    model = cnn(image(), regularization__dropout=0.5)
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == ["dropout"]
    assert model.get_layer("output").input is model.get_layer("dropout").output


def test_images_without_channels_are_refused():
    with pytest.raises(
        RecipeError, match=r"made: the recipe cnn takes images of height x width x channels, not \(8, 8\)"
    ):
        cnn(Inputs("image", (8, 8)))


def test_it_learns_where_a_pattern_is_not_what_matters():
    """Upright or lying bars anywhere in the image."""
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 256).astype("int32")
    x = draw.normal(100, 10, (256, 8, 8, 1)).astype("float32")
    for number, label in enumerate(y):
        i = draw.integers(0, 8)
        x[number, i] += 60 * (label == 0)
        x[number, :, i] += 60 * (label == 1)
    keras.utils.set_random_seed(0)
    model = cnn(image(), model__width=8, model__depth=2, optimizer__learning_rate=0.01)
    model.fit(x[:192], y[:192], epochs=8, verbose=0)
    assert model.evaluate(x[192:], y[192:], verbose=0, return_dict=True)["accuracy"] > 0.95
