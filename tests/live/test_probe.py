"""What the probe sees of a model's outputs, and that it leaves no trace."""

from __future__ import annotations

import random

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.live import probe as probe_module  # noqa: E402
from diagnose.live.anatomy import layers_of  # noqa: E402
from diagnose.live.probe import Probe  # noqa: E402

pytestmark = pytest.mark.keras

layers, ops = keras.layers, keras.ops


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(3)


@pytest.fixture(params=["eager", "traced"], autouse=True)
def _way(request, monkeypatch):
    """Everything holds for the eager pass and for the traced one."""
    monkeypatch.setattr(probe_module, "_EAGER_PASSES", 99 if request.param == "eager" else 0)


def observe(model, x):
    return Probe(model, layers_of(model)).observe(x)


def dead(model, x):
    return observe(model, x)["dead_fraction"]


def saturated(model, x):
    return observe(model, x)["saturated_fraction"]


def batch(*shape) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def with_dead_units(layer, count: int):
    """Give the first units of a built layer a bias from which no input brings them back."""
    bias = np.zeros(layer.bias.shape, dtype="float32")
    bias[:count] = -1e4
    layer.bias.assign(bias)


def sequential(*stack, shape=(5,)):
    return keras.Sequential([keras.Input(shape), *stack])


# What is seen


def test_a_unit_that_is_zero_for_every_sample_is_dead():
    model = sequential(layers.Dense(8, activation="relu", name="hidden"), layers.Dense(1))
    with_dead_units(model.layers[0], 2)
    assert dead(model, batch(64, 5)) == {"hidden": 0.25}


def test_a_unit_that_answers_to_one_sample_alone_is_alive():
    model = sequential(layers.Dense(1, activation="relu", name="hidden"), layers.Dense(1), shape=(1,))
    model.layers[0].set_weights([np.ones((1, 1)), np.zeros(1)])
    assert dead(model, np.array([[-1.0], [-2.0], [1e-3]], dtype="float32")) == {"hidden": 0.0}


def test_a_filter_is_dead_only_if_it_is_zero_at_every_position():
    model = sequential(layers.Conv2D(4, 1, name="conv"), layers.ReLU(name="relu"), layers.Flatten(), shape=(6, 6, 3))
    with_dead_units(model.layers[0], 1)
    assert dead(model, batch(16, 6, 6, 3)) == {"relu": 0.25}


def test_leaky_units_are_not_looked_at():
    model = sequential(layers.Dense(8, activation="leaky_relu"), layers.Dense(1))
    assert observe(model, batch(8, 5)) == {"dead_fraction": {}, "saturated_fraction": {}}
    assert not Probe(model, layers_of(model)).is_of_use


def test_outputs_at_the_bounds_of_sigmoid_are_saturated():
    model = sequential(layers.Dense(4, activation="sigmoid", name="hidden"), layers.Dense(1))
    model.layers[0].bias.assign([100.0, -100.0, 0.0, 0.0])
    assert saturated(model, batch(64, 5)) == {"hidden": pytest.approx(0.5, abs=0.02)}


@pytest.mark.parametrize(
    ("activation", "just_under", "just_over"), [("sigmoid", 4.9, 5.1), ("tanh", 2.4, 2.6), ("hard_sigmoid", 2.9, 3.0)]
)
def test_saturation_begins_where_next_to_nothing_is_left_of_the_gradient(activation, just_under, just_over):
    model = sequential(layers.Dense(1, activation=activation, name="hidden"), layers.Dense(1), shape=(1,))
    model.layers[0].set_weights([np.ones((1, 1)), np.zeros(1)])
    x = np.array([[just_under], [-just_under], [just_over], [-just_over]], dtype="float32")
    assert saturated(model, x) == {"hidden": 0.5}


def test_the_models_last_activation_may_saturate():
    model = sequential(layers.Dense(4, activation="tanh", name="hidden"), layers.Dense(1), layers.Activation("sigmoid"))
    assert list(saturated(model, batch(8, 5))) == ["hidden"]


