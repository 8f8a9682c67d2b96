"""Faulty models: outputs, losses, labels and metrics that disagree, bad first weights, missing or flat activations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops

from benchmarks.audit.case import Subject, faulty


def table(n: int, columns: int, seed: int) -> tuple[Any, Any]:
    """Return standard normal columns and a smooth target with mean near zero."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns)).astype("float32")
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.3 * x[:, 3] + 0.1 * rng.normal(size=n)
    return x, y.astype("float32")


def blobs(n: int, columns: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Return clouds of points, about the same number for each class, and their class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    centres = rng.normal(size=(classes, columns))
    x = centres[y] + 0.7 * rng.normal(size=(n, columns))
    return (x / x.std()).astype("float32"), y.astype("int64")


def pictures(n: int, side: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Return grey pictures in 0..1 with a bright bar whose place tells the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    x = rng.uniform(0.0, 0.4, size=(n, side, side, 1))
    width = side // classes
    for i, label in enumerate(y):
        x[i, :, label * width : (label + 1) * width] += 0.5
    return x.astype("float32"), y.astype("int64")


def sentences(n: int, length: int, words: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Return word numbers from 1 to `words` - 1, some of them telling the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    x = rng.integers(1, words, size=(n, length))
    telling = rng.random((n, length)) < 0.3
    own = 1 + y[:, None] * 10 + rng.integers(0, 10, size=(n, length))
    return np.where(telling, own, x).astype("int32"), y.astype("int64")


# The output's activation


@faulty("output-activation-mismatch")
def nested_classifier_ends_in_a_softmax_layer_but_the_loss_takes_logits() -> Subject:
    x, y = pictures(1200, 24, 4, 101)
    encoder = keras.Sequential(
        [
            layers.Input((24, 24, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
        name="encoder",
    )
    # The mean over places would forget where the bar is, so the columns go in as a second channel.
    head = keras.Sequential(
        [layers.Input((16 + 24,)), layers.Dense(32, activation="relu"), layers.Dense(4), layers.Softmax()], name="head"
    )
    image = keras.Input((24, 24, 1))
    columns = layers.Flatten()(layers.AveragePooling2D((24, 1))(image))
    model = keras.Model(image, head(layers.concatenate([encoder(image), columns])))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("output-activation-mismatch")
def second_of_two_heads_has_no_sigmoid() -> Subject:
    x, y = table(2000, 14, 102)
    bought = (x[:, 4] + x[:, 5] > 0).astype("float32")
    inputs = keras.Input(shape=(14,), name="customer")
    h = layers.Dense(32, activation="gelu")(inputs)
    h = layers.Dense(32, activation="gelu")(h)
    spend = layers.Dense(1, name="spend")(h)
    buys = layers.Dense(1, name="buys")(layers.Dense(16, activation="relu")(h))
    model = keras.Model(inputs, {"spend": spend, "buys": buys})
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss={"spend": "mse", "buys": "binary_crossentropy"},
        loss_weights={"spend": 0.5, "buys": 1.0},
        metrics={"buys": ["accuracy"]},
    )
    return Subject(model=model, data=(x, {"spend": y, "buys": bought}), batch_size=64)


@faulty("output-activation-mismatch")
def tanh_decoder_scored_by_binary_crossentropy() -> Subject:
    x, _ = pictures(1500, 20, 5, 103)
    x = np.clip(x, 0.0, 1.0).reshape(len(x), -1)
    autoencoder = keras.Sequential(name="bars")
    autoencoder.add(keras.Input((400,)))
    autoencoder.add(layers.Dense(32, activation="relu", kernel_initializer="he_normal"))
    autoencoder.add(layers.Dense(12, name="code"))
    autoencoder.add(layers.Dense(32, activation="relu", kernel_initializer="he_normal"))
    autoencoder.add(layers.Dense(400))
    autoencoder.add(layers.Activation("tanh"))
    autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
    return Subject(model=autoencoder, data=(x, x), batch_size=50)


@faulty("output-activation-mismatch")
def tags_from_logits_but_precision_and_accuracy_cut_at_one_half() -> Subject:
    rng = np.random.default_rng(104)
    x = rng.normal(size=(1800, 20)).astype("float32")
    tags = (x @ rng.normal(size=(20, 6)) > 0.0).astype("float32")
    track = layers.Input((20,), name="spectral_features")
    z = layers.LayerNormalization()(layers.Dense(40, activation="swish")(track))
    scores = layers.Dense(6, activation=None, name="scores")(z)
    model = keras.Model(track, scores, name="music_tags")
    model.compile(
        optimizer=keras.optimizers.AdamW(2e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(), keras.metrics.Precision(name="precision")],
    )
    return Subject(model=model, data=(x, tags), batch_size=32)


class ActionValues(keras.Model):
    """The worth of each action in a state."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.body = [layers.Dense(48, activation="relu"), layers.Dense(48, activation="relu")]
        self.values = layers.Dense(actions, activation="softmax")

    def call(self, states: Any) -> Any:
        for layer in self.body:
            states = layer(states)
        return self.values(states)


@faulty("output-activation-mismatch", "label-range")
def softmax_over_action_values_that_are_returns() -> Subject:
    rng = np.random.default_rng(105)
    states = rng.normal(size=(2500, 6)).astype("float32")
    returns = states @ rng.normal(size=(6, 3)) * 4.0 + rng.normal(size=(2500, 3))
    agent = ActionValues(3)
    agent.compile(optimizer=keras.optimizers.Adam(5e-4), loss=keras.losses.Huber())
    return Subject(model=agent, data=(states, returns.astype("float32")), batch_size=64)


# The output's units and axes


@faulty("output-units-mismatch", "cannot-run")
def one_unit_for_the_ten_numbers_of_five_face_points() -> Subject:
    rng = np.random.default_rng(111)
    place = rng.uniform(0.2, 0.8, size=(1000, 10)).astype("float32")
    x = np.zeros((1000, 24, 24, 1), dtype="float32")
    for i, points in enumerate((place.reshape(-1, 5, 2) * 24).astype(int)):
        for row, column in points:
            x[i, row, column] = 1.0
    model = keras.models.Sequential(
        [
            layers.InputLayer(shape=(24, 24, 1)),
            layers.Conv2D(8, (5, 5), activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, (3, 3), activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(24, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(loss="mean_squared_error", optimizer="adam", metrics=["mae"])
    return Subject(model=model, data=(x, place), batch_size=32)


@faulty("output-units-mismatch", "cannot-run")
def last_recurrent_layer_still_returns_every_step_of_a_one_number_forecast() -> Subject:
    rng = np.random.default_rng(112)
    start = rng.uniform(0, 6.28, size=(1500, 1))
    wave = np.sin(start + 0.3 * np.arange(25)) + 0.05 * rng.normal(size=(1500, 25))
    x, y = wave[:, :24, None].astype("float32"), wave[:, 24:].astype("float32")
    inp = keras.Input((24, 1))
    h = layers.GRU(16, return_sequences=True)(inp)
    h = layers.GRU(16, return_sequences=True)(h)
    model = keras.Model(inp, layers.Dense(1)(h))
    model.compile(optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0), loss="mse")
    data = {"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])}
    return Subject(model=model, data=data, batch_size=32)


@faulty("output-units-mismatch", "output-activation-mismatch")
def tag_probabilities_are_normalized_along_the_words_of_the_sentence() -> Subject:
    rng = np.random.default_rng(113)
    words = rng.integers(0, 60, size=(1500, 15)).astype("int32")
    tags = ((words % 5 + np.roll(words, 1, axis=1) % 2) % 5).astype("int32")
    ids = keras.Input((15,), dtype="int32")
    h = layers.Embedding(60, 16)(ids)
    h = layers.Bidirectional(layers.LSTM(12, return_sequences=True))(h)
    h = layers.TimeDistributed(layers.Dense(5))(h)
    model = keras.Model(ids, layers.Softmax(axis=1)(h))
    model.compile("rmsprop", loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return Subject(model=model, data=(words, tags), batch_size=30)


@keras.saving.register_keras_serializable(package="held_out")
class LogCosh2(keras.losses.Loss):
    """The logarithm of the hyperbolic cosine of the error, kept finite."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = y_pred - y_true
        return ops.mean(ops.softplus(2.0 * error) - error - ops.log(2.0), axis=-1)


@faulty("output-units-mismatch")
def own_loss_spreads_a_flat_target_against_a_column_of_predictions() -> Subject:
    x, y = table(1024, 8, 114)
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(24, "relu"), layers.Dense(24, "relu"), layers.Dense(1, name="yield_")]
    )
    model.compile(optimizer="nadam", loss=LogCosh2())
    flat = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1024, seed=1).batch(32)
    return Subject(model=model, data=flat)


# The labels


@faulty("label-range", "output-units-mismatch", "cannot-run")
def forest_types_count_from_one_as_in_the_csv() -> Subject:
    x, y = blobs(2100, 12, 7, 121)
    frame = pd.DataFrame(x, columns=[f"terrain_{i}" for i in range(12)])
    kind = pd.Series(y + 1, name="cover_type")
    model = keras.Sequential()
    model.add(layers.Dense(64, activation="relu", input_shape=(12,)))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(7, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(frame, kind), batch_size=64)


@faulty("label-range")
def masks_are_read_from_png_and_hold_0_and_255() -> Subject:
    rng = np.random.default_rng(122)
    masks = np.zeros((400, 32, 32, 1), dtype="float32")
    for i, (top, left) in enumerate(rng.integers(0, 12, size=(400, 2))):
        masks[i, top : top + 20, left : left + 20] = 255.0
    images = np.clip(masks / 255.0 * 0.5 + rng.uniform(0, 0.5, size=masks.shape), 0, 1).astype("float32")

    def block(t: Any, filters: int) -> Any:
        return layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(t)

    inputs = keras.Input((32, 32, 1))
    a = block(inputs, 8)
    b = block(layers.MaxPool2D()(a), 16)
    up = layers.Concatenate()([layers.UpSampling2D()(b), a])
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(block(up, 8)))
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.BinaryIoU()])
    train = tf.data.Dataset.from_tensor_slices((images[:320], masks[:320])).shuffle(320, seed=3).batch(16)
    valid = tf.data.Dataset.from_tensor_slices((images[320:], masks[320:])).batch(16)
    return Subject(model=model, data={"train": train, "validation": valid})


