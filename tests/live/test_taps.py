"""What is sampled in the training step, against the same computed by other means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.live.instrument import install  # noqa: E402
from diagnose.live.telemetry import columns_of_steps  # noqa: E402
from tests.live import replicas  # noqa: E402

pytestmark = pytest.mark.keras

layers, optimizers = keras.layers, keras.optimizers

RATE = 0.1
STEPS, BATCH = 6, 8
X = np.random.default_rng(0).normal(size=(STEPS * BATCH, 5)).astype("float32")
Y = np.random.default_rng(1).normal(size=(STEPS * BATCH, 2)).astype("float32")
WORDS = np.random.default_rng(2).integers(0, 4, (STEPS * BATCH, 3))


class Looking(keras.callbacks.Callback):
    """Samples as Monitor does, every so manieth step, and keeps what it sees of each epoch."""

    def __init__(self, every: int = 1, dense: int = 0) -> None:
        super().__init__()
        self.every, self.dense = every, dense
        self.epochs: list[dict[str, float]] = []
        self.steps: list[int] = []
        self.samples: list[int] = []

    def on_train_begin(self, logs=None):
        self.instrument = install(self.model, 0)

    def on_epoch_begin(self, epoch, logs=None):
        self.instrument.schedule(self.every, dense=0 if epoch else self.dense)

    def on_epoch_end(self, epoch, logs=None):
        assert [tap.error for tap in self.instrument.taps] == [None] * len(self.instrument.taps)
        samples = self.instrument.read()
        self.epochs.append(columns_of_steps(samples, self.instrument.weighted))
        self.steps.append(sum(sample.steps for sample in samples))
        self.samples.append(self.instrument.catch.count())

    def on_train_end(self, logs=None):
        self.instrument.detach()


@pytest.fixture(autouse=True)
def _global_settings() -> Iterator[None]:
    keras.utils.set_random_seed(3)
    yield
    keras.mixed_precision.set_global_policy("float32")
    keras.utils.clear_session()


def net(*names: str) -> Any:
    hidden = [layers.Dense(4, activation="tanh", name=name) for name in names or ("one", "two")]
    return keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(2, name="last")])


def bag_of_words() -> Any:
    words = [keras.Input((3,), dtype="int32"), layers.Embedding(4, 3, name="words"), layers.GlobalAveragePooling1D()]
    return keras.Sequential([*words, layers.Dense(2, name="last")])


def mse(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    return tf.reduce_mean(tf.square(tf.cast(model(x, training=True), tf.float32) - y))


def looked_at(model: Any, x: np.ndarray = X, y: np.ndarray = Y, epochs: int = 1, **schedule: int) -> Looking:
    looking = Looking(**schedule)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[looking])
    return looking


def replayed(model: Any, x: np.ndarray = X, together: int = 1, clip: float = math.inf) -> dict[str, Any]:
    """Train a model by plain gradient descent in NumPy, and return what a sampling of every update should tell."""
    variables = [(layer.name, v) for layer in model.layers for v in layer.trainable_variables]
    names = list(dict.fromkeys(name for name, _ in variables))
    gradients, ratios, overall = {n: [] for n in names}, {n: [] for n in names}, []
    kept: list[list[np.ndarray]] = []

    def norms(values: list[np.ndarray]) -> dict[str, float]:
        return {
            n: math.sqrt(sum(float(np.sum(v**2)) for (m, _), v in zip(variables, values, strict=True) if m == n))
            for n in names
        }

    for i in range(0, len(x), BATCH):
        with tf.GradientTape() as tape:
            value = mse(model, x[i : i + BATCH], Y[i : i + BATCH])
        found = tape.gradient(value, [v.value for _, v in variables])
        kept.append([tf.convert_to_tensor(gradient).numpy().astype("float64") for gradient in found])
        if len(kept) < together:
            continue
        mean = [np.mean(steps, axis=0) for steps in zip(*kept, strict=True)]
        kept.clear()
        clipped = [g * min(1.0, clip / np.linalg.norm(g)) for g in mean]
        before = [v.numpy().astype("float64") for _, v in variables]
        after = [b - RATE * g for b, g in zip(before, clipped, strict=True)]
        for (_, variable), weights in zip(variables, after, strict=True):
            variable.assign(weights)
        of_weights = norms(after)
        for name, norm in norms(mean).items():
            gradients[name].append(norm)
            ratios[name].append(RATE * norms(clipped)[name] / of_weights[name])
        overall.append(math.sqrt(sum(norm**2 for norm in norms(mean).values())))
    columns = {"grad_norm_global": float(np.mean(overall))}
    for name in names:
        columns[f"grad_norm/{name}"] = float(np.mean(gradients[name]))
        columns[f"grad_norm_max/{name}"] = float(np.max(gradients[name]))
        columns[f"weight_norm/{name}"] = of_weights[name]
        columns[f"update_ratio/{name}"] = float(np.mean(ratios[name]))
    return columns


def both(model: Any, x: np.ndarray = X, **replay: Any) -> tuple[dict[str, float], Any]:
    """Return what was sampled in one epoch, and what is expected of the same epoch replayed from the same weights."""
    start = model.get_weights()
    (sampled,) = looked_at(model, x).epochs
    end = model.get_weights()
    model.set_weights(start)
    expected = replayed(model, x, **replay)
    for weights, others in zip(end, model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, others, rtol=2e-2, atol=1e-3)  # it is the same training
    return sampled, expected


def compiled(model: Any, optimizer: Any = None, **settings: Any) -> Any:
    model.compile(optimizer or optimizers.SGD(RATE), "mse", **settings)
    return model


@pytest.mark.parametrize(
    "settings",
    [{}, {"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 4}],
    ids=["graph", "eager", "xla", "several steps at once"],
)
def test_norms_and_ratios_are_those_of_the_training_replayed(settings):
    sampled, expected = both(compiled(net(), **settings))
    assert sampled == pytest.approx(expected, rel=1e-4)


def test_under_loss_scaling_gradients_are_those_of_the_loss_and_not_of_the_scaled_loss():
    keras.mixed_precision.set_global_policy("mixed_float16")
    scaling = optimizers.LossScaleOptimizer(optimizers.SGD(RATE), initial_scale=512.0)
    sampled, expected = both(compiled(net(), scaling))
    assert sampled == pytest.approx(expected, rel=2e-2)


def test_a_fixed_loss_scale_is_undone():
    sampled, expected = both(compiled(net(), optimizers.SGD(RATE, loss_scale_factor=64.0)))
    assert sampled == pytest.approx(expected, rel=1e-4)


def test_of_accumulated_gradients_their_mean_is_told_and_only_real_updates_count():
    model = compiled(net(), optimizers.SGD(RATE, gradient_accumulation_steps=3))
    sampled, expected = both(model, together=3)
    assert sampled == pytest.approx(expected, rel=1e-4)
    assert looked_at(model).steps == [STEPS // 3]


def test_the_gradient_is_told_before_clipping_and_the_step_after():
    sampled, expected = both(compiled(net(), optimizers.SGD(RATE, clipnorm=0.02)), clip=0.02)
    assert sampled == pytest.approx(expected, rel=1e-4)
    assert sampled["grad_norm/last"] > 0.1
    assert sampled["update_ratio/last"] * sampled["weight_norm/last"] < RATE * 0.03


@pytest.mark.parametrize("settings", [{}, {"run_eagerly": True}, {"jit_compile": True}], ids=["graph", "eager", "xla"])
def test_slices_of_an_embedding_that_are_used_more_than_once_are_summed(settings):
    sampled, expected = both(compiled(bag_of_words(), **settings), WORDS)
    assert sampled == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("model", [net, bag_of_words])
def test_of_several_replicas_the_sum_is_told_which_is_the_gradient_of_the_whole_batch(model):
    x = X if model is net else WORDS
    with replicas.two_replicas().scope():
        replicated = compiled(model(), optimizers.SGD(RATE))
    start = replicated.get_weights()
    looking = looked_at(replicated, x)
    alone = model()
    alone.set_weights(start)
    assert looking.epochs[0] == pytest.approx(replayed(alone, x), rel=1e-4)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_norms_neither_overflow_nor_vanish_where_their_squares_would(scale):
    model = net()
    model.compile(optimizers.SGD(0.0), lambda y, p: scale * tf.reduce_mean(tf.square(p - y)))
    sampled = looked_at(model).epochs[0]
    model.compile(optimizers.SGD(0.0), "mse")
    plain = looked_at(model).epochs[0]
    for name in ("grad_norm/one", "grad_norm_max/last", "grad_norm_global"):
        assert sampled[name] == pytest.approx(scale * plain[name], rel=1e-4)


def test_a_layer_that_no_gradient_reaches_stands_still():
    inputs = keras.Input((5,))
    cut = layers.Lambda(keras.ops.stop_gradient)(layers.Dense(4, name="cut_off")(inputs))
    model = compiled(keras.Model(inputs, layers.Dense(2, name="last")(cut)))
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        sampled = looked_at(model).epochs[0]
    assert sampled["grad_norm/cut_off"] == sampled["grad_norm_max/cut_off"] == sampled["update_ratio/cut_off"] == 0
    assert sampled["weight_norm/cut_off"] > 0
    assert sampled["grad_norm/last"] > 0


def test_a_frozen_layer_has_no_gradient_and_stands_still():
    model = net()
    model.get_layer("one").trainable = False
    sampled = looked_at(compiled(model)).epochs[0]
    assert not {"grad_norm/one", "grad_norm_max/one"} & sampled.keys()
    assert sampled["update_ratio/one"] == 0
    assert sampled["weight_norm/one"] == pytest.approx(np.linalg.norm(model.get_layer("one").kernel))


def counted(**settings: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a model whose gradient has the norm of its input, and inputs 1, 2, 3 ... one a step."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, name="line")])
    model.compile(optimizers.SGD(0.0), lambda y, p: tf.reduce_sum(p), **settings)
    x = np.arange(1.0, 11.0, dtype="float32")[:, None]
    return model, x, np.zeros_like(x)


def norms_of(looking: Looking) -> list[float]:
    return [epoch["grad_norm/line"] for epoch in looking.epochs]


@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=["graph", "xla", "eager"])
def test_the_mean_is_that_of_the_finite_steps_and_the_largest_is_infinite_where_one_overflowed(settings):
    model, x, y = counted(**settings)
    x[4] = np.inf
    looking = Looking()
    model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[looking])
    (epoch,) = looking.epochs
    assert epoch["grad_norm/line"] == pytest.approx((55 - 5) / 9)
    assert epoch["grad_norm_max/line"] == math.inf


def test_nan_in_the_data_is_no_overflow():
    model, x, y = counted()
    x[4] = np.nan
    looking = Looking()
    model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[looking])
    assert looking.epochs[0]["grad_norm/line"] == pytest.approx((55 - 5) / 9)
    assert looking.epochs[0]["grad_norm_max/line"] == 10


def test_every_so_manieth_step_is_sampled_and_the_first_of_a_training_one_by_one():
    model, x, y = counted()
    looking = Looking(every=4, dense=3)
    model.fit(x, y, batch_size=1, epochs=3, shuffle=False, verbose=0, callbacks=[looking])
    assert norms_of(looking) == pytest.approx([np.mean([1, 2, 3, 5, 9]), np.mean([1, 5, 9]), np.mean([1, 5, 9])])
    assert looking.steps == [5, 3, 3]


def test_nothing_is_sampled_before_a_schedule_is_set_nor_where_it_is_none():
    model, x, y = counted()
    looking = Looking(every=0)
    model.fit(x, y, batch_size=1, epochs=1, shuffle=False, verbose=0, callbacks=[looking])
    assert looking.steps == [0]
    assert math.isnan(looking.epochs[0]["grad_norm/line"])
    assert looking.epochs[0]["weight_norm/line"] > 0


class TwoPlayers(keras.Model):
    """Two parts with an optimizer each, in a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = {"a": layers.Dense(1, name="a"), "b": layers.Dense(1, name="b")}
        for part in self.parts.values():
            part.build((None, 5))
        self.built = True

    def compile(self) -> None:
        super().compile()
        self.turns = {name: optimizers.SGD(RATE) for name in self.parts}

    def train_step(self, data):
        for name, part in self.parts.items():
            with tf.GradientTape() as tape:
                value = tf.reduce_mean(part(data))
            gradients = tape.gradient(value, part.trainable_variables)
            self.turns[name].apply(gradients, part.trainable_variables)
        return {"loss": value}


