"""The training is the same with Monitor and without it, to the last bit, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose import Monitor  # noqa: E402
from tests.live import replicas  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers
Case = Callable[[], tuple[Any, dict[str, Any]]]

N, CLASSES, WORDS = 44, 3, 12
CASES: list[Case] = []


def case(function: Case) -> Case:
    """Register a training: a function that makes a compiled model, and what `fit` is called with."""
    CASES.append(function)
    return function


def samples(shape: tuple[int, ...] = (6,)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, *shape)).astype("float32")


def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, N)


def sentences() -> np.ndarray:
    return np.random.default_rng(2).integers(0, WORDS, (N, 5))


def arrays() -> dict[str, Any]:
    return {"x": samples(), "y": labels(), "batch_size": 8}


def batches() -> Any:
    return tf.data.Dataset.from_tensor_slices((samples(), labels()))


def loss() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def mlp() -> Any:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(8, activation="tanh"),
            layers.Dense(CLASSES),
        ]
    )


def compiled(model: Any, optimizer: Any = None, **settings: Any) -> Any:
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss(), **{"metrics": ["accuracy"], **settings})
    return model


@case
def numpy_arrays():
    return compiled(mlp()), {**arrays(), "validation_split": 0.2}


@case
def mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    return compiled(mlp(), keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))), arrays()


@case
def mixed_precision_that_skips_steps():
    keras.mixed_precision.set_global_policy("mixed_float16")
    inner = keras.optimizers.SGD(0.01)
    return compiled(mlp(), keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**30)), arrays()


@case
def bfloat16():
    keras.mixed_precision.set_global_policy("bfloat16")
    return compiled(mlp(), keras.optimizers.SGD(0.1)), arrays()


@case
def mixed_bfloat16():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    return compiled(mlp()), arrays()


@case
def float64():
    keras.config.set_floatx("float64")
    return compiled(mlp()), arrays()


@case
def gradient_accumulation():
    return compiled(mlp(), keras.optimizers.Adam(0.01, gradient_accumulation_steps=3)), arrays()


@case
def clipped_by_norm():
    return compiled(mlp(), keras.optimizers.Adam(0.01, clipnorm=0.01)), arrays()


@case
def clipped_by_the_norm_of_all():
    return compiled(mlp(), keras.optimizers.SGD(0.1, global_clipnorm=0.1)), arrays()


@case
def clipped_by_value():
    return compiled(mlp(), keras.optimizers.SGD(0.1, clipvalue=0.01)), arrays()


@case
def weight_decay():
    return compiled(mlp(), keras.optimizers.AdamW(0.01, weight_decay=0.1)), arrays()


@case
def moving_average_of_weights():
    return compiled(mlp(), keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=3)), arrays()


@case
def several_steps_at_once():
    return compiled(mlp(), steps_per_execution=3), arrays()


@case
def compiled_by_xla():
    return compiled(mlp(), jit_compile=True), arrays()


@case
def run_eagerly():
    return compiled(mlp(), run_eagerly=True), arrays()


class OwnStep(keras.Model):
    """A training step of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def call(self, x, training=False):
        return self.net(x, training=training)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            value = self.compute_loss(x, y, self(x + tf.random.normal(tf.shape(x), stddev=0.1), training=True))
        gradients = tape.gradient(value, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": value}


@case
def own_training_step():
    return compiled(OwnStep(), metrics=None), arrays()


@case
def own_training_step_run_eagerly():
    return compiled(OwnStep(), metrics=None, run_eagerly=True), arrays()


class Gan(keras.Model):
    """Two networks with an optimizer each, and noise of TensorFlow's own between their steps."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential([keras.Input((2,)), layers.Dense(8, activation="relu"), layers.Dense(6)])
        self.critic = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="leaky_relu"), layers.Dense(1)])
        self.built = True

    def compile(self):
        super().compile(loss="mse")
        self.critic_optimizer = keras.optimizers.Adam(0.01)
        self.generator_optimizer = keras.optimizers.SGD(0.01)

    def train_step(self, real):
        noise = tf.random.normal((tf.shape(real)[0], 2))
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(self.critic(self.generator(noise))) - tf.reduce_mean(self.critic(real))
        self._step(self.critic_optimizer, self.critic, tape, value)
        noise = tf.random.normal((tf.shape(real)[0], 2))
        with tf.GradientTape() as tape:
            other = -tf.reduce_mean(self.critic(self.generator(noise)))
        self._step(self.generator_optimizer, self.generator, tape, other)
        return {"critic_loss": value, "generator_loss": other, "noise": tf.reduce_sum(tf.random.uniform((3,)))}

    def _step(self, optimizer, part, tape, value):
        gradients = tape.gradient(value, part.trainable_variables)
        optimizer.apply_gradients(zip(gradients, part.trainable_variables, strict=True))


@case
def two_optimizers():
    model = Gan()
    model.compile()
    return model, {"x": samples(), "batch_size": 8}


@case
def embedding():
    model = [keras.Input((5,), dtype="int32"), layers.Embedding(WORDS, 4), layers.Flatten(), layers.Dense(CLASSES)]
    return compiled(keras.Sequential(model)), {"x": sentences(), "y": labels(), "batch_size": 8}


@case
def recurrent():
    model = [
        keras.Input((5,), dtype="int32"),
        layers.Embedding(WORDS, 4, mask_zero=True),
        layers.LSTM(4, return_sequences=True, recurrent_dropout=0.2),
        layers.GRU(3),
        layers.Dense(CLASSES),
    ]
    return compiled(keras.Sequential(model)), {"x": sentences(), "y": labels(), "batch_size": 8}


@case
def stateful_recurrent():
    inputs = keras.Input(batch_shape=(4, 5, 2))
    model = keras.Model(inputs, layers.Dense(CLASSES)(layers.LSTM(4, stateful=True)(inputs)))
    return compiled(model), {"x": samples((5, 2)), "y": labels(), "batch_size": 4, "shuffle": False}


@case
def several_outputs_from_named_inputs():
    one, two = keras.Input((6,), name="one"), keras.Input((6,), name="two")
    hidden = layers.Concatenate()([layers.Dense(4, activation="relu")(one), layers.Dense(4)(two)])
    outputs = {"kind": layers.Dense(CLASSES, name="kind")(hidden), "size": layers.Dense(1, name="size")(hidden)}
    model = keras.Model({"one": one, "two": two}, outputs)
    model.compile("adam", {"kind": loss(), "size": "mse"}, loss_weights={"kind": 1.0, "size": 0.1})
    x, y = samples(), labels()
    return model, {"x": {"one": x, "two": -x}, "y": {"kind": y, "size": x[:, :1]}, "batch_size": 8}


@case
def shared_layers():
    inputs, shared = keras.Input((6,)), layers.Dense(6, activation="relu")
    return compiled(keras.Model(inputs, layers.Dense(CLASSES)(shared(shared(inputs))))), arrays()


@case
def backbone_inside_a_model():
    backbone = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.BatchNormalization()])
    inputs = keras.Input((6,))
    return compiled(keras.Model(inputs, layers.Dense(CLASSES)(backbone(inputs)))), arrays()


@case
def frozen_layers():
    model = mlp()
    model.layers[0].trainable = False
    return compiled(model), arrays()


@case
def batch_normalization_and_dropout():
    model = [keras.Input((6, 6, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()]
    model += [layers.SpatialDropout2D(0.2), layers.GlobalMaxPooling2D(), layers.GaussianNoise(0.1)]
    model = compiled(keras.Sequential([*model, layers.Dense(CLASSES)]))
    data = {"x": samples((6, 6, 1)), "y": labels(), "batch_size": 8}
    return model, {**data, "validation_data": (data["x"], data["y"])}


@keras.saving.register_keras_serializable("tests")
class Draw(layers.Layer):
    """Noise in training and in inference, from a generator of Keras' and from TensorFlow's."""

    def __init__(self) -> None:
        super().__init__()
        self.seed = keras.random.SeedGenerator(7)

    def call(self, x):
        noise = keras.random.normal(keras.ops.shape(x), seed=self.seed)
        return x + noise + tf.random.normal(tf.shape(x)) + np.random.normal()


def autoencoder(**settings: Any) -> tuple[Any, dict[str, Any]]:
    model = [keras.Input((6,)), layers.Dense(4, activation="relu"), Draw(), layers.Dense(6)]
    model = keras.Sequential(model)
    model.compile("adam", "mse", **settings)
    x = samples()
    return model, {"x": x, "y": x, "batch_size": 8, "validation_data": (x, x)}


@case
def noise_in_inference_too():
    return autoencoder()


@case
def noise_in_inference_too_run_eagerly():
    return autoencoder(run_eagerly=True)


@case
def data_set_that_is_shuffled():
    data = batches().shuffle(N, reshuffle_each_iteration=True).map(lambda x, y: (x + tf.random.normal((6,)), y))
    return compiled(mlp()), {"x": data.batch(8).prefetch(2), "validation_data": batches().shuffle(N).batch(8)}


@case
def generator():
    rng, x, y = np.random.default_rng(3), samples(), labels()

    def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            some = rng.integers(0, N, 8)
            yield x[some], y[some]

    return compiled(mlp()), {"x": endless(), "steps_per_epoch": 5}


class Drawn(keras.utils.PyDataset):
    """Batches drawn with the generator of the whole process."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        some = np.random.permutation(N)[:8]
        return samples()[some], labels()[some]


@case
def own_data_set():
    return compiled(mlp()), {"x": Drawn()}


@case
def batches_of_several_lengths():
    def ragged() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(5):
            some = slice(i * 8, i * 8 + 4 + i)
            yield np.tile(sentences()[some], 1 + i % 3), labels()[some]

    spec = (tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None,), tf.int64))
    model = [keras.Input((None,), dtype="int32"), layers.Embedding(WORDS, 4), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([*model, layers.Dense(CLASSES)])
    return compiled(model), {"x": tf.data.Dataset.from_generator(ragged, output_signature=spec)}


@case
def weighted_samples():
    return compiled(mlp()), {**arrays(), "sample_weight": np.linspace(0, 2, N)}


@case
def weighted_classes():
    return compiled(mlp()), {**arrays(), "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}


@case
def losses_of_layers():
    model = mlp()
    model.layers[0].kernel_regularizer = keras.regularizers.L2(0.01)
    model.layers[2].activity_regularizer = keras.regularizers.L1(0.01)
    return compiled(model), arrays()


@case
def constrained_weights():
    model = [keras.Input((6,)), layers.Dense(8, activation="relu", kernel_constraint=keras.constraints.MaxNorm(0.5))]
    return compiled(keras.Sequential([*model, layers.Dense(CLASSES)])), arrays()


def replicated(optimizer: Callable[[], Any], model: Callable[[], Any] = mlp) -> Any:
    with replicas.two_replicas().scope():
        return compiled(model(), optimizer())


@case
def two_replicas():
    return replicated(lambda: keras.optimizers.SGD(0.1, momentum=0.9)), arrays()


@case
def two_replicas_with_clipping_and_decay():
    return replicated(lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1)), arrays()


@case
def two_replicas_with_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    return replicated(lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))), arrays()


