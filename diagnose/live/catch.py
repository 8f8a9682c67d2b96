"""The probe batch: the first training samples, caught where the training step is given them.

Callbacks are not shown the data, and reading the data set a second time would not be passive: a shuffled
``tf.data`` set draws anew for every reader, a generator is used up, a `PyDataset` may draw random numbers. So the step
itself lays its first samples aside, and counts all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diagnose.live.patch import Patch

_REMEDY = "give some on which activations shall be looked at: Monitor(probe=x)"


class Catch:
    """Lays aside the first samples that a model is trained on, and counts the samples of an epoch.

    Parameters
    ----------
    wanted
        How many samples.
    static_shapes
        Whether the step is compiled by XLA, from which Python cannot be called.
    """

    def __init__(self, wanted: int, *, static_shapes: bool = False) -> None:
        self.error: Exception | None = None
        self.wanted = wanted
        self._patch: Patch | None = None
        self._static_shapes = static_shapes
        self._batches: list[list[np.ndarray]] = []
        self._buffers: list[tf.Variable] = []
        self._structure: Any = None
        self._caught = 0
        # The sum over the replicas, where a strategy makes one variable of each replica's.
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=tf.VariableAggregation.SUM)
        self._largest = tf.Variable(0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self._open = tf.Variable(wanted > 0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def attach(self, model: keras.Model) -> None:
        """Put the wrapper in front of a model's ``train_step``, until `detach`, and begin anew."""
        self._forget()

        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def train_step(data: Any) -> Any:
                try:
                    leaves, structure = _inputs_of(data)
                    self._add(leaves[0])
                    self._take(leaves, structure)
                except Exception as error:  # when the step is traced: the training goes on without a probe batch
                    self.error = error
                return original(data)

            return train_step

        self._patch = Patch(model, "train_step")
        self._patch.put_on(wrapped)

    def detach(self) -> None:
        """Take the wrapper away."""
        if self._patch is not None:
            self._patch.take_off()
            self._patch = None

    def begin_epoch(self) -> None:
        """Count from nought."""
        self._count.assign(0)

    def count(self) -> int:
        """Return how many samples were trained on since `begin_epoch` was called."""
        return int(self._count.numpy())

    @property
    def batch_size(self) -> int:
        """The samples of the largest step seen, of one replica."""
        return int(self._largest.numpy())

    def batch(self) -> Any:
        """Return what was caught, NumPy arrays in the structure of the model's input; None where there is nothing."""
        if self._buffers and self._caught == 0:
            self._caught = min(self.wanted, int(self._filled.numpy()))
        if not self._caught:
            return None
        if self._buffers:
            leaves = [buffer.numpy()[-self._caught :] for buffer in self._buffers]
        else:
            first = self._batches[0]
            alike = [b for b in self._batches if all(x.shape[1:] == y.shape[1:] for x, y in zip(b, first, strict=True))]
            leaves = [np.concatenate(leaf)[: self.wanted] for leaf in zip(*alike, strict=True)]
        return keras.tree.pack_sequence_as(self._structure, leaves)

    def _forget(self) -> None:
        """Let go of the samples of an earlier training."""
        self._batches, self._caught = [], 0
        self._largest.assign(0)
        self._open.assign(self.wanted > 0)
        if self._buffers:
            self._filled.assign(0)

    def _add(self, leaf: Any) -> None:
        """Count the samples of one step; called when the step is traced, as is all that follows."""
        size = _size(leaf)
        self._count.assign_add(tf.cast(size, tf.int64))
        self._largest.assign(tf.maximum(self._largest, size))

    def _take(self, leaves: list[Any], structure: Any) -> None:
        """Lay samples of one step aside."""
        if any(not isinstance(leaf, tf.Tensor) for leaf in leaves):
            raise TypeError(f"no samples can be taken from ragged or sparse inputs; {_REMEDY}")
        context = tf.distribute.get_replica_context()
        if context is not None and tf.get_static_value(context.replica_id_in_sync_group) not in (0, None):
            return
        self._structure = structure
        if self._static_shapes:
            self._take_compiled(leaves)
        else:
            tf.cond(self._open, lambda: tf.numpy_function(self._keep, leaves, []), tf.no_op)

    def _keep(self, *leaves: np.ndarray) -> None:
        """Take one batch, called from within the step: what is raised there would end the training."""
        try:
            self._batches.append([np.array(leaf[: self.wanted]) for leaf in leaves])
            self._caught = min(self.wanted, sum(len(batch[0]) for batch in self._batches))
        except Exception as error:
            self.error = error
        if self.error is not None or self._caught >= self.wanted:
            self._open.assign(False)

    def _take_compiled(self, leaves: list[Any]) -> None:
        """Shift the samples into variables, as XLA knows nothing else that lasts."""
        shapes = [leaf.shape[1:] for leaf in leaves]
        if not all(shape.is_fully_defined() for shape in shapes):
            raise ValueError(f"XLA leaves no samples of varying shape; {_REMEDY}")
        if not self._buffers:
            with tf.init_scope():  # variables are made outside of the step that is being traced
                self._filled = tf.Variable(0, trainable=False)
                self._buffers = [
                    tf.Variable(tf.zeros((self.wanted, *shape), leaf.dtype), trainable=False)
                    for leaf, shape in zip(leaves, shapes, strict=True)
                ]

        def shift() -> Any:
            taken = tf.minimum(_size(leaves[0]), self.wanted - self._filled)
            for buffer, leaf in zip(self._buffers, leaves, strict=True):
                # A slice from there on would take XLA ten seconds to compile.
                buffer.assign(tf.gather(tf.concat([buffer, leaf], 0), taken + tf.range(self.wanted)))
            return self._filled.assign_add(taken)

        if all(buffer.shape[1:] == shape for buffer, shape in zip(self._buffers, shapes, strict=True)):
            tf.cond(self._filled < self.wanted, shift, lambda: tf.identity(self._filled))


def _inputs_of(data: Any) -> tuple[list[Any], Any]:
    """Return the inputs in what a step is given, and how they are nested."""
    inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    leaves = keras.tree.flatten(inputs)
    return leaves, keras.tree.pack_sequence_as(inputs, [0] * len(leaves))


def _size(leaf: Any) -> Any:
    """Return the number of samples, a tensor."""
    return leaf.nrows(tf.int32) if isinstance(leaf, tf.RaggedTensor) else tf.shape(leaf)[0]
