"""Held-out data sets, and models with their data, that an expert would let pass."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_circles, make_moons
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupShuffleSplit, StratifiedKFold, train_test_split
from sklearn.preprocessing import PowerTransformer, StandardScaler

from benchmarks.audit.case import Subject, sound


def _parts(x, y, *ends):
    """Cut both at the given rows, into training, validation and test data."""
    names = ("train", "validation", "test")
    starts = (0, *ends)
    return {k: (x[a:b], y[a:b]) for k, a, b in zip(names, starts, (*ends, len(x)), strict=False)}


def _shape_images(rng, n, size=28):
    """Black images 0..1 with a square outline (0), a cross (1) or a disc (2) anywhere."""
    x = np.zeros((n, size, size), "float32")
    y = rng.integers(0, 3, n)
    rr, cc = np.mgrid[:9, :9] - 4
    square = np.maximum(abs(rr), abs(cc)) == 4
    cross = (rr == 0) | (cc == 0)
    disc = rr**2 + cc**2 <= 10
    for i, (r, c) in enumerate(rng.integers(0, size - 9, (n, 2))):
        x[i, r : r + 9, c : c + 9] = (square, cross, disc)[y[i]] * rng.uniform(0.6, 1.0)
    return x[..., None], y


# Tables


@sound
def breast_cancer_standardised_with_the_training_mean():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    sc = StandardScaler().fit(x_train)
    model = keras.Sequential(
        [
            layers.Input((30,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    return Subject(
        model=model,
        data={"train": (sc.transform(x_train), y_train), "validation": (sc.transform(x_test), y_test)},
        batch_size=16,
    )


@sound
def diabetes_with_both_sides_standardised():
    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(201).permutation(len(x))
    x, y = x[order], y[order]
    x = (x - x[:350].mean(0)) / x[:350].std(0)
    y = (y - y[:350].mean()) / y[:350].std()
    model = keras.Sequential([layers.Input((10,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(3e-3), loss="mse", metrics=["mae"])
    return Subject(model=model, data=_parts(x, y, 350), batch_size=16)


@sound
def one_hot_columns_beside_two_standardised_ones():
    rng = np.random.default_rng(202)
    n = 1500
    df = pd.DataFrame(
        {
            "fuel": rng.choice(["petrol", "diesel", "gas", "electric"], n, p=[0.45, 0.35, 0.08, 0.12]),
            "brand": rng.choice([f"brand{k}" for k in range(14)], n),
            "age": rng.normal(size=n),
            "km": rng.normal(size=n),
        }
    )
    y = 0.8 * (df.fuel == "electric") - df.age - 0.6 * df.km + 0.2 * rng.normal(size=n)
    y = ((y - y.mean()) / y.std()).astype("float32")
    x = pd.get_dummies(df, columns=["fuel", "brand"], dtype="float32")
    return Subject(data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


@sound
def seven_yes_or_no_questions_so_rows_repeat():
    rng = np.random.default_rng(203)
    x = (rng.uniform(size=(2000, 7)) < [0.5, 0.4, 0.6, 0.3, 0.5, 0.7, 0.5]).astype("float32")
    logit = x @ [1.5, -1.2, 0.9, 1.0, -0.7, 0.6, 0.0] - 0.6
    y = (rng.uniform(size=2000) < 1 / (1 + np.exp(-logit))).astype("int32")
    model = keras.Sequential([keras.Input((7,)), layers.Dense(8, "relu"), layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return Subject(model=model, data=_parts(x, y, 1400, 1700), batch_size=32)


@sound
def accidents_as_counts_with_a_poisson_loss():
    rng = np.random.default_rng(204)
    x = rng.normal(size=(2000, 5)).astype("float32")
    y = rng.poisson(np.exp(0.4 * x[:, 0] - 0.5 * x[:, 1] + 0.2)).astype("float32")
    i = keras.Input((5,))
    rate = layers.Dense(1, activation="softplus")(layers.Dense(16, activation="relu")(i))
    model = keras.Model(i, rate)
    model.compile("adam", "poisson")
    return Subject(model=model, data=_parts(x, y, 1600), batch_size=32)


@sound
def purchases_as_log1p_of_counts_mostly_zero():
    rng = np.random.default_rng(205)
    y = rng.integers(0, 3, 1800)
    rate = rng.gamma(0.4, 2.0, (3, 25))
    counts = rng.poisson(0.5 * rate[y])
    x = np.log1p(counts).astype("float32")
    return Subject(data=_parts(x, y, 1400))


@sound
def raw_columns_with_an_adapted_normalization_layer():
    rng = np.random.default_rng(206)
    n = 1200
    x = np.column_stack(
        [rng.normal(1013, 8, n), rng.normal(285, 9, n), rng.gamma(2, 3, n), rng.uniform(0, 360, n)]
    ).astype("float32")
    y = (0.08 * (x[:, 1] - 285) - 0.06 * (x[:, 0] - 1013) + 0.05 * x[:, 2] + 0.2 * rng.normal(size=n)).astype("float32")
    norm = layers.Normalization()
    norm.adapt(x[:900])
    model = keras.Sequential([keras.Input((4,)), norm, layers.Dense(32, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    return Subject(model=model, data=_parts(x, y, 900), batch_size=32)


@sound
def holes_filled_with_the_mean_and_marked_in_columns_of_their_own():
    rng = np.random.default_rng(207)
    full = rng.normal(size=(1500, 6))
    y = (full @ [1, -1, 0.5, 0, 0, 0.8] + 0.5 * rng.normal(size=1500) > 0).astype("int32")
    df = pd.DataFrame(full, columns=[f"lab{k}" for k in range(6)]).mask(rng.uniform(size=full.shape) < 0.15)
    marks = df.isna().astype("float32").add_suffix("_missing")
    x = pd.concat([df.fillna(df[:1200].mean()), marks], axis=1)
    return Subject(data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


@sound
def hour_and_weekday_as_sine_and_cosine():
    rng = np.random.default_rng(208)
    hour, day = rng.integers(0, 24, 2500), rng.integers(0, 7, 2500)
    temp = rng.normal(size=2500)
    x = np.column_stack(
        [f(2 * np.pi * v / m) for v, m in ((hour, 24), (day, 7)) for f in (np.sin, np.cos)] + [temp]
    ).astype("float32")
    y = np.exp(-((hour - 17) ** 2) / 18) - 0.4 * (day >= 5) + 0.2 * temp + 0.15 * rng.normal(size=2500)
    return Subject(data=_parts(x, ((y - y.mean()) / y.std()).astype("float32"), 2000))


@sound
def weak_but_real_signal_in_fifteen_hundred_rows():
    rng = np.random.default_rng(209)
    x = rng.normal(size=(1500, 8)).astype("float32")
    y = (rng.uniform(size=1500) < 1 / (1 + np.exp(-(0.35 * x[:, 2] - 0.3 * x[:, 5])))).astype("int32")
    model = keras.Sequential([layers.Input((8,)), layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["AUC"])
    return Subject(model=model, data=_parts(x, y, 1200), batch_size=32)


@sound
def churn_one_in_five_with_class_weights_as_sample_weights():
    rng = np.random.default_rng(210)
    y = (rng.uniform(size=2500) < 0.2).astype("float32")
    x = (rng.normal(size=(2500, 9)) + 0.6 * y[:, None] * rng.normal(size=9)).astype("float32")
    w = np.where(y == 1, 2.5, 0.625).astype("float32")
    model = keras.Sequential([keras.Input((9,)), layers.Dense(16, activation="relu"), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", weighted_metrics=["AUC"])
    return Subject(
        model=model, data={"train": (x[:2000], y[:2000], w[:2000]), "validation": (x[2000:], y[2000:])}, batch_size=32
    )


@sound
def two_to_one_classes_split_in_three_with_strata():
    rng = np.random.default_rng(211)
    y = (rng.uniform(size=1500) < 1 / 3).astype(int)
    x = rng.normal(size=(1500, 6)) + 0.7 * y[:, None]
    x1, x_test, y1, y_test = train_test_split(x, y, test_size=0.15, stratify=y, random_state=5)
    x_tr, x_va, y_tr, y_va = train_test_split(x1, y1, test_size=0.18, stratify=y1, random_state=5)
    return Subject(data={"train": (x_tr, y_tr), "validation": (x_va, y_va), "test": (x_test, y_test)})


@sound
def skewed_prices_after_a_power_transform():
    rng = np.random.default_rng(212)
    x = rng.normal(size=(1600, 7))
    price = np.exp(11 + 0.4 * x[:, 0] + 0.3 * x[:, 1] ** 2 + 0.2 * rng.normal(size=1600))
    pt = PowerTransformer().fit(price[:1300, None])
    return Subject(data=_parts(x.astype("float32"), pt.transform(price[:, None]).astype("float32"), 1300))


@sound
def incomes_of_log_normal_shape_scaled_by_their_median():
    rng = np.random.default_rng(213)
    z = rng.normal(size=(2000, 4))
    x = z.astype("float32")
    y = np.exp(0.5 * z[:, 0] - 0.4 * z[:, 3] + 0.3 * rng.normal(size=2000))
    y = (y / np.median(y[:1600])).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(24, "relu"), layers.Dense(1, "softplus")])
    model.compile(keras.optimizers.Adam(1e-3), loss="mean_squared_logarithmic_error")
    return Subject(model=model, data=_parts(x, y, 1600), batch_size=32)


@sound
def patients_measured_often_and_split_by_patient():
    rng = np.random.default_rng(214)
    patient = np.repeat(np.arange(150), 10)
    sick = rng.integers(0, 2, 150)[patient]
    level = (rng.normal(size=(150, 8)) * 0.6)[patient]
    x = level + 0.8 * sick[:, None] + 0.5 * rng.normal(size=(1500, 8))
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")
    tr, va = next(GroupShuffleSplit(1, test_size=0.2, random_state=1).split(x, sick, patient))
    return Subject(data={"train": (x[tr], sick[tr]), "validation": (x[va], sick[va])})


# What linear statistics do not see


@sound
def xor_of_two_signs_among_four_columns():
    rng = np.random.default_rng(221)
    x = rng.uniform(-1.7, 1.7, (2000, 4)).astype("float32")
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype("int32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, activation="relu"), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=_parts(x, y, 1600), batch_size=32)


@sound
def two_circles_one_in_the_other():
    x, y = make_circles(1200, noise=0.08, factor=0.5, random_state=2)
    x = (x / x.std(0)).astype("float32")
    return Subject(data=_parts(x, y, 900))


@sound
def three_spirals_in_the_plane():
    rng = np.random.default_rng(223)
    y = rng.integers(0, 3, 1500)
    r = rng.uniform(0.1, 1, 1500)
    a = 5 * r + 2 * np.pi * y / 3 + 0.1 * rng.normal(size=1500)
    x = (2 * r[:, None] * np.column_stack([np.cos(a), np.sin(a)])).astype("float32")
    inputs = keras.Input((2,))
    h = inputs
    for _ in range(3):
        h = layers.Dense(32, activation="swish")(h)
    model = keras.Model(inputs, layers.Dense(3)(h))
    model.compile(keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return Subject(model=model, data=_parts(x, y, 1200), batch_size=32)


@sound
def parity_of_three_bits_out_of_twelve():
    rng = np.random.default_rng(224)
    bits = rng.integers(0, 2, (3000, 12))
    y = bits[:, [1, 4, 9]].sum(axis=1) % 2
    x = (2 * bits - 1).astype("float32")
    model = keras.Sequential([keras.Input((12,)), layers.Dense(64, "relu"), layers.Dense(32, "relu"), layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model=model, data=_parts(x, y, 2400), batch_size=32)


@sound
def pairs_that_are_alike_or_not_for_twin_branches():
    rng = np.random.default_rng(225)
    centers = rng.normal(size=(12, 10))
    a, same = rng.integers(0, 12, 2000), rng.integers(0, 2, 2000)
    b = np.where(same == 1, a, (a + rng.integers(1, 12, 2000)) % 12)
    left, right = ((centers[k] + 0.3 * rng.normal(size=(2000, 10))).astype("float32") for k in (a, b))
    i1, i2 = keras.Input((10,), name="left"), keras.Input((10,), name="right")
    tower = keras.Sequential([keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(16)])
    gap = layers.Lambda(lambda t: ops.square(t[0] - t[1]), output_shape=(16,))([tower(i1), tower(i2)])
    model = keras.Model([i1, i2], layers.Dense(1, activation="sigmoid")(gap))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return Subject(
        model=model,
        data={
            "train": ({"left": left[:1600], "right": right[:1600]}, same[:1600]),
            "validation": ({"left": left[1600:], "right": right[1600:]}, same[1600:]),
        },
        batch_size=32,
    )


@sound
def target_that_depends_on_squares_only():
    rng = np.random.default_rng(226)
    x = rng.normal(size=(1800, 3)).astype("float32")
    y = x[:, 0] ** 2 - x[:, 1] ** 2 + 0.1 * rng.normal(size=1800).astype("float32")
    return Subject(data=_parts(x, y / y.std(), 1400))


# Images


@sound
def digits_as_images_0_to_1_for_a_small_convnet():
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16.0).astype("float32")
    x_tr, x_va, y_tr, y_va = train_test_split(x, y, test_size=0.2, random_state=42, stratify=y)
    model = keras.Sequential()
    model.add(layers.Input(shape=(8, 8, 1)))
    model.add(layers.Conv2D(16, (3, 3), activation="relu", padding="same"))
    model.add(layers.Conv2D(16, (3, 3), activation="relu", padding="same"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data={"train": (x_tr, y_tr), "validation": (x_va, y_va)}, batch_size=32)


@sound
def shapes_anywhere_on_black_images():
    rng = np.random.default_rng(232)
    x, y = _shape_images(rng, 1500)
    i = keras.Input((28, 28, 1))
    h = layers.Conv2D(16, 5, padding="same", activation="relu")(i)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(32, 5, padding="same", activation="relu")(h)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(32, 3, padding="same", activation="relu")(h)
    h = layers.GlobalMaxPooling2D()(h)
    model = keras.Model(i, layers.Dense(3, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=_parts(x, y, 1200), batch_size=32)


@sound
def bytes_0_to_255_before_a_rescaling_layer():
    rng = np.random.default_rng(233)
    x, y = _shape_images(rng, 1000, size=24)
    x = (np.repeat(x, 3, axis=-1) * rng.uniform(80, 255, (1000, 1, 1, 3))).astype("uint8")
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3), dtype="uint8"),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return Subject(model=model, data=_parts(x, y, 800), batch_size=32)


@sound
def brain_scans_minus_1_to_1_with_dark_margins():
    rng = np.random.default_rng(234)
    n, s = 700, 28
    rr, cc = np.mgrid[:s, :s] - s / 2 + 0.5
    size = rng.uniform(7, 9, n)[:, None, None]
    head = rr**2 / 1.2 + cc**2 < size**2
    y = rng.integers(0, 2, n)
    spot = (rr - rng.uniform(-4, 4, n)[:, None, None]) ** 2 + (cc - rng.uniform(-4, 4, n)[:, None, None]) ** 2 < 5
    x = head * (0.45 + 0.07 * rng.normal(size=(n, s, s))) + 0.45 * spot * y[:, None, None]
    x = (2 * x.clip(0, 1) - 1).astype("float32")[..., None]
    return Subject(data=_parts(x, y, 500, 600))


@sound
def masks_of_small_blobs_one_pixel_in_fifteen():
    rng = np.random.default_rng(235)
    n, s = 360, 32
    rr, cc = np.mgrid[:s, :s]
    at = rng.uniform(6, 26, (n, 2, 1, 1))
    blob = (rr - at[:, 0]) ** 2 + (cc - at[:, 1]) ** 2 < rng.uniform(3.5, 6, (n, 1, 1)) ** 2
    x = (0.35 + 0.3 * blob + 0.1 * rng.normal(size=blob.shape)).clip(0, 1).astype("float32")[..., None]
    m = blob.astype("float32")[..., None]

    def block(t, f):
        t = layers.Conv2D(f, 3, padding="same", use_bias=False)(t)
        return layers.Activation("relu")(layers.BatchNormalization()(t))

    inp = keras.Input((s, s, 1))
    d1 = block(inp, 8)
    d2 = block(layers.MaxPooling2D()(d1), 16)
    d3 = block(layers.MaxPooling2D()(d2), 32)
    u2 = block(layers.Concatenate()([layers.Conv2DTranspose(16, 2, strides=2)(d3), d2]), 16)
    u1 = block(layers.Concatenate()([layers.Conv2DTranspose(8, 2, strides=2)(u2), d1]), 8)
    model = keras.Model(inp, layers.Conv2D(1, 1, activation="sigmoid")(u1))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.BinaryIoU([1])])
    return Subject(model=model, data=_parts(x, m, 300), batch_size=16)


@sound
def denoising_autoencoder_whose_target_is_the_clean_digit():
    x, _ = load_digits(return_X_y=True)
    rng = np.random.default_rng(236)
    clean = (x[rng.permutation(len(x))] / 16).astype("float32")
    noisy = (clean + 0.15 * rng.normal(size=clean.shape)).clip(0, 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(48, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return Subject(model=model, data=_parts(noisy, clean, 1500), batch_size=32)


@sound
def random_flips_of_the_training_images_only():
    rng = np.random.default_rng(237)
    x, y = _shape_images(rng, 900, size=24)

    def augment(image, label):
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_flip_up_down(image)
        return tf.image.random_brightness(image, 0.05), label

    train = tf.data.Dataset.from_tensor_slices((x[:720], y[:720]))
    train = train.shuffle(720).map(augment, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(2)
    valid = tf.data.Dataset.from_tensor_slices((x[720:], y[720:])).batch(32).cache()
    return Subject(data={"train": train, "validation": valid})


@sound
def augmentation_layers_inside_the_model():
    rng = np.random.default_rng(238)
    x, y = _shape_images(rng, 900, size=24)
    model = keras.Sequential(
        [
            layers.Input((24, 24, 1)),
            layers.RandomFlip("horizontal_and_vertical"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return Subject(model=model, data=_parts(x, y, 720), batch_size=32)


# Text and numbers of things


@sound
def token_numbers_padded_with_zeros():
    rng = np.random.default_rng(241)
    n, steps, vocab = 1500, 30, 800
    y = rng.integers(0, 2, n)
    rank = 1 / np.arange(1, vocab)
    tilt = np.exp(0.7 * rng.normal(size=vocab - 1))
    p = np.stack([rank, rank * tilt])
    p /= p.sum(1, keepdims=True)
    x = np.zeros((n, steps), "int32")
    for i in range(n):
        k = rng.integers(6, steps + 1)
        x[i, :k] = rng.choice(vocab - 1, k, p=p[y[i]]) + 1
    model = keras.Sequential(
        [
            keras.Input((steps,), dtype="int32"),
            layers.Embedding(vocab, 16, mask_zero=True),
            layers.Bidirectional(layers.LSTM(16)),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(clipnorm=1.0), "binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=_parts(x, y, 1200), batch_size=32)


@sound
def plain_strings_for_a_text_vectorization_layer():
    rng = np.random.default_rng(242)
    good, bad = "great lovely superb fine charming".split(), "awful dull boring weak tedious".split()
    common = [f"word{k}" for k in range(200)]
    y = rng.integers(0, 2, 1200)
    texts = [
        " ".join(rng.permutation([*rng.choice(common, 8), *rng.choice(good if v else bad, 2), rng.choice(good + bad)]))
        for v in y
    ]
    x = np.array(texts, dtype=object)
    vec = layers.TextVectorization(max_tokens=300, output_sequence_length=14)
    vec.adapt(tf.constant(texts[:1000]))
    inp = keras.Input((), dtype="string")
    h = layers.Embedding(300, 12)(vec(inp))
    h = layers.GlobalAveragePooling1D()(h)
    model = keras.Model(inp, layers.Dense(1, activation="sigmoid")(h))
    model.compile("adam", "binary_crossentropy")
    train = tf.data.Dataset.from_tensor_slices((tf.constant(texts[:1000]), y[:1000])).batch(32)
    valid = tf.data.Dataset.from_tensor_slices((tf.constant(list(x[1000:])), y[1000:])).batch(32)
    return Subject(model=model, data={"train": train, "validation": valid})


@sound
def tfidf_rows_nearly_all_zero():
    rng = np.random.default_rng(243)
    y = rng.integers(0, 4, 1200)
    docs = [
        " ".join([f"t{v}w{k}" for k in rng.integers(0, 30, 5)] + [f"c{k}" for k in rng.integers(0, 150, 15)]) for v in y
    ]
    tfidf = TfidfVectorizer().fit(docs[:900])
    x = tfidf.transform(docs).toarray().astype("float32")
    return Subject(data=_parts(x, y, 900))


@sound
def sentence_vectors_of_length_one():
    rng = np.random.default_rng(244)
    y = rng.integers(0, 5, 1500)
    topic = rng.normal(size=(5, 128))
    x = topic[y] + 1.6 * rng.normal(size=(1500, 128))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")
    model = keras.Sequential([keras.Input((128,)), layers.Dense(32, activation="relu"), layers.Dense(5, "softmax")])
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=_parts(x, y, 1200), batch_size=32)


@sound
def user_and_film_numbers_for_embeddings():
    rng = np.random.default_rng(245)
    u, f = rng.integers(0, 120, 4000), rng.integers(0, 90, 4000)
    like = 0.6 * rng.normal(size=120)[u] + 0.8 * rng.normal(size=90)[f] + 0.4 * rng.normal(size=4000)
    y = (like / like.std()).astype("float32")
    user, film = keras.Input((), dtype="int32", name="user"), keras.Input((), dtype="int32", name="film")
    pu, pf = layers.Embedding(120, 4)(user), layers.Embedding(90, 4)(film)
    bias = layers.Add()([layers.Embedding(120, 1)(user), layers.Embedding(90, 1)(film)])
    model = keras.Model({"user": user, "film": film}, layers.Add()([layers.Dot(axes=1)([pu, pf]), bias]))
    model.compile(keras.optimizers.Adam(5e-3), "mse")
    return Subject(
        model=model,
        data={
            "train": ({"user": u[:3200], "film": f[:3200]}, y[:3200]),
            "validation": ({"user": u[3200:], "film": f[3200:]}, y[3200:]),
        },
        batch_size=64,
    )


# Series


@sound
def windows_cut_by_time_with_a_gap_between_the_parts():
    rng = np.random.default_rng(251)
    t = np.arange(2200)
    s = np.sin(2 * np.pi * t / 24) + 0.25 * rng.normal(size=2200)
    w = 24
    x = np.lib.stride_tricks.sliding_window_view(s[:-1], w)[..., None].astype("float32")
    y = s[w:].astype("float32")
    a, b = 1600, 1600 + w
    model = keras.Sequential(
        [
            keras.Input((w, 1)),
            layers.Conv1D(16, 5, padding="causal", activation="relu"),
            layers.Conv1D(16, 5, padding="causal", dilation_rate=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return Subject(model=model, data={"train": (x[:a], y[:a]), "validation": (x[b:], y[b:])}, batch_size=32)


@sound
def growing_series_after_taking_differences():
    rng = np.random.default_rng(252)
    change = np.zeros(1800)
    for i in range(2, 1800):
        change[i] = 0.6 * change[i - 1] - 0.3 * change[i - 2] + rng.normal()
    level = (0.05 + change).cumsum()
    d = np.diff(level)
    d = (d - d[:1300].mean()) / d[:1300].std()
    x = np.lib.stride_tricks.sliding_window_view(d[:-1], 10)[..., None].astype("float32")
    y = d[10:].astype("float32")
    return Subject(data={"train": (x[:1300], y[:1300]), "validation": (x[1310:], y[1310:])})


@sound
def logmel_spectrograms_scaled_by_band():
    rng = np.random.default_rng(253)
    n, frames, bands = 600, 32, 20
    y = rng.integers(0, 4, n)
    tone = np.exp(-((np.arange(bands) - 2.5 - 5 * y[:, None]) ** 2) / 6)[:, None, :]
    on = (rng.uniform(size=(n, frames, 1)) < 0.5) * tone
    db = np.log(np.exp(-4 + 0.5 * rng.normal(size=(n, frames, bands))) + 0.2 * on)
    mean, std = db[:450].mean((0, 1)), db[:450].std((0, 1))
    x = ((db - mean) / std).astype("float32")
    return Subject(data=_parts(x, y, 450))


@sound
def visits_of_uneven_length_masked_with_minus_10():
    rng = np.random.default_rng(254)
    n, steps = 1000, 15
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, steps, 3)) + 0.35 * y[:, None, None]
    length = rng.integers(4, steps + 1, n)
    x[np.arange(steps) >= length[:, None]] = -10.0
    x = x.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((steps, 3)),
            layers.Masking(mask_value=-10.0),
            layers.GRU(16),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(clipnorm=1.0), "binary_crossentropy")
    return Subject(model=model, data=_parts(x, y, 800), batch_size=32)


# Shapes that labels and data sets may have


@sound
def several_tags_per_article_some_rarer():
    rng = np.random.default_rng(261)
    x = rng.normal(size=(2000, 20)).astype("float32")
    score = x @ rng.normal(size=(20, 6)) / 3 + 0.4 * rng.normal(size=(2000, 6))
    y = (score > [0, 0.5, 1, 1.2, 1.6, 1.8]).astype("float32")
    model = keras.Sequential([keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dense(6, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(multi_label=True)])
    return Subject(model=model, data=_parts(x, y, 1600), batch_size=32)


@sound
def shares_of_votes_of_ten_annotators_as_soft_labels():
    rng = np.random.default_rng(262)
    x = rng.normal(size=(1200, 8)).astype("float32")
    z = x @ rng.normal(size=(8, 4)) * 0.7
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = (rng.multinomial(10, p) / 10).astype("float32")
    i = keras.Input((8,))
    h = layers.Dense(24)(i)
    h = layers.LeakyReLU(negative_slope=0.1)(h)
    model = keras.Model(i, layers.Softmax()(layers.Dense(4)(h)))
    model.compile("adam", "categorical_crossentropy")
    return Subject(model=model, data=_parts(x, y, 960), batch_size=32)


@sound
def minus_1_and_1_for_a_hinge_loss():
    x, y = make_moons(1000, noise=0.2, random_state=4)
    x = StandardScaler().fit_transform(x).astype("float32")
    y = np.where(y > 0, 1.0, -1.0).astype("float32")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
    model.compile("adam", keras.losses.SquaredHinge())
    return Subject(model=model, data=_parts(x, y, 800), batch_size=32)


@sound
def grades_as_steps_that_were_passed():
    rng = np.random.default_rng(264)
    x = rng.normal(size=(1500, 7)).astype("float32")
    latent = x @ [0.9, -0.6, 0.4, 0, 0.3, 0, 0] + 0.5 * rng.normal(size=1500)
    grade = np.digitize(latent, [-1.0, -0.2, 0.5, 1.2])
    y = (grade[:, None] > np.arange(4)).astype("float32")
    return Subject(data=_parts(x, y, 1200))


@sound
def class_and_size_from_one_trunk_as_a_dict():
    rng = np.random.default_rng(265)
    x = rng.normal(size=(1400, 12)).astype("float32")
    kind = np.argmax(x[:, :3] + 0.4 * rng.normal(size=(1400, 3)), axis=1)
    size = (x[:, 3] - 0.5 * x[:, 4] + 0.3 * rng.normal(size=1400)).astype("float32")
    i = keras.Input((12,), name="features")
    t = layers.Dense(32, activation="relu")(i)
    outs = {"kind": layers.Dense(3, "softmax", name="kind")(t), "size": layers.Dense(1, name="size")(t)}
    model = keras.Model(i, outs)
    model.compile("adam", loss={"kind": "sparse_categorical_crossentropy", "size": "mse"}, loss_weights={"size": 0.5})
    return Subject(
        model=model,
        data={
            "train": (x[:1100], {"kind": kind[:1100], "size": size[:1100]}),
            "validation": (x[1100:], {"kind": kind[1100:], "size": size[1100:]}),
        },
        batch_size=32,
    )


@sound
def training_pipeline_that_repeats_for_ever():
    rng = np.random.default_rng(266)
    x = rng.normal(size=(1000, 6)).astype("float32")
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype("int32")
    train = tf.data.Dataset.from_tensor_slices((x[:800], y[:800]))
    train = train.shuffle(800, seed=9).repeat().batch(32).prefetch(tf.data.AUTOTUNE)
    valid = tf.data.Dataset.from_tensor_slices((x[800:], y[800:])).batch(50)
    return Subject(data={"train": train, "validation": valid})


@sound
def a_pydataset_that_shuffles_after_each_epoch():
    rng = np.random.default_rng(267)
    x = rng.normal(size=(1200, 10)).astype("float32")
    y = (x @ rng.normal(size=10) > 0.3).astype("float32")

    class Batches(keras.utils.PyDataset):
        def __init__(self, x, y, shuffle, **kwargs):
            super().__init__(**kwargs)
            self.x, self.y, self.shuffle = x, y, shuffle
            self.rng = np.random.default_rng(0)
            self.order = np.arange(len(x))

        def __len__(self):
            return -(-len(self.x) // 32)

        def __getitem__(self, i):
            rows = self.order[32 * i : 32 * (i + 1)]
            return self.x[rows], self.y[rows]

        def on_epoch_end(self):
            if self.shuffle:
                self.rng.shuffle(self.order)

    return Subject(data={"train": Batches(x[:960], y[:960], True), "validation": Batches(x[960:], y[960:], False)})


@sound
def first_of_five_stratified_folds():
    x, y = load_digits(return_X_y=True)
    x = x / 8.0 - 1.0
    tr, va = next(StratifiedKFold(5, shuffle=True, random_state=0).split(x, y))
    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu"), layers.Dropout(0.2), layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model=model, data={"train": (x[tr], y[tr]), "validation": (x[va], y[va])}, batch_size=32)
