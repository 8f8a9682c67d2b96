"""A model that is not built yet, built for a while as its first batch would build it.

A subclassed model, and a Sequential without an Input, learn their shapes from the first batch that ``fit`` gives them.
With data at hand the audit does not have to wait for it. Nothing of that stays: weights, layers and graphs that come to
be are taken away again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.utils.tracking import Tracker

from diagnose.audit import batch as batches
from diagnose.audit import session
from diagnose.audit.dry import plainly
from diagnose.audit.functions import is_user_written
from diagnose.live.passive import restored
from diagnose.live.probe import takes_training
from diagnose.sample import DataSample

#: Samples that a model is called on where symbols do not go through.
_SAMPLES = 2


@dataclass(frozen=True)
class Building:
    """How the data meets a model.

    Parameters
    ----------
    inputs
        Symbolic tensors of a batch of any size, in the structure that the model takes them in; None where there is no
        data, or the model knows its inputs by itself.
    failed
        Why the data cannot build the model, in one line; empty where it can, or nobody has tried.
    samples
        How many were tried.
    """

    inputs: Any = None
    failed: str = ""
    samples: int = 0


@contextmanager
def built(model: keras.Model, data: DataSample | None) -> Iterator[Building]:
    """Have a model built by its data, if it is not built yet; in the end it is as it was.

    Parameters
    ----------
    model
        Any. One that is built already is not touched.
    data
        As ``fit`` gets it; None, or data that is not given to the model as it is: the model stays as it is.
    """
    has_inputs = getattr(model, "_inputs_struct", None) is not None and not is_user_written(model)
    is_built = all(layer.built for layer in model._flatten_layers())
    if data is None or data.is_raw or not len(data.training) or (has_inputs and is_built):
        yield Building()
        return
    at = batches.chosen(data.training, _SAMPLES)
    given = batches.inputs_of(model, data, at)
    symbols = _symbols(given)
    if is_built:
        yield Building(symbols)
        return
    with restored(model), _put_back(model) as held, session.fresh(session.NAMES):
        if has_inputs:  # a part of a part, say of a cell, that only numbers reach: what may go wrong, a dry run tells
            with suppress(Exception):
                model(given)
            yield Building()
            return
        failed = _build(model, given, symbols, held)
        is_nested = any("/" in name for name in data.training.inputs)  # in which structure is not known any more
        yield Building() if failed and is_nested else Building(None if failed else symbols, failed, len(at))


def _build(model: keras.Model, given: Any, symbols: Any, held: _Held) -> str:
    """Build a model; return why that is not possible, or nothing.

    ``fit`` calls it on symbols, whose batch has any size. What these do not get through may still run eagerly.
    """
    training = {"training": False} if takes_training(model) else {}
    with warnings.catch_warnings():  # of Keras, about what it could not build
        warnings.simplefilter("ignore")
        with suppress(Exception):  # whatever a model of the user's may raise on symbols
            model(symbols, **training)
            return ""
        held.put_back()  # what was built by half
        try:
            model(given, **training)
        except Exception as error:  # whatever a model of the user's may raise
            return plainly(error)
    return ""


def _symbols(given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _symbol(tensor, name) for name, tensor in given.items()}
    if isinstance(given, list):
        return [_symbol(tensor, f"input_{at}") for at, tensor in enumerate(given, 1)]
    return _symbol(given, "input")


def _symbol(tensor: Any, name: str) -> keras.KerasTensor:
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return keras.KerasTensor((None, *tensor.shape[1:]), dtype=dtype, name=name)


# What building changes


@contextmanager
def _put_back(model: keras.Model) -> Iterator[_Held]:
    """Put back the attributes of all layers, and what is in their lists, mappings and sets."""
    held = _Held()
    for layer in model._flatten_layers():
        held.keep(layer)
    try:
        yield held
    finally:
        held.put_back()


class _Held:
    """Attributes of objects and members of containers, as they were."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, Any]] = {}

    def keep(self, part: Any) -> None:
        """Remember a layer, a list, a mapping or a set, with all of these that it holds."""
        if isinstance(part, dict | list):
            part = getattr(part, "__wrapped__", part)  # TensorFlow wraps what it takes note of
        if id(part) in self._kept:
            return
        if isinstance(part, keras.Operation | Tracker):
            self._keep(part, dict(vars(part)), vars(part).values())
        elif isinstance(part, dict):
            self._keep(part, dict(part), part.values())
        elif isinstance(part, list):
            self._keep(part, list(part), part)
        elif isinstance(part, set):
            self._keep(part, set(part), ())
        elif isinstance(part, tuple):
            for member in part:
                self.keep(member)

    def _keep(self, part: Any, content: Any, members: Any) -> None:
        self._kept[id(part)] = part, content
        for member in list(members):
            self.keep(member)

    def put_back(self) -> None:
        """Put everything back, past the methods of containers that take note of changes."""
        for part, content in self._kept.values():
            if isinstance(part, dict):
                dict.clear(part)
                dict.update(part, content)
            elif isinstance(part, list):
                list.__setitem__(part, slice(None), content)
            elif isinstance(part, set):
                set.clear(part)
                set.update(part, content)
            else:
                vars(part).clear()
                vars(part).update(content)