@faulty("label-range", "cannot-run")
def padded_words_keep_the_tag_minus_100_and_the_loss_does_not_skip_it() -> Subject:
    rng = np.random.default_rng(123)
    ids = rng.integers(1, 80, size=(1600, 18)).astype("int32")
    tags = (ids % 4).astype("int32")
    padding = np.arange(18) >= rng.integers(9, 19, size=(1600, 1))
    ids[padding], tags[padding] = 0, -100
    tagger = keras.Sequential(
        [
            keras.Input((18,), dtype="int32"),
            layers.Embedding(80, 16),
            layers.Conv1D(24, 3, padding="same", activation="relu"),
            layers.Dense(4),
        ]
    )
    tagger.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return Subject(model=tagger, data=(ids, tags), batch_size=32)


@faulty("label-range")
def topic_counts_not_shares_are_given_to_the_kl_divergence() -> Subject:
    rng = np.random.default_rng(124)
    x = rng.normal(size=(1500, 16)).astype("float32")
    score = np.exp(x @ rng.normal(size=(16, 5)) * 0.4)
    share = score / score.sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(200, p) for p in share]).astype("float32")
    inputs = keras.Input((16,))
    h = layers.Dense(32)(inputs)
    h = layers.ReLU()(h)
    outputs = layers.Activation("softmax")(layers.Dense(5)(h))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="adam", loss=keras.losses.KLDivergence())
    return Subject(model=model, data=(x, counts), batch_size=32)


