"""Batches for `fit` and `evaluate`, by tf.data.

Whatever is drawn at random follows from the seed, the epoch and the number of the batch alone: not from threads, nor
from what was drawn before. So a training that is resumed at an epoch sees what it would have seen uninterrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from recipes.config import Config
from recipes.data.augmentation import augmenter
from recipes.data.base import Samples, Split
from recipes.data.mixing import Mixer, mixer
from recipes.errors import ConfigError, DataError, RecipeError
from recipes.parts.output import is_one_hot
from recipes.task import Facts

#: From targets as `recipes.task.Task` describes them to what the loss takes.
Encode = Callable[[NDArray[Any]], NDArray[Any]]


def training_batches(
    split: Split,
    config: Config,
    facts: Facts,
    *,
    encode: Encode | None = None,
    first_epoch: int = 0,
    epochs: int | None = None,
) -> tf.data.Dataset:
    """Return the batches of several epochs in a row, so that the next epoch is prepared while the last one ends.

    Parameters
    ----------
    split
        Training samples.
    config, facts
        Of the training.
    encode
        From all targets to what the loss takes; None: as the task says, one-hot where the loss wants it.
    first_epoch
        Number of the epoch to begin with.
    epochs
        Number of the epoch before which it ends, as ``epochs`` of ``fit``; None: ``training.epochs``.

    Returns
    -------
    tf.data.Dataset
        Of (x, y), or (x, y, weights) where classes are weighed; ``ceil(len(split) / data.batch_size)`` batches an
        epoch, the last of which may be smaller. For ``fit`` with ``initial_epoch=first_epoch`` and ``steps_per_epoch``
        (`Facts.steps`).

    Raises
    ------
    ConfigError
        Augmentation, mixing or class weights that such data cannot have.
    """
    weights = _weights(split, config, facts)
    # Looked at before the data is copied: they may refuse it.
    augment = augmenter(config, facts) if config.data.augmentation > 0 else None
    mix = mixer(config, facts) if config.data.mixing != "none" else None
    fetch = _fetch(split, config, facts, encode, weights)
    seed = tf.constant(config.training.seed, tf.int64)
    size, count = config.data.batch_size, len(split)

    def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(count, dtype=tf.int64)
        if config.data.shuffle:
            order = tf.random.experimental.stateless_shuffle(order, tf.stack([seed, epoch]))
        return tf.data.Dataset.range(-(-count // size)).map(
            lambda batch: (epoch, batch, order[batch * size : (batch + 1) * size])
        )

    def fetched(epoch: tf.Tensor, batch: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return epoch, batch, *fetch(indices)

    def augmented(epoch: tf.Tensor, batch: tf.Tensor, x: tf.Tensor, *rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        assert augment is not None
        changed = tf.numpy_function(lambda x, *key: augment(x, [int(k) for k in key]), (x, seed, epoch, batch), x.dtype)
        return epoch, batch, tf.ensure_shape(changed, x.shape), *rest

    def mixed(epoch: tf.Tensor, batch: tf.Tensor, x: tf.Tensor, *rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        assert mix is not None
        key = tf.random.experimental.stateless_fold_in(tf.stack([seed, epoch]), batch)
        return epoch, batch, *_mixed(mix, key, x, *rest)

    batches = tf.data.Dataset.range(first_epoch, config.training.epochs if epochs is None else epochs)
    batches = batches.flat_map(numbered)
    if augment is None and mix is None:
        return _finished(_parallel(batches, lambda _epoch, _batch, indices: fetch(indices)))
    batches = _parallel(batches, fetched)
    if augment is not None:
        batches = batches.map(augmented)  # not in parallel: Python threads take turns, two are slower than one
    if mix is not None:
        batches = _parallel(batches, mixed)
    return _finished(batches.map(lambda _epoch, _batch, *sample: sample))


def evaluation_batches(split: Split, config: Config, facts: Facts, *, encode: Encode | None = None) -> tf.data.Dataset:
    """Return all samples once, in their order, as they are.

    Parameters
    ----------
    split
        Samples for validation or for the test.
    config, facts, encode
        As for `training_batches`.

    Returns
    -------
    tf.data.Dataset
        Of (x, y); the last batch may be smaller.
    """
    size, count = config.data.batch_size, len(split)
    fetch = _fetch(split, config, facts, encode)
    batches = tf.data.Dataset.range(0, count, size).map(
        lambda start: tf.range(start, tf.minimum(start + size, count), dtype=tf.int64)
    )
    return _finished(_parallel(batches, fetch))


@contextmanager
def told_plainly(*splits: Split) -> Iterator[tuple[Split, ...]]:
    """Tell of an error within ``fit`` or ``predict`` in one line, where a person can mend it.

    TensorFlow fetches samples in threads of its own, and turns what goes wrong there into an error with a traceback.

    Parameters
    ----------
    splits
        What the batches are to be made of.

    Yields
    ------
    tuple of Split
        The same splits, to make the batches of: they remember what went wrong.

    Raises
    ------
    DataError
        A sample could not be fetched: what `Samples.take` raised.
    RecipeError
        The memory of the device does not suffice.
    """
    watched = tuple(
        split if isinstance(split.x, np.ndarray) else replace(split, x=_Watched(split.x)) for split in splits
    )
    try:
        yield watched
    except tf.errors.ResourceExhaustedError:
        raise RecipeError("out of memory: lower data.batch_size, or take a smaller model or smaller images") from None
    except tf.errors.OpError:
        for split in watched:
            if isinstance(split.x, _Watched) and split.x.error is not None:
                raise split.x.error from None
        raise


class _Watched:
    """Samples that remember why they could not be fetched."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.shape, self.dtype = samples.shape, samples.dtype
        self.error: DataError | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        try:
            return self._samples.take(indices)
        except DataError as error:
            self.error = error
            raise


