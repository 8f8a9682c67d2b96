"""TensorBoard event files, and folders of them, read without TensorFlow.

The record framing is read here: it is a length, a checksum, the data and a checksum. The package's own reader needs
a file with a name and reads graphs and images that no check looks at. Its event accumulator imports TensorFlow
where it is installed, or else changes that for the whole process. The messages are the package's own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from diagnose.readers.base import Document, ReadError, Roles
from diagnose.readers.rows import runs_of
from diagnose.readers.steps import log_of_steps
from diagnose.run import Run

FORMAT = "tensorboard"

#: Events with scalars are small; larger ones hold graphs, images and histograms and are skipped unread.
_MAX_EVENT = 1024 * 1024
#: As many values are kept of all tags together.
_MAX_VALUES = 5_000_000
_MAX_FILES = 1000

_TRAIN = ("train", "training")
_VALIDATION = ("validation", "val", "valid", "eval", "evaluation", "test")
_SUFFIX = re.compile(rf"(?P<stem>.*?)[_-]?(?P<split>{'|'.join((*_TRAIN, *_VALIDATION))})", re.IGNORECASE)

#: Written by Keras' TensorBoard callback into the validation folder only.
_KERAS_VALIDATION = re.compile(r"evaluation_\w+_vs_iterations")
_KERAS_EPOCH = "epoch_"

_DTYPES: Mapping[int, str] = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}


def matches(document: Document) -> bool:
    """Whether this is an event file, or a folder with event files or with train and validation folders of them."""
    if document.is_directory and document.path is not None:
        return bool(_logs(document.path))
    return b"brain.Event:" in document.head[:64]


def read(document: Document, roles: Roles) -> list[Run]:
    """Return the runs: one, or several where the steps begin again."""
    protocol = _protocol()
    if document.is_directory and document.path is not None:
        logs = [(split, _read_files(files, protocol)) for split, files in _logs(document.path)]
        scalars = _merged(logs)
        notes: tuple[str, ...] = ()
    else:
        with document.open() as stream:
            scalars = _scalars(stream, protocol)
        split = _VALIDATION[0] if any(map(_KERAS_VALIDATION.fullmatch, scalars)) else _split_of_file(document)
        notes = _sibling_note(document)
        scalars = _merged([(split, scalars)])
    if not scalars:
        raise ReadError(
            "is a TensorBoard log without scalars", "log the loss: TensorBoard(log_dir) does, or add_scalar(...)"
        )
    return runs_of(document.source, FORMAT, [log_of_steps(scalars, notes=notes)], roles)


def _protocol() -> Any:
    """Return the class of an event message.

    Raises
    ------
    ReadError
        The package is not installed.
    """
    try:
        from tensorboard.compat.proto import event_pb2
    except ImportError as error:
        raise ReadError(
            "reading TensorBoard event files needs the package tensorboard", "pip install 'kerasdx[tensorboard]'"
        ) from error
    return event_pb2.Event


def _logs(folder: Path) -> list[tuple[str, list[Path]]]:
    """Return the split and the event files of each part of a log folder; empty where it is none."""
    own = _event_files(folder)
    if own:
        return [(_split_of_name(folder.name), own)]
    parts = []
    for child in sorted(folder.iterdir()):
        match = _SUFFIX.fullmatch(child.name)
        files = _event_files(child) if match and child.is_dir() else []
        if match and files:
            parts.append((match["stem"], _split_of_name(child.name), files))
    splits = {split for _, split, _ in parts}
    # Loss_train and Loss_val are halves of one run; run1_train and run2_train are not.
    whole = len({stem for stem, _, _ in parts}) == 1 or len(parts) == len(splits)
    return [(split, files) for _, split, files in parts] if whole and splits != {""} else []


def _event_files(folder: Path) -> list[Path]:
    try:
        # The time of writing is part of the name.
        return sorted(path for path in folder.iterdir() if is_event_file(path.name) and path.is_file())[:_MAX_FILES]
    except OSError:
        return []


def is_event_file(name: str) -> bool:
    """Whether a file is named as TensorBoard names the parts of one log; Keras' profiler adds empty companions.

    Event files of other names were put together by hand, and are logs of their own.
    """
    return name.startswith("events.out.tfevents.") and not name.endswith(".profile-empty")


def _split_of_name(name: str) -> str:
    match = _SUFFIX.fullmatch(name)
    if match is None:
        return ""
    return "train" if match["split"].lower() in _TRAIN else "validation"


def _split_of_file(document: Document) -> str:
    return _split_of_name(document.path.resolve().parent.name) if document.path is not None else ""


def _sibling_note(document: Document) -> tuple[str, ...]:
    """Say where the other half of a Keras log lies when only one was named."""
    if document.path is None:
        return ()
    folder = document.path.resolve().parent
    if _split_of_name(folder.name) and len(_logs(folder.parent)) > 1:
        return (f"This is one half of a run; pass the folder {folder.parent.name} for training and validation.",)
    return ()


def _read_files(files: list[Path], protocol: Any) -> dict[str, list[tuple[float, float]]]:
    scalars: dict[str, list[tuple[float, float]]] = {}
    for path in files:
        with path.open("rb") as stream:
            for tag, values in _scalars(stream, protocol).items():
                scalars.setdefault(tag, []).extend(values)
    return scalars


def _scalars(stream: BinaryIO, protocol: Any) -> dict[str, list[tuple[float, float]]]:
    """Return the step and value of every scalar of each tag, in the order of the file."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    scalars: dict[str, list[tuple[float, float]]] = {}
    count = 0
    for record in _records(stream):
        try:
            event = protocol.FromString(record)
        except DecodeError:
            continue  # a damaged record; those around it are whole
        for value in event.summary.value:
            number = _scalar(value)
            if number is not None:
                scalars.setdefault(value.tag, []).append((float(event.step), number))
                count += 1
        if count > _MAX_VALUES:
            raise ReadError(f"has more than {_MAX_VALUES:,} values, too many for a training log")
    return scalars


