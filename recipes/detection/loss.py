"""Loss and metric of a detector: its output S x S x (B * 5 + C) against the grid that the objects are encoded as."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recipes.detection.grid import VALUES

#: Weights of YOLO (Redmon et al. 2016): boxes count more, the many boxes that hold nothing less.
COORDINATES, EMPTY = 5.0, 0.5


@keras.saving.register_keras_serializable("kerasdx")
class GridLoss(keras.losses.Loss):
    r"""What a detector is trained by: boxes, confidence and class of what each cell is responsible for.

    Parameters
    ----------
    boxes
        B: boxes in a cell.
    coordinates
        :math:`\lambda_{coord}`, weight of place and size.
    empty
        :math:`\lambda_{noobj}`, weight of a box that is responsible for nothing.
    name, reduction, dtype
        As of `keras.losses.Loss`.

    Notes
    -----
    For one image, with the sums over its boxes R that are responsible for an object, the other boxes E, and the cells K
    that hold an object's centre:

    .. math::

        \lambda_{coord} \sum_R \left[ (x - \hat x)^2 + (y - \hat y)^2
            + (\sqrt w - \sqrt{\hat w})^2 + (\sqrt h - \sqrt{\hat h})^2 \right]
        - \sum_R \ln \hat c - \lambda_{noobj} \sum_E \ln (1 - \hat c) - \sum_K \sum_k p_k \ln \hat p_k

    Places, sizes and weights are those of YOLO (Redmon et al. 2016, eq. 3); confidence and class are judged by
    cross-entropy, as since YOLOv3 (Redmon & Farhadi 2018), which does not stand still where a sigmoid is wrong and
    sure. What is responsible for nothing has no place, size or class to miss.
    """

    def __init__(
        self,
        boxes: int,
        coordinates: float = COORDINATES,
        empty: float = EMPTY,
        name: str = "grid_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.boxes = boxes
        self.coordinates = coordinates
        self.empty = empty

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each image, (batch,), from grids (batch, S, S, B * 5 + C)."""
        truth, classes = _parts(y_true, self.boxes)
        found, scores = _parts(y_pred, self.boxes)
        is_responsible = truth[..., 4]
        places = ops.sum(ops.square(truth[..., :2] - found[..., :2]), axis=-1)
        sizes = ops.sum(ops.square(_root(truth[..., 2:4]) - _root(found[..., 2:4])), axis=-1)
        present, absent = -_log(found[..., 4]), -_log(1 - found[..., 4])
        of_boxes = is_responsible * (self.coordinates * (places + sizes) + present)
        of_boxes += (1 - is_responsible) * self.empty * absent
        of_cells = -ops.sum(classes * _log(scores), axis=-1)
        return ops.sum(of_boxes, axis=(1, 2, 3)) + ops.sum(of_cells, axis=(1, 2))

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same loss again."""
        config = super().get_config()
        return {**config, "boxes": self.boxes, "coordinates": self.coordinates, "empty": self.empty}


@keras.saving.register_keras_serializable("kerasdx")
class BoxOverlap(keras.metrics.Metric):
    """Mean IoU of the boxes that are responsible for an object with that object; 0 where there is no object.

    Parameters
    ----------
    boxes
        B: boxes in a cell.
    name, dtype
        As of `keras.metrics.Metric`.
    """

    def __init__(self, boxes: int, name: str = "box_iou", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.boxes = boxes
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002 Keras' signature
        """Add the objects of a batch, grids (batch, S, S, B * 5 + C)."""
        (truth, _), (found, _) = (_parts(ops.cast(grid, self.dtype), self.boxes) for grid in (y_true, y_pred))
        cells = truth.shape[1]
        (low, high), (other_low, other_high) = (_edges(boxes, cells) for boxes in (truth, found))
        sides = ops.maximum(ops.minimum(high, other_high) - ops.maximum(low, other_low), 0)
        common = ops.prod(sides, axis=-1)
        union = ops.prod(high - low, axis=-1) + ops.prod(other_high - other_low, axis=-1) - common
        is_responsible = truth[..., 4]
        self.total.assign_add(ops.sum(is_responsible * common / ops.maximum(union, keras.config.epsilon())))
        self.count.assign_add(ops.sum(is_responsible))

    def result(self) -> Any:
        """Return the mean over all objects so far."""
        return ops.divide_no_nan(self.total, self.count)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same metric again."""
        return {**super().get_config(), "boxes": self.boxes}


def _parts(grid: Any, boxes: int) -> tuple[Any, Any]:
    """Return the boxes (batch, S, S, B, 5) and the class scores (batch, S, S, C) of a grid."""
    rows, columns = grid.shape[1:3]
    return ops.reshape(grid[..., : boxes * VALUES], (-1, rows, columns, boxes, VALUES)), grid[..., boxes * VALUES :]


def _edges(boxes: Any, cells: int) -> tuple[Any, Any]:
    """Return upper left and lower right corners, in shares of the image, seen from the cell's corner."""
    centre, half = boxes[..., :2] / cells, boxes[..., 2:4] / 2
    return centre - half, centre + half


def _root(x: Any) -> Any:
    """Return the square root; its slope at 0 is 0 instead of infinite."""
    return ops.sqrt(ops.maximum(x, keras.config.epsilon()))


def _log(x: Any) -> Any:
    """Return the logarithm, kept finite; nothing is left to gain within Keras' epsilon of 0 and 1."""
    return ops.log(ops.clip(x, keras.config.epsilon(), 1 - keras.config.epsilon()))
