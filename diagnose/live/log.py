"""The log that Monitor writes: a CSV with one row per epoch, which survives whatever ends the training.

* A row is one write at the end of the file, after each epoch: whoever kills the process leaves whole lines, or one
  torn line at the end, which readers leave out and the next training cuts off.
* A column that comes later (``validation_freq=2``) widens the header: the file is copied, line by line, and takes the
  old one's place in one step.
* A training that is started again appends. Its rows go under the last header if that has all of its columns, else under
  a header of their own: what earlier trainings wrote stays as it is, to the byte.
* A file has one writer, which holds a lock that the system releases when the process dies. A second one writes
  ``run-2.csv``. A file that is no training log is not touched: ``run-2.csv`` again.

Before each row the file is looked at: if it was deleted, cut or written to by something else meanwhile, the row begins
a part of its own rather than damage what is there.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self
from weakref import WeakValueDictionary

import numpy as np
from filelock import FileLock, Timeout

from diagnose.readers.columns import classify, merged_names, printable
from diagnose.readers.curves import facts_beside, facts_in

#: What the rows are counted by; the first column of every header.
EPOCH = "epoch"
#: The text column that says, in the last row, which check stopped the training.
STOPPED = "stopped"

#: Trainings that may write under one name at once.
_MOST_NAMES = 1000
#: A longer first line is no header of ours, with thousands of layers.
_MAX_HEADER = 4 * 1024 * 1024
_COPY = 1024 * 1024
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_BOM = b"\xef\xbb\xbf"

#: Real path -> the log of this process that holds it.
_held: WeakValueDictionary[str, Log] = WeakValueDictionary()


class Log:
    """A CSV that grows by one row per epoch.

    Parameters
    ----------
    path
        Where to write. Missing folders are made; a symbolic link is followed.
    append
        Whether to go on below an older log of this name. If not, that one is renamed to ``run.1.csv`` (or the next
        free number), and what is beside it in ``run.json`` to ``run.1.json``: nothing is overwritten.

    Attributes
    ----------
    path
        The file that is written: another one than was asked for where that is taken.
    note
        Why it is another one, in a line; empty where it is not.

    Notes
    -----
    A copy or an unpickled log is closed, and knows nothing but what it was made with.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = True) -> None:
        self._asked = Path(path)
        self._append = append
        self.path = self._asked
        self.note = ""
        self._lock: FileLock | None = None
        self._part: _Part | None = None
        self._thread = 0

    def __reduce__(self) -> tuple[partial[Log], tuple[Path]]:
        return partial(Log, append=self._append), (self._asked,)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def facts_path(self) -> Path:
        """Where the facts about the training belong: ``run.json`` beside ``run.csv``."""
        return facts_beside(self.path)

    def open(self) -> None:
        """Take hold of a file that is free, and make it fit to be appended to; nothing if that was done.

        Raises
        ------
        OSError
            The path is a folder, cannot be written, or there is no room.
        """
        if self._lock is None:
            self._open(take_over=True)

    def write(self, row: Mapping[str, float | str | None]) -> None:
        """Append a row.

        Parameters
        ----------
        row
            Column -> value, ``epoch`` first. ``None`` was not measured; NaN and infinity are values. A column that
            no row before had is taken in where it stands; one that is missing was not measured.

        Raises
        ------
        OSError
            The row could not be written, and the file is as it was.
        ValueError
            The first column is not ``epoch``.
        """
        cells = {_name(name): _cell(value) for name, value in row.items()}
        if next(iter(cells), None) != EPOCH:
            raise ValueError(f"the first column of a row is {EPOCH!r}")
        if self._lock is None:  # closed, or another training of this thread took the file
            self._open(take_over=False)
        if self._part is None or not self._part.is_as_left(self.path):
            self._part = _Part.begun(self.path, list(cells), cells[EPOCH])
        elif not cells.keys() <= set(self._part.names):
            self._part = self._part.widened(self.path, list(cells))
        self._part.append(self.path, cells)

    def close(self) -> None:
        """Give the file free; nothing if it is."""
        self._part = None
        if self._lock is not None:
            lock, self._lock = self._lock, None
            _held.pop(str(self.path), None)
            lock.release(force=True)

    def _open(self, take_over: bool) -> None:
        asked = Path(os.path.realpath(self._asked))
        asked.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        for path in _names(asked):
            lock = _locked(path, take_over)
            if lock is None:
                reason = reason or f"{asked.name} is being written by another training"
                continue
            try:
                fit = self._prepare(path)
            except BaseException:
                lock.release(force=True)
                raise
            if fit:
                self.path, self._lock, self._thread = path, lock, threading.get_ident()
                self.note = f"{reason}: this one is logged to {path.name}" if reason else ""
                _held[str(path)] = self
                return
            lock.release(force=True)
            reason = reason or f"{asked.name} is no training log"
        raise OSError(errno.EBUSY, f"{_MOST_NAMES} names are taken", str(asked))

    def _prepare(self, path: Path) -> bool:
        """Make a file fit to be appended to; return False, without touching it, where it is no training log."""
        with _opened(path) as file:
            if not _is_log(file):
                return False
            _cut_torn_line(file)
            is_empty = file.seek(0, os.SEEK_END) == 0
        if not self._append and not is_empty:
            _move_aside(path)
        return True


