"""Folders of images with one subfolder for each class, split or not: decoded into memory, or when they are needed."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from recipes.config import DataConfig
from recipes.data import images, storage
from recipes.data.source import Part, Source
from recipes.errors import DataError, one_line

#: Side that images are resized to where neither the user says nor the images tell.
USUAL_SIDE = 64
#: Images that are all of one size keep it up to this side.
MOST_OWN_SIDE = 128
#: From so many files on, a line on a terminal says how far it is.
_MANY = 2000
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip

Result = TypeVar("Result")


class ImageFiles:
    """Images that are decoded when they are taken, `recipes.data.base.Samples`.

    Parameters
    ----------
    paths
        Of the files.
    shape
        Height, width and channels that they are brought to.
    """

    def __init__(self, paths: Sequence[Path], shape: tuple[int, int, int]) -> None:
        self.paths = paths
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of these numbers.

        Raises
        ------
        DataError
            A file has gone or has changed since it was checked.
        """
        taken = np.empty((len(indices), *self.shape), np.uint8)
        height, width, channels = self.shape
        for place, index in enumerate(indices):
            path = self.paths[int(index)]
            try:
                taken[place] = images.decode(path, (height, width), channels)
            except Exception as error:
                raise DataError(f"{path}: could be decoded before, and no longer: {_reason(error)}") from None
        return taken


@dataclass(frozen=True)
class _File:
    """A file that is an image by its name."""

    path: Path
    split: str
    label: str
    name: str


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    is_gray: bool


def load(folder: Path, config: DataConfig) -> Source:
    """Return the images in a folder.

    Parameters
    ----------
    folder
        Has a subfolder for each class; or ``train``, and ``val`` or ``validation`` and ``test``, each with such.
    config
        Says the size, and where decoded images are kept.

    Raises
    ------
    DataError
        There are no classes, or no image of one can be decoded.
    """
    with _told_of(folder):
        return _load(folder, config)


def find(folder: Path, config: DataConfig, most: int) -> Source:
    """Return the images in a folder by the names of their files, none of them decoded.

    Parameters
    ----------
    folder, config
        As of `load`.
    most
        So many files tell the size of all.

    Raises
    ------
    DataError
        There are no classes, or no file of those that were looked at is an image.
    """
    with _told_of(folder):
        classes, files, others = _scan(folder)
        rows = np.unique(np.linspace(0, len(files) - 1, min(most, len(files))).astype(np.int64))
        headers, failures = _each(
            [files[row] for row in rows], lambda file: _Header(*images.header(file.path)), "reading"
        )
        files = [file for file in files if file.name not in failures]
        shape = _shape(list(headers.values()), config.image_size)
        _check_classes(classes, files, failures)
        parts = {
            split: _part(split, files, classes, _Decoded(None, {}, {}), shape)
            for split in dict.fromkeys(file.split for file in files)
        }
        return Source(folder.resolve().name, "image", parts, tuple(classes), notes=_notes(failures, others))


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    """Name the folder in errors."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None


def _load(folder: Path, config: DataConfig) -> Source:
    classes, files, others = _scan(folder)
    headers, failures = _each(files, lambda file: _Header(*images.header(file.path)), "reading")
    files = [file for file in files if file.name in headers]
    shape = _shape(list(headers.values()), config.image_size)
    decoded = _decode(files, shape, config.cache)
    failures |= decoded.failures
    files = [file for file in files if file.name not in failures]
    _check_classes(classes, files, failures)
    parts = {
        split: _part(split, files, classes, decoded, shape) for split in dict.fromkeys(file.split for file in files)
    }
    return Source(folder.resolve().name, "image", parts, tuple(classes), notes=_notes(failures, others))


def _scan(folder: Path) -> tuple[list[str], list[_File], int]:
    """Return the classes, the images by their names, and how many other files there are."""
    subfolders = _subfolders(folder)
    splits = {path: _SPLITS[path.name.lower()] for path in subfolders if path.name.lower() in _SPLITS}
    train = next((path for path, split in splits.items() if split == "train"), None)
    more = [path.name for path in subfolders if path not in splits]
    if train is not None and more and _subfolders(train):
        raise DataError(
            f"{more[0]} is beside {train.name}, which holds the classes of a split, and names no split; move it "
            "elsewhere, or call it val or test if it is one"
        )
    if train is None or more:  # a class may be called train
        splits = {folder: "train"}
    classes = sorted({path.name for split in splits for path in _subfolders(split)})
    if len(classes) < 2:
        what = f"the only subfolder is {classes[0]}" if classes else "there are no subfolders"
        raise DataError(f"{what}; a folder of images has one subfolder for each class, two at least")
    files, others = [], 0
    for top, split in splits.items():
        for label in classes:
            for path in _walk(top / label, folder):
                if path.suffix.lower() in images.FORMATS:
                    files.append(_File(path, split, label, path.relative_to(folder).as_posix()))
                else:
                    others += 1
    return classes, files, others


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders; no hidden ones, no links out of the root, no pipes."""
    home = root.resolve()
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            is_inside = not path.is_symlink() or path.resolve().is_relative_to(home)
            if not name.startswith(".") and is_inside and path.is_file():
                yield path


