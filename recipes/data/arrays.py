"""Arrays named ``x`` and ``y``, or ``x_train``, ``y_train``, ...: checked, and taken for images or vectors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.data import storage
from recipes.data.source import Columns, Part, Source
from recipes.errors import DataError

Arrays = Mapping[str, NDArray[Any]]
#: Split -> endings of names, as Keras' ``mnist.npz`` and others have them.
_ENDINGS = {"train": ("_train",), "validation": ("_val", "_valid", "_validation"), "test": ("_test",)}
#: Names that tell of inputs or targets.
_TELLING = re.compile(r"[xy](_.*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Names:
    """Which arrays hold what.

    Parameters
    ----------
    pairs
        Split -> names of its inputs and targets; ``train`` alone where nothing is split yet.
    groups
        Name of the groups of the training samples; empty: there are none.
    """

    pairs: Mapping[str, tuple[str, str]]
    groups: str

    def all(self) -> list[str]:
        """Return all names."""
        return [name for pair in self.pairs.values() for name in pair] + ([self.groups] if self.groups else [])


def wanted(names: Iterable[str], group: str = "") -> Names:
    """Return which of the names that there are hold data.

    Parameters
    ----------
    names
        All that there are.
    group
        Name of the groups; empty: ``groups`` or ``groups_train``, if there are any.

    Raises
    ------
    DataError
        There are no inputs, inputs without targets, no such groups, or inputs or targets of which nothing is known.
    """
    names = list(names)
    listed = f"there are {', '.join(names[:12]) or 'none'}"
    endings: dict[str, str | None] = {"train": ""}
    if "x_train" in names:
        endings = {split: _ending(names, known) for split, known in _ENDINGS.items()}
    pairs = {split: (f"x{ending}", f"y{ending}") for split, ending in endings.items() if ending is not None}
    missing = next((name for pair in pairs.values() for name in pair if name not in names), None)
    if missing is not None:
        raise DataError(f"there is no array {missing!r}; give x and y, or x_train, y_train, x_test, y_test; {listed}")
    groups = next((name for name in (group, "groups", "groups_train") if name and name in names), "")
    if group and group != groups:
        raise DataError(f"data.group: there is no array {group!r}; {listed}")
    found = Names(pairs, groups)
    stray = next((name for name in names if _TELLING.fullmatch(name) and name not in found.all()), None)
    if stray is not None:
        raise DataError(
            f"array {stray!r} would not be used; name arrays x and y, or x_train, y_train, x_val, y_val, x_test, "
            f"y_test, or leave it out; {listed}"
        )
    return found


def _ending(names: Sequence[str], endings: Sequence[str]) -> str | None:
    """Return the first of the endings that names of inputs or targets have; None: they have none."""
    return next((ending for ending in endings if f"x{ending}" in names or f"y{ending}" in names), None)


def source(name: str, arrays: Arrays, cache: str, group: str = "", notes: tuple[str, ...] = ()) -> Source:
    """Return arrays as a data set.

    Parameters
    ----------
    name
        For people.
    arrays
        ``x`` (n, ...) and ``y`` (n, ...), and ``groups`` (n,); or ``x_train`` and so on. Inputs (n, features) are
        vectors, in which NaN means missing; (n, height, width) and (n, height, width, channels) are images.
    cache
        See `storage.fits`.
    group
        Name of the groups.
    notes
        For people.

    Raises
    ------
    DataError
        What is needed is not there, does not fit, or is not finite.
    """
    names = wanted(arrays, group)
    groups = arrays[names.groups] if names.groups else None
    parts: dict[str, Part] = {}
    for split, (x_name, y_name) in names.pairs.items():
        x = inputs(arrays[x_name], x_name, cache)
        parts[split] = Part(x, arrays[y_name], np.arange(1, len(x) + 1), groups if split == "train" else None)
        _check_lengths(parts[split], x_name, y_name)
    _check_alike({names.pairs[split][0]: part for split, part in parts.items()})
    return Source(name, "vector" if isinstance(parts["train"].x, Columns) else "image", parts, notes=notes)


def inputs(x: NDArray[Any], label: str, cache: str) -> Columns | NDArray[Any]:
    """Return inputs as a `Part` has them; `label` is what they are called."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"{label} is of type {x.dtype}; give numbers")
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim not in (2, 3, 4) or not x.size:
        shape = "x".join(map(str, x.shape))
        raise DataError(f"{label} is {shape}; give samples x features, or samples x height x width x channels")
    if x.ndim == 2:
        return Columns.of_vectors(_as(x, np.float32, label, cache))
    images = x[..., None] if x.ndim == 3 else x
    if images.shape[-1] > 4 >= images.shape[1]:
        shape = "x".join(map(str, images.shape[1:]))
        raise DataError(f"{label} has images of {shape}; channels come last: numpy.moveaxis({label}, 1, -1)")
    is_bytes = images.dtype.kind in "iu" and bool(images.min() >= 0) and bool(images.max() <= 255)
    return _as(images, np.uint8 if is_bytes else np.float32, label, cache, whole=True)


def _as(x: NDArray[Any], dtype: Any, label: str, cache: str, *, whole: bool = False) -> NDArray[Any]:
    """Return an array in a type, itself where it has it.

    Parameters
    ----------
    x, dtype, label, cache
        The array, the type, what the array is called, and see `storage.fits`.
    whole
        Whether to refuse NaN too, which is not a missing value here.
    """
    same = x.dtype == dtype
    result = x if same else storage.empty(x.shape, dtype, cache)
    for block in storage.blocks(len(x), 8 * int(np.prod(x.shape[1:]))):
        if not same:
            with np.errstate(over="ignore"):
                result[block] = x[block]
        if result.dtype.kind == "f":
            _check_finite(result[block], label, block.start, whole=whole)
    return result


def _check_finite(values: NDArray[Any], label: str, start: int, *, whole: bool) -> None:
    bad = ~np.isfinite(values) if whole else np.isinf(values)
    if bad.any():
        place = [int(number) for number in np.argwhere(bad)[0]]
        where = ", ".join(map(str, (place[0] + start, *place[1:])))
        what = "NaN" if np.isnan(values[tuple(place)]) else "infinite, or too large for 32-bit floats"
        raise DataError(f"{label}[{where}] is {what}; mend it, or leave the sample out")


def _check_lengths(part: Part, x_name: str, y_name: str) -> None:
    """Refuse targets and groups that are not one for each sample."""
    for name, values in ((y_name, part.y), ("the groups", part.groups)):
        if values is not None and (not values.ndim or len(values) != len(part.ids)):
            count = len(values) if values.ndim else "one number"
            raise DataError(f"{x_name} has {len(part.ids)} samples, and {name} {count}; each sample needs one")
    if part.groups is not None and part.groups.ndim != 1:
        raise DataError("the groups are not one value for each sample")


def _check_alike(parts: Mapping[str, Part]) -> None:
    """Refuse splits whose samples differ in shape or type."""
    kinds = {}
    for label, part in parts.items():
        x = part.x.numeric if isinstance(part.x, Columns) else part.x
        assert isinstance(x, np.ndarray)
        kinds[label] = (x.shape[1:], x.dtype)
    if len(set(kinds.values())) > 1:
        texts = (f"{label} {'x'.join(map(str, shape))} {dtype}" for label, (shape, dtype) in kinds.items())
        raise DataError(f"the samples of the splits differ: {', '.join(texts)}")