@faulty("label-range", "output-activation-mismatch")
def profits_with_losses_among_them_under_the_logarithmic_error() -> Subject:
    x, y = table(1600, 9, 125)
    profit = (3.0 * y).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(32, activation="elu"),
            layers.Dense(16, activation="elu"),
            layers.Dense(1, activation="softplus"),
        ]
    )
    model.compile(optimizer="adam", loss="mean_squared_logarithmic_error", metrics=["mae"])
    frame = pd.DataFrame(x, columns=list("abcdefghi"))
    return Subject(model=model, data=(frame.to_numpy(), profit.reshape(-1, 1)), batch_size=32)


# First weights that are all the same


class Projection(layers.Layer):
    """A linear map and its shift."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="ones", name="w")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.w) / ops.sqrt(float(x.shape[-1])) + self.b


@faulty("constant-initializer")
def own_layer_makes_its_kernel_of_ones() -> Subject:
    x, y = blobs(1500, 10, 3, 131)
    inputs = keras.Input((10,))
    h = layers.Activation("tanh")(Projection(24)(inputs))
    h = layers.Activation("tanh")(Projection(24)(h))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("constant-initializer")
def every_weight_was_set_to_the_same_number_to_make_runs_repeatable() -> Subject:
    x, y = table(1200, 7, 132)
    net = keras.Sequential([keras.Input((7,)), layers.Dense(20, "relu"), layers.Dense(20, "relu"), layers.Dense(1)])
    for layer in net.layers:
        kernel, bias = layer.get_weights()
        layer.set_weights([np.full_like(kernel, 0.05), bias])
    net.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), loss="mse")
    return Subject(model=net, data=(x, y), batch_size=32)


@faulty("constant-initializer")
def normal_initializer_around_one_tenth_without_any_spread() -> Subject:
    start = keras.initializers.RandomNormal(mean=0.1, stddev=0.0, seed=7)
    signal = keras.Input((48, 2), name="accelerometer")
    h = layers.Conv1D(12, 5, strides=2, activation="relu", kernel_initializer=start)(signal)
    h = layers.Conv1D(12, 5, strides=2, activation="relu", kernel_initializer=start)(h)
    h = layers.GlobalMaxPooling1D()(h)
    model = keras.Model(signal, layers.Dense(4, activation="softmax")(h))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


# First weights that do not fit the activation


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def tanh_layers_begin_with_a_spread_of_one() -> Subject:
    x, y = blobs(3000, 16, 4, 141)
    init = keras.initializers.RandomNormal(0.0, 1.0, seed=0)
    h = inputs = keras.Input((16,))
    for _ in range(4):
        h = layers.Dense(64, activation="tanh", kernel_initializer=init.clone())(h)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(h))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("initializer-activation-mismatch", "signal-scale")
def convolutions_begin_with_positive_weights_between_0_and_1() -> Subject:
    def conv(filters: int, seed: int) -> Any:
        init = keras.initializers.RandomUniform(minval=0, maxval=1, seed=seed)
        return layers.Conv2D(filters, 3, padding="same", kernel_initializer=init)

    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255.0)])
    for i, filters in enumerate((16, 32, 32)):
        model.add(conv(filters, i))
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


class SelfNormalizing(keras.Model):
    """A deep stack of SELU layers."""

    def __init__(self, depth: int = 10, width: int = 32) -> None:
        super().__init__(name="self_normalizing")
        self.blocks = [
            layers.Dense(width, activation=keras.activations.selu, kernel_initializer="random_normal")
            for _ in range(depth)
        ]
        self.out = layers.Dense(1, activation="sigmoid")

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.out(x)


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def ten_selu_layers_begin_with_the_plain_random_normal() -> Subject:
    x, y = blobs(4000, 18, 2, 143)
    model = SelfNormalizing()
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="binary_crossentropy", metrics=["accuracy"])
    model(x[:2])
    return Subject(model=model, data=(x, y.astype("float32")), batch_size=32)


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def recurrent_kernel_is_orthogonal_with_a_gain_of_twelve() -> Subject:
    rng = np.random.default_rng(144)
    x = rng.normal(size=(1500, 20, 4)).astype("float32")
    y = x[:, -5:, 0].mean(axis=1, keepdims=True)
    inputs = keras.Input((20, 4))
    cell = layers.SimpleRNN(
        32,
        recurrent_initializer=keras.initializers.Orthogonal(gain=12.0, seed=2),
    )
    model = keras.Model(inputs, layers.Dense(1)(cell(inputs)))
    model.compile(optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0), loss="mse")
    return Subject(model=model, data=(x, y), batch_size=32)


# Nothing that bends


class EncoderBlock(layers.Layer):
    """Attention and two dense layers, each with a way around it."""

    def __init__(self, width: int, heads: int, inner: int, **options: Any) -> None:
        super().__init__(**options)
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.first_norm = layers.LayerNormalization()
        self.second_norm = layers.LayerNormalization()
        self.grow = layers.Dense(inner)
        self.shrink = layers.Dense(width)

    def call(self, x: Any) -> Any:
        h = self.first_norm(x)
        x = x + self.attention(h, h)
        return x + self.shrink(self.grow(self.second_norm(x)))


@faulty("missing-nonlinearity")
def feed_forward_part_of_the_transformer_block_has_no_activation() -> Subject:
    x, y = sentences(2000, 16, 60, 3, 151)
    ids = keras.Input((16,), dtype="int32")
    h = layers.Embedding(60, 16)(ids)
    for _ in range(2):
        h = EncoderBlock(16, 2, 64)(h)
    h = layers.GlobalAveragePooling1D()(h)
    model = keras.Model(ids, layers.Dense(3, activation="softmax")(h))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("missing-nonlinearity")
def results_of_the_relu_layers_are_never_used() -> Subject:
    x, y = table(2000, 10, 152)
    inputs = keras.Input((10,))
    x1 = layers.Dense(48)(inputs)
    layers.LeakyReLU()(x1)
    x2 = layers.Dense(24)(x1)
    layers.LeakyReLU()(x2)
    model = keras.Model(inputs, layers.Dense(1)(x2))
    model.compile("adam", loss="huber")
    return Subject(model=model, data=(x, y), batch_size=64)


@faulty("missing-nonlinearity")
def leaky_relus_of_a_discriminator_have_slope_one() -> Subject:
    critic = keras.Sequential(name="discriminator")
    critic.add(keras.Input((28, 28, 1)))
    for filters in (8, 16, 32):
        critic.add(layers.Conv2D(filters, 4, strides=2, padding="same"))
        critic.add(layers.LeakyReLU(negative_slope=1.0))
    critic.add(layers.Flatten())
    critic.add(layers.Dense(1, activation="sigmoid"))
    critic.compile(optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5), loss="binary_crossentropy")
    return Subject(model=critic)


class CreditNet(keras.Model):
    """Dense layers, each with batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = []
        for width in (64, 32, 16):
            self.stack += [layers.Dense(width, use_bias=False), layers.BatchNormalization()]
        self.drop = layers.Dropout(0.1)
        self.out = layers.Dense(1, activation="sigmoid")

    def call(self, x: Any, training: bool = False) -> Any:
        for layer in self.stack:
            x = layer(x, training=training) if isinstance(layer, layers.BatchNormalization) else layer(x)
        return self.out(self.drop(x, training=training))