@case
def two_replicas_with_an_embedding():
    model = [keras.Input((5,), dtype="int32"), layers.Embedding(WORDS, 4), layers.Flatten(), layers.Dense(CLASSES)]
    model = replicated(lambda: keras.optimizers.SGD(0.1), lambda: keras.Sequential(model))
    return model, {"x": sentences(), "y": labels(), "batch_size": 8}


@case
def two_replicas_fitted_within_the_scope():
    model = replicated(lambda: keras.optimizers.Adam(0.01))
    fit = model.fit

    def within_the_scope(*args: Any, **settings: Any) -> Any:
        with model.distribute_strategy.scope():
            return fit(*args, **settings)

    object.__setattr__(model, "fit", within_the_scope)
    return model, arrays()


@pytest.fixture(autouse=True)
def _global_settings() -> Iterator[None]:
    yield
    keras.config.set_floatx("float32")
    keras.mixed_precision.set_global_policy("float32")
    keras.utils.clear_session()


def trained(case: Case, callbacks: list[Any]) -> tuple[list[np.ndarray], dict[str, list[float]], Any]:
    """Return all variables after a short training, the history, and what random numbers come next."""
    keras.utils.set_random_seed(5)
    model, settings = case()
    history = model.fit(**settings, epochs=2, verbose=0, callbacks=callbacks).history
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    variables = [*model.variables, *(variable for optimizer in optimizers for variable in optimizer.variables)]
    following = np.random.random(), tf.random.uniform(()).numpy()
    return [keras.ops.convert_to_numpy(variable) for variable in variables], history, following


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_weights_optimizer_and_history_are_the_same_to_the_last_bit(case, tmp_path, capsys):
    watched = trained(case, [Monitor(tmp_path / "run.csv", tensorboard=tmp_path / "events")])
    alone = trained(case, [])

    assert "left out" not in capsys.readouterr().out
    assert [v.tobytes() for v in watched[0]] == [v.tobytes() for v in alone[0]]
    assert watched[1] == alone[1]
    assert watched[2] == alone[2]
