"""Held-out data sets, and models with their data, that have one fault each."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_linnerud
from sklearn.preprocessing import StandardScaler

from benchmarks.audit.case import Subject, faulty


def _blobs(rng, n, features=10, classes=2, spread=1.2):
    """Points about one centre per class, close to mean 0 and deviation 1."""
    centers = rng.normal(size=(classes, features))
    y = rng.integers(0, classes, n)
    x = centers[y] + spread * rng.normal(size=(n, features))
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), y


def _stripes(rng, n, size=24, channels=1):
    """Images 0..1 of stripes across (0) or down (1), with noise."""
    y = rng.integers(0, 2, n)
    phase = rng.uniform(0, 6.3, n)
    speed = rng.uniform(0.6, 1.6, n)
    wave = 0.5 + 0.35 * np.sin(speed[:, None] * np.arange(size) + phase[:, None])
    down = np.repeat(wave[:, None, :], size, axis=1)
    across = np.repeat(wave[:, :, None], size, axis=2)
    x = np.where(y[:, None, None] == 1, down, across)[..., None] + 0.08 * rng.normal(size=(n, size, size, channels))
    return x.clip(0, 1).astype("float32"), y


# Scale of the inputs


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def houses_with_square_metres_and_year_as_they_are():
    rng = np.random.default_rng(101)
    n = 1200
    area = rng.gamma(6, 20, n)
    lot = rng.gamma(3, 250, n)
    year = rng.integers(1900, 2023, n)
    rooms = np.clip((area / 25).round(), 1, 9)
    df = pd.DataFrame({"area": area, "lot": lot, "year": year, "rooms": rooms})
    price = 0.01 * area + 0.0006 * lot + 0.01 * (year - 1960) + 0.3 * rng.normal(size=n)
    df["price"] = (price - price.mean()) / price.std()

    order = rng.permutation(n)
    train, valid = df.iloc[order[:960]], df.iloc[order[960:]]
    cols = ["area", "lot", "year", "rooms"]

    model = keras.Sequential()
    model.add(layers.Input((4,)))
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(
        model=model,
        data={"train": (train[cols], train["price"]), "validation": (valid[cols], valid["price"])},
        batch_size=32,
    )


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def images_from_0_to_255_without_rescaling():
    rng = np.random.default_rng(102)
    x, y = _stripes(rng, 900)
    x = (x * 255).astype("uint8").astype("float32")
    inp = keras.Input(shape=(24, 24, 1))
    h = layers.Conv2D(16, 3, padding="same", activation="relu")(inp)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(32, 3, padding="same", activation="relu")(h)
    h = layers.MaxPooling2D()(h)
    h = layers.Flatten()(h)
    h = layers.Dense(32, activation="relu")(h)
    out = layers.Dense(2, activation="softmax")(h)
    model = keras.Model(inp, out)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data={"train": (x[:700], y[:700]), "validation": (x[700:], y[700:])}, batch_size=32)


@faulty("unscaled-inputs")
def salary_in_euros_among_standardised_columns():
    rng = np.random.default_rng(103)
    x, y = _blobs(rng, 1500, features=7)
    salary = (38000 + 9000 * rng.normal(size=1500) + 6000 * y).round(-2)
    x = np.column_stack([x, salary]).astype("float32")
    return Subject(data={"train": (x[:1200], y[:1200]), "validation": (x[1200:], y[1200:])})


@faulty("unscaled-inputs", "signal-scale")
def raw_16_bit_audio_into_a_1d_convnet():
    rng = np.random.default_rng(104)
    n, steps = 600, 512
    y = rng.integers(0, 3, n)
    pitch = np.array([0.05, 0.12, 0.3])[y] * rng.uniform(0.85, 1.15, n)
    t = np.arange(steps)
    wav = np.sin(pitch[:, None] * t + rng.uniform(0, 6.28, (n, 1))) * rng.uniform(3000, 20000, (n, 1))
    wav = (wav + 800 * rng.normal(size=(n, steps))).clip(-32768, 32767).astype(np.int16)
    x = wav[..., None].astype(np.float32)

    model = keras.Sequential(
        [
            keras.Input((steps, 1)),
            layers.Conv1D(16, 16, strides=4, activation="relu"),
            layers.Conv1D(32, 8, strides=4, activation="relu"),
            layers.Conv1D(32, 8, strides=2, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("unscaled-inputs")
def images_divided_by_255_twice():
    rng = np.random.default_rng(105)
    x, y = _stripes(rng, 800, size=20)
    x = x / 255.0
    ds = tf.data.Dataset.from_tensor_slices((x[:640], y[:640])).shuffle(640).batch(32)
    val = tf.data.Dataset.from_tensor_slices((x[640:], y[640:])).batch(32)
    return Subject(data={"train": ds, "validation": val})


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def unix_seconds_as_an_input_of_a_recurrent_network():
    rng = np.random.default_rng(106)
    n, steps = 1000, 12
    start = 1_600_000_000 + rng.integers(0, 90_000_000, n)
    seconds = start[:, None] + 3600 * np.arange(steps)
    load = rng.normal(size=(n, steps)).cumsum(axis=1) * 0.3
    x = np.stack([load, seconds], axis=-1).astype("float32")
    y = (load[:, -1] + 0.5 * (load[:, -1] - load[:, -2]) + 0.1 * rng.normal(size=n)).astype("float32")
    inputs = keras.Input((steps, 2), name="history")
    outputs = layers.Dense(1)(layers.GRU(24)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(clipnorm=1.0), loss=keras.losses.Huber())
    return Subject(model=model, data={"train": (x[:800], y[:800]), "validation": (x[800:], y[800:])}, batch_size=32)


# Values that are no numbers


@faulty("non-finite-inputs")
def left_join_that_leaves_holes_in_a_frame():
    rng = np.random.default_rng(111)
    n = 800
    customers = pd.DataFrame({"id": np.arange(n), "age": rng.normal(size=n), "visits": rng.normal(size=n)})
    scores = pd.DataFrame({"id": np.arange(0, n, 1), "score": rng.normal(size=n)}).sample(frac=0.94, random_state=3)
    df = customers.merge(scores, on="id", how="left")
    y = (df.age + df.score.fillna(0) + 0.5 * rng.normal(size=n) > 0).astype(int)
    return Subject(data=(df[["age", "visits", "score"]], y))


@faulty("non-finite-inputs")
def log_of_counts_that_may_be_zero():
    rng = np.random.default_rng(112)
    y = rng.integers(0, 2, 1000)
    counts = rng.poisson(3 + 2 * y[:, None], (1000, 6))
    with np.errstate(divide="ignore"):
        x = np.log(counts).astype("float32")
    return Subject(data={"train": (x[:800], y[:800]), "validation": (x[800:], y[800:])})


@faulty("non-finite-inputs")
def next_day_as_target_leaves_the_last_row_empty():
    rng = np.random.default_rng(113)
    s = pd.Series(rng.normal(size=900)).ewm(span=8).mean()
    s = (s - s.mean()) / s.std()
    frame = pd.concat({f"lag{k}": s.shift(k) for k in range(4)}, axis=1)
    frame["y"] = s.shift(-1)
    frame = frame.iloc[3:]
    x, y = frame.drop(columns="y").to_numpy("float32"), frame["y"].to_numpy("float32")

    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, "tanh"), layers.Dense(1)])
    model.compile("rmsprop", "mse")
    return Subject(model=model, data=(x, y), batch_size=32)


@faulty("non-finite-inputs")
def digits_divided_by_the_deviation_of_pixels_that_never_change():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(114).permutation(len(x))
    x, y = x[order], y[order]
    mean, std = x[:1400].mean(axis=0), x[:1400].std(axis=0)
    with np.errstate(all="ignore"):
        x = (x - mean) / std
    return Subject(data={"train": (x[:1400], y[:1400]), "validation": (x[1400:], y[1400:])})


@faulty("non-finite-inputs")
def a_ratio_that_is_infinite_in_the_validation_data_only():
    rng = np.random.default_rng(115)
    x, y = _blobs(rng, 1000, features=5)
    ratio = rng.lognormal(0, 0.4, 1000)
    ratio[[850, 903, 977]] = np.inf
    x = np.column_stack([x, ratio]).astype("float32")
    return Subject(data={"train": (x[:800], y[:800]), "validation": (x[800:], y[800:])})


# How often the classes come


@faulty("class-imbalance")
def one_fraud_in_a_hundred_and_accuracy():
    rng = np.random.default_rng(121)
    n = 4000
    y = (rng.uniform(size=n) < 0.01).astype("float32")
    x = (rng.normal(size=(n, 12)) + y[:, None] * rng.normal(size=12)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32),
            layers.Activation("relu"),
            layers.Dropout(0.2),
            layers.Dense(1),
            layers.Activation("sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data={"train": (x[:3200], y[:3200]), "validation": (x[3200:], y[3200:])}, batch_size=64)


@faulty("class-imbalance")
def long_tail_of_eight_species_one_hot():
    rng = np.random.default_rng(122)
    p = np.array([0.55, 0.25, 0.1, 0.05, 0.025, 0.012, 0.008, 0.005])
    y = rng.choice(8, size=2400, p=p)
    centers = 1.5 * rng.normal(size=(8, 16))
    x = (centers[y] + rng.normal(size=(2400, 16))) / 1.8
    y = keras.utils.to_categorical(y, 8)
    return Subject(data={"train": (x[:1900], y[:1900]), "validation": (x[1900:], y[1900:])})


@faulty("class-imbalance", "distribution-shift")
def a_class_that_the_validation_data_lack():
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(123)
    x = (x / 16).astype("float32")
    order = rng.permutation(len(x))
    val = [i for i in order[:400] if y[i] not in (3, 8)]
    train = order[400:]
    return Subject(data={"train": (x[train], y[train]), "validation": (x[val], y[val])})


@faulty("class-imbalance")
def rare_defects_in_a_pipeline_of_photos():
    rng = np.random.default_rng(124)
    n = 1500
    y = (rng.uniform(size=n) < 0.02).astype("int32")
    x = 0.5 + 0.06 * rng.normal(size=(n, 16, 16, 1))
    for i in np.flatnonzero(y):
        r, c = rng.integers(1, 11, 2)
        x[i, r : r + 4, c : c + 4] -= 0.4
    x = x.clip(0, 1).astype("float32")

    def pipe(a, b):
        return tf.data.Dataset.from_tensor_slices((a, b)).batch(50).prefetch(tf.data.AUTOTUNE)

    return Subject(data={"train": pipe(x[:1200], y[:1200]), "validation": pipe(x[1200:], y[1200:])})


# Labels that the loss or the output cannot meet


@faulty("label-range", "cannot-run", "output-units-mismatch")
def stars_from_1_to_5_for_a_softmax_of_five():
    rng = np.random.default_rng(131)
    x, y = _blobs(rng, 1000, features=12, classes=5)
    stars = y + 1
    model = keras.Sequential(
        [keras.Input((12,)), layers.Dense(32, activation="relu"), layers.Dense(5, activation="softmax")]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data={"train": (x[:800], stars[:800]), "validation": (x[800:], stars[800:])})


@faulty("label-range", "output-activation-mismatch")
def labels_minus_1_and_1_with_a_sigmoid():
    rng = np.random.default_rng(132)
    x, y = _blobs(rng, 900, features=8)
    y = np.where(y == 1, 1.0, -1.0)
    a = keras.Input((8,))
    b = layers.Dense(20, activation="selu", kernel_initializer="lecun_normal")(a)
    model = keras.Model(a, layers.Dense(1, activation="sigmoid")(b))
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss=keras.losses.BinaryCrossentropy())
    return Subject(model=model, data={"train": (x[:700], y[:700]), "validation": (x[700:], y[700:])}, batch_size=32)


@faulty("label-range", "initial-loss")
def masks_read_from_png_files_as_0_and_255():
    rng = np.random.default_rng(133)
    n, s = 300, 32
    rr, cc = np.mgrid[:s, :s]
    center = rng.uniform(9, 23, (n, 2))
    radius = rng.uniform(5, 9, n)
    disc = (rr - center[:, :1, None]) ** 2 + (cc - center[:, 1:, None]) ** 2 < radius[:, None, None] ** 2
    x = (0.3 + 0.4 * disc + 0.1 * rng.normal(size=disc.shape)).clip(0, 1)[..., None].astype("float32")
    masks = (disc[..., None] * 255).astype("uint8")

    inp = layers.Input((s, s, 1))
    c1 = layers.Conv2D(8, 3, padding="same", activation="relu")(inp)
    c2 = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(c1))
    c3 = layers.Conv2D(32, 3, padding="same", activation="relu")(layers.MaxPooling2D()(c2))
    u2 = layers.concatenate([layers.UpSampling2D()(c3), c2])
    u2 = layers.Conv2D(16, 3, padding="same", activation="relu")(u2)
    u1 = layers.concatenate([layers.UpSampling2D()(u2), c1])
    out = layers.Conv2D(1, 1, activation="sigmoid")(layers.Conv2D(8, 3, padding="same", activation="relu")(u1))
    net = keras.Model(inp, out)
    net.compile("adam", "binary_crossentropy")
    return Subject(
        model=net, data={"train": (x[:240], masks[:240]), "validation": (x[240:], masks[240:])}, batch_size=16
    )


@faulty("label-range", "cannot-run")
def minus_1_for_unknown_among_class_numbers():
    rng = np.random.default_rng(134)
    x, y = _blobs(rng, 1200, features=10, classes=4)
    y[rng.uniform(size=1200) < 0.08] = -1
    model = keras.Sequential([keras.Input((10,)), layers.Dense(24, activation="gelu"), layers.Dense(4)])
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return Subject(model=model, data=(x, y), batch_size=64)


@faulty("label-range", "output-activation-mismatch")
def yearly_changes_below_zero_with_a_poisson_loss():
    rng = np.random.default_rng(135)
    x = rng.normal(size=(1000, 6)).astype("float32")
    y = np.round(2 * x[:, 0] - x[:, 1] + rng.normal(size=1000)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16, "relu"), layers.Dense(1, activation="exponential")])
    model.compile(optimizer="adam", loss="poisson")
    return Subject(model=model, data={"train": (x[:800], y[:800]), "validation": (x[800:], y[800:])}, batch_size=32)


@faulty("label-range", "output-activation-mismatch", "initial-loss")
def ratings_up_to_ten_from_a_sigmoid_and_mse():
    rng = np.random.default_rng(136)
    users, films = rng.integers(0, 60, 3000), rng.integers(0, 80, 3000)
    taste, kind = rng.normal(size=(60, 3)), rng.normal(size=(80, 3))
    stars = np.clip(6 + (taste[users] * kind[films]).sum(1) + 0.5 * rng.normal(size=3000), 1, 10).astype("float32")
    u, f = keras.Input((1,), name="user", dtype="int32"), keras.Input((1,), name="film", dtype="int32")
    eu = layers.Flatten()(layers.Embedding(60, 8)(u))
    ef = layers.Flatten()(layers.Embedding(80, 8)(f))
    h = layers.Dense(16, activation="relu")(layers.Concatenate()([eu, ef]))
    model = keras.Model({"user": u, "film": f}, layers.Dense(1, activation="sigmoid")(h))
    model.compile(loss="mean_squared_error", optimizer="adam")
    return Subject(model=model, data=({"user": users[:, None], "film": films[:, None]}, stars), batch_size=64)


# Samples that are in both parts


@faulty("train-validation-leak")
def trained_on_everything_and_validated_on_its_end():
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(141).permutation(len(x))
    x, y = StandardScaler().fit_transform(x)[order], y[order]
    x_val, y_val = x[-120:], y[-120:]
    return Subject(data={"train": (x, y), "validation": (x_val, y_val)})


@faulty("train-validation-leak")
def rare_class_copied_before_the_split():
    rng = np.random.default_rng(142)
    y = (rng.uniform(size=1500) < 0.15).astype(int)
    df = pd.DataFrame(rng.normal(size=(1500, 6)) + 0.8 * y[:, None], columns=list("abcdef"))
    df["label"] = y
    rare = df[df.label == 1]
    df = pd.concat([df, rare, rare, rare, rare]).sample(frac=1, random_state=7).reset_index(drop=True)
    cut = int(0.8 * len(df))
    tr, te = df[:cut], df[cut:]
    return Subject(
        data={"train": (tr.drop(columns="label"), tr["label"]), "test": (te.drop(columns="label"), te["label"])}
    )


@faulty("train-validation-leak")
def flipped_and_noisy_copies_made_before_the_split():
    rng = np.random.default_rng(143)
    n, s = 400, 20
    y = rng.integers(0, 2, n)
    x = rng.uniform(0, 0.3, (n, s, s, 1))
    for i in range(n):
        for _ in range(2 + 3 * y[i]):
            r, c = rng.integers(0, s - 4, 2)
            x[i, r : r + 4, c : c + 4] += 0.5
    x = x.clip(0, 1)
    flips = x[:, :, ::-1]
    noisy = (x + 0.01 * rng.normal(size=x.shape)).clip(0, 1)
    everything = np.concatenate([x, flips, noisy]).astype("float32")
    labels = np.tile(y, 3)
    order = rng.permutation(3 * n)
    tr, va = order[:960], order[960:]
    return Subject(data={"train": (everything[tr], labels[tr]), "validation": (everything[va], labels[va])})


@faulty("train-validation-leak")
def overlapping_windows_drawn_at_random():
    rng = np.random.default_rng(144)
    t = np.arange(1500)
    series = np.sin(t / 9.0) + 0.5 * np.sin(t / 31.0) + 0.2 * rng.normal(size=1500)
    w = 30
    x = np.stack([series[i : i + w] for i in range(1500 - w)])[..., None].astype("float32")
    y = series[w:].astype("float32")
    order = rng.permutation(len(x))
    cut = int(len(x) * 0.8)
    net = keras.Sequential([keras.Input((w, 1)), layers.LSTM(16), layers.Dense(1)])
    net.compile(optimizer=keras.optimizers.Adam(clipnorm=1), loss="mse")
    return Subject(
        model=net,
        data={"train": (x[order[:cut]], y[order[:cut]]), "validation": (x[order[cut:]], y[order[cut:]])},
        batch_size=32,
    )


@faulty("train-validation-leak")
def take_and_skip_after_a_shuffle_that_shuffles_anew():
    rng = np.random.default_rng(145)
    x, y = _blobs(rng, 1000, features=14, classes=3)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1000)
    val = dataset.take(250).batch(32)
    train = dataset.skip(250).batch(32)
    return Subject(data={"train": train, "validation": val})


@faulty("train-validation-leak")
def frames_of_the_same_videos_in_both_parts():
    rng = np.random.default_rng(146)
    videos, frames, s = 60, 20, 16
    y = np.repeat(rng.integers(0, 2, videos), frames)
    scene = keras.ops.image.resize(rng.uniform(size=(videos, 4, 4, 3)).astype("float32"), (s, s))
    x = np.repeat(np.asarray(scene), frames, axis=0)
    x[y == 1, 4:12, 4:12, 0] += 0.3
    x = (x + 0.01 * rng.normal(size=x.shape)).clip(0, 1).astype("float32")
    order = rng.permutation(len(x))
    return Subject(data={"train": (x[order[:900]], y[order[:900]]), "validation": (x[order[900:]], y[order[900:]])})


# Parts that are unlike


@faulty("distribution-shift", "class-imbalance")
def digits_sorted_by_label_and_cut_without_shuffling():
    x, y = load_digits(return_X_y=True)
    rows = np.argsort(y, kind="stable")
    x, y = x[rows] / 16.0, y[rows]
    x_train, x_test = x[:1450], x[1450:]
    y_train, y_test = y[:1450], y[1450:]
    return Subject(data={"train": (x_train, y_train), "test": (x_test, y_test)})


@faulty("distribution-shift")
def growing_sales_cut_by_date_with_the_trend_in_them():
    rng = np.random.default_rng(152)
    days = np.arange(1400)
    sales = 0.004 * days + 0.4 * np.sin(2 * np.pi * days / 7) + 0.15 * rng.normal(size=1400)
    sales = (sales - sales[:1100].mean()) / sales[:1100].std()
    x = np.lib.stride_tricks.sliding_window_view(sales[:-1], 14).astype("float32")
    y = sales[14:].astype("float32")
    return Subject(data={"train": (x[:1080], y[:1080]), "validation": (x[1100:], y[1100:])})


@faulty("distribution-shift")
def scanner_of_the_second_hospital_has_another_gain():
    rng = np.random.default_rng(153)

    def hospital(n, gain, offset):
        y = rng.integers(0, 2, n)
        signal = rng.normal(size=(n, 20)) + 0.6 * y[:, None]
        return (gain * signal + offset).astype("float32"), y

    return Subject(data={"train": hospital(900, 1.0, 0.0), "validation": hospital(300, 1.7, 1.2)})


@faulty("distribution-shift")
def validation_photos_taken_at_night():
    rng = np.random.default_rng(154)
    x, y = _stripes(rng, 1000, size=20, channels=3)
    x_val = (x[800:] * 0.3).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((x[:800], y[:800])).shuffle(800, seed=1).batch(32)
    val = tf.data.Dataset.from_tensor_slices((x_val, y[800:])).batch(32)
    return Subject(data={"train": train, "validation": val})


@faulty("distribution-shift", "unscaled-inputs")
def scaler_applied_to_the_training_part_only():
    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(155).permutation(len(x))
    tr, va = order[:340], order[340:]
    x_train = StandardScaler().fit_transform(x[tr])
    t = (y - y[tr].mean()) / y[tr].std()
    model = keras.Sequential(
        [keras.Input((10,)), layers.Dense(16, activation="relu", kernel_regularizer="l2"), layers.Dense(1)]
    )
    model.compile(optimizer="adam", loss="mae")
    return Subject(model=model, data={"train": (x_train, t[tr]), "validation": (x[va], t[va])}, batch_size=16)


@faulty("distribution-shift")
def dummies_made_for_each_part_in_another_order_of_columns():
    rng = np.random.default_rng(156)
    n = 1000
    city = rng.choice(["Rome", "Bonn", "Oslo", "Lyon"], n, p=[0.5, 0.25, 0.15, 0.1])
    y = (rng.uniform(size=n) < np.select([city == "Rome", city == "Bonn"], [0.8, 0.5], 0.15)).astype(int)
    df = pd.DataFrame({"income": rng.normal(size=n), "city": city})

    def encode(part):
        cols = {f"city{k}": (part.city == c).astype("float32") for k, c in enumerate(part.city.unique())}
        return pd.DataFrame({"income": part.income, **cols}).to_numpy("float32")

    first = df[:800].sort_values("income")
    second = df[800:].sort_values("city")
    return Subject(data={"train": (encode(first), y[first.index]), "validation": (encode(second), y[second.index])})


# Evaluation at random


@faulty("augmented-evaluation")
def one_map_with_random_flips_for_both_parts():
    rng = np.random.default_rng(161)
    x, y = _stripes(rng, 600, size=20, channels=3)

    def prepare(image, label):
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 0.2)
        return image, label

    train = tf.data.Dataset.from_tensor_slices((x[:480], y[:480])).shuffle(480).map(prepare).batch(32)
    val = tf.data.Dataset.from_tensor_slices((x[480:], y[480:])).map(prepare).batch(32)
    return Subject(data={"train": train, "validation": val})


@faulty("augmented-evaluation")
def a_pydataset_that_adds_noise_also_for_validation():
    rng = np.random.default_rng(162)
    x, y = _blobs(rng, 1000, features=16)

    class Noisy(keras.utils.PyDataset):
        def __init__(self, a, b, seed, **kwargs):
            super().__init__(**kwargs)
            self.a, self.b, self.rng = a, b, np.random.default_rng(seed)

        def __len__(self):
            return len(self.a) // 40

        def __getitem__(self, i):
            s = slice(40 * i, 40 * i + 40)
            return self.a[s] + self.rng.normal(0, 0.1, self.a[s].shape).astype("float32"), self.b[s]

    return Subject(data={"train": Noisy(x[:800], y[:800], 1), "validation": Noisy(x[800:], y[800:], 2)})


@faulty("augmented-evaluation")
def random_rotation_with_training_true_on_the_test_images():
    rng = np.random.default_rng(163)
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    x, y = (x[order] / 16).reshape(-1, 8, 8, 1).astype("float32"), y[order]
    turn = keras.Sequential([layers.RandomRotation(0.05), layers.RandomZoom(0.1)])

    def aug(a, b):
        return turn(a, training=True), b

    train = tf.data.Dataset.from_tensor_slices((x[:1400], y[:1400])).batch(64).map(aug)
    test = tf.data.Dataset.from_tensor_slices((x[1400:], y[1400:])).batch(64).map(aug)
    return Subject(data={"train": train, "test": test})


# Inputs that say nothing


@faulty("uninformative-inputs")
def digits_whose_labels_were_shuffled_alone():
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(171)
    x = (x[rng.permutation(len(x))] / 16).astype("float32")
    y = y[rng.permutation(len(y))]
    return Subject(data={"train": (x[:1400], y[:1400]), "validation": (x[1400:], y[1400:])})


@faulty("uninformative-inputs")
def two_pipelines_zipped_after_each_was_shuffled():
    rng = np.random.default_rng(172)
    x, y = _blobs(rng, 1600, features=9, classes=3)
    pictures = tf.data.Dataset.from_tensor_slices(x).shuffle(1600)
    labels = tf.data.Dataset.from_tensor_slices(y).shuffle(1600)
    return Subject(data=tf.data.Dataset.zip((pictures, labels)).batch(32))


@faulty("uninformative-inputs")
def targets_one_row_late_after_a_header_was_skipped():
    rng = np.random.default_rng(173)
    x = rng.normal(size=(1801, 8)).astype("float32")
    y = (x @ rng.normal(size=8) + 0.3 * rng.normal(size=1801)).astype("float32")
    y = (y - y.mean()) / y.std()
    x, y = x[1:], y[:-1]
    return Subject(data={"train": (x[:1440], y[:1440]), "validation": (x[1440:], y[1440:])})


# Too few samples, too many weights, wrong batches


@faulty("small-data", is_info=True)
def twenty_men_in_a_gym():
    x, y = load_linnerud(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3)])
    model.compile("adam", "mse")
    return Subject(model=model, data={"train": (x[:15], y[:15]), "validation": (x[15:], y[15:])}, batch_size=4)


@faulty("excess-capacity", is_info=True)
def wide_dense_layers_for_five_hundred_rows():
    rng = np.random.default_rng(182)
    x, y = _blobs(rng, 600, features=8, spread=2.5)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(2048, activation="relu"),
            layers.Dense(2048, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model=model, data={"train": (x[:480], y[:480]), "validation": (x[480:], y[480:])}, batch_size=32)


@faulty("large-batch")
def all_eight_hundred_samples_in_one_batch():
    rng = np.random.default_rng(183)
    x, y = _blobs(rng, 1000, features=10)
    model = keras.Sequential([keras.Input((10,)), layers.Dense(16, activation="relu"), layers.Dense(1, "sigmoid")])
    model.compile(optimizer="sgd", loss="binary_crossentropy")
    return Subject(model=model, data={"train": (x[:800], y[:800]), "validation": (x[800:], y[800:])}, batch_size=1024)


@faulty("large-batch")
def batches_of_two_for_a_net_with_batch_normalization():
    rng = np.random.default_rng(184)
    x, y = _stripes(rng, 500, size=16)
    m = keras.Sequential(name="tiny_batches")
    m.add(keras.Input((16, 16, 1)))
    for f in (16, 32):
        m.add(layers.Conv2D(f, 3, padding="same", use_bias=False))
        m.add(layers.BatchNormalization())
        m.add(layers.ReLU())
        m.add(layers.MaxPool2D())
    m.add(layers.Flatten())
    m.add(layers.Dense(32, use_bias=False))
    m.add(layers.BatchNormalization())
    m.add(layers.ReLU())
    m.add(layers.Dense(2, activation="softmax"))
    m.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ds = tf.data.Dataset.from_tensor_slices((x[:400], y[:400])).shuffle(400).batch(2)
    return Subject(model=m, data={"train": ds, "validation": (x[400:], y[400:])})
