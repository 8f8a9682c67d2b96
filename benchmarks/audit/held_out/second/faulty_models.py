"""Models with one classic beginner's mistake each, typed in as their authors would have done."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import Input, Model, Sequential, layers, ops, regularizers
from keras.layers import (
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling1D,
    MaxPooling2D,
)

from benchmarks.audit.case import Subject, faulty

# ---------------------------------------------------------------- data that the cases share


def _table(rows: int, columns: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns, and as many samples of each class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes)
    centers = rng.normal(0.0, 1.2, (classes, columns))
    x = centers[y] + rng.normal(0.0, 1.0, (rows, columns))
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), y.astype("int64")


def _numbers(rows: int, columns: int, targets: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns, and standardised targets that bend with them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns))
    y = x @ rng.normal(size=(columns, targets)) + np.sin(2 * x[:, :1]) + rng.normal(0.0, 0.2, (rows, targets))
    return x.astype("float32"), ((y - y.mean(0)) / y.std(0)).astype("float32")


def _images(rows: int, size: int, channels: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures in 0..1 with a bright blob whose place tells the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes)
    angle = 2 * np.pi * y / classes
    cy = size / 2 + np.sin(angle) * size / 4 + rng.normal(0, size / 40, rows)
    cx = size / 2 + np.cos(angle) * size / 4 + rng.normal(0, size / 40, rows)
    grid = np.arange(size)
    blob = np.exp(
        -((grid[None, :, None] - cy[:, None, None]) ** 2 + (grid[None, None, :] - cx[:, None, None]) ** 2)
        / (2 * (size / 8) ** 2)
    )
    x = blob[..., None] * rng.uniform(0.6, 1.0, (rows, 1, 1, channels))
    x = x + rng.uniform(0, 0.25, (rows, size, size, channels))
    return np.clip(x, 0, 1).astype("float32"), y.astype("int64")


def _waves(rows: int, steps: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Waves whose frequency tells the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes)
    t = np.linspace(0, 1, steps)[None]
    x = np.sin(2 * np.pi * (2 + 2 * y[:, None]) * t + rng.uniform(0, 1.0, (rows, 1)))
    return (x + rng.normal(0, 0.2, x.shape))[..., None].astype("float32"), y.astype("int64")


# ---------------------------------------------------------------- output-activation-mismatch


@faulty("output-activation-mismatch", "output-units-mismatch")
def titanic_survivors_by_softmax_of_one_unit():
    model = Sequential()
    model.add(Input(shape=(9,)))
    model.add(Dense(32, activation="relu"))
    model.add(Dense(16, activation="relu"))
    model.add(Dense(1, activation="softmax"))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model)


@faulty("output-activation-mismatch")
def fashion_net_with_softmax_layer_and_from_logits():
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Rescaling(1.0 / 255),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return Subject(model)


@faulty("output-activation-mismatch")
def review_sentiment_where_the_sigmoid_was_forgotten():
    vocab_size, max_len = 5000, 60
    words = Input(shape=(max_len,), dtype="int32")
    x = Embedding(vocab_size, 32, mask_zero=True)(words)
    x = Bidirectional(LSTM(32))(x)
    x = Dense(24, activation="relu")(x)
    out = Dense(1)(x)
    model = Model(words, out)
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("output-activation-mismatch", "label-range")
def relu_output_for_standardised_temperatures():
    x, y = _numbers(1500, 12, 1, seed=101)
    model = Sequential(
        [Input((12,)), Dense(24, activation="relu"), Dense(12, activation="relu"), Dense(1, activation="relu")]
    )
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(model, data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])}, batch_size=32)


@faulty("output-activation-mismatch", "label-range")
def age_in_years_from_a_sigmoid_next_to_gender():
    rng = np.random.default_rng(102)
    x, gender = _images(900, 32, 3, 2, seed=102)
    age = 18 + 50 * (x.mean((1, 2, 3)) - x.mean((1, 2, 3)).min()) / np.ptp(x.mean((1, 2, 3))) + rng.normal(0, 3, 900)
    face = Input((32, 32, 3), name="face")
    h = face
    for filters in (8, 16, 16):
        h = Conv2D(filters, 3, padding="same", activation="relu")(h)
        h = MaxPooling2D()(h)
    h = Flatten()(h)
    h = Dense(24, activation="relu")(h)
    h = Dropout(0.3)(h)
    model = Model(
        face,
        {
            "gender": Dense(1, activation="sigmoid", name="gender")(h),
            "age": Dense(1, activation="sigmoid", name="age")(h),
        },
    )
    model.compile(
        optimizer="adam",
        loss={"gender": "binary_crossentropy", "age": "mae"},
        metrics={"gender": ["accuracy"], "age": ["mae"]},
    )
    labels = {"gender": gender.astype("float32")[:, None], "age": np.round(age).astype("float32")[:, None]}
    return Subject(model, data=(x, labels), batch_size=32)


@faulty("output-activation-mismatch")
def movie_genres_many_per_film_by_softmax():
    rng = np.random.default_rng(103)
    x = rng.normal(size=(1600, 40)).astype("float32")
    y = (x @ rng.normal(size=(40, 6)) + rng.normal(0, 0.5, (1600, 6)) > 0).astype("float32")
    inp = keras.layers.Input(shape=(40,))
    x1 = keras.layers.Dense(20)(inp)
    x1 = keras.layers.LeakyReLU()(x1)
    x1 = keras.layers.Dropout(0.2)(x1)
    out = keras.layers.Dense(6, activation=tf.nn.softmax)(x1)
    model = keras.models.Model(inputs=inp, outputs=out)
    model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["binary_accuracy"])
    return Subject(model, data=(x, y), batch_size=64)


def _unet_block(x, filters):
    for _ in range(2):
        x = Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", use_bias=False)(x)
        x = BatchNormalization()(x)
        x = Activation("relu")(x)
    return x


@faulty("output-activation-mismatch")
def unet_of_four_tissues_with_sigmoid_and_categorical_loss():
    n_classes = 4
    inputs = Input((64, 64, 1))
    c1 = _unet_block(inputs, 8)
    c2 = _unet_block(MaxPooling2D()(c1), 16)
    c3 = _unet_block(MaxPooling2D()(c2), 32)
    c4 = _unet_block(MaxPooling2D()(c3), 64)
    u3 = _unet_block(layers.concatenate([layers.UpSampling2D()(c4), c3]), 32)
    u2 = _unet_block(layers.concatenate([layers.UpSampling2D()(u3), c2]), 16)
    u1 = _unet_block(layers.concatenate([layers.UpSampling2D()(u2), c1]), 8)
    outputs = Conv2D(n_classes, (1, 1), activation="sigmoid")(u1)
    model = Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("output-activation-mismatch", "label-range")
def cartpole_q_values_out_of_a_softmax():
    rng = np.random.default_rng(104)
    states = rng.normal(0, 1, (2000, 4)).astype("float32")
    value = 40 - 8 * np.abs(states[:, 2]) - 5 * np.abs(states[:, 0])
    lean = 6 * states[:, 2] + 3 * states[:, 3]
    targets = np.stack([value - lean, value + lean], 1).astype("float32")

    class Agent:
        def __init__(self, state_size, action_size):
            self.state_size = state_size
            self.action_size = action_size
            self.learning_rate = 0.001
            self.model = self._build_model()

        def _build_model(self):
            model = Sequential()
            model.add(Input((self.state_size,)))
            model.add(Dense(24, activation="relu"))
            model.add(Dense(24, activation="relu"))
            model.add(Dense(self.action_size, activation="softmax"))
            model.compile(loss="mse", optimizer=keras.optimizers.Adam(learning_rate=self.learning_rate))
            return model

    return Subject(Agent(4, 2).model, data=(states, targets), batch_size=32)


# ---------------------------------------------------------------- output-units-mismatch


@faulty("output-units-mismatch", "output-activation-mismatch", "label-range", "cannot-run")
def cats_and_dogs_one_sigmoid_unit_with_sparse_categorical_loss():
    x, y = _images(1000, 32, 3, 2, seed=201)
    model = Sequential(
        [
            Input(shape=(32, 32, 3)),
            Conv2D(8, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Conv2D(16, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)),
            Flatten(),
            Dropout(0.4),
            Dense(16, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32)


@faulty("output-units-mismatch", "cannot-run")
def digits_convnet_without_flatten():
    x, y = _images(1200, 28, 1, 10, seed=202)
    model = Sequential()
    model.add(Input((28, 28, 1)))
    model.add(Conv2D(16, kernel_size=3, activation="relu"))
    model.add(MaxPooling2D(pool_size=2))
    model.add(Conv2D(16, kernel_size=3, activation="relu"))
    model.add(MaxPooling2D(pool_size=2))
    model.add(Dense(32, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=64)


@faulty("output-units-mismatch")
def stock_price_stack_whose_last_lstm_returns_sequences():
    rng = np.random.default_rng(203)
    noise = rng.normal(0, 0.3, 1530)
    series = np.zeros(1530)
    for i in range(1, 1530):
        series[i] = 0.97 * series[i - 1] + noise[i]
    series = (series - series.mean()) / series.std()
    x = np.array([series[i : i + 30] for i in range(1500)])[..., None].astype("float32")
    y = series[30:1530, None].astype("float32")
    model = Sequential()
    model.add(Input(shape=(30, 1)))
    model.add(LSTM(units=16, return_sequences=True))
    model.add(Dropout(0.2))
    model.add(LSTM(units=16, return_sequences=True))
    model.add(Dropout(0.2))
    model.add(Dense(units=1))
    model.compile(optimizer=keras.optimizers.Adam(clipnorm=1.0), loss="mean_squared_error")
    return Subject(model, data=(x, y), batch_size=32)


@faulty("output-units-mismatch", "label-range", "cannot-run")
def iris_like_integer_labels_with_categorical_crossentropy():
    x, y = _table(1200, 4, 3, seed=204)
    frame = pd.DataFrame(x, columns=["sepal_length", "sepal_width", "petal_length", "petal_width"])
    model = Sequential([Input((4,)), Dense(16, activation="relu"), Dense(3, activation="softmax")])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(frame, pd.Series(y, name="species")), batch_size=32)


@faulty("output-units-mismatch", "cannot-run")
def segmentation_decoder_one_upsampling_short():
    x, _ = _images(400, 32, 1, 6, seed=205)
    masks = (x > 0.6).astype("float32")
    inp = Input((32, 32, 1))
    h = Conv2D(8, 3, padding="same", activation="relu")(inp)
    h = MaxPooling2D()(h)
    h = Conv2D(16, 3, padding="same", activation="relu")(h)
    h = MaxPooling2D()(h)
    h = Conv2D(16, 3, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(h)
    out = Conv2D(1, 1, activation="sigmoid")(h)
    model = Model(inp, out, name="small_segnet")
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.BinaryIoU(target_class_ids=[1])])
    data = tf.data.Dataset.from_tensor_slices((x, masks)).batch(16)
    return Subject(model, data=data)


@faulty("output-units-mismatch")
def three_air_pollutants_predicted_by_one_unit():
    x, y = _numbers(1400, 10, 3, seed=206)

    class PollutionModel(keras.Model):
        def __init__(self):
            super().__init__()
            self.d1 = Dense(24, activation="elu")
            self.d2 = Dense(16, activation="elu")
            self.out = Dense(1)

        def call(self, inputs):
            return self.out(self.d2(self.d1(inputs)))

    model = PollutionModel()
    model(keras.Input((10,)))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(model, data=(x, y), batch_size=32)


# ---------------------------------------------------------------- label-range


@faulty("label-range", "output-units-mismatch", "cannot-run")
def handwritten_letters_numbered_from_one():
    x, y = _images(1560, 28, 1, 26, seed=301)
    model = keras.Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(16, 3, activation="relu"),
            MaxPooling2D(),
            Conv2D(16, 3, activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.4),
            Dense(26, activation="softmax"),
        ]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y + 1), batch_size=32)


@faulty("label-range", "output-activation-mismatch")
def svm_style_minus_one_labels_with_a_sigmoid():
    x, y = _table(1500, 16, 2, seed=302)
    target = np.where(y == 1, 1, -1)
    inputs = keras.Input(shape=(16,))
    h = Dense(20, activation="relu")(inputs)
    h = Dense(10, activation="relu")(h)
    outputs = Activation("sigmoid")(Dense(1)(h))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, target), batch_size=32)


@faulty("label-range")
def masks_left_at_0_and_255_for_a_sigmoid():
    x, _ = _images(500, 32, 3, 7, seed=303)
    masks = ((x.mean(-1, keepdims=True) > 0.45) * 255).astype("uint8")
    inp = Input((32, 32, 3))
    d1 = Conv2D(8, 3, padding="same", activation="relu", kernel_initializer="he_normal")(inp)
    d2 = Conv2D(16, 3, padding="same", activation="relu", kernel_initializer="he_normal")(MaxPooling2D()(d1))
    d3 = Conv2D(24, 3, padding="same", activation="relu", kernel_initializer="he_normal")(MaxPooling2D()(d2))
    u2 = layers.Concatenate()([layers.Conv2DTranspose(16, 2, strides=2)(d3), d2])
    u2 = Conv2D(16, 3, padding="same", activation="relu", kernel_initializer="he_normal")(u2)
    u1 = layers.Concatenate()([layers.Conv2DTranspose(8, 2, strides=2)(u2), d1])
    u1 = Conv2D(8, 3, padding="same", activation="relu", kernel_initializer="he_normal")(u1)
    model = Model(inp, Conv2D(1, 1, activation="sigmoid")(u1))
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(), metrics=["accuracy"])
    return Subject(model, data=(x, masks), batch_size=16)


@faulty("label-range", "output-activation-mismatch")
def log_squared_error_on_prices_run_through_a_standard_scaler():
    x, y = _numbers(1300, 15, 1, seed=304)
    model = Sequential(
        [Input((15,)), Dense(24, activation="relu"), Dense(12, activation="relu"), Dense(1, activation="linear")]
    )
    model.compile(optimizer="adam", loss="mean_squared_logarithmic_error", metrics=["mae"])
    return Subject(model, data=(x, y), batch_size=32)


# ---------------------------------------------------------------- constant-initializer


@faulty("constant-initializer")
def every_layer_of_a_churn_net_begins_at_zero():
    x, y = _table(1400, 11, 2, seed=401)
    classifier = Sequential()
    classifier.add(Input((11,)))
    classifier.add(Dense(units=16, kernel_initializer="zeros", activation="relu"))
    classifier.add(Dense(units=16, kernel_initializer="zeros", activation="relu"))
    classifier.add(Dense(units=1, kernel_initializer="zeros", activation="sigmoid"))
    classifier.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(classifier, data=(x, y), batch_size=32, dry_run=True)


@faulty("constant-initializer")
def convolutions_all_filled_with_one_hundredth():
    init = keras.initializers.Constant(0.01)
    inp = Input((32, 32, 3))
    x = Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=init)(inp)
    x = MaxPooling2D()(x)
    x = Conv2D(64, 3, padding="same", activation="relu", kernel_initializer=init)(x)
    x = MaxPooling2D()(x)
    x = Flatten()(x)
    x = Dense(64, activation="relu", kernel_initializer=init)(x)
    x = Dense(10, activation="softmax")(x)
    model = Model(inp, x)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return Subject(model)


@faulty("constant-initializer", "initializer-activation-mismatch")
def homemade_linear_layer_whose_weights_start_as_ones():
    class Linear(layers.Layer):
        def __init__(self, units=32):
            super().__init__()
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones", trainable=True)
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

        def call(self, inputs):
            return ops.matmul(inputs, self.w) + self.b

    inputs = Input((8,))
    x = layers.ReLU()(Linear(32)(inputs))
    x = layers.ReLU()(Linear(32)(x))
    model = Model(inputs, Dense(1)(x))
    model.compile(optimizer="sgd", loss="mse")
    return Subject(model)


# ---------------------------------------------------------------- initializer-activation-mismatch


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def wide_tanh_layers_from_a_standard_normal():
    init = keras.initializers.RandomNormal(mean=0.0, stddev=1.0, seed=1)
    model = Sequential()
    model.add(Input((64,)))
    for _ in range(4):
        model.add(Dense(256, kernel_initializer=init))
        model.add(Activation("tanh"))
    model.add(Dense(5, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.01, momentum=0.9))
    return Subject(model)


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def ten_relu_layers_with_tiny_normal_weights():
    small = keras.initializers.RandomNormal(stddev=0.001, seed=2)
    h = inputs = keras.Input((100,))
    for i in range(10):
        h = Dense(100, activation="relu", kernel_initializer=small, name=f"fc{i + 1}")(h)
    model = keras.Model(inputs, Dense(10, activation="softmax", name="probs")(h))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("initializer-activation-mismatch", "signal-scale", "gradient-scale")
def uniform_0_to_1_weights_under_sigmoids():
    class ForwardNet(keras.Model):
        def __init__(self, n_in):
            super().__init__()
            uniform = keras.initializers.RandomUniform(0, 1, seed=3)
            self.net = Sequential(
                [
                    Input((n_in,)),
                    Dense(128, activation="sigmoid", kernel_initializer=uniform),
                    Dense(64, activation="sigmoid", kernel_initializer=uniform),
                    Dense(1, kernel_initializer="glorot_uniform"),
                ]
            )

        def call(self, x):
            return self.net(x)

    model = ForwardNet(20)
    model.build((None, 20))
    model.compile(optimizer=keras.optimizers.Adam(), loss="mean_squared_error")
    return Subject(model)


@faulty("initializer-activation-mismatch", "signal-scale", "initial-loss", "gradient-scale")
def vgg_style_convolutions_from_truncated_normal_of_one():
    def conv(filters):
        init = keras.initializers.TruncatedNormal(stddev=1.0)
        return Conv2D(filters, (3, 3), padding="same", activation="relu", kernel_initializer=init)

    model = Sequential([Input((32, 32, 3))])
    for filters in (32, 64, 128):
        model.add(conv(filters))
        model.add(conv(filters))
        model.add(MaxPooling2D((2, 2)))
    model.add(Flatten())
    model.add(Dense(64, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- missing-nonlinearity


@faulty("missing-nonlinearity")
def regression_net_with_linear_written_everywhere():
    x, y = _numbers(1500, 13, 1, seed=601)
    model = Sequential()
    model.add(Input(shape=(13,)))
    model.add(Dense(32, activation="linear"))
    model.add(Dense(16, activation="linear"))
    model.add(Dense(8, activation="linear"))
    model.add(Dense(1, activation="linear"))
    model.compile(loss="mean_squared_error", optimizer="adam", metrics=["mae"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


@faulty("missing-nonlinearity")
def conv_and_batch_norm_pairs_where_relu_was_left_out():
    inputs = keras.Input(shape=(64, 64, 3))
    x = inputs
    for f in [16, 32, 64, 128, 128]:
        x = layers.Conv2D(f, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(6, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="flowers")
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("missing-nonlinearity")
def subclassed_autoencoder_without_any_activation():
    class Autoencoder(keras.Model):
        def __init__(self, latent_dim=16):
            super().__init__()
            self.encoder = Sequential([Input((784,)), Dense(256), Dense(64), Dense(latent_dim)])
            self.decoder = Sequential([Input((latent_dim,)), Dense(64), Dense(256), Dense(784, activation="sigmoid")])

        def call(self, x):
            return self.decoder(self.encoder(x))

    model = Autoencoder()
    model.build((None, 784))
    model.compile(optimizer="adam", loss="mse")
    return Subject(model)


@faulty("missing-nonlinearity")
def movie_recommender_with_plain_dense_after_the_embeddings():
    n_users, n_movies, k = 600, 900, 16
    user = Input(shape=(1,), name="user_id", dtype="int32")
    movie = Input(shape=(1,), name="movie_id", dtype="int32")
    u = Flatten()(Embedding(n_users, k)(user))
    m = Flatten()(Embedding(n_movies, k)(movie))
    x = layers.Concatenate()([u, m])
    x = Dense(64)(x)
    x = Dense(32)(x)
    rating = Dense(1, name="rating")(x)
    model = Model([user, movie], rating)
    model.compile(optimizer="adam", loss="mse", metrics=[keras.metrics.RootMeanSquaredError()])
    return Subject(model)


# ---------------------------------------------------------------- non-differentiable-activation


@faulty("non-differentiable-activation", "gradient-scale")
def perceptron_with_a_step_function_in_the_hidden_layers():
    x, y = _table(1000, 6, 2, seed=701)

    def step(v):
        return ops.cast(v > 0, "float32")

    model = Sequential(
        [Input((6,)), Dense(16, activation=step), Dense(8, activation=step), Dense(1, activation="sigmoid")]
    )
    model.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


@faulty("non-differentiable-activation", "gradient-scale")
def wine_quality_rounded_to_whole_numbers_inside_the_model():
    inputs = Input((11,))
    x = Dense(64, activation="relu")(inputs)
    x = Dense(32, activation="relu")(x)
    x = Dense(1)(x)
    quality = layers.Lambda(lambda t: ops.round(t), name="quality")(x)
    model = Model(inputs, quality)
    model.compile(optimizer="adam", loss="mae")
    return Subject(model)


@faulty("non-differentiable-activation", "gradient-scale", "output-activation-mismatch")
def class_number_by_argmax_as_the_last_step():
    class Digits(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten = Flatten()
            self.hidden = Dense(64, activation="relu")
            self.scores = Dense(10, activation="softmax")

        def call(self, images):
            x = self.scores(self.hidden(self.flatten(images)))
            return ops.cast(ops.argmax(x, axis=-1), "float32")

    model = Digits()
    model(keras.Input((28, 28)))
    model.compile(optimizer="adam", loss="mse", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- pooling-collapse


@faulty("pooling-collapse", "receptive-field")
def seven_conv_pool_blocks_on_cifar():
    model = Sequential()
    model.add(Input((32, 32, 3)))
    for n in (16, 32, 64, 64, 128, 128, 256):
        model.add(Conv2D(n, (3, 3), padding="same", activation="relu"))
        model.add(MaxPooling2D((2, 2), padding="same"))
    model.add(Flatten())
    model.add(Dense(64, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("pooling-collapse", "receptive-field")
def mobilenet_from_scratch_on_pictures_of_32_pixels():
    net = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    inp = Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inp)
    x = net(x)
    model = Model(inp, Dense(10, activation="softmax")(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("pooling-collapse")
def cnn_lstm_on_60_days_that_leaves_one_step_to_the_lstm():
    model = Sequential(
        [
            Input((60, 5)),
            Conv1D(32, 5, activation="relu", padding="same"),
            MaxPooling1D(4),
            Conv1D(64, 3, activation="relu", padding="same"),
            MaxPooling1D(4),
            Conv1D(64, 3, activation="relu", padding="same"),
            MaxPooling1D(3),
            LSTM(50),
            Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(clipnorm=1.0), loss="mse")
    return Subject(model)


# ---------------------------------------------------------------- receptive-field


@faulty("receptive-field")
def two_small_convolutions_then_average_of_a_224_photo():
    inp = Input(shape=(224, 224, 3))
    x = Conv2D(32, (3, 3), activation="relu", padding="same")(inp)
    x = Conv2D(64, (3, 3), activation="relu", padding="same")(x)
    x = GlobalAveragePooling2D()(x)
    x = Dense(64, activation="relu")(x)
    out = Dense(5, activation="softmax")(x)
    model = Model(inp, out)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("receptive-field")
def lung_masks_from_four_convolutions_without_any_pooling():
    class LungSeg(keras.Model):
        def __init__(self):
            super().__init__()
            self.convs = [Conv2D(16, 3, padding="same", activation="relu") for _ in range(4)]
            self.head = Conv2D(1, 1, activation="sigmoid")

        def call(self, x):
            for conv in self.convs:
                x = conv(x)
            return self.head(x)

    xray = Input((256, 256, 1))
    model = LungSeg()
    model(xray)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=[keras.metrics.BinaryIoU()])
    return Subject(model)


# ---------------------------------------------------------------- excess-capacity


@faulty("excess-capacity")
def three_layers_of_2048_for_600_patients():
    x, y = _table(600, 8, 2, seed=1001)
    model = Sequential()
    model.add(Input((8,)))
    model.add(Dense(2048, activation="relu"))
    model.add(Dense(2048, activation="relu"))
    model.add(Dense(1024, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    data = {"train": (x[:480], y[:480]), "validation": (x[480:], y[480:])}
    return Subject(model, data=data, batch_size=32)


@faulty("excess-capacity")
def flatten_into_dense_512_for_500_pictures():
    x, y = _images(500, 64, 3, 4, seed=1002)
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32)


# ---------------------------------------------------------------- bias-before-batch-norm


@faulty("bias-before-batch-norm", is_info=True)
def convolutions_with_default_bias_then_batch_norm():
    model = Sequential([Input((32, 32, 3))])
    for filters in (32, 64, 128):
        model.add(Conv2D(filters, (3, 3), padding="same"))
        model.add(BatchNormalization())
        model.add(Activation("relu"))
        model.add(MaxPooling2D())
    model.add(Flatten())
    model.add(Dropout(0.5))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("bias-before-batch-norm", is_info=True)
def dense_with_bias_into_batch_norm_and_leaky_relu():
    def block(x, units):
        x = layers.Dense(units, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        return layers.LeakyReLU(negative_slope=0.1)(x)

    inputs = keras.Input((30,), name="transactions")
    h = block(block(inputs, 64), 32)
    outputs = layers.Dense(1, activation="sigmoid", name="fraud")(h)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=[keras.metrics.AUC()])
    return Subject(model)


# ---------------------------------------------------------------- misplaced-dropout


@faulty("misplaced-dropout")
def dropout_put_behind_the_softmax():
    model = Sequential()
    model.add(Input((28, 28, 1)))
    model.add(Conv2D(32, (3, 3), activation="relu"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Flatten())
    model.add(Dense(64, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    model.add(Dropout(0.5))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model)


@faulty("misplaced-dropout")
def keep_probability_of_old_tutorials_taken_for_the_dropout_rate():
    keep_prob = 0.9
    inputs = Input((50,))
    x = Dense(128, activation="relu")(inputs)
    x = Dropout(keep_prob)(x)
    x = Dense(64, activation="relu")(x)
    x = Dropout(keep_prob)(x)
    model = Model(inputs, Dense(3, activation="softmax")(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("misplaced-dropout")
def dropout_between_convolution_and_batch_norm():
    inp = keras.Input((48, 48, 1))
    x = inp
    for filters in (32, 64, 128):
        x = Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = Dropout(0.4)(x)
        x = BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = MaxPooling2D()(x)
    x = Flatten()(x)
    model = keras.Model(inp, Dense(7, activation="softmax")(x), name="emotions")
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- large-batch


@faulty("large-batch")
def batch_size_set_to_the_length_of_the_training_set():
    x, y = _table(1600, 20, 4, seed=1301)
    y = keras.utils.to_categorical(y, 4)
    model = Sequential([Input((20,)), Dense(24, activation="relu"), Dense(12, activation="relu"), Dense(4, "softmax")])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=len(x))


@faulty("large-batch")
def batches_of_one_for_dense_layers_with_batch_norm():
    x, y = _table(1000, 14, 2, seed=1302)
    inp = Input((14,))
    h = Dense(24, use_bias=False)(inp)
    h = BatchNormalization()(h)
    h = Activation("relu")(h)
    h = Dense(12, use_bias=False)(h)
    h = BatchNormalization()(h)
    h = Activation("relu")(h)
    model = Model(inp, Dense(1, activation="sigmoid")(h))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y[:, None].astype("float32")), batch_size=1)


# ---------------------------------------------------------------- missing-clipping


@faulty("missing-clipping")
def stacked_lstm_over_1000_heart_beats_unclipped():
    model = Sequential()
    model.add(Input((1000, 2)))
    model.add(LSTM(64, return_sequences=True))
    model.add(Dropout(0.2))
    model.add(LSTM(64))
    model.add(Dense(5, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model)


@faulty("missing-clipping", "gradient-scale")
def simple_rnn_writes_text_from_400_characters():
    class CharRNN(keras.Model):
        def __init__(self, vocab_size, embedding_dim, rnn_units):
            super().__init__()
            self.embedding = Embedding(vocab_size, embedding_dim)
            self.rnn = layers.SimpleRNN(rnn_units, return_sequences=True)
            self.dense = Dense(vocab_size)

        def call(self, inputs):
            return self.dense(self.rnn(self.embedding(inputs)))

    chars = Input((400,), dtype="int32")
    model = CharRNN(66, 32, 128)
    model(chars)
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return Subject(model)


# ---------------------------------------------------------------- dominant-regularization


@faulty("dominant-regularization")
def l2_of_one_on_every_dense_layer():
    x, y = _table(1500, 20, 2, seed=1501)
    model = Sequential()
    model.add(Input((20,)))
    model.add(Dense(64, activation="relu", kernel_regularizer=regularizers.l2(1.0)))
    model.add(Dense(32, activation="relu", kernel_regularizer=regularizers.l2(1.0)))
    model.add(Dense(1, activation="sigmoid", kernel_regularizer=regularizers.l2(1.0)))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


@faulty("dominant-regularization")
def l1_of_a_tenth_all_over_a_convnet():
    reg = keras.regularizers.L1(0.1)
    inp = Input((32, 32, 3))
    x = Conv2D(32, 3, activation="relu", padding="same", kernel_regularizer=reg)(inp)
    x = MaxPooling2D()(x)
    x = Conv2D(64, 3, activation="relu", padding="same", kernel_regularizer=reg)(x)
    x = MaxPooling2D()(x)
    x = Flatten()(x)
    x = Dense(64, activation="relu", kernel_regularizer=reg)(x)
    x = Dense(10, activation="softmax")(x)
    model = Model(inp, x)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- training-mode-fixed


@faulty("training-mode-fixed")
def batch_norm_called_with_training_true_in_residual_blocks():
    class ResBlock(layers.Layer):
        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.conv1 = Conv2D(filters, 3, padding="same", use_bias=False)
            self.bn1 = BatchNormalization()
            self.conv2 = Conv2D(filters, 3, padding="same", use_bias=False)
            self.bn2 = BatchNormalization()

        def call(self, x):
            h = ops.relu(self.bn1(self.conv1(x), training=True))
            h = self.bn2(self.conv2(h), training=True)
            return ops.relu(h + x)

    class SmallResNet(keras.Model):
        def __init__(self, num_classes):
            super().__init__()
            self.stem = Conv2D(32, 3, strides=2, padding="same", activation="relu")
            self.block1 = ResBlock(32)
            self.down = Conv2D(64, 3, strides=2, padding="same", activation="relu")
            self.block2 = ResBlock(64)
            self.pool = GlobalAveragePooling2D()
            self.fc = Dense(num_classes, activation="softmax")

        def call(self, x):
            x = self.block1(self.stem(x))
            x = self.block2(self.down(x))
            return self.fc(self.pool(x))

    model = SmallResNet(10)
    model(Input((32, 32, 3)))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("training-mode-fixed")
def augmentation_left_on_for_good_in_call():
    class FlowerClassifier(keras.Model):
        def __init__(self, num_classes):
            super().__init__()
            self.augment = Sequential(
                [layers.RandomFlip("horizontal"), layers.RandomRotation(0.2), layers.RandomZoom(0.2)]
            )
            self.rescale = layers.Rescaling(1.0 / 255)
            self.features = Sequential(
                [
                    Conv2D(16, 3, padding="same", activation="relu"),
                    MaxPooling2D(),
                    Conv2D(32, 3, padding="same", activation="relu"),
                    MaxPooling2D(),
                    Conv2D(64, 3, padding="same", activation="relu"),
                    MaxPooling2D(),
                    Flatten(),
                ]
            )
            self.classify = Dense(num_classes)

        def call(self, images):
            x = self.augment(images, training=True)
            x = self.features(self.rescale(x))
            return self.classify(x)

    model = FlowerClassifier(5)
    model(np.zeros((1, 64, 64, 3), "float32"))
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return Subject(model)


# ---------------------------------------------------------------- frozen-head

# No weights can be fetched here: the backbones below stand for those with weights="imagenet".


@faulty("frozen-head")
def whole_transfer_model_frozen_instead_of_its_base():
    base_model = keras.applications.MobileNet((96, 96, 3), alpha=0.25, include_top=False, weights=None)
    model = Sequential(
        [
            Input((96, 96, 3)),
            layers.Rescaling(1.0 / 127.5, offset=-1),
            base_model,
            GlobalAveragePooling2D(),
            Dropout(0.2),
            Dense(3, activation="softmax"),
        ]
    )
    model.trainable = False
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("frozen-head")
def last_layers_frozen_where_the_first_were_meant():
    base = keras.applications.MobileNet((96, 96, 3), alpha=0.25, include_top=False, weights=None)
    x = GlobalAveragePooling2D()(base.output)
    x = Dense(64, activation="relu")(x)
    predictions = Dense(2, activation="softmax")(x)
    model = Model(inputs=base.input, outputs=predictions)
    for layer in model.layers[-20:]:
        layer.trainable = False
    model.compile(optimizer=keras.optimizers.Adam(1e-5), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- unfrozen-batch-norm


@faulty("unfrozen-batch-norm")
def condition_turned_round_so_that_only_batch_norm_learns_in_the_base():
    base = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    for layer in base.layers:
        if not isinstance(layer, BatchNormalization):
            layer.trainable = False
    inputs = Input((96, 96, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(inputs)
    x = base(x)
    x = GlobalAveragePooling2D()(x)
    model = Model(inputs, Dense(4, activation="softmax")(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("unfrozen-batch-norm")
def only_the_convolutions_of_the_backbone_frozen():
    backbone = keras.applications.MobileNet((128, 128, 3), alpha=0.5, include_top=False, weights=None)
    for layer in backbone.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            layer.trainable = False
    x = layers.GlobalMaxPooling2D()(backbone.output)
    x = Dropout(0.3)(x)
    x = Dense(1, activation="sigmoid", name="pneumonia")(x)
    model = Model(backbone.input, x)
    model.compile(keras.optimizers.Adam(1e-4), loss="binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    return Subject(model)


# ---------------------------------------------------------------- fine-tuning-rate


@faulty("fine-tuning-rate")
def top_of_the_backbone_unfrozen_and_compiled_with_plain_adam():
    conv_base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(96, 96, 3))
    for layer in conv_base.layers:
        layer.trainable = layer.name.startswith("block5")
    inputs = keras.Input((96, 96, 3))
    x = keras.applications.vgg16.preprocess_input(inputs)
    x = conv_base(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model)


# ---------------------------------------------------------------- backbone-preprocessing


@faulty("backbone-preprocessing")
def images_divided_by_255_before_an_efficientnet_that_does_it_itself():
    base = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(96, 96, 3))
    base.trainable = False
    model = Sequential()
    model.add(Input((96, 96, 3)))
    model.add(layers.Rescaling(1.0 / 255))
    model.add(base)
    model.add(GlobalAveragePooling2D())
    model.add(Dense(5, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@faulty("backbone-preprocessing", "unscaled-inputs")
def raw_bytes_given_to_a_frozen_mobilenet():
    x, y = _images(400, 64, 3, 3, seed=2001)
    x = (x * 255).astype("uint8")
    base = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    base.trainable = False
    inputs = Input((64, 64, 3))
    features = base(inputs, training=False)
    outputs = Dense(3, activation="softmax")(features)
    model = Model(inputs, outputs)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32)


# ---------------------------------------------------------------- cannot-run


@faulty("cannot-run")
def grey_pictures_for_a_net_that_wants_three_channels():
    x, y = _images(600, 32, 1, 4, seed=2101)
    model = Sequential(
        [
            Input((32, 32, 3)),
            Conv2D(8, 3, activation="relu"),
            MaxPooling2D(),
            Conv2D(16, 3, activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.4),
            Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


@faulty("cannot-run", "gradient-scale")
def r2_score_of_scikit_learn_used_as_the_loss():
    from sklearn.metrics import r2_score

    def r2_loss(y_true, y_pred):
        return 1.0 - r2_score(y_true, y_pred)

    x, y = _numbers(1000, 8, 1, seed=2102)
    model = Sequential([Input((8,)), Dense(24, activation="relu"), Dense(12, activation="relu"), Dense(1)])
    model.compile(optimizer="adam", loss=r2_loss)
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


# ---------------------------------------------------------------- initial-loss


@faulty("initial-loss", "one-batch-fit", "gradient-scale", "label-range")
def house_prices_in_full_dollars_as_targets():
    x, y = _numbers(1400, 12, 1, seed=2201)
    prices = np.round(310_000 + 80_000 * y, -2)
    frame = pd.DataFrame(x, columns=[f"feature_{i}" for i in range(12)])
    model = Sequential([Input((12,)), Dense(32, activation="relu"), Dense(16, activation="relu"), Dense(1)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(model, data=(frame, prices), batch_size=32, dry_run=True)


@faulty("initial-loss", "initializer-activation-mismatch")
def last_layer_drawn_from_a_normal_of_wide_spread():
    x, y = _images(1200, 20, 1, 10, seed=2202)
    model = keras.Sequential(
        [
            Input((20, 20, 1)),
            Flatten(),
            Dense(128, activation="relu"),
            Dropout(0.3),
            Dense(10, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(0.0, 5.0, seed=4)),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


# ---------------------------------------------------------------- one-batch-fit


@faulty("one-batch-fit")
def adam_with_a_learning_rate_of_one():
    x, y = _waves(1200, 50, 3, seed=2301)
    model = Sequential()
    model.add(Input((50, 1)))
    model.add(Conv1D(16, 5, activation="relu"))
    model.add(MaxPooling1D(2))
    model.add(Conv1D(16, 5, activation="relu"))
    model.add(Flatten())
    model.add(Dropout(0.3))
    model.add(Dense(16, activation="relu"))
    model.add(Dense(3, activation="softmax"))
    model.compile(
        loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(learning_rate=1.0), metrics=["accuracy"]
    )
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


# ---------------------------------------------------------------- signal-scale


@faulty("signal-scale", "unscaled-inputs", "one-batch-fit")
def pictures_divided_by_255_in_numpy_and_again_in_the_model():
    x, y = _images(1000, 32, 3, 5, seed=2401)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


# ---------------------------------------------------------------- gradient-scale


@faulty("gradient-scale", "signal-scale", "one-batch-fit")
def twelve_sigmoid_layers_in_a_row():
    x, y = _table(1500, 10, 3, seed=2501)
    model = Sequential([Input((10,))])
    for _ in range(12):
        model.add(Dense(16, activation="sigmoid"))
    model.add(Dense(3, activation="softmax"))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, data=(x, y), batch_size=32, dry_run=True)


@faulty("gradient-scale")
def second_head_left_out_of_the_loss():
    x, digit = _images(1200, 20, 1, 10, seed=2502)
    image = Input((20, 20, 1), name="image")
    h = Conv2D(8, 3, activation="relu")(image)
    h = MaxPooling2D()(h)
    h = Flatten()(h)
    h = Dropout(0.3)(h)
    a = Dense(24, activation="relu", name="digit_hidden")(h)
    b = Dense(16, activation="relu", name="parity_hidden")(h)
    model = Model(
        image,
        {
            "digit": Dense(10, activation="softmax", name="digit")(a),
            "parity": Dense(1, activation="sigmoid", name="parity")(b),
        },
    )
    model.compile(
        optimizer="adam",
        loss={"digit": "sparse_categorical_crossentropy", "parity": None},
        metrics={"digit": "accuracy"},
    )
    labels = {"digit": digit, "parity": (digit % 2).astype("float32")[:, None]}
    return Subject(model, data=(x, labels), batch_size=32, dry_run=True)