def test_an_activation_after_the_last_weights_may_saturate_whatever_reshapes_it():
    model = sequential(layers.Dense(4, activation="sigmoid"), layers.Reshape((2, 2)))
    assert saturated(model, batch(8, 5)) == {}


def test_every_output_of_several_may_saturate():
    x = keras.Input((5,))
    hidden = layers.Dense(4, activation="tanh", name="hidden")(x)
    model = keras.Model(
        x, [layers.Dense(1, activation="sigmoid")(hidden), layers.Dense(1, activation="sigmoid")(hidden)]
    )
    assert list(saturated(model, batch(8, 5))) == ["hidden"]


def test_a_shared_layer_is_dead_where_it_is_zero_in_every_call():
    a, b = keras.Input((1,)), keras.Input((1,))
    shared = layers.Dense(2, activation="relu", name="shared")
    model = keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
    shared.set_weights([np.array([[1.0, 1.0]]), np.array([0.0, -1e4])])
    x = np.ones((4, 1), dtype="float32")
    assert dead(model, [x, -x]) == {"shared": 0.5}
    assert dead(model, [-x, -x]) == {"shared": 1.0}


def test_one_relu_used_after_several_layers_has_the_units_of_all_of_them():
    relu, x = layers.ReLU(name="relu"), keras.Input((5,))
    first, second = layers.Dense(2), layers.Dense(6)
    model = keras.Model(x, relu(second(relu(first(x)))))
    second.kernel.assign(np.ones((2, 6)))
    with_dead_units(first, 1)
    with_dead_units(second, 3)
    assert dead(model, batch(64, 5)) == {"relu": 0.5}


def test_layers_inside_a_nested_model_are_seen():
    inner = sequential(layers.Dense(4, activation="relu", name="inner"))
    with_dead_units(inner.layers[0], 1)
    assert dead(sequential(inner, layers.Dense(1)), batch(64, 5)) == {"inner": 0.25}


def test_functional_operations_are_seen():
    x = keras.Input((5,))
    dense = layers.Dense(4)
    model = keras.Model(x, layers.Dense(1)(ops.relu(dense(x))))
    with_dead_units(dense, 1)
    assert list(dead(model, batch(64, 5)).values()) == [0.25]


def test_recurrent_and_time_distributed_layers_are_seen():
    model = sequential(
        layers.SimpleRNN(4, activation="relu", return_sequences=True, name="rnn"),
        layers.TimeDistributed(layers.Dense(4, activation="relu", name="step")),
        layers.Bidirectional(layers.SimpleRNN(3, name="both")),
        layers.Dense(1),
        shape=(7, 2),
    )
    with_dead_units(model.layers[1].layer, 2)
    seen = observe(model, batch(32, 7, 2))
    assert seen["dead_fraction"] == {"rnn": 0.0, "step": 0.5}
    assert list(seen["saturated_fraction"]) == ["forward_both", "backward_both"]


def test_half_precision_models_are_seen():
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = sequential(
            layers.Dense(8, activation="relu", name="a"), layers.Dense(8, activation="tanh", name="b"), layers.Dense(1)
        )
        with_dead_units(model.layers[0], 2)
        seen = observe(model, batch(64, 5))
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    assert seen["dead_fraction"] == {"a": 0.25}
    assert 0 <= seen["saturated_fraction"]["b"] <= 1


