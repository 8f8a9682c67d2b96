"""MLflow: a training as a run of a tracking store. The one module that knows MLflow, which is imported when it is used.

Without ``MLFLOW_TRACKING_URI`` the store is the file ``mlruns/mlflow.db`` of the working directory, its artifacts
beside it. ``mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db`` shows it, ``diagnose mlflow:RUN_ID`` reads it.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from diagnose.readers.mlflow import environment
from recipes.errors import RecipeError
from tuners.deadline import within

#: Where the store lies, under the working directory.
DEFAULT_STORE = "mlruns/mlflow.db"

#: A server that does not answer is given up after seconds, not after MLflow's minutes. Nothing is told to MLflow's
#: makers, nothing is drawn on the terminal.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
#: What is said at info and warning level while a store is made and a server is tried again.
_CHATTERS = ("mlflow", "alembic", "urllib3.connectionpool")
#: MLflow tries a database that does not answer ten times, with longer and longer pauses.
_OPEN_SECONDS = 60.0
#: To make a store takes seconds; as long as another process may take for it.
_LOCK_SECONDS = 120.0
#: Another process that writes is waited for.
_BUSY_SECONDS = 30.0

_SQLITE = "sqlite:///"
_KEY, _PARENT = "kerasdx.key", "mlflow.parentRunId"
#: They mean something in a URI, and whether MLflow takes them literally depends on its parts' versions.
_NOT_IN_PATHS = re.compile(r"\?|%[0-9A-Fa-f]{2}")
#: A colon is not allowed on every system.
_NOT_IN_NAMES = re.compile(r"[^\w./\- ]")
_MOST_NAME, _MOST_PARAMETER, _MOST_TAG = 250, 6000, 5000
_MOST_MESSAGE = 200


class TrackingError(RecipeError):
    """A training could not be stored in MLflow; it is none the worse for it."""


@dataclass(frozen=True)
class TrainingRecord:
    """What is stored of a training.

    Parameters
    ----------
    experiment, run
        Names for people.
    started, ended
        Seconds since 1970.
    parameters
        Path -> value of every setting; None is an empty text, for "None" would spoil a column of numbers.
    curves
        Column -> (epoch, value) pairs; layer statistics too, as ``grad_norm/dense``. NaN and infinities are kept.
    metrics
        What there is one of in a training: ``test_accuracy``, ``best_val_loss``, ``best_epoch``, ``epochs_run`` ...
    tags
        ``diagnosis.verdict``, ``kerasdx.version`` ...
    note
        Description, in Markdown.
    artifacts
        Files and folders.
    is_failed
        Whether the training ended before it should.
    parent
        Id of the run that it belongs to: a trial to its search.
    key
        What it is told by: a training that is logged again under the same key is not stored twice.
    """

    experiment: str
    run: str
    started: float
    ended: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    artifacts: tuple[Path, ...] = ()
    is_failed: bool = False
    parent: str = ""
    key: str = ""


@dataclass(frozen=True)
class Within:
    """What a training is in the store, where it is part of something.

    Parameters
    ----------
    parent
        Id of the run that it belongs to; empty: to none.
    name
        Of its own run; empty: that of its folder.
    key
        As of `TrainingRecord`.
    """

    parent: str = ""
    name: str = ""
    key: str = ""


def store_uri(root: Path) -> str:
    """Return the store that ``MLFLOW_TRACKING_URI`` names, else that of a working directory; nothing is made."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{(root / DEFAULT_STORE).resolve().as_posix()}"


def shown_uri(track: bool | str) -> str:
    """Return the store that ``track`` of `tuners.train` means, without its password; nothing where there is none."""
    return _without_password(_absolute(track if isinstance(track, str) else store_uri(Path.cwd()))) if track else ""


