"""Views of MLflow's UI: links that open a table or a comparison of runs with the right columns, sorted and drawn.

The UI keeps such a view as a tag of the experiment, ``mlflow.sharedViewState.KEY``, and opens it by the link's
``viewStateShareKey=KEY``. The form is not documented. It was seen, and works, in MLflow 3.7 (the state itself) and 3.17
(an envelope with a name, which the UI lists among the saved views); what is stored here is both in one. A UI that knows
neither shows its table as it is; a link of `runs_url` without a key is sorted in any.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from diagnose.tracking.health import FINDINGS, PREFIX, ROOT_CAUSE, SCORE, VERDICT
from diagnose.tracking.record import KIND

PARENT = "mlflow.parentRunId"
#: The UI folds the trials of a search into one line where runs are sorted by their start, which it does by itself.
BY_START, BY_NAME = "attributes.start_time", "tags.`mlflow.runName`"

_TAG = "mlflow.sharedViewState."
#: Says to older UIs that the runs are trainings, which they else guess, ask about, and lose the view over.
_EXPERIMENT_KIND, _TRAININGS, _GUESSED = "mlflow.experimentKind", "custom_model_development", "_inferred"
#: Of a tag's value: 5,000 characters in MLflow 3.7, 20,000 in 3.17.
_MOST_VALUE = 5000
#: Nobody reads more axes; the UI turns their names from nine on.
_MOST_AXES = 6
#: Pixels. The UI gives every column 100, in which the names of ours do not fit.
_NAME_WIDTH, _CREATED_WIDTH, _LETTER, _MARGIN = 190, 130, 7, 32
_CHART_HEIGHT = 420


@dataclass(frozen=True)
class Chart:
    """Parallel coordinates: a line for each run that has all of these numbers, coloured by the last one.

    Parameters
    ----------
    title
        Name of the section that it stands in; it has none of its own.
    params, metrics
        Axes, from left to right.
    """

    title: str
    params: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What the UI is to show of an experiment.

    Parameters
    ----------
    key
        What it is told by; a view that is stored again under the same key takes the place of the former.
    name
        As the UI's list of saved views has it.
    columns
        Of the table, from left to right, as `metric_column` and its like have them.
    order
        Column to sort by, as `metric_column` has it.
    ascending
        Whether the smallest comes first.
    where
        Filter, in MLflow's language; empty: all runs.
    charts
        What is drawn, each in a section of its own, above the UI's own charts.
    """

    key: str
    name: str
    columns: tuple[str, ...] = ()
    order: str = BY_NAME
    ascending: bool = True
    where: str = ""
    charts: tuple[Chart, ...] = ()


def metric_column(name: str) -> str:
    """Return a metric as the UI and MLflow's filters name it."""
    return f"metrics.`{name}`"


def tag_column(name: str) -> str:
    """Return a tag as the UI and MLflow's filters name it."""
    return f"tags.`{name}`"


def param_column(name: str) -> str:
    """Return a parameter as the UI and MLflow's filters name it."""
    return f"params.`{name}`"


#: What comes first in every table: how a run is, and why.
_DIAGNOSIS = (metric_column(SCORE), tag_column(VERDICT), tag_column(ROOT_CAUSE))


def trials_of(parent: str) -> str:
    """Return the filter for the trials of a search."""
    return f"{tag_column(PARENT)} = '{parent}' AND {tag_column(KIND)} = 'trial'"


def health_view() -> View:
    """Return the view of all runs of an experiment, the sickest first."""
    return View(
        "kerasdx-health",
        "Runs by health",
        (*_DIAGNOSIS, metric_column(FINDINGS), metric_column("epochs_run"), tag_column(KIND)),
        order=metric_column(SCORE),
    )


def search_views(
    parent: str, name: str, objective: str, params: Sequence[str], faults: Sequence[str] = ()
) -> tuple[View, View]:
    """Return two views of a search's trials: a table, the sickest first, and a comparison.

    Parameters
    ----------
    parent
        Id of the search's run.
    name
        Of the search, for people.
    objective
        Metric with a trial's score, as ``best_val_accuracy``; empty: there is none.
    params
        Hyperparameters that were searched.
    faults
        Metrics of the fault families that were found, as ``health/overfit``.
    """
    scores = (objective,) if objective else ()
    axes = tuple(params[:_MOST_AXES])
    columns = (
        *_DIAGNOSIS,
        *map(metric_column, (*scores, FINDINGS, "epochs_run")),
        *map(param_column, params),
    )
    table = View(
        f"kerasdx-{parent}-health",
        f"{name}: by health",
        columns,
        order=metric_column(SCORE),
        where=trials_of(parent),
    )
    comparison = View(
        f"kerasdx-{parent}-compare",
        f"{name}: compare",
        columns,
        where=trials_of(parent),
        charts=(
            # A trial without a score is missing where a score is an axis, and those are the sickest: two charts.
            Chart("Settings and health (red: most findings)", axes, (*faults, FINDINGS)),
            *([Chart("Settings, health and score", axes, (SCORE, *scores))] if scores else []),
        ),
    )
    return table, comparison


