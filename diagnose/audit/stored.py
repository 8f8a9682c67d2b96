"""What a stored model says of itself: its configuration, read without building or running anything.

Weights are not read: an audit before the training has no use for them, and a file of weights is the larger part of
what a crafted file can do harm with. Nothing is unpacked to disk, and no link out of the file is followed.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from diagnose.readers import json_text
from diagnose.readers.base import Document, ReadError

#: Entries of a .keras: three, and a few for each layer with a vocabulary.
MAX_ENTRIES = 2_000
#: All that is read of a .keras to find its entries.
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
#: Deflate can make 1,032 of 1; Keras stores without compression, weights hardly shrink when packed again.
MAX_EXPANSION = 100
#: Smaller entries may be compressed as well as they like.
MIN_BOMB_BYTES = 64 * 1024 * 1024
#: Digits of an integer; no setting of a layer needs more.
MAX_DIGITS = 20

SAVE_AGAIN = "save the model with model.save('model.keras')"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_KIND = "model's configuration"


@dataclass(frozen=True)
class Stored:
    """The configuration of a stored model.

    Parameters
    ----------
    format
        ``keras-model``, ``keras-hdf5``, ``saved-model`` or ``keras-json``.
    config
        Of the model: ``class_name``, ``config`` ...
    training
        How it was compiled, as HDF5 files and SavedModels tell it apart from the model; None where it was not.
    """

    format: str
    config: dict[str, Any]
    training: dict[str, Any] | None = None


def read(path: Path) -> Stored:
    """Return the configuration of a stored model.

    Raises
    ------
    ReadError
        There is none, or the file is broken or crafted.
    OSError
        The file cannot be read.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file() and path.exists():  # opening a pipe blocks for ever
        raise ReadError("is a pipe, a device or a socket, and only regular files are read")
    document = Document(str(path), path=path)
    head = document.head
    if head.startswith(PICKLE_STARTS):
        raise ReadError(
            "is a Python pickle, which is not loaded because loading one runs whatever code it holds", SAVE_AGAIN
        )
    if head.startswith(HDF5_MAGIC):
        return _of_hdf5(path)
    if head.startswith(ZIP_MAGIC):
        return _of_archive(path)
    if document.head_text.lstrip().startswith("{"):
        return Stored("keras-json", _parsed(document))
    if not head:
        raise ReadError("is empty", SAVE_AGAIN)
    raise ReadError("is no Keras model: neither a .keras archive, nor HDF5, nor a configuration as JSON", SAVE_AGAIN)


def _of_folder(path: Path) -> Stored:
    if (path / "config.json").is_file():
        return Stored("keras-model", _parsed(Document(str(path), path=path / "config.json")))
    metadata = path / "keras_metadata.pb"
    if metadata.is_file():
        return _of_metadata(metadata)
    if (path / "saved_model.pb").is_file():
        raise ReadError(
            "is a SavedModel that holds only the computation, for serving, and no layers (Keras 3's model.export "
            "writes such)",
            f"where the model was made, {SAVE_AGAIN}",
        )
    raise ReadError("is a folder without a model", "name a .keras file, or a SavedModel folder")


def _of_archive(path: Path) -> Stored:
    try:
        with path.open("rb") as raw, zipfile.ZipFile(_Limited(raw)) as archive:
            content = _config_of(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error):
        raise ReadError("is a torn or broken .keras archive", f"was it copied whole? else {SAVE_AGAIN}") from None
    return Stored("keras-model", _parsed(Document(str(path), content=content)))


class _Limited(io.RawIOBase):
    """A file of which only so much can be read: a zip's list of entries is read as long as the file says it is."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._left = MAX_DIRECTORY_BYTES + json_text.MAX_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left + 1 if size is None or size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ReadError("is an archive with too long a list of entries for a model", SAVE_AGAIN)
        return data


def _config_of(archive: zipfile.ZipFile) -> bytes:
    """Return the config.json of an archive, of which nothing looks crafted."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ReadError(f"is an archive of {len(entries):,} entries, too many for a Keras model", SAVE_AGAIN)
    for entry in entries:
        _check_entry(entry)
    found = [entry for entry in entries if entry.filename == "config.json"]
    if not found:
        raise ReadError("is an archive without a config.json, no Keras model", SAVE_AGAIN)
    if len(found) > 1:
        raise ReadError("is an archive with several entries named config.json, which Keras does not write", SAVE_AGAIN)
    # The other methods unpack a piece of the file at once, however much comes out.
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ReadError("is an archive whose config.json is packed in a way that Keras does not use", SAVE_AGAIN)
    with archive.open(found[0]) as stream:
        return stream.read(json_text.MAX_BYTES + 1)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if (
        PurePosixPath(name).is_absolute()
        or PureWindowsPath(name).drive
        or ".." in PurePosixPath(name.replace("\\", "/")).parts
    ):
        raise ReadError(f"is an archive with an entry that points outside of it, {name!r}; nothing was unpacked")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ReadError(f"is an archive with a symbolic link in it, {name!r}; nothing was unpacked")
    if entry.file_size > max(MIN_BOMB_BYTES, MAX_EXPANSION * entry.compress_size):
        raise ReadError(
            f"is an archive whose entry {name!r} would grow from {entry.compress_size:,} to {entry.file_size:,} bytes "
            "when unpacked; nothing was unpacked"
        )


