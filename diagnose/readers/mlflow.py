"""MLflow runs: of an sqlite store (``mlflow.db``), a file store (``mlruns/``), or a tracking server.

The stores on disk are read as they are: the package takes seconds to import and would migrate the database of
another version. Only a server needs it.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.rows import Log, runs_of
from diagnose.readers.steps import log_of_steps
from diagnose.run import Run

FORMAT = "mlflow"

#: Where a store is looked for when MLFLOW_TRACKING_URI says nothing: kerasdx' own, then MLflow's defaults.
DEFAULT_STORES = ("mlruns/mlflow.db", "mlflow.db", "mlruns")

_TABLES = frozenset({"runs", "metrics", "params", "experiments"})
_QUERY_SECONDS = 60.0
_MAX_RUNS = 10_000
_MAX_FILE = 64 * 1024 * 1024
#: An infinity is stored as the largest double.
_LARGEST = 1.7976931348623157e308
_SYSTEM = "system/"


@dataclass
class _Record:
    """A run as a store keeps it."""

    id: str
    name: str = ""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """Which runs of a store: one by its id, those of an experiment, or all."""

    run_id: str = ""
    experiment: str = ""

    def __str__(self) -> str:
        if self.run_id:
            return f"run {self.run_id}"
        return f"experiment {self.experiment!r}" if self.experiment else "run"


def matches(document: Document) -> bool:
    """Whether this is an sqlite store, a file store, or an experiment or run in one."""
    if document.is_directory and document.path is not None:
        return bool(_file_runs(document.path, limit=1))
    # Its tables are looked at when it is open: their names need not be in the head.
    return document.head.startswith(b"SQLite format 3\x00")


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the runs of a store that has curves."""
    if document.path is None:
        raise ReadError("is an SQLite database", "write it to a file and pass the file")
    store = _read_files if document.is_directory else _read_sqlite
    return _runs(document.source, store(document.path, _Wanted()), roles)


def read_uri(uri: str, roles: Roles) -> list[Run]:
    """Return the runs that ``mlflow:RUN_ID`` or ``mlflow:experiment/NAME`` names.

    The store is that of ``MLFLOW_TRACKING_URI``, else the first of `DEFAULT_STORES` in the working directory.
    """
    name = uri.removeprefix("mlflow:")
    experiment = name.removeprefix("experiment/") if name.startswith("experiment/") else ""
    wanted = _Wanted(run_id="" if experiment else name, experiment=experiment)
    if not (wanted.run_id or wanted.experiment):
        raise ReadError("names no run", "write mlflow:RUN_ID or mlflow:experiment/NAME")
    store = os.environ.get("MLFLOW_TRACKING_URI") or _default_store()
    path = _path_of(store)
    if path is None:
        return _runs(uri, _read_server(store, wanted), roles)
    if path.is_dir():
        return _runs(uri, _read_files(path, wanted), roles)
    if not path.is_file():
        raise ReadError(f"cannot be looked up: the MLflow store {store} does not exist", "set MLFLOW_TRACKING_URI")
    return _runs(uri, _read_sqlite(path, wanted), roles)


def _default_store() -> str:
    for store in DEFAULT_STORES:
        if Path(store).exists() and (Path(store).is_file() or _file_runs(Path(store), limit=1)):
            return store
    raise ReadError(
        "cannot be looked up: there is no MLflow store here", "set MLFLOW_TRACKING_URI or go to the folder of mlruns"
    )


def _path_of(store: str) -> Path | None:
    """Return where a store on disk lies; None for a server."""
    if "://" not in store and not store.startswith(("file:", "databricks")):
        return Path(store)
    parts = urlsplit(store)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "sqlite":  # sqlite:///relative, sqlite:////absolute
        return Path(parts.path[1:])
    return None


