"""Tracking servers, by their REST interface: the same for all versions, and without the package.

The history of a metric is asked for of a hundred runs at once, as MLflow's own UI does; where a server does not have
that, of one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from diagnose.readers.curves import MAX_CONFIG_BYTES
from diagnose.readers.mlflow.http import Server, UnansweredError
from diagnose.readers.mlflow.record import (
    LARGEST,
    MOST_RUNS,
    OWN_TAG,
    SETUP_FILE,
    Point,
    Record,
    Wanted,
    is_curve_name,
    newest,
    setup_of,
)

_API = "/api/2.0/mlflow"
_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
#: A server answers with at most so many values, and does not say when there are more.
_BULK_VALUES = 25_000
_PAGE_RUNS = 100  # of which a server takes no more
_MOST_CONNECTIONS = 4
_SEARCHED = 1000
_NEWEST = ["attributes.start_time DESC"]


_T = TypeVar("_T")


@dataclass(frozen=True)
class _Found:
    """A run without its values, and the names of its metrics."""

    record: Record
    metrics: tuple[str, ...]
    is_ours: bool


def records(uri: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the runs of a tracking server, in the order in which they began.

    Raises
    ------
    ReadError
        The server does not answer as one, or has no such run.
    """
    with closing(Server(uri)) as server:
        found = _find(server, wanted)
    notes = newest(len(found))
    found = found[:MOST_RUNS][::-1]
    with _Connections(uri) as connections:
        values = _Values()
        for start in range(0, len(found), _PAGE_RUNS):
            page = found[start : start + _PAGE_RUNS]
            connections.all(values.fill, _by_metric(page))
            connections.all(values.add_setup, [one.record for one in page if one.is_ours])
            for one in page:
                one.record.notes = notes
                yield one.record


def reach(uri: str) -> None:
    """See that a tracking server answers as one.

    Raises
    ------
    ReadError
        It does not.
    """
    with closing(Server(uri)) as server:
        server.post(f"{_API}/experiments/search", {"max_results": 1}).json()


