"""Which sources an argument stands for: itself, or the logs found under a folder.

A folder that one reader takes as a whole (a KerasTuner project, an MLflow store, a TensorBoard log folder) is one
source. Everything else is looked into, within bounds; files that are no logs, models among them, are left out without
a word. A model is looked at where it is named: as a file, or as the folder that it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from diagnose.readers import RECOGNISED, ReadError, format_of, keras_model, read
from diagnose.readers.base import Document
from diagnose.readers.curves import is_setup_file
from diagnose.readers.table import sniff
from diagnose.readers.tensorboard import is_event_file

MAX_ENTRIES = 20_000
MAX_DEPTH = 12
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})

_SUFFIXES = frozenset({".csv", ".tsv", ".log", ".txt", ".json", ".jsonl"})
#: A column name that only a table of curves has.
_CURVE_NAME = re.compile(
    r"epochs?|.*loss.*|(train|val|valid|test)[ _/].*|.*[_/ ]?acc(uracy)?|.*(map50|reward|learning_rate).*",
    re.IGNORECASE,
)
#: Tables that could be anything are read to see whether they are logs, up to this size.
_MAX_TRIED = 1024 * 1024
_FURTHER_DOWN = "pass the folders further down by themselves"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


@dataclass
class Found:
    """The sources under a folder.

    Parameters
    ----------
    sources
        Sorted paths.
    looked_at
        How many entries were looked at.
    complete
        False where the search stopped at its bounds.
    empty
        How many files named like a log have nothing in them.
    model
        The first file named like a stored model, which is looked at only where it is named itself.
    """

    sources: list[str] = field(default_factory=list)
    looked_at: int = 0
    complete: bool = True
    empty: int = 0
    model: str | None = None

    @property
    def shortfall(self) -> str:
        """What an incomplete search may have missed, in one line; empty where it was complete."""
        if self.complete:
            return ""
        bounds = f"{MAX_ENTRIES:,} entries, {MAX_DEPTH} folders deep"
        return f"was searched in part only ({bounds}): there may be more logs; {_FURTHER_DOWN}"


def expand(argument: str) -> list[str]:
    """Return the sources that an argument of the command stands for; see `resolve`."""
    return resolve(argument).sources


def resolve(argument: str) -> Found:
    """Return the sources that an argument of the command stands for, and whether these are all.

    Parameters
    ----------
    argument
        A file, ``-`` or an MLflow URI, which stand for themselves, or a folder.

    Raises
    ------
    ReadError
        The folder has no log in it, or cannot be listed.
    """
    if argument == "-" or argument.startswith("mlflow:") or not os.path.isdir(argument):
        return Found([argument])
    found = find(argument)
    if found.sources:
        return found
    if not found.complete:
        raise ReadError(f"has no training log in its first {found.looked_at:,} entries", _FURTHER_DOWN)
    if found.empty:
        files = "1 file has" if found.empty == 1 else f"{found.empty} files have"
        raise ReadError(
            f"is a folder without a training log, but {files} nothing in it yet",
            "has the training written its first epoch?",
        )
    if found.model is not None:
        raise ReadError("is a folder without a training log", f"a model in it is named itself: diagnose {found.model}")
    raise ReadError("is a folder without a training log", f"diagnose reads {RECOGNISED}")


def find(folder: str) -> Found:
    """Search a folder for logs: at most `MAX_ENTRIES` entries, `MAX_DEPTH` deep, each folder once."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        reason = "permission denied" if isinstance(error, PermissionError) else str(error.strerror).lower()
        raise ReadError(f"cannot be listed: {reason}", "check the permissions of the folder") from error
    found = Found()
    _walk(Path(folder), 0, set(), found)
    found.sources = _without_earlier_checkpoints(found.sources)
    return found


