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
        self._patch: Patch | None = None
        self._wanted = wanted
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
        """Put the wrapper in front of a model's ``train_step``, until `detach`."""

        def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
            def train_step(data: Any) -> Any:
                if self.error is None:
                    try:
                        self._take(data)
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

    def count(self) -> int:
        """Return how many samples were trained on since the last call."""
        count = int(self._count.numpy())
        self._count.assign(0)
        return count

    @property
    def batch_size(self) -> int:
        """The samples of the largest step seen, of one replica."""
        return int(self._largest.numpy())

    def batch(self) -> Any:
        """Return what was caught, NumPy arrays in the structure of the model's input; None where there is nothing."""
        if self._buffers and self._caught == 0:
            self._caught = min(self._wanted, int(self._filled.numpy()))
        if not self._caught:
            return None
        if self._buffers:
            leaves = [buffer.numpy()[-self._caught :] for buffer in self._buffers]
        else:
            first = self._batches[0]
            alike = [b for b in self._batches if all(x.shape[1:] == y.shape[1:] for x, y in zip(b, first, strict=True))]
            leaves = [np.concatenate(leaf)[: self._wanted] for leaf in zip(*alike, strict=True)]
        return keras.tree.pack_sequence_as(self._structure, leaves)

    def _take(self, data: Any) -> None:
        """Lay samples of one step aside; called when the step is traced."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        leaves = keras.tree.flatten(inputs)
        size = tf.shape(leaves[0])[0]
        self._count.assign_add(tf.cast(size, tf.int64))
        self._largest.assign(tf.maximum(self._largest, size))
        if any(not isinstance(leaf, tf.Tensor) for leaf in leaves):
            raise TypeError("the probe batch cannot be taken from ragged or sparse inputs; give one: Monitor(probe=x)")
        context = tf.distribute.get_replica_context()
        if context is not None and tf.get_static_value(context.replica_id_in_sync_group) not in (0, None):
            return
        self._structure = keras.tree.map_structure(lambda _: 0, inputs)
        if self._static_shapes:
            self._take_compiled(leaves, size)
        else:
            tf.cond(self._open, lambda: tf.numpy_function(self._keep, leaves, []), tf.no_op)

    def _keep(self, *leaves: np.ndarray) -> None:
        """Take one batch, called from within the step; nothing may be raised there."""
        self._batches.append([np.array(leaf[: self._wanted]) for leaf in leaves])
        self._caught = min(self._wanted, sum(len(batch[0]) for batch in self._batches))
        if self._caught >= self._wanted:
            self._open.assign(False)

    def _take_compiled(self, leaves: list[Any], size: Any) -> None:
        """Shift the samples into variables, as XLA knows nothing else that lasts."""
        if not self._buffers:
            with tf.init_scope():  # variables are made outside of the step that is being traced
                self._filled = tf.Variable(0, trainable=False)
                self._buffers = [
                    tf.Variable(tf.zeros((self._wanted, *x.shape[1:]), x.dtype), trainable=False) for x in leaves
                ]

        def shift() -> Any:
            for buffer, leaf in zip(self._buffers, leaves, strict=True):
                buffer.assign(tf.concat([buffer, leaf[: self._wanted]], 0)[-self._wanted :])
            return self._filled.assign_add(size)

        tf.cond(self._filled < self._wanted, shift, lambda: tf.identity(self._filled))