def _runs(source: str, records: Iterable[_Record], roles: Roles) -> list[Run]:
    logs: list[Log] = []
    without = 0
    for record in records:
        log = _log(record)
        if log is None:
            without += 1
        else:
            logs.append(log)
    if not logs:
        count = f"{without} run{'s' * (without != 1)}" if without else "nothing"
        raise ReadError(
            f"holds {count} without a curve", "log metrics with a step: mlflow.log_metrics(logs, step=epoch)"
        )
    return runs_of(source, FORMAT, logs, roles)


def _log(record: _Record) -> Log | None:
    """Return the log of a run; None where every metric has one value."""
    curves = {
        name: points for name, points in record.metrics.items() if len(points) > 1 and not name.startswith(_SYSTEM)
    }
    notes: tuple[str, ...] = ()
    if curves and not any(step for points in curves.values() for step, _ in points):
        curves = {n: [(float(i), v) for i, (_, v) in enumerate(points)] for n, points in curves.items()}
        notes = ("the metrics were logged without a step: their values were counted from 0",)
    if not curves:
        return None
    config = {"hyperparameters": dict(record.params)} if record.params else {}
    return log_of_steps(curves, label=record.name or record.id[:8], notes=notes, config=config)


def _read_sqlite(path: Path, wanted: _Wanted) -> Iterator[_Record]:
    try:
        with closing(_connect(path)) as connection:
            yield from _query(connection, wanted)
    except sqlite3.Error as error:
        raise ReadError(f"cannot be read as MLflow's database: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open a database for reading only, for a limited time, and check that its tables are tables.

    A view could compute for ever.
    """
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    deadline = time.monotonic() + _QUERY_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not found >= _TABLES:
        connection.close()
        raise ReadError("is an SQLite database without MLflow's tables", "pass MLflow's own mlflow.db")
    return connection


def _query(connection: sqlite3.Connection, wanted: _Wanted) -> Iterator[_Record]:
    names = [name for (name,) in connection.execute("SELECT name FROM experiments WHERE lifecycle_stage = 'active'")]
    if wanted.experiment and wanted.experiment not in names:
        raise _no_experiment(wanted.experiment, names)
    rows = connection.execute(
        "SELECT run_uuid, runs.name FROM runs JOIN experiments USING (experiment_id) "
        "WHERE runs.lifecycle_stage = 'active' AND (? = '' OR run_uuid = ?) AND (? = '' OR experiments.name = ?) "
        "ORDER BY start_time LIMIT ?",
        (wanted.run_id, wanted.run_id, wanted.experiment, wanted.experiment, _MAX_RUNS),
    ).fetchall()
    if not rows:
        raise ReadError(f"there is no {wanted} in the MLflow store")
    for run_id, name in rows:
        record = _Record(str(run_id), str(name or ""))
        for key, value in connection.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run_id,)):
            record.params[str(key)] = str(value)
        for key, value, step, is_nan in connection.execute(
            "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY step, timestamp", (run_id,)
        ):
            if isinstance(value, int | float) and isinstance(step, int):
                number = math.nan if is_nan else math.copysign(math.inf, value) if abs(value) >= _LARGEST else value
                record.metrics.setdefault(str(key), []).append((float(step), float(number)))
        yield record


def _no_experiment(name: str, known: Iterable[str]) -> ReadError:
    import difflib

    near = difflib.get_close_matches(name, [*known], n=1)
    return ReadError(
        f"there is no experiment {name!r} in the MLflow store", f"did you mean {near[0]!r}?" if near else ""
    )


def _read_files(path: Path, wanted: _Wanted) -> Iterator[_Record]:
    folders = _file_runs(path, limit=_MAX_RUNS)
    if wanted.run_id:
        folders = [folder for folder in folders if folder.name == wanted.run_id]
    if wanted.experiment:
        by_name = {_field(folder / "meta.yaml", "name"): folder for folder in {f.parent for f in folders}}
        if wanted.experiment not in by_name:
            raise _no_experiment(wanted.experiment, by_name)
        folders = [folder for folder in folders if folder.parent == by_name[wanted.experiment]]
    if not folders:
        raise ReadError(f"there is no {wanted} in the MLflow store")
    for folder in folders:
        yield _read_folder(folder)


def _file_runs(path: Path, limit: int) -> list[Path]:
    """Return the run folders of a file store, of an experiment in it, or the run folder itself."""
    if _is_run(path):
        return [path]
    runs: list[Path] = []
    for depth in ("*/metrics", "*/*/metrics"):
        for metrics in sorted(path.glob(depth)):
            if len(runs) < limit and _is_run(metrics.parent):
                runs.append(metrics.parent)
    return runs


def _is_run(folder: Path) -> bool:
    return (folder / "metrics").is_dir() and bool(_field(folder / "meta.yaml", "run_id"))


def _field(path: Path, name: str) -> str:
    """Return a field of MLflow's flat meta.yaml; empty where it is absent or the run was deleted."""
    try:
        fields = {
            key.strip(): value.strip().strip("'\"")
            for key, colon, value in (line.partition(":") for line in _text(path).splitlines())
            if colon
        }
    except OSError:
        return ""
    return "" if fields.get("lifecycle_stage") == "deleted" else fields.get(name, "")


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_MAX_FILE).decode("utf-8", errors="replace")


