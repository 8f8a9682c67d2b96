"""Boxes and how much they overlap, and the anchors that are typical for many of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Sizes that are kept of a data set for its anchors.
_MOST_SIZES = 200
#: Rounds of k-means; a few hundred boxes settle in ten or so.
_MOST_ROUNDS = 100


def corners(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return boxes (..., 4) as left, top, right, bottom instead of centre x, centre y, width, height."""
    centre, half = boxes[..., :2], boxes[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def centred(edges: NDArray[Any]) -> NDArray[Any]:
    """Return left, top, right, bottom (..., 4) as centre x, centre y, width, height; the inverse of `corners`."""
    low, high = edges[..., :2], edges[..., 2:4]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def overlap(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the intersection over union (IoU) of boxes (..., 4) that are broadcast against each other, shape (...).

    Boxes without an area overlap with nothing.
    """
    a, b = corners(first.astype(np.float64)), corners(second.astype(np.float64))
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = np.prod(np.maximum(sides, 0), axis=-1)
    return _over_union(common, _area(a[..., 2:] - a[..., :2]), _area(b[..., 2:] - b[..., :2]))


def pairwise_overlap(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the IoU of each box (n, 4) with each box (m, 4), shape (n, m)."""
    return overlap(first[:, None, :4], second[None, :, :4])


def size_overlap(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the IoU of sizes (..., 2), width and height, as if the boxes had the same centre."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    return _over_union(np.prod(np.minimum(a, b), axis=-1), _area(a), _area(b))


def anchors(sizes: NDArray[Any], number: int) -> NDArray[np.float64]:
    """Return typical sizes, smallest first, by k-means with the distance 1 - IoU (YOLOv2, Redmon & Farhadi 2017).

    It starts from quantiles of the areas, hence the same sizes give the same anchors.

    Parameters
    ----------
    sizes
        Width and height of objects as shares of the image, (n, 2), n > 0.
    number
        How many anchors, B.

    Returns
    -------
    numpy.ndarray
        (number, 2).
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    by_area = sizes[np.argsort(_area(sizes), kind="stable")]
    means = by_area[((np.arange(number) + 0.5) / number * len(sizes)).astype(int)]
    nearest = np.full(len(sizes), -1)
    for _ in range(_MOST_ROUNDS):
        before, nearest = nearest, np.argmax(size_overlap(sizes[:, None], means[None]), axis=1)
        if np.array_equal(before, nearest):
            break
        means = np.array(
            [sizes[nearest == i].mean(axis=0) if (nearest == i).any() else means[i] for i in range(number)]
        )
    return means[np.argsort(_area(means), kind="stable")]


def typical_sizes(targets: NDArray[Any]) -> tuple[tuple[float, float], ...]:
    """Return `recipes.task.Task.sizes`: widths and heights of the objects of training targets (n, most, 5).

    Of many objects, a few hundred are drawn evenly from the smallest to the largest.
    """
    sizes = targets[targets[..., 4] >= 0][:, 2:4].astype(np.float64)
    by_area = sizes[np.argsort(_area(sizes), kind="stable")]
    drawn = np.linspace(0, len(by_area) - 1, min(len(by_area), _MOST_SIZES)).round().astype(int)
    return tuple((round(float(width), 5), round(float(height), 5)) for width, height in by_area[drawn])


def _area(sizes: NDArray[Any]) -> NDArray[Any]:
    return np.prod(np.maximum(sizes, 0), axis=-1)


def _over_union(common: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    union = first + second - common
    return np.divide(common, union, out=np.zeros(np.shape(union)), where=union > 0)
