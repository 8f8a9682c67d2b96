"""A search as one HTML page: leaderboard, parallel coordinates, all curves, importance, what the sick trials share.

Nothing is loaded: styles, drawings and the script are in the page, and a policy in it forbids everything else; the
script is allowed by its hash. Jinja2 escapes all that goes into the template.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from diagnose import ReadError, __version__
from diagnose.readers import read as read_log
from diagnose.renderers import plots, svg
from diagnose.renderers.plots import Curve, Scale
from diagnose.renderers.wording import count, number, printable, shorten, ticks
from diagnose.run import Series, Split
from tuners.search import importance, sickness, wording
from tuners.search.columns import Column, Kind, columns
from tuners.search.leaderboard import headline
from tuners.search.records import SearchRecord, TrialRecord

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")

#: Points of all curves together, and of one: what a page of 1000 trials has room for.
_POINTS, _MOST_POINTS, _LEAST_POINTS = 40_000, 200, 24
#: Hyperparameters that have an axis; more cannot be read beside each other.
_AXES = 14
#: Ticks of an axis of categories; the others have none.
_CATEGORIES = 12
#: Whole numbers that have a tick each.
_FEW = 6
#: Settings of a search that go without saying: with the usual value, or whatever they are.
_USUAL = {"executions": 1, "folds": 1, "prune": True, "final": "auto", "objective": ..., "factor": ...}
#: Those whose names need more words.
_ASKED = {"trials": "Trials at most", "time": "Time at most"}
#: How trials are marked, in the order in which they are drawn: what is drawn last lies on top.
_MARKS = ("unknown", "running", "healthy", "warning", "critical", "pruned", "failed")

# Sizes of the drawings, in units of their viewBox.
_CURVES = (900.0, 340.0)
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 12.0, 30.0
_PARALLEL_WIDTH, _AXIS_GAP, _AXIS_HEIGHT, _AXIS_TOP, _AXIS_SIDE = 1060.0, 116.0, 270.0, 46.0, 62.0
#: Below an axis lies the place for trials that have no value there.
_NONE = 26.0


@dataclass(frozen=True)
class _Row:
    """One trial as the template shows it."""

    number: int
    place: int
    health: str
    trial: TrialRecord
    score: str
    time: str
    diagnosis: str
    settings: tuple[str, ...]
    sorts: tuple[Any, ...]
    text: str


@dataclass(frozen=True)
class _Line:
    """One trial in a drawing."""

    number: int
    health: str
    d: str
    ends: tuple[float, float] | None = None
    positions: str = ""


@dataclass(frozen=True)
class _Axis:
    """One axis of the parallel coordinates."""

    title: str
    whole: str
    x: float
    ticks: tuple[tuple[float, str], ...]
    note: str = ""


def render(record: SearchRecord) -> str:
    """Return a search as a whole HTML page.

    Parameters
    ----------
    record
        The search; the curves come from the logs in its folder, and a log that is missing or damaged has none.
    """
    script = (_TEMPLATES / "search.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    varied = columns(record, record.trials)
    found, sick = importance.importance(record), sickness.sickness(record)
    names = {column.path: column.name for column in varied}
    return _environment().get_template("search.html").render(
        version=__version__,
        title=f"{record.recipe} on {record.data}",
        record=record,
        headline=headline(record),
        facts=_facts(record),
        columns=varied,
        rows=_rows(record, varied),
        parallel=_parallel(record, varied),
        curves=_curves(record),
        marks=_tally(record),
        importance=[(names.get(item.path, item.path), item, importance.percent(item)) for item in found],
        no_importance="" if found else importance.why_not(record),
        sentences=sickness.sentences(sick),
        style=Markup(svg.stylesheet() + _css(svg.TEMPLATES / "page.css") + _css(_TEMPLATES / "search.css")),
        script=Markup(script),
        digest=digest,
    )  # fmt: skip


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([_TEMPLATES, svg.TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _css(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _facts(record: SearchRecord) -> list[tuple[str, str]]:
    """Return what the page's head says: name and value."""
    ranked, spent = record.ranked(), sum(t.outcome.seconds for t in record.trials if t.outcome)
    better = "more" if record.objective.direction == "max" else "less"
    facts = [("Judged by", f"{printable(record.objective.name)} ({better} is better)")]
    if ranked:
        facts.append(("Best", f"{wording.score(ranked[0].score)} (trial {ranked[0].number})"))
    facts += _test_score(record.winner)
    facts.append(("Trials' time", wording.duration(spent)))
    given = {
        name: value
        for name, value in record.settings.items()
        if value not in (None, "", 0, False) and _USUAL.get(name) not in (value, ...)
    }
    if isinstance(given.get("time"), int | float):
        given["time"] = wording.duration(given["time"])
    return facts + [(_ASKED.get(name, printable(str(name))), wording.value(value)) for name, value in given.items()]


