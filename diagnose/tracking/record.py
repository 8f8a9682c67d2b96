"""What a tracking store is to know of a training: plain data, which can wait in a file until a store takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diagnose.report import Report, RunReport
from diagnose.run import Direction
from diagnose.tracking.dataset import DatasetRecord
from diagnose.tracking.health import health_of

if TYPE_CHECKING:
    from diagnose.run import Run

#: Of the picture of a run.
_POINTS, _PLOTS = 800, 4

#: What is not kept of a record: the log has it, or it is not worth a file.
_MADE_ANEW = ("curves", "texts", "machine")

Curve = Sequence[tuple[float, float]]
#: Tells for people and for `tune ui` what a run is: ``search``, ``trial``, ``winner``, ``training``, ``diagnosis``.
KIND = "kerasdx.kind"


@dataclass(frozen=True)
class TrainingRecord:
    """What is stored of a training.

    Parameters
    ----------
    experiment, run
        Names for people; the experiment is that which MLflow's own variables name where it is empty.
    experiment_id
        Of the experiment, where that is known and the store has it.
    started, ended
        Seconds since 1970; `ended` is 0 where it goes on.
    parameters
        Path -> value of every setting; None is an empty text, for "None" would spoil a column of numbers.
    curves
        Column -> (epoch, value) pairs; layer statistics too, as ``grad_norm/dense``. NaN and infinities are kept.
    metrics
        What there is one of in a training: ``test_accuracy``, ``best_val_loss``, ``health/score`` ...
    tags
        ``diagnosis.verdict``, ``kerasdx.version`` ...
    note
        Description, in Markdown.
    texts
        Name -> content of files that are made for the store: ``report.html`` ...
    artifacts
        Files and folders.
    datasets
        What it was trained and judged on.
    machine
        Metric -> (sample, value, seconds since 1970): how busy the machine was. MLflow draws it over time.
    is_failed
        Whether the training ended before it should.
    parent
        Id of the run that it belongs to: a trial to its search.
    parent_key
        The key of that run, where its id is not known.
    key
        What it is told by: a training that is sent again under the same key is not stored twice.
    run_id
        A run that is there already, of somebody else's making: it is added to, and its status is left alone.
    """

    experiment: str
    run: str
    started: float
    ended: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    datasets: tuple[DatasetRecord, ...] = ()
    machine: Mapping[str, Sequence[tuple[float, float, float]]] = field(default_factory=dict)
    is_failed: bool = False
    parent: str = ""
    parent_key: str = ""
    key: str = ""
    run_id: str = ""
    experiment_id: str = ""

    def diagnosed(self, report: RunReport, *, with_curves: bool = True) -> TrainingRecord:
        """Return the record with what a diagnosis adds: curves, health, a description, the report as files.

        Whoever made the record knows better: its own metrics and tags stay.

        Parameters
        ----------
        report
            The diagnosis.
        with_curves
            Whether the curves are not stored already.
        """
        health = health_of(report)
        note = f"{health.note}\n\n---\n\n{self.note}" if self.note else health.note
        return replace(
            self,
            curves={**(curves_of(report.run) if with_curves else {}), **self.curves},
            metrics={**health.metrics, **_best(report), **self.metrics},
            tags={**health.tags, **self.tags},
            note=note,
            texts={**texts_of(report), **self.texts},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `of_dict` takes, fit for JSON; without what the log of the training has."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _MADE_ANEW}
        content["artifacts"] = [str(path) for path in self.artifacts]
        content["datasets"] = [dataclasses.asdict(dataset) for dataset in self.datasets]
        return content

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> TrainingRecord:
        """Return the record of which `to_dict` made this.

        Raises
        ------
        TypeError, ValueError, KeyError
            It is something else.
        """
        made = {
            "artifacts": tuple(Path(path) for path in content["artifacts"]),
            "datasets": tuple(DatasetRecord(**dataset) for dataset in content["datasets"]),
        }
        return cls(**{**content, **made})


@dataclass(frozen=True)
class Within:
    """What a training is in the store, where it is part of something.

    Parameters
    ----------
    parent_key
        Key of the run that it belongs to; empty: to none.
    name
        Of its own run; empty: that of its folder.
    key
        As of `TrainingRecord`.
    kind
        As of the tag `KIND`.
    """

    parent_key: str = ""
    name: str = ""
    key: str = ""
    kind: str = "training"


def curves_of(run: Run) -> dict[str, Curve]:
    """Return column of the log -> (epoch, value) of the epochs in which it was measured."""
    curves: dict[str, Curve] = {
        series.name: list(zip(series.epochs.tolist(), series.values.tolist(), strict=True)) for series in run.series
    }
    for statistic in run.layers.values():
        for layer, values in zip(statistic.layers, statistic.values.T, strict=True):
            was_measured = ~np.isnan(values)
            pairs = zip(statistic.epochs[was_measured].tolist(), values[was_measured].tolist(), strict=True)
            curves[f"{statistic.name}/{layer}"] = list(pairs)
    return curves


def texts_of(report: RunReport) -> dict[str, str]:
    """Return name -> content of the files that show a diagnosis: a page, the JSON report, the curves as a picture."""
    from diagnose.renderers import html, json, plots, svg

    whole = Report(runs=(report,))
    texts = {"report.html": html.render(whole), "report.json": json.render(whole)}
    drawn = plots.plots(report, points=_POINTS, limit=_PLOTS)
    if drawn:
        texts["curves.svg"] = svg.stack(drawn)
    return texts


def _best(report: RunReport) -> dict[str, float]:
    """Return what tables of a store sort by: the last value of a curve, which they show, is not its best."""
    metrics: dict[str, float] = {"epochs_run": report.run.epochs}
    for role in ("val_metric", "metric"):
        series = report.run.get(role)
        if series is not None and series.direction is not None and np.isfinite(series.values).any():
            best = np.max if series.direction == Direction.HIGHER else np.min
            metrics[f"best_{series.name}"] = float(best(series.values[np.isfinite(series.values)]))
            break
    if report.best is not None:
        metrics |= {f"best_{report.best.metric}": report.best.value, "best_epoch": report.best.epoch}
    return metrics