def log_training(record: TrainingRecord, uri: str | None = None) -> str:
    """Store a training as a run.

    Parameters
    ----------
    record
        The training.
    uri
        The store; None: `store_uri` of the working directory. A database file is made where there is none.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    TrackingError
        MLflow is not installed, or the store cannot be written to.
    """
    with _connected(uri) as (client, uri):
        experiment = _experiment(client, record.experiment, _artifacts_of(uri))
        run_id = (_run_of(client, experiment, record.key) if record.key else "") or _created(client, experiment, record)
        try:
            client.log_batch(run_id, metrics=_metrics(record), params=_params(record), tags=_tags(record))
        except BaseException:
            with suppress(Exception):
                client.set_terminated(run_id, "FAILED")
            raise
        _end(client, run_id, record)
        return run_id


def begin(record: TrainingRecord, uri: str | None = None) -> str:
    """Store a run that goes on, for others to belong to, and return its id; `conclude` ends it.

    Raises
    ------
    TrackingError
        As `log_training`.
    """
    with _connected(uri) as (client, uri):
        experiment = _experiment(client, record.experiment, _artifacts_of(uri))
        run_id = (_run_of(client, experiment, record.key) if record.key else "") or _created(client, experiment, record)
        client.log_batch(run_id, params=_params(record), tags=_tags(record))
        return run_id


def conclude(run_id: str, record: TrainingRecord, uri: str | None = None) -> None:
    """Add metrics, tags and files to a run that `begin` has begun, and end it.

    Raises
    ------
    TrackingError
        As `log_training`.
    """
    with _connected(uri) as (client, _uri):
        client.log_batch(run_id, metrics=_metrics(record), tags=_tags(record))
        _end(client, run_id, record)


@contextmanager
def _connected(uri: str | None) -> Iterator[tuple[Any, str]]:
    """Yield a client of the store, and its URI; what goes wrong meanwhile is told in a line."""
    uri = _absolute(uri or store_uri(Path.cwd()))
    with _readable_errors(uri), environment(_ENVIRONMENT), _quiet():
        yield _client(uri), uri


def _created(client: Any, experiment: str, record: TrainingRecord) -> str:
    run = client.create_run(
        experiment,
        start_time=_milliseconds(record.started),
        run_name=record.run,
        tags={_KEY: record.key} if record.key else None,
    )
    return str(run.info.run_id)


def _run_of(client: Any, experiment: str, key: str) -> str:
    """Return the run of a key; nothing where there is none."""
    quoted = key.replace("'", "_")
    found = client.search_runs([experiment], f"tags.`{_KEY}` = '{quoted}'", max_results=1)
    return str(found[0].info.run_id) if found else ""


def _end(client: Any, run_id: str, record: TrainingRecord) -> None:
    # Before the files: whatever happens to those, the training has ended.
    status = "FAILED" if record.is_failed else "FINISHED"
    client.set_terminated(run_id, status, _milliseconds(record.ended))
    for path in record.artifacts:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def _client(uri: str) -> Any:
    """Return a client of a store that is there and answers."""
    from mlflow.tracking import MlflowClient

    path = _database(uri)
    if path is None:
        client = MlflowClient(tracking_uri=uri)
        within(_OPEN_SECONDS, lambda: client.search_experiments(max_results=1))
        return client
    if not _is_there(path):
        _make(path)
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # fails at once where MLflow would try again for minutes
    return MlflowClient(tracking_uri=uri)