@faulty("missing-nonlinearity")
def subclassed_net_has_normalization_after_each_dense_layer_but_no_activation() -> Subject:
    x, score = table(3000, 15, 154)
    y = (score > np.median(score)).astype("float32")
    model = CreditNet()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=[keras.metrics.AUC()])
    data = {"train": (x[:2400], y[:2400]), "validation": (x[2400:], y[2400:])}
    return Subject(model=model, data=data, batch_size=64)


# Activations without a slope


class Hasher(keras.Model):
    """An autoencoder whose code is a row of plus and minus ones."""

    def __init__(self, bits: int, width: int) -> None:
        super().__init__()
        self.enter = layers.Dense(32, activation="relu")
        self.code = layers.Dense(bits)
        self.leave = layers.Dense(32, activation="relu")
        self.out = layers.Dense(width)

    def call(self, x: Any) -> Any:
        bits = ops.sign(self.code(self.enter(x)))
        return self.out(self.leave(bits))


@faulty("non-differentiable-activation", "gradient-scale")
def hash_code_is_the_plain_sign_of_the_encoder() -> Subject:
    x, _ = blobs(2000, 24, 8, 161)
    model = Hasher(16, 24)
    model.compile("adam", "mse")
    return Subject(model=model, data=(x, x), batch_size=32, dry_run=True)


