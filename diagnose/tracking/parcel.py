"""What a store is to get of a training, in a file beside its log: nothing is lost where a store is away.

``run.mlflow.json`` beside ``run.csv`` is written before anything is sent, and afterwards says which run the log is in
which store. After a power cut, a full disk or a lost network `tune sync` sends what has stayed behind: curves and
diagnosis come from the log itself.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from diagnose.readers.curves import PARCEL_SCHEMA, facts_beside, facts_in
from diagnose.tracking.dataset import of_data_facts
from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.sending import Known, send
from diagnose.tracking.settings import settings_of
from diagnose.tracking.store import TrackingError, shown_uri, usable_uri

SUFFIX = ".mlflow.json"
_MOST_BYTES = 16 * 1024 * 1024
_MOST_REASON = 500


class State(StrEnum):
    """How far a parcel has come."""

    #: The training goes on, or its process died.
    OPEN = "open"
    #: The training is over, and the store has not, or not all of, it.
    UNSENT = "unsent"
    SENT = "sent"


class BusyError(Exception):
    """Its training goes on, or another process is sending it."""


@dataclass(frozen=True)
class Parcel:
    """A training on its way to a store.

    Parameters
    ----------
    path
        Its own file.
    log
        Name of the log beside it.
    store
        Where it goes, without a password.
    record
        All that the log does not have.
    state
        How far it has come.
    run
        Id of its run in the store, as soon as there is one.
    until
        How many bytes of the log are of this training or earlier ones; None: all.
    reason
        Why it is not sent.
    """

    path: Path
    log: str
    store: str
    record: TrainingRecord
    state: State = State.OPEN
    run: str = ""
    until: int | None = None
    reason: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a parcel.

        Raises
        ------
        ValueError
            It is none, or damaged.
        OSError
            It cannot be read.
        """
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("is no record of a training: it is too large")
        try:
            content = json.loads(path.read_bytes())
            if content.pop("schema") != PARCEL_SCHEMA:
                raise ValueError("of another version")
            record = TrainingRecord.of_dict(content.pop("record"))
            record = replace(record, artifacts=tuple(path.parent / artifact for artifact in record.artifacts))
            state = State(content.pop("state"))
            parcel = cls(path=path, record=record, state=state, **content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"is no record of a training: {error}") from None
        if Path(parcel.log).name != parcel.log:  # nothing outside its folder is read
            raise ValueError("is no record of a training: its log lies elsewhere")
        return parcel

    def write(self) -> None:
        """Write it in one step.

        Raises
        ------
        OSError
            There is no room, or no right to.
        """
        content: dict[str, Any] = {
            "schema": PARCEL_SCHEMA,
            "state": str(self.state),
            "store": self.store,
            "run": self.run,
            "log": self.log,
            "until": self.until,
            "reason": self.reason,
            "record": self.record.to_dict(),
        }
        content["record"]["artifacts"] = [self._relative(path) for path in self.record.artifacts]
        draft = self.path.with_name(f".{self.path.name}.tmp")
        try:
            draft.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
            os.replace(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

    def _relative(self, path: Path) -> str:
        """Return a path that stays right where the folder is moved."""
        return os.path.relpath(path, self.path.parent) if path.is_relative_to(self.path.parent) else str(path)

    @property
    def log_path(self) -> Path:
        """The log."""
        return self.path.with_name(self.log)

    def deliver(
        self,
        record: TrainingRecord | None = None,
        *,
        uri: str | None = None,
        known: Known | None = None,
        missing: str = "",
    ) -> Parcel:
        """Send it, and note that.

        Parameters
        ----------
        record
            The whole of it, where the caller has that; else it is made from the log.
        uri
            The store, where it is another one now.
        known
            As of `send`.
        missing
            What else the store is to get of it: it waits on for that.

        Raises
        ------
        TrackingError
            It could not be sent, and waits.
        BusyError
            Another process is sending it.
        """
        with self.held():
            try:
                if record is not None:
                    run = send(record, uri or usable_uri(self.store), known=known)
                else:
                    with self._whole() as whole:
                        run = send(whole, uri or usable_uri(self.store), known=known)
            except TrackingError as error:
                with suppress(OSError):  # a full disk: it waits as it was
                    replace(self, state=State.UNSENT, reason=str(error)[:_MOST_REASON]).write()
                raise
            state = State.UNSENT if missing else State.SENT
            store = shown_uri(uri) if uri else self.store
            done = replace(self, state=state, run=run, store=store, reason=missing)
            with suppress(OSError):  # it will be sent again, and found whole
                done.write()
            return done

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from sending it.

        Raises
        ------
        BusyError
            One is doing so.
        TrackingError
            There is no room for a lock, or no right to.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"{self.path} is being sent by another process") from None
        except OSError as error:
            raise TrackingError(f"{self.path.parent}: {error.strerror or error}") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _whole(self) -> Iterator[TrainingRecord]:
        """Yield the record with what its log says."""
        from diagnose.analyze import Selection
        from diagnose.api import diagnose_source
        from diagnose.readers import ReadError

        with tempfile.TemporaryDirectory(prefix="kerasdx-") as scratch:
            log = self.log_path
            if self.until is not None:
                log = Path(scratch) / self.log
                with self.log_path.open("rb") as whole, log.open("wb") as part:
                    part.write(whole.read(self.until))
            files = tuple(path for path in (log, facts_beside(log)) if path.exists())
            others = tuple(path for path in self.record.artifacts if path.exists() and path.name not in _names(files))
            facts = (facts_in(facts_beside(log)) or {}) if self.until is None else {}
            record = replace(
                self.record,
                artifacts=files + others,
                parameters=self.record.parameters or settings_of(facts),
                datasets=self.record.datasets or of_data_facts(facts),
            )
            if self.state is State.OPEN:  # its process died
                ended = log.stat().st_mtime if log.exists() else record.started
                record = replace(record, ended=ended, is_failed=True)
            try:
                report = diagnose_source(str(log), Selection(), {}).runs[-1]
            except ReadError:  # it ended before its first epoch did
                yield record
            else:
                yield record.diagnosed(report)

    def is_busy(self) -> bool:
        """Whether the training that writes the log goes on."""
        if self.state is not State.OPEN or self.until is not None:
            return False
        lock = FileLock(self.path.with_name(f".{self.log}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            return False
        lock.release()
        return False


def _names(paths: tuple[Path, ...]) -> set[str]:
    return {path.name for path in paths}


def beside(log: Path) -> Path:
    """Return where the parcel of a log is: ``run.mlflow.json`` beside ``run.csv``."""
    return log.with_name(log.stem + SUFFIX)


def of_log(log: Path) -> Parcel | None:
    """Return the parcel of a log; None where there is none, or one that cannot be read."""
    try:
        return Parcel.read(beside(log))
    except (OSError, ValueError):
        return None


def begun(log: Path, record: TrainingRecord, store: str) -> Parcel:
    """Return, and write, the parcel of a training that begins; one of an earlier training that waits is kept.

    Raises
    ------
    OSError
        It cannot be written.
    """
    set_aside(log)
    parcel = Parcel(beside(log), log.name, store, record)
    parcel.write()
    return parcel


def set_aside(log: Path) -> None:
    """Keep what waits of the trainings that a log has now under another name: the log will grow.

    Raises
    ------
    OSError
        It cannot be renamed.
    """
    earlier = of_log(log)
    if earlier is None or earlier.state is State.SENT:
        return
    free = (log.with_name(f"{log.stem}.{number}{SUFFIX}") for number in count(1))
    path = next(path for path in free if not path.exists())
    until = log.stat().st_size if log.exists() else 0
    replace(earlier, path=path, until=earlier.until or until).write()
    earlier.path.unlink()


def waiting(folder: Path) -> tuple[list[Parcel], Mapping[Path, str]]:
    """Return the parcels below a folder that are not sent and whose trainings are over; and what looks like one.

    Returns
    -------
    tuple
        Parcels in the order of their trainings, and path -> why it cannot be read.
    """
    found: list[Parcel] = []
    broken: dict[Path, str] = {}
    for path in sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else [folder]:
        if path.name.startswith("."):
            continue
        try:
            parcel = Parcel.read(path)
        except (OSError, ValueError) as error:
            broken[path] = str(error)
            continue
        if parcel.state is not State.SENT and not parcel.is_busy():
            found.append(parcel)
    return sorted(found, key=lambda parcel: parcel.record.started), broken


def discard(parcel: Parcel) -> None:
    """Remove the folder of a parcel that nobody asked for, once it is sent."""
    folder = parcel.path.parent
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # others wait there
        folder.parent.rmdir()