def _read_folder(folder: Path) -> _Record:
    record = _Record(folder.name, _field(folder / "meta.yaml", "run_name"))
    tag = folder / "tags" / "mlflow.runName"
    if not record.name and tag.is_file():
        record.name = _text(tag).strip()
    for path in _files(folder / "params"):
        record.params[path.relative_to(folder / "params").as_posix()] = _text(path).strip()
    for path in _files(folder / "metrics"):
        record.metrics[path.relative_to(folder / "metrics").as_posix()] = _points(_text(path))
    return record


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder: a name with a slash is a folder and a file."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _points(text: str) -> list[tuple[float, float]]:
    """Return step and value of the lines ``timestamp value step``; a torn line is left out.

    Before MLflow 1.0 no line had a step.
    """
    lines = [line.split() for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    points = []
    for fields in lines:
        try:
            if len(fields) == width:
                points.append((float(fields[2]) if width > 2 else 0.0, float(fields[0]), float(fields[1])))
        except (ValueError, IndexError):
            continue
    return [(step, value) for step, _, value in sorted(points, key=lambda p: p[:2])]


def _read_server(store: str, wanted: _Wanted) -> list[_Record]:
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise ReadError(
            f"reading the MLflow server {store} needs the package mlflow", "pip install 'kerasdx[mlflow]'"
        ) from error
    with environment(_PATIENCE):
        client = MlflowClient(tracking_uri=store)
        try:
            return [_fetch(client, run) for run in _find(client, wanted)]
        except MlflowException as error:
            raise ReadError(f"cannot be read from MLflow at {store}: {str(error).splitlines()[0]}") from error


#: A server that does not answer is given up after seconds, not after MLflow's minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


@contextmanager
def environment(switches: Mapping[str, str]) -> Iterator[None]:
    """Set MLflow's switches, but those that the user has set."""
    added = [name for name in switches if name not in os.environ]
    os.environ.update({name: switches[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _find(client: Any, wanted: _Wanted) -> list[Any]:
    if wanted.run_id:
        return [client.get_run(wanted.run_id)]
    experiment = client.get_experiment_by_name(wanted.experiment)
    if experiment is None:
        raise _no_experiment(wanted.experiment, [e.name for e in client.search_experiments(max_results=1000)])
    runs: list[Any] = []
    token = None
    while len(runs) < _MAX_RUNS:
        page = client.search_runs([experiment.experiment_id], page_token=token, order_by=["attributes.start_time ASC"])
        runs += page
        token = page.token
        if not token:
            break
    return runs


def _fetch(client: Any, run: Any) -> _Record:
    record = _Record(run.info.run_id, run.info.run_name or "", dict(run.data.params))
    for key in run.data.metrics:
        if not key.startswith(_SYSTEM):
            history = sorted(client.get_metric_history(run.info.run_id, key), key=lambda m: (m.step, m.timestamp))
            record.metrics[key] = [(float(m.step), float(m.value)) for m in history]
    return record
