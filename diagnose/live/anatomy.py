"""Which layers of a model are watched, in which order, and under which names.

Containers (models inside models, wrappers, blocks of one's own) are walked into, so that a backbone's layers are
named and not the backbone alone. A recurrent layer is one layer: its cell is not told apart from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras


@dataclass(frozen=True, eq=False)
class WatchedLayer:
    """One layer of a model, or one operation of a functional graph (``keras.ops.relu`` on a symbolic tensor).

    Parameters
    ----------
    name
        What it is called in the log: its own name, with those of its containers before it where two share one.
    operation
        The Keras object.
    trained
        The layer's own variables that this training changes.
    frozen
        The layer's own variables that could be trained and are not.
    """

    name: str
    operation: keras.Operation
    trained: tuple[keras.Variable, ...] = ()
    frozen: tuple[keras.Variable, ...] = ()

    @property
    def weights(self) -> tuple[keras.Variable, ...]:
        """The variables whose norm is the layer's: what is trained of it, else what could be."""
        return self.trained or self.frozen


def layers_of(model: keras.Model) -> tuple[WatchedLayer, ...]:
    """Return every layer and operation of a model that can be watched, input first, each once."""
    found: list[tuple[keras.Operation, tuple[str, ...]]] = [(model, ())] if _own_variables(model) else []
    found += _walk(model, (), set())
    trainable = {id(variable) for variable in model.trainable_variables}
    watched = []
    for name, (operation, _) in zip(names_of(found), found, strict=True):
        variables = _own_variables(operation)
        watched.append(
            WatchedLayer(
                name=name,
                operation=operation,
                trained=tuple(v for v in variables if id(v) in trainable),
                frozen=tuple(v for v in variables if id(v) not in trainable),
            )
        )
    return tuple(watched)


def names_of(found: Sequence[tuple[keras.Operation, tuple[str, ...]]]) -> list[str]:
    """Return a name for each layer: its own, with those of its containers where two share one."""
    counts = Counter(operation.name for operation, _ in found)
    taken: dict[str, None] = {}
    for operation, containers in found:
        name = str(operation.name) if counts[operation.name] == 1 else "/".join((*containers, operation.name))
        while name in taken:  # two blocks of one's own may bear one name as well
            name += "'"
        taken[name] = None
    return list(taken)


def _walk(
    operation: keras.Operation, containers: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[keras.Operation, tuple[str, ...]]]:
    """Yield every layer inside a container, with the names of the containers between them."""
    for part in _parts(operation):
        if id(part) in seen or isinstance(part, keras.layers.InputLayer):
            continue
        seen.add(id(part))
        if not _parts(part) or _own_variables(part):
            yield part, containers
        yield from _walk(part, (*containers, part.name), seen)


def _parts(operation: keras.Operation) -> list[keras.Operation]:
    """Return what a container holds, in the order of its graph where it has one."""
    if isinstance(operation, keras.layers.RNN) or not isinstance(operation, keras.Layer):
        return []
    parts = list(operation._flatten_layers(include_self=False, recursive=False))
    if isinstance(operation, keras.Function):  # a functional model
        return [*operation.operations, *parts]
    return parts


def _own_variables(operation: keras.Operation) -> list[keras.Variable]:
    """Return the variables that could be trained and that no part of the layer owns."""
    if not isinstance(operation, keras.Layer):
        return []
    if isinstance(operation, keras.layers.RNN):
        own = [v for part in operation._flatten_layers() for v in part._trainable_variables]
    else:
        parts = {id(v) for part in operation._flatten_layers(include_self=False) for v in part._trainable_variables}
        own = [v for v in operation._trainable_variables if id(v) not in parts]
    return list({id(v): v for v in own}.values())