def _each(
    files: Sequence[_File], work: Callable[[_File], Result], doing: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """Do something with every file in several threads: return name -> result, and name -> why it failed."""

    def attempt(file: _File) -> tuple[Result | None, str]:
        try:
            return work(file), ""
        except Exception as error:  # parsers of image formats raise anything
            return None, _reason(error)

    results, failures = {}, {}
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for file, (result, reason) in zip(files, _shown(pool.map(attempt, files), len(files), doing), strict=True):
            if result is None:
                failures[file.name] = reason
            else:
                results[file.name] = result
    return results, failures


def _shown(results: Iterable[Result], total: int, doing: str) -> Iterator[Result]:
    """Yield what is yielded, and say on a terminal how far it is."""
    is_shown = total >= _MANY and sys.stderr.isatty()
    for number, result in enumerate(results, start=1):
        if is_shown and (number % (_MANY // 10) == 0 or number == total):
            end = "\n" if number == total else ""
            print(f"\r{doing} images: {number} of {total}", end=end, file=sys.stderr, flush=True)
        yield result


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels"
    return one_line(error)


def _shape(headers: Sequence[_Header], side: int) -> tuple[int, int, int]:
    """Return the height, width and channels that images are brought to."""
    if not headers:
        raise DataError("no file can be read as an image; there should be .png, .jpg and the like in the subfolders")
    channels = 1 if all(header.is_gray for header in headers) else 3
    sizes = {header.size for header in headers}
    if not side and len(sizes) == 1 and max(next(iter(sizes))) <= MOST_OWN_SIDE:
        return (*next(iter(sizes)), channels)
    return (side or USUAL_SIDE, side or USUAL_SIDE, channels)


@dataclass(frozen=True)
class _Decoded:
    """Decoded images by the names of their files, where they are kept; and which files could not be decoded."""

    images: NDArray[np.uint8] | None
    rows: Mapping[str, int]
    failures: dict[str, str]


def _decode(files: Sequence[_File], shape: tuple[int, int, int], cache: str) -> _Decoded:
    """Decode every file once, to see that it can be, and keep the images where they fit."""
    height, width, channels = shape
    is_kept = storage.fits(len(files) * height * width * channels, cache)
    kept = np.empty((len(files), *shape), np.uint8) if is_kept else None
    rows = {file.name: row for row, file in enumerate(files)}

    def decode(file: _File) -> bool:
        image = images.decode(file.path, (height, width), channels)
        if kept is not None:
            kept[rows[file.name]] = image
        return True

    _, failures = _each(files, decode, "decoding")
    return _Decoded(kept, rows, failures)


def _check_classes(classes: Sequence[str], files: Sequence[_File], failures: Mapping[str, str]) -> None:
    filled = {file.label for file in files if file.split == "train"}
    empty = next((label for label in classes if label not in filled), None)
    if empty is not None:
        broken = next((f"; {name} cannot be decoded: {why}" for name, why in failures.items() if empty in name), "")
        raise DataError(f"class {empty!r} has no image to train on{broken}; add images, or remove its subfolder")


def _part(
    split: str, files: Sequence[_File], classes: Sequence[str], decoded: _Decoded, shape: tuple[int, int, int]
) -> Part:
    own = [file for file in files if file.split == split]
    numbers = {label: number for number, label in enumerate(classes)}
    y = np.array([numbers[file.label] for file in own], np.int32)
    x: NDArray[np.uint8] | ImageFiles
    if decoded.images is None:
        x = ImageFiles([file.path for file in own], shape)
    elif len(own) == len(decoded.images):
        x = decoded.images
    else:
        x = decoded.images[[decoded.rows[file.name] for file in own]]
    return Part(x, y, np.array([file.name for file in own], dtype=object))


def _notes(failures: Mapping[str, str], others: int) -> tuple[str, ...]:
    notes = []
    if failures:
        first = ", ".join(f"{name} ({why})" for name, why in sorted(failures.items())[:3])
        files = f"{len(failures):,} file{'s' if len(failures) > 1 else ''}"
        more = ", ..." if len(failures) > 3 else ""
        notes.append(f"{files} left out that cannot be decoded: {first}{more}")
    if others:
        notes.append(f"{others} files left out: their names are not those of images")
    return tuple(notes)
