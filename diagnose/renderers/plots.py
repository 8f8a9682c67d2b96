"""Data for the plots of a run: which curves, thinned out to the drawing, on which scale, with which marks.

Nothing is drawn here; `braille` and `svg` draw.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding import Evidence, Interval, LayerTable, Point, Severity
from diagnose.renderers.outline import flatten, outline
from diagnose.report import RunReport
from diagnose.run import Direction, FloatArray, LayerStatistic, Run, Series, Split

#: A quantity that improves downwards is drawn on a logarithmic scale where it spans more than this.
LOG_RATIO = 100.0
#: Beyond this a difference of two values may overflow; no curve is readable there anyway.
_HUGE = 1e300
#: An axis may be lengthened by this share of its range to end on a round number.
_ROUND_OUT = 0.08
#: Layer statistics that are norms or ratios of norms: they are told apart by orders of magnitude.
_NORMS = frozenset({"grad_norm", "grad_norm_max", "weight_norm", "update_ratio"})
#: The same, from the statistic that tells most to the one that tells least.
_STATISTIC_ORDER = (
    "grad_norm", "dead_fraction", "update_ratio", "saturated_fraction", "weight_norm", "grad_norm_max",
    "duplicate_fraction",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """One axis: its ends, whether it is logarithmic, and the round numbers on it."""

    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def position(self, values: FloatArray) -> FloatArray:
        """Return where values lie between the ends: 0 at `low`, 1 at `high`; NaN stays NaN."""
        values = np.clip(values, self.low, self.high)
        if self.log:
            return np.asarray((np.log(values) - math.log(self.low)) / self._decades)
        return np.asarray((values - self.low) / (self.high - self.low))

    @property
    def _decades(self) -> float:
        """The length of a logarithmic axis, which the ratio of its ends may be too large to tell."""
        return math.log(self.high) - math.log(self.low)

    def at(self, position: float) -> float:
        """Return the value at a position between 0 and 1."""
        if self.log:
            return math.exp(math.log(self.low) + self._decades * position)
        return self.low + (self.high - self.low) * position


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a plot; NaN where the run logged no finite number."""

    name: str
    split: Split
    epochs: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Mark:
    """A finding on the time axis; `number` is its number in the outline of the report."""

    number: int
    epoch: float
    label: str
    severity: Severity


@dataclass(frozen=True, eq=False)
class Plot:
    """Everything needed to draw one quantity of a run.

    Parameters
    ----------
    title
        The canonical name of the quantity, with the output that it belongs to.
    axis
        What x counts: ``epoch`` or ``step``.
    curves
        Training first.
    x, y
        The scales.
    marks
        The findings to be marked, in the order of their epochs.
    restarts
        Epochs at which the training was taken up again.
    best
        Epoch and value of the best epoch, where it was judged by one of these curves.
    """

    title: str
    axis: str
    curves: tuple[Curve, ...]
    x: Scale
    y: Scale
    marks: tuple[Mark, ...] = ()
    restarts: tuple[float, ...] = ()
    best: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class HeatMap:
    """One layer statistic over the epochs.

    Parameters
    ----------
    statistic
        Its name.
    axis
        What the columns count.
    layers
        L names, input first.
    epochs
        Shape (E,); the first epoch of each column.
    values
        Shape (L, E); NaN where nothing was sampled.
    scale
        The colour scale; on a logarithmic one a value of 0 lies below its low end.
    concerned
        The layers that findings name.
    """

    statistic: str
    axis: str
    layers: tuple[str, ...]
    epochs: FloatArray
    values: FloatArray
    scale: Scale
    concerned: frozenset[str]


def plots(report: RunReport, *, points: int, limit: int) -> tuple[Plot, ...]:
    """Return the plots of a run, the most telling first.

    Parameters
    ----------
    report
        The diagnosis.
    points
        The most points that a curve of the drawing can show.
    limit
        The most plots wanted.
    """
    drawn: list[Plot] = []
    for group in _groups(report):
        plot = _plot(report, group, points)
        if plot is not None:
            drawn.append(plot)
        if len(drawn) == limit:
            break
    marks = _distribute_marks(report, drawn)
    return tuple(dataclasses.replace(p, marks=tuple(m)) for p, m in zip(drawn, marks, strict=True))


def count_plots(report: RunReport) -> int:
    """Return how many plots there would be without a limit."""
    return len(_groups(report))


def _groups(report: RunReport) -> list[list[Series]]:
    """Return the curves that belong into one plot each: a quantity of an output, on every split."""
    run = report.run
    groups: dict[tuple[str, str], list[Series]] = {}
    for series in run.series:
        if series.direction is not None or (series.quantity == "learning_rate" and _varies(series)):
            groups.setdefault((series.quantity, series.output), []).append(series)
    named = {name for f in report.findings for name in map(_series_name, f.evidence)}
    main = next((s.quantity for s in (run.get("val_metric"), run.get("metric")) if s is not None), "")

    def order(group: list[Series]) -> tuple[bool, bool, bool, bool]:
        first = group[0]
        return (
            not (first.is_loss and not first.output),
            not any(s.name in named for s in group),
            first.quantity != main or bool(first.output),
            not first.is_loss,
        )

    splits = list(Split)
    return [sorted(g, key=lambda s: splits.index(s.split)) for g in sorted(groups.values(), key=order)]


