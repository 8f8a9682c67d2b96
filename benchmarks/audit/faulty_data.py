"""Data sets with one fault each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.audit.case import Subject, faulty

Arrays = tuple[np.ndarray, np.ndarray]


def blobs(n: int = 800, classes: int = 3, features: int = 12, seed: int = 0) -> Arrays:
    """Return scaled features in as many overlapping clouds as there are classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1.5, (classes, features))
    y = rng.integers(0, classes, n)
    return (centres[y] + rng.normal(0, 1, (n, features))).astype("float32"), y.astype("int32")


def pictures(n: int = 400, seed: int = 0) -> Arrays:
    """Return grey pictures between 0 and 1 of a bright bar, upright or lying."""
    rng = np.random.default_rng(seed)
    images = rng.random((n, 16, 16, 1)).astype("float32") * 0.4
    y = rng.integers(0, 2, n)
    for image, upright in zip(images, y, strict=True):
        at = rng.integers(2, 12)
        image[(slice(None), slice(at, at + 3)) if upright else (slice(at, at + 3), slice(None))] += 0.6
    return images, y.astype("int32")


def split(x: np.ndarray, y: np.ndarray, share: float = 0.75) -> dict[str, Arrays]:
    at = int(share * len(x))
    return {"train": (x[:at], y[:at]), "validation": (x[at:], y[at:])}


