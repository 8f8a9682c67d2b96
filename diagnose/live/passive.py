"""Forward passes, and whole steps, that leave no trace: no variable moves, and no random state.

The generators of Python and NumPy belong to the whole process: threads that load data may draw from them at the same
time, and would draw the same twice if they were put back. They are put back only where code of the user's may have
drawn from them in the pass itself.

What it cannot put back: attributes that a layer changes in Python.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR as _GENERATOR
from tensorflow.python.eager import context

from diagnose.audit.functions import is_user_written

#: Of the random numbers that are drawn in the pass: any number that nobody would take.
_SEED = 0x6B647870617373


@contextmanager
def untouched(model: keras.Model, *, generators: bool) -> Iterator[None]:
    """Put back whatever a forward pass of a model moves.

    Keras' variables (seeds, states of recurrent layers, moving averages, metrics) are not written at all, and losses
    are not collected: ``keras.StatelessScope``. Losses of the step before, which every call forgets, and TensorFlow's
    own variables in layers of the user's are put back.

    Parameters
    ----------
    generators
        Whether to put back the generators of Python, NumPy and TensorFlow too.
    """
    layers = model._flatten_layers()
    losses = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers if layer._losses]
    variables = [(variable, variable.numpy()) for layer in layers for variable in _plain_variables(layer)]
    try:
        with generators_put_back() if generators else nullcontext(), keras.StatelessScope():
            yield
    finally:
        for variable, value in variables:
            if variable.numpy().tobytes() != value.tobytes():
                variable.assign(value)
        for layer, values, ids in losses:
            layer._losses[:] = values
            layer._loss_ids.update(ids)


@contextmanager
def restored(model: keras.Model) -> Iterator[None]:
    """Put back, to the last bit, whatever training steps of a model move, its optimizer's state apart.

    Variables are written for a while here, which `untouched` does not do, and takes a copy of all of them.
    """
    layers = model._flatten_layers()
    losses = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers]
    variables = {id(v.value): v.value for v in model.variables}
    variables |= {id(v): v for layer in layers for v in _plain_variables(layer)}
    generator = _global_generator()
    if generator is not None:
        variables[id(generator.state.value)] = generator.state.value
    held = [(variable, np.array(variable.numpy())) for variable in variables.values()]
    try:
        with generators_put_back():
            yield
    finally:
        for variable, value in held:
            variable.assign(value)
        for layer, values, ids in losses:
            layer._losses[:] = values
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)
        if generator is None:  # one that came to be meanwhile was seeded from Python's generator, and will be again
            global_state.set_global_attribute(_GENERATOR, None)


def _global_generator() -> Any:
    """Return what random numbers without a seed are drawn from; None as long as nobody has drawn any."""
    return global_state.get_global_attribute(_GENERATOR)


@contextmanager
def generators_put_back() -> Iterator[None]:
    """Put back the state of the generators of Python and NumPy."""
    python, numpy = random.getstate(), np.random.get_state()
    eager = context.context()
    # The seeds of eager operations are drawn from this; there is no public way to it. TensorFlow keeps the stream of
    # each pair of seeds, and would go on in it were it drawn again: so the pass has a seed that training has not.
    seed, generator = eager._seed, getattr(eager, "_rng", None)  # no generator without a seed
    eager._seed, eager._rng = _SEED, random.Random(_SEED)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        eager._seed, eager._rng = seed, generator


def _plain_variables(layer: keras.Layer) -> list[tf.Variable]:
    """Return the TensorFlow variables among the attributes of a layer of the user's: Keras does not know them."""
    if not is_user_written(layer):
        return []
    return [variable for value in vars(layer).values() for part in _flat(value) for variable in _held_by(part)]


def _flat(value: Any) -> list[Any]:
    """Return what is in an attribute; not with ``keras.tree``, which sorts keys, and not all can be sorted."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else None
    return [value] if parts is None else [leaf for part in parts for leaf in _flat(part)]


def _held_by(value: Any) -> list[tf.Variable]:
    if isinstance(value, tf.Variable):
        return [value]
    if isinstance(value, tf.random.Generator):
        return [value.state]
    if isinstance(value, tf.Module) and not isinstance(value, keras.Layer):
        return list(value.variables)
    return []
