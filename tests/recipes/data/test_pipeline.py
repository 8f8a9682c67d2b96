"""Batches: every sample once an epoch, the same ones for the same seed, and nothing done to what is evaluated."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from recipes.config import Config
from recipes.data.base import Split
from recipes.data.pipeline import evaluation_batches, told_plainly, training_batches
from recipes.errors import ConfigError, DataError
from recipes.parts import output
from recipes.task import Facts, Inputs, Kind, Task
from tests.recipes.data import pictures
from tests.recipes.data.pictures import config

pytestmark = pytest.mark.keras

Batch = tuple[NDArray[Any], ...]
#: Everything that draws at random.
RANDOM = {"augmentation": "strong", "mixing": "cutmix", "class_weight": True}


@pytest.fixture(scope="module")
def three() -> tuple[Split, Facts]:
    return pictures.classes()


class Numbered:
    """Samples that are fetched by number."""

    def __init__(self, x: NDArray[Any]) -> None:
        self._x = x
        self.shape, self.dtype = x.shape[1:], x.dtype

    def __len__(self) -> int:
        return len(self._x)

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        return self._x[indices]


def training(split: Split, facts: Facts, how: Config, **span: Any) -> list[Batch]:
    return list(training_batches(split, how, facts, **span).as_numpy_iterator())


def whole(batches: list[Batch]) -> Batch:
    """Return all batches as one."""
    return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def assert_equal(ones: list[Batch], others: list[Batch]) -> None:
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        for array, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, expected)


def are_equal(ones: list[Batch], others: list[Batch]) -> bool:
    return all(np.array_equal(one[0], other[0]) for one, other in zip(ones, others, strict=True))


def test_an_epoch_has_each_sample_once_with_its_own_target(three: tuple[Split, Facts]) -> None:
    split, facts = three
    x, y = whole(training(split, facts, config(batch_size=5, epochs=1)))
    row_of = {image.tobytes(): row for row, image in enumerate(split.x)}  # type: ignore[arg-type]
    rows = [row_of[image.tobytes()] for image in x]
    assert sorted(rows) == list(range(23))
    np.testing.assert_array_equal(y, split.y[rows])


def test_the_last_batch_of_an_epoch_is_smaller_and_steps_count_it(three: tuple[Split, Facts]) -> None:
    split, facts = three
    sizes = [len(y) for _, y in training(split, facts, config(batch_size=5, epochs=2))]
    assert sizes == [5, 5, 5, 5, 3] * 2
    assert len(sizes) == 2 * facts.steps(5)


def test_each_epoch_and_each_seed_has_an_order_of_its_own(three: tuple[Split, Facts]) -> None:
    split, facts = three
    both = training(split, facts, config(batch_size=23, epochs=2))
    assert not np.array_equal(both[0][0], both[1][0])
    again = training(split, facts, config(batch_size=23, epochs=2))
    assert_equal(again, both)
    assert not are_equal(training(split, facts, config(batch_size=23, epochs=2, seed=1)), both)


def test_large_seeds_are_seeds_too(three: tuple[Split, Facts]) -> None:
    split, facts = three
    last, before = (training(split, facts, config(seed=2**32 - n, epochs=1, augmentation=1)) for n in (1, 2))
    assert not are_equal(last, before)


def test_without_shuffling_the_order_is_kept(three: tuple[Split, Facts]) -> None:
    split, facts = three
    x, y = whole(training(split, facts, config(shuffle=False, epochs=1)))
    np.testing.assert_array_equal(x, split.x)
    np.testing.assert_array_equal(y, split.y)


@pytest.mark.parametrize("settings", [{}, {"augmentation": "strong"}, {"mixing": "mixup"}, RANDOM], ids=str)
def test_what_is_resumed_goes_on_as_if_it_had_not_been_interrupted(
    three: tuple[Split, Facts], settings: dict[str, Any]
) -> None:
    split, facts = three
    how = config(batch_size=8, epochs=3, seed=7, **settings)
    uninterrupted = training(split, facts, how)
    assert_equal(training(split, facts, how, first_epoch=1), uninterrupted[3:])
    assert_equal(training(split, facts, how, first_epoch=1, epochs=2), uninterrupted[3:6])


def test_arrays_files_and_mapped_files_give_the_same_batches(three: tuple[Split, Facts], tmp_path: Path) -> None:
    split, facts = three
    np.save(tmp_path / "x.npy", split.x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    how = config(batch_size=8, epochs=2, **RANDOM)
    expected = training(split, facts, how)
    for x in (mapped, Numbered(split.x)):  # type: ignore[arg-type]
        other = pictures.split(x, split.y)
        assert_equal(training(other, facts, how), expected)
        evaluated = list(evaluation_batches(other, how, facts).as_numpy_iterator())
        np.testing.assert_array_equal(whole(evaluated)[0], split.x)


@pytest.mark.parametrize("settings", [{}, RANDOM], ids=str)
def test_all_but_the_size_of_a_batch_is_known_beforehand(three: tuple[Split, Facts], settings: dict[str, Any]) -> None:
    split, facts = three
    for x in (split.x, Numbered(split.x)):  # type: ignore[arg-type]
        batches = training_batches(pictures.split(x, split.y), config(**settings), facts)
        shapes = [tuple(spec.shape) for spec in batches.element_spec]
        assert shapes == ([(None, 12, 10, 3), (None, 3), (None,)] if settings else [(None, 12, 10, 3), (None,)])


def test_targets_are_one_hot_where_the_loss_takes_shares_of_classes(three: tuple[Split, Facts]) -> None:
    split, facts = three
    how = config(shuffle=False, epochs=1).replace({"regularization.label_smoothing": 0.1})
    _, y = whole(training(split, facts, how))
    np.testing.assert_array_equal(y, np.eye(3, dtype=np.float32)[split.y])
    _, y = whole(list(evaluation_batches(split, how, facts).as_numpy_iterator()))
    np.testing.assert_array_equal(y, np.eye(3, dtype=np.float32)[split.y])


def test_one_hot_targets_of_many_classes_do_not_fill_the_memory() -> None:
    count, classes = 5000, 1000
    split = pictures.split(np.zeros((count, 1), np.float32), (np.arange(count) % classes).astype(np.int32))
    task = Task(Kind.MULTICLASS, tuple(map(str, range(classes))), (count // classes,) * classes)
    facts = Facts("table", Inputs("vector", (1,)), task, {"train": count})
    how = config(shuffle=False, epochs=1, batch_size=8).replace({"regularization.label_smoothing": 0.1})
    tracemalloc.start()
    try:
        batches = [make(split, how, facts) for make in (training_batches, evaluation_batches)]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < count * classes  # a fourth of the bytes of all targets
    for made in batches:
        np.testing.assert_array_equal(next(made.as_numpy_iterator())[1], np.eye(classes)[:8])


def test_a_recipe_may_encode_all_targets_at_once(three: tuple[Split, Facts]) -> None:
    split, facts = three
    seen = []

    def encode(y: NDArray[Any]) -> NDArray[Any]:
        seen.append(len(y))
        return np.stack([y, y + 10], axis=1)

    batches = training(split, facts, config(shuffle=False, batch_size=4, epochs=3), encode=encode)
    assert seen == [23]
    np.testing.assert_array_equal(batches[0][1], np.stack([split.y, split.y + 10], axis=1)[:4])
    evaluated = next(evaluation_batches(split, config(batch_size=4), facts, encode=encode).as_numpy_iterator())
    np.testing.assert_array_equal(evaluated[1], batches[0][1])


def test_a_class_weighs_by_its_rarity(three: tuple[Split, Facts]) -> None:
    split, facts = three
    _, y, weights = whole(training(split, facts, config(class_weight=True, epochs=1)))
    expected = {c: 23 / (3 * np.sum(split.y == c)) for c in range(3)}
    np.testing.assert_allclose(weights, [expected[c] for c in y], rtol=1e-6)
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    assert weights.dtype == np.float32


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_each_part_of_a_mixture_weighs_as_its_own_class(three: tuple[Split, Facts], mixing: str) -> None:
    """Weight times label is the mixture of weights times labels: with it the loss, too, is that of the parts."""
    split, facts = three
    _, shares = whole(training(split, facts, config(mixing=mixing, epochs=1)))  # the same mixtures
    _, y, weights = whole(training(split, facts, config(class_weight=True, mixing=mixing, epochs=1)))
    assert np.any((shares > 0.05) & (shares < 0.95))
    by_class = np.array([facts.task.class_weights()[c] for c in range(3)])
    np.testing.assert_allclose(weights[:, None] * y, shares * by_class, atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)


def test_the_parts_of_yes_and_no_weigh_as_their_own_class() -> None:
    x = pictures.images(24)
    y = (np.arange(24) % 4 == 0).astype(np.float32)
    facts = pictures.facts(Task(Kind.BINARY, ("no", "yes"), (18, 6)), x)
    for encode in (None, lambda y: y[:, None]):
        how = config(mixing="mixup", epochs=1)
        _, shares = whole(training(pictures.split(x, y), facts, how, encode=encode))
        _, mixed, weights = whole(
            training(pictures.split(x, y), facts, how.replace({"data.class_weight": True}), encode=encode)
        )
        assert mixed.shape == shares.shape
        yes, no = 24 / (2 * 6), 24 / (2 * 18)
        np.testing.assert_allclose(weights * mixed.ravel(), yes * shares.ravel(), atol=1e-5)
        np.testing.assert_allclose(weights * (1 - mixed.ravel()), no * (1 - shares.ravel()), atol=1e-5)


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
@pytest.mark.parametrize("counts", [(100, 100), (160, 40), (80, 60, 60), (150, 25, 25)], ids=str)
def test_a_model_that_knows_each_mixture_scores_one(counts: tuple[int, ...], mixing: str) -> None:
    kind = Kind.BINARY if len(counts) == 2 else Kind.MULTICLASS
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.zeros((len(y), 4, 4, 1), np.float32)
    facts = pictures.facts(Task(kind, pictures.NAMES[: len(counts)], counts), x)
    how = config(mixing=mixing, epochs=1)
    batches = training_batches(
        pictures.split(x, y.astype(np.float32 if kind is Kind.BINARY else np.int32)),
        how, facts, encode=output.encode(how, facts),
    )  # fmt: skip

    def with_label(_x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reshape(y, (-1, facts.task.units)), y

    inputs = keras.Input((facts.task.units,))
    knowing = keras.Model(inputs, keras.layers.Identity()(inputs))
    knowing.compile(loss=output.loss(how, facts), metrics=output.metrics(how, facts))
    scores = knowing.evaluate(batches.map(with_label), steps=facts.steps(32), return_dict=True, verbose=0)
    del scores["loss"]
    assert set(scores) == ({"accuracy", "precision", "recall", "f1"} if facts.task.is_imbalanced else {"accuracy"})
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0), abs=2e-3)


def test_yes_and_no_are_mixed_too() -> None:
    x = pictures.images(24)
    y = (np.arange(24) % 2).astype(np.float32)
    facts = pictures.of_task(Kind.BINARY, x)
    _, mixed = whole(training(pictures.split(x, y), facts, config(mixing="cutmix", epochs=1)))
    assert mixed.shape == (24,)
    assert np.any((mixed > 0.05) & (mixed < 0.95))
    assert mixed.min() >= 0
    assert mixed.max() <= 1


@pytest.mark.parametrize("kind", [Kind.REGRESSION, Kind.DETECTION, Kind.MULTILABEL])
def test_only_classes_can_be_weighed(kind: Kind) -> None:
    x = pictures.images(4)
    split = pictures.split(x, np.zeros((4, 2), np.float32))
    with pytest.raises(ConfigError, match=r"data\.class_weight.*false"):
        training_batches(split, config(class_weight=True), pictures.of_task(kind, x))


def test_augmentation_changes_images_and_leaves_targets_alone(three: tuple[Split, Facts]) -> None:
    split, facts = three
    x, y = whole(training(split, facts, config(augmentation="medium", shuffle=False, epochs=1)))
    np.testing.assert_array_equal(y, split.y)
    changed = [not np.array_equal(one, other) for one, other in zip(x, split.x, strict=True)]  # type: ignore[arg-type]
    assert np.mean(changed) > 0.9


def test_an_image_is_changed_anew_in_each_epoch(three: tuple[Split, Facts]) -> None:
    split, facts = three
    first, second = training(split, facts, config(augmentation="medium", shuffle=False, batch_size=23, epochs=2))
    assert not np.array_equal(first[0], second[0])


def test_what_is_evaluated_is_as_it_was_and_in_its_order(three: tuple[Split, Facts]) -> None:
    split, facts = three
    batches = list(evaluation_batches(split, config(batch_size=5, **RANDOM), facts).as_numpy_iterator())
    assert [len(batch[1]) for batch in batches] == [5, 5, 5, 5, 3]
    x, y = whole(batches)
    np.testing.assert_array_equal(x, split.x)
    np.testing.assert_array_equal(y.argmax(axis=1), split.y)
    assert x.dtype == np.uint8


def test_vectors_are_fed_and_not_augmented() -> None:
    split, facts = pictures.vectors()
    x, _ = whole(training(split, facts, config(shuffle=False, epochs=1)))
    np.testing.assert_array_equal(x, split.x)
    with pytest.raises(ConfigError, match=r"data\.augmentation is for images"):
        training_batches(split, config(augmentation="light"), facts)


def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [keras.Input((12, 10, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    made.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    return made


def test_fit_goes_through_the_epochs_of_one_dataset(three: tuple[Split, Facts]) -> None:
    """A training in two parts ends with the same weights as one in one go."""
    split, facts = three
    how = config(batch_size=8, epochs=3, **RANDOM)
    in_one, in_two = model(), model()
    steps = facts.steps(8)
    in_one.fit(training_batches(split, how, facts), epochs=3, steps_per_epoch=steps, shuffle=False, verbose=0)
    for first, last in ((0, 1), (1, 3)):
        batches = training_batches(split, how, facts, first_epoch=first, epochs=last)
        in_two.fit(
            batches, initial_epoch=first, epochs=last, steps_per_epoch=steps, shuffle=False, verbose=0,
            validation_data=evaluation_batches(split, how, facts),
        )  # fmt: skip
    for one, two in zip(in_one.get_weights(), in_two.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_replicas_share_the_batches_of_one_device(three: tuple[Split, Facts]) -> None:
    from tests.live.replicas import two_replicas

    split, facts = three
    how = config(batch_size=8, epochs=1, **RANDOM)
    strategy = two_replicas()
    shared = strategy.experimental_distribute_dataset(training_batches(split, how, facts))
    seen = [
        np.concatenate([part.numpy() for part in strategy.experimental_local_results(x)]) for x, _, _ in iter(shared)
    ]
    assert_equal([(x,) for x in seen], [(batch[0],) for batch in training(split, facts, how)])


def test_bytes_stay_bytes_up_to_the_model(three: tuple[Split, Facts]) -> None:
    split, facts = three
    spec = training_batches(split, config(), facts).element_spec
    assert spec[0].dtype == tf.uint8


class Broken(Numbered):
    """Samples one of which cannot be read."""

    def take(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        if 7 in indices:
            raise DataError("ant/7.png: is gone")
        return super().take(indices)


def test_a_sample_that_cannot_be_read_ends_fit_in_one_line(three: tuple[Split, Facts]) -> None:
    split, facts = three
    broken, how = pictures.split(Broken(split.x), split.y), config(batch_size=5, **RANDOM)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^ant/7\.png: is gone$") as told, told_plainly(split, broken) as (_, read):
        model().fit(training_batches(read, how, facts), verbose=0)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_errors_that_are_not_of_the_data_stay_what_they_are(three: tuple[Split, Facts]) -> None:
    split, _ = three
    for error in (tf.errors.InvalidArgumentError(None, None, "of the model"), ValueError("of the code")):
        with pytest.raises(type(error)) as told, told_plainly(pictures.split(Broken(split.x), split.y)):  # type: ignore[arg-type]
            raise error
        assert told.value is error
