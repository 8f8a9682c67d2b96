"""A picture of what augmentation makes of training images: look at it before you train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recipes.config import Config
from recipes.data.augmentation import augmenter
from recipes.data.base import Data
from recipes.errors import ConfigError
from recipes.task import Inputs, Kind, Task

#: Of an image in the sheet.
_INCHES = 1.1
_LONGEST_LABEL = 24


def augmentation_sheet(data: Data, config: Config, path: str | Path, samples: int = 8, variants: int = 7) -> Path:
    """Draw training images, one a row, and beside each what augmentation makes of it.

    Parameters
    ----------
    data
        Of images.
    config
        With ``data.augmentation`` and what goes with it; ``training.seed`` draws the variants.
    path
        Of the PNG file.
    samples, variants
        Rows, at most as many as there are training samples, and variants in each. The rows are spread over the classes.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        The inputs are no images, or may not be augmented like this.
    """
    facts = data.facts
    if facts.inputs.kind != "image":
        raise ConfigError(f"{facts.name} has {facts.inputs.kind} inputs; a sheet of augmentation is for images")
    augment = augmenter(config, facts)
    chosen = _spread(data.train.y, facts.task, min(samples, len(data.train)))
    images = data.train.inputs(chosen)
    columns = [images, *(augment(images, (config.training.seed, number)) for number in range(variants))]

    figure = Figure(figsize=(_INCHES * len(columns), 0.4 + 1.25 * _INCHES * len(chosen)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(facts.name, config), fontsize=9, parse_math=False)
    axes = figure.subplots(len(chosen), len(columns), squeeze=False)
    for row, index in enumerate(chosen):
        for column, variant in enumerate(columns):
            _draw(axes[row, column], variant[row], facts.inputs)
        axes[row, 0].set_title(_label(data.train.y[index], facts.task), fontsize=8, loc="left", parse_math=False)
    path = Path(path)
    figure.savefig(path, format="png", dpi=100)
    return path


def _spread(y: NDArray[Any], task: Task, count: int) -> NDArray[np.int64]:
    """Return the numbers of samples that are evenly spread, over the classes where each has one."""
    order = np.argsort(y, kind="stable") if task.kind.is_classification else np.arange(len(y))
    places = (np.arange(count) + 0.5) * len(order) / count
    return order[places.astype(np.int64)].astype(np.int64)


def _title(name: str, config: Config) -> str:
    families = ", ".join(config.data.augmentation_families)
    return f"{name}: the image, and with augmentation of strength {config.data.augmentation:.2g} ({families})"


def _draw(axes: Axes, image: NDArray[Any], inputs: Inputs) -> None:
    unit = np.clip((image.astype(np.float64) - inputs.low) / ((inputs.high - inputs.low) or 1.0), 0, 1)
    axes.imshow(unit[..., :3] if unit.shape[-1] >= 3 else unit[..., 0], cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()


def _label(target: Any, task: Task) -> str:
    """Return what is to be predicted, in a few words."""
    if task.kind.is_classification:
        words = task.names[int(target)]
    elif task.kind is Kind.MULTILABEL:
        words = ", ".join(name for name, has in zip(task.names, target, strict=True) if has) or "no label"
    elif task.kind is Kind.DETECTION:
        words = ", ".join(task.names[int(box[4])] for box in target if box[4] >= 0) or "no object"
    else:
        words = ", ".join(f"{name} {value:.4g}" for name, value in zip(task.names, target, strict=True))
    words = " ".join(words.split())
    return words if len(words) <= _LONGEST_LABEL else words[: _LONGEST_LABEL - 1] + "…"
