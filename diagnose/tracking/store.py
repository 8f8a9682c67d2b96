"""Which tracking store there is, and the way to it: made where it is missing, given up where it does not answer.

Without ``MLFLOW_TRACKING_URI`` the store is the file ``mlruns/mlflow.db`` of the working directory, its artifacts
beside it. ``tune ui`` shows it, ``diagnose mlflow:RUN_ID`` reads it. MLflow is imported when it is used.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from diagnose.deadline import within
from diagnose.readers.base import ReadError
from diagnose.readers.mlflow import database, environment, is_database, is_server, server
from diagnose.readers.mlflow.record import hidden, without_password

#: Where the store lies, under the working directory.
DEFAULT_STORE = "mlruns/mlflow.db"

#: A server that does not answer is given up after seconds, not after MLflow's minutes. Nothing is told to MLflow's
#: makers, nothing is drawn on the terminal.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # whoever has one names it
}
#: What is said at info and warning level while a store is made and a server is tried again.
_CHATTERS = ("mlflow", "alembic", "urllib3.connectionpool", "psycopg")
#: To open a database takes seconds, where it has to be made or brought up to date.
_OPEN_SECONDS = 30.0
#: To make a store takes seconds; as long as another process may take for it.
_LOCK_SECONDS = 120.0
#: Another process that writes is waited for.
_BUSY_SECONDS = 30.0

_SQLITE = "sqlite:///"
#: They mean something in a URI, and whether MLflow takes them literally depends on its parts' versions.
_NOT_IN_PATHS = re.compile(r"\?|%[0-9A-Fa-f]{2}")


class TrackingError(Exception):
    """Something could not be stored in MLflow; the training is none the worse for it. The message is one line."""


class StoreAwayError(TrackingError):
    """The store does not answer at all."""


def store_uri(root: Path) -> str:
    """Return the store that ``MLFLOW_TRACKING_URI`` names, else that of a working directory; nothing is made."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{(root / DEFAULT_STORE).resolve().as_posix()}"


def store_of(given: str) -> str:
    """Return the address of the store that a person means, who may name a file or a folder."""
    path = Path(given)
    if "://" in given or given.startswith(("databricks", "file:")):
        return given
    if path.is_dir():
        inside = path / Path(DEFAULT_STORE).name
        return _absolute(f"{_SQLITE}{inside.as_posix()}") if inside.exists() else path.resolve().as_uri()
    return _absolute(f"{_SQLITE}{path.as_posix()}")


def shown_uri(uri: str | None = None) -> str:
    """Return a store's address as it may be shown and kept, absolute and without its password; None: `store_uri`."""
    return without_password(_absolute(uri or store_uri(Path.cwd())))


def usable_uri(shown: str) -> str:
    """Return the store that `shown_uri` has returned this for, with its password where the environment has it.

    Raises
    ------
    TrackingError
        It is a server that nobody but a file has named, or has a password, which is not kept.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if given and shown_uri(given) == shown:
        return given
    if is_server(shown):  # it stands in a file that may be anybody's, and would be told this machine's password
        raise TrackingError(f"say that {shown} is to have it: --store {shown}, or MLFLOW_TRACKING_URI")
    if "***" in shown:
        raise TrackingError(
            f"the password of {shown} is not kept: set MLFLOW_TRACKING_URI to the store's address with it"
        )
    return shown


def sync_command(place: Path, shown: str) -> str:
    """Return the command that sends what waits in a folder to the store that it was meant for."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    is_known = not is_server(shown) or (given and shown_uri(given) == shown)
    return shlex.join(["tune", "sync", str(place), *([] if is_known else ["--store", shown])])


@contextmanager
def connected(uri: str | None) -> Iterator[tuple[Any, str]]:
    """Yield a client of the store, and its URI; what goes wrong meanwhile is told in a line."""
    uri = _absolute(uri or store_uri(Path.cwd()))
    with environment(_ENVIRONMENT), _quiet():
        with _readable_errors(uri, StoreAwayError):
            client = _client(uri)
        with _readable_errors(uri, TrackingError):
            yield client, uri


