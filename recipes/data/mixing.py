"""Mixing of images with their labels: mixup and CutMix, by Keras' layers, drawn anew for each batch and repeatable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from recipes.config import Config
from recipes.errors import ConfigError
from recipes.task import Facts

#: Of the Beta distribution of the share that stays. Mixup: Zhang et al. 2018 use 0.1 to 0.4 on ImageNet.
MIXUP_ALPHA = 0.2
#: CutMix: Yun et al. 2019 use 1, the uniform distribution.
CUTMIX_ALPHA = 1.0

#: (images, labels, key) -> images and labels, both float32.
Mixer = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def mixer(config: Config, facts: Facts) -> Mixer:
    """Return the function that mixes each image of a batch, and its labels, with those of another image of it.

    Parameters
    ----------
    config, facts
        ``data.mixing`` is ``mixup`` or ``cutmix``.

    Returns
    -------
    Mixer
        For a tf.data ``map``: images (batch, height, width, channels), labels (batch, columns) of numbers that may be
        averaged, such as one-hot classes, and a key (2,) int64. The same key gives the same mixture.

    Raises
    ------
    ConfigError
        The inputs are no images, or a sample does not have one class of several.
    """
    name = config.data.mixing
    if facts.inputs.kind != "image":
        raise ConfigError(
            f"data.mixing={name} is for images, and {facts.name} has {facts.inputs.kind} inputs; use none"
        )
    if not facts.task.kind.is_classification:
        raise ConfigError(f"data.mixing={name} is for classification, not {facts.task.kind}; use data.mixing=none")
    # The pipeline's numbers are float32 whatever the precision of the model; the layer's own seed is never drawn from.
    layer = (
        keras.layers.MixUp(alpha=MIXUP_ALPHA, seed=0, dtype="float32")
        if name == "mixup"
        else keras.layers.CutMix(factor=(CUTMIX_ALPHA, CUTMIX_ALPHA), seed=0, dtype="float32")
    )

    def mix(images: tf.Tensor, labels: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.cast(images, tf.float32), tf.cast(labels, tf.float32)
        chosen = layer.get_random_transformation(images, training=True, seed=_Seeds(key))
        return layer.transform_images(images, chosen), layer.transform_labels(labels, chosen)

    return mix


class _Seeds(keras.random.SeedGenerator):
    """Seeds that follow from a key alone.

    Keras' own generator counts up a variable. So what it draws depends on how many batches were drawn before, by which
    thread, and starts over when a training is resumed.
    """

    def __init__(self, key: tf.Tensor) -> None:
        # Without the variable that the base class makes.
        self._key = key
        self._drawn = 0

    def next(self, ordered: bool = True) -> Any:  # noqa: ARG002
        self._drawn += 1
        return tf.random.experimental.stateless_fold_in(self._key, self._drawn)
