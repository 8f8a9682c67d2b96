"""The grid S x S x (B * 5 + C) that a detector gives: encoding of objects as its target, decoding of its output.

Each cell has B boxes of five values and C class scores::

    x, y, w, h, confidence   of box 1, ..., of box B        score of class 1, ..., of class C

x and y are the centre within the cell, from 0 at its left or upper edge to 1; w and h are shares of the image. The cell
that holds an object's centre is responsible for it, and in it the box whose anchor fits the object's size best. The
class scores belong to the cell (YOLO, Redmon et al. 2016; anchors from YOLOv2): objects of two classes with their
centres in one cell share them, and more than B objects in one cell cannot be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.config import DetectorConfig
from recipes.detection import boxes, suppression

#: Values of a box: x, y, w, h, confidence.
VALUES = 5
#: Below this score a box adds nothing to an average precision that anyone would see.
LEAST_SCORE = 0.01
#: Boxes of an image that are kept, the best ones; as in the COCO evaluation.
MOST_BOXES = 100


@dataclass(frozen=True)
class Grid:
    """Layout of a detector's output.

    Parameters
    ----------
    cells
        S: cells along each side.
    boxes
        B: boxes in a cell.
    classes
        C: classes of objects.

    Examples
    --------
    >>> Grid(cells=7, boxes=2, classes=20).shape
    (7, 7, 30)
    """

    cells: int
    boxes: int
    classes: int

    @property
    def channels(self) -> int:
        """Values of a cell: B * 5 + C."""
        return self.boxes * VALUES + self.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the output for one image: (S, S, B * 5 + C)."""
        return (self.cells, self.cells, self.channels)


def encode(targets: NDArray[Any], grid: Grid, anchors: NDArray[Any]) -> NDArray[np.float32]:
    """Return the output that a perfect detector gives.

    Parameters
    ----------
    targets
        (n, most, 5): centre x, centre y, width, height as shares of the image, index of the class or -1.
    grid
        Layout of the output.
    anchors
        Sizes of the B boxes as shares of the image, (B, 2).

    Returns
    -------
    numpy.ndarray
        (n, S, S, B * 5 + C). Confidence is 1 for a box that is responsible for an object; what is responsible for none
        is 0. Class scores are 1 for the class of the cell's object; several classes have the same share each. Of more
        than B objects in a cell the first ones are kept.
    """
    n, most = targets.shape[:2]
    found = np.zeros((n, grid.cells, grid.cells, grid.boxes, VALUES), dtype=np.float32)
    classes = np.zeros((n, grid.cells, grid.cells, grid.classes), dtype=np.float32)
    for which in range(most):
        image = np.flatnonzero(targets[:, which, 4] >= 0)
        box = targets[image, which].astype(np.float64)
        place = box[:, :2] * grid.cells
        column, row = np.minimum(place.astype(int), grid.cells - 1).T  # a centre at 1 is in the last cell
        fit = boxes.size_overlap(box[:, None, 2:4], anchors[None])
        fit[found[image, row, column, :, 4] > 0] = -1
        best = np.argmax(fit, axis=1)
        is_free = fit.max(axis=1) >= 0
        image, row, column, best, box, place = (of[is_free] for of in (image, row, column, best, box, place))
        within = place - np.stack([column, row], axis=1)
        found[image, row, column, best] = np.column_stack([within, box[:, 2:4], np.ones(len(box))])
        classes[image, row, column, box[:, 4].astype(int)] += 1
    classes /= np.maximum(classes.sum(axis=-1, keepdims=True), 1)
    return np.concatenate([found.reshape(*classes.shape[:3], -1), classes], axis=-1)


def decode(
    outputs: NDArray[Any], settings: DetectorConfig, least_score: float | None = None
) -> list[NDArray[np.float64]]:
    """Return the objects that outputs tell, best first, without boxes that repeat a better one.

    Parameters
    ----------
    outputs
        (n, S, S, B * 5 + C), from a detector or `encode`.
    settings
        The number of boxes B, the overlap from which on the weaker of two boxes of a class goes, and the least score
        that is shown.
    least_score
        Another least score, confidence times class score: a person wants few boxes that are right, an average precision
        wants them all (`LEAST_SCORE`).

    Returns
    -------
    list of numpy.ndarray
        Of each image (k, 6): centre x, centre y, width, height as shares of the image, index of the class, score; k is
        at most `MOST_BOXES`.
    """
    threshold = settings.score_threshold if least_score is None else least_score
    return [
        suppression.suppress(_candidates(output, settings.boxes, threshold), settings.iou_threshold, MOST_BOXES)
        for output in outputs
    ]


def _candidates(output: NDArray[Any], boxes_of_cell: int, threshold: float) -> NDArray[np.float64]:
    """Return each box with each class of one output (S, S, B * 5 + C) that scores enough, (k, 6)."""
    cells = len(output)
    values = output[..., : boxes_of_cell * VALUES].reshape(cells, cells, boxes_of_cell, VALUES).astype(np.float64)
    scores = values[..., 4, None] * output[..., None, boxes_of_cell * VALUES :]
    row, column, box, kind = np.nonzero((scores >= threshold) & (scores > 0))
    x, y, w, h, _ = values[row, column, box].T
    return np.column_stack([(column + x) / cells, (row + y) / cells, w, h, kind, scores[row, column, box, kind]])