def test_channels_that_come_first_are_the_units():
    layer = layers.Dense(1)  # any layer on which `data_format` can be set: CPUs have no such convolution
    layer.data_format = "channels_first"
    output = tf.constant(np.array([[[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]] * 2, dtype="float32"))
    assert probe_module.peak(layer, output).numpy().tolist() == [0.0, 1.0, 0.0]


def test_models_take_their_inputs_by_name():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b", dtype="int32")
    hidden = layers.Dense(4, activation="relu", name="hidden")(
        layers.Concatenate()([a, layers.Flatten()(layers.Embedding(5, 2)(b))])
    )
    model = keras.Model({"a": a, "b": b}, layers.Dense(1)(hidden))
    assert list(dead(model, {"a": batch(8, 3), "b": np.ones((8, 2), dtype="int32")})) == ["hidden"]


def test_sparse_and_nested_outputs_are_no_obstacle():
    class Several(layers.Layer):
        def call(self, x):
            return {"sparse": tf.sparse.from_dense(x), "none": None, "x": (x, 3)}

        def compute_output_spec(self, x):
            return {"x": (x, 3)}

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.several, self.hidden = Several(), layers.Dense(4, activation="relu", name="hidden")

        def call(self, x):
            return self.hidden(self.several(x)["x"][0])

    model = Model()
    model(batch(8, 5))
    assert list(dead(model, batch(8, 5))) == ["hidden"]


def test_numbers_that_are_none_are_not_called_saturated():
    model = sequential(layers.Dense(4, activation="tanh", name="hidden"), layers.Dense(1))
    model.layers[0].kernel.assign(np.full((5, 4), np.nan))
    assert np.isnan(saturated(model, batch(8, 5))["hidden"])


# Activations in a `call`


class Hidden(keras.Model):
    """ReLU as a function, in every place where one stands it."""

    def __init__(self):
        super().__init__()
        self.plain = layers.Dense(4, name="plain")
        self.norm = layers.BatchNormalization(name="norm")
        self.forked = layers.Dense(4, name="forked")
        self.declared = layers.Dense(4, name="declared")
        self.relu = layers.ReLU(name="relu")
        self.head = layers.Dense(1, name="head")

    def call(self, x, training=False):
        x = tf.nn.relu(self.plain(x))
        x = ops.relu(self.norm(x, training=training))
        x = self.forked(x)
        x = x + tf.nn.relu(x)
        return self.head(self.relu(self.declared(x)))


def test_an_activation_in_a_call_is_that_of_the_layer_whose_output_it_takes():
    model = Hidden()
    model(batch(8, 5))
    with_dead_units(model.plain, 1)
    assert dead(model, batch(64, 5)) == {
        "plain": 0.25,
        "norm": pytest.approx(0.25),
        "relu": pytest.approx(0.0, abs=0.5),
    }


def test_an_activation_at_the_end_of_a_layer_of_ones_own_is_that_layers():
    class Linear(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 4))
            self.bias = self.add_weight(shape=(4,), initializer="zeros")

        def call(self, x):
            return ops.relu(x @ self.w + self.bias)

    model = sequential(Linear(name="mine"), layers.Dense(1))
    with_dead_units(model.layers[0], 3)
    assert dead(model, batch(64, 5)) == {"mine": 0.75}


def test_a_model_that_runs_eagerly_only_is_seen_without_what_is_hidden():
    class Python(layers.Layer):
        def call(self, x):
            return x * float(tf.reduce_max(x))

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    model = sequential(Python(), layers.Dense(4, activation="relu", name="hidden"), layers.Dense(1))
    assert list(dead(model, batch(8, 5))) == ["hidden"]


# What is left behind: nothing


def snapshot(model) -> list[bytes]:
    return [np.asarray(ops.convert_to_tensor(v)).tobytes() for v in model.variables]


