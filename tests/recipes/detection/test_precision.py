"""Average precision: worked examples by hand, and the interval over images."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from recipes.detection.precision import COCO_OVERLAPS, average_precision

NOTHING = (0.0, 0.0, 0.0, 0.0, -1.0)
#: Two places that do not overlap.
HERE, THERE = (0.25, 0.25, 0.2, 0.2), (0.75, 0.75, 0.2, 0.2)


def truth(*images: list[tuple[float, ...]], most: int = 3) -> np.ndarray:
    """Return targets of images, each a list of (box, class)."""
    return np.array([[*((*box, kind) for box, kind in image), *[NOTHING] * (most - len(image))] for image in images])


def found(*images: list[tuple[tuple[float, ...], int, float]]) -> list[np.ndarray]:
    """Return found boxes of images, each a list of (box, class, score)."""
    return [np.array([(*box, kind, score) for box, kind, score in image]).reshape(-1, 6) for image in images]


def moved(box: tuple[float, ...], share: float) -> tuple[float, ...]:
    """Return a box moved to the right by a share of its width: the IoU with the first is (1 - share) / (1 + share)."""
    return (box[0] + share * box[2], *box[1:])


def test_all_found_and_nothing_else_is_one():
    result = average_precision(truth([(HERE, 0), (THERE, 1)]), found([(HERE, 0, 0.9), (THERE, 1, 0.2)]))
    assert result.mean == 1
    assert result.per_class == {0: 1, 1: 1}


def test_nothing_found_is_zero():
    assert average_precision(truth([(HERE, 0)]), found([])).mean == 0


def test_what_is_missed_costs_recall():
    # One of two objects found: precision 1 up to recall 1/2, nothing beyond.
    assert average_precision(truth([(HERE, 0), (THERE, 0)]), found([(HERE, 0, 0.9)])).mean == pytest.approx(0.5)


def test_a_wrong_box_costs_only_where_it_comes_before_right_ones():
    objects, wrong = truth([(HERE, 0)]), (0.5, 0.25, 0.1, 0.1)
    assert average_precision(objects, found([(HERE, 0, 0.9), (wrong, 0, 0.8)])).mean == 1
    assert average_precision(objects, found([(HERE, 0, 0.8), (wrong, 0, 0.9)])).mean == pytest.approx(0.5)


def test_a_second_box_of_an_object_is_wrong():
    # By score: right (1/1), duplicate (1/2), right (2/3). Area: 1/2 * 1 + 1/2 * 2/3 = 5/6.
    boxes = found([(HERE, 0, 0.9), (moved(HERE, 0.1), 0, 0.8), (THERE, 0, 0.7)])
    assert average_precision(truth([(HERE, 0), (THERE, 0)]), boxes).mean == pytest.approx(5 / 6)


def test_the_better_scored_of_two_boxes_has_the_object_even_if_it_fits_less():
    boxes = found([(moved(HERE, 0.2), 0, 0.9), (HERE, 0, 0.8)])
    assert average_precision(truth([(HERE, 0)]), boxes).mean == 1


def test_precision_is_raised_to_the_best_at_higher_recall():
    # wrong, right, right: precisions 0, 1/2, 2/3. Raised to 2/3 all along: AP 2/3, not 1/2 * 1/2 + 1/2 * 2/3.
    boxes = found([((0.5, 0.25, 0.1, 0.1), 0, 0.9), (HERE, 0, 0.8), (THERE, 0, 0.7)])
    assert average_precision(truth([(HERE, 0), (THERE, 0)]), boxes).mean == pytest.approx(2 / 3)


def test_scores_are_compared_over_all_images():
    # Image 1: a wrong box at 0.9; image 2: right boxes at 0.95 and 0.5 of three objects in all.
    # By score: right 1/1, wrong 1/2, right 2/3; recall 1/3 and 2/3. Area: 1/3 * 1 + 1/3 * 2/3 = 5/9.
    objects = truth([(HERE, 0)], [(HERE, 0), (THERE, 0)])
    boxes = found([(THERE, 0, 0.9)], [(HERE, 0, 0.95), (THERE, 0, 0.5)])
    assert average_precision(objects, boxes).mean == pytest.approx(5 / 9)


def test_the_right_box_with_the_wrong_class_is_wrong():
    result = average_precision(truth([(HERE, 0), (THERE, 1)]), found([(HERE, 1, 0.9), (THERE, 1, 0.8)]))
    assert result.per_class == {0: 0, 1: pytest.approx(0.5)}
    assert result.mean == pytest.approx(0.25)


def test_classes_without_objects_are_left_out():
    result = average_precision(truth([(HERE, 0)]), found([(HERE, 0, 0.9), (THERE, 5, 0.99)]))
    assert result.per_class == {0: 1}


def test_a_box_must_overlap_by_the_threshold():
    objects, boxes = truth([(HERE, 0)]), found([(moved(HERE, 0.25), 0, 0.9)])  # IoU 0.75 / 1.25 = 0.6
    assert average_precision(objects, boxes, 0.59).mean == 1
    assert average_precision(objects, boxes, 0.61).mean == 0


def test_of_several_overlaps_the_mean_is_told():
    objects, boxes = truth([(HERE, 0)]), found([(moved(HERE, 0.22), 0, 0.9)])  # IoU 0.78 / 1.22 = 0.64
    assert COCO_OVERLAPS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert average_precision(objects, boxes, COCO_OVERLAPS).mean == pytest.approx(0.3)


def test_without_objects_there_is_no_average():
    result = average_precision(truth([]), found([(HERE, 0, 0.9)]))
    assert math.isnan(result.mean)
    assert all(math.isnan(end) for end in result.interval())


def random_case(images: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return objects, most of which are found, somewhat off, some twice, with some boxes that are nothing."""
    rng = np.random.default_rng(seed)
    centres, sizes = rng.uniform(0.2, 0.8, (images, 3, 2)), rng.uniform(0.1, 0.3, (images, 3, 2))
    objects = np.concatenate([centres, sizes, rng.integers(0, 4, (images, 3, 1))], axis=2)
    boxes = []
    for each in objects:
        near = np.repeat(each, 2, axis=0)
        near[:, :4] += rng.normal(0, 0.02, (6, 4))
        boxes.append(np.column_stack([near, rng.uniform(0, 1, 6)])[rng.uniform(size=6) < 0.6])
    return objects, boxes