def test_each_layer_is_told_by_the_optimizer_that_trains_it():
    model = TwoPlayers()
    model.compile()
    looking = Looking()
    model.fit(X, batch_size=BATCH, verbose=0, callbacks=[looking])
    (epoch,) = looking.epochs
    assert epoch["grad_norm/a"] == pytest.approx(epoch["grad_norm/b"])
    assert epoch["grad_norm_global"] == pytest.approx(math.sqrt(2) * epoch["grad_norm/a"])
    assert epoch["update_ratio/a"] > 0


# What is left behind.


class Counting(layers.Layer):
    """Counts how often the training step is traced."""

    traces = 0

    def call(self, x, training=False):
        Counting.traces += bool(training)
        return x


def counting_model() -> Any:
    Counting.traces = 0
    return compiled(keras.Sequential([keras.Input((5,)), Counting(), layers.Dense(2, name="last")]))


def test_after_the_training_the_methods_are_the_classes_own_again():
    model = compiled(net())
    looked_at(model)
    assert "apply" not in vars(model.optimizer)
    assert "train_step" not in vars(model)


def test_a_method_that_was_replaced_before_is_back_in_its_place():
    model = compiled(net())
    own = model.optimizer.apply
    model.optimizer.apply = replaced = lambda *args, **kwargs: own(*args, **kwargs)
    assert looked_at(model).steps == [STEPS]
    assert vars(model.optimizer)["apply"] is replaced