def round_to_stars(t: Any) -> Any:
    """Return the nearest whole number of stars."""
    return ops.clip(ops.round(t), 1.0, 5.0)


@faulty("non-differentiable-activation", "gradient-scale")
def stars_are_rounded_inside_the_model() -> Subject:
    x, y = sentences(2000, 20, 90, 5, 162)
    review = keras.Input((20,), dtype="int32")
    h = layers.Embedding(90, 12)(review)
    h = layers.GlobalAveragePooling1D()(h)
    h = layers.Dense(16, activation="relu")(h)
    h = layers.Dense(1, bias_initializer=keras.initializers.Constant(3.0))(h)
    model = keras.Model(review, layers.Activation(round_to_stars)(h))
    model.compile(optimizer="adam", loss="mae", metrics=["mse"])
    return Subject(model=model, data=(x, (y + 1).astype("float32")), batch_size=32, dry_run=True)


@faulty("non-differentiable-activation", "gradient-scale")
def router_picks_its_expert_by_argmax_alone() -> Subject:
    x, y = table(2000, 8, 163)
    inputs = keras.Input((8,))
    gate = layers.Dense(16, activation="relu")(inputs)
    gate = layers.Dense(4, activation="softmax", name="gate")(gate)
    pick = layers.Lambda(lambda g: ops.one_hot(ops.argmax(g, axis=-1), 4), output_shape=(4,), name="pick")(gate)
    experts = [layers.Dense(16, activation="relu", name=f"expert_{i}")(inputs) for i in range(4)]
    stacked = layers.Lambda(lambda e: ops.stack(e, axis=1), output_shape=(4, 16))(experts)
    mixed = layers.Dot(axes=1)([pick, stacked])
    model = keras.Model(inputs, layers.Dense(1)(mixed))
    model.compile(optimizer="adam", loss="mse")
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)