def _test_score(winner: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield the winner's score on the test samples."""
    test = (winner or {}).get("test") or {}
    for score in test.get("scores", ()):
        if score.get("metric") == test.get("main") and score.get("value") is not None:
            yield f"Test {printable(str(score['metric']))} of the winner", number(float(score["value"]))


def _tally(record: SearchRecord) -> list[tuple[str, int]]:
    """Return how many trials are marked how, of the marks that occur."""
    tally = Counter(map(wording.health, record.trials))
    return [(mark, tally[mark]) for mark in (*_MARKS[2:], *_MARKS[:2]) if tally[mark]]


def _rows(record: SearchRecord, varied: Sequence[Column]) -> list[_Row]:
    """Return the trials, the best first, then those without a score."""
    ranked = record.ranked()
    scored = {trial.number for trial in ranked}
    ordered = [*ranked, *(trial for trial in record.trials if trial.number not in scored)]
    return [_row(trial, place, varied, trial.number in scored) for place, trial in enumerate(ordered, 1)]


def _row(trial: TrialRecord, place: int, varied: Sequence[Column], is_scored: bool) -> _Row:
    outcome, values = trial.outcome, [trial.values.get(column.path) for column in varied]
    diagnosis = wording.one_line(trial.reason) or wording.diagnosis(trial)
    names = {column.path: column.name for column in varied}
    score = f"score {wording.score(trial.score)}; " if is_scored else ""
    return _Row(
        number=trial.number,
        place=place if is_scored else 0,
        health=wording.health(trial),
        trial=trial,
        score=wording.score(trial.score),
        time="" if outcome is None else wording.duration(outcome.seconds),
        diagnosis=diagnosis,
        settings=tuple(map(wording.value, values)),
        sorts=tuple(map(_sort_key, values)),
        text=f"Trial {trial.number}: {score}{diagnosis}; {wording.settings(trial.values, names)}",
    )


def _sort_key(value: Any) -> Any:
    """Return what the script sorts by: a number, where it is one; what is empty stays last."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return wording.value(value)
    return repr(float(value)) if math.isfinite(value) else ""


# Parallel coordinates


def _parallel(record: SearchRecord, varied: Sequence[Column]) -> Mapping[str, Any] | None:
    """Return axes and lines; None where there is nothing to draw."""
    shown = varied[:_AXES]
    if not shown:
        return None
    gap = max(_AXIS_GAP, (_PARALLEL_WIDTH - 2 * _AXIS_SIDE) / len(shown))
    drawn = [_axis_of(column, _AXIS_SIDE + i * gap) for i, column in enumerate(shown)]
    last = _AXIS_SIDE + len(shown) * gap
    drawn.append(_score_axis(record, last))
    heights = list(zip(*(places for _, places in drawn), strict=True))
    xs, none = [axis.x for axis, _ in drawn], _AXIS_TOP + _AXIS_HEIGHT + _NONE
    lines = [
        _Line(
            trial.number,
            wording.health(trial),
            "M" + "L".join(f"{x:g} {y:.1f}" for x, y in zip(xs, ys, strict=True)),
            positions=" ".join(f"{y:.0f}" for y in ys),
        )
        for trial, ys in zip(record.trials, heights, strict=True)
    ]
    return {
        "axes": [(axis, none in places) for axis, places in drawn],
        "lines": _stacked(record, lines),
        "width": last + _AXIS_SIDE,
        "height": _AXIS_TOP + _AXIS_HEIGHT + _NONE + 18,
        "top": _AXIS_TOP,
        "bottom": _AXIS_TOP + _AXIS_HEIGHT,
        "none": none,
        "left": len(varied) - len(shown),
    }


def _stacked(record: SearchRecord, lines: Sequence[_Line]) -> list[_Line]:
    """Return lines in the order in which they are drawn: sick ones on top of others, the best one on top of all."""
    best = next((trial.number for trial in record.ranked()), None)
    return sorted(lines, key=lambda line: (line.number == best, _MARKS.index(line.health)))


def _axis_of(column: Column, x: float) -> tuple[_Axis, list[float]]:
    """Return an axis, and where each trial lies on it."""
    title = shorten(column.name, 16)
    if column.kind is Kind.CATEGORY or len(column.distinct) == 1:
        places = {value: _spread(i, len(column.distinct)) for i, value in enumerate(column.distinct)}
        told = tuple((places[v], shorten(wording.value(v), 12)) for v in column.distinct[:_CATEGORIES])
        heights = [_AXIS_TOP + _AXIS_HEIGHT + _NONE if v is None else places[v] for v in column.values]
        return _Axis(title, column.path, x, told), heights
    low, high = float(column.distinct[0]), float(column.distinct[-1])
    is_log = column.kind is Kind.LOG
    scale = Scale(low, high, log=True, ticks=_decades(low, high)) if is_log else _scale(column.distinct, log=False)
    is_list = len(column.distinct) <= _FEW and all(isinstance(value, int) for value in column.distinct)
    named = column.distinct if is_list else scale.ticks if len(scale.ticks) > 1 else (low, high)
    told = tuple((_height(scale, v), label) for v, label in zip(named, ticks(named, 8), strict=True))
    axis = _Axis(title, column.path, x, told, "log" if is_log else "")
    return axis, [_height(scale, value) for value in column.values]


def _spread(i: int, n: int) -> float:
    """Return the height of the i-th of n categories."""
    return _AXIS_TOP + _AXIS_HEIGHT * (1 - (i + 0.5) / n)


def _height(scale: Scale, value: float | None) -> float:
    """Return the height of a value; what is none lies below the axis."""
    if value is None or not math.isfinite(value):
        return _AXIS_TOP + _AXIS_HEIGHT + _NONE
    return _AXIS_TOP + _AXIS_HEIGHT * (1 - float(scale.position(np.asarray(float(value)))))


def _decades(low: float, high: float) -> tuple[float, ...]:
    """Return the powers of ten between two numbers."""
    return tuple(10.0**i for i in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1))


def _scale(values: Sequence[float], *, log: bool) -> Scale:
    """Return a scale that ends on round numbers; a logarithmic one where that is allowed and the values ask for it."""
    numbers = np.array(values, dtype=np.float64)
    found = plots.value_scale([Curve("", Split.VALIDATION, numbers, numbers)], logarithmic=log)
    assert found is not None
    return found


def _score_axis(record: SearchRecord, x: float) -> tuple[_Axis, list[float]]:
    """Return the axis of the scores, the better ones above; sick trials do not stretch it, but lie at its end."""
    is_less = record.objective.direction == "min"
    scores = [t.score if t.score is not None and math.isfinite(t.score) else None for t in record.trials]
    sound = [s for s, t in zip(scores, record.trials, strict=True) if s is not None and not t.is_sick]
    scale = _scale(sound or [s for s in scores if s is not None] or [0.0], log=is_less)
    middle = 2 * _AXIS_TOP + _AXIS_HEIGHT

    def turned(score: float | None) -> float:
        height = _height(scale, score)
        return middle - height if is_less and score is not None else height

    told = tuple((turned(v), label) for v, label in zip(scale.ticks, ticks(scale.ticks, 8), strict=True))
    title = shorten(printable(record.objective.name), 16)
    return _Axis(title, f"{record.objective.name}, better above", x, told, "better ↑"), [turned(s) for s in scores]


# Curves


def _curves(record: SearchRecord) -> Mapping[str, Any] | None:
    """Return the objective's curves of all trials; None where no log has any."""
    found = {trial.number: series for trial in record.trials if (series := _series(record, trial)) is not None}
    points = max(_LEAST_POINTS, min(_MOST_POINTS, _POINTS // max(1, len(found))))
    named = [(str(number), series) for number, series in found.items()]
    plot = plots.overlay(printable(record.objective.name), named, axis="epoch", points=points) if named else None
    if plot is None:
        return None
    health = {trial.number: wording.health(trial) for trial in record.trials}
    sound = [curve for curve in plot.curves if health[int(curve.name)] not in ("pruned", "failed", "critical")]
    y = plots.value_scale(sound, logarithmic=record.objective.direction == "min") or plot.y
    frame = _Frame(plot.x, y)
    lines = [_line(curve, frame, health[int(curve.name)]) for curve in plot.curves]
    return {
        "lines": _stacked(record, lines),
        "width": _CURVES[0],
        "height": _CURVES[1],
        "left": _LEFT,
        "right": _CURVES[0] - _RIGHT,
        "bottom": _CURVES[1] - _BOTTOM,
        "x": [(frame.x(tick), f"{tick:g}") for tick in plot.x.ticks],
        "y": [(frame.y(tick), label) for tick, label in zip(y.ticks, ticks(y.ticks, 7), strict=True)],
        "log": y.log,
        "missing": len(record.trials) - len(lines),
        "label": f"{plot.title} by epoch of {count(len(lines), 'trial')}",
    }


@dataclass(frozen=True)
class _Frame:
    """The area of the curves: data coordinates -> coordinates of the drawing."""

    horizontal: Scale
    vertical: Scale

    def x(self, epoch: float) -> float:
        return _LEFT + (_CURVES[0] - _LEFT - _RIGHT) * float(self.horizontal.position(np.asarray(epoch)))

    def y(self, value: float) -> float:
        height = _CURVES[1] - _TOP - _BOTTOM
        return _TOP + height * (1 - float(self.vertical.position(np.asarray(value))))


def _line(curve: Curve, frame: _Frame, health: str) -> _Line:
    """Return a curve; where a value is not finite it is broken. A sick one is marked where it ends."""
    path, end, pen = [], None, "M"
    for epoch, value in zip(curve.epochs, curve.values, strict=True):
        if not math.isfinite(value):
            pen = "M"
            continue
        end = (round(frame.x(epoch), 1), round(frame.y(value), 1))
        path.append(f"{pen}{end[0]:g} {end[1]:g}" + ("h0" if pen == "M" else ""))
        pen = "L"
    is_marked = health in ("pruned", "failed", "critical")
    return _Line(int(curve.name), health, "".join(path), ends=end if is_marked else None)


def _series(record: SearchRecord, trial: TrialRecord) -> Series | None:
    """Return the objective's curve in the log of a trial's first training; None where there is none to be read."""
    for log in record.logs(trial)[:1]:
        try:
            runs = read_log(log)
        except ReadError:
            return None
        named = (series for series in runs[-1].series if series.name == record.objective.name and len(series))
        return next(named, None)
    return None
