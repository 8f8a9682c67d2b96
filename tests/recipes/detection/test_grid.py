"""The grid S x S x (B * 5 + C): which cell and box is responsible, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.config import DetectorConfig
from recipes.detection.grid import LEAST_SCORE, Grid, decode, encode

GRID = Grid(cells=4, boxes=2, classes=3)
SETTINGS = DetectorConfig(grid=4, boxes=2, score_threshold=0.3)
#: A small upright box, and a large one.
ANCHORS = np.array([[0.1, 0.2], [0.5, 0.5]])
NOTHING = (0, 0, 0, 0, -1)


def encoded(*objects: tuple[float, ...]) -> np.ndarray:
    return encode(np.array([objects], dtype=np.float32), GRID, ANCHORS)


def test_a_cell_has_five_values_for_each_box_and_one_for_each_class():
    assert Grid(cells=7, boxes=2, classes=20).shape == (7, 7, 2 * 5 + 20)  # YOLO on PASCAL VOC: 7 x 7 x 30
    assert encoded(NOTHING).shape == (1, *GRID.shape)


def test_the_cell_with_the_centre_and_the_box_with_the_best_anchor_are_responsible():
    grid = encoded((0.40625, 0.875, 0.125, 0.25, 2))  # column 0.40625 * 4 = 1.625, row 0.875 * 4 = 3.5
    expected = np.zeros(GRID.shape, dtype=np.float32)
    expected[3, 1] = [0.625, 0.5, 0.125, 0.25, 1, *[0] * 5, 0, 0, 1]
    assert np.array_equal(grid[0], expected)


def test_a_large_object_goes_to_the_large_anchor():
    grid = encoded((0.40625, 0.875, 0.5, 0.25, 0))
    assert grid[0, 3, 1].tolist() == [*[0] * 5, 0.625, 0.5, 0.5, 0.25, 1, 1, 0, 0]


def test_rows_that_are_no_object_leave_no_trace():
    objects = np.array([[NOTHING, (0.3, 0.3, 0.1, 0.2, 1), NOTHING]], dtype=np.float32)
    assert np.array_equal(encode(objects, GRID, ANCHORS), encode(objects[:, 1:2], GRID, ANCHORS))
    assert not encoded(NOTHING, NOTHING).any()


def test_a_centre_on_the_far_edge_belongs_to_the_last_cell():
    assert encoded((1, 1, 0.1, 0.2, 0))[0, 3, 3, :5] == pytest.approx([1, 1, 0.1, 0.2, 1])


def test_two_objects_in_one_cell_have_a_box_each():
    first, second = (0.55, 0.55, 0.1, 0.2, 1), (0.6, 0.6, 0.12, 0.2, 1)  # both fit the first anchor better
    grid = encoded(first, second)
    assert grid[0, 2, 2] == pytest.approx([0.2, 0.2, 0.1, 0.2, 1, 0.4, 0.4, 0.12, 0.2, 1, 0, 1, 0], abs=1e-6)


def test_two_classes_in_one_cell_share_its_class_scores():
    grid = encoded((0.55, 0.55, 0.1, 0.2, 0), (0.6, 0.6, 0.5, 0.5, 2))
    assert grid[0, 2, 2, 10:].tolist() == [0.5, 0, 0.5]


def test_more_objects_than_boxes_in_a_cell_leave_the_first_ones():
    objects = [(0.55, 0.55, 0.1, 0.2, 1), (0.6, 0.6, 0.5, 0.5, 1), (0.7, 0.7, 0.5, 0.5, 2)]
    assert np.array_equal(encoded(*objects), encoded(*objects[:2]))


def test_objects_of_one_image_do_not_show_in_another():
    first, second = (0.3, 0.3, 0.1, 0.2, 1), (0.8, 0.2, 0.4, 0.5, 2)
    both = encode(np.array([[first], [second]], dtype=np.float32), GRID, ANCHORS)
    assert np.array_equal(both, np.concatenate([encoded(first), encoded(second)]))


@st.composite
def objects_in_cells_of_their_own(draw: st.DrawFn) -> list[tuple[float, ...]]:
    """Draw objects in sixty-fourths of the image, which float32 holds exactly."""
    cells = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6, unique=True))
    part, side, kind = st.integers(0, 15), st.integers(1, 64), st.integers(0, 2)
    return [
        ((column * 16 + draw(part)) / 64, (row * 16 + draw(part)) / 64, draw(side) / 64, draw(side) / 64, draw(kind))
        for column, row in cells
    ]


@settings(deadline=None)
@given(objects_in_cells_of_their_own())
def test_what_is_encoded_is_decoded_exactly(objects):
    (found,) = decode(encoded(*objects, NOTHING), SETTINGS.model_copy(update={"iou_threshold": 1.0}))
    assert sorted(map(tuple, found[:, :5])) == sorted(objects)
    assert (found[:, 5] == 1).all()


def test_two_objects_in_one_cell_are_both_decoded():
    objects = [(0.53125, 0.53125, 0.125, 0.25, 1), (0.703125, 0.703125, 0.25, 0.125, 1)]
    (found,) = decode(encoded(*objects), SETTINGS)
    assert sorted(map(tuple, found[:, :5])) == objects


def test_a_score_is_confidence_times_class_score():
    grid = encoded((0.5, 0.5, 0.1, 0.2, 1)) * 0.8
    (found,) = decode(grid, SETTINGS)
    assert found[:, 5] == pytest.approx([0.64])


def test_boxes_below_the_least_score_are_not_told():
    grid = encoded((0.5, 0.5, 0.1, 0.2, 1), (0.9, 0.1, 0.1, 0.2, 2))
    grid[0, 0, 3] *= 0.5  # scores 0.25
    assert [len(boxes) for boxes in decode(grid, SETTINGS)] == [1]
    assert [len(boxes) for boxes in decode(grid, SETTINGS, LEAST_SCORE)] == [2]


def test_a_box_that_repeats_a_better_one_is_not_told():
    grid = encoded((0.5, 0.5, 0.4, 0.4, 1))
    grid[0, 2, 1] = grid[0, 2, 2]  # the cell to the left: the same box, seen by it at its right edge
    grid[0, 2, 1, 5] = 0.99
    grid[0, 2, 1, 9] = 0.7
    (found,) = decode(grid, SETTINGS)
    assert found[:, 5].tolist() == [1]


def test_each_image_has_its_own_boxes():
    grids = np.concatenate([encoded((0.5, 0.5, 0.1, 0.2, 1)), encoded(NOTHING), encoded((0.1, 0.1, 0.1, 0.2, 2))])
    assert [boxes[:, 4].tolist() for boxes in decode(grids, SETTINGS)] == [[1], [], [2]]


def test_outputs_that_are_not_numbers_tell_nothing():
    (found,) = decode(np.full((1, *GRID.shape), np.nan), SETTINGS)
    assert found.shape == (0, 6)


def test_an_untrained_detector_of_many_boxes_tells_a_bounded_number():
    outputs = np.random.default_rng(0).uniform(0, 1, (1, 32, 32, 4 * 5 + 10)).astype(np.float32)
    (found,) = decode(outputs, DetectorConfig(grid=32, boxes=4), LEAST_SCORE)
    assert len(found) <= 100
