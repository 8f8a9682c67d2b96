"""A one-stage detector: convolutions down to a grid, each cell of which tells the objects whose centre it holds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recipes.config import Config
from recipes.detection.boxes import anchors
from recipes.detection.grid import VALUES, Grid, encode
from recipes.detection.loss import BoxOverlap, GridLoss
from recipes.errors import RecipeError
from recipes.parts import layers
from recipes.recipe import Recipe
from recipes.task import Facts, Kind

#: Filters double with each halving up to here; wider first stages stay as wide.
_MOST_FILTERS = 512
#: A confidence or a share starts no nearer to 0 or 1 than this.
_LEAST_SHARE = 1e-3


def build(config: Config, facts: Facts) -> keras.Model:
    """Return the network; its output is (batch, S, S, B * 5 + C), see `recipes.detection.grid`.

    A 3 x 3 convolution before each halving of the image, with twice the filters each time, until there are S x S
    places; then `model.depth` more, dropout, and a 1 x 1 convolution for the boxes and one for the classes.

    x, y, w, h and confidence are sigmoids, the class scores a softmax. By the bias of their layer a box starts at its
    anchor, and a confidence at the share of boxes that hold an object (Lin et al. 2017). The output can be decoded
    without the anchors.

    Raises
    ------
    RecipeError
        The image cannot be halved down to the grid, or there are no objects in the training samples.
    """
    halvings = _halvings(config, facts)
    inputs = keras.Input(facts.inputs.shape, name="inputs")
    x = layers.standardized(inputs, config, facts.inputs)
    filters = config.model.width
    for stage in range(max(halvings)):
        x = layers.conv(x, filters, config, f"stage{stage + 1}")
        pool = tuple(2 if stage < times else 1 for times in halvings)
        x = keras.layers.MaxPooling2D(pool, name=f"stage{stage + 1}_pool")(x)
        filters = min(2 * filters, max(_MOST_FILTERS, filters))
    for number in range(config.model.depth):
        x = layers.conv(x, filters, config, f"cells{number + 1}")
    x = layers.dropout(x, config, "dropout")
    return keras.Model(inputs, _head(x, config, facts), name="detector")


def loss(config: Config, _facts: Facts) -> GridLoss:
    """Return the loss."""
    return GridLoss(config.detector.boxes)


def metrics(config: Config, _facts: Facts) -> list[keras.metrics.Metric]:
    """Return what is told of each epoch beside the loss."""
    return [BoxOverlap(config.detector.boxes)]


def encoder(config: Config, facts: Facts) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Return the function from targets (n, most, 5) to grids (n, S, S, B * 5 + C); it warns where objects are lost."""
    grid, sizes = _grid(config, facts), _anchors(config, facts)

    def encoded(targets: NDArray[Any]) -> NDArray[np.float32]:
        found = encode(targets, grid, sizes)
        objects = int((targets[..., 4] >= 0).sum())
        lost = objects - int(found[..., 4 : grid.boxes * VALUES : VALUES].sum())
        if lost:
            warnings.warn(
                f"{facts.name}: {lost} of {objects} objects are not learned, for {grid.boxes} others have their centre "
                "in the same cell; raise detector.grid or detector.boxes",
                stacklevel=2,
            )
        return found

    return encoded


def _grid(config: Config, facts: Facts) -> Grid:
    return Grid(config.detector.grid, config.detector.boxes, facts.task.units)


def _anchors(config: Config, facts: Facts) -> NDArray[np.float64]:
    if not facts.task.sizes:
        raise RecipeError(f"{facts.name}: there is no object in the training samples; a detector learns from boxes")
    return anchors(np.array(facts.task.sizes), config.detector.boxes)


def _halvings(config: Config, facts: Facts) -> tuple[int, int]:
    """Return how often height and width are halved until they have as many pixels as the grid has cells.

    Raises
    ------
    RecipeError
        Names the grids that can be.
    """
    height, width = facts.inputs.shape[:2]
    possible = [
        side
        for side in range(1, min(height, width) // 2 + 1)
        if all(length % side == 0 and (length // side).bit_count() == 1 for length in (height, width))
    ]
    grid = config.detector.grid
    if grid not in possible:
        mend = f"take {', '.join(map(str, possible))}" if possible else "images of 64 x 64 can, with a grid of 8"
        raise RecipeError(f"detector.grid: halving {height} x {width} images never gives {grid} x {grid} cells; {mend}")
    return int(math.log2(height // grid)), int(math.log2(width // grid))


def _head(x: keras.KerasTensor, config: Config, facts: Facts) -> keras.KerasTensor:
    """Return the output in float32, whatever the precision of the layers before."""
    grid = _grid(config, facts)
    settings = {
        "kernel_initializer": layers.initializer(config, "sigmoid"),
        "kernel_regularizer": layers.regularizer(config),
        "dtype": keras.config.dtype_policy().variable_dtype,
    }
    start = keras.initializers.Constant(_first_boxes(config, facts))
    boxes = keras.layers.Conv2D(
        grid.channels - grid.classes, 1, activation="sigmoid", bias_initializer=start, name="boxes", **settings
    )(x)
    classes = keras.layers.Conv2D(grid.classes, 1, activation="softmax", name="classes", **settings)(x)
    return keras.layers.Concatenate(name="grid", dtype=settings["dtype"])([boxes, classes])


def _first_boxes(config: Config, facts: Facts) -> list[float]:
    """Return the biases with which each box is in the middle of its cell, as large as its anchor, and rarely there."""
    places = config.detector.grid**2 * config.detector.boxes
    confidence = sum(facts.task.counts) / max(1, facts.samples.get("train", 0) * places)
    shares = np.array([(0.5, 0.5, *anchor, confidence) for anchor in _anchors(config, facts)])
    shares = np.clip(shares, _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.log(shares / (1 - shares)).ravel().tolist()


RECIPE = Recipe(
    name="detector",
    summary="finds objects: boxes and classes from a grid over the image, trained from scratch",
    build=build,
    inputs=frozenset({"image"}),
    tasks=frozenset({Kind.DETECTION}),
    uses=(
        "data.image_size", "data.standardize", "data.augmentation", "data.augmentation_families",
        "model.width", "model.depth", "model.activation", "model.kernel_initializer", "model.batch_norm",
        "regularization.dropout", "regularization.l1", "regularization.l2", "detector.*",
    ),
    presets={
        "default": {
            "data.augmentation_families": ("colour", "noise"), "model.width": 16, "model.depth": 2,
            "model.batch_norm": True, "regularization.dropout": 0.4, "optimizer.name": "adamw",
            "optimizer.weight_decay": 0.02, "optimizer.learning_rate": 3e-3, "optimizer.schedule": "cosine",
            "training.epochs": 20,
        },
        "fast": {"model.width": 8, "model.depth": 1, "training.epochs": 15},
    },
    loss=loss,
    metrics=metrics,
    encode=encoder,
)  # fmt: skip
