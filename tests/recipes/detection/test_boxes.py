"""Overlap of boxes, and the anchors that are typical for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from recipes.detection.boxes import anchors, centred, corners, overlap, pairwise_overlap, size_overlap, typical_sizes

shares = st.floats(0, 1, width=32)
some_boxes = npst.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=shares)


def iou(first: list[float], second: list[float]) -> float:
    """Return the overlap of two boxes given by their corners."""
    return float(overlap(centred(np.array(first, dtype=float)), centred(np.array(second, dtype=float))))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([0, 0, 2, 2], [0, 0, 2, 2], 1.0, id="the same"),
        pytest.param([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, id="a quarter of each: 1 / (4 + 4 - 1)"),
        pytest.param([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3, id="half of each: 2 / (4 + 4 - 2)"),
        pytest.param([0, 0, 4, 4], [1, 1, 3, 3], 4 / 16, id="one within the other"),
        pytest.param([0, 0, 1, 1], [1, 0, 2, 1], 0.0, id="side by side"),
        pytest.param([0, 0, 1, 1], [3, 3, 4, 4], 0.0, id="apart"),
        pytest.param([1, 1, 1, 1], [1, 1, 1, 1], 0.0, id="no area"),
    ],
)
def test_overlap_is_intersection_over_union(first, second, expected):
    assert iou(first, second) == pytest.approx(expected)
    assert iou(second, first) == pytest.approx(expected)


def test_each_box_is_compared_with_each():
    first = np.array([[0.5, 0.5, 0.2, 0.2, 7], [0.1, 0.1, 0.2, 0.2, 7]])  # further columns do not matter
    second = np.array([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.1], [0.9, 0.9, 0.1, 0.1]])
    assert pairwise_overlap(first, second) == pytest.approx(np.array([[1, 0.5, 0], [0, 0, 0]]))


@settings(deadline=None)
@given(some_boxes)
def test_corners_and_back_is_the_same_box(boxes):
    assert centred(corners(boxes)) == pytest.approx(boxes, abs=1e-12)


@settings(deadline=None)
@given(some_boxes, some_boxes)
def test_an_overlap_is_a_share(first, second):
    found = pairwise_overlap(first, second)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_sizes_overlap_as_if_they_had_one_centre():
    assert size_overlap(np.array([0.2, 0.4]), np.array([0.4, 0.2])) == pytest.approx(0.04 / 0.12)


def test_anchors_are_the_means_of_clear_groups_smallest_first():
    wide, tall = np.array([[0.4, 0.1], [0.42, 0.1]]), np.array([[0.1, 0.3], [0.1, 0.34]])
    found = anchors(np.concatenate([wide, tall]), 2)
    assert found == pytest.approx(np.array([[0.1, 0.32], [0.41, 0.1]]))


def test_the_order_of_the_boxes_does_not_change_the_anchors():
    sizes = np.random.default_rng(0).uniform(0.05, 0.9, size=(150, 2))
    assert anchors(sizes[::-1], 4) == pytest.approx(anchors(sizes, 4))


def test_more_anchors_fit_better():
    sizes = np.random.default_rng(0).uniform(0.05, 0.9, size=(150, 2))
    fits = [size_overlap(sizes[:, None], anchors(sizes, number)[None]).max(axis=1).mean() for number in (1, 3, 9)]
    assert fits[0] < fits[1] < fits[2]


def test_fewer_sizes_than_anchors_are_repeated():
    assert anchors(np.array([[0.2, 0.3]]), 3) == pytest.approx(np.array([[0.2, 0.3]] * 3))


def test_typical_sizes_are_those_of_objects_alone():
    targets = np.array([[[0.5, 0.5, 0.25, 0.5, 3], [0, 0, 0, 0, -1]], [[0.5, 0.5, 0.125, 0.5, 0], [0, 0, 0, 0, -1]]])
    assert typical_sizes(targets) == ((0.125, 0.5), (0.25, 0.5))


def test_of_many_sizes_some_are_drawn_from_the_smallest_to_the_largest():
    sizes = np.linspace(0.1, 0.9, 5000)
    targets = np.stack([sizes, sizes, sizes, sizes, np.zeros(5000)], axis=1)[:, None]
    drawn = typical_sizes(targets)
    assert len(drawn) == 200
    assert drawn[0] == (0.1, 0.1)
    assert drawn[-1] == (0.9, 0.9)
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.01)
