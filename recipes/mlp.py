"""A multilayer perceptron: for tables and vectors; for images a baseline that knows nothing of space."""

from __future__ import annotations

import keras

from recipes.config import Config
from recipes.parts import layers, output
from recipes.recipe import Recipe
from recipes.task import Facts, Kind


def build(config: Config, facts: Facts) -> keras.Model:
    """Return the network: `model.depth` dense blocks of `model.width` units, dropout behind each.

    With `model.skip_connections` each block learns what is added to its input.
    """
    inputs = keras.Input(facts.inputs.shape, name="inputs")
    x = layers.standardized(inputs, config, facts.inputs)
    if len(facts.inputs.shape) > 1:
        x = keras.layers.Flatten(name="flatten")(x)
    for i in range(1, config.model.depth + 1):
        shortcut = x if config.model.skip_connections else None
        x = layers.dense(x, config.model.width, config, f"hidden_{i}", shortcut)
        x = layers.dropout(x, config, f"hidden_{i}_dropout")
    return keras.Model(inputs, output.output_layer(x, config, facts), name="mlp")


RECIPE = Recipe(
    name="mlp",
    summary="dense layers, for tables, vectors and small images",
    build=build,
    inputs=frozenset({"vector", "image"}),
    tasks=frozenset({Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL, Kind.REGRESSION}),
    uses=(
        "data.image_size", "data.standardize", "data.class_weight",
        "data.augmentation", "data.augmentation_families", "data.flips", "data.mixing",
        "model.width", "model.depth", "model.activation", "model.kernel_initializer", "model.batch_norm",
        "model.skip_connections", "model.output_activation", "model.loss", "regularization.*",
    ),
    encode=output.encode,
    presets={
        # Chosen on validation scores of scikit-learn's iris, wine, breast cancer, diabetes and digits.
        "default": {
            "model.width": 256, "model.depth": 2, "regularization.dropout": 0.3, "regularization.l2": 1e-3,
            "training.epochs": 150,
        },
        "small": {"model.width": 16, "model.depth": 1},
        "wide": {"model.width": 512},
        "deep": {"model.width": 64, "model.depth": 6, "model.batch_norm": True, "model.skip_connections": True},
        "regularized": {"regularization.dropout": 0.5, "regularization.l2": 1e-2},
    },
)  # fmt: skip
