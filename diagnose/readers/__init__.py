"""Path, URI, bytes or Python object -> runs. Formats are told apart by content, never by file name.

The order of detection, first match wins:

1. a folder: KerasTuner project, MLflow store, TensorBoard log folder, a model; else it is searched for logs;
2. binary content: TensorBoard event file, MLflow's sqlite store, a Keras model; anything else binary is refused with
   the reason (a pickle is never loaded);
3. JSON: Hugging Face trainer state, KerasTuner's own files, a model's configuration, then a history as JSON or JSON
   lines;
4. a table whose header names a loss or a metric: Lightning, YOLO, Stable-Baselines, W&B, else any table of curves;
5. other text: what Keras prints, then tables whose delimiter is none of comma, semicolon and tab, other text logs, and
   last any table at all.

``my_model.py:build`` names a function that makes a model, unless there is a file of that name.

A format is imported when its turn comes: a plain CSV never pays for JSON or TensorBoard.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.columns import printable
from diagnose.readers.table import sniff

if TYPE_CHECKING:
    from diagnose.run import LayerStatistic, Run

__all__ = ["RECOGNISED", "ReadError", "Roles", "format_of", "read", "read_object"]

FOLDER_FORMATS = ("keras_tuner", "mlflow", "tensorboard", "keras_model")
BINARY_FORMATS = ("tensorboard", "mlflow", "keras_model")
JSON_FORMATS = ("hf_trainer_state", "keras_tuner", "keras_model", "keras_history_json")
TABLE_FORMATS = ("lightning", "yolo", "stable_baselines", "wandb", "keras_csv")
TEXT_FORMATS = (
    "keras_progress", "lightning", "yolo", "stable_baselines", "wandb", "text_log", "keras_csv",
)  # fmt: skip
_PLAIN_DELIMITERS = (",", ";", "\t")

#: What a message says where nothing was recognised.
RECOGNISED = (
    "Keras CSVLogger or History (CSV, JSON), Keras progress-bar text, other tables and text logs with one line per "
    "epoch, Lightning metrics.csv, YOLO results.csv, Hugging Face trainer_state.json, Stable-Baselines progress.csv, "
    "W&B exports, TensorBoard event files, KerasTuner projects, MLflow stores and mlflow:RUN_ID; and models: .keras, "
    "HDF5, SavedModel, their configuration as JSON, my_model.py:build"
)

#: Standard input is held in memory: this is where it stops.
STDIN_BYTES = 256 * 1024 * 1024
NAME_LENGTH = 200

_URI = "mlflow:"
#: Packed and pickled content may have no NUL in its first 64 KiB.
_PACKED = (
    b"\x1f\x8b", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x89",
)  # fmt: skip
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class _Module(Protocol):
    """A reader module, as `diagnose.readers.base.Format` describes it."""

    def matches(self, document: Document) -> bool: ...
    def read(self, document: Document, roles: Roles) -> list[Run]: ...


def read(
    source: str | os.PathLike[str],
    roles: Roles = MappingProxyType({}),
    *,
    content: bytes | None = None,
) -> list[Run]:
    """Return the runs of a source.

    Parameters
    ----------
    source
        A file, a folder, ``-`` for standard input, ``mlflow:RUN_ID`` and ``mlflow:experiment/NAME``, or
        ``my_model.py:build``.
    roles
        Columns whose meaning is given by hand (see `diagnose.readers.columns.parse_role`).
    content
        The bytes to read in place of the file; `source` is then only a name.

    Raises
    ------
    ReadError
        The source does not exist, cannot be read, or is no training log. No other exception.
    """
    name = os.fspath(source)
    try:
        runs = _read(name, roles, content)
    except ReadError as error:
        raise ReadError(cleaned(error.what, 1000), cleaned(error.mend, 1000)) from error.__cause__
    except OSError as error:
        raise _from_os_error(name, error) from error
    return [_clean_run(run) for run in runs]


def read_object(obj: object, roles: Roles = MappingProxyType({})) -> list[Run]:
    """Return the runs of a Python object: a Keras History, a dictionary of lists, a pandas frame or a Keras model.

    Raises
    ------
    ReadError
        The object is none of these, or has no curve.
    """
    from diagnose.readers import objects

    return [_clean_run(run) for run in objects.read(obj, roles)]


def format_of(document: Document) -> _Module | None:
    """Return the first reader module that recognises the content; None where none does."""
    for name in _candidates(document):
        module = _load(name)
        if module.matches(document):
            return module
    return None


def _read(name: str, roles: Roles, content: bytes | None) -> list[Run]:
    if content is None and name.startswith(_URI):
        from diagnose.readers import mlflow

        return mlflow.read_uri(name, roles)
    if content is None and not name:
        raise ReadError("an empty name is no source", "name a log or a folder")
    if content is None and ":" in name:
        from diagnose.readers import keras_model

        if keras_model.is_function_name(name):
            return keras_model.read_model(name)
    document = _open(name, content)
    if not document.is_directory:
        _refuse_empty(document)
    module = format_of(document)
    if module is not None:
        return module.read(document, roles)
    if document.is_directory:
        return list(_search(name, roles))
    if is_binary(document):
        from diagnose.readers import binary

        raise binary.refusal(document)
    raise ReadError("is not recognised as a training log", f"diagnose reads {RECOGNISED}")


def _search(folder: str, roles: Roles) -> Iterator[Run]:
    """Yield the runs of every log under a folder that is not one run as a whole."""
    from diagnose.readers.sources import expand

    for source in expand(folder):
        yield from read(source, roles)


def _open(name: str, content: bytes | None) -> Document:
    if content is not None:
        return Document(name, content=content)
    if name == "-":
        return Document(name, content=_standard_input())
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a NUL in the name
        raise ReadError("is not a valid file name") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        # Opening a pipe without a writer blocks for ever, and a device may never end.
        raise ReadError(
            "is a pipe, a device or a socket, and only regular files are read",
            "pipe it in and pass - as the source",
        )
    return Document(name, path=path)


def _standard_input() -> bytes:
    content = sys.stdin.buffer.read(STDIN_BYTES + 1)
    if len(content) > STDIN_BYTES:
        raise ReadError(
            f"standard input is longer than {STDIN_BYTES // 2**20} MB", "write it to a file and pass the file"
        )
    return content


def _candidates(document: Document) -> Iterator[str]:
    if document.is_directory:
        yield from FOLDER_FORMATS
    elif is_binary(document):
        yield from BINARY_FORMATS
    elif document.path is not None and document.path.suffix == ".py":
        yield "keras_model"
    else:
        if document.head_text.lstrip()[:1] in ("{", "["):
            yield from JSON_FORMATS
        yield from TABLE_FORMATS if _is_plain_table(document) else TEXT_FORMATS


def _is_plain_table(document: Document) -> bool:
    """Whether the text is plainly a table of curves: the formats of prose need not be asked, which costs more."""
    layout = sniff(document)
    return layout is not None and layout.judged and layout.rows > 0 and layout.delimiter in _PLAIN_DELIMITERS


def _load(name: str) -> _Module:
    module: Any = importlib.import_module(f"diagnose.readers.{name}")
    loaded: _Module = module
    return loaded


def is_binary(document: Document) -> bool:
    """Whether the content is no text: a NUL outside UTF-16 and UTF-32, or the first bytes of a binary format."""
    if document.encoding in ("utf-16", "utf-32"):
        return False
    return b"\x00" in document.head or document.head.startswith(_PACKED)


def _refuse_empty(document: Document) -> None:
    if not document.head:
        raise ReadError("is empty", "has the training written its first epoch yet?")
    if not document.head_text.strip():
        raise ReadError("holds nothing but white space", "has the training written its first epoch yet?")


def _from_os_error(name: str, error: OSError) -> ReadError:
    if isinstance(error, FileNotFoundError):
        near = _nearest(Path(name))
        return ReadError("does not exist", f"did you mean {near}?" if near else "check the path")
    if isinstance(error, PermissionError):
        return ReadError("cannot be read: permission denied", "check the permissions of the file and its folders")
    reason = (error.strerror or str(error)).lower()
    return ReadError(f"cannot be read: {reason}")


def _nearest(path: Path) -> str:
    """Return the most similar name beside a path that does not exist; empty where there is none."""
    import difflib
    from itertools import islice

    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, 2000)]
    except OSError:
        return ""
    # Without the suffix, which a mistyped name and its neighbours share: missing.csv is not meant to be bin.csv.
    by_stem = {Path(name).stem.lower(): name for name in sorted(names, key=lambda n: Path(n).suffix == path.suffix)}
    near = difflib.get_close_matches(path.stem.lower(), by_stem, n=1, cutoff=0.7)
    return str(path.with_name(by_stem[near[0]])) if near else ""


def cleaned(text: str, limit: int = NAME_LENGTH) -> str:
    """Return a text from a log with printable characters only, without ANSI sequences, cut to a length."""
    if not text.isprintable():
        text = printable(_ANSI.sub("", text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _clean_run(run: Run) -> Run:
    """Clean every name that came from the log: it goes to terminals and web pages."""
    part = run.part
    if part is not None:
        part = dataclasses.replace(part, label=cleaned(part.label))
    return dataclasses.replace(
        run,
        series=tuple(
            s
            if cleaned(s.name) == s.name and cleaned(s.output) == s.output and cleaned(s.quantity) == s.quantity
            else dataclasses.replace(s, name=cleaned(s.name), output=cleaned(s.output), quantity=cleaned(s.quantity))
            for s in run.series
        ),
        layers=_clean_layers(run.layers),
        part=part,
        notes=tuple(cleaned(note, 1000) for note in run.notes),
    )


def _clean_layers(layers: Mapping[str, LayerStatistic]) -> Mapping[str, LayerStatistic]:
    return MappingProxyType(
        {
            name: dataclasses.replace(statistic, layers=tuple(map(cleaned, statistic.layers)))
            for name, statistic in layers.items()
        }
    )
