"""A convolutional network for small images, from 8×8 digits to about 128×128, trained from scratch."""

from __future__ import annotations

import warnings

import keras

from recipes.config import Config
from recipes.errors import RecipeError
from recipes.parts import layers, output
from recipes.recipe import IMAGES, Recipe
from recipes.task import Facts, Kind

#: Filters double with each stage up to here; a wider first stage stays as it is.
_MOST_FILTERS = 512


def build(config: Config, facts: Facts) -> keras.Model:
    """Return the network: `model.depth` stages of two 3×3 convolutions; between them the side halves, filters double.

    Behind the last stage come the mean over the places, dropout, and the output. Where the sides have come down to one
    pixel nothing is left to shrink (16×16: after 8, 4, 2, 1): later stages keep that size, with a warning.

    Raises
    ------
    RecipeError
        The images have no height, width and channels.
    """
    shape = facts.inputs.shape
    if len(shape) != 3:
        raise RecipeError(f"{facts.name}: the recipe cnn takes images of height x width x channels, not {shape}")
    inputs = keras.Input(shape, name="inputs")
    x = layers.standardized(inputs, config, facts.inputs)
    stuck = []
    for stage in range(1, config.model.depth + 1):
        strides = 1
        if stage > 1 and _is_one_pixel(x):
            stuck.append(stage)
        elif stage > 1:
            x, strides = _shrunk(x, config, stage)
        filters = min(config.model.width * 2 ** (stage - 1), max(_MOST_FILTERS, config.model.width))
        x = _stage(x, filters, strides, config, stage)
    if stuck:
        _warn(stuck[0], config, facts)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.dropout(x, config, "dropout")
    return keras.Model(inputs, output.output_layer(x, config, facts), name="cnn")


def _is_one_pixel(x: keras.KerasTensor) -> bool:
    return max(x.shape[1:3]) == 1


def _shrunk(x: keras.KerasTensor, config: Config, stage: int) -> tuple[keras.KerasTensor, int]:
    """Return what the stage is given, and by how much its first convolution must shrink it."""
    if config.model.downsampling == "stride":
        return x, 2
    pool = keras.layers.MaxPooling2D if config.model.downsampling == "max" else keras.layers.AveragePooling2D
    return pool([min(2, side) for side in x.shape[1:3]], name=f"pool_{stage}")(x), 1


def _stage(x: keras.KerasTensor, filters: int, strides: int, config: Config, stage: int) -> keras.KerasTensor:
    shortcut = x if config.model.skip_connections else None
    y = layers.conv(x, filters, config, f"conv_{stage}_1", strides=strides)
    return layers.conv(y, filters, config, f"conv_{stage}_2", shortcut=shortcut)


def _warn(stage: int, config: Config, facts: Facts) -> None:
    height, width, _channels = facts.inputs.shape
    warnings.warn(
        f"{facts.name}: {height}x{width} images are a single pixel before stage {stage} of {config.model.depth}, "
        f"which cannot shrink them; model.depth={stage - 1} has the same reach",
        stacklevel=3,
    )


RECIPE = Recipe(
    name="cnn",
    summary="convolutions, for small images, trained from scratch",
    build=build,
    inputs=frozenset({"image"}),
    tasks=frozenset({Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL, Kind.REGRESSION}),
    uses=(
        *IMAGES, "data.mixing", "data.standardize", "data.class_weight", "model.*",
        "regularization.dropout", "regularization.l1", "regularization.l2", "regularization.label_smoothing",
    ),
    encode=output.encode,
    presets={
        "default": {
            "model.width": 32, "model.depth": 3, "model.batch_norm": True, "regularization.dropout": 0.3,
            "optimizer.schedule": "cosine", "training.epochs": 30,
        },
        "residual": {"model.skip_connections": True},
        "strided": {"model.downsampling": "stride"},
        "small": {"model.width": 8, "model.depth": 2},
    },
)  # fmt: skip
