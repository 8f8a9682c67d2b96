"""Augmentation: repeatable, as far as its strength says, and of the kinds that were asked for."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.config import STRENGTHS
from recipes.data.augmentation import Augment, augmenter
from recipes.errors import ConfigError
from recipes.task import Kind
from tests.recipes.data import pictures
from tests.recipes.data.pictures import config

pytestmark = pytest.mark.keras

FAMILIES = ("geometric", "colour", "noise", "occlusion")
SHAPE = (24, 20, 3)


def bytes_augmenter(x: NDArray[Any], **settings: Any) -> Augment:
    return augmenter(config(**settings), pictures.of_task(Kind.MULTICLASS, x))


def augmented(x: NDArray[Any], key: tuple[int, ...] = (0, 0, 0), **settings: Any) -> NDArray[Any]:
    return bytes_augmenter(x, **settings)(x, key)


def distance(x: NDArray[Any], y: NDArray[Any]) -> float:
    return float(np.abs(x.astype(float) - y.astype(float)).mean())


def digest(key: tuple[int, ...]) -> str:
    return sha256(augmented(pictures.images(6, SHAPE), key, augmentation=1).tobytes()).hexdigest()


def test_the_same_key_gives_the_same_images_whatever_was_drawn_before() -> None:
    x = pictures.images(6, SHAPE)
    augment = bytes_augmenter(x, augmentation=1)
    first = augment(x, (0, 1, 2))
    augment(x[:3], (0, 1, 3))
    np.testing.assert_array_equal(augment(x, (0, 1, 2)), first)


@pytest.mark.parametrize("other", [(1, 1, 2), (0, 2, 2), (0, 1, 3)], ids=["seed", "epoch", "batch"])
def test_another_seed_epoch_or_batch_gives_other_images(other: tuple[int, ...]) -> None:
    assert digest(other) != digest((0, 1, 2))


def test_each_image_of_a_batch_is_changed_on_its_own() -> None:
    same = np.repeat(pictures.images(1, SHAPE), 8, axis=0)
    changed = augmented(same, augmentation="medium")
    assert len({image.tobytes() for image in changed}) == 8


def test_threads_do_not_disturb_each_other() -> None:
    x = pictures.images(6, SHAPE)
    augment = bytes_augmenter(x, augmentation=1)
    keys = [(0, 0, batch) for batch in range(40)]
    expected = [augment(x, key) for key in keys]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda key: augment(x, key), keys))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_process_gives_the_same_images() -> None:
    program = (
        "import json; from tests.recipes.data.test_augmentation import digest;"
        "print(json.dumps([digest((0, 0, n)) for n in range(3)]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(ended.stdout.splitlines()[-1]) == [digest((0, 0, n)) for n in range(3)]


def test_strength_0_changes_nothing() -> None:
    x = pictures.images(6, SHAPE)
    np.testing.assert_array_equal(augmented(x, augmentation=0), x)


def test_no_families_change_nothing() -> None:
    x = pictures.images(6, SHAPE)
    np.testing.assert_array_equal(augmented(x, augmentation=1, augmentation_families=()), x)


@pytest.mark.parametrize("family", FAMILIES)
def test_more_strength_changes_more(family: str) -> None:
    x = pictures.images(60, SHAPE)
    changes = [
        distance(augmented(x, augmentation=strength, augmentation_families=family, flips=False), x)
        for strength in STRENGTHS.values()
    ]
    assert changes[0] == 0
    for weaker, stronger in itertools.pairwise(changes):
        assert stronger > 1.2 * weaker


def test_the_images_that_are_given_are_left_alone() -> None:
    x = pictures.images(6, SHAPE)
    kept = x.copy()
    augmented(x, augmentation=1)
    np.testing.assert_array_equal(x, kept)


def test_geometric_moves_what_is_there_and_brings_no_new_colours() -> None:
    white = np.zeros((30, 24, 20, 1), np.uint8)
    white[:, 8:16, 6:14] = 200  # a square
    changed = augmented(white, augmentation="medium", augmentation_families="geometric")
    assert changed.max() <= 200
    places = [np.argwhere(image[..., 0] > 100).mean(axis=0) for image in changed]
    assert np.std(places, axis=0).min() > 0.5  # pixels
    areas = np.sum(changed > 100, axis=(1, 2, 3)) / 64
    assert areas.min() > 0.6
    assert areas.max() < 1.6


def test_flips_can_be_left_out() -> None:
    """A mark at the left edge stays on the left."""
    x = np.zeros((60, 24, 24, 1), np.uint8)
    x[:, 8:16, 3:7] = 255

    def on_the_right(changed: NDArray[Any]) -> float:
        return float(np.mean(changed[:, :, 12:].sum(axis=(1, 2, 3)) > changed[:, :, :12].sum(axis=(1, 2, 3))))

    assert on_the_right(augmented(x, augmentation="light", augmentation_families="geometric", flips=False)) == 0
    mirrored = on_the_right(augmented(x, augmentation="light", augmentation_families="geometric"))
    assert 0.3 < mirrored < 0.7


def test_colour_changes_colours_and_leaves_edges_where_they_are() -> None:
    x = np.full((30, *SHAPE), 90, np.uint8)
    x[:, :, 10:] = (160, 120, 100)
    changed = augmented(x, augmentation=1, augmentation_families="colour")
    assert distance(changed, x) > 5
    for image in changed:  # two halves, each of one colour
        assert len(np.unique(image[:, :10].reshape(-1, 3), axis=0)) == 1
        assert len(np.unique(image[:, 10:].reshape(-1, 3), axis=0)) == 1
    assert np.any(changed[:, 0, -1] - changed[:, 0, -1].mean(axis=1, keepdims=True) != 0)


def test_colour_changes_hue_only_where_there_is_one() -> None:
    grey = pictures.images(20, (24, 20, 1))
    assert augmented(grey, augmentation=1, augmentation_families="colour").shape == grey.shape
    red = np.zeros((40, *SHAPE), np.uint8)
    red[..., 0] = 150
    changed = augmented(red, augmentation=1, augmentation_families="colour")
    assert len({tuple(image[0, 0] > image[0, 0].max() / 10) for image in changed}) > 1  # towards yellow, or violet


def test_noise_is_around_the_image() -> None:
    x = np.full((40, *SHAPE), 128, np.uint8)
    changed = augmented(x, augmentation=1, augmentation_families="noise").astype(float)
    deviations = changed.std(axis=(1, 2, 3))
    assert 0.2 < np.mean(deviations > 1) < 0.8  # not all images
    assert deviations.max() < 0.16 * 255
    assert abs(changed.mean() - 128) < 2


def test_occlusion_blanks_a_rectangle_with_the_mean_colour() -> None:
    x = pictures.images(40, SHAPE)
    changed = augmented(x, augmentation=1, augmentation_families="occlusion")
    differs = (changed != x).any(axis=-1)
    hidden = differs.mean(axis=(1, 2))
    assert 0.2 < np.mean(hidden > 0) < 0.8
    assert hidden.max() <= 0.4 * 0.4 + 0.05
    mean = x.mean(axis=(0, 1, 2))
    for image, where in zip(changed, differs, strict=True):
        assert np.all(np.abs(image[where] - mean) <= 1)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 16.0)])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_floats_stay_in_their_range_and_of_their_type(low: float, high: float, kind: str) -> None:
    bytes_ = pictures.images(20, (8, 8, 1))
    x = (low + bytes_ / 255 * (high - low)).astype(kind)
    facts = pictures.facts(pictures.of_task(Kind.BINARY, bytes_).task, x, low, high)
    changed = augmenter(config(augmentation=1), facts)(x, (0,))
    assert changed.dtype == x.dtype
    assert changed.shape == x.shape
    assert changed.min() >= low - 1e-6 * (high - low)
    assert changed.max() <= high + 1e-6 * (high - low)
    assert 0.02 < distance(changed, x) / (high - low) < 0.5


@pytest.mark.parametrize("family", ["geometric", "colour"])
def test_bytes_and_floats_are_changed_alike(family: str) -> None:
    x = pictures.images(20, SHAPE)
    floats = (x / 255).astype(np.float32)
    facts = pictures.facts(pictures.of_task(Kind.BINARY, x).task, floats, 0, 1)
    changed = augmenter(config(augmentation=2 / 3, augmentation_families=family), facts)(floats, (0, 0, 0))
    assert distance(changed * 255, augmented(x, augmentation=2 / 3, augmentation_families=family)) < 3


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 3), (8, 8, 1), (5, 4, 2), (9, 9, 4)], ids=str)
def test_images_may_be_tiny_and_of_any_number_of_channels(shape: tuple[int, ...]) -> None:
    x = pictures.images(10, shape)
    changed = augmented(x, augmentation=1)
    assert changed.shape == x.shape
    assert changed.dtype == np.uint8


def test_small_images_stay_readable() -> None:
    """Digits of 8 x 8 pixels can still be told apart, and teach what digits look like that are not augmented."""
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC

    digits = load_digits()
    x, y = digits.images[..., None].astype(np.float32), digits.target
    facts = pictures.facts(pictures.of_task(Kind.BINARY, x).task, x, 0, 16)
    augment = augmenter(config(augmentation="medium", flips=False), facts)
    copies = np.concatenate([augment(x[:1000], (0, epoch)) for epoch in range(3)])
    reader = SVC().fit(copies.reshape(3000, -1), np.tile(y[:1000], 3))
    assert reader.score(x[1000:].reshape(797, -1), y[1000:]) > 0.93  # 0.96 when trained on the digits themselves
    assert reader.score(augment(x[1000:], (1,)).reshape(797, -1), y[1000:]) > 0.7  # chance: 0.1


def test_boxes_are_neither_moved_nor_hidden() -> None:
    x = pictures.images(4, SHAPE)
    facts = pictures.of_task(Kind.DETECTION, x)
    with pytest.raises(ConfigError, match=r"geometric and occlusion .*augmentation_families=colour,noise$"):
        augmenter(config(augmentation=1), facts)
    allowed = augmenter(config(augmentation=1, augmentation_families="colour,noise"), facts)
    assert distance(allowed(x, (0,)), x) > 0


def test_vectors_cannot_be_augmented() -> None:
    with pytest.raises(ConfigError, match=r"data\.augmentation is for images"):
        augmenter(config(augmentation="light"), pictures.vectors()[1])
