"""The samples that are laid aside in the training step, and the count of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.live.catch import Catch  # noqa: E402
from tests.live import replicas  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers

WANTED = 10
X = np.arange(46.0, dtype="float32").reshape(23, 2)
Y = np.ones((23, 1), "float32")
WAYS: dict[str, dict[str, Any]] = {"graph": {}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}


class Catching(keras.callbacks.Callback):
    """Catches as Monitor does, and keeps the count of each epoch."""

    def __init__(self, wanted: int = WANTED) -> None:
        super().__init__()
        self.wanted = wanted
        self.counts: list[int] = []

    def on_train_begin(self, logs=None):
        self.catch = Catch(self.wanted, static_shapes=self.model.jit_compile)
        self.catch.attach(self.model)
        self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.catch.begin_epoch()

    def on_epoch_end(self, epoch, logs=None):
        self.counts.append(self.catch.count())

    def on_train_end(self, logs=None):
        self.catch.detach()


def dense(**settings: Any) -> Any:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse", **settings)
    return model


def caught(model: Any, *data: Any, wanted: int = WANTED, **settings: Any) -> Catching:
    catching = Catching(wanted)
    model.fit(*data, **{"batch_size": 4, "shuffle": False, **settings}, verbose=0, callbacks=[catching])
    return catching


@pytest.fixture(params=WAYS)
def way(request) -> dict[str, Any]:
    """Everything holds however the training step is run."""
    return WAYS[request.param]


def test_the_first_samples_are_laid_aside_as_the_step_saw_them(way):
    catching = caught(dense(**way), X, Y, epochs=2)
    assert catching.catch.error is None
    np.testing.assert_array_equal(catching.catch.batch(), X[:WANTED])


def test_the_samples_of_each_epoch_are_counted_with_the_last_incomplete_batch(way):
    catching = caught(dense(**way), X, Y, epochs=2)
    assert catching.counts == [23, 23]
    assert catching.catch.batch_size == 4


def test_where_there_are_fewer_samples_than_wanted_all_are_laid_aside_once(way):
    # Those of a second epoch are the same ones again, or so they may be: a few copies do no harm.
    batch = caught(dense(**way), X[:6], Y[:6]).catch.batch()
    np.testing.assert_array_equal(batch, X[:6])


def test_a_batch_that_is_larger_than_wanted_is_cut(way):
    batch = caught(dense(**way), X, Y, batch_size=23).catch.batch()
    np.testing.assert_array_equal(batch, X[:WANTED])


def test_none_are_laid_aside_where_none_are_wanted_but_all_are_counted(way):
    catching = caught(dense(**way), X, Y, wanted=0)
    assert catching.catch.batch() is None
    assert catching.counts == [23]


def test_several_steps_in_one_call_are_counted_one_by_one():
    catching = caught(dense(steps_per_execution=4), X, Y)
    assert catching.counts == [23]
    np.testing.assert_array_equal(catching.catch.batch(), X[:WANTED])


def test_nested_inputs_keep_their_structure(way):
    one, two = keras.Input((2,), name="one"), keras.Input((1,), name="two")
    model = keras.Model({"one": one, "two": two}, layers.Dense(1)(layers.Concatenate()([one, two])))
    model.compile("sgd", "mse", **way)
    batch = caught(model, {"one": X, "two": Y}, Y).catch.batch()
    assert batch.keys() == {"one", "two"}
    np.testing.assert_array_equal(batch["one"], X[:WANTED])
    np.testing.assert_array_equal(batch["two"], Y[:WANTED])


def test_the_samples_keep_their_dtype():
    model = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(50, 2), layers.Flatten()])
    model.compile("sgd", "mse")
    batch = caught(model, X.astype("int32"), np.ones((23, 4))).catch.batch()
    assert batch.dtype == np.int32


def batches_of(*lengths: int) -> Any:
    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for length in lengths:
            yield np.full((4, length), float(length)), Y[:4]

    spec = tf.TensorSpec((None, None), tf.float32), tf.TensorSpec((None, 1), tf.float32)
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


def summing(**settings: Any) -> Any:
    inputs = keras.Input((None,))
    total = layers.Lambda(lambda x: keras.ops.sum(x, axis=1, keepdims=True), output_shape=(1,))(inputs)
    model = keras.Model(inputs, layers.Dense(1)(total))
    model.compile("sgd", "mse", **settings)
    return model


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_of_batches_of_several_lengths_those_as_long_as_the_first_are_taken():
    catching = caught(summing(), batches_of(3, 2, 3), batch_size=None, shuffle=True)
    assert catching.counts == [12]
    np.testing.assert_array_equal(catching.catch.batch(), np.full((8, 3), 3.0))


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_xla_leaves_none_of_inputs_of_several_lengths_and_says_how_to_mend_it():
    catching = caught(summing(jit_compile=True), batches_of(3, 2, 4), batch_size=None, shuffle=True)
    assert catching.counts == [12]
    assert catching.catch.error is not None
    assert "Monitor(probe=x)" in str(catching.catch.error)


class Summing(keras.Model):
    """A training step of its own that takes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.line = layers.Dense(1)
        self.line.build((None, 2))
        self.built = True

    def train_step(self, data):
        return {"loss": tf.reduce_sum(tf.sparse.to_dense(data) if isinstance(data, tf.SparseTensor) else data)}


def ragged() -> Any:
    return tf.ragged.constant([[1.0, 2.0], [3.0], [4.0, 5.0, 6.0], [7.0]] * 5)


def sparse() -> Any:
    return tf.sparse.from_dense(X[:20])


@pytest.mark.parametrize("make", [ragged, sparse])
def test_of_ragged_and_sparse_inputs_none_are_taken_and_it_is_said_how_to_mend_it(make):
    model = Summing()
    model.compile()
    catching = caught(model, tf.data.Dataset.from_tensor_slices(make()).batch(4), batch_size=None, shuffle=True)
    assert catching.counts == [20]
    assert catching.catch.batch() is None
    assert str(catching.catch.error).startswith("no samples can be taken from ragged or sparse inputs")


def test_the_samples_of_all_replicas_are_counted_and_those_of_one_are_taken():
    with replicas.two_replicas().scope():
        model = dense()
    catching = caught(model, X, Y, epochs=2)
    assert catching.catch.error is None
    assert catching.counts == [23, 23]
    assert catching.catch.batch_size == 2
    batch = catching.catch.batch()
    np.testing.assert_array_equal(batch, X[[0, 1, 4, 5, 8, 9, 12, 13, 16, 17]])


def test_an_own_training_step_with_data_of_its_own_is_caught_too():
    model = Summing()
    model.compile()
    np.testing.assert_array_equal(caught(model, X).catch.batch(), X[:WANTED])


@pytest.mark.parametrize("way", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_an_error_while_samples_are_laid_aside_leaves_the_training_alone(way):
    inputs = tf.data.Dataset.from_tensors({"inputs": X[:4], "scale": 1.0}).repeat(3)
    model = Summing()
    model.train_step = lambda data: {"loss": tf.reduce_sum(data["inputs"]) * data["scale"]}
    model.compile(**way)
    catching = caught(model, inputs, batch_size=None, shuffle=True)
    assert isinstance(catching.catch.error, IndexError)
    assert catching.catch.batch() is None


def test_nothing_is_left_in_the_model():
    model = dense()
    caught(model, X, Y)
    assert "train_step" not in vars(model)