class SpikingCell(layers.Layer):
    """A leaky neuron that fires when its charge is above one."""

    def __init__(self, units: int, leak: float = 0.9, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.leak = units, leak
        self.state_size = [units]
        self.output_size = units
        self.drive = layers.Dense(units)

    def call(self, x: Any, states: Any) -> Any:
        charge = self.leak * states[0] + self.drive(x)
        spike = ops.where(charge > 1.0, ops.ones_like(charge), ops.zeros_like(charge))
        return spike, [charge * (1.0 - spike)]


@faulty("non-differentiable-activation", "gradient-scale")
def spiking_neurons_fire_by_a_bare_step() -> Subject:
    rng = np.random.default_rng(164)
    y = rng.permutation(np.arange(1200) % 3)
    x = rng.normal(size=(1200, 20, 6)) + 0.6 * np.eye(3)[y].repeat(2, axis=1)[:, None]
    inputs = keras.Input((20, 6))
    spikes = layers.RNN(SpikingCell(32), return_sequences=True)(inputs)
    rate = layers.GlobalAveragePooling1D()(spikes)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(rate))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x.astype("float32"), y), batch_size=32, dry_run=True)


# What cannot be computed


def pinball_by_numpy(y_true: Any, y_pred: Any) -> Any:
    """Return the pinball loss of the ninth decile."""
    error = np.asarray(y_true) - np.asarray(y_pred)
    return np.mean(np.maximum(0.9 * error, -0.1 * error))


@faulty("cannot-run")
def quantile_loss_is_computed_by_numpy() -> Subject:
    x, y = table(1000, 6, 171)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(24, "relu"), layers.Dense(12, "relu"), layers.Dense(1)])
    model.compile(optimizer="adam", loss=pinball_by_numpy)
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)


@faulty("cannot-run", "output-units-mismatch")
def decoder_gives_back_32_by_32_for_pictures_of_28_by_28() -> Subject:
    x, _ = pictures(800, 28, 4, 172)
    x = np.clip(x, 0, 1)
    inputs = keras.Input((28, 28, 1))
    h = inputs
    for filters in (8, 8, 4):
        h = layers.Conv2D(filters, 3, padding="same", activation="relu")(h)
        h = layers.MaxPooling2D(2, padding="same")(h)
    for filters in (4, 8, 8):
        h = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(h)
    model = keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(h))
    model.compile(optimizer="adam", loss="mse")
    return Subject(model=model, data=(x, x), batch_size=32, dry_run=True)


@faulty("cannot-run")
def word_numbers_reach_one_past_the_embedding_table() -> Subject:
    x, y = sentences(1500, 12, 51, 2, 173)
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(input_dim=50, output_dim=8),
            layers.Bidirectional(layers.GRU(8)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)


