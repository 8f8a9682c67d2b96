"""What a store is to get of a training, in a file beside its log: nothing is lost where a store is away.

``run.1a2b3c4d.mlflow.json`` beside ``run.csv``, one for each training, is written before anything is sent, and
afterwards says which run the training is in which store. After a power cut, a full disk or a lost network `tune sync`
sends what has stayed behind: curves and diagnosis come from the log itself, from the bytes that are the training's.
"""

from __future__ import annotations

import glob
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
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
    since, until
        The bytes of the log that are of this training; `until` is None while it goes on.
    reason
        Why it is not sent.
    """

    path: Path
    log: str
    store: str
    record: TrainingRecord
    state: State = State.OPEN
    run: str = ""
    since: int = 0
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
            parcel._check()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"is no record of a training: {error}") from None
        return parcel

    def _check(self) -> None:
        """Raise ValueError or TypeError where a file that may be anybody's asks for what it should not."""
        texts = (self.log, self.store, self.run, self.reason, self.record.key, self.record.run, self.record.experiment)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a name is no text")
        if not all(isinstance(time, int | float) for time in (self.record.started, self.record.ended)):
            raise TypeError("a time is no number")
        if not all(end is None or isinstance(end, int) for end in (self.since, self.until)):
            raise TypeError("a place in the log is no number")
        folder = self.path.parent.resolve()
        files: tuple[str | Path, ...] = (self.log, *self.record.artifacts)
        if not all((folder / file).resolve().is_relative_to(folder) for file in files):
            raise ValueError("it names files outside its folder")

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
            "since": self.since,
            "until": self.until,
            "reason": self.reason,
            "record": self.record.to_dict(),
        }
        folder = self.path.parent
        # Relative, they stay right where the folder is moved; what lies outside is not read again.
        content["record"]["artifacts"] = [
            path.relative_to(folder).as_posix() for path in self.record.artifacts if path.is_relative_to(folder)
        ]
        draft = self.path.with_name(f".{self.path.name}.tmp")
        try:
            draft.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
            os.replace(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

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
                    run = send(record, uri or usable_uri(self.store), known=known, run=self.run)
                else:
                    with self._whole() as whole:
                        run = send(whole, uri or usable_uri(self.store), run=self.run)
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
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"{self.path} is being sent by another process") from None
        except OSError:  # a folder that cannot be written to: what is to be sent is at hand
            pass
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _whole(self) -> Iterator[TrainingRecord]:
        """Yield the record with what its part of the log says."""
        from diagnose.analyze import Selection
        from diagnose.api import diagnose_source
        from diagnose.readers import ReadError

        size = self.log_path.stat().st_size if self.log_path.exists() else 0
        until = self._end(size)
        files = [path for path in self.record.artifacts if path.exists() and path != self.log_path]
        record = self.record
        if until < size:  # later trainings have written ``run.json`` anew
            files = [path for path in files if path != facts_beside(self.log_path)]
        elif facts := facts_in(facts_beside(self.log_path)):
            parameters, datasets = record.parameters or settings_of(facts), record.datasets or of_data_facts(facts)
            record = replace(record, parameters=parameters, datasets=datasets)
        if self.state is State.OPEN:  # its process died
            record = replace(record, ended=self.log_path.stat().st_mtime if size else record.started, is_failed=True)
        if until <= self.since:  # it ended before its first epoch did
            yield replace(record, artifacts=tuple(files))
            return
        with tempfile.TemporaryDirectory(prefix="kerasdx-") as scratch:
            log = self.log_path
            if until < size:
                log = Path(scratch) / self.log
                with self.log_path.open("rb") as whole, log.open("wb") as part:
                    part.write(whole.read(until))
            record = replace(record, artifacts=(log, *files))
            try:
                report = diagnose_source(str(log), Selection(), {}).runs[-1]
            except ReadError:
                yield record
            else:
                yield record.diagnosed(replace(report, run=replace(report.run, source=str(self.log_path))))

    def _end(self, size: int) -> int:
        """Return where its part of the log ends: where the next training begins, if it did not come to note its end."""
        if self.until is not None:
            return min(self.until, size)
        return min((box.since for box in of_log(self.log_path) if box.since > self.since), default=size)

    def is_busy(self) -> bool:
        """Whether the training that writes the log goes on."""
        if self.state is not State.OPEN or self.until is not None:
            return False
        lock = FileLock(self.path.with_name(f".{self.log}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return self._end(-1) < 0  # the lock may be that of a later training
        except OSError:
            return False
        lock.release()
        return False

    def discard(self) -> None:
        """Remove what lies in ``mlruns/unsent`` of a training that is sent; what lies elsewhere stays."""
        folder = self.path.parent
        if folder.parts[-3:-1] != _UNSENT or self.state is not State.SENT:
            return
        with suppress(OSError):
            for path in (self.log_path, facts_beside(self.log_path), self.path, *folder.glob(".*.lock")):
                path.unlink(missing_ok=True)
            folder.rmdir()
            folder.parent.rmdir()  # unless others wait there


#: Where the logs lie of trainings that have none of their own, under the working directory.
_UNSENT = ("mlruns", "unsent")


def unsent_log() -> Path:
    """Return a log for a training that has none of its own, in a folder where it waits for the store."""
    return Path(*_UNSENT) / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}" / "run.csv"


def of_log(log: Path) -> list[Parcel]:
    """Return the parcels of a log, the newest first; those that cannot be read are left out."""
    found = []
    for path in log.parent.glob(f"{glob.escape(log.stem)}*{SUFFIX}"):
        with suppress(OSError, ValueError):
            parcel = Parcel.read(path)
            if parcel.log == log.name:
                found.append(parcel)
    return sorted(found, key=lambda parcel: -parcel.record.started)


def begun(log: Path, record: TrainingRecord, store: str, state: State = State.OPEN) -> Parcel:
    """Return, and write, the parcel of a training that begins, or of one that was not to be sent while it went on.

    Of earlier trainings of the log what is sent is forgotten, and what waits goes on waiting. Where it cannot be
    written (a full disk) the store may take the training all the same.
    """
    since = log.stat().st_size if state is State.OPEN and log.exists() else 0
    for earlier in of_log(log):
        if earlier.state is State.SENT:
            with suppress(OSError):
                earlier.path.unlink()
    path = log.with_name(f"{log.stem}.{uuid.uuid4().hex[:8]}{SUFFIX}")
    parcel = Parcel(path, log.name, store, record, state, since=since)
    with suppress(OSError):
        parcel.write()
    return parcel


def follow(log: Path, renamed: Path) -> None:
    """Let the parcels of a log know that it was renamed, within its folder."""
    for parcel in of_log(log):
        with suppress(OSError):
            facts = {log: renamed, facts_beside(log): facts_beside(renamed)}
            artifacts = tuple(facts.get(path, path) for path in parcel.record.artifacts)
            replace(parcel, log=renamed.name, record=replace(parcel.record, artifacts=artifacts)).write()


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
