"""Digits scattered over canvases: what is on them, and that no digit is in two splits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from recipes.config import Config
from recipes.data import scattered
from recipes.data.base import Data, Split
from recipes.detection.boxes import pairwise_overlap
from recipes.errors import ConfigError, DataError
from recipes.task import Kind


@pytest.fixture(autouse=True)
def few_canvases(monkeypatch):
    monkeypatch.setattr(scattered, "CANVASES", 120)


def load(**settings: float) -> Data:
    return scattered.load(Config().replace({f"data.{name}": value for name, value in settings.items()}))


def rows_of(split: Split) -> list[list[int]]:
    """Return the rows in scikit-learn's data of the digits of each canvas."""
    return [[int(row) for row in str(id_).removeprefix("digits ").split("+")] for id_ in split.ids]


def digits_of(split: Split) -> set[int]:
    """Return the rows of all digits of a split."""
    return {row for rows in rows_of(split) for row in rows}


def objects_of(split: Split) -> list[np.ndarray]:
    return [each[each[:, 4] >= 0] for each in split.y]


def test_images_targets_and_facts_fit_together():
    data = load()
    assert data.train.x.shape == (len(data.train), 64, 64, 1)
    assert data.train.x.dtype == np.uint8
    assert data.train.y.shape == (len(data.train), 5, 5)
    assert data.train.y.dtype == np.float32
    facts = data.facts
    assert facts.task.kind is Kind.DETECTION
    assert facts.inputs.shape == (64, 64, 1)
    assert facts.samples == {"train": 72, "validation": 24, "test": 24}
    assert facts.task.counts == tuple((data.train.y[..., 4] == digit).sum() for digit in range(10))
    assert facts.inputs.mean == pytest.approx((data.train.x.mean(),))
    assert facts.task.sizes


def test_no_digit_is_in_two_splits():
    data = load()
    rows = [digits_of(split) for split in (data.train, data.validation, data.test)]
    assert min(map(len, rows)) > 20
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


def test_the_class_of_an_object_is_that_of_its_digit():
    data, kinds = load(), load_digits().target
    for rows, objects in zip(rows_of(data.test), objects_of(data.test), strict=True):
        assert objects[:, 4].tolist() == kinds[rows].tolist()


def test_each_canvas_has_one_to_five_objects_inside_it_that_do_not_cover_each_other():
    split = load().train
    numbers = {len(objects) for objects in objects_of(split)}
    assert numbers == {1, 2, 3, 4, 5}
    for objects in objects_of(split):
        low, high = objects[:, :2] - objects[:, 2:4] / 2, objects[:, :2] + objects[:, 2:4] / 2
        assert low.min() >= 0
        assert high.max() <= 1
        assert (pairwise_overlap(objects, objects) - np.eye(len(objects))).max() < 1e-6


def test_a_box_is_where_the_ink_is():
    split = load().train
    for image, objects in zip(split.x, objects_of(split), strict=True):
        inside = np.zeros((64, 64), dtype=bool)
        for x, y, w, h, _ in objects:
            left, top, right, bottom = (round(float(v) * 64) for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
            inside[top:bottom, left:right] = True
            # The frame touches ink on each side, for it is drawn tight around it.
            box = image[top:bottom, left:right, 0].astype(float)
            dark = np.median(image[~inside])
            assert min(box[0].max(), box[-1].max(), box[:, 0].max(), box[:, -1].max()) > dark + 10
        assert image[..., 0][inside].mean() > image[..., 0][~inside].mean() + 20


def test_sizes_differ():
    sizes = np.array(load().facts.task.sizes)
    assert sizes[:, 1].max() > 1.8 * sizes[:, 1].min()


def test_the_same_seed_draws_the_same_and_another_one_does_not():
    first, same, other = load(), load(), load(split_seed=1)
    assert np.array_equal(first.test.x, same.test.x)
    assert np.array_equal(first.test.y, same.test.y)
    assert not np.array_equal(first.test.x, other.test.x)
    assert digits_of(first.test) != digits_of(other.test)


def test_shares_of_the_splits_are_heeded():
    assert load(validation=0.1, test=0.5).facts.samples == {"train": 48, "validation": 12, "test": 60}


def test_the_side_of_the_canvas_can_be_chosen():
    data = load(image_size=96)
    assert data.train.x.shape[1:] == (96, 96, 1)
    assert np.mean(data.facts.task.sizes) == pytest.approx(np.mean(load().facts.task.sizes), rel=0.05)


def test_too_small_a_canvas_is_refused():
    with pytest.raises(ConfigError, match=r"^data\.image_size: 16 is too small .* 32 or more$"):
        load(image_size=16)


def test_shares_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(DataError, match="nothing to train on"):
        load(validation=0.6, test=0.5)
