"""What only the package mlflow can reach: Databricks, and stores that a plug-in brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diagnose.readers.base import ReadError
from diagnose.readers.mlflow.record import MOST_RUNS, Record, Wanted, hidden, is_curve_name, newest, without_password


def records(store: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the runs of a store.

    Raises
    ------
    ReadError
        The package is missing, the store does not answer, or has no such run.
    """
    shown = without_password(store)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise ReadError(
            f"reading the MLflow store {shown} needs the package mlflow", "pip install 'kerasdx[mlflow]'"
        ) from error
    try:
        client = MlflowClient(tracking_uri=store)
        experiments = {e.experiment_id: e.name for e in client.search_experiments(max_results=1000)}
        found = _find(client, wanted, experiments)
        for run in found[:MOST_RUNS][::-1]:
            record = _fetch(client, run)
            record.experiment, record.store = experiments.get(run.info.experiment_id, ""), shown
            record.notes = newest(len(found))
            yield record
    except MlflowException as error:
        raise ReadError(f"cannot be read from MLflow at {shown}: {hidden(str(error), store)}") from error


def _find(client: Any, wanted: Wanted, experiments: dict[str, str]) -> list[Any]:
    """Return the runs, newest first."""
    if wanted.run_id:
        return [client.get_run(wanted.run_id)]
    chosen = wanted.among(experiments)
    runs: list[Any] = []
    token = None
    while chosen and len(runs) <= MOST_RUNS:
        page = client.search_runs(chosen, page_token=token, order_by=["attributes.start_time DESC"])
        runs += page
        token = page.token
        if not token:
            break
    if not runs:
        raise wanted.missing()
    return runs


def _fetch(client: Any, run: Any) -> Record:
    record = Record(run.info.run_id, run.info.run_name or "", status=run.info.status, params=dict(run.data.params))
    for key in filter(is_curve_name, run.data.metrics):
        history = client.get_metric_history(run.info.run_id, key)
        record.metrics[key] = [(float(m.timestamp), float(m.step), float(m.value)) for m in history]
    return record
