"""Average precision of found objects, with an interval over images.

As PASCAL VOC defines it since 2010 (Everingham et al. 2015): the found boxes of a class, over all images, are taken by
falling score. A box is right if it overlaps the object of its class that it overlaps most, in its image, by at least
the threshold, and no better box had that object before; every other box is wrong. The average precision is the area
under precision as a function of recall, after each precision is raised to the largest one at the same or a higher
recall (all points, not eleven).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.detection.boxes import pairwise_overlap

#: Overlaps over which COCO averages: 0.5, 0.55, ..., 0.95.
COCO_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
#: Numbers, resamples × boxes or × images, in an array that is worked on at once: 16 MB of float64.
_MOST_NUMBERS = 2_000_000


@dataclass(frozen=True)
class _Class:
    """What was found of one class, best first."""

    #: Image of each found box, (k,); of each overlap the rows of those that are right, ascending.
    images: NDArray[np.int64]
    right: tuple[NDArray[np.int64], ...]
    #: Objects of the class in each image, (n,).
    objects: NDArray[np.int64]

    def precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (r,) average precisions, mean over overlaps, for weights of the images (r, n); NaN: no objects."""
        seen = np.cumsum(weights[:, self.images], axis=1)
        area = np.mean([self._area(weights, seen, right) for right in self.right], axis=0)
        total = weights @ self.objects
        return np.divide(area, total, out=np.full(len(weights), np.nan), where=total > 0)

    def _area(
        self, weights: NDArray[np.float64], seen: NDArray[np.float64], right: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return (r,) areas, in objects, for the boxes seen up to each box (r, k) and the rows of those that are right.

        Between right boxes precision only falls, and no recall is gained: only the right ones count.
        """
        gained = weights[:, self.images[right]]
        seen = seen[:, right]
        precision = np.divide(np.cumsum(gained, axis=1), seen, out=np.zeros_like(seen), where=seen > 0)
        raised = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(np.sum(raised * gained, axis=1))


@dataclass(frozen=True)
class AveragePrecision:
    """How well objects were found.

    Parameters
    ----------
    mean
        mAP: mean over the classes that have objects; of several overlaps, over those too. NaN where there is no object.
    per_class
        Index of the class -> average precision. Classes without objects are not in it, and boxes of them cost nothing.
    images
        How many there are.
    """

    mean: float
    per_class: dict[int, float]
    images: int
    _classes: tuple[_Class, ...] = field(repr=False)

    def interval(self, level: float = 0.95, seed: int = 0, resamples: int = 1000) -> tuple[float, float]:
        """Return the bootstrap interval of the mean (percentile method): images are drawn with replacement.

        Parameters
        ----------
        level
            Share of the resamples that lie inside.
        seed
            Draws the resamples.
        resamples
            How many.
        """
        if not self._classes:
            return (np.nan, np.nan)
        rng, chances = np.random.default_rng(seed), np.full(self.images, 1 / self.images)
        chunk = max(1, _MOST_NUMBERS // max(self.images, *(len(of.images) for of in self._classes)))
        means = [
            _mean(self._classes, rng.multinomial(self.images, chances, min(chunk, resamples - done)).astype(np.float64))
            for done in range(0, resamples, chunk)
        ]
        low, high = np.nanquantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def average_precision(
    truth: NDArray[Any], found: Sequence[NDArray[Any]], iou: float | Sequence[float] = 0.5
) -> AveragePrecision:
    """Return the average precision of found objects.

    Parameters
    ----------
    truth
        (n, most, 5): centre x, centre y, width, height, class or -1.
    found
        Of each of the n images (k, 6): centre x, centre y, width, height, class, score; as `grid.decode` gives them
        with a low threshold (`grid.LEAST_SCORE`).
    iou
        Least overlap of a right box; of several, the mean is told: `COCO_OVERLAPS`.
    """
    overlaps = np.atleast_1d(np.asarray(iou, dtype=np.float64))
    kinds = np.unique(truth[..., 4][truth[..., 4] >= 0]).astype(int)
    matches = _matches(truth, found)
    classes = tuple(_class(truth, matches, kind, overlaps) for kind in kinds)
    once = np.ones((1, len(truth)))
    per_class = {int(kind): float(of.precision(once)[0]) for kind, of in zip(kinds, classes, strict=True)}
    mean = float(np.mean(list(per_class.values()))) if per_class else np.nan
    return AveragePrecision(mean, per_class, len(truth), classes)


def _matches(truth: NDArray[Any], found: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return for each found box, best first: image, class, score, row of its object in the truth, IoU with it (k, 5).

    The object is the one of its class in its image that it overlaps most; where there is none, the IoU is 0.
    """
    rows = []
    for image, (objects, each) in enumerate(zip(truth, found, strict=True)):
        shared = pairwise_overlap(each, objects) * (each[:, None, 4] == objects[None, :, 4])
        best = np.argmax(shared, axis=1) if objects.size else np.zeros(len(each), dtype=int)
        most = shared.max(axis=1, initial=0)
        rows.append(np.column_stack([np.full(len(each), image), each[:, 4], each[:, 5], best, most]))
    matches = np.concatenate(rows) if rows else np.empty((0, 5))
    return matches[np.argsort(-matches[:, 2], kind="stable")]


def _class(truth: NDArray[Any], matches: NDArray[np.float64], kind: int, overlaps: NDArray[np.float64]) -> _Class:
    of_class = matches[matches[:, 1] == kind]
    images = of_class[:, 0].astype(np.int64)
    objects = images * truth.shape[1] + of_class[:, 3].astype(np.int64)
    right = []
    for least in overlaps:
        close = np.flatnonzero(of_class[:, 4] >= max(least, np.finfo(float).tiny))
        _, first = np.unique(objects[close], return_index=True)  # an object is found once, by the best box
        right.append(np.sort(close[first]))
    return _Class(images, tuple(right), (truth[..., 4] == kind).sum(axis=1))


def _mean(classes: Sequence[_Class], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mAP for each row of weights: the mean over the classes that the drawn images have."""
    each = np.stack([of.precision(weights) for of in classes])
    count = np.isfinite(each).sum(axis=0)
    return np.divide(np.nansum(each, axis=0), count, out=np.full(len(weights), np.nan), where=count > 0)
