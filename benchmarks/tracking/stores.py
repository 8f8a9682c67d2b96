"""The stores that are tried: a file, MLflow's server on a file, MLflow's server on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import postgres, postgres_programs, tracking_server

SQLITE, SERVER, POSTGRES = "sqlite", "server", "postgres"
TITLES = {SQLITE: "a file (SQLite)", SERVER: "a server, on SQLite", POSTGRES: "a server, on PostgreSQL"}


def there() -> list[str]:
    """Return those that this machine can have."""
    return [name for name in TITLES if name != POSTGRES or postgres_programs() is not None]


@contextmanager
def opened(name: str, folder: Path) -> Iterator[str]:
    """Yield the URI of an empty store, which is there for the time of the block."""
    if name == SQLITE:
        yield f"sqlite:///{folder}/mlruns/mlflow.db"
    elif name == SERVER:
        with tracking_server(folder / "server") as uri:
            yield uri
    else:
        with postgres(folder) as database, tracking_server(folder / "server", backend=database) as uri:
            yield uri


@contextmanager
def shown(name: str, uri: str, folder: Path) -> Iterator[str]:
    """Yield the address of the UI of a store: its own, or for a file that of a server that is started for it."""
    if name != SQLITE:
        yield uri
    else:
        with tracking_server(folder / "ui", backend=uri) as address:
            yield address
