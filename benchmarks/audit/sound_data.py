"""Sound data sets: split at random, scaled, with labels that belong to the inputs."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn import datasets, model_selection, preprocessing

from benchmarks.audit.case import Subject, sound
from benchmarks.audit.faulty_data import Arrays, Noisy, blobs, classifier, pictures, split


def drawn(x: np.ndarray, y: np.ndarray, *, is_stratified: bool = True, seed: int = 0) -> dict[str, Arrays]:
    """Return a random split in three."""
    parts = model_selection.train_test_split(
        x, y, test_size=0.4, random_state=seed, stratify=y if is_stratified else None
    )
    x_train, x_rest, y_train, y_rest = parts
    x_val, x_test, y_val, y_test = model_selection.train_test_split(x_rest, y_rest, test_size=0.5, random_state=seed)
    return {"train": (x_train, y_train), "validation": (x_val, y_val), "test": (x_test, y_test)}


def scaled(x: np.ndarray) -> np.ndarray:
    return preprocessing.StandardScaler().fit_transform(x).astype("float32")


@sound
def iris() -> Subject:
    x, y = datasets.load_iris(return_X_y=True)
    return Subject(classifier((4,), 3), drawn(scaled(x), y), 16)


@sound
def wine() -> Subject:
    x, y = datasets.load_wine(return_X_y=True)
    return Subject(data=drawn(scaled(x), y))


@sound
def breast_cancer() -> Subject:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return Subject(classifier((30,), 2), drawn(scaled(x), y), 32, dry_run=True)


@sound
def diabetes() -> Subject:
    x, y = datasets.load_diabetes(return_X_y=True)
    return Subject(data=drawn(scaled(x), scaled(y[:, None])[:, 0], is_stratified=False))


@sound
def digits_between_zero_and_one() -> Subject:
    x, y = datasets.load_digits(return_X_y=True)
    return Subject(classifier((8, 8, 1), 10), drawn((x / 16).reshape(-1, 8, 8, 1).astype("float32"), y), 32)


@sound
def digits_scaled_in_the_model() -> Subject:
    x, y = datasets.load_digits(return_X_y=True)
    return Subject(classifier((8, 8, 1), 10, layers.Rescaling(1 / 16)), drawn(x.reshape(-1, 8, 8, 1), y), 32)


@sound
def two_moons() -> Subject:
    x, y = datasets.make_moons(600, noise=0.2, random_state=0)
    return Subject(data=drawn(x.astype("float32"), y))


@sound
def exclusive_or() -> Subject:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 2)).astype("float32")
    return Subject(data=drawn(x, (x[:, 0] * x[:, 1] > 0).astype(int)))


@sound
def heavy_tails() -> Subject:
    rng = np.random.default_rng(1)
    x = rng.standard_t(3, (1200, 10)).astype("float32")
    return Subject(data=drawn(x, x[:, 0] - x[:, 1] + rng.normal(size=1200), is_stratified=False))


@sound
def columns_of_categories() -> Subject:
    rng = np.random.default_rng(2)
    kinds = rng.integers(0, 4, (1500, 3))
    y = (kinds[:, 0] + kinds[:, 1] + rng.integers(0, 2, 1500) > 3).astype(int)
    return Subject(data=drawn(np.eye(4, dtype="float32")[kinds].reshape(1500, 12), y))


@sound
def words_as_numbers() -> Subject:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 800)
    x = rng.integers(1, 5000, (800, 40))
    x[:, :8] = np.where(y[:, None], rng.integers(1, 50, (800, 8)), rng.integers(50, 100, (800, 8)))
    model = keras.Sequential([
        layers.Input((40,), dtype="int32"), layers.Embedding(5000, 16), layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return Subject(model, drawn(x, y), 32)


@sound
def pictures_as_a_dataset() -> Subject:
    x, y = pictures(600)
    parts = split(x, y)
    data = {name: tf.data.Dataset.from_tensor_slices(part).batch(32) for name, part in parts.items()}
    data["train"] = data["train"].shuffle(10).map(lambda image, label: (tf.image.random_flip_left_right(image), label))
    return Subject(classifier((16, 16, 1), 2), data)


@sound
def batches_of_ones_own() -> Subject:
    x, y = blobs()
    return Subject(data={"train": Noisy(x[:600], y[:600], 0.3), "validation": Noisy(x[600:], y[600:], 0.0)})


@sound
def one_hot_labels() -> Subject:
    x, y = blobs()
    model = keras.Sequential(
        [layers.Input((12,)), layers.Dense(32, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, drawn(x, np.eye(3, dtype="float32")[y], is_stratified=False), 32)


@sound
def several_labels_for_each_sample() -> Subject:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(900, 12)).astype("float32")
    y = (x[:, :5] + rng.normal(0, 0.5, (900, 5)) > 0.3).astype("float32")
    model = keras.Sequential(
        [layers.Input((12,)), layers.Dense(32, activation="relu"), layers.Dense(5, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    return Subject(model, drawn(x, y, is_stratified=False), 32)


@sound
def two_classes_three_to_one() -> Subject:
    x, y = blobs(2400, 2)
    keep = (y == 0) | (np.arange(2400) % 3 == 0)
    return Subject(data=drawn(x[keep], y[keep]))


@sound
def pictures_of_themselves() -> Subject:
    x, _ = pictures(600)
    model = keras.Sequential([
        layers.Input((16, 16, 1)), layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ])  # fmt: skip
    model.compile("adam", "binary_crossentropy")
    return Subject(model, split(x, np.clip(x, 0, 1)), 32)


@sound
def a_split_by_chance_alone() -> Subject:
    rng = np.random.default_rng(5)
    x, y = blobs(2000, 4, seed=5)
    at = rng.permutation(2000)
    return Subject(data=split(x[at], y[at], 0.8))
