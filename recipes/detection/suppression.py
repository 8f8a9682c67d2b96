"""Non-maximum suppression: of boxes that tell the same object, the best one stays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.detection.boxes import pairwise_overlap

#: Boxes of an image that are compared, the best ones: what an untrained detector gives must not fill the memory.
_MOST_COMPARED = 1000


def suppress(found: NDArray[Any], iou_threshold: float, most: int) -> NDArray[np.float64]:
    """Return boxes, best first, without those that overlap a better box of their class.

    Parameters
    ----------
    found
        (k, 6): centre x, centre y, width, height, class, score.
    iou_threshold
        A box goes if its IoU with a better one that stays is above.
    most
        How many boxes may stay.
    """
    found = found[np.argsort(-found[:, 5], kind="stable")][:_MOST_COMPARED]
    repeats = (pairwise_overlap(found, found) > iou_threshold) & (found[:, None, 4] == found[None, :, 4])
    is_left = np.ones(len(found), dtype=bool)
    kept: list[int] = []
    for box in range(len(found)):
        if is_left[box]:
            kept.append(box)
            is_left &= ~repeats[box]
            if len(kept) == most:
                break
    return found[kept].astype(np.float64)