def _records(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the data of each small record; a torn last one is left out.

    Raises
    ------
    ReadError
        The framing is broken: a length without its checksum.
    """
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    while len(header := stream.read(12)) == 12:
        length, checksum = struct.unpack("<QI", header)
        if masked_crc32c(header[:8]) != checksum:
            raise ReadError("is a damaged TensorBoard event file: a record's length has the wrong checksum")
        if length > _MAX_EVENT:
            if length + 4 > 2**62 or not _skip(stream, length + 4):
                return
            continue
        data = stream.read(length)
        if len(data) < length or len(stream.read(4)) < 4:
            return
        yield data


def _skip(stream: BinaryIO, length: int) -> bool:
    """Move over a record; False where the file ends before it does (seeking beyond the end is no error)."""
    at = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(min(at + length, end))
    return at + length <= end


def _scalar(value: Any) -> float | None:
    """Return the number in a summary value: a simple value, or a tensor with one element."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    plugin = value.metadata.plugin_data.plugin_name
    if kind != "tensor" or plugin not in ("", "scalars"):
        return None
    tensor = value.tensor
    if any(dimension.size != 1 for dimension in tensor.tensor_shape.dim):
        return None
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        return None
    if len(tensor.tensor_content) == np.dtype(dtype).itemsize:
        return float(np.frombuffer(tensor.tensor_content, dtype)[0])
    if len(tensor.half_val) == 1 and tensor.dtype == 19:
        return float(np.array([tensor.half_val[0] & 0xFFFF], np.uint16).view(np.float16)[0])
    for values in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if len(values) == 1:
            return float(values[0])
    return None


def _merged(
    logs: list[tuple[str, dict[str, list[tuple[float, float]]]]],
) -> dict[str, list[tuple[float, float]]]:
    """Return the tags of all parts under the names of Keras' logs: ``epoch_loss`` of validation is ``val_loss``."""
    merged: dict[str, list[tuple[float, float]]] = {}
    for split, scalars in logs:
        by_epoch = any(tag.startswith(_KERAS_EPOCH) for tag in scalars)
        for tag, values in scalars.items():
            # Beside Keras' curves per epoch, those per batch and per iteration repeat the same.
            if by_epoch and (tag.startswith("batch_") or _KERAS_VALIDATION.fullmatch(tag)):
                continue
            merged.setdefault(_name(tag, split), []).extend(values)
    return merged


def _name(tag: str, split: str) -> str:
    name = tag.removeprefix(_KERAS_EPOCH)
    return f"val_{name}" if split == "validation" and not _SUFFIX.match(tag.split("/")[0] + "_") else name