def rewind(log: Path, epoch: int) -> None:
    """Take the rows from an epoch on out of a log, in one step; nothing if there is no log.

    For a training that goes on from a state that was saved before the log's last rows: it writes them again.

    Parameters
    ----------
    log
        A log that Monitor wrote and nobody is writing.
    epoch
        The first epoch that is taken out.

    Raises
    ------
    OSError
        It cannot be read, or there is no room; it is as it was.
    """
    if not log.exists():
        return
    copy = log.with_name(f".{log.name}.tmp")
    try:
        with log.open("rb") as old, copy.open("wb") as new:
            new.writelines(line for line in old if line.endswith(b"\n") and not _is_row_from(line, epoch))
        shutil.copymode(log, copy)
        os.replace(copy, log)
    finally:
        copy.unlink(missing_ok=True)


def _is_row_from(line: bytes, epoch: int) -> bool:
    try:
        return int(line.partition(b",")[0]) >= epoch
    except ValueError:  # a header
        return False


def _names(asked: Path) -> Iterator[Path]:
    """Yield the names to try: ``run.csv``, ``run-2.csv``, ``run-3.csv`` ..."""
    yield asked
    for n in range(2, _MOST_NAMES + 1):
        yield asked.with_name(f"{asked.stem}-{n}{asked.suffix}")


def _locked(path: Path, take_over: bool) -> FileLock | None:
    """Return the held lock of a path; None where another training holds it.

    A thread trains one model at a time. So where the one that holds the path is of this thread, it was interrupted
    without its callbacks being told (Ctrl-C in a notebook), and its hold is taken over. Should it go on after all,
    it does so in another file.
    """
    # Not per thread: the callback may be ended by another thread than the one that began it.
    lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return lock
    holder = _held.get(str(path))
    living = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
    if not take_over or holder is None or holder._thread in living:
        return None
    holder.close()
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return lock
    return None