def test_a_later_training_samples_with_the_function_that_is_traced_already():
    model = counting_model()
    assert looked_at(model).steps == [STEPS]
    traces = Counting.traces
    assert looked_at(model, epochs=2).steps == [STEPS, STEPS]
    assert Counting.traces == traces


def test_a_later_training_without_sampling_is_not_traced_again_and_nothing_is_sampled_in_it():
    model = counting_model()
    looking = looked_at(model)
    traces = Counting.traces
    model.fit(X, Y, batch_size=BATCH, verbose=0)
    assert Counting.traces == traces
    assert sum(sample.steps for sample in looking.instrument.read()) == 0


def test_what_a_training_without_sampling_did_is_not_counted_by_the_next_one_with_it():
    model = compiled(net())
    looked_at(model)
    model.fit(X, Y, batch_size=BATCH, verbose=0)
    later = looked_at(model)
    assert later.steps == [STEPS]
    assert later.samples == [len(X)]


def test_a_model_that_is_compiled_anew_is_traced_anew():
    model = counting_model()
    looked_at(model)
    traces = Counting.traces
    compiled(model, optimizers.SGD(RATE, clipnorm=1.0))
    assert looked_at(model).steps == [STEPS]
    assert Counting.traces > traces


def test_layers_that_are_frozen_between_two_trainings_have_no_gradient_in_the_second():
    model = compiled(net())
    assert "grad_norm/one" in looked_at(model).epochs[0]
    model.get_layer("one").trainable = False
    later = looked_at(compiled(model)).epochs[0]
    assert "grad_norm/one" not in later
    assert later["update_ratio/one"] == 0
    assert later["update_ratio/two"] > 0