class _Connections:
    """A few connections that ask at once: a server has several workers, and most of the time is theirs."""

    def __init__(self, uri: str) -> None:
        self._servers = [Server(uri) for _ in range(_MOST_CONNECTIONS)]
        self._free = SimpleQueue[Server]()
        for server in self._servers:
            self._free.put(server)
        self._pool = ThreadPoolExecutor(_MOST_CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for server in self._servers:
            server.close()

    def all(self, ask: Callable[[Server, _T], None], items: Iterable[_T]) -> None:
        """Ask for each of the items; raise the first error."""

        def one(item: _T) -> None:
            server = self._free.get()
            try:
                ask(server, item)
            finally:
                self._free.put(server)

        for _ in self._pool.map(one, items):
            pass


def _find(server: Server, wanted: Wanted) -> list[_Found]:
    """Return the runs, newest first."""
    if wanted.run_id:
        return [_one(server, wanted)]
    experiments, deleted = _experiments(server)
    chosen = wanted.among(experiments, deleted)
    found: list[_Found] = []
    token: str | None = ""
    while chosen and token is not None and len(found) <= MOST_RUNS:
        asked = {"experiment_ids": chosen, "max_results": _SEARCHED, "order_by": _NEWEST}
        answer = server.post(f"{_API}/runs/search", {**asked, **({"page_token": token} if token else {})}).json()
        found += [_found(server, run, experiments) for run in _list(answer, "runs")]
        token = _next(answer, token)
    if not found:
        raise wanted.missing()
    return found


def _one(server: Server, wanted: Wanted) -> _Found:
    try:
        run = server.get(f"{_API}/runs/get", {"run_id": wanted.run_id}).json().get("run")
    except UnansweredError as error:
        if error.is_missing:
            raise wanted.missing() from error
        raise
    if not isinstance(run, dict):
        raise server.strange()
    if _of(run, "info").get("lifecycle_stage") == "deleted":
        raise wanted.deleted()
    id = str(_of(run, "info").get("experiment_id", ""))
    try:
        answer = server.get(f"{_API}/experiments/get", {"experiment_id": id}).json()
        name = str(_of(answer, "experiment").get("name", ""))
    except UnansweredError:  # a run may be allowed to be read where its experiment is not
        name = ""
    return _found(server, run, {id: name})


def _experiments(server: Server) -> tuple[dict[str, str], list[str]]:
    """Return id -> name of the experiments, and the names of the deleted ones."""
    active: dict[str, str] = {}
    deleted: list[str] = []
    token: str | None = ""
    while token is not None:
        asked: dict[str, Any] = {"max_results": _SEARCHED, "view_type": "ALL"}
        if token:
            asked["page_token"] = token
        try:
            answer = server.post(f"{_API}/experiments/search", asked).json()
        except UnansweredError as error:
            if token or error.status not in (404, 405):
                raise
            # Before MLflow 1.28.
            answer = server.get(f"{_API}/experiments/list", {"view_type": "ALL"}).json()
        for experiment in _list(answer, "experiments"):
            id, name = str(experiment.get("experiment_id", "")), str(experiment.get("name", ""))
            if experiment.get("lifecycle_stage") == "deleted":
                deleted.append(name)
            else:
                active[id] = name
        token = _next(answer, token)
    return active, deleted


def _found(server: Server, run: Mapping[str, Any], experiments: Mapping[str, str]) -> _Found:
    info, data = _of(run, "info"), _of(run, "data")
    id = str(info.get("run_id") or info.get("run_uuid") or "")
    tags = _pairs(data, "tags")
    record = Record(
        id,
        name=str(info.get("run_name") or tags.get("mlflow.runName", "")),
        experiment=experiments.get(str(info.get("experiment_id", "")), ""),
        store=server.shown,
        status=str(info.get("status", "")),
        params=_pairs(data, "params"),
    )
    names = (str(metric.get("key", "")) for metric in _list(data, "metrics"))
    return _Found(record, tuple(filter(is_curve_name, names)), OWN_TAG in tags)


def _by_metric(page: Sequence[_Found]) -> Iterable[tuple[str, list[Record]]]:
    """Return each metric with the runs that have it."""
    found: dict[str, list[Record]] = {}
    for one in page:
        for name in one.metrics:
            found.setdefault(name, []).append(one.record)
    return found.items()


class _Values:
    """Gives runs their values, in as few requests as the server allows; from several threads."""

    def __init__(self) -> None:
        self._has_bulk = True
        self._has_files = True

    def fill(self, server: Server, asked: tuple[str, Sequence[Record]]) -> None:
        """Give runs the values of a metric."""
        key, records = asked
        if not self._has_bulk or len(records) == 1:
            for record in records:
                _single(server, key, record)
            return
        values = self._bulk(server, key, records)
        if values is None:
            middle = len(records) // 2
            self.fill(server, (key, records[:middle]))
            self.fill(server, (key, records[middle:]))
            return
        by_id = {record.id: record for record in records}
        for value in values:
            point, owner = _point(value), by_id.get(str(value.get("run_id", "")))
            if owner is not None and point is not None:
                owner.metrics.setdefault(key, []).append(point)

    def _bulk(self, server: Server, key: str, records: Sequence[Record]) -> list[Mapping[str, Any]] | None:
        """Return the values of one metric; None where there may be more, or the server does not answer so."""
        asked = [*(("run_id", record.id) for record in records), ("metric_key", key)]
        try:
            values = _list(server.get(_BULK, asked).json(), "metrics")
        except UnansweredError as error:
            if error.is_lost or error.status in (401, 429) or error.status >= 500:
                raise
            # One of the runs may be gone; else the server has nothing of this kind.
            self._has_bulk = self._has_bulk and error.is_missing
            return None
        return values if len(values) < _BULK_VALUES else None

    def add_setup(self, server: Server, record: Record) -> None:
        """Add what Monitor wrote to ``run.json``; a run without it is a run all the same."""
        if not self._has_files:
            return
        asked = {"run_uuid": record.id, "path": SETUP_FILE}
        try:
            record.setup = setup_of(server.get("/get-artifact", asked, most=MAX_CONFIG_BYTES).content)
        except UnansweredError as error:
            self._has_files = not error.is_lost  # the place of the files may be out of reach for the server


def _single(server: Server, key: str, record: Record) -> None:
    """Give a run the values of a metric, by an endpoint that every version has."""
    points: list[Point] = []
    token: str | None = ""
    while token is not None:
        asked = {"run_id": record.id, "run_uuid": record.id, "metric_key": key}
        try:
            answer = server.get(f"{_API}/metrics/get-history", {**asked, **({"page_token": token} if token else {})})
        except UnansweredError as error:
            if error.is_missing:  # deleted meanwhile
                return
            raise
        content = answer.json()
        points += [point for value in _list(content, "metrics") if (point := _point(value)) is not None]
        token = _next(content, token)
    record.metrics[key] = points


def _point(value: Mapping[str, Any]) -> Point | None:
    try:
        number = float(value["value"])
        # Numbers of 64 bits are texts in this JSON, and a step of 0 is left out by some versions.
        at, step = float(value.get("timestamp") or 0), float(value.get("step") or 0)
    except (KeyError, TypeError, ValueError):
        return None
    if abs(number) >= LARGEST:
        number = float("inf") if number > 0 else float("-inf")
    return at, step, number


def _next(content: Mapping[str, Any], token: str) -> str | None:
    """Return what the next page is asked for by; None after the last one, and where the pages turn in a circle."""
    following = content.get("next_page_token")
    return following if isinstance(following, str) and following and following != token else None


def _of(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _list(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _pairs(content: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(one.get("key", "")): str(one.get("value", "")) for one in _list(content, name)}