def _varies(series: Series) -> bool:
    finite = series.values[np.isfinite(series.values)]
    return bool(finite.size) and bool(finite.min() < finite.max())


def _series_name(item: Evidence) -> str:
    return item.series if isinstance(item, Point | Interval) else ""


def _distribute_marks(report: RunReport, drawn: Sequence[Plot]) -> list[list[Mark]]:
    """Return the marks of each plot: a finding stands on the curves of its evidence, else on the first."""
    marked: list[list[Mark]] = [[] for _ in drawn]
    for entry in flatten(outline(report.findings)):
        finding = entry.finding
        if finding.epoch is None or not drawn:
            continue
        mark = Mark(entry.number, finding.epoch, finding.check, finding.severity)
        named = {_series_name(e) for e in finding.evidence}
        on = [i for i, plot in enumerate(drawn) if any(c.name in named for c in plot.curves)]
        for i in on or [0]:
            if drawn[i].x.low <= mark.epoch <= drawn[i].x.high:
                marked[i].append(mark)
    return [sorted(marks, key=lambda m: m.epoch) for marks in marked]


def _plot(report: RunReport, group: Sequence[Series], points: int) -> Plot | None:
    """Return the plot of a group of curves, without marks; None where no line can be drawn."""
    run = report.run
    curves = tuple(curve(s, points) for s in group if len(s))
    x = _time_scale(curves)
    y = value_scale(curves, logarithmic=group[0].direction != Direction.HIGHER)
    if x is None or y is None:
        return None
    best = report.best
    return Plot(
        title=_title(group[0]),
        axis=run.axis,
        curves=curves,
        x=x,
        y=y,
        restarts=tuple(e for e in run.restarts if x.low < e < x.high),
        best=(best.epoch, best.value) if best and best.metric in {s.name for s in group} else None,
    )


def overlay(title: str, named: Sequence[tuple[str, Series]], *, axis: str, points: int) -> Plot | None:
    """Return one curve of each run in one plot, under the run's name; None where no line can be drawn."""
    curves = tuple(dataclasses.replace(curve(s, points), name=name) for name, s in named)
    x = _time_scale(curves)
    y = value_scale(curves, logarithmic=named[0][1].direction != Direction.HIGHER)
    return None if x is None or y is None else Plot(title, axis, curves, x, y)


def _title(series: Series) -> str:
    name = series.quantity.replace("_", " ")
    return f"{name} ({series.output})" if series.output else name


def curve(series: Series, points: int) -> Curve:
    """Return a series thinned out to at most so many points."""
    values = np.where(np.isfinite(series.values), np.clip(series.values, -_HUGE, _HUGE), np.nan)
    epochs, values = downsample(series.epochs, values, points)
    return Curve(series.name, series.split, epochs, values)


