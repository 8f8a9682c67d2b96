"""MLflow's databases: a file of sqlite, read by Python itself; PostgreSQL and others through SQLAlchemy.

Nothing is written, and nobody who writes has to wait: every query is short, and is fetched whole before its rows are
looked at. Runs are read in pages, a query for each table and page.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from diagnose.readers.base import ReadError
from diagnose.readers.mlflow.folders import setup_in
from diagnose.readers.mlflow.record import (
    LARGEST,
    MOST_RUNS,
    NAME_TAG,
    NO_CURVES,
    Point,
    Record,
    Wanted,
    hidden,
    newest,
    setup_of,
    without_password,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_TABLES = frozenset({"runs", "metrics", "params", "tags", "experiments"})
_QUERY_SECONDS = 60
_CONNECT_SECONDS = 10
#: Another process that writes is waited for.
_BUSY_SECONDS = 30.0
#: A page ends at so many runs or values.
_PAGE_RUNS = 200
_PAGE_VALUES = 250_000
#: A run with more values is no training log that could be judged.
_MOST_VALUES = 5_000_000

Row = Sequence[Any]


@dataclass(frozen=True)
class _Database:
    """An open database.

    Parameters
    ----------
    ask
        Query, its parameters, and how many rows at most (-1: all) -> rows.
    key
        The column ``key``, quoted as this database wants it: it is a word of SQL.
    store
        URI that may be shown.
    folder
        Where the artifacts lie when a store that is a file was moved; None for others.
    """

    ask: Callable[[str, Mapping[str, Any], int], list[Row]]
    key: str
    store: str
    folder: Path | None = None


def records_of_file(path: Path, wanted: Wanted) -> Iterator[Record]:
    """Yield the runs of an sqlite file.

    Raises
    ------
    ReadError
        It is no store of MLflow's, has no such run, or cannot be read.
    """
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=_BUSY_SECONDS)) as connection:
            ask = _bounded(connection)
            found = {name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'", {}, -1)}
            if not found >= _TABLES:
                # A view of that name could compute for ever.
                raise ReadError("is an SQLite database without MLflow's tables", "pass MLflow's own mlflow.db")
            store = f"sqlite:///{path.resolve().as_posix()}"
            yield from _records(_Database(ask, '"key"', store, path.resolve().parent / "artifacts"), wanted)
    except sqlite3.Error as error:
        raise ReadError(f"cannot be read as MLflow's database: {error}") from error


def records(uri: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the runs of a database that SQLAlchemy reaches.

    Raises
    ------
    ReadError
        A package is missing, the database does not answer, is no store of MLflow's, or has no such run.
    """
    shown = without_password(uri)
    try:
        from sqlalchemy import inspect
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise ReadError(f"reading {shown} needs the package sqlalchemy", "pip install 'kerasdx[mlflow]'") from error
    try:
        with _connected(_engine(uri)) as connection:
            if not set(inspect(connection).get_table_names()) >= _TABLES:
                raise ReadError(f"cannot be read: the database {shown} has no MLflow tables", "set MLFLOW_TRACKING_URI")
            key = connection.dialect.identifier_preparer.quote("key")
            yield from _records(_Database(_asker(connection), key, shown), wanted)
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error)
        raise ReadError(f"cannot be read from the database {shown}: {hidden(said, uri)}") from error