def _weights(split: Split, config: Config, facts: Facts) -> NDArray[np.float32] | None:
    """Return the weight of each sample, that of its class, or None where all count the same."""
    if not config.data.class_weight:
        return None
    task = facts.task
    if not task.kind.is_classification:
        raise ConfigError(f"data.class_weight is for classification, not {task.kind}; use data.class_weight=false")
    by_class = task.class_weights()
    return np.array([by_class.get(i, 1.0) for i in range(len(task.names))], np.float32)[split.y.astype(np.int64)]


def _fetch(
    split: Split, config: Config, facts: Facts, encode: Encode | None, weights: NDArray[np.float32] | None = None
) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return a function for a ``map`` from numbers of samples to their inputs, targets and weights."""
    targets = split.y if encode is None else np.asarray(encode(split.y))
    is_spread = encode is None and is_one_hot(config, facts.task)
    in_memory = isinstance(split.x, np.ndarray) and not isinstance(split.x, np.memmap)
    with tf.device("CPU:0"):  # not the whole data set onto a GPU
        held = [tf.constant(array) for array in (targets, weights) if array is not None]
        x = tf.constant(split.x) if in_memory else None
    shape = split.x.shape[1:] if isinstance(split.x, np.ndarray) else split.x.shape

    def fetch(indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if x is not None:
            inputs = tf.gather(x, indices)
        else:
            inputs = tf.ensure_shape(tf.numpy_function(split.inputs, (indices,), split.x.dtype), (None, *shape))
        y, *rest = (tf.gather(array, indices) for array in held)
        if is_spread:  # a batch at a time: of all samples, with many classes, it would fill the memory
            y = tf.one_hot(y, len(facts.task.names))
        return inputs, y, *rest

    return fetch


def _mixed(mix: Mixer, key: tf.Tensor, x: tf.Tensor, y: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Mix images and labels.

    With weights w the loss of λ of a sample a and 1 - λ of b is to be λ w_a L(y_a) + (1 - λ) w_b L(y_b). As the loss is
    linear in the label, that is the mixed weight times the loss of the label (λ w_a y_a + (1 - λ) w_b y_b) / weight.
    """
    labels = tf.cast(y[:, tf.newaxis] if y.shape.rank == 1 else y, tf.float32)
    if weights:
        column = weights[0][:, tf.newaxis]
        x, columns = mix(x, tf.concat([labels * column, column], axis=1), key)
        labels, weights = columns[:, :-1] / columns[:, -1:], (columns[:, -1],)
    else:
        x, labels = mix(x, labels, key)
    return x, labels[:, 0] if y.shape.rank == 1 else labels, *weights


def _parallel(batches: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    return batches.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _finished(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return the batches prepared ahead; a distribution strategy splits batches, not files."""
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
