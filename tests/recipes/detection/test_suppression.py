"""Non-maximum suppression: of boxes that tell the same object, the best one stays."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.detection.boxes import centred
from recipes.detection.suppression import suppress

#: Three boxes in a row, each shifted by a quarter of its width: the overlap of neighbours is 0.6, of the ends 1 / 3.
ROW = centred(np.array([[0, 0, 4, 4], [1, 0, 5, 4], [2, 0, 6, 4]]) / 8)


def found(scores: list[float], kinds: list[int] | None = None) -> np.ndarray:
    return np.column_stack([ROW[: len(scores)], kinds or [0] * len(scores), scores])


def scores_kept(boxes: np.ndarray, iou_threshold: float = 0.5, most: int = 100) -> list[float]:
    return suppress(boxes, iou_threshold, most)[:, 5].tolist()


def test_the_better_of_two_boxes_stays():
    assert scores_kept(found([0.6, 0.9])) == [0.9]


def test_boxes_of_other_classes_stay():
    assert scores_kept(found([0.6, 0.9], [1, 0])) == [0.9, 0.6]


def test_boxes_that_overlap_little_stay():
    assert scores_kept(found([0.6, 0.9]), iou_threshold=0.7) == [0.9, 0.6]


def test_a_box_that_went_takes_no_other_with_it():
    # The one in the middle goes because of the first; the last overlaps only the one in the middle too much.
    assert scores_kept(found([0.9, 0.8, 0.7])) == [0.9, 0.7]


def test_the_best_one_takes_both_neighbours():
    assert scores_kept(found([0.8, 0.9, 0.7])) == [0.9]


def test_exactly_the_threshold_is_not_above_it():
    two = np.column_stack([centred(np.array([[0, 0, 4, 4], [0, 0, 4, 2]]) / 8), [0, 0], [0.9, 0.8]])
    assert scores_kept(two, iou_threshold=0.5) == [0.9, 0.8]
    assert scores_kept(two, iou_threshold=0.49) == [0.9]


def test_boxes_come_best_first_and_no_more_than_wanted():
    assert scores_kept(found([0.2, 0.9, 0.5], [0, 1, 2]), most=2) == [0.9, 0.5]


def test_nothing_found_stays_nothing():
    assert suppress(np.empty((0, 6)), 0.5, 100).shape == (0, 6)


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_is_what_the_definition_says(seed):
    rng = np.random.default_rng(seed)
    boxes = np.column_stack(
        [rng.uniform(0.3, 0.7, (60, 2)), rng.uniform(0.1, 0.5, (60, 2)), rng.integers(0, 2, 60), rng.uniform(0, 1, 60)]
    )
    kept: list[np.ndarray] = []
    for box in sorted(boxes, key=lambda box: -box[5]):
        if all(other[4] != box[4] or shared(other, box) <= 0.4 for other in kept):
            kept.append(box)
    assert suppress(boxes, 0.4, 100) == pytest.approx(np.array(kept))


def shared(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union, written out."""
    sides = [
        min(first[i] + first[i + 2] / 2, second[i] + second[i + 2] / 2)
        - max(first[i] - first[i + 2] / 2, second[i] - second[i + 2] / 2)
        for i in (0, 1)
    ]
    common = max(sides[0], 0) * max(sides[1], 0)
    return common / (first[2] * first[3] + second[2] * second[3] - common)