class Sampling(layers.Layer):
    """Draws in inference too, from every generator that there is."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(5)
        self.count = tf.Variable(0.0, trainable=False)
        self.stream = tf.random.Generator.from_seed(1)

    def call(self, x):
        self.count.assign_add(1.0)
        noise = keras.random.normal(ops.shape(x), seed=self.seed) + keras.random.normal(ops.shape(x))
        noise += tf.random.normal(tf.shape(x)) + self.stream.normal(tf.shape(x))
        self.add_loss(ops.mean(noise))
        return x + noise * np.random.normal() * random.random()


def noisy_model():
    x = keras.Input((6, 3), batch_size=4)
    y = layers.Dense(4, activation="relu", activity_regularizer="l2")(x)
    y = layers.SimpleRNN(4, stateful=True)(y)
    y = layers.Dropout(0.5)(layers.BatchNormalization()(y))
    return keras.Model(x, layers.Dense(1)(y))


def test_no_variable_of_a_model_moves():
    model = noisy_model()
    model.compile("adam", "mse")
    x = batch(4, 6, 3)
    model.train_on_batch(x, np.zeros((4, 1)))
    before, losses = snapshot(model), len(model.losses)
    for _ in range(3):
        assert observe(model, x)["dead_fraction"]
    assert snapshot(model) == before
    assert len(model.losses) == losses


def test_no_random_state_moves():
    model = sequential(layers.Dense(4, activation="relu"), sampling := Sampling(), layers.Dense(1))
    x = batch(8, 5)
    model(x)
    losses = len(model.losses)
    before = snapshot(model), sampling.count.numpy(), sampling.stream.state.numpy().tobytes()
    tf.random.set_seed(11)
    np.random.seed(11)
    random.seed(11)
    expected = (
        tf.random.normal((3,)).numpy().tolist(),
        np.random.rand(),
        random.random(),
        keras.random.SeedGenerator().state.numpy().tolist(),
    )
    tf.random.set_seed(11)
    np.random.seed(11)
    random.seed(11)
    for _ in range(2):
        observe(model, x)
    assert expected == (
        tf.random.normal((3,)).numpy().tolist(),
        np.random.rand(),
        random.random(),
        keras.random.SeedGenerator().state.numpy().tolist(),
    )
    assert (snapshot(model), sampling.count.numpy(), sampling.stream.state.numpy().tobytes()) == before
    assert len(model.losses) == losses


def test_the_layers_calls_are_their_own_again():
    model = sequential(layers.Dense(4, activation="relu"), layers.Dense(1))
    own = vars(model.layers[0]).keys() | set()
    observe(model, batch(8, 5))
    assert vars(model.layers[0]).keys() == own
    assert "call" not in own


def test_a_call_that_was_replaced_before_is_back_in_its_place():
    model = sequential(layer := layers.Dense(4, activation="relu"), layers.Dense(1))
    replaced = layer.call
    object.__setattr__(layer, "call", replaced)
    observe(model, batch(8, 5))
    assert vars(layer)["call"] is replaced


class Raising(layers.Layer):
    broken = False

    def call(self, x):
        if self.broken:
            raise ValueError("broken layer")
        return x


def test_what_a_layer_raises_is_raised_and_everything_put_back():
    model = sequential(first := layers.Dense(4, activation="relu"), raising := Raising(), layers.Dense(1))
    raising.broken = True
    state = random.getstate()
    with pytest.raises(ValueError, match="broken layer"):
        observe(model, batch(8, 5))
    assert "call" not in vars(first)
    assert random.getstate() == state
    assert not keras.src.backend.in_stateless_scope()


def test_training_goes_on_as_if_nothing_had_been_looked_at():
    def trained(*, probed: bool):
        keras.utils.set_random_seed(7)
        model = noisy_model()
        model.compile("adam", "mse")
        look = Probe(model, layers_of(model))
        callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: look.observe(batch(4, 6, 3)))
        model.fit(
            batch(8, 6, 3), np.ones((8, 1)), batch_size=4, epochs=3, verbose=0, callbacks=[callback] if probed else []
        )
        return snapshot(model)

    assert trained(probed=True) == trained(probed=False)


def test_a_model_without_a_call_is_left_alone():
    class TwoParts(keras.Model):
        def __init__(self):
            super().__init__()
            self.part = layers.Dense(3, activation="relu")

    model = TwoParts()
    assert observe(model, batch(8, 5)) == {"dead_fraction": {}, "saturated_fraction": {}}
    assert not model.built


def test_a_call_that_is_a_tf_function_is_left_alone_for_it_would_keep_what_it_is_traced_to():
    traces = []

    class Traced(layers.Layer):
        @tf.function
        def call(self, x):
            traces.append(1)
            return x

    model = sequential(layers.Dense(3, activation="relu"), Traced())
    before = len(traces)
    assert observe(model, batch(8, 5)) == {"dead_fraction": {}, "saturated_fraction": {}}
    assert len(traces) == before


def test_the_pass_runs_in_inference_mode():
    model = sequential(layers.Dropout(0.999), layers.Dense(4, activation="relu", name="hidden"), layers.Dense(1))
    model.layers[1].set_weights([np.ones((5, 4)), np.zeros(4)])
    assert dead(model, np.ones((4, 5), dtype="float32")) == {"hidden": 0.0}
