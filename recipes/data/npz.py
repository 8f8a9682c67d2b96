"""Archives of arrays, ``.npz``: read without unpickling anything, and mapped where they are larger than memory."""

from __future__ import annotations

import math
import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from recipes.config import DataConfig
from recipes.data import arrays, storage
from recipes.data.source import Source
from recipes.errors import DataError

_BLOCK = 16_000_000
#: A member's own header in the archive: 26 bytes, then the lengths of its name and of what follows the name.
_LOCAL_HEADER = 30


def load(path: Path, config: DataConfig) -> Source:
    """Return the arrays in a file, see `recipes.data.arrays.source`.

    Parameters
    ----------
    path
        Of ``numpy.savez`` or ``numpy.savez_compressed``.
    config
        Names the groups, and says where the arrays are kept.

    Raises
    ------
    DataError
        It is broken, holds Python objects, or inflates to more than there is room for.
    """
    found = read(path, config)
    try:
        return arrays.source(path.name, found, config.cache, config.group)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def read(path: Path, config: DataConfig) -> dict[str, NDArray[Any]]:
    """Return the arrays that hold data (see `recipes.data.arrays.wanted`), as they are in the file.

    Parameters
    ----------
    path, config
        As of `load`.

    Raises
    ------
    DataError
        As of `load`.
    """
    if path.exists() and not path.is_file():  # reading a pipe would never end
        raise DataError(f"{path}: is no ordinary file; name an .npz file with data.source")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path, config)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; name an .npz file with data.source") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: the archive is broken ({error}); write it again with numpy.savez") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


@dataclass(frozen=True)
class _Member:
    """An array in an archive."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    #: Bytes of the array's header.
    header: int

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def _read(archive: zipfile.ZipFile, path: Path, config: DataConfig) -> dict[str, NDArray[Any]]:
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    members = {name: _member(archive, name, infos[name]) for name in arrays.wanted(infos, config.group).all()}
    total = sum(member.size for member in members.values())
    in_memory = storage.fits(total, config.cache)
    inflated = sum(member.size for member in members.values() if member.info.compress_type != zipfile.ZIP_STORED)
    storage.check_room(total if in_memory else inflated, on_disk=not in_memory)
    if in_memory:
        return {name: _in_memory(archive, name, member) for name, member in members.items()}
    return {
        name: _mapped(path, member, _offset(path, member))
        if member.info.compress_type == zipfile.ZIP_STORED
        else _inflated(archive, member)
        for name, member in members.items()
    }


def _member(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> _Member:
    """Return what an array's header says."""
    with archive.open(info) as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, is_fortran, dtype = read(file)
        except ValueError as error:
            raise DataError(f"{name} is no array: {' '.join(str(error).split())[:150]}") from None
        header = file.tell()
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are not loaded; save it as numbers or text")
    if dtype.names or dtype.kind not in "biufUS":
        raise DataError(f"{name} is of type {dtype}; give numbers or text")
    member = _Member(info, shape, dtype, is_fortran, header)
    if min(shape, default=0) < 0 or header + member.size != info.file_size:
        raise DataError(f"{name} is cut short, or its header is wrong; write the file again with numpy.savez")
    return member


def _in_memory(archive: zipfile.ZipFile, name: str, member: _Member) -> NDArray[Any]:
    with archive.open(member.info) as file:
        values = npy.read_array(file, allow_pickle=False)
        if file.read(1):  # reads to the end, where the check sum is compared
            raise DataError(f"{name} is longer than its header says")
    return np.asarray(values)


def _offset(path: Path, member: _Member) -> int:
    """Return where in the file the values of an array that is not compressed begin."""
    with path.open("rb") as file:
        file.seek(member.info.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[26:])
    return int(member.info.header_offset + _LOCAL_HEADER + name + extra + member.header)


def _mapped(path: Path, member: _Member, offset: int) -> NDArray[Any]:
    return np.memmap(path, member.dtype, "r", offset, member.shape, "F" if member.is_fortran else "C")


def _inflated(archive: zipfile.ZipFile, member: _Member) -> NDArray[Any]:
    """Return a compressed array, mapped from a temporary file that it is inflated to."""
    target = storage.new_file()
    with archive.open(member.info) as file, target.open("wb") as copy:
        file.read(member.header)
        _copy(file, copy)
    return _mapped(target, member, 0)


def _copy(file: IO[bytes], copy: IO[bytes]) -> None:
    shutil.copyfileobj(file, copy, _BLOCK)
