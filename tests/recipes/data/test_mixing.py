"""Mixing: an image and its label become the mean of two, as the batch's key says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from recipes.data.mixing import mixer
from recipes.errors import ConfigError
from recipes.task import Kind
from tests.recipes.data import pictures
from tests.recipes.data.pictures import config

pytestmark = pytest.mark.keras

COUNT = 200
BOTH = pytest.mark.parametrize("mixing", ["mixup", "cutmix"])


def constant_images() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images of which each is of one value, its number, and its number one-hot."""
    x = np.broadcast_to(np.arange(COUNT, dtype=np.float32)[:, None, None, None], (COUNT, 16, 16, 1))
    return x, np.eye(COUNT, dtype=np.float32)


def mixed(mixing: str, key: tuple[int, int] = (0, 0)) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = constant_images()
    mix = mixer(config(mixing=mixing), pictures.of_task(Kind.MULTICLASS, x))
    images, labels = tf.function(mix)(tf.constant(x), tf.constant(y), tf.constant(key, tf.int64))
    return images.numpy(), labels.numpy()


@BOTH
def test_labels_are_shares_of_two_classes(mixing: str) -> None:
    _, labels = mixed(mixing)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert labels.min() >= -1e-6
    assert np.all(np.sum(labels > 1e-6, axis=1) <= 2)
    own = np.diag(labels)
    assert np.any((own > 0.2) & (own < 0.8))


def test_mixup_averages_images_as_their_labels() -> None:
    images, labels = mixed("mixup")
    expected = labels @ np.arange(COUNT, dtype=np.float32)
    np.testing.assert_allclose(images, np.broadcast_to(expected[:, None, None, None], images.shape), atol=0.01)


def test_cutmix_pastes_a_rectangle_of_the_labels_share() -> None:
    images, labels = mixed("cutmix")
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        values, counts = np.unique(image, return_counts=True)
        assert len(values) <= 2
        stays = counts[values == number].sum() / image.size
        assert stays == pytest.approx(label[number], abs=0.15)  # whole pixels of 16 x 16


def test_cutmix_cuts_anywhere() -> None:
    """Rows and columns of a rectangle are drawn apart: not all of them lie on the diagonal."""
    images, _ = mixed("cutmix")
    pasted = [np.argwhere(image[..., 0] != number) for number, image in enumerate(images)]
    centres = np.array([places.mean(axis=0) for places in pasted if 0 < len(places) < 128])
    assert len(centres) > 30
    assert abs(np.corrcoef(centres.T)[0, 1]) < 0.5


@BOTH
def test_the_key_alone_says_what_is_mixed(mixing: str) -> None:
    first, again, other = mixed(mixing, (3, 5)), mixed(mixing, (3, 5)), mixed(mixing, (3, 6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


@BOTH
def test_one_compiled_function_draws_anew_for_each_key(mixing: str) -> None:
    x, y = constant_images()
    mix = tf.function(mixer(config(mixing=mixing), pictures.of_task(Kind.MULTICLASS, x)))
    keys = [tf.constant(key, tf.int64) for key in ((0, 0), (0, 1), (0, 0))]
    first, other, again = (mix(tf.constant(x), tf.constant(y), key)[1].numpy() for key in keys)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("kind", [Kind.REGRESSION, Kind.MULTILABEL, Kind.DETECTION])
def test_only_classes_can_be_mixed(kind: Kind) -> None:
    with pytest.raises(ConfigError, match=r"data\.mixing=mixup is for classification.*data\.mixing=none"):
        mixer(config(mixing="mixup"), pictures.of_task(kind, pictures.images(4)))


def test_only_images_can_be_mixed() -> None:
    with pytest.raises(ConfigError, match=r"data\.mixing=cutmix is for images"):
        mixer(config(mixing="cutmix"), pictures.vectors()[1])