def _walk(folder: Path, depth: int, visited: set[tuple[int, int]], found: Found) -> None:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:  # a loop of symbolic links
            return
        visited.add((status.st_dev, status.st_ino))
        whole = format_of(Document(str(folder), path=folder))
        entries = list(_list(folder, found))
    except OSError:  # a folder below the one that was named: the others still count
        return
    if _is_model(whole) and depth:
        whole = None
    if whole is not None:
        found.sources.append(str(folder))
        if not _leaves_files(whole):
            return
    for path in entries:
        if path.is_dir():
            if depth + 1 > MAX_DEPTH:
                found.complete = False
            elif not _skipped(path.name) and not (whole is not None and _has_events(path)):
                _walk(path, depth + 1, visited, found)
        elif is_candidate(path) and not (whole is not None and is_event_file(path.name)):
            found.sources.append(str(path))
        elif path.suffix.lower() in _SUFFIXES and _is_empty(path):
            found.empty += 1
        elif path.suffix.lower() in keras_model.SUFFIXES and found.model is None:
            found.model = str(path)


def _leaves_files(module: object) -> bool:
    """Whether other logs may lie beside what the reader takes: TensorBoard's folders often hold a CSV, too."""
    return getattr(module, "FORMAT", "") == "tensorboard"


def _is_model(module: object) -> bool:
    return getattr(module, "__name__", "").endswith(".keras_model")


def _has_events(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(is_event_file(entry.name) for entry in entries)
    except OSError:
        return False


def _list(folder: Path, found: Found) -> Iterator[Path]:
    """Yield the entries of a folder in order, up to what is left of the bound."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if found.looked_at >= MAX_ENTRIES:
                found.complete = False
                break
            found.looked_at += 1
            names.append(entry.name)
    for name in sorted(names):
        yield folder / name


def _skipped(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED_FOLDERS


def is_candidate(path: Path) -> bool:
    """Whether a file found by searching is a log, whole or broken, by its suffix and its first bytes."""
    events = "tfevents" in path.name
    if path.name.startswith(".") or not (events or path.suffix.lower() in _SUFFIXES or path.name == "mlflow.db"):
        return False
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        document = Document(str(path), path=path)
        if not document.head.strip():
            return False
        return events or _is_log(document)
    except OSError:
        return not events and path.suffix.lower() == ".csv"  # named like a log and unreadable: to be reported


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def _is_log(document: Document) -> bool:
    module = format_of(document)
    name = getattr(module, "__name__", "").rpartition(".")[2]
    if name == "keras_csv":
        return _is_table_of_curves(document)
    if name == "keras_history_json":
        named = re.search(r'"(val_)?(loss|acc)', document.head_text) is not None
        return named and not (document.path is not None and is_setup_file(document.path))
    return module is not None and not _is_model(module)


def _is_table_of_curves(document: Document) -> bool:
    """Whether the header has a name that only curves have, or the whole is read as a log without complaint.

    A table without a header could be anything: it is read where it is named, and not found by searching.
    """
    layout = sniff(document)
    if layout is None or not layout.names:
        return False
    if any(_CURVE_NAME.fullmatch(name) for name in layout.names):
        return True
    if not layout.judged or document.path is None or document.path.stat().st_size > _MAX_TRIED:
        return False
    try:
        return bool(read(document.path))
    except ReadError:
        return False


def _without_earlier_checkpoints(sources: list[str]) -> list[str]:
    """Keep one trainer_state.json of a Hugging Face run: every later checkpoint repeats the earlier ones' history."""
    latest: dict[Path, tuple[int, str]] = {}
    for source in sources:
        path = Path(source)
        number = _CHECKPOINT.fullmatch(path.parent.name)
        if path.name == "trainer_state.json" and number:
            run = path.parent.parent
            latest[run] = max(latest.get(run, (-1, "")), (int(number[1]), source))
    kept = {source for _, source in latest.values()}
    return [
        source
        for source in sources
        if not (
            Path(source).name == "trainer_state.json"
            and _CHECKPOINT.fullmatch(Path(source).parent.name)
            and (source not in kept or str(Path(source).parent.parent / "trainer_state.json") in sources)
        )
    ]
