"""File stores: a folder for each experiment, in it one for each run, in it a file for each parameter and metric."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from diagnose.readers.curves import MAX_CONFIG_BYTES
from diagnose.readers.mlflow.record import (
    MOST_RUNS,
    NAME_TAG,
    SETUP_FILE,
    Point,
    Record,
    Wanted,
    is_curve_name,
    newest,
    setup_of,
)

_MAX_FILE = 64 * 1024 * 1024
#: How deep the metrics lie: in an experiment's folder, in the store's.
_DEPTHS = ("*/metrics", "*/*/metrics")
_TRASH = ".trash"
#: What a run's state is called, by the number that stands for it.
_STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


def find(path: Path, limit: int) -> list[Path]:
    """Return the run folders of a file store, of an experiment in it, or the run folder itself."""
    return [*islice((f for f in _folders(path) if _is_run(_fields(f / "meta.yaml"))), limit)]


def records(path: Path, wanted: Wanted) -> Iterator[Record]:
    """Yield the runs of a file store, of an experiment in it, or of a run's folder, in the order in which they began.

    Raises
    ------
    ReadError
        There is no such run.
    """
    found = [(folder, _fields(folder / "meta.yaml")) for folder in _folders(path)]
    found = [(folder, fields) for folder, fields in found if _run_id(fields)]
    deleted = {folder.name for folder, fields in found if _is_deleted(fields)}
    found = [(folder, fields) for folder, fields in found if _is_run(fields)]
    experiments = {folder: _fields(folder / "meta.yaml") for folder in {folder.parent for folder, _ in found}}
    if wanted.run_id:
        found = [(folder, fields) for folder, fields in found if folder.name == wanted.run_id]
        if not found and wanted.run_id in deleted:
            raise wanted.deleted()
    elif wanted.experiment:
        every = {child: _fields(child / "meta.yaml") for child in path.iterdir() if child.is_dir()}
        ids = {child.name: fields["name"] for child, fields in every.items() if fields.get("name")}
        in_trash = path / _TRASH
        gone = [_fields(child / "meta.yaml").get("name", "") for child in in_trash.glob("*")]
        chosen = wanted.among(ids, gone)
        found = [(folder, fields) for folder, fields in found if folder.parent.name in chosen]
    if not found:
        raise wanted.missing()
    found.sort(key=lambda pair: (pair[1].get("start_time", "").zfill(20), pair[0].name))
    notes = newest(len(found))
    for folder, fields in found[-MOST_RUNS:]:
        record = _read(folder, fields)
        record.experiment = experiments[folder.parent].get("name", "")
        record.store = folder.resolve().parent.parent.as_uri()
        record.notes = notes
        yield record


def setup_in(artifacts: str, otherwise: Path | None) -> bytes:
    """Return the content of ``run.json`` among a run's artifacts; empty where there is none on this machine.

    Parameters
    ----------
    artifacts
        URI or path of the artifacts, as the store has it.
    otherwise
        Where they are when the store was moved, where that is known.
    """
    for folder in (_local(artifacts), otherwise):
        file = folder / SETUP_FILE if folder is not None else None
        try:
            if file is not None and file.is_file():
                with file.open("rb") as stream:
                    return stream.read(MAX_CONFIG_BYTES + 1)
        except (OSError, ValueError):  # not to be read, or no name of a file
            continue
    return b""


def _local(uri: str) -> Path | None:
    """Return the path that a URI of artifacts means; None where they are elsewhere."""
    if "://" not in uri and not uri.startswith("file:"):
        return Path(uri) if uri.startswith(("/", "\\")) or uri[1:2] == ":" else None
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None


def _folders(path: Path) -> Iterator[Path]:
    """Yield the folders that have metrics and may be of a run."""
    if (path / "metrics").is_dir() and (path / "meta.yaml").is_file():
        yield path
        return
    for depth in _DEPTHS:
        for metrics in sorted(path.glob(depth)):
            folder = metrics.parent
            if _TRASH not in folder.parts[-2:] and (folder / "meta.yaml").is_file():
                yield folder


def _is_run(fields: dict[str, str]) -> bool:
    return bool(_run_id(fields)) and not _is_deleted(fields)


def _run_id(fields: dict[str, str]) -> str:
    """Return the id; before MLflow 1.0 it had another name."""
    return fields.get("run_id") or fields.get("run_uuid", "")


def _is_deleted(fields: dict[str, str]) -> bool:
    return fields.get("lifecycle_stage") == "deleted"


def _fields(path: Path) -> dict[str, str]:
    """Return the fields of MLflow's flat meta.yaml; empty where it cannot be read."""
    try:
        text = _text(path)
    except OSError:
        return {}
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if line[:1].isspace() and key:  # a long value goes on
            found[key] = f"{found[key]} {line.strip()}"
        elif colon:
            key = name.strip()
            found[key] = value.strip()
    return {key: _scalar(value) for key, value in found.items()}


def _scalar(value: str) -> str:
    if value[:1] == value[-1:] == "'" and len(value) > 1:
        return value[1:-1].replace("''", "'")
    if value[:1] == value[-1:] == '"' and len(value) > 1:
        try:
            return str(json.loads(value))
        except ValueError:  # an escape that YAML has and JSON has not
            return value[1:-1]
    return "" if value in ("null", "~") else value


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_MAX_FILE).decode("utf-8", errors="replace")


def _read(folder: Path, fields: dict[str, str]) -> Record:
    status = fields.get("status", "")
    record = Record(folder.name, fields.get("run_name", ""), status=_STATES.get(status, status))
    tag = folder / "tags" / NAME_TAG
    if not record.name and tag.is_file():
        record.name = _text(tag).strip()
    for path in _files(folder / "params"):
        record.params[path.relative_to(folder / "params").as_posix()] = _text(path).strip()
    for path in _files(folder / "metrics"):
        name = path.relative_to(folder / "metrics").as_posix()
        if is_curve_name(name):
            record.metrics[name] = _points(_text(path))
    record.setup = setup_of(setup_in(fields.get("artifact_uri", ""), folder / "artifacts"))
    return record


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder: a name with a slash is a folder and a file."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _points(text: str) -> list[Point]:
    """Return the points of the lines ``timestamp value step``, maybe with a data set behind; without torn ones.

    Before MLflow 1.0 no line had a step.
    """
    lines = [line.split() for line in text.split("\n")[:-1]]
    has_steps = any(len(fields) > 2 for fields in lines)
    points: list[Point] = []
    for fields in lines:
        try:
            if len(fields) > 2 or not has_steps:
                points.append((float(fields[0]), float(fields[2]) if has_steps else 0.0, float(fields[1])))
        except (ValueError, IndexError):
            continue
    return points