@dataclass
class _Part:
    """The rows of this training in the file.

    Parameters
    ----------
    names
        The header that they stand under.
    start
        The byte at which the part begins: with its own header, or with a row where it has none.
    end
        The byte at which it ends, and so far the file.
    has_header
        Whether the header is its own and not that of the training before.
    """

    names: list[str]
    start: int
    end: int
    has_header: bool

    @classmethod
    def begun(cls, path: Path, names: list[str], epoch: str) -> _Part:
        """Return a part without rows at the end of a file, under its last header if that will do."""
        with _opened(path) as file:
            end = _cut_torn_line(file)
            above, last_epoch = _last_header(file)
        # Where the epoch is that of the row above, nothing but a header tells that a new training begins.
        if above and set(names) <= set(above) and epoch != last_epoch:
            return cls(above, end, end, has_header=False)
        return cls(names, end, end, has_header=True)

    def is_as_left(self, path: Path) -> bool:
        """Whether nobody else wrote to the file, cut it or took it away."""
        try:
            return os.stat(path).st_size == self.end
        except FileNotFoundError:
            return False

    def append(self, path: Path, cells: Mapping[str, str]) -> None:
        """Write a row, with the header before it where it is the first; all of it or nothing."""
        lines = [[cells.get(name, "") for name in self.names]]
        if self.has_header and self.end == self.start:
            lines.insert(0, self.names)
        data = _csv(lines)
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            written = 0
            try:
                written = os.write(descriptor, data)
                if written < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            except OSError:
                if written:
                    os.ftruncate(descriptor, self.end)
                raise
        finally:
            os.close(descriptor)
        self.end += len(data)

    def widened(self, path: Path, names: Sequence[str]) -> _Part:
        """Return the part under a header that has these names too, its rows written anew with empty fields for them."""
        merged = merged_names(self.names, names)
        if self.end == self.start:
            return _Part(merged, self.start, self.end, has_header=True)
        # Only the holder of the lock writes this name: what a killed process left there is written over.
        copy = path.with_name(f".{path.name}.tmp")
        try:
            with path.open("rb") as old, copy.open("wb") as new:
                _copy(old, new, self.start)
                new.write(_csv([merged]))
                at = [self.names.index(name) if name in self.names else -1 for name in merged]
                if self.has_header:
                    old.readline()
                for line in old:
                    cells = [*_fields(line), ""]
                    new.write(_csv([[cells[i] for i in at]]))
                end = new.tell()
                new.flush()
                os.fsync(new.fileno())
            shutil.copymode(path, copy)
            os.replace(copy, path)
        except BaseException:
            with suppress(OSError):
                copy.unlink()
            raise
        return _Part(merged, self.start, end, has_header=True)


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading and writing, made if it is missing and never emptied."""
    return open(os.open(path, _FLAGS & ~os.O_APPEND, 0o666), "r+b", buffering=_COPY)


def _is_log(file: BinaryIO) -> bool:
    """Whether a file is empty, or begins with a header as Monitor and Keras' CSVLogger write it, whole or torn."""
    file.seek(0)
    line = file.readline(_MAX_HEADER)
    if not line.endswith(b"\n"):
        if b"\r" in line or len(line) == _MAX_HEADER:  # the line ends of old computers, or none at all
            return False
        return line.startswith(b"epoch,") or b"epoch,".startswith(line)
    names = _fields(line)
    return names[0] == EPOCH and any(_is_ours(name) for name in names[1:])


def _is_ours(name: str) -> bool:
    column = classify(name)
    return column.is_judged or column.kind in ("layer", "stopped")


def _cut_torn_line(file: BinaryIO) -> int:
    """Cut off what stands behind the last line end, and return how long the file is then."""
    size = end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - _COPY)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        file.truncate(end)
    return end


def _last_header(file: BinaryIO) -> tuple[list[str], str]:
    """Return the last header of a file and the epoch of the last row below it; nothing where there is none."""
    header, epoch = b"", b""
    file.seek(0)
    for line in file:
        first = line.removeprefix(_BOM).partition(b",")[0].strip().strip(b'"')
        if first == EPOCH.encode():
            header, epoch = line, b""
        elif first:
            epoch = first
    return _fields(header) if header else [], epoch.decode(errors="replace")


def _move_aside(path: Path) -> None:
    """Rename a log, and the facts beside it, to the first number that is free for both."""
    for n in count(1):
        aside = path.with_name(f"{path.stem}.{n}{path.suffix}")
        if not os.path.lexists(aside) and not os.path.lexists(facts_beside(aside)):
            break
    os.rename(path, aside)
    from diagnose.tracking import parcel

    parcel.follow(path, aside)
    if facts_in(facts_beside(path)) is not None:
        os.rename(facts_beside(path), facts_beside(aside))


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        block = source.read(min(size, _COPY))
        target.write(block)
        size -= len(block)


def _name(name: str) -> str:
    """Return the name as it stands in the header: a log is read line by line, so a name has no line end."""
    return printable(name).strip()


def _cell(value: float | str | None) -> str:
    r"""Return what stands for a value: the shortest number that reads back as the same 32-bit float.

    Losses, metrics and statistics are computed in 32 bits. The 17 digits of the 64-bit float that they come in are
    digits of rounding: 0.1 would be 0.10000000149011612. Numbers of another precision or size have nine digits.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, int):
        return str(int(value))
    number = float(value)
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(number)
    return str(single) if float(single) == number or np.isnan(number) else f"{number:.9g}"


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _fields(line: bytes) -> list[str]:
    text = line.removeprefix(_BOM).decode(errors="replace").rstrip("\r\n")
    try:
        return next(csv.reader([text]), [""])
    except csv.Error:  # a NUL, or a field of more than 128 KB
        return [""]
