"""Pictures of how a model errs on the test set. Names are text that somebody else wrote: they are drawn as they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from diagnose.renderers.wording import number, printable
from tuners.score import Evaluation

_DPI = 120
#: Longer names lose their middle.
_MOST_NAME = 24
#: Of more classes than this the cells hold no counts, and not every class has its name on the axes.
_MOST_NAMED = 40
#: Points beyond these hide each other.
_MOST_POINTS = 3000
#: Of more targets than this the first ones are drawn.
_MOST_TARGETS = 6
#: Larger numbers than this make an axis overflow.
_LARGEST = 1e150
#: Errors that differ by less, beside their size, are the same.
_ROUNDING = 1e-9
_DARK = 0.5


def confusion_matrix(evaluation: Evaluation, names: Sequence[str], path: Path) -> None:
    """Draw which classes are taken for which: colours are shares of the true class, numbers are samples.

    Parameters
    ----------
    evaluation
        Of a task whose samples have one class each.
    names
        Of the classes.
    path
        The picture, PNG.
    """
    counts = evaluation.confusion
    assert counts is not None, "samples of this task have not one class each"
    classes = len(counts)
    side = min(14.0, 3.4 + 0.42 * classes)
    figure = _figure(side + 1, side)
    axes = figure.add_subplot()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if classes <= _MOST_NAMED:
        size = 10 if classes <= 12 else 7 if classes <= 25 else 6
        for row, column in zip(*np.nonzero(counts), strict=True):
            ink = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, _count(int(counts[row, column])), ha="center", va="center", color=ink, fontsize=size)
    _name_classes(axes, names)
    _plain(axes.set_xlabel("predicted class"))
    _plain(axes.set_ylabel("true class"))
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the true class")
    axes.set_title(f"{evaluation.samples:,} test samples: {_title(evaluation)}", fontsize=11)
    _save(figure, path)


def residuals(predicted: NDArray[Any], y: NDArray[Any], names: Sequence[str], path: Path) -> None:
    """Draw predictions against the truth, and how the errors are distributed, a row for each target.

    Parameters
    ----------
    predicted, y
        (n, targets), in the targets' own units.
    names
        Of the targets; of more than six the first six are drawn.
    path
        The picture, PNG.
    """
    predicted, y = (np.asarray(values, dtype=np.float64).reshape(len(values), -1) for values in (predicted, y))
    shown = min(len(names), _MOST_TARGETS)
    figure = _figure(9, 3.6 * shown)
    grid = figure.subplots(shown, 2, squeeze=False)
    for (left, right), name, found, true in zip(grid, names, predicted.T, y.T, strict=False):
        _scatter(left, found, true, name)
        _histogram(right, found, true, name)
    if shown < len(names):
        figure.suptitle(f"the first {shown} of {len(names)} targets", fontsize=11)
    _save(figure, path)


def _scatter(axes: Axes, found: NDArray[np.float64], true: NDArray[np.float64], name: str) -> None:
    drawable = _drawable(found, true)
    some = np.flatnonzero(drawable)
    step = -(-len(some) // _MOST_POINTS) or 1
    x, y = true[some][::step], found[some][::step]
    axes.scatter(x, y, s=12, alpha=0.5, color="tab:blue", edgecolors="none")
    if len(x):
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        axes.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
    missing = len(found) - len(some)
    title = f"{len(x):,} of {len(found):,} samples" if len(x) < len(found) else f"{len(x):,} samples"
    axes.set_title(title + (f", {missing:,} not finite" if missing else ""), fontsize=10)
    _plain(axes.set_xlabel(f"true {_short(name)}"))
    _plain(axes.set_ylabel(f"predicted {_short(name)}"))


def _histogram(axes: Axes, found: NDArray[np.float64], true: NDArray[np.float64], name: str) -> None:
    drawable = _drawable(found, true)
    errors = found[drawable] - true[drawable]
    if len(errors):
        inside = errors[_is_inside(errors)]
        axes.hist(inside, bins=_bins(inside), color="tab:blue", alpha=0.8)
        beyond = len(errors) - len(inside)
        title = f"mean error {number(float(errors.mean()))}"
        axes.set_title(title + (f", {beyond:,} far beyond" if beyond else ""), fontsize=10)
    axes.axvline(0, color="black", linewidth=0.8, linestyle="--")
    _plain(axes.set_xlabel(f"error of {_short(name)} (predicted - true)"))
    axes.set_ylabel("samples")


def _drawable(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.isfinite(found) & np.isfinite(true) & (np.abs(found) < _LARGEST) & (np.abs(true) < _LARGEST)


def _is_inside(errors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which errors are within Tukey's outer fences: beside one that is far beyond, all others are one bar."""
    first, third = np.quantile(errors, [0.25, 0.75])
    reach = 3 * (third - first) if third - first > _ROUNDING * np.abs(errors).max() else np.inf
    return (errors >= first - reach) & (errors <= third + reach)


def _bins(errors: NDArray[np.float64]) -> int:
    """Return the number of bins: with the square root of the samples, so that outliers do not make millions of them."""
    spread = float(errors.max() - errors.min())
    enough = spread > _ROUNDING * float(np.abs(errors).max())
    return int(np.clip(np.sqrt(len(errors)), 5, 60)) if enough else 1


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // _MOST_NAMED)
    places = list(range(0, len(names), step))
    labels = [_short(names[place]) for place in places]
    size = 10 if len(names) <= 12 else 8 if len(names) <= 25 else 7
    axes.set_xticks(places, labels, rotation=45, ha="right", rotation_mode="anchor", fontsize=size, parse_math=False)
    axes.set_yticks(places, labels, fontsize=size, parse_math=False)


def _short(name: str) -> str:
    name = printable(name).strip() or "(empty)"
    if len(name) <= _MOST_NAME:
        return name
    half = _MOST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def _plain(text: Text) -> None:
    """Draw text as it is: a pair of dollar signs would begin a formula."""
    text.set_parse_math(False)


def _count(value: int) -> str:
    return str(value) if value < 10_000 else f"{value / 1000:.0f}k"


def _title(evaluation: Evaluation) -> str:
    score = evaluation.main
    return f"{score.metric} {number(score.value)}" if score.is_known else f"{score.metric} {score.method}"


def _figure(width: float, height: float) -> Figure:
    """Return a figure of its own: pyplot would keep it, and ask for a screen."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)  # shown as an empty box
        figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.1)
