"""Data from a function of the user's own, in any of the forms that such functions return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipes import user_code
from recipes.config import Config
from recipes.data import arrays, storage, table
from recipes.data.base import Data
from recipes.data.source import Source
from recipes.errors import DataError

_FORMS = (
    "return (x, y), (x, y, groups), ((x_train, y_train), (x_test, y_test)), three such pairs, a dict of such arrays, "
    "a pandas frame, a tf.data.Dataset of (x, y), or recipes.data.Data"
)
_NAMES_OF_PAIRS = {2: ("train", "test"), 3: ("train", "val", "test")}


def load(name: str, config: Config) -> Source | Data:
    """Call the user's function, with the configuration if it takes an argument, and return its data.

    Parameters
    ----------
    name
        ``module:function`` or ``path/file.py:function``.
    config
        The configuration.

    Raises
    ------
    DataError
        The function cannot be imported or fails, with the line of the user's; or returns nothing that is known.
    """
    found = call(name, config)
    try:
        return found if isinstance(found, Data) else _source(found, name, config)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def call(name: str, config: Config) -> Any:
    """Return what the user's function returns.

    Parameters
    ----------
    name, config
        As of `load`.

    Raises
    ------
    DataError
        The function cannot be imported or fails, with the line of the user's.
    """
    return user_code.call(name, user_code.function(name, DataError), config, error=DataError)


def _source(found: Any, name: str, config: Config) -> Source:
    title = name.rpartition(":")[2]
    return in_table(found, title, config) or arrays.source(
        title, in_arrays(found, config), config.data.cache, config.data.group
    )


def in_table(found: Any, title: str, config: Config) -> Source | None:
    """Return a pandas frame, or a frame and its target, as a table; None: it is none.

    Raises
    ------
    DataError
        As of `recipes.data.table.load`.
    """
    if isinstance(found, pd.DataFrame):
        return table.of_frame(found, title, config.data)
    if isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[0], pd.DataFrame):
        return _frame_and_target(found[0], found[1], title, config)
    return None


def in_arrays(found: Any, config: Config) -> dict[str, NDArray[Any]]:
    """Return what is no table as arrays by the names that `recipes.data.arrays` knows.

    Raises
    ------
    DataError
        It is none of the forms that are known, or the configuration takes it for a table.
    """
    if config.data.target or config.data.ignore:
        raise DataError("data.target and data.ignore are for tables, and the function returns none; leave them out")
    return _arrays(found)


def _frame_and_target(frame: pd.DataFrame, target: Any, title: str, config: Config) -> Source:
    """Return a table whose target comes apart from it."""
    if len(frame) != len(target):
        raise DataError(f"the frame has {len(frame)} rows, and the target {len(target)}")
    column = str(getattr(target, "name", None) or "target")
    if column in frame.columns:
        raise DataError(f"the frame holds the target {column!r} too; take it out of the frame")
    whole = frame.assign(**{column: np.asarray(target)})
    return table.of_frame(whole, title, config.data.model_copy(update={"target": (column,)}))


def _arrays(found: Any) -> dict[str, NDArray[Any]]:
    if isinstance(found, Mapping):
        return {str(name): _array(values, str(name)) for name, values in found.items()}
    if _is_dataset(found):
        found = _materialized(found, "the dataset")
    if not isinstance(found, tuple | list) or len(found) not in (2, 3):
        raise DataError(f"the function returns {type(found).__name__}; {_FORMS}")
    if all(_is_dataset(part) or (isinstance(part, tuple) and len(part) == 2) for part in found):
        return _pairs(found)
    names = ("x", "y", "groups")
    return {name: _array(values, name) for name, values in zip(names, found, strict=False) if values is not None}


def _pairs(parts: Sequence[Any]) -> dict[str, NDArray[Any]]:
    named: dict[str, NDArray[Any]] = {}
    for ending, part in zip(_NAMES_OF_PAIRS[len(parts)], parts, strict=True):
        x, y = _materialized(part, f"the dataset for {ending}") if _is_dataset(part) else part
        named |= {f"x_{ending}": _array(x, f"x_{ending}"), f"y_{ending}": _array(y, f"y_{ending}")}
    return named


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} is no array: {' '.join(str(error).split())[:150]}") from None


def _is_dataset(found: Any) -> bool:
    return hasattr(found, "as_numpy_iterator") and hasattr(found, "element_spec")


def _materialized(dataset: Any, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return inputs and targets of a tf.data.Dataset of (x, y), batched or not.

    Raises
    ------
    DataError
        Its elements are no pairs of tensors, differ in shape, or are too many for the memory; or may be batches or not.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(hasattr(part, "shape") for part in spec):
        raise DataError(f"{name} does not yield pairs (x, y) of tensors; map it to such")
    if int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise DataError(f"{name} never ends; leave repeat() out")
    join = np.concatenate if _is_batched(*spec, name) else np.stack
    room = storage.SHARE * storage.available_memory()
    inputs, targets, size = [], [], 0
    for x, y in dataset.as_numpy_iterator():
        inputs.append(np.asarray(x))
        targets.append(_decoded(y))
        size += inputs[-1].nbytes
        if size > room:
            raise DataError(f"{name} is larger than {room / 1e9:.3g} GB; save it as an .npz, which is mapped from disk")
    if not inputs:
        raise DataError(f"{name} is empty")
    try:
        return join(inputs), join(targets)
    except ValueError:
        raise DataError(f"{name} yields samples of different shapes; bring them to one") from None


def _is_batched(x: Any, y: Any, name: str) -> bool:
    """Whether the first axis of inputs and of targets is that of samples: its length is left open, as batch() does."""
    if not x.shape.rank or not y.shape.rank or x.shape[0] != y.shape[0]:
        return False
    if x.shape[0] is not None:
        raise DataError(
            f"{name} yields x and y that both begin with an axis of {x.shape[0]}, in batches or not; return it with "
            ".batch(32), and where it is in batches already with .unbatch() before that"
        )
    return True


def _decoded(values: Any) -> NDArray[Any]:
    """Return targets; TensorFlow's text comes as bytes."""
    plain = np.asarray(values)
    return np.char.decode(plain.astype(bytes), "utf-8") if plain.dtype.kind in "OS" else plain