def downsample(epochs: FloatArray, values: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    """Return at most `points` of the points: the first, the last and the extremes of every stretch.

    A mean or every n-th point would hide the very spikes that a reader looks for.
    """
    n = len(values)
    if n <= max(points, 4):
        return epochs, values
    buckets = max(1, (points - 2) // 2)
    starts = np.linspace(1, n - 1, buckets, endpoint=False).astype(int)
    bucket = np.searchsorted(starts, np.arange(1, n - 1), side="right") - 1
    inner = values[1:-1]
    # Sorted by bucket, then value, NaN last: the first of each bucket is its minimum.
    lowest = np.lexsort((inner, bucket))
    highest = np.lexsort((-inner, bucket))
    first = np.searchsorted(bucket, np.arange(buckets))
    keep = np.zeros(n, dtype=bool)
    keep[[0, -1]] = keep[lowest[first] + 1] = keep[highest[first] + 1] = True
    return epochs[keep], values[keep]


def _time_scale(curves: Sequence[Curve]) -> Scale | None:
    low = min((float(c.epochs[0]) for c in curves), default=0.0)
    high = max((float(c.epochs[-1]) for c in curves), default=0.0)
    return Scale(low, high, ticks=_linear_ticks(low, high, 6)) if low < high else None


def value_scale(curves: Sequence[Curve], *, logarithmic: bool) -> Scale | None:
    """Return the scale for the values of the curves; None where none is finite.

    Parameters
    ----------
    curves
        The curves that share it.
    logarithmic
        Whether a logarithmic scale may be chosen: not for what is bounded above, like an accuracy.
    """
    values = np.concatenate([c.values[np.isfinite(c.values)] for c in curves]) if curves else np.empty(0)
    return _scale(values, logarithmic)


def _scale(values: FloatArray, logarithmic: bool) -> Scale | None:
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    positive = values[values > 0]
    if logarithmic and low >= 0 and positive.size and high > LOG_RATIO * float(positive.min()):
        low = float(positive.min())
        return Scale(low, high, log=True, ticks=_log_ticks(low, high, 5))
    if not low < high or math.isclose(low, high, rel_tol=1e-12):
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    return _round_out(low, high, 5)


def _round_out(low: float, high: float, wanted: int) -> Scale:
    """Return a scale that ends on round numbers where these are near."""
    ticks = _linear_ticks(low, high, wanted)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 0.0
    if step:
        near = _ROUND_OUT * (high - low)
        low = ticks[0] - step if low - (ticks[0] - step) < near else low
        high = ticks[-1] + step if ticks[-1] + step - high < near else high
    return Scale(low, high, ticks=_linear_ticks(low, high, wanted))


def _linear_ticks(low: float, high: float, wanted: int) -> tuple[float, ...]:
    """Return round numbers (1, 2 or 5 times a power of ten apart) between low and high."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    if last - first > 2 * wanted:  # beyond the precision of floats
        return (low, high)
    return tuple(float(f"{i * step:.12g}") for i in range(first, last + 1))


def _log_ticks(low: float, high: float, wanted: int) -> tuple[float, ...]:
    """Return powers of ten between low and high, every n-th where there are many."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / wanted))
    return tuple(float(f"1e{i}") for i in range(first, last + 1, step))


def heat_maps(report: RunReport, *, columns: int, rows: int) -> tuple[HeatMap, ...]:
    """Return the layer statistics of a run as heat maps, those that findings rest on first.

    Parameters
    ----------
    report
        The diagnosis.
    columns, rows
        The most cells along each axis. Epochs are joined by their most extreme value; of the layers, those
        that findings name are kept, and of the others an even selection.
    """
    concerned = frozenset(name for f in report.findings for name in f.layers)
    shown = {e.statistic for f in report.findings for e in f.evidence if isinstance(e, LayerTable)}

    def order(statistic: LayerStatistic) -> tuple[bool, int]:
        name = statistic.name
        rank = _STATISTIC_ORDER.index(name) if name in _STATISTIC_ORDER else len(_STATISTIC_ORDER)
        return name not in shown, rank

    maps = (_heat_map(s, report.run, concerned, columns, rows) for s in sorted(report.run.layers.values(), key=order))
    return tuple(m for m in maps if m is not None)


def _heat_map(
    statistic: LayerStatistic, run: Run, concerned: frozenset[str], columns: int, rows: int
) -> HeatMap | None:
    if not statistic.layers or not len(statistic.epochs):
        return None
    kept = _choose_layers(statistic.layers, concerned, rows)
    values = np.where(np.isfinite(statistic.values[:, kept]), statistic.values[:, kept], np.nan)
    epochs, values = _join_columns(statistic.epochs, values.T, columns)
    return HeatMap(
        statistic=statistic.name,
        axis=run.axis,
        layers=tuple(statistic.layers[i] for i in kept),
        epochs=epochs,
        values=values,
        scale=_colour_scale(statistic.name, values),
        concerned=concerned,
    )


def _choose_layers(layers: Sequence[str], concerned: frozenset[str], rows: int) -> NDArray[np.intp]:
    n = len(layers)
    if n <= rows:
        return np.arange(n)
    named = [i for i, name in enumerate(layers) if name in concerned][:rows]
    others = np.setdiff1d(np.arange(n), named)
    spread = np.linspace(0, len(others) - 1, rows - len(named)).astype(int)
    return np.union1d(named, others[spread]).astype(np.intp)


def _join_columns(epochs: FloatArray, values: FloatArray, columns: int) -> tuple[FloatArray, FloatArray]:
    """Join neighbouring epochs until there are at most `columns`; the largest value of a stretch counts."""
    n = len(epochs)
    if n <= columns:
        return epochs, values
    starts = np.linspace(0, n, columns, endpoint=False).astype(int)
    # fmax takes the number where the other is NaN.
    return epochs[starts], np.fmax.reduceat(values, starts, axis=1)


def _colour_scale(statistic: str, values: FloatArray) -> Scale:
    """Return 0 to 1 for fractions, powers of ten around the values for norms."""
    positive = values[np.isfinite(values) & (values > 0)]
    if statistic not in _NORMS or not positive.size:
        return Scale(0.0, max(1.0, float(positive.max(initial=0.0))), ticks=(0.0, 0.5, 1.0))
    first, last = math.floor(math.log10(float(positive.min()))), math.ceil(math.log10(float(positive.max())))
    first = min(max(first, sys.float_info.min_10_exp), sys.float_info.max_10_exp - 1)
    low, high = 10.0**first, 10.0 ** min(max(last, first + 1), sys.float_info.max_10_exp)
    return Scale(low, high, log=True, ticks=_log_ticks(low, high, 5))