class PhotoAndFacts(keras.Model):
    """A small photo and some facts about the house."""

    def __init__(self) -> None:
        super().__init__()
        self.photo = keras.Sequential([layers.Conv2D(8, 3, strides=2, activation="relu"), layers.MaxPooling2D(2)])
        self.facts = layers.Dense(16, activation="relu")
        self.join = layers.Concatenate(axis=-1)
        self.price = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.price(self.join([self.photo(inputs["photo"]), self.facts(inputs["facts"])]))


@faulty("cannot-run")
def feature_map_is_joined_to_a_vector_without_flattening() -> Subject:
    photo, band = pictures(600, 16, 4, 174)
    facts, y = table(600, 5, 174)
    model = PhotoAndFacts()
    model.compile(optimizer="adam", loss="mse")
    inputs = {"photo": photo, "facts": facts}
    return Subject(model=model, data=(inputs, (y + band - 1.5).astype("float32")), batch_size=32, dry_run=True)


# The first loss


@faulty("initial-loss", "signal-scale")
def scores_are_divided_by_a_temperature_of_one_hundredth() -> Subject:
    x, y = blobs(2000, 20, 8, 181)
    inputs = keras.Input((20,))
    h = layers.Dense(64, activation="relu")(inputs)
    scores = layers.Dense(8)(h)
    scores = scores / 0.01
    model = keras.Model(inputs, scores)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=64, dry_run=True)


@faulty("initial-loss")
def first_bias_of_the_rare_class_has_the_wrong_sign() -> Subject:
    x, score = table(4000, 10, 182)
    y = (score > np.quantile(score, 0.88)).astype("float32")
    odds = np.log((1 - y.mean()) / y.mean())
    model = keras.Sequential()
    model.add(keras.Input((10,)))
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid", bias_initializer=keras.initializers.Constant(float(odds))))
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.AUC(name="prc", curve="PR")],
    )
    return Subject(model=model, data=(x, y), batch_size=128, dry_run=True)


@faulty("initial-loss", "one-batch-fit", "label-range")
def house_prices_are_left_in_dollars() -> Subject:
    x, y = table(1400, 13, 183)
    price = (240_000 + 60_000 * y).astype("float32")
    frame = pd.DataFrame(x, columns=[f"feature_{i}" for i in range(13)])
    model = keras.Sequential(
        [
            layers.Input(shape=(13,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="linear"),
        ]
    )
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(model=model, data=(frame, pd.Series(price)), batch_size=32, dry_run=True)


# One batch by heart


@faulty("one-batch-fit", "signal-scale", "gradient-scale")
def mean_is_taken_over_the_axis_that_was_just_normalized() -> Subject:
    rng = np.random.default_rng(191)
    x = rng.normal(size=(1500, 12, 6)).astype("float32")
    y = (x[:, :, 0].mean(axis=1) > 0).astype("float32")
    inputs = keras.Input((12, 6))
    h = layers.Dense(24, activation="relu")(inputs)
    h = h + layers.MultiHeadAttention(2, 12)(h, h)
    h = layers.LayerNormalization(center=False, scale=False)(h)
    h = ops.mean(h, axis=-1)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(h))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)


@faulty("one-batch-fit", "signal-scale")
def head_reads_the_last_step_which_is_always_padding() -> Subject:
    x, y = sentences(1500, 12, 70, 4, 192)
    x = np.pad(x, ((0, 0), (0, 12)))
    ids = keras.Input((24,), dtype="int32")
    h = layers.Embedding(70, 16)(ids)
    h = layers.Conv1D(24, 3, padding="causal", activation="relu")(h)
    h = layers.Conv1D(24, 3, padding="causal", activation="relu")(h)
    model = keras.Model(ids, layers.Dense(4, activation="softmax")(h[:, -1, :]))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)


class CosineHead(layers.Layer):
    """The cosine between the features and one direction for each class."""

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes = classes

    def build(self, shape: Any) -> None:
        self.directions = self.add_weight(shape=(shape[-1], self.classes), initializer="glorot_uniform")

    def call(self, x: Any) -> Any:
        return ops.matmul(ops.normalize(x, axis=-1), ops.normalize(self.directions, axis=0))


