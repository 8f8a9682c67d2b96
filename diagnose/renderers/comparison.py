"""Several runs beside each other, as data: a line of each, and rankings of those that can be compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diagnose.renderers import outline, plots, wording
from diagnose.report import RunReport
from diagnose.run import Direction, Series, Split

#: In the order of preference: what runs are ranked by, the first that two of them share.
_YARDSTICKS = ("val_metric", "val_loss", "metric", "loss")


@dataclass(frozen=True)
class Row:
    """One run in the summary table.

    Parameters
    ----------
    index
        Position of the run in the report.
    title
        Its source, with the part.
    verdict
        Its verdict.
    epochs
        How many were trained.
    best
        The best epoch in words; empty where none is known.
    leading
        The check whose finding leads, with the number of further findings; empty where there is none.
    """

    index: int
    title: str
    verdict: str
    epochs: int
    best: str
    leading: str


def summary_rows(runs: Sequence[RunReport]) -> tuple[Row, ...]:
    """Return one row per run, in the order of the report."""
    return tuple(_row(i, report) for i, report in enumerate(runs))


def _row(index: int, report: RunReport) -> Row:
    leading, best = outline.leading(report), report.best
    more = len(report.findings) - 1
    return Row(
        index=index,
        title=report.run.title,
        verdict=report.verdict,
        epochs=report.run.epochs,
        best="" if best is None else f"{best.metric} {wording.number(best.value)} @ {best.epoch:g}",
        leading="" if leading is None else leading.check + (f" (+{more})" if more else ""),
    )


def without_common_folder(titles: Sequence[str]) -> list[str]:
    """Return paths without the folders that all of them share, which tell nothing apart."""
    folders = zip(*(title.split("/")[:-1] for title in titles), strict=False)
    shared = "/".join(names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, folders))
    return [f"…{title.removeprefix(shared)}" for title in titles] if len(shared) > 1 else list(titles)


@dataclass(frozen=True)
class Place:
    """A run's place in a ranking."""

    index: int
    title: str
    verdict: str
    value: float
    epoch: float


@dataclass(frozen=True, eq=False)
class Siblings:
    """Runs that log the same metric, best first.

    Parameters
    ----------
    metric
        The metric's canonical name, with the split that it was measured on.
    places
        The ranking.
    plot
        Their curves laid over each other, in the order of the ranking; None where none can be drawn.
    """

    metric: str
    places: tuple[Place, ...]
    plot: plots.Plot | None


def siblings(runs: Sequence[RunReport], *, points: int, curves: int) -> tuple[Siblings, ...]:
    """Return the rankings of runs that can be compared; each run stands in at most one.

    Parameters
    ----------
    runs
        The runs.
    points
        The most points of each overlaid curve.
    curves
        The most curves in one drawing; the best runs' are taken.
    """
    return tuple(_rank(runs, members, points, curves) for members in _families(runs) if len(members) > 1)


def _families(runs: Sequence[RunReport]) -> Iterator[dict[int, Series]]:
    """Yield groups of runs that share a yardstick: index of the run -> the curve that it is judged by."""
    left = dict(enumerate(runs))
    for role in _YARDSTICKS:
        groups: dict[tuple[str, float], dict[int, Series]] = {}
        for index, report in left.items():
            series = report.run.get(role)
            if series is not None and series.direction is not None and np.isfinite(series.values).any():
                groups.setdefault((series.quantity, series.scale), {})[index] = series
        for members in groups.values():
            if len(members) > 1:
                left = {i: r for i, r in left.items() if i not in members}
                yield members


def _rank(runs: Sequence[RunReport], members: dict[int, Series], points: int, curves: int) -> Siblings:
    some = next(iter(members.values()))
    higher = some.direction == Direction.HIGHER
    places = [_place(i, runs[i], series) for i, series in members.items()]
    places.sort(key=lambda p: -p.value if higher else p.value)
    side = "" if some.split == Split.TRAIN else f"{some.split.value} "
    metric = side + some.quantity.replace("_", " ")
    plot = plots.overlay(
        metric,
        [(p.title, members[p.index]) for p in places[:curves]],
        axis=runs[places[0].index].run.axis,
        points=points,
    )
    return Siblings(metric=metric, places=tuple(places), plot=plot)


def _place(index: int, report: RunReport, series: Series) -> Place:
    finite = np.isfinite(series.values)
    worst = -np.inf if series.direction == Direction.HIGHER else np.inf
    values = np.where(finite, series.values, worst)
    at = int(values.argmax() if series.direction == Direction.HIGHER else values.argmin())
    return Place(
        index=index,
        title=report.run.title,
        verdict=report.verdict,
        value=float(series.values[at]),
        epoch=float(series.epochs[at]),
    )
