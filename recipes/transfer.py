"""A head on a pretrained backbone: for images of which few are labelled.

First the head is trained on the frozen backbone, then the backbone's last blocks too, at a rate 10 to 100 times lower.
Meanwhile the backbone stays in inference mode: its batch normalization keeps the statistics of what it was pretrained
on. A backbone with random weights (``transfer.weights=none``) has nothing to keep: all of it is trained, in one phase.
"""

from __future__ import annotations

from functools import partial

import keras

from recipes.config import Config
from recipes.errors import RecipeError
from recipes.parts import backbones, layers, output
from recipes.recipe import IMAGES, Phase, Recipe, one_phase
from recipes.task import Facts, Kind

#: Of the mean over the places of an image, by the rank of the features: of convolutions, of transformers, none.
_POOLING = {4: keras.layers.GlobalAveragePooling2D, 3: keras.layers.GlobalAveragePooling1D}


def build(config: Config, facts: Facts) -> keras.Model:
    """Return the network: images in the backbone's form, the backbone as one layer, mean over the places, the head.

    The head: dropout, a hidden layer of `transfer.head_units` with dropout behind it where that is not 0, the output.
    Images smaller than the backbone takes are enlarged, grey ones become three equal channels.

    Raises
    ------
    RecipeError
        The images have neither one channel nor three, or the backbone or its weights cannot be had.
    """
    shape = facts.inputs.shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise RecipeError(f"{facts.name}: the recipe transfer takes images of 1 or 3 channels, not of shape {shape}")
    name = config.transfer.backbone
    size = backbones.size_of(name, shape, config.data.image_size)
    backbone = backbones.load(name, size, config.transfer.weights)
    if _is_pretrained(config):
        backbones.as_features(backbone.model)
    inputs = keras.Input(shape, name="inputs")
    x = backbone.model(backbones.prepared(inputs, facts.inputs, backbone, size))
    if len(x.shape) in _POOLING:
        x = _POOLING[len(x.shape)](name="mean")(x)
    return keras.Model(inputs, _head(x, config, facts), name="transfer")


def phases(config: Config, facts: Facts) -> tuple[Phase, ...]:
    """Return head and fine-tuning; the head alone where nothing is to be unfrozen or no epochs are left."""
    if not _is_pretrained(config):
        return one_phase(config, facts)
    transfer, epochs = config.transfer, config.training.epochs
    tunes = transfer.freeze_depth < 1 and transfer.fine_tune_rate > 0
    head_epochs = min(transfer.head_epochs, epochs) if tunes else epochs
    whole, part = partial(_freeze, config, 1.0), partial(_freeze, config, transfer.freeze_depth)
    both = (
        Phase("head", head_epochs, config.optimizer.learning_rate, whole),
        Phase("fine-tuning", epochs - head_epochs, transfer.fine_tune_rate, part),
    )
    return tuple(phase for phase in both if phase.epochs)


def backbone_of(model: keras.Model) -> keras.Model:
    """Return the backbone inside a model of this recipe."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def frozen(model: keras.Model, config: Config) -> backbones.Frozen:
    """Return how much of the backbone is frozen just now; its text is for people: ``12 of 16 blocks frozen``."""
    return backbones.frozen(backbone_of(model), config.transfer.backbone)


def _head(x: keras.KerasTensor, config: Config, facts: Facts) -> keras.KerasTensor:
    x = layers.dropout(x, config, "dropout")
    if config.transfer.head_units:
        x = layers.dense(x, config.transfer.head_units, config, "hidden")
        x = layers.dropout(x, config, "hidden_dropout")
    return output.output_layer(x, config, facts)


def _freeze(config: Config, share: float, model: keras.Model) -> None:
    backbones.freeze(backbone_of(model), share, config.transfer.backbone)


def _is_pretrained(config: Config) -> bool:
    return config.transfer.weights != "none"


RECIPE = Recipe(
    name="transfer",
    summary="a pretrained backbone with a new head, for images of which few are labelled",
    build=build,
    phases=phases,
    encode=output.encode,
    inputs=frozenset({"image"}),
    tasks=frozenset({Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL, Kind.REGRESSION}),
    uses=(
        *IMAGES, "data.mixing", "data.class_weight", "transfer.*",
        "model.activation", "model.kernel_initializer", "model.output_activation", "model.loss",
        "regularization.dropout", "regularization.l1", "regularization.l2", "regularization.label_smoothing",
    ),
    presets={
        "default": {"transfer.backbone": "mobilenet_v2", "data.image_size": 96, "regularization.dropout": 0.2},
        "efficientnet": {"transfer.backbone": "efficientnet_b0", "data.image_size": 128},
        "resnet": {"transfer.backbone": "resnet50", "data.image_size": 128},
        "tiny": {"transfer.backbone": "mobilenet_025", "data.image_size": 32},
    },
)  # fmt: skip
