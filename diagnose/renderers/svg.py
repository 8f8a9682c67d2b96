"""Plots as SVG: curves of a run, curves of several runs, and the layer x epoch heat map.

The colours are CSS classes (``templates/chart.css``), so that a page can show them in light and in dark. Every
text that goes into a drawing is escaped here.
"""

from __future__ import annotations

import functools
import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diagnose.renderers.plots import Curve, HeatMap, Mark, Plot, Scale
from diagnose.renderers.wording import number, shorten, ticks
from diagnose.run import FloatArray, Split

TEMPLATES = Path(__file__).with_name("templates")

#: Characters that XML does not allow, however they are written.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_CHART_WIDTH, _PLOT_HEIGHT = 480.0, 190.0
_LEFT, _RIGHT, _BOTTOM = 56.0, 12.0, 34.0
#: Characters of the longest number on the value axis; more than seven widen the left margin.
_WIDEST_TICK = 12
_LEGEND_HEIGHT, _LABEL_HEIGHT = 24.0, 17.0
_LABEL_ROWS, _MOST_MARKS = 3, 24
_TITLE_HEIGHT = 34.0
#: With more points than this a curve is drawn thinner, for its noise would fill the drawing.
_DENSE = 400
#: Width of a character, on average, of the labels' font; a little too wide rather than too narrow.
_CHARACTER = 6.9

_MAP_WIDTH, _MAP_LEFT, _MAP_RIGHT = 720.0, 170.0, 64.0
_COLOURS = 9

_SPLIT_CLASS = {Split.TRAIN: "train", Split.VALIDATION: "validation", Split.TEST: "test"}


def chart(plot: Plot, *, standalone: bool = False) -> str:
    """Return the curves of one quantity with the findings marked at their epochs.

    Parameters
    ----------
    plot
        The data.
    standalone
        Whether the SVG is a file of its own, which then carries its colours.
    """
    height, body = _chart(plot)
    return _document("chart", _CHART_WIDTH, height, describe(plot), body, standalone)


def stack(plots: Sequence[Plot]) -> str:
    """Return the charts of several plots below each other, as a file of its own."""
    parts: list[str] = []
    top = 0.0
    for plot in plots:
        height, body = _chart(plot)
        title = _text(0.0, top + _TITLE_HEIGHT - 10, plot.title, "name")
        box = {"viewBox": f"0 0 {_CHART_WIDTH:g} {height:g}", "width": f"{_CHART_WIDTH:g}", "height": f"{height:g}"}
        parts += [title, _tag("svg", content="".join(body), y=f"{top + _TITLE_HEIGHT:g}", **box)]
        top += _TITLE_HEIGHT + height
    # Whoever shows it may have a page of another colour behind it.
    paper = _tag("rect", width=f"{_CHART_WIDTH:g}", height=f"{top:g}", style="fill: var(--paper)")
    return _document("chart", _CHART_WIDTH, top, " ".join(map(describe, plots)), [paper, *parts], standalone=True)


def _chart(plot: Plot) -> tuple[float, list[str]]:
    """Return the height of a chart and what is drawn in it."""
    labels = _place_labels(plot, _left_margin(plot))
    rows = max((label.row + 1 for label in labels), default=0)
    top = _LEGEND_HEIGHT + rows * _LABEL_HEIGHT + 8
    frame = _Frame(plot, top)
    classes = [_SPLIT_CLASS[c.split] for c in plot.curves]
    body = [
        *_legend(frame, classes),
        *_axes(frame),
        *_restarts(frame),
        *_broken(frame),
        *_marks(frame, labels),
        *(_path(frame, c, css) for c, css in zip(plot.curves, classes, strict=True)),
        *_best(frame),
    ]
    return top + _PLOT_HEIGHT + _BOTTOM, body


def overlay(plot: Plot, *, standalone: bool = False) -> str:
    """Return the curves of several runs laid over each other, the first of them in front."""
    frame = _Frame(plot, 10.0)
    paths = [_path(frame, c, f"run-{i}") for i, c in enumerate(plot.curves)]
    body = [*_axes(frame), *reversed(paths)]
    return _document("chart", _CHART_WIDTH, 10 + _PLOT_HEIGHT + _BOTTOM, describe(plot), body, standalone)


def swatch(css_class: str) -> str:
    """Return a short line in the style of a curve, for a legend outside the drawing."""
    line = _tag("path", d="M1 5h22", **{"class": f"curve {css_class}"})
    return f'<svg class="swatch" viewBox="0 0 24 10" width="24" height="10" aria-hidden="true">{line}</svg>'