def classifier(shape: tuple[int, ...], classes: int, *first: keras.Layer) -> keras.Model:
    body = [layers.Flatten()] if len(shape) > 1 else []
    model = keras.Sequential([
        layers.Input(shape), *first, *body, layers.Dense(32, activation="relu"),
        layers.Dense(classes, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def of(data: Any, **more: Any) -> Subject:
    return Subject(data=data, **more)


@faulty("unscaled-inputs")
def pixels_up_to_255() -> Subject:
    x, y = pictures()
    return Subject(classifier((16, 16, 1), 2), split(x * 255, y))


@faulty("unscaled-inputs")
def income_beside_age() -> Subject:
    x, y = blobs()
    x[:, 0] = x[:, 0] * 9_000 + 42_000
    return of(split(x, y))


@faulty("unscaled-inputs")
def years_as_a_feature() -> Subject:
    x, y = blobs()
    x[:, 3] = 1990 + 5 * x[:, 3]
    return Subject(classifier((12,), 3), split(x, y))


@faulty("non-finite-inputs")
def a_gap_in_the_features() -> Subject:
    x, y = blobs()
    x[5, 2] = x[77, 4] = np.nan
    return of(split(x, y))


@faulty("non-finite-inputs")
def a_division_by_zero() -> Subject:
    x, y = blobs()
    x[10, 0] = np.inf
    return of(split(x, y))


@faulty("non-finite-inputs", "label-range")
def a_target_that_is_not_a_number() -> Subject:
    x, _ = blobs()
    target = x[:, 0] * 3
    target[4] = np.nan
    return of(split(x, target))


@faulty("class-imbalance")
def one_fraud_in_two_hundred() -> Subject:
    x, y = blobs(4000, 2)
    keep = (y == 0) | (np.arange(4000) % 100 == 0)
    return of(split(x[keep], y[keep]))


@faulty("class-imbalance")
def one_class_of_five_hardly_there() -> Subject:
    x, y = blobs(3000, 5)
    keep = (y != 4) | (np.arange(3000) % 60 == 0)
    return of(split(x[keep], y[keep]))


@faulty("label-range", "output-units-mismatch")
def classes_counted_from_one() -> Subject:
    x, y = blobs()
    return Subject(classifier((12,), 3), split(x, y + 1))


@faulty("label-range", "output-units-mismatch", "output-activation-mismatch")
def labels_of_minus_one_and_one() -> Subject:
    x, y = blobs(800, 2)
    model = keras.Sequential(
        [layers.Input((12,)), layers.Dense(32, activation="relu"), layers.Dense(1, activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return Subject(model, split(x, 2 * y - 1))


@faulty("label-range")
def a_mask_of_0_and_255() -> Subject:
    x, _ = pictures()
    model = keras.Sequential(
        [
            layers.Input((16, 16, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return Subject(model, split(x, ((x > 0.6) * 255).astype("float32")))


@faulty("label-range", "uninformative-inputs")
def labels_that_are_all_alike() -> Subject:
    x, y = blobs()
    return of(split(x, np.zeros_like(y)))


@faulty("label-range")
def names_of_classes_as_labels() -> Subject:
    x, y = blobs()
    return Subject(classifier((12,), 3), split(x, np.array(["cat", "dog", "fox"])[y]))


@faulty("label-range", "output-units-mismatch")
def negative_class_numbers() -> Subject:
    x, y = blobs()
    return Subject(classifier((12,), 3), split(x, y - 1))


@faulty("distribution-shift")
def validation_data_from_another_sensor() -> Subject:
    x, y = blobs()
    parts = split(x, y)
    parts["validation"] = (parts["validation"][0] * 1.4 + 1.0, parts["validation"][1])
    return of(parts)


@faulty("distribution-shift")
def a_drift_in_time() -> Subject:
    x, y = blobs(1600)
    x[:, :4] += np.linspace(0, 3, 1600, dtype="float32")[:, None]
    return of(split(x, y))


@faulty("distribution-shift", "class-imbalance")
def sorted_by_class_before_the_split() -> Subject:
    x, y = blobs(900)
    order = np.argsort(y, kind="stable")
    return of(split(x[order], y[order]))


@faulty("distribution-shift")
def darker_test_pictures() -> Subject:
    x, y = pictures(800)
    parts = split(x, y)
    return of({"train": parts["train"], "test": (parts["validation"][0] * 0.5, parts["validation"][1])})


@faulty("distribution-shift")
def other_shares_of_the_classes() -> Subject:
    x, y = blobs(3000, 2)
    late = np.arange(3000) >= 2000
    keep = ~late | (y == 0) | (np.arange(3000) % 8 == 0)
    parts = {"train": (x[~late], y[~late]), "validation": (x[late & keep], y[late & keep])}
    return of(parts)


@faulty("train-validation-leak")
def validation_samples_that_were_trained_on() -> Subject:
    x, y = blobs()
    return of({"train": (x, y), "validation": (x[::5], y[::5])})


@faulty("train-validation-leak")
def oversampled_before_the_split() -> Subject:
    x, y = blobs(400)
    at = np.random.default_rng(1).integers(0, 400, 1600)
    return of(split(x[at], y[at]))


@faulty("train-validation-leak")
def nearly_the_same_pictures() -> Subject:
    x, y = pictures(600)
    rng = np.random.default_rng(2)
    copies = x[:150] + rng.normal(0, 0.005, (150, 16, 16, 1)).astype("float32")
    return of(
        {"train": (x[:450], y[:450]), "test": (np.concatenate([copies, x[450:]]), np.concatenate([y[:150], y[450:]]))}
    )


@faulty("augmented-evaluation")
def random_flips_of_validation_pictures() -> Subject:
    x, y = pictures()
    parts: Mapping[str, Any] = split(x, y)
    train = tf.data.Dataset.from_tensor_slices(parts["train"]).batch(32)
    flipped = tf.data.Dataset.from_tensor_slices(parts["validation"]).map(
        lambda image, label: (tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.3), label)
    )
    return of({"train": train, "validation": flipped.batch(32)})


class Noisy(keras.utils.PyDataset):
    def __init__(self, x: np.ndarray, y: np.ndarray, noise: float) -> None:
        super().__init__()
        self.x, self.y, self.noise, self.rng = x, y, noise, np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.x) // 32

    def __getitem__(self, index: int) -> Arrays:
        at = slice(32 * index, 32 * index + 32)
        return self.x[at] + self.noise * self.rng.normal(size=self.x[at].shape).astype("float32"), self.y[at]


@faulty("augmented-evaluation")
def noise_on_validation_batches() -> Subject:
    x, y = blobs()
    return of({"train": Noisy(x[:600], y[:600], 0.3), "validation": Noisy(x[600:], y[600:], 0.3)})


@faulty("uninformative-inputs")
def labels_that_lost_their_order() -> Subject:
    x, y = blobs(1500)
    return of(split(x, np.random.default_rng(3).permutation(y)))


@faulty("uninformative-inputs")
def inputs_of_noise() -> Subject:
    rng = np.random.default_rng(4)
    return of(split(rng.normal(size=(1500, 12)).astype("float32"), rng.integers(0, 3, 1500)))


@faulty("uninformative-inputs")
def targets_that_lost_their_order() -> Subject:
    x, _ = blobs(1500)
    return of(split(x, np.random.default_rng(5).permutation(x[:, 0] * 2 + x[:, 1])))


@faulty("small-data")
def a_validation_set_of_eight() -> Subject:
    x, y = blobs(208)
    return of({"train": (x[:200], y[:200]), "validation": (x[200:], y[200:])})


@faulty("small-data", "excess-capacity", is_info=True)
def forty_pictures_in_all() -> Subject:
    x, y = pictures(40)
    return of(split(x, y))