def _make(path: Path) -> None:
    """Make an empty store. It takes its place when it is whole: MLflow cannot mend one whose making was interrupted."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS):
        if _is_there(path):  # another process was faster
            return
        draft = path.with_name(f".{path.name}.{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        try:
            store: Any = SqlAlchemyStore(f"{_SQLITE}{draft.as_posix()}", _folder(path))  # type: ignore[no-untyped-call]
            store.engine.dispose()
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _is_there(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _absolute(uri: str) -> str:
    path = _database(uri)
    return uri if path is None else f"{_SQLITE}{path.resolve().as_posix()}"


def _database(uri: str) -> Path | None:
    """Return the file of an sqlite store; None for any other."""
    if not uri.startswith(_SQLITE):
        return None
    found = _NOT_IN_PATHS.search(uri)
    if found:
        raise TrackingError(
            f"the training is not in MLflow: it takes no path with {found[0]!r} in it, as {uri} has; "
            "name another store with MLFLOW_TRACKING_URI"
        )
    return Path(uri.removeprefix(_SQLITE))


def _artifacts_of(uri: str) -> str | None:
    """Return where the files of an sqlite store go; None where the server decides."""
    path = _database(uri)
    return None if path is None else _folder(path)


def _folder(path: Path) -> str:
    return (path.parent / "artifacts").as_uri()


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another process was faster, or it cannot be made
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the MLflow experiment {name!r} was deleted; bring it back with: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return str(found.experiment_id)


def _metrics(record: TrainingRecord) -> list[Any]:
    from mlflow.entities import Metric

    time = _milliseconds(record.ended)
    points: dict[str, Sequence[tuple[float, float]]] = {**record.curves}
    single = {name: [(0.0, value)] for name, value in record.metrics.items()}
    # A name that is a curve and a metric too would get a point that was never measured.
    names = _valid_names([*points, *single])
    every = [*points.values(), *single.values()]
    return [
        Metric(name, float(value), time, int(epoch))
        for name, curve in zip(names, every, strict=True)
        for epoch, value in curve
    ]


def _params(record: TrainingRecord) -> list[Any]:
    from mlflow.entities import Param

    names = _valid_names(record.parameters)
    return [Param(name, _text(value)) for name, value in zip(names, record.parameters.values(), strict=True)]


def _tags(record: TrainingRecord) -> list[Any]:
    from mlflow.entities import RunTag

    tags = {**record.tags, **({"mlflow.note.content": record.note} if record.note else {})}
    tags |= {_PARENT: record.parent} if record.parent else {}
    return [
        RunTag(name, _cut(str(value), _MOST_TAG)) for name, value in zip(_valid_names(tags), tags.values(), strict=True)
    ]


def _text(value: Any) -> str:
    """Return a setting as it stands in a configuration file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return _cut(str(value), _MOST_PARAMETER)


def _valid_names(names: Iterable[str]) -> list[str]:
    """Return names that MLflow takes, each another one; a name is a path of parts to it."""
    taken: dict[str, None] = {}
    for name in names:
        parts = [part.strip() for part in _NOT_IN_NAMES.sub("_", name).split("/")]
        valid = "/".join(part for part in parts if part not in ("", ".", "..")) or "_"
        candidate, number = valid[:_MOST_NAME], 2
        while candidate in taken:
            suffix = f"_{number}"
            candidate, number = valid[: _MOST_NAME - len(suffix)] + suffix, number + 1
        taken[candidate] = None
    return list(taken)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _milliseconds(seconds: float) -> int:
    return math.floor(seconds * 1000)


@contextmanager
def _quiet() -> Iterator[None]:
    """Import MLflow, which sets its own levels, and let errors alone be told."""
    try:
        import mlflow.tracking  # noqa: F401
    except ImportError:
        raise TrackingError("to store trainings in MLflow needs it: pip install 'kerasdx[mlflow]'") from None
    loggers = [logging.getLogger(name) for name in _CHATTERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _readable_errors(uri: str) -> Iterator[None]:
    """Make one line of whatever goes wrong: no failure of a store is worth a training."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        shown = _without_password(uri)
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
        lines = said.strip().replace(uri, shown).splitlines() or [type(error).__name__]
        what = _cut(" ".join(lines[0].split()), _MOST_MESSAGE)
        raise TrackingError(
            f"the training is not in MLflow at {shown}: {what}; name another store with MLFLOW_TRACKING_URI"
        ) from None


def _without_password(uri: str) -> str:
    try:
        password = urlsplit(uri).password
    except ValueError:
        return uri
    return uri.replace(f":{password}@", ":***@") if password else uri
