"""Pictures of what a detector found beside what there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

#: Colours of Okabe & Ito 2008, which people with any colour vision tell apart, on dark and on light images.
_TRUTH, _FOUND = "#009E73", "#E69F00"
_COLUMNS = 4
_LONGEST_NAME = 20


def picture(
    images: NDArray[Any],
    truth: NDArray[Any],
    found: Sequence[NDArray[Any]],
    names: Sequence[str],
    path: str | Path,
    limits: tuple[float, float] = (0, 255),
) -> None:
    """Write a PNG of images with the objects in them (dashed) and the boxes that were found (with class and score).

    Parameters
    ----------
    images
        (n, height, width, 1 or 3); a dozen fits on a page.
    truth
        (n, most, 5), as `recipes.task.Task` says.
    found
        Of each image (k, 6): centre x, centre y, width, height, class, score.
    names
        Of the classes.
    path
        The file.
    limits
        Values of black and white.
    """
    columns = min(_COLUMNS, max(1, len(images)))
    rows = max(1, math.ceil(len(images) / columns))
    figure = Figure(figsize=(3 * columns, 3 * rows + 0.5), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, objects, boxes in zip(cells, images, truth, found, strict=False):
        _draw(axes, image, limits)
        for x, y, w, h, kind in objects[objects[:, 4] >= 0]:
            _box(axes, image.shape, (x, y, w, h), _TRUTH, dashed=True)
            _label(axes, image.shape, (x - w / 2, y + h / 2), names[int(kind)], _TRUTH, "top")
        for x, y, w, h, kind, score in boxes:
            _box(axes, image.shape, (x, y, w, h), _FOUND)
            text = f"{names[int(kind)][:_LONGEST_NAME]} {score:.2f}"
            _label(axes, image.shape, (x - w / 2, y - h / 2), text, _FOUND, "bottom")
    handles = [
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=_TRUTH, linestyle="--", label="truth"),
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=_FOUND, label="found, with score"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, format="png", dpi=100)


def _draw(axes: Axes, image: NDArray[Any], limits: tuple[float, float]) -> None:
    low, high = limits
    shown = np.clip((image.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
    axes.imshow(shown[..., 0] if shown.shape[-1] == 1 else shown[..., :3], cmap="gray", vmin=0, vmax=1)


def _box(
    axes: Axes, shape: tuple[int, ...], box: tuple[float, float, float, float], colour: str, dashed: bool = False
) -> None:
    x, y, w, h = box
    left, top = _pixels(shape, x - w / 2, y - h / 2)
    style = "--" if dashed else "-"
    axes.add_patch(
        Rectangle((left, top), w * shape[1], h * shape[0], fill=False, edgecolor=colour, linestyle=style, linewidth=1.3)
    )


def _label(
    axes: Axes, shape: tuple[int, ...], corner: tuple[float, float], text: str, colour: str, below_or_above: str
) -> None:
    # A name is shown as it is: `$` does not start a formula.
    axes.text(
        *_pixels(shape, *corner), text, color=colour, fontsize=8, va=below_or_above, parse_math=False, clip_on=True
    )


def _pixels(shape: tuple[int, ...], x: float, y: float) -> tuple[float, float]:
    """Return a place in the coordinates of imshow, where pixel centres are whole numbers."""
    return float(x * shape[1] - 0.5), float(y * shape[0] - 0.5)