def reach(uri: str) -> None:
    """See that a database answers, whether or not it has MLflow's tables.

    Raises
    ------
    ReadError
        It does not, or the driver is not installed.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _connected(_engine(uri)):
            pass
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error)
        raise ReadError(f"the database {without_password(uri)} does not answer: {hidden(said, uri)}") from error


def is_of_mlflow(path: Path) -> bool:
    """Whether a file is an sqlite database that MLflow has made, or an empty one."""
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=_BUSY_SECONDS)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:  # locked: whoever opens it will see
        return True
    except sqlite3.Error:
        return False
    return not tables or tables >= _TABLES


# --- The same for all -------------------------------------------------------------------------------------------------


def _records(database: _Database, wanted: Wanted) -> Iterator[Record]:
    rows = database.ask("SELECT experiment_id, name, lifecycle_stage FROM experiments", {}, -1)
    active = {id: str(name) for id, name, stage in rows if stage != "deleted"}
    found, notes = _wanted_runs(database, wanted, active, [str(name) for _, name, stage in rows if stage == "deleted"])
    if not found:
        raise wanted.missing()
    names = {id: str(name) for id, name, _ in rows}
    for page, values in _pages(database, found):
        yield from _page(database, page, values, names, notes)


def _wanted_runs(
    database: _Database, wanted: Wanted, active: Mapping[Any, str], deleted: Sequence[str]
) -> tuple[list[Row], tuple[str, ...]]:
    """Return id, name, experiment, state and artifacts of the runs, by when they began; and what to note of them."""
    select = "SELECT r.run_uuid, r.name, r.experiment_id, r.status, r.artifact_uri, r.lifecycle_stage FROM runs r"
    if wanted.run_id:
        found = database.ask(f"{select} WHERE r.run_uuid = :run", {"run": wanted.run_id}, -1)
        if found and found[0][5] == "deleted":
            raise wanted.deleted()
        return found, ()
    ids = {str(id): id for id in active}
    chosen = [ids[id] for id in wanted.among({str(id): name for id, name in active.items()}, deleted)]
    where, parameters = ("", {}) if not wanted.experiment else (" AND r.experiment_id = :one", {"one": chosen[0]})
    rows = database.ask(
        f"{select} WHERE r.lifecycle_stage = 'active'{where} ORDER BY r.start_time DESC, r.run_uuid",
        parameters,
        MOST_RUNS + 1,
    )
    found = [row for row in rows if row[2] in active]
    return found[:MOST_RUNS][::-1], newest(len(found))


def _pages(database: _Database, rows: Sequence[Row]) -> Iterator[tuple[list[Row], int]]:
    """Yield runs that are read at once, with how many values they have."""
    for start in range(0, len(rows), _PAGE_RUNS):
        these = rows[start : start + _PAGE_RUNS]
        among, parameters = _among(row[0] for row in these)
        counted = database.ask(
            f"SELECT run_uuid, COUNT(*) FROM metrics WHERE run_uuid IN ({among}) GROUP BY run_uuid", parameters, -1
        )
        counts: dict[Any, int] = dict(map(tuple, counted))
        page: list[Row] = []
        values = 0
        for row in these:
            more = counts.get(row[0], 0)
            if page and values + more > _PAGE_VALUES:
                yield page, values
                page, values = [], 0
            page.append(row)
            values += more
        if page:
            yield page, values


def _page(
    database: _Database, rows: Sequence[Row], values: int, experiments: Mapping[Any, str], notes: tuple[str, ...]
) -> list[Record]:
    if values > _MOST_VALUES:  # one run: a page of several has fewer
        count = f"has {values:,} values in MLflow, more than a training log has"
        raise ReadError(f"cannot be read: run {rows[0][0]} {count}")
    found = {
        row[0]: Record(
            str(row[0]),
            str(row[1] or ""),
            experiments.get(row[2], ""),
            database.store,
            str(row[3] or ""),
            notes=notes,
        )
        for row in rows
    }
    among, parameters = _among(found)
    for table in ("params", "tags"):
        query = f"SELECT t.run_uuid, t.{database.key}, t.value FROM {table} t WHERE t.run_uuid IN ({among})"
        for id, key, value in database.ask(query, parameters, -1):
            if table == "params":
                found[id].params[str(key)] = str(value)
            elif key == NAME_TAG and not found[id].name:  # before MLflow 2 the name was nowhere else
                found[id].name = str(value)
    for row in rows:
        local = database.folder / str(row[0]) / "artifacts" if database.folder is not None else None
        found[row[0]].setup = setup_of(setup_in(str(row[4] or ""), local))
    _fill(database, found, among, parameters)
    return [*found.values()]


def _fill(database: _Database, found: Mapping[Any, Record], among: str, parameters: Mapping[str, Any]) -> None:
    """Read the values of runs."""
    others = "".join(f" AND NOT m.{database.key} LIKE '{start}%'" for start in NO_CURVES)
    # In the order of MLflow's index: nothing has to be sorted.
    query = (
        f"SELECT m.run_uuid, m.{database.key}, m.value, m.timestamp, m.step, m.is_nan FROM metrics m "
        f"WHERE m.run_uuid IN ({among}){others} ORDER BY m.run_uuid, m.{database.key}, m.step"
    )
    for (id, key), rows in groupby(database.ask(query, parameters, -1), key=itemgetter(0, 1)):
        found[id].metrics[str(key)] = _points([*rows])


def _points(rows: Sequence[Row]) -> list[Point]:
    """Return the points of one metric."""
    try:
        return [
            (at + 0.0, step + 0.0, math.nan if is_nan else value if -LARGEST < value < LARGEST else value * math.inf)
            for _, _, value, at, step, is_nan in rows
        ]
    except TypeError:  # sqlite keeps what it is given: a column of numbers may hold text
        numbers = [row for row in rows if all(isinstance(cell, int | float) for cell in row[2:5])]
        return _points(numbers) if len(numbers) < len(rows) else []


def _among(ids: Any) -> tuple[str, dict[str, Any]]:
    """Return the placeholders of a list, and their values."""
    parameters = {f"run{i}": id for i, id in enumerate(ids)}
    return ", ".join(f":{name}" for name in parameters), parameters


# --- sqlite -----------------------------------------------------------------------------------------------------------


def _read_only(path: Path) -> str:
    return f"file:{quote(str(path.resolve()))}?mode=ro"


def _bounded(connection: sqlite3.Connection) -> Callable[[str, Mapping[str, Any], int], list[Row]]:
    """Return what asks the database, each query for a limited time."""
    deadline = math.inf
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)

    def ask(query: str, parameters: Mapping[str, Any], most: int) -> list[Row]:
        nonlocal deadline
        deadline = time.monotonic() + _QUERY_SECONDS
        with closing(connection.execute(query, dict(parameters))) as cursor:
            return cursor.fetchall() if most < 0 else cursor.fetchmany(most)

    return ask


# --- SQLAlchemy -------------------------------------------------------------------------------------------------------

#: Database -> what keeps a session from writing and from asking for ever; `_QUERY_SECONDS` in its own unit.
_SESSION = {
    "postgresql": ("SET TRANSACTION READ ONLY", f"SET LOCAL statement_timeout = {_QUERY_SECONDS * 1000}"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_execution_time = {_QUERY_SECONDS * 1000}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_statement_time = {_QUERY_SECONDS}"),
}
#: Driver -> what it calls the seconds for which it waits.
_WAITS: dict[str, dict[str, Any]] = {
    "psycopg2": {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": 1000 * _QUERY_SECONDS},
    "psycopg": {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": 1000 * _QUERY_SECONDS},
    "pymysql": {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _QUERY_SECONDS + _CONNECT_SECONDS},
    "mysqldb": {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _QUERY_SECONDS + _CONNECT_SECONDS},
    "pymssql": {"login_timeout": _CONNECT_SECONDS, "timeout": _QUERY_SECONDS},
    "pyodbc": {"timeout": _CONNECT_SECONDS},
}


def _engine(uri: str) -> Engine:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    shown = without_password(uri)
    try:
        # SQLAlchemy has forgotten the old name.
        url = make_url(uri.replace("postgres:", "postgresql:", 1) if uri.startswith("postgres:") else uri)
        waits = _WAITS.get(url.get_dialect().driver, {})
        return create_engine(url, poolclass=NullPool, connect_args=waits)
    except ImportError as error:
        driver = error.name or "its driver"
        raise ReadError(
            f"reading {shown} needs the package {driver}",
            f"pip install {_PACKAGES.get(driver, driver)}",
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ReadError(f"cannot be looked up: {shown} is no URI of a database", "mend MLFLOW_TRACKING_URI") from error


#: Driver -> what brings it, where that is another name.
_PACKAGES = {"psycopg": "'kerasdx[postgres]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    from sqlalchemy import text

    try:
        with engine.connect() as connection:
            dialect = connection.dialect
            kind = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
            for setting in _SESSION.get(kind, ()):
                connection.execute(text(setting))
            yield connection
    finally:
        engine.dispose()


def _asker(connection: Connection) -> Callable[[str, Mapping[str, Any], int], list[Row]]:
    from sqlalchemy import text

    def ask(query: str, parameters: Mapping[str, Any], most: int) -> list[Row]:
        with connection.execute(text(query), dict(parameters)) as result:
            return [*(result.fetchall() if most < 0 else result.fetchmany(most))]

    return ask