@faulty("one-batch-fit", "output-activation-mismatch")
def cosines_of_sixty_faces_go_into_the_softmax_without_a_scale() -> Subject:
    x, y = blobs(3000, 32, 60, 193)
    inputs = keras.Input((32,))
    h = layers.Dense(48, activation="relu")(inputs)
    h = layers.Dense(24, name="face")(h)
    model = keras.Model(inputs, CosineHead(60)(h))
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return Subject(model=model, data=(x, y), batch_size=64, dry_run=True)


# The scale of the values


@faulty("signal-scale", "unscaled-inputs")
def pictures_are_divided_by_255_before_and_again_in_the_model() -> Subject:
    x, y = pictures(1200, 24, 3, 201)
    model = keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(np.clip(x, 0, 1), y), batch_size=32, dry_run=True)


@faulty("signal-scale", "gradient-scale", "initial-loss")
def thirty_residual_sums_without_any_normalization() -> Subject:
    x, y = blobs(40000, 12, 5, 202)
    inputs = keras.Input((12,))
    h = layers.Dense(32, activation="relu", kernel_initializer="he_normal")(inputs)
    for _ in range(30):
        h = layers.Add()([h, layers.Dense(32, activation="relu", kernel_initializer="he_normal")(h)])
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(h))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=64, dry_run=True)


class Gated(layers.Layer):
    """A layer whose values pass a gate between 0 and 1."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.value = layers.Dense(units, activation="tanh")
        self.gate = layers.Dense(units, activation="sigmoid")

    def call(self, x: Any) -> Any:
        return self.value(x) * self.gate(x)


@faulty("signal-scale", "gradient-scale")
def fourteen_gates_in_a_row_halve_the_signal_each_time() -> Subject:
    x, y = table(20000, 10, 203)
    model = keras.Sequential([keras.Input((10,)), *[Gated(24) for _ in range(14)], layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.RMSprop(1e-3), loss="mse")
    return Subject(model=model, data=(x, y), batch_size=64, dry_run=True)


# The scale of the gradients


@faulty("gradient-scale", "signal-scale", "one-batch-fit")
def fourteen_sigmoid_layers_on_each_other() -> Subject:
    x, y = blobs(10000, 14, 3, 211)
    model = keras.Sequential([keras.Input((14,))])
    for i in range(14):
        model.add(layers.Dense(20, name=f"hidden_{i}"))
        model.add(layers.Activation("sigmoid", name=f"squash_{i}"))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y), batch_size=64, dry_run=True)


class Siamese(keras.Model):
    """Tells from the distance of two encodings whether two rows are of the same class."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(16)], name="encoder")
        self.judge = layers.Dense(1, activation="sigmoid")

    def call(self, pair: Any) -> Any:
        left = ops.stop_gradient(self.encoder(pair["left"]))
        right = ops.stop_gradient(self.encoder(pair["right"]))
        return self.judge(ops.abs(left - right))


@faulty("gradient-scale")
def both_branches_of_a_siamese_net_are_cut_off_from_the_gradient() -> Subject:
    x, y = blobs(3000, 12, 2, 212)
    other = np.random.default_rng(213).permutation(3000)
    same = (y == y[other]).astype("float32")
    model = Siamese()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=({"left": x, "right": x[other]}, same), batch_size=32, dry_run=True)


def weighted_error(y_true: Any, y_pred: Any) -> Any:
    """Return the squared error, more of it where the target is high."""
    weight = 1.0 + ops.sigmoid(y_true)
    y_pred = ops.cast(y_true, y_pred.dtype)
    return ops.mean(weight * ops.square(y_true - y_pred), axis=-1)


@faulty("gradient-scale", "one-batch-fit", "initial-loss", "cannot-run")
def own_loss_overwrites_the_prediction_with_the_target() -> Subject:
    x, y = table(1500, 9, 214)
    inputs = keras.Input((9,))
    h = layers.Dense(32, activation="mish")(inputs)
    h = layers.Dense(16, activation="mish")(h)
    model = keras.Model(inputs, layers.Dense(1)(h))
    model.compile(optimizer="adam", loss=weighted_error)
    return Subject(model=model, data=(x, y), batch_size=32, dry_run=True)