class Interrupted(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("again", [lambda model: model, compiled, lambda model: compiled(model, model.optimizer)])
def test_an_interrupted_training_does_not_stand_in_the_way_of_the_next(again):
    model = compiled(net())
    left = Looking()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=BATCH, verbose=0, callbacks=[left, Interrupted()])
    again(model)
    looking = looked_at(model)
    left.instrument.detach()
    assert looking.steps == [STEPS]
    assert "apply" not in vars(model.optimizer)
    assert "train_step" not in vars(model)


def test_two_that_look_at_one_training_see_the_same():
    model = compiled(net())
    one, two = Looking(), Looking()
    model.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0, callbacks=[one, two])
    assert one.epochs == two.epochs
    assert one.steps == [STEPS, STEPS]


def test_an_error_in_the_sampling_leaves_the_training_alone(monkeypatch):
    from diagnose.live import taps

    monkeypatch.setattr(taps, "_by_layer", lambda *_: 1 / 0)
    model = compiled(net())
    start = model.get_weights()
    looking = SimpleNamespace(instrument=None)

    class Careless(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            looking.instrument = install(self.model, 0)
            looking.instrument.schedule(1)

    model.fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[Careless()])
    trained = model.get_weights()
    assert isinstance(looking.instrument.taps[0].error, ZeroDivisionError)
    model.set_weights(start)
    model.optimizer.iterations.assign(0)
    compiled(model).fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0)
    assert [w.tobytes() for w in trained] == [w.tobytes() for w in model.get_weights()]