def varying(runs: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the parameters that all runs have and that differ between them, but for seeds, by name."""
    every = list(runs)
    if not every:
        return ()
    shared = set.intersection(*(set(params) for params in every))
    return tuple(
        name
        for name in sorted(shared)
        if len({params[name] for params in every}) > 1 and name.rpartition(".")[2] != "seed"
    )


def found_faults(runs: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """Return the metrics of the fault families that at least one of the runs has."""
    found = {
        name
        for metrics in runs
        for name, value in metrics.items()
        if name.startswith(PREFIX) and name not in (SCORE, FINDINGS) and value > 0
    }
    return tuple(sorted(found))


def state(view: View) -> dict[str, Any]:
    """Return a view in the UI's own terms.

    Nothing is left out, for MLflow 3.7 takes what it finds for the whole state.
    """
    fixed = {"attributes.`Run Name`": _NAME_WIDTH, "runDateAndNestInfo": _CREATED_WIDTH}
    widths = {column: _LETTER * len(column.split("`")[1]) + _MARGIN for column in view.columns}
    sections = [f"{view.key}-{number}" for number, _ in enumerate(view.charts)]
    return {
        "searchFilter": view.where,
        "orderByKey": view.order,
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(view.columns),
        "columnOrder": [*fixed, *view.columns],
        "columnWidths": {**fixed, **widths},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [
            {
                "type": "PARALLEL",
                "uuid": f"{section}-chart",
                "metricSectionId": section,
                "selectedParams": list(chart.params),
                "selectedMetrics": list(chart.metrics),
                "showAllRuns": True,
                "runsCountToCompare": 100,
                "deleted": False,
                "isGenerated": False,
            }
            for section, chart in zip(sections, view.charts, strict=True)
        ],
        "compareRunSections": [
            {
                "uuid": section,
                "name": chart.title,
                "columns": 1,
                "cardHeight": _CHART_HEIGHT,
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
            for section, chart in zip(sections, view.charts, strict=True)
        ],
        "isAccordionReordered": bool(view.charts),  # else the UI sorts sections by name
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def encoded(view: View, created: int, updated: int) -> str:
    """Return a view as the value of its tag; times in milliseconds since 1970."""
    content = state(view)
    packed = base64.b64encode(zlib.compress(_json(content).encode(), 9)).decode()
    envelope = {"name": view.name, "createdAt": created, "updatedAt": updated, "state": f"deflate;{packed}"}
    both = _json({**content, **envelope})
    return both if len(both) <= _MOST_VALUE else _json(envelope)


def decoded(value: str) -> dict[str, Any]:
    """Return the state in a tag's value, as the UI of MLflow 3.17 reads it; empty where it is none."""
    try:
        envelope = json.loads(value)
        return dict(json.loads(zlib.decompress(base64.b64decode(envelope["state"].removeprefix("deflate;")))))
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
        return {}


def store_view(client: Any, experiment_id: str, view: View, now: int) -> str:
    """Keep a view with an experiment, where it is not kept already.

    Parameters
    ----------
    client
        `MlflowClient` of the store.
    experiment_id
        Of the experiment.
    view
        The view.
    now
        Milliseconds since 1970.

    Returns
    -------
    str
        Its key, for `runs_url`.

    Raises
    ------
    MlflowException
        The store cannot be written to.
    """
    tags = dict(client.get_experiment(experiment_id).tags)
    kind = tags.get(_EXPERIMENT_KIND, _GUESSED)
    if kind.endswith(_GUESSED):
        client.set_experiment_tag(experiment_id, _EXPERIMENT_KIND, _TRAININGS)
    there = tags.get(f"{_TAG}{view.key}", "")
    if decoded(there) != state(view) or json.loads(there).get("name") != view.name:
        created = json.loads(there).get("createdAt", now) if decoded(there) else now
        client.set_experiment_tag(experiment_id, f"{_TAG}{view.key}", encoded(view, created, now))
    return view.key


def runs_url(
    base: str,
    experiment_id: str,
    *,
    key: str = "",
    charts: bool = False,
    order: str = BY_START,
    ascending: bool = False,
    where: str = "",
) -> str:
    """Return the link to an experiment's runs.

    Parameters
    ----------
    base
        Address of the server.
    experiment_id
        Of the experiment.
    key
        Of a stored view, which has an order and a filter of its own: the UI leaves the view alone where the link has
        one too.
    charts
        Whether charts are shown in place of the table.
    order, ascending, where
        As of `View`, for a link without a view.
    """
    # Without it the UI of MLflow 3.17 is one for language models, and leads there.
    query = {"workflowType": "machine_learning"}
    if charts:
        query["compareRunsMode"] = "CHART"
    if key:
        query["viewStateShareKey"] = key
    else:
        query |= {"searchFilter": where, "orderByKey": order, "orderByAsc": str(ascending).lower()}
    return _url(base, f"experiments/{quote(experiment_id, safe='')}/runs", query)


def compare_url(base: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return the link to the page that the button Compare opens for these runs."""
    chosen = {"runs": _json(list(run_ids)), "experiments": _json([experiment_id])}
    return _url(base, "compare-runs", {**chosen, "workflowType": "machine_learning"})


def run_url(base: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """Return the link to a run's page, or to one of its artifacts."""
    page = f"experiments/{quote(experiment_id, safe='')}/runs/{quote(run_id, safe='')}"
    return _url(base, f"{page}/artifacts/{quote(artifact)}" if artifact else page, {"workflowType": "machine_learning"})


def _url(base: str, page: str, query: Mapping[str, str]) -> str:
    return f"{base.rstrip('/')}/#/{page}?{urlencode(query, quote_via=quote)}"


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
