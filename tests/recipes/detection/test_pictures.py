"""Pictures of found boxes beside the truth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from recipes.detection.pictures import picture

TRUTH = np.array([[[0.5, 0.5, 0.5, 0.5, 0], [0, 0, 0, 0, -1]]], dtype=np.float32)
FOUND = [np.array([[0.4, 0.5, 0.5, 0.5, 1, 0.87]])]
#: Colours of true and of found boxes.
GREEN, ORANGE = (0, 158, 115), (230, 159, 0)


def pixels(path) -> set[tuple[int, ...]]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return set(map(tuple, np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_shows_true_and_found_boxes(tmp_path, channels):
    path = tmp_path / "found.png"
    picture(np.zeros((1, 32, 32, channels), np.uint8), TRUTH, FOUND, ["cat", "dog"], path)
    assert {GREEN, ORANGE} <= pixels(path)


def test_many_images_fill_rows(tmp_path):
    one, many = tmp_path / "one.png", tmp_path / "many.png"
    picture(np.zeros((1, 16, 16, 1), np.uint8), TRUTH, FOUND, ["cat", "dog"], one)
    picture(np.zeros((5, 16, 16, 1), np.uint8), np.repeat(TRUTH, 5, axis=0), FOUND * 5, ["cat", "dog"], many)
    with Image.open(one) as small, Image.open(many) as large:
        assert large.width == 4 * small.width
        assert large.height > small.height


def test_the_names_of_classes_are_no_formulas(tmp_path):
    path = tmp_path / "found.png"
    picture(np.zeros((1, 32, 32, 1), np.uint8), TRUTH, FOUND, ["$\\broken{", "50 $ to 100 $_$"], path)
    assert ORANGE in pixels(path)


def test_values_from_0_to_1_are_drawn_by_their_own_limits(tmp_path):
    path = tmp_path / "found.png"
    picture(np.full((1, 32, 32, 1), 1.0), TRUTH[:, 1:], [np.empty((0, 6))], ["cat"], path, limits=(0, 1))
    with Image.open(path) as image:
        assert np.median(np.asarray(image.convert("L"))) == 255
