"""Models and data sets that an expert would let pass, plain ones and ones that look wrong at first sight."""

from __future__ import annotations

import math

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_friedman1, make_moons
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.audit.case import Subject, sound


def _drawings(seed: int, n: int, size: int = 24, classes: int = 3):
    """Images of one noisy shape each in 0..1, the class, the mask and the box (centre, height, width)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    row, column = np.mgrid[:size, :size]
    x = rng.uniform(0, 0.3, (n, size, size, 1))
    masks = np.zeros((n, size, size, 1), "float32")
    boxes = np.zeros((n, 4), "float32")
    for i in range(n):
        radius = rng.uniform(size / 6, size / 4)
        r, c = rng.uniform(radius + 1, size - radius - 1, 2)
        dr, dc = abs(row - r), abs(column - c)
        inside = (np.hypot(dr, dc) < radius, np.maximum(dr, dc) < radius, dr + dc < radius)[y[i]]
        masks[i, inside] = 1
        x[i][inside] += rng.uniform(0.4, 0.7)
        boxes[i] = r / size, c / size, 2 * radius / size, 2 * radius / size
    return x.astype("float32"), y, masks, boxes


def _table(seed: int, n: int, width: int = 8):
    """A standardised table and a smooth signal of about unit variance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)).astype("float32")
    signal = 0.8 * x[:, 0] + np.sin(1.5 * x[:, 1]) * 0.7 - 0.4 * x[:, 2] * x[:, 3]
    return x, signal.astype("float32")


# --- models


@sound
def two_convolutions_and_dropout_for_ten_digits():
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model)


@sound
def two_way_lstm_over_film_reviews_with_clipped_norm():
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = layers.Embedding(20000, 64, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(32))(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(clipnorm=1.0), "binary_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def pre_norm_vision_transformer_with_logits():
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(48, 4, strides=4, name="patches")(x)
    x = layers.Reshape((64, 48))(x)
    x = x + layers.Embedding(64, 48)(ops.arange(64))
    for _ in range(3):
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 12, dropout=0.1)(h, h)])
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        h = layers.Dense(96, activation="gelu")(h)
        h = layers.Dropout(0.1)(h)
        x = layers.Add()([x, layers.Dense(48)(h)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(100)(x))
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseTopKCategoricalAccuracy(5)],
    )
    return Subject(model)


@sound
def frozen_principal_components_below_a_small_head():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    mean = x_train.mean(axis=0)
    _, scale, axes = np.linalg.svd(x_train - mean, full_matrices=False)
    basis = axes[:20].T / (scale[:20] / math.sqrt(len(x_train)))
    project = layers.Dense(20, trainable=False, name="components")
    model = keras.Sequential(
        [
            keras.Input((64,)),
            project,
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    project.set_weights([basis, -mean @ basis])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (x_train, y_train), "validation": (x_val, y_val)}, dry_run=True)


@sound
def residual_net_whose_last_scale_of_a_block_begins_at_zero():
    def conv(h, filters, size, strides=1, gamma="ones"):
        h = layers.Conv2D(filters, size, strides, "same", use_bias=False, kernel_initializer="he_normal")(h)
        return layers.BatchNormalization(gamma_initializer=gamma)(h)

    inputs = keras.Input((32, 32, 3))
    h = layers.ReLU()(conv(inputs, 16, 3))
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        for step in (strides, 1):
            skip = h if step == 1 and h.shape[-1] == filters else conv(h, filters, 1, step)
            h = layers.ReLU()(conv(h, filters, 3, step))
            h = layers.ReLU()(layers.add([skip, conv(h, filters, 3, gamma="zeros")]))
    h = layers.GlobalAveragePooling2D()(h)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(h))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy")
    return Subject(model)


@sound
def noise_taken_out_of_pictures_by_a_convolutional_autoencoder():
    x = _drawings(106, 500)[0].clip(0, 1)
    noisy = (x + 0.2 * np.random.default_rng(106).normal(size=x.shape)).clip(0, 1).astype("float32")
    image = layers.Input(shape=(24, 24, 1))
    h = layers.Conv2D(16, (3, 3), activation="relu", padding="same")(image)
    h = layers.MaxPooling2D((2, 2), padding="same")(h)
    h = layers.Conv2D(16, (3, 3), activation="relu", padding="same")(h)
    h = layers.MaxPooling2D((2, 2), padding="same")(h)
    h = layers.Conv2DTranspose(16, (3, 3), strides=2, activation="relu", padding="same")(h)
    h = layers.Conv2DTranspose(16, (3, 3), strides=2, activation="relu", padding="same")(h)
    model = keras.Model(image, layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(h))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return Subject(model, {"train": (noisy[:400], x[:400]), "validation": (noisy[400:], x[400:])})