def _client(uri: str) -> Any:
    """Return a client of a store that is there and answers: MLflow itself would try again for minutes."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    path = file_of(uri)
    if path is not None:
        _open_file(path)
    elif is_server(uri):
        server.reach(uri)
    elif is_database(uri):
        database.reach(uri)
    try:
        return within(_OPEN_SECONDS, lambda: MlflowClient(tracking_uri=uri))
    except MlflowException as error:
        if "unsupported URI" not in str(error) and "egistry functionality" not in str(error):
            raise
        raise TrackingError(
            f"{without_password(uri)} is no address of an MLflow store; write sqlite:///FILE, http://..., postgresql://..."
        ) from None


def _open_file(path: Path) -> None:
    """Make a store where there is none; see that one that is there can be written to."""
    if not _is_there(path):
        _make(path)
    elif not database.is_of_mlflow(path):
        raise TrackingError(f"{path} is no store of MLflow's; name another file")
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")


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
    path = file_of(uri)
    return uri if path is None else f"{_SQLITE}{path.resolve().as_posix()}"


def file_of(uri: str) -> Path | None:
    """Return the file of an sqlite store; None for any other.

    Raises
    ------
    TrackingError
        MLflow takes no such path.
    """
    if not uri.startswith(_SQLITE):
        return None
    found = _NOT_IN_PATHS.search(uri)
    if found:
        raise TrackingError(
            f"cannot use MLflow: it takes no path with {found[0]!r} in it, as {uri} has; "
            "name another store with MLFLOW_TRACKING_URI"
        )
    return Path(uri.removeprefix(_SQLITE))


def artifacts_of(uri: str) -> str | None:
    """Return where files go: beside an sqlite file, of other databases below the working directory; a server decides.

    MLflow itself would take a relative path, which means another folder for whoever reads it.
    """
    path = file_of(uri)
    if path is not None:
        return _folder(path)
    return _folder(Path.cwd() / DEFAULT_STORE) if is_database(uri) else None


def _folder(path: Path) -> str:
    return (path.parent / "artifacts").as_uri()


def experiment_id(client: Any, name: str, artifacts: str | None, known: str = "") -> str:
    """Return the id of an experiment, which is made where there is none; without a name, the one that is set.

    Parameters
    ----------
    client
        Of the store.
    name
        Of the experiment.
    artifacts
        Where its files go, if it is made.
    known
        The id that it had in the store that it was meant for.

    Raises
    ------
    TrackingError
        It was deleted.
    """
    from mlflow.exceptions import MlflowException

    if known:
        with suppress(MlflowException):
            return str(client.get_experiment(known).experiment_id)
    if not name and (chosen := os.environ.get("MLFLOW_EXPERIMENT_ID")):  # mlflow.set_experiment sets it, too
        return chosen
    name = name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "Default"
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


#: Logger -> its level before threads that send have silenced it; an entry for each of them; and who may change these.
_levels: dict[str, int] = {}
_quieted: list[None] = []
_quieting = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Import MLflow, which sets its own levels, and let errors alone be told."""
    try:
        import mlflow.tracking  # noqa: F401
    except ImportError:
        raise TrackingError("to store anything in MLflow needs it: pip install 'kerasdx[mlflow]'") from None
    with _quieting:
        if not _levels:
            _levels.update({name: logging.getLogger(name).level for name in _CHATTERS})
            for name in _CHATTERS:
                logging.getLogger(name).setLevel(logging.ERROR)
        _quieted.append(None)
    try:
        yield
    finally:
        with _quieting:
            _quieted.pop()
            if not _quieted:  # the last of the threads that send
                for name, level in _levels.items():
                    logging.getLogger(name).setLevel(level)
                _levels.clear()


@contextmanager
def _readable_errors(uri: str, kind: type[TrackingError]) -> Iterator[None]:
    """Make one line of whatever goes wrong: no failure of a store is worth a training."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        shown = without_password(uri)
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, ReadError):  # it names the store
            raise kind(str(error)) from None
        what = hidden(said or type(error).__name__, uri)
        raise kind(f"cannot use MLflow at {shown}: {what}") from None