def by_definition(objects: np.ndarray, boxes: list[np.ndarray], kind: int, least: float) -> float:
    """Return the average precision of a class by a loop over boxes, as the definition reads."""
    ranked = sorted(
        ((box[5], image, box) for image, each in enumerate(boxes) for box in each if box[4] == kind),
        key=lambda item: -item[0],
    )
    total = int((objects[..., 4] == kind).sum())
    had: set[tuple[int, int]] = set()
    right: list[bool] = []
    for _, image, box in ranked:
        shared = [iou(box, target) if target[4] == kind else 0.0 for target in objects[image]]
        best = int(np.argmax(shared))
        right.append(shared[best] >= least and (image, best) not in had)
        if right[-1]:
            had.add((image, best))
    precision = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
    return sum(max(precision[i:]) for i in range(len(right)) if right[i]) / total


def iou(a: np.ndarray, b: np.ndarray) -> float:
    ends = [(box[:2] - box[2:4] / 2, box[:2] + box[2:4] / 2) for box in (a, b)]
    width, height = np.minimum(ends[0][1], ends[1][1]) - np.maximum(ends[0][0], ends[1][0])
    common = max(width, 0) * max(height, 0)
    return float(common / (a[2] * a[3] + b[2] * b[3] - common))


@pytest.mark.parametrize("least", [0.5, 0.7])
def test_the_average_precision_is_that_of_the_definition(least):
    objects, boxes = random_case(30)
    result = average_precision(objects, boxes, least)
    assert result.per_class == pytest.approx({kind: by_definition(objects, boxes, kind, least) for kind in range(4)})
    assert 0.2 < result.mean < 0.9  # an example that could go wrong


def test_the_interval_contains_the_value_and_narrows_with_more_images():
    few, many = (average_precision(*random_case(images)) for images in (25, 400))
    for result in (few, many):
        low, high = result.interval()
        assert low < result.mean < high
    widths = [np.diff(result.interval())[0] for result in (few, many)]
    assert widths[1] < widths[0] / 2  # about a quarter: the square root of 16


def test_the_interval_is_that_of_drawing_images():
    objects, boxes = random_case(40)
    rng = np.random.default_rng(1)
    means = []
    for _ in range(120):
        drawn = rng.integers(0, 40, 40)
        means.append(average_precision(objects[drawn], [boxes[i] for i in drawn]).mean)
    assert average_precision(objects, boxes).interval() == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)


def test_the_interval_follows_from_the_seed_and_widens_with_the_level():
    result = average_precision(*random_case(50))
    assert result.interval(seed=3) == result.interval(seed=3)
    assert result.interval(seed=3) != result.interval(seed=4)
    assert np.diff(result.interval(0.99))[0] > np.diff(result.interval(0.8))[0]


def test_the_interval_fits_in_memory_whatever_the_boxes_and_overlaps():
    objects, boxes = random_case(600)
    boxes = [np.repeat(each, 30, axis=0) for each in boxes]  # some 60,000
    result = average_precision(objects, boxes, COCO_OVERLAPS)
    tracemalloc.start()
    try:
        low, high = result.interval(resamples=130)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert low < result.mean < high
    assert most < 80e6  # bytes: some arrays of 2 million numbers


def test_the_interval_is_the_same_in_one_go_and_in_pieces(monkeypatch):
    result = average_precision(*random_case(40), COCO_OVERLAPS)
    whole = result.interval(resamples=100)
    monkeypatch.setattr("recipes.detection.precision._MOST_NUMBERS", 500)
    assert result.interval(resamples=100) == pytest.approx(whole, rel=1e-12)


def test_the_interval_does_not_compare_boxes_again(monkeypatch):
    result = average_precision(*random_case(20))
    monkeypatch.setattr("recipes.detection.precision.pairwise_overlap", None)
    assert result.interval()[0] < result.mean