def describe(plot: Plot) -> str:
    """Return in words what a plot shows, for those who cannot see it."""
    text = f"{plot.title} by {plot.axis}, {plot.x.low:g} to {plot.x.high:g}"
    text += ", on a logarithmic scale. " if plot.y.log else ". "
    text += " ".join(_describe_curve(c) for c in plot.curves[:4])
    if plot.marks:
        listed = ", ".join(f"{m.label} at {m.epoch:g}" for m in plot.marks[:6])
        text += f" Findings: {listed}."
    return text


def _describe_curve(curve: Curve) -> str:
    finite = curve.values[np.isfinite(curve.values)]
    if not finite.size:
        return f"{curve.name}: no finite value."
    low, high = number(float(finite.min())), number(float(finite.max()))
    return f"{curve.name}: from {number(float(finite[0]))} to {number(float(finite[-1]))}, between {low} and {high}."


class _Frame:
    """The area of the curves: data coordinates -> coordinates of the drawing."""

    def __init__(self, plot: Plot, top: float) -> None:
        self.plot = plot
        self.left = _left_margin(plot)
        self.top = top
        self.bottom = top + _PLOT_HEIGHT
        self.right = _CHART_WIDTH - _RIGHT

    def x(self, epochs: FloatArray | float) -> FloatArray:
        return self.left + self.plot.x.position(np.asarray(epochs)) * (self.right - self.left)

    def y(self, values: FloatArray | float) -> FloatArray:
        return self.bottom - self.plot.y.position(np.asarray(values)) * _PLOT_HEIGHT


def _left_margin(plot: Plot) -> float:
    """Return the room for the numbers on the value axis."""
    return max(_LEFT, 7 + max(map(_width, _tick_labels(plot)), default=0.0))


def _tick_labels(plot: Plot) -> list[str]:
    return ticks(plot.y.ticks, _WIDEST_TICK)


def _axes(frame: _Frame) -> list[str]:
    plot = frame.plot
    drawn = []
    for value, label in zip(plot.y.ticks, _tick_labels(plot), strict=True):
        y = float(frame.y(value))
        drawn.append(_tag("path", d=f"M{frame.left:g} {y:.1f}H{frame.right:g}", **{"class": "grid"}))
        drawn.append(_text(frame.left - 7, y + 4, label, "tick", anchor="end"))
    drawn.append(_tag("path", d=f"M{frame.left:g} {frame.bottom:g}H{frame.right:g}", **{"class": "floor"}))
    end = f"{plot.axis} {plot.x.high:g}"
    drawn.append(_text(frame.right, frame.bottom + 17, end, "tick", anchor="end"))
    for epoch in plot.x.ticks:
        x, text = float(frame.x(epoch)), f"{epoch:g}"
        if x + _width(text) / 2 + 10 < frame.right - _width(end):
            drawn.append(_text(x, frame.bottom + 17, text, "tick", anchor="middle"))
    return drawn


def _path(frame: _Frame, curve: Curve, css_class: str) -> str:
    """Return a curve; where a value is not finite the line is broken, and a lone value is a dot."""
    x, y = frame.x(curve.epochs), frame.y(curve.values)
    finite = np.isfinite(y)
    steps = []
    pen_down = False
    for i in range(len(x)):
        if finite[i]:
            steps.append(f"{'L' if pen_down else 'M'}{x[i]:.1f} {y[i]:.1f}")
            if not pen_down and (i + 1 == len(x) or not finite[i + 1]):
                steps.append("h0")
        pen_down = bool(finite[i])
    dense = " dense" if len(x) > _DENSE else ""
    return _tag("path", d="".join(steps), **{"class": f"curve {css_class}{dense}"})


def _legend(frame: _Frame, classes: Sequence[str]) -> list[str]:
    plot, x = frame.plot, frame.left
    drawn = []
    for curve, css in zip(plot.curves, classes, strict=True):
        name = _fit(curve.name, 130 if len(plot.curves) > 2 else 160)
        drawn.append(_tag("path", d=f"M{x:g} 11h24", **{"class": f"curve {css}"}))
        drawn.append(_text(x + 30, 15, name, "name"))
        x += 30 + _width(name) + 22
    if plot.y.log:
        drawn.append(_text(_CHART_WIDTH - _RIGHT, 15, "log scale", "tick", anchor="end"))
    return drawn


def _restarts(frame: _Frame) -> list[str]:
    drawn = []
    for epoch in frame.plot.restarts[:_MOST_MARKS]:
        x = float(frame.x(epoch))
        drawn.append(_tag("path", d=f"M{x:.1f} {frame.top:g}V{frame.bottom:g}", **{"class": "restart"}))
        drawn.append(_text(x, frame.bottom + 30, "restart", "tick", anchor="middle"))
    return drawn