def _of_hdf5(path: Path) -> Stored:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = _attribute(file, "model_config")
            training = _attribute(file, "training_config")
            names = {str(name) for name in [*file.attrs, *file]} if config is None else set()
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        raise ReadError("is a torn or broken HDF5 file", f"was it copied whole? else {SAVE_AGAIN}") from None
    if config is not None:
        return Stored(
            "keras-hdf5",
            _parsed(Document(str(path), content=config)),
            None if training is None else _parsed(Document(str(path), content=training), is_model=False),
        )
    if names & {"layer_names", "layers", "_layer_checkpoint_dependencies", "vars"}:
        raise ReadError("holds weights only, and not the model that they belong to", SAVE_AGAIN)
    raise ReadError("is an HDF5 file without a Keras model in it", SAVE_AGAIN)


def _attribute(file: Any, name: str) -> bytes | None:
    """Return an attribute of the file, a text of bounded size; None where there is none."""
    from h5py import h5a

    if not h5a.exists(file.id, name.encode()):
        return None
    attribute = h5a.open(file.id, name.encode())
    if attribute.shape not in ((), (1,)) or attribute.get_type().get_size() > json_text.MAX_BYTES:
        raise ReadError(f"has a {name} that is no text", SAVE_AGAIN)
    value = file.attrs[name]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        value = value.encode("utf-8", errors="replace")
    if not isinstance(value, bytes):
        raise ReadError(f"has a {name} that is no text", SAVE_AGAIN)
    return value


def _of_metadata(path: Path) -> Stored:
    """Read what Keras 2 wrote beside a SavedModel: a SavedMetadata message, its nodes each with some JSON.

    The message, from Keras' protobuf/saved_metadata.proto: nodes = 1; of a node, node_path = 3, identifier = 4,
    metadata = 5.
    """
    with path.open("rb") as stream:
        content = stream.read(json_text.MAX_BYTES + 1)
    if len(content) > json_text.MAX_BYTES:
        raise ReadError(f"has a keras_metadata.pb of more than {json_text.MAX_BYTES // 2**20} MB", SAVE_AGAIN)
    for number, node in _fields(content):
        parts = dict(_fields(node)) if number == 1 else {}
        if parts.get(3) == b"root" and parts.get(4, b"").startswith(b"_tf_keras_"):
            metadata = _parsed(Document(str(path), content=parts.get(5, b"")), is_model=False)
            if isinstance(metadata.get("config"), dict) and isinstance(metadata.get("class_name"), str):
                training = metadata.get("training_config")
                config = {"class_name": metadata["class_name"], "config": metadata["config"]}
                return Stored("saved-model", config, training if isinstance(training, dict) else None)
    raise ReadError(
        "is a SavedModel of Keras 2 that tells no layers", f"where the model was made, in Keras 3, {SAVE_AGAIN}"
    )


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the fields of a protobuf message that are bytes, texts or messages."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise _torn_metadata()
            yield key >> 3, message[at : at + length]
            at += length
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise _torn_metadata()


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        value |= (message[at] & 0x7F) << shift
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
    raise _torn_metadata()


def _torn_metadata() -> ReadError:
    return ReadError("is a SavedModel with a broken keras_metadata.pb", SAVE_AGAIN)


def _parsed(document: Document, *, is_model: bool = True) -> dict[str, Any]:
    try:
        found = json_text.load(document, parse_int=_integer, kind=_KIND)
    except json_text.SeveralError:
        raise ReadError(f"has more after the end of the {_KIND}") from None
    if not isinstance(found, dict):
        raise ReadError(f"has no object as its {_KIND}", SAVE_AGAIN)
    if is_model and not isinstance(found.get("class_name"), str):
        raise ReadError("is JSON, and not the configuration of a Keras model", "write it with model.to_json()")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ReadError(f"has a number of {len(digits):,} digits in its configuration", SAVE_AGAIN)
    return int(digits)