class DrawCode(layers.Layer):
    """Draws a code and adds its divergence from the unit normal to the loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        kl = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(ops.mean(kl))
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


def summed_crossentropy(y_true, y_pred):
    return ops.sum(ops.binary_crossentropy(y_true, y_pred), axis=-1)


@sound
def variational_autoencoder_with_divergence_in_a_layer():
    inputs = keras.Input((784,))
    h = layers.Dense(256, activation="relu")(inputs)
    code = DrawCode()([layers.Dense(2, name="mean")(h), layers.Dense(2, name="log_variance")(h)])
    h = layers.Dense(256, activation="relu")(code)
    model = keras.Model(inputs, layers.Dense(784, activation="sigmoid")(h))
    model.compile(keras.optimizers.Adam(1e-3), loss=summed_crossentropy)
    return Subject(model)


@sound
def small_u_net_with_logits_for_one_mask():
    x, _, masks, _ = _drawings(108, 400, size=32)
    inputs = keras.Input((32, 32, 1))
    skips, h = [], inputs
    for filters in (8, 16):
        h = layers.Conv2D(filters, 3, padding="same", use_bias=False)(h)
        h = layers.Activation("relu")(layers.BatchNormalization()(h))
        skips.append(h)
        h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(32, 3, padding="same", activation="relu")(h)
    for filters, skip in zip((16, 8), reversed(skips), strict=True):
        h = layers.UpSampling2D()(h)
        h = layers.Concatenate()([h, skip])
        h = layers.Conv2D(filters, 3, padding="same", activation="relu")(h)
    model = keras.Model(inputs, layers.Conv2D(1, 1)(h))
    model.compile(
        "adam",
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    data = {"train": (x[:320], masks[:320]), "validation": (x[320:], masks[320:])}
    return Subject(model, data, batch_size=16, dry_run=True)


@sound
def wide_and_deep_on_columns_and_codes():
    rng = np.random.default_rng(109)
    n = 1500
    numbers = rng.normal(size=(n, 5)).astype("float32")
    job, city = rng.integers(0, 12, n), rng.integers(0, 30, n)
    odds = numbers[:, 0] - numbers[:, 1] + rng.normal(size=12)[job] + rng.normal(size=30)[city]
    y = (odds + 0.5 * rng.normal(size=n) > 0).astype("float32")
    numeric = keras.Input((5,), name="numbers")
    job_id, city_id = keras.Input((), dtype="int32", name="job"), keras.Input((), dtype="int32", name="city")
    deep = layers.Concatenate()([numeric, layers.Embedding(12, 4)(job_id), layers.Embedding(30, 6)(city_id)])
    deep = layers.Dense(32, activation="relu")(deep)
    deep = layers.Dropout(0.2)(deep)
    deep = layers.Dense(16, activation="relu")(deep)
    both = layers.concatenate([deep, numeric])
    model = keras.Model([numeric, job_id, city_id], layers.Dense(1, activation="sigmoid")(both))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
    x = {"numbers": numbers, "job": job, "city": city}
    train, val = ({k: v[s] for k, v in x.items()} for s in (slice(0, 1200), slice(1200, n)))
    return Subject(model, {"train": (train, y[:1200]), "validation": (val, y[1200:])}, dry_run=True)


@sound
def age_and_sex_from_one_face_with_two_heads():
    face = keras.Input((64, 64, 3), name="face")
    h = layers.Rescaling(1.0 / 255)(face)
    for filters in (16, 32, 64, 64):
        h = layers.Conv2D(filters, 3, padding="same", activation="relu")(h)
        h = layers.MaxPooling2D()(h)
    h = layers.Flatten()(h)
    h = layers.Dense(64, activation="relu")(h)
    h = layers.Dropout(0.3)(h)
    outputs = {"age": layers.Dense(1, name="age")(h), "sex": layers.Dense(1, activation="sigmoid", name="sex")(h)}
    model = keras.Model(face, outputs)
    model.compile(
        "adam",
        loss={"age": "mae", "sex": "binary_crossentropy"},
        loss_weights={"age": 0.05, "sex": 1.0},
        metrics={"sex": ["accuracy"]},
    )
    return Subject(model)


@sound
def generator_trained_through_a_judge_held_still():
    judge = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="judge",
    )
    judge.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), "binary_crossentropy")
    judge.trainable = False
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 64),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
        ],
        name="generator",
    )
    code = keras.Input((100,))
    gan = keras.Model(code, judge(generator(code)))
    gan.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss="binary_crossentropy")
    return Subject(gan)


def wasserstein(y_true, y_pred):
    return -ops.mean(ops.cast(y_true, y_pred.dtype) * y_pred)


@sound
def critic_of_real_and_false_with_unbounded_score():
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 5, strides=2, padding="same", kernel_initializer="he_normal"))
        model.add(layers.LayerNormalization())
        model.add(layers.LeakyReLU(negative_slope=0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(1))
    model.compile(keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9), loss=wasserstein)
    return Subject(model)


@sound
def action_values_from_four_stacked_frames():
    frames = keras.Input((84, 84, 4), dtype="uint8")
    h = layers.Rescaling(1 / 255)(frames)
    h = layers.Conv2D(32, 8, strides=4, activation="relu")(h)
    h = layers.Conv2D(64, 4, strides=2, activation="relu")(h)
    h = layers.Conv2D(64, 3, activation="relu")(h)
    h = layers.Flatten()(h)
    value = layers.Dense(1)(layers.Dense(128, activation="relu")(h))
    gain = layers.Dense(6)(layers.Dense(128, activation="relu")(h))
    model = keras.Model(frames, value + gain - ops.mean(gain, axis=1, keepdims=True))
    model.compile(keras.optimizers.Adam(1e-4, clipnorm=10.0), loss=keras.losses.Huber())
    return Subject(model)


@sound
def policy_and_value_on_a_common_body():
    state = keras.Input((4,))
    h = layers.Dense(64, activation="tanh", kernel_initializer="orthogonal")(state)
    h = layers.Dense(64, activation="tanh", kernel_initializer="orthogonal")(h)
    policy = layers.Dense(2, activation="softmax", kernel_initializer=keras.initializers.Orthogonal(0.01))(h)
    value = layers.Dense(1, kernel_initializer=keras.initializers.Orthogonal(1.0))(h)
    model = keras.Model(state, [policy, value])
    model.compile(
        optimizer=keras.optimizers.Adam(3e-4, global_clipnorm=0.5),
        loss=["sparse_categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.5],
    )
    return Subject(model)


@sound
def steering_copied_from_a_driver_by_tanh_and_squares():
    x, signal = _table(115, 1500, 10)
    steer = np.tanh(signal + 0.05 * np.random.default_rng(115).normal(size=1500)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, "tanh", kernel_initializer=keras.initializers.RandomUniform(-3e-3, 3e-3, seed=5)),
        ]
    )
    model.compile("adam", "mse")
    return Subject(model, {"train": (x[:1200], steer[:1200]), "validation": (x[1200:], steer[1200:])}, dry_run=True)


@sound
def claims_per_year_with_exponential_output_and_poisson():
    x, signal = _table(116, 1600, 6)
    claims = np.random.default_rng(116).poisson(np.exp(0.6 * signal)).astype("float32")
    inputs = keras.Input((6,))
    h = layers.Dense(24, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(1, activation="exponential")(h))
    model.compile(keras.optimizers.Adam(1e-3), loss="poisson")
    return Subject(model, {"train": (x[:1300], claims[:1300]), "validation": (x[1300:], claims[1300:])})


def pinball(y_true, y_pred):
    level = ops.convert_to_tensor([0.1, 0.5, 0.9], dtype="float32")
    gap = ops.cast(y_true, "float32") - y_pred
    return ops.mean(ops.maximum(level * gap, (level - 1) * gap), axis=-1)


@sound
def three_quantiles_against_one_column_of_targets():
    x, signal = _table(117, 1500)
    y = (signal + 0.4 * np.random.default_rng(117).normal(size=1500)).astype("float32")[:, None]
    inputs = keras.Input((8,))
    h = layers.Dense(48, activation="relu")(inputs)
    h = layers.Dense(24, activation="relu")(h)
    model = keras.Model(inputs, layers.Dense(3, name="p10_p50_p90")(h))
    model.compile(keras.optimizers.Adam(2e-3), loss=pinball)
    return Subject(model, {"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


def mixture_likelihood(y_true, y_pred):
    weight, mean, log_deviation = ops.split(y_pred, 3, axis=-1)
    z = (ops.cast(y_true, "float32") - mean) / ops.exp(log_deviation)
    each = ops.log_softmax(weight, axis=-1) - log_deviation - 0.5 * ops.square(z) - 0.5 * math.log(2 * math.pi)
    return -ops.logsumexp(each, axis=-1)


@sound
def mixture_of_five_normals_for_an_ambiguous_angle():
    model = keras.Sequential(name="mixture_density")
    model.add(keras.Input((1,)))
    model.add(layers.Dense(32, activation="tanh"))
    model.add(layers.Dense(32, activation="tanh"))
    model.add(layers.Dense(15))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=mixture_likelihood)
    return Subject(model)


@sound
def gated_causal_convolutions_foresee_the_next_amplitude():
    wave = keras.Input((256, 1))
    h = layers.Conv1D(24, 2, padding="causal")(wave)
    total = 0
    for step in range(6):
        look = layers.Conv1D(24, 2, padding="causal", dilation_rate=2**step, activation="tanh")(h)
        gate = layers.Conv1D(24, 2, padding="causal", dilation_rate=2**step, activation="sigmoid")(h)
        both = layers.Multiply()([look, gate])
        total = total + layers.Conv1D(24, 1)(both)
        h = layers.Add()([h, layers.Conv1D(24, 1)(both)])
    h = layers.Conv1D(64, 1, activation="relu")(layers.ReLU()(total))
    model = keras.Model(wave, layers.Conv1D(256, 1, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy")
    return Subject(model)


@sound
def translator_of_letters_with_handed_over_state():
    source, target = keras.Input((None, 71)), keras.Input((None, 93))
    _, state_h, state_c = layers.LSTM(128, return_state=True)(source)
    h = layers.LSTM(128, return_sequences=True)(target, initial_state=[state_h, state_c])
    model = keras.Model([source, target], layers.TimeDistributed(layers.Dense(93, activation="softmax"))(h))
    model.compile(keras.optimizers.RMSprop(clipvalue=1.0), "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def captcha_reader_with_blank_and_alignment_loss():
    image = keras.Input((100, 40, 1))
    h = layers.Conv2D(24, 3, padding="same", activation="relu")(image)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(32, 3, padding="same", activation="relu")(h)
    h = layers.MaxPooling2D()(h)
    h = layers.Reshape((25, 10 * 32))(h)
    h = layers.Dense(48, activation="relu")(h)
    h = layers.Bidirectional(layers.GRU(48, return_sequences=True))(h)
    model = keras.Model(image, layers.Dense(20)(h))
    model.compile(keras.optimizers.Adam(clipnorm=1.0), loss=keras.losses.CTC())
    return Subject(model)


def contrastive(y_true, y_pred, margin=1.0):
    y_true = ops.cast(y_true, y_pred.dtype)
    return ops.mean((1 - y_true) * ops.square(y_pred) + y_true * ops.square(ops.maximum(margin - y_pred, 0)))


@sound
def twin_towers_and_the_distance_between_them():
    tower = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="tanh"),
        ]
    )
    left, right = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    gap = ops.sum(ops.square(tower(left) - tower(right)), axis=-1, keepdims=True)
    model = keras.Model([left, right], ops.sqrt(ops.maximum(gap, 1e-7)))
    model.compile("rmsprop", loss=contrastive)
    return Subject(model)


@keras.saving.register_keras_serializable("unseen")
class Matrix(keras.Model):
    """Ratings as inner products of two tables of vectors and two tables of offsets."""

    def __init__(self, users=900, films=1700, size=24, **kwargs):
        super().__init__(**kwargs)
        vectors = {"embeddings_initializer": "he_normal", "embeddings_regularizer": keras.regularizers.l2(1e-6)}
        self.user, self.film = layers.Embedding(users, size, **vectors), layers.Embedding(films, size, **vectors)
        self.user_offset, self.film_offset = layers.Embedding(users, 1), layers.Embedding(films, 1)

    def call(self, pair):
        who, what = pair[:, 0], pair[:, 1]
        dot = ops.sum(self.user(who) * self.film(what), axis=1, keepdims=True)
        return ops.sigmoid(dot + self.user_offset(who) + self.film_offset(what))


@sound
def film_ratings_brought_to_one_and_two_big_tables():
    rng = np.random.default_rng(123)
    n = 12000
    pairs = np.stack([rng.integers(0, 900, n), rng.integers(0, 1700, n)], axis=1).astype("int32")
    taste = 0.8 * rng.normal(size=900)[pairs[:, 0]] + rng.normal(size=1700)[pairs[:, 1]]
    stars = np.clip(np.round(3 + taste), 1, 5)
    y = ((stars - 1) / 4).astype("float32")
    model = Matrix()
    model(pairs[:1])
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(1e-3), metrics=["mae"])
    return Subject(model, {"train": (pairs[:10000], y[:10000]), "validation": (pairs[10000:], y[10000:])})


@sound
def rare_object_prior_in_the_bias_of_a_detection_head():
    image = keras.Input((64, 64, 3))
    h = image
    for filters in (16, 32, 64):
        h = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(h)
        h = layers.BatchNormalization()(h)
        h = layers.Activation("swish")(h)
        h = layers.Conv2D(filters, 3, padding="same", activation="swish")(h)
    prior = keras.initializers.Constant(-math.log((1 - 0.01) / 0.01))
    kind = layers.Conv2D(9 * 4, 3, padding="same", bias_initializer=prior)(h)
    kind = layers.Reshape((-1, 4), name="kind")(kind)
    box = layers.Reshape((-1, 4), name="box")(layers.Conv2D(9 * 4, 3, padding="same")(h))
    model = keras.Model(image, {"kind": kind, "box": box})
    model.compile(
        keras.optimizers.Adam(1e-4, clipnorm=10),
        loss={"kind": keras.losses.BinaryFocalCrossentropy(from_logits=True), "box": keras.losses.Huber()},
    )
    return Subject(model)


@sound
def point_cloud_classifier_with_learned_turn_from_identity():
    points = keras.Input((128, 3))

    def dense(h, units):
        h = layers.Conv1D(units, 1, use_bias=False)(h)
        return layers.ReLU()(layers.BatchNormalization()(h))

    turn = layers.GlobalMaxPooling1D()(dense(dense(points, 16), 64))
    turn = layers.Dense(32, activation="relu")(turn)
    identity = keras.initializers.Constant(np.eye(3).ravel().tolist())
    turn = layers.Dense(9, kernel_initializer="zeros", bias_initializer=identity)(turn)
    h = layers.Dot(axes=(2, 1))([points, layers.Reshape((3, 3))(turn)])
    h = layers.GlobalMaxPooling1D()(dense(dense(h, 32), 128))
    h = layers.ReLU()(layers.BatchNormalization()(layers.Dense(64, use_bias=False)(h)))
    h = layers.Dropout(0.3)(h)
    model = keras.Model(points, layers.Dense(10, activation="softmax")(h))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return Subject(model)


class GraphConvolution(layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units)
        self.activation = keras.activations.get(activation)

    def call(self, nodes, links):
        return self.activation(self.dense(ops.matmul(links, nodes)))


@sound
def graphs_of_molecules_with_summed_atoms():
    rng = np.random.default_rng(126)
    n, size = 1200, 12
    links = np.triu(rng.uniform(size=(n, size, size)) < 0.25, 1).astype("float32")
    links = links + links.transpose(0, 2, 1) + np.eye(size, dtype="float32")
    degree = links.sum(axis=2)
    links = links / np.sqrt(degree[:, :, None] * degree[:, None])
    kind = rng.integers(0, 5, (n, size))
    atoms = np.eye(5, dtype="float32")[kind]
    charge = np.array([0.5, -0.4, 0.1, 0.8, -0.7])[kind]
    y = np.einsum("ni,nij,nj->n", charge, links, charge)
    y = ((y - y[:900].mean()) / y[:900].std()).astype("float32")
    a, e = keras.Input((size, 5), name="atoms"), keras.Input((size, size), name="links")
    h = GraphConvolution(24, "relu")(a, e)
    h = GraphConvolution(24, "relu")(h, e)
    h = layers.GlobalAveragePooling1D()(h)
    h = layers.Dense(16, activation="relu")(h)
    model = keras.Model([a, e], layers.Dense(1)(h))
    model.compile("adam", "mse", metrics=["mae"])
    train, val = ([atoms[s], links[s]] for s in (slice(0, 900), slice(900, n)))
    return Subject(model, {"train": (train, y[:900]), "validation": (val, y[900:])}, dry_run=True)


class Thresholds(layers.Layer):
    """Adds a learned threshold for each step of a scale to one common score."""

    def __init__(self, steps, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, _):
        start = np.linspace(1, -1, self.steps).tolist()
        self.cut = self.add_weight(shape=(self.steps,), initializer=keras.initializers.Constant(start), name="cut")

    def call(self, score):
        return score + self.cut


@sound
def four_ordered_thresholds_on_a_single_score():
    x, signal = _table(127, 1600)
    grade = np.digitize(signal, [-1, -0.3, 0.3, 1])
    y = (grade[:, None] > np.arange(4)).astype("float32")
    inputs = keras.Input((8,))
    h = layers.Dense(32, activation="relu")(inputs)
    h = layers.Dense(1, use_bias=False)(h)
    model = keras.Model(inputs, layers.Activation("sigmoid")(Thresholds(4)(h)))
    model.compile("adam", loss="binary_crossentropy")
    return Subject(model, {"train": (x[:1300], y[:1300]), "validation": (x[1300:], y[1300:])}, dry_run=True)


@sound
def many_instruments_in_one_spectrogram():
    spectrum = keras.Input((64, 96, 1))
    h = layers.BatchNormalization()(spectrum)
    for filters in (16, 32, 64, 128):
        h = layers.Conv2D(filters, 3, padding="same", use_bias=False)(h)
        h = layers.BatchNormalization()(h)
        h = layers.ELU()(h)
        h = layers.MaxPooling2D(2)(h)
    h = layers.GlobalAveragePooling2D()(h)
    model = keras.Model(spectrum, layers.Dense(11, activation="sigmoid")(h))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(multi_label=True, num_labels=11)])
    return Subject(model)


@sound
def raw_speech_with_a_first_filter_of_eighty_samples():
    model = keras.Sequential(
        [
            keras.Input((8000, 1)),
            layers.Conv1D(32, 80, strides=16, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(4),
            layers.Conv1D(32, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling1D(4),
            layers.Conv1D(64, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling1D(),
            layers.Dense(35, activation="log_softmax"),
        ]
    )

    def likelihood(y_true, log_p):
        return -ops.sum(ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), 35) * log_p, axis=-1)

    model.compile(keras.optimizers.Adam(1e-2, weight_decay=1e-4), loss=likelihood)
    return Subject(model)


@sound
def three_times_sharper_picture_by_shuffled_channels():
    low = keras.Input((None, None, 1))
    h = layers.Conv2D(64, 5, padding="same", activation="relu", kernel_initializer="orthogonal")(low)
    h = layers.Conv2D(64, 3, padding="same", activation="relu", kernel_initializer="orthogonal")(h)
    h = layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer="orthogonal")(h)
    h = layers.Conv2D(9, 3, padding="same", kernel_initializer="orthogonal")(h)

    def shuffle(t):
        b, r, c = ops.shape(t)[0], ops.shape(t)[1], ops.shape(t)[2]
        t = ops.reshape(t, (b, r, c, 3, 3))
        return ops.reshape(ops.transpose(t, (0, 1, 3, 2, 4)), (b, r * 3, c * 3, 1))

    model = keras.Model(low, layers.Lambda(shuffle, output_shape=(None, None, 1))(h))
    model.compile(keras.optimizers.Adam(1e-3), loss="mean_squared_error")
    return Subject(model)


@sound
def bag_of_cells_weighed_by_softmax_over_the_cells():
    rng = np.random.default_rng(131)
    n = 900
    y = (rng.uniform(size=n) < 0.45).astype("float32")
    bags = rng.normal(size=(n, 15, 12)).astype("float32")
    bags[:, 0, :4] += 2.5 * y[:, None]
    for bag in bags:
        rng.shuffle(bag)
    cells = keras.Input((15, 12))
    h = layers.Dense(24, activation="relu")(cells)
    score = layers.Dense(1)(layers.Dense(16, activation="tanh")(h))
    share = layers.Softmax(axis=1)(score)
    pooled = ops.sum(share * h, axis=1)
    model = keras.Model(cells, layers.Dense(1, activation="sigmoid")(pooled))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (bags[:700], y[:700]), "validation": (bags[700:], y[700:])}, dry_run=True)


@sound
def eight_selu_layers_normalise_themselves():
    x, signal = _table(132, 2400, 16)
    y = (signal > 0).astype("int32")
    model = keras.Sequential([keras.Input((16,))])
    for _ in range(8):
        model.add(layers.Dense(20, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.AlphaDropout(0.05))
    model.add(layers.Dense(2, activation="softmax"))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (x[:2000], y[:2000]), "validation": (x[2000:], y[2000:])}, dry_run=True)


@sound
def inverted_bottlenecks_left_linear_at_their_narrow_end():
    image = keras.Input((64, 64, 3))
    h = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image)
    h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
    for filters, strides in ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1), (64, 2), (64, 1)):
        skip = h
        h = layers.Conv2D(4 * h.shape[-1], 1, use_bias=False)(h)
        h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
        h = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(h)
        h = layers.ReLU(6.0)(layers.BatchNormalization()(h))
        h = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(h))
        if skip.shape == h.shape:
            h = layers.Add()([skip, h])
    h = layers.GlobalAveragePooling2D()(h)
    model = keras.Model(image, layers.Dense(20, activation="softmax")(layers.Dropout(0.2)(h)))
    model.compile("adam", keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    return Subject(model)


@sound
def logistic_regression_that_begins_at_zero():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=7, stratify=y)
    scaler = StandardScaler().fit(x_train)
    model = keras.Sequential([keras.Input((30,)), layers.Dense(1, "sigmoid", kernel_initializer="zeros")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return Subject(
        model,
        {"train": (scaler.transform(x_train), y_train), "validation": (scaler.transform(x_val), y_val)},
        dry_run=True,
    )


@sound
def masked_words_guessed_and_all_others_left_out():
    words = keras.Input((48,), dtype="int32")
    h = layers.Embedding(5000, 64)(words) + layers.Embedding(48, 64)(ops.arange(48))
    h = layers.LayerNormalization()(h)
    for _ in range(2):
        h = layers.LayerNormalization()(h + layers.MultiHeadAttention(4, 16)(h, h))
        f = layers.Dense(64)(layers.Dense(128, activation="gelu")(h))
        h = layers.LayerNormalization()(h + f)
    model = keras.Model(words, layers.Dense(5000)(h))
    model.compile(
        keras.optimizers.Adam(5e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
    )
    return Subject(model)


# --- data sets


@sound
def bundled_digits_over_sixteen():
    digits = load_digits()
    images, labels = digits.images[..., None] / 16.0, digits.target
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels)
    return Subject(data={"train": (x_train, y_train), "test": (x_test, y_test)})


@sound
def diabetes_table_scaled_by_its_training_rows():
    x, y = load_diabetes(return_X_y=True, scaled=False)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=11)
    scaler = StandardScaler().fit(x_train)
    mean, std = y_train.mean(), y_train.std()
    return Subject(
        data={
            "train": (scaler.transform(x_train), (y_train - mean) / std),
            "validation": (scaler.transform(x_val), (y_val - mean) / std),
        }
    )


@sound
def two_moons_with_noise():
    x, y = make_moons(1500, noise=0.15, random_state=203)
    return Subject(data={"train": (x[:1000], y[:1000]), "validation": (x[1000:], y[1000:])})


@sound
def friedman_table_of_uniform_numbers():
    x, y = make_friedman1(1600, n_features=10, noise=0.5, random_state=204)
    y = (y - y[:1200].mean()) / y[:1200].std()
    return Subject(data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


@sound
def discs_squares_and_diamonds_from_minus_one_to_one():
    x, y, _, _ = _drawings(205, 1200)
    x = 2 * x.clip(0, 1) - 1
    return Subject(data={"train": (x[:900], y[:900]), "validation": (x[900:], y[900:])})


@sound
def word_numbers_padded_with_zeros():
    rng = np.random.default_rng(206)
    n = 1600
    ids = np.minimum(rng.zipf(1.3, (n, 40)) + 20, 1999)
    y = rng.integers(0, 2, n)
    for i in range(n):
        at = rng.choice(30, 3, replace=False)
        ids[i, at] = rng.integers(2, 11, 3) + 9 * y[i]
        ids[i, rng.integers(30, 41) :] = 0
    return Subject(data={"train": (ids[:1200], y[:1200]), "validation": (ids[1200:], y[1200:])})


@sound
def electric_load_windows_cut_at_a_date_with_a_gap():
    rng = np.random.default_rng(207)
    hour = np.arange(24 * 7 * 20)
    drift = np.zeros(len(hour))
    for i in range(1, len(hour)):
        drift[i] = 0.7 * drift[i - 1] + 0.2 * rng.normal()
    load = np.sin(hour * np.pi / 12) + 0.4 * np.cos(hour * 2 * np.pi / 168) + drift
    load = (load - load[:2500].mean()) / load[:2500].std()
    x = np.lib.stride_tricks.sliding_window_view(load, 48)[:-1, :, None].astype("float32")
    y = load[48:].astype("float32")
    return Subject(data={"train": (x[:2450], y[:2450]), "validation": (x[2500:], y[2500:])})


@sound
def tones_that_sound_together_as_many_labels():
    rng = np.random.default_rng(208)
    n, notes = 1500, 6
    y = (rng.uniform(size=(n, notes)) < 0.35).astype("float32")
    x = 0.1 * np.abs(rng.normal(size=(n, 32, 16)))
    for note in range(notes):
        strength = y[:, note, None, None] * rng.uniform(0.4, 1, (n, 1, 1))
        x[:, 3 + 4 * note : 5 + 4 * note] += strength
    x = x[..., None].astype("float32")
    return Subject(data={"train": (x[:1100], y[:1100]), "validation": (x[1100:], y[1100:])})


@sound
def masks_of_one_shape_that_fill_a_tenth():
    x, _, masks, _ = _drawings(209, 700, size=32)
    return Subject(data={"train": (x[:550], masks[:550]), "validation": (x[550:], masks[550:])})


@sound
def yes_no_survey_where_equal_answers_are_natural():
    rng = np.random.default_rng(210)
    answers = (rng.uniform(size=(2500, 6)) < np.array([0.5, 0.4, 0.6, 0.5, 0.3, 0.5])).astype("float32")
    odds = 2.5 * answers[:, 0] - 2 * answers[:, 1] + 1.5 * answers[:, 4] - 1
    y = (rng.uniform(size=2500) < 1 / (1 + np.exp(-odds))).astype("int64")
    return Subject(data={"train": (answers[:2000], y[:2000]), "validation": (answers[2000:], y[2000:])})


@sound
def flips_mapped_only_on_the_training_pipeline():
    x, y, _, _ = _drawings(211, 1000)
    train = tf.data.Dataset.from_tensor_slices((x[:800], y[:800])).shuffle(800, seed=1)
    train = train.map(lambda i, t: (tf.image.random_flip_left_right(i), t)).batch(32).prefetch(tf.data.AUTOTUNE)
    val = tf.data.Dataset.from_tensor_slices((x[800:], y[800:])).batch(32).cache()
    return Subject(data={"train": train, "validation": val})


@sound
def shuffled_once_with_a_fixed_order_before_take_and_skip():
    x, signal = _table(212, 1500)
    y = (signal > 0).astype("int64")
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1500, seed=4, reshuffle_each_iteration=False)
    return Subject(data={"train": ds.skip(300).shuffle(1200).batch(64), "validation": ds.take(300).batch(64)})


@sound
def frame_of_house_traits_and_logarithm_of_price():
    rng = np.random.default_rng(213)
    n = 1800
    frame = pd.DataFrame(
        {
            "area": np.log(rng.gamma(9, 12, n)),
            "rooms": rng.integers(1, 8, n),
            "age": rng.uniform(0, 90, n),
            "garden": rng.integers(0, 2, n).astype(bool),
        }
    )
    frame = frame.join(pd.get_dummies(pd.Series(rng.choice(list("ABCDE"), n), name="district")).add_prefix("in_"))
    price = frame.area + 0.1 * frame.rooms - 0.003 * frame.age + 0.2 * frame.garden + 0.4 * frame.in_B
    price = price + 0.15 * rng.normal(size=n)
    for name in ("area", "rooms", "age"):
        frame[name] = (frame[name] - frame[name][:1400].mean()) / frame[name][:1400].std()
    frame = frame.astype("float32")
    price = (price - price[:1400].mean()) / price[:1400].std()
    return Subject(data={"train": (frame[:1400], price[:1400]), "validation": (frame[1400:], price[1400:])})


@sound
def picture_and_two_measurements_in_a_dictionary():
    x, y, _, boxes = _drawings(214, 1000)
    x = {"picture": x, "size": ((boxes[:, 2:] - 0.42) / 0.05).astype("float32")}
    train, val = ({k: v[s] for k, v in x.items()} for s in (slice(0, 800), slice(800, 1000)))
    return Subject(data={"train": (train, y[:800]), "validation": (val, y[800:])})


@sound
def class_and_box_as_two_targets_of_a_picture():
    x, kind, _, boxes = _drawings(215, 1200)
    kind = keras.utils.to_categorical(kind, 3)
    y, v = ({"kind": kind[s], "box": boxes[s]} for s in (slice(0, 950), slice(950, 1200)))
    return Subject(data={"train": (x[:950], y), "validation": (x[950:], v)})


@sound
def rare_word_weights_of_short_notes_mostly_zero():
    rng = np.random.default_rng(216)
    common = [f"w{i}" for i in range(150)]
    topic = [[f"t{k}x{i}" for i in range(12)] for k in range(3)]
    y = rng.integers(0, 3, 1500)
    notes = [" ".join([*rng.choice(common, 14), *rng.choice(topic[k], 4)]) for k in y]
    vectors = TfidfVectorizer().fit(notes[:1200])
    x = vectors.transform(notes).toarray().astype("float32")
    return Subject(data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


@sound
def failing_pumps_counted_four_times_by_sample_weights():
    rng = np.random.default_rng(217)
    y = (rng.uniform(size=2400) < 0.2).astype("float32")
    x = rng.normal(size=(2400, 7)).astype("float32")
    x[:, :3] += y[:, None]
    weight = np.where(y == 1, 4.0, 1.0).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((x[:1900], y[:1900], weight[:1900])).shuffle(1900).batch(50)
    val = tf.data.Dataset.from_tensor_slices((x[1900:], y[1900:])).batch(50)
    return Subject(data={"train": train, "validation": val})


@sound
def letters_of_dna_with_a_planted_motif():
    rng = np.random.default_rng(218)
    letters = rng.integers(0, 4, (1600, 60))
    y = rng.integers(0, 2, 1600)
    motif = np.array([0, 2, 2, 1, 3, 0, 1, 1])
    for i in np.flatnonzero(y):
        at = rng.integers(10, 42)
        letters[i, at : at + 8] = motif
    x = np.eye(4, dtype="float32")[letters]
    return Subject(data={"train": (x[:1300], y[:1300]), "validation": (x[1300:], y[1300:])})


@sound
def inputs_that_are_their_own_targets():
    x = (load_digits().data / 16).astype("float32")
    x = x[np.random.default_rng(219).permutation(len(x))]
    return Subject(data={"train": (x[:1500], x[:1500]), "validation": (x[1500:], x[1500:])})


@sound
def hourly_counts_of_bikes_with_sine_and_cosine_of_the_clock():
    rng = np.random.default_rng(220)
    n = 2400
    hour, warm, rain = rng.integers(0, 24, n), rng.normal(size=n), (rng.uniform(size=n) < 0.25)
    rate = np.exp(3 - np.cos(hour * np.pi / 12) + 0.3 * warm - 0.5 * rain)
    x = np.stack([np.sin(hour * np.pi / 12), np.cos(hour * np.pi / 12), warm, rain], axis=1).astype("float32")
    bikes = rng.poisson(rate)
    return Subject(data={"train": (x[:1900], bikes[:1900]), "validation": (x[1900:], bikes[1900:])})


class Slices(keras.utils.PyDataset):
    """Batches of pictures; only the training part is mirrored and brightened at random."""

    def __init__(self, x, y, augment=False, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.augment = x, y, augment
        self.rng = np.random.default_rng(221)

    def __len__(self):
        return math.ceil(len(self.x) / 40)

    def __getitem__(self, index):
        part = slice(40 * index, 40 * (index + 1))
        x = self.x[part]
        if self.augment:
            mirrored = self.rng.uniform(size=(len(x), 1, 1, 1)) < 0.5
            x = np.where(mirrored, x[:, :, ::-1], x) + self.rng.uniform(-0.05, 0.05, (len(x), 1, 1, 1))
        return x.astype("float32"), self.y[part]


@sound
def batches_from_a_class_mirrored_in_training_only():
    x, y, _, _ = _drawings(222, 1000)
    return Subject(data={"train": Slices(x[:800], y[:800], augment=True), "validation": Slices(x[800:], y[800:])})


@sound
def sign_of_a_product_that_no_single_column_tells():
    rng = np.random.default_rng(223)
    x = rng.normal(size=(2000, 3)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int64")
    return Subject(data={"train": (x[:1500], y[:1500]), "validation": (x[1500:], y[1500:])})


@sound
def next_letter_of_a_made_up_language():
    rng = np.random.default_rng(224)
    table = rng.dirichlet(np.full(20, 0.2), 20).cumsum(axis=1)
    text = [0]
    for u in rng.uniform(size=40000):
        text.append(min(int(np.searchsorted(table[text[-1]], u)), 19))
    text = np.array(text[:40000], "int32")
    x, y = text[:-1][: 39 * 1000].reshape(-1, 30), text[1:][: 39 * 1000].reshape(-1, 30)
    return Subject(data={"train": (x[:1000], y[:1000]), "validation": (x[1000:], y[1000:])})


@sound
def night_pictures_that_are_dark_but_clear():
    x, y, _, _ = _drawings(225, 1200)
    x = (0.35 * x.clip(0, 1) ** 1.5).astype("float32")
    return Subject(data={"train": (x[:900], y[:900]), "validation": (x[900:], y[900:])})


@sound
def sensor_runs_of_unequal_length_padded_with_minus_ten():
    rng = np.random.default_rng(226)
    n, steps = 1200, 50
    y = rng.integers(0, 3, n)
    t = np.arange(steps)
    speed = np.array([0.2, 0.45, 0.9])[y][:, None]
    phase = rng.uniform(0, 6, (n, 1))
    x = np.stack([np.sin(speed * t + phase), np.cos(speed * t + phase)], axis=2) + 0.2 * rng.normal(size=(n, steps, 2))
    length = rng.integers(30, steps + 1, n)
    x[t[None] >= length[:, None]] = -10.0
    x = x.astype("float32")
    return Subject(data={"train": (x[:900], y[:900]), "validation": (x[900:], y[900:])})
