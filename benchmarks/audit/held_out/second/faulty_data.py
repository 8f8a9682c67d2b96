"""Data sets with one fault each: the mistakes that beginners make before they call fit."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_breast_cancer, load_digits, make_classification, make_moons
from sklearn.model_selection import train_test_split

from benchmarks.audit.case import Subject, faulty


def _blobs(seed: int, n: int, size: int = 20, channels: int = 1, classes: int = 3):
    """Noisy images in 0..1; the class says whether a disc, a bar, a cross or a ring is drawn."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    row, column = np.mgrid[:size, :size]
    x = rng.uniform(0, 0.25, (n, size, size, channels))
    for i in range(n):
        r, c = rng.uniform(size * 0.3, size * 0.7, 2)
        d = np.hypot(row - r, column - c)
        drawn = (
            d < size / 5,
            (abs(row - r) < 2) & (abs(column - c) < size / 3),
            ((abs(row - r) < 1.5) | (abs(column - c) < 1.5)) & (d < size / 3),
            abs(d - size / 4) < 1.2,
        )[y[i]]
        x[i][drawn] += rng.uniform(0.45, 0.75, channels)
    return x.astype("float32"), y


def _columns(seed: int, n: int, width: int, noise: float = 0.3):
    """A standardised table and a standardised target that depends on it smoothly."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)).astype("float32")
    y = x[:, 0] + 0.7 * np.sin(2 * x[:, 1]) - 0.5 * x[:, 2] * x[:, 3] + noise * rng.normal(size=n)
    return x, ((y - y.mean()) / y.std()).astype("float32")


# --- unscaled-inputs


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def bytes_of_the_camera_straight_into_a_convnet():
    x, y = _blobs(1, 1500)
    x = (x * 255).astype("uint8")
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    model = keras.Sequential(
        [
            keras.Input((20, 20, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def breast_cancer_measurements_as_they_come():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=42, stratify=y)
    model = keras.models.Sequential()
    model.add(layers.Input(shape=(30,)))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (x_train, y_train), "validation": (x_test, y_test)})


@faulty("unscaled-inputs")
def unix_seconds_left_among_scaled_columns():
    rng = np.random.default_rng(3)
    n = 2400
    seconds = rng.integers(1_640_995_200, 1_672_531_200, n)
    hour = seconds // 3600 % 24
    frame = pd.DataFrame(
        {
            "created_at": seconds.astype("float64"),
            "hour_sin": np.sin(hour * np.pi / 12),
            "hour_cos": np.cos(hour * np.pi / 12),
            "distance": rng.normal(size=n),
            "is_weekend": (seconds // 86400 % 7 > 4).astype("float64"),
        }
    )
    target = frame.distance + 0.5 * frame.hour_sin - 0.3 * frame.is_weekend + 0.1 * rng.normal(size=n)
    return Subject(data={"train": (frame[:1900], target[:1900]), "validation": (frame[1900:], target[1900:])})


@faulty("unscaled-inputs", "signal-scale", "initial-loss")
def sixteen_bit_sound_without_division():
    rng = np.random.default_rng(4)
    n, steps = 900, 800
    y = rng.integers(0, 4, n)
    t = np.arange(steps) / 4000
    pitch = np.array([110, 220, 440, 880])[y] * rng.uniform(0.95, 1.05, n)
    wave = np.sin(2 * np.pi * pitch[:, None] * t + rng.uniform(0, 6, (n, 1)))
    wave = rng.uniform(0.2, 0.8, (n, 1)) * wave + 0.03 * rng.normal(size=(n, steps))
    x = (wave * 32000).clip(-32768, 32767).astype("int16")[..., None]
    wav = keras.Input((steps, 1))
    h = layers.Conv1D(16, 40, strides=8, activation="relu")(wav)
    h = layers.MaxPooling1D(4)(h)
    h = layers.Conv1D(32, 5, activation="relu")(h)
    h = layers.GlobalAveragePooling1D()(h)
    model = keras.Model(wav, layers.Dense(4)(h))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model, {"train": (x[:700], y[:700]), "validation": (x[700:], y[700:])})


@faulty("unscaled-inputs", "signal-scale")
def share_price_and_volume_in_one_lstm_window():
    rng = np.random.default_rng(5)
    n, width = 1600, 20
    swing = np.zeros(n)
    for i in range(1, n):
        swing[i] = 0.9 * swing[i - 1] + rng.normal()
    close = 140 + 5 * swing
    volume = 3.2e6 * np.exp(0.3 * rng.normal(size=n))
    table = np.stack([close, volume], axis=1)
    x = np.stack([table[i : i + width] for i in range(n - width)])
    y = (swing[width:] - swing[width - 1 : -1] > 0).astype("float32")
    model = keras.Sequential(
        [keras.Input((width, 2)), layers.LSTM(16), layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), "binary_crossentropy", metrics=["accuracy"])
    return Subject(model, {"train": (x[:1240], y[:1240]), "validation": (x[1260:], y[1260:])})


# --- non-finite-inputs


@faulty("non-finite-inputs")
def passengers_of_unknown_age():
    rng = np.random.default_rng(6)
    n = 1300
    df = pd.DataFrame(
        {
            "sex": rng.integers(0, 2, n),
            "pclass": rng.integers(1, 4, n),
            "age": rng.gamma(6, 5, n),
            "fare": rng.gamma(2, 12, n),
        }
    )
    odds = 1.8 * df.sex - 0.8 * df.pclass - 0.02 * df.age + 1.2
    survived = (rng.uniform(size=n) < 1 / (1 + np.exp(-odds))).astype("int64")
    df.loc[rng.choice(n, 260, replace=False), "age"] = np.nan
    df = (df - df[:1000].mean()) / df[:1000].std()
    return Subject(data={"train": (df[:1000], survived[:1000]), "validation": (df[1000:], survived[1000:])})


@faulty("non-finite-inputs", "cannot-run", "initial-loss")
def logarithm_of_purchase_counts_with_zeros():
    rng = np.random.default_rng(7)
    rate = rng.gamma(1.5, 1.5, (1800, 6))
    counts = rng.poisson(rate)
    with np.errstate(divide="ignore"):
        x = np.log(counts).astype("float32")
    y = (rate[:, 0] + rate[:, 1] > rate[:, 2] + rate[:, 3]).astype("float32")
    inputs = keras.Input(shape=(6,))
    h = layers.Dense(24, activation="relu")(inputs)
    outputs = layers.Dense(1, activation="sigmoid")(h)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy")
    return Subject(model, {"train": (x[:1400], y[:1400]), "validation": (x[1400:], y[1400:])})


@faulty("non-finite-inputs")
def digits_divided_by_the_deviation_of_blank_pixels():
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=1, stratify=y)
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x_train = (x_train - mean) / std
        x_val = (x_val - mean) / std
    return Subject(data={"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("non-finite-inputs")
def last_day_has_no_tomorrow_in_the_target():
    rng = np.random.default_rng(9)
    days = np.arange(1460)
    celsius = np.zeros(1460)
    for i in range(1, 1460):
        celsius[i] = 0.8 * celsius[i - 1] + rng.normal()
    df = pd.DataFrame({"temp": celsius, "sin": np.sin(days * 2 * np.pi / 365), "cos": np.cos(days * 2 * np.pi / 365)})
    df["week"] = df["temp"].rolling(7, min_periods=1).mean()
    df["tomorrow"] = df["temp"].shift(-1)
    x, y = df.drop(columns="tomorrow"), df["tomorrow"]
    return Subject(data={"train": (x[:1095], y[:1095]), "validation": (x[1095:], y[1095:])})


# --- class-imbalance


@faulty("class-imbalance")
def card_fraud_one_in_two_hundred_and_no_weights():
    rng = np.random.default_rng(10)
    n = 6000
    y = (rng.uniform(size=n) < 0.005).astype("float32")
    x = rng.normal(size=(n, 10)).astype("float32")
    x[:, :4] += 1.5 * y[:, None]
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    return Subject(model, {"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("class-imbalance", "distribution-shift")
def flowers_sorted_by_species_and_cut_at_two_thirds():
    rng = np.random.default_rng(11)
    centre = rng.normal(size=(3, 4)) * 0.8
    x = np.concatenate([c + 0.5 * rng.normal(size=(500, 4)) for c in centre]).astype("float32")
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.repeat([0, 1, 2], 500)
    split = int(len(x) * 2 / 3)
    return Subject(data={"train": (x[:split], y[:split]), "validation": (x[split:], y[split:])})


@faulty("class-imbalance")
def skin_lesions_nearly_all_of_them_harmless():
    rng = np.random.default_rng(12)
    y = rng.choice(7, 1800, p=[0.94] + [0.01] * 6)
    tint = rng.uniform(0.2, 0.9, (7, 3))
    row, column = np.mgrid[:16, :16]
    spot = (np.hypot(row - 7.5, column - 7.5) < 5)[None, :, :, None]
    skin = rng.uniform(0.6, 0.9, (1800, 16, 16, 3))
    x = np.where(spot, tint[y][:, None, None] + 0.08 * rng.normal(size=skin.shape), skin)
    x = x.clip(0, 1).astype("float32")
    labels = keras.utils.to_categorical(y, 7)
    return Subject(data={"train": (x[:1400], labels[:1400]), "validation": (x[1400:], labels[1400:])})


# --- label-range


@faulty("label-range", "cannot-run", "output-units-mismatch")
def star_ratings_from_one_to_five_with_five_units():
    rng = np.random.default_rng(13)
    x, mood = _columns(13, 1500, 8)
    stars = np.digitize(mood, [-0.9, -0.3, 0.3, 0.9]) + 1
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(20, activation="relu"), layers.Dense(5, activation="softmax")]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    order = rng.permutation(1500)
    x, stars = x[order], stars[order]
    return Subject(model, {"train": (x[:1200], stars[:1200]), "validation": (x[1200:], stars[1200:])})


@faulty("label-range", "output-activation-mismatch")
def plus_and_minus_one_kept_from_the_support_vector_days():
    x, y = make_moons(1200, noise=0.2, random_state=14)
    y = 2 * y - 1
    inputs = keras.Input((2,))
    h = layers.Dense(16)(inputs)
    h = layers.Activation("tanh")(h)
    h = layers.Dense(16)(h)
    h = layers.Activation("tanh")(h)
    model = keras.Model(inputs, layers.Activation("sigmoid")(layers.Dense(1)(h)))
    model.compile(keras.optimizers.Adam(0.01), loss=keras.losses.BinaryCrossentropy())
    return Subject(model, {"train": (x[:900], y[:900]), "validation": (x[900:], y[900:])})


@faulty("label-range", "cannot-run", "output-units-mismatch")
def border_pixels_marked_255_in_class_maps():
    x, _ = _blobs(15, 500, size=24)
    maps = (x[..., 0] > 0.4).astype("int32")
    edge = np.abs(np.diff(maps, axis=1, prepend=0))
    maps[edge > 0] = 255
    inputs = keras.Input((24, 24, 1))
    h = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    h = layers.Conv2D(12, 3, padding="same", dilation_rate=2, activation="relu")(h)
    h = layers.Conv2D(12, 3, padding="same", dilation_rate=4, activation="relu")(h)
    model = keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy")
    return Subject(model, {"train": (x[:400], maps[:400]), "validation": (x[400:], maps[400:])})


@faulty("label-range", "output-activation-mismatch", "initial-loss")
def masks_read_from_png_not_brought_to_one():
    x, _ = _blobs(16, 500, size=24)
    masks = np.where(x > 0.4, 255.0, 0.0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.UpSampling2D(),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return Subject(model, {"train": (x[:400], masks[:400]), "validation": (x[400:], masks[400:])})


@faulty("label-range", "output-activation-mismatch")
def rented_bikes_standardised_and_then_poisson():
    x, signal = _columns(17, 1600, 6)
    bikes = np.random.default_rng(17).poisson(np.exp(2 + 0.5 * signal))
    y = ((bikes - bikes.mean()) / bikes.std()).astype("float32")
    model = keras.Sequential([keras.Input((6,))])
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1, activation="softplus"))
    model.compile(optimizer="adam", loss="poisson")
    return Subject(model, {"train": (x[:1300], y[:1300]), "validation": (x[1300:], y[1300:])})


# --- train-validation-leak


@faulty("train-validation-leak")
def rare_class_copied_before_the_split():
    rng = np.random.default_rng(18)
    x, y = make_classification(1500, 12, n_informative=6, weights=[0.85], random_state=18)
    rare = np.flatnonzero(y == 1)
    extra = rng.choice(rare, (y == 0).sum() - len(rare))
    x, y = np.concatenate([x, x[extra]]), np.concatenate([y, y[extra]])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0)
    return Subject(data={"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("train-validation-leak")
def noisy_copies_of_every_picture_dealt_to_both_sides():
    rng = np.random.default_rng(19)
    x, y = _blobs(19, 500)
    copies = [x] + [(x + 0.02 * rng.normal(size=x.shape)).clip(0, 1).astype("float32") for _ in range(2)]
    x, y = np.concatenate(copies), np.tile(y, 3)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=3)
    return Subject(data={"train": (x_train, y_train), "test": (x_test, y_test)})


@faulty("train-validation-leak")
def validation_cut_off_but_fit_is_given_everything():
    x, y = _columns(20, 1500, 9)
    x_val, y_val = x[1200:], y[1200:]
    model = keras.Sequential(
        [keras.Input((9,)), layers.Dense(32, activation="relu"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return Subject(model, {"train": (x, y), "validation": (x_val, y_val)})


@faulty("train-validation-leak")
def overlapping_windows_of_one_series_split_at_random():
    rng = np.random.default_rng(21)
    t = np.arange(1600)
    series = np.sin(t / 11) + 0.5 * np.sin(t / 4.3) + 0.1 * rng.normal(size=1600)
    x = np.lib.stride_tricks.sliding_window_view(series, 30)[:-1, :, None].astype("float32")
    y = series[30:].astype("float32")
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, shuffle=True, random_state=21)
    return Subject(data={"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("train-validation-leak")
def shuffled_anew_each_epoch_before_take_and_skip():
    x, y = _blobs(22, 1000)
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1000, seed=22)
    val = ds.take(200).batch(32)
    train = ds.skip(200).batch(32).prefetch(1)
    return Subject(data={"train": train, "validation": val})


# --- distribution-shift


@faulty("distribution-shift")
def only_the_training_pictures_divided_by_255():
    x, y = _blobs(23, 1400, channels=3)
    x = np.round(x * 255)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=5, stratify=y)
    x_train = x_train / 255.0
    return Subject(data={"train": (x_train, y_train), "validation": (x_val, y_val)})


@faulty("distribution-shift")
def test_photos_read_with_blue_before_red():
    rng = np.random.default_rng(24)
    x, y = _blobs(24, 1400, channels=3, classes=4)
    cast = np.array([0.25, 0.05, -0.1]) + 0.03 * rng.normal(size=(1400, 1, 1, 3))
    x = (x + cast).clip(0, 1).astype("float32")
    return Subject(data={"train": (x[:1100], y[:1100]), "test": (x[1100:, :, :, ::-1], y[1100:])})


@faulty("distribution-shift")
def houses_sorted_by_price_and_the_dearest_held_out():
    x, y = _columns(25, 1600, 7)
    df = pd.DataFrame(x, columns=["rooms", "area", "age", "garden", "floor", "bath", "distance"])
    df["price"] = y
    df = df.sort_values("price").reset_index(drop=True)
    train, val = df[:1280], df[1280:]
    return Subject(
        data={
            "train": (train.drop(columns="price"), train["price"]),
            "validation": (val.drop(columns="price"), val["price"]),
        }
    )


@faulty("distribution-shift", "unscaled-inputs")
def second_station_reports_in_fahrenheit():
    rng = np.random.default_rng(26)

    def station(n):
        celsius = 12 + 7 * rng.normal(size=n)
        damp = rng.uniform(0.3, 1, n)
        wind = rng.gamma(2, 0.5, n)
        rain = (rng.uniform(size=n) < 1 / (1 + np.exp(-(6 * damp - 4 - 0.05 * celsius)))).astype("float32")
        return np.stack([celsius, damp, wind], axis=1), rain

    (x, y), (x_val, y_val) = station(1500), station(400)
    x_val[:, 0] = x_val[:, 0] * 9 / 5 + 32
    x_val = (x_val - x.mean(axis=0)) / x.std(axis=0)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return Subject(data={"train": (x, y), "validation": (x_val, y_val)})


# --- augmented-evaluation


@faulty("augmented-evaluation")
def one_image_generator_with_flips_for_both_subsets():
    x, y = _blobs(27, 1000)
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        horizontal_flip=True, width_shift_range=0.1, validation_split=0.2
    )
    train = generator.flow(x, y, batch_size=32, subset="training")
    val = generator.flow(x, y, batch_size=32, subset="validation")
    return Subject(data={"train": train, "validation": val})


@faulty("augmented-evaluation")
def random_crop_mapped_before_the_data_were_divided():
    x, y = _blobs(28, 1000, size=24)

    def augment(image, label):
        image = tf.image.random_crop(image, (20, 20, 1))
        return tf.image.random_brightness(image, 0.15), label

    ds = tf.data.Dataset.from_tensor_slices((x, y)).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    train = ds.take(800).shuffle(800).batch(32)
    val = ds.skip(800).batch(32)
    return Subject(data={"train": train, "validation": val})


# --- uninformative-inputs


@faulty("uninformative-inputs")
def pictures_and_labels_shuffled_one_by_one():
    digits = load_digits()
    images, labels = digits.images[..., None] / 16, digits.target.copy()
    np.random.default_rng(29).shuffle(images)
    np.random.default_rng(30).shuffle(labels)
    return Subject(data={"train": (images[:1400], labels[:1400]), "validation": (images[1400:], labels[1400:])})


@faulty("uninformative-inputs")
def next_lottery_number_from_the_last_ten_draws():
    draws = np.random.default_rng(31).integers(0, 10, 2500)
    x = np.lib.stride_tricks.sliding_window_view(draws, 10)[:-1]
    y = draws[10:]
    x = keras.utils.to_categorical(x, 10)
    return Subject(data={"train": (x[:2000], y[:2000]), "validation": (x[2010:], y[2010:])})