def _broken(frame: _Frame) -> list[str]:
    """Return the shaded end of a run whose first curve ends without a finite value."""
    curve = frame.plot.curves[0]
    finite = np.flatnonzero(np.isfinite(curve.values))
    if not finite.size or finite[-1] == len(curve.values) - 1:
        return []
    start = float(frame.x(float(curve.epochs[finite[-1] + 1])))
    width = max(3.0, frame.right - start)
    start = frame.right - width
    drawn = [
        _tag(
            "rect", x=f"{start:.1f}", y=f"{frame.top:g}", width=f"{width:.1f}", height=f"{_PLOT_HEIGHT:g}",
            **{"class": "broken"},
        )
    ]  # fmt: skip
    if width > 70:
        drawn.append(_text(start + width / 2, frame.top + _PLOT_HEIGHT / 2, "not finite", "tick", anchor="middle"))
    return drawn


def _best(frame: _Frame) -> list[str]:
    if frame.plot.best is None:
        return []
    epoch, value = frame.plot.best
    x, y = float(frame.x(epoch)), float(frame.y(value))
    return [_tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", **{"class": "best"})]


@dataclass(frozen=True)
class _Label:
    """A mark with the place of its label: text, row from the top, left end; no text where there is no room."""

    mark: Mark
    x: float
    text: str
    left: float
    row: int


def _place_labels(plot: Plot, margin: float) -> list[_Label]:
    """Return the marks with labels that do not overlap: names where all find room, else numbers."""
    marks = sorted(plot.marks, key=lambda m: (-m.severity.rank, m.number))[:_MOST_MARKS]
    named = _try_labels(plot, margin, marks, [f"{m.number} {_fit(m.label, 220)}" for m in marks])
    if all(label.text for label in named):
        return named
    return _try_labels(plot, margin, marks, [str(m.number) for m in marks])


def _try_labels(plot: Plot, margin: float, marks: Sequence[Mark], texts: Sequence[str]) -> list[_Label]:
    """Return labels with these texts, the first marks served first; one without room has no text."""
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_LABEL_ROWS)]
    right = _CHART_WIDTH - _RIGHT
    labels = []
    for mark, text in zip(marks, texts, strict=True):
        x = margin + float(plot.x.position(np.asarray(mark.epoch))) * (right - margin)
        width = _width(text) + 8
        left = min(max(x - 8, margin - 40), right - width)
        free = (
            row
            for row, intervals in enumerate(taken)
            if all(left > end or left + width < start for start, end in intervals)
        )
        row = next(free, None)
        if row is None:
            labels.append(_Label(mark, x, "", left, 0))
        else:
            taken[row].append((left, left + width))
            labels.append(_Label(mark, x, text, left, row))
    return labels


def _marks(frame: _Frame, labels: Iterable[_Label]) -> list[str]:
    drawn = []
    for label in labels:
        severity = label.mark.severity.value
        top = frame.top if not label.text else _LEGEND_HEIGHT + (label.row + 1) * _LABEL_HEIGHT
        line = f"M{label.x:.1f} {top:g}V{frame.bottom:g}"
        drawn.append(_tag("path", d=line, **{"class": f"mark {severity}"}))
        if label.text:
            drawn.append(_text(label.left + 4, top - 4, label.text, f"label {severity}"))
    return drawn


def heat_map(data: HeatMap, *, standalone: bool = False) -> str:
    """Return one layer statistic as a grid of colours, input at the top, with the last value of each layer.

    A norm of exactly zero has a colour of its own: such a layer gets no gradient at all.
    """
    rows, columns = data.values.shape
    row_height = 18.0 if rows <= 24 else 12.0
    top = 22.0
    bottom = top + rows * row_height
    width = _MAP_WIDTH - _MAP_LEFT - _MAP_RIGHT
    transform = f"translate({_MAP_LEFT:g} {top:g}) scale({width / columns:.4f} {row_height:g})"
    cells = "".join(_tag("path", d="".join(runs), **{"class": f"cell {css}"}) for css, runs in _cells(data).items())
    body = [
        _text(_MAP_LEFT, top - 7, f"{data.axis} {data.epochs[0]:g}", "tick"),
        _text(_MAP_LEFT + width, top - 7, f"{data.epochs[-1]:g}", "tick", anchor="end"),
        _text(_MAP_WIDTH, top - 7, "last", "tick", anchor="end"),
        f'<g transform="{transform}" class="{_palette(data)}">{cells}</g>',
        *_layer_names(data, top, row_height),
        *_colour_key(data, bottom + 16),
    ]
    return _document("heatmap", _MAP_WIDTH, bottom + 40, _describe_map(data), body, standalone)


def _palette(data: HeatMap) -> str:
    return "norms" if data.scale.log else "fractions"


