"""MLflow runs: of an sqlite store (``mlflow.db``), a file store (``mlruns/``), a database, or a tracking server.

All are read as they are, without the package: it takes seconds to import, and would migrate the database of another
version. A database needs SQLAlchemy and its driver; where a tracking URI is of none of these kinds (Databricks), the
package is asked.

=================  =====================================================
`record`           what every store tells of a run; which runs are wanted
`training`         record -> `Run`
`folders`          file stores
`database`         sqlite, and through SQLAlchemy PostgreSQL, MySQL ...
`server`           tracking servers, by their REST interface
`package`          what only the package can reach
=================  =====================================================
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.mlflow import folders
from diagnose.readers.mlflow.record import Record, Wanted, without_password
from diagnose.run import Run

__all__ = [
    "DEFAULT_STORES", "FORMAT", "environment", "is_database", "is_server", "matches", "read", "read_uri",
    "without_password",
]  # fmt: skip

FORMAT = "mlflow"

#: Where a store is looked for when MLFLOW_TRACKING_URI says nothing: kerasdx' own, then MLflow's defaults.
DEFAULT_STORES = ("mlruns/mlflow.db", "mlflow.db", "mlruns")

#: As MLflow names databases, before a ``+driver``.
_DATABASES = frozenset({"postgresql", "postgres", "mysql", "mariadb", "mssql"})
_SERVERS = frozenset({"http", "https"})


def is_server(uri: str) -> bool:
    """Whether a store is asked over HTTP."""
    return _scheme(uri) in _SERVERS


def is_database(uri: str) -> bool:
    """Whether a store is a database that a server of its own keeps, and no file."""
    return _scheme(uri) in _DATABASES


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].partition("+")[0].lower()


def matches(document: Document) -> bool:
    """Whether this is an sqlite store, a file store, or an experiment or run in one."""
    if document.is_directory and document.path is not None:
        return bool(folders.find(document.path, limit=1))
    # Its tables are looked at when it is open: their names need not be in the head.
    return document.head.startswith(b"SQLite format 3\x00")


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the runs of a store that has curves."""
    if document.path is None:
        raise ReadError("is an SQLite database", "write it to a file and pass the file")
    return _runs(document.source, _records_at(document.path, Wanted()), roles)


def read_uri(uri: str, roles: Roles) -> list[Run]:
    """Return the runs that ``mlflow:RUN_ID``, ``mlflow:experiment/NAME`` or ``mlflow:`` (all) names.

    The store is that of ``MLFLOW_TRACKING_URI``, else the first of `DEFAULT_STORES` in the working directory.
    """
    wanted = Wanted.of(uri.removeprefix("mlflow:"))
    return _runs(uri, _records(os.environ.get("MLFLOW_TRACKING_URI") or _default_store(), wanted), roles)


#: A server that does not answer is given up after seconds, not after MLflow's minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


#: Switch -> how many of those that have set it still need it; threads share the environment.
_switched: Counter[str] = Counter()
_switching = threading.Lock()


@contextmanager
def environment(switches: Mapping[str, str]) -> Iterator[None]:
    """Set MLflow's switches, but those that the user has set."""
    with _switching:
        added = [name for name in switches if name not in os.environ or _switched[name]]
        os.environ.update({name: switches[name] for name in added})
        _switched.update(added)
    try:
        yield
    finally:
        with _switching:
            _switched.subtract(added)
            for name in added:
                if not _switched[name] and os.environ.get(name) == switches[name]:  # else the user has set it meanwhile
                    del os.environ[name]


def _runs(source: str, records: Iterator[Record], roles: Roles) -> list[Run]:
    from diagnose.readers.mlflow import training

    return training.runs_of_records(source, FORMAT, records, roles)


def _records(store: str, wanted: Wanted) -> Iterator[Record]:
    path = _path_of(store)
    if path is not None:
        if not path.exists():
            raise ReadError(f"cannot be looked up: the MLflow store {store} does not exist", "set MLFLOW_TRACKING_URI")
        return _records_at(path, wanted)
    if is_server(store):
        from diagnose.readers.mlflow import server

        return server.records(store, wanted)
    if is_database(store):
        from diagnose.readers.mlflow import database

        return database.records(store, wanted)
    from diagnose.readers.mlflow import package

    with environment(PATIENCE):
        return iter([*package.records(store, wanted)])


def _records_at(path: Path, wanted: Wanted) -> Iterator[Record]:
    if path.is_dir():
        return folders.records(path, wanted)
    from diagnose.readers.mlflow import database

    return database.records_of_file(path, wanted)


def _default_store() -> str:
    for store in DEFAULT_STORES:
        if Path(store).exists() and (Path(store).is_file() or folders.find(Path(store), limit=1)):
            return store
    raise ReadError(
        "cannot be looked up: there is no MLflow store here", "set MLFLOW_TRACKING_URI or go to the folder of mlruns"
    )


def _path_of(store: str) -> Path | None:
    """Return where a store on disk lies; None for any other."""
    if "://" not in store and not store.startswith(("file:", "databricks")):
        return Path(store)
    try:
        parts = urlsplit(store)
    except ValueError:  # brackets that are no address
        return None
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "sqlite":  # sqlite:///relative, sqlite:////absolute
        return Path(parts.path[1:])
    return None
