"""MLflow stores for tests of the reader, made without the package, which takes seconds to make one."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

#: The columns of MLflow's tables that are looked at; `tests/readers/test_mlflow.py` also reads stores that it made.
_SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, experiment_id INTEGER, status TEXT, start_time BIGINT,
  artifact_uri TEXT, lifecycle_stage TEXT);
CREATE TABLE metrics ("key" TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
CREATE TABLE params ("key" TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags ("key" TEXT, value TEXT, run_uuid TEXT);
"""

#: Values by step, or points of time (ms), step and value.
Curve = Sequence[float] | Sequence[tuple[float, float, float]]


class Store:
    """An sqlite store that is being filled.

    Parameters
    ----------
    path
        The file to make.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._runs = 0
        with sqlite3.connect(path) as connection:
            connection.executescript(_SCHEMA)
        self.experiment(0, "Default")

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.path}"

    def execute(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement, values)

    def experiment(self, id: int, name: str, stage: str = "active") -> None:
        self.execute("INSERT INTO experiments VALUES (?, ?, ?)", id, name, stage)

    def run(
        self,
        metrics: Mapping[str, Curve],
        *,
        id: str = "",
        name: str = "",
        experiment: int = 0,
        status: str = "FINISHED",
        stage: str = "active",
        artifacts: str = "",
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Add a run and return its id; runs begin in the order in which they are added."""
        self._runs += 1
        id = id or f"{self._runs:032x}"
        with sqlite3.connect(self.path) as connection:
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id, name, experiment, status, self._runs, artifacts, stage),
            )
            for key, curve in metrics.items():
                connection.executemany(
                    "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (key, 0.0 if math.isnan(value) else value, at, id, step, math.isnan(value))
                        for at, step, value in points(curve)
                    ],
                )
            for table, pairs in (("params", params), ("tags", tags)):
                rows = [(key, value, id) for key, value in (pairs or {}).items()]
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
        return id


def points(curve: Curve) -> list[tuple[float, float, float]]:
    """Return time, step and value of a curve."""
    return [one if isinstance(one, tuple) else (1000 + step, step, one) for step, one in enumerate(curve)]