def _cells(data: HeatMap) -> dict[str, list[str]]:
    """Return the cells as path pieces by colour class, neighbours of one colour in a row joined."""
    classes = _colour_classes(data)
    pieces: dict[str, list[str]] = {}
    for row, names in enumerate(classes):
        start = 0
        for column in range(1, len(names) + 1):
            if column < len(names) and names[column] == names[start]:
                continue
            if names[start]:
                piece = f"M{start} {row}h{column - start}v1h-{column - start}z"
                pieces.setdefault(names[start], []).append(piece)
            start = column
    return dict(sorted(pieces.items()))


def _colour_classes(data: HeatMap) -> list[list[str]]:
    """Return the colour class of every cell; empty where nothing was sampled."""
    return [[_colour_class(float(v), data.scale) for v in row] for row in data.values]


def _colour_class(value: float, scale: Scale) -> str:
    if math.isnan(value):
        return ""
    if scale.log and value <= 0:
        return "zero"
    position = float(scale.position(np.asarray(value)))
    return f"q{min(_COLOURS - 1, int(position * _COLOURS))}"


def _layer_names(data: HeatMap, top: float, row_height: float) -> list[str]:
    drawn = []
    size = "" if row_height > 14 else " small"
    for row, (layer, values) in enumerate(zip(data.layers, data.values, strict=True)):
        y = top + (row + 0.5) * row_height + 4
        concerned = layer in data.concerned
        name = ("▸ " if concerned else "") + _fit(layer, 132)
        drawn.append(_text(_MAP_LEFT - 8, y, name, f"layer{size}{' concerned' if concerned else ''}", anchor="end"))
        finite = values[np.isfinite(values)]
        last = number(float(f"{finite[-1]:.2g}")) if finite.size else "–"
        drawn.append(_text(_MAP_WIDTH, y, last, f"tick{size}", anchor="end"))
    return drawn


def _colour_key(data: HeatMap, y: float) -> list[str]:
    scale, swatch_width = data.scale, 26
    classes = [f"q{i}" for i in range(_COLOURS)]
    drawn = [
        f'<g class="{_palette(data)}" transform="translate({_MAP_LEFT:g} {y:g})">'
        + "".join(
            _tag("rect", x=str(i * swatch_width), width=str(swatch_width), height="10", **{"class": f"cell {css}"})
            for i, css in enumerate(classes)
        )
        + "</g>"
    ]
    end = _MAP_LEFT + _COLOURS * swatch_width
    drawn.append(_text(_MAP_LEFT - 6, y + 9, number(scale.low), "tick", anchor="end"))
    drawn.append(_text(end + 6, y + 9, number(scale.high) + (" (log scale)" if scale.log else ""), "tick"))
    if scale.log and bool((data.values <= 0).any()):
        x = end + 130
        drawn.append(_tag("rect", x=f"{x:g}", y=f"{y:g}", width="26", height="10", **{"class": "cell zero"}))
        drawn.append(_text(x + 32, y + 9, "exactly 0", "tick"))
    return drawn


def _describe_map(data: HeatMap) -> str:
    rows, _ = data.values.shape
    text = f"{data.statistic} of {rows} layers by {data.axis}, {data.epochs[0]:g} to {data.epochs[-1]:g}."
    concerned = [layer for layer in data.layers if layer in data.concerned]
    return text + (f" Layers of findings: {', '.join(concerned[:8])}." if concerned else "")


def _fit(text: str, width: float) -> str:
    """Return text shortened to about this width."""
    length = len(text)
    while length > 1 and _width(text) > width:
        length -= 1
        text = shorten(text, length)
    return text


def _width(text: str) -> float:
    return sum(_CHARACTER if c.isascii() else 13.0 for c in text)


def _document(css: str, width: float, height: float, label: str, body: Iterable[str], standalone: bool) -> str:
    attributes = {"class": css, "viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-label": label}
    style = ""
    if standalone:
        attributes |= {"xmlns": "http://www.w3.org/2000/svg", "width": f"{width:g}", "height": f"{height:g}"}
        style = f"<style>{stylesheet()}</style>"
    return _tag("svg", content=style + "".join(body), **attributes)


@functools.cache
def stylesheet() -> str:
    """Return the CSS of the drawings."""
    return (TEMPLATES / "chart.css").read_text(encoding="utf-8")


def _text(x: float, y: float, text: str, css: str, anchor: str = "") -> str:
    extra = {"text-anchor": anchor} if anchor else {}
    return _tag("text", content=_escape(text), x=f"{x:.1f}", y=f"{y:.1f}", **{"class": css}, **extra)


def _tag(tag: str, *, content: str = "", **attributes: str) -> str:
    written = "".join(f' {name}="{_escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def _escape(text: str) -> str:
    return html.escape(_FORBIDDEN.sub("\ufffd", text))
