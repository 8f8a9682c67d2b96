"""Where arrays are kept: in memory where they fit, else in files of a temporary folder that goes with the process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recipes.data.base import Samples
from recipes.errors import DataError

#: Data may take this share of the memory that is free.
SHARE = 0.25
#: Data for which there is no other place may take this share of what is free.
_MOST_FULL = 0.9
#: Rows are handled in blocks of about this many bytes.
_BLOCK_BYTES = 32_000_000
#: Where Linux tells what a container may use, and what it does.
_CONTAINER = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes that can still be used; a container's limit counts."""
    free = [_container_memory(), _machine_memory()]
    return min(value for value in free if value is not None)


def fits(size: int, cache: str) -> bool:
    """Whether to keep data in memory.

    Parameters
    ----------
    size
        Bytes.
    cache
        ``memory``: always; ``none``: never; ``auto``: where it takes at most `SHARE` of what is free.
    """
    return cache == "memory" or (cache == "auto" and size <= SHARE * available_memory())


def empty(shape: tuple[int, ...], dtype: DTypeLike, cache: str) -> NDArray[Any]:
    """Return an array to be filled, in memory if it `fits`, else mapped from a temporary file.

    Raises
    ------
    DataError
        There is no room for the file; writing to a mapped file on a full disk would end the process.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not size or fits(size, cache):
        return np.empty(shape, dtype)
    check_room(size, on_disk=True)
    return np.lib.format.open_memmap(new_file(), "w+", dtype, shape)


def check_room(size: int, *, on_disk: bool) -> None:
    """Refuse data of so many bytes that it does not fit in memory, or in temporary files.

    Raises
    ------
    DataError
        It takes more than 0.9 of what is free.
    """
    room = int(_MOST_FULL * (free_disk() if on_disk else available_memory()))
    if size > room:
        where = "room for temporary files (set TMPDIR to a larger disk)" if on_disk else "memory"
        raise DataError(f"the data would take {size / 1e9:.3g} GB, and there are {room / 1e9:.3g} GB of {where}")


def free_disk() -> int:
    """Return the bytes that are left for temporary files, less those that files will take which are not filled yet."""
    folder = Path(_folder().name)
    found = [path.stat() for path in folder.iterdir()]
    promised = sum(max(0, file.st_size - 512 * file.st_blocks) for file in found)
    return max(0, shutil.disk_usage(folder).free - promised)


def new_file() -> Path:
    """Return the path of a new, empty file in the temporary folder."""
    handle, name = tempfile.mkstemp(".npy", dir=_folder().name)
    os.close(handle)
    return Path(name)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return the process's folder for data; it is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="kerasdx-data-", ignore_cleanup_errors=True)


def blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices that cover all rows, each of about as many bytes as are handled at once."""
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


class Selection:
    """Some samples of an array that is mapped from a file, or of `Samples`.

    Parameters
    ----------
    samples
        All of them.
    rows
        The numbers of those that are selected.
    """

    def __init__(self, samples: NDArray[Any] | Samples, rows: NDArray[np.int64]) -> None:
        self.samples = samples
        self.rows = rows
        self.shape: tuple[int, ...] = samples.shape[1:] if isinstance(samples, np.ndarray) else samples.shape
        self.dtype = samples.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the samples of these numbers among the selected ones."""
        rows = self.rows[indices]
        return np.asarray(self.samples[rows]) if isinstance(self.samples, np.ndarray) else self.samples.take(rows)


def select(samples: NDArray[Any] | Samples, rows: NDArray[np.int64]) -> NDArray[Any] | Samples:
    """Return some samples: a copy where they are in memory, else a view that fetches them when needed."""
    in_memory = isinstance(samples, np.ndarray) and not isinstance(samples, np.memmap)
    return samples[rows] if in_memory else Selection(samples, rows)  # type: ignore[index]


class Joined:
    """Samples of two kinds of store, one after the other.

    Parameters
    ----------
    first, second
        Of the same shape and type.
    """

    def __init__(self, first: NDArray[Any] | Samples, second: NDArray[Any] | Samples) -> None:
        self._first, self._second = (
            Selection(samples, np.arange(len(samples), dtype=np.int64)) for samples in (first, second)
        )
        self.shape, self.dtype = self._first.shape, self._first.dtype

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the samples of these numbers."""
        is_first = indices < len(self._first)
        found = np.empty((len(indices), *self.shape), self.dtype)
        found[is_first] = self._first.take(indices[is_first])
        found[~is_first] = self._second.take(indices[~is_first] - len(self._first))
        return found


def joined(first: NDArray[Any] | Samples, second: NDArray[Any] | Samples) -> NDArray[Any] | Samples:
    """Return samples and after them others of the same form; a copy where both are in memory.

    Raises
    ------
    DataError
        They differ in shape.
    """
    shapes = [samples.shape[1:] if isinstance(samples, np.ndarray) else samples.shape for samples in (first, second)]
    if shapes[0] != shapes[1]:
        raise DataError(f"training samples are of shape {shapes[0]}, those for validation of {shapes[1]}")
    are_arrays = isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    if are_arrays and not isinstance(first, np.memmap) and not isinstance(second, np.memmap):
        return np.concatenate([first, second])
    return Joined(first, second)


def _container_memory() -> int | None:
    """Return what is left to a control group (version 2); None where there is no limit."""
    try:
        limit = int((_CONTAINER / "memory.max").read_text())
        used = int((_CONTAINER / "memory.current").read_text())
        statistics = dict(line.split() for line in (_CONTAINER / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such file; "max": no limit
        return None
    return max(0, limit - used + int(statistics.get("inactive_file", 0)))  # cached files make way


def _machine_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4_000_000_000
