"""Samples of ``tf.data``, ``PyDataset`` and folders of pictures, as Keras' users have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.audit.data import MOST_SAMPLES, sample  # noqa: E402
from diagnose.readers.base import ReadError  # noqa: E402
from diagnose.run import Split  # noqa: E402
from diagnose.sample import DataSample  # noqa: E402

pytestmark = pytest.mark.keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype("float32")
Y = RNG.integers(0, 3, 300)


def dataset(x: Any = X, y: Any = Y) -> Any:
    return tf.data.Dataset.from_tensor_slices((x, y))


NOISE: list[Any] = []


@pytest.fixture(autouse=True, scope="module")
def a_generator_of_ones_own() -> None:
    """Another test may have set TensorFlow's seed, with which two readings are the same."""
    NOISE.append(tf.random.Generator.from_seed(0))


def noisy(x: Any, y: Any) -> Any:
    return x + NOISE[0].normal(tf.shape(x), stddev=0.05), y


def again(validation: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second reading of a validation set; the second may be empty."""
    split = sample(dataset().batch(32), validation=validation).splits[Split.VALIDATION]
    return split.inputs["x"], split.again.get("x", np.empty(0))


def refused(data: Any, *more: Any, **settings: Any) -> str:
    with pytest.raises(ReadError) as caught:
        sample(data, *more, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Batches(keras.utils.PyDataset):
    """Batches of ten, the last of three; the label is the number of the sample."""

    def __init__(self, batches: int = 5, noise: float = 0.0) -> None:
        super().__init__(workers=4, use_multiprocessing=True)
        self.batches, self.noise = batches, noise
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> Any:
        self.read.append(index)
        y = 10 * index + np.arange(3 if index == self.batches - 1 else 10)
        return y[:, None] + np.random.normal(0, self.noise, (len(y), 2)), y

    def on_epoch_begin(self) -> None:
        raise AssertionError

    on_epoch_end = on_epoch_begin


class TestTfData:
    def test_batches(self):
        data = sample(dataset().batch(32))
        assert (data.source, data.batch_size, data.samples) == ("tf.data.Dataset", 32, 300)
        assert data.training.is_whole
        np.testing.assert_array_equal(data.training.inputs["x"], X)
        np.testing.assert_array_equal(data.training.labels["y"], Y)

    def test_batches_of_one_size(self):
        data = sample(dataset().batch(32, drop_remainder=True).prefetch(2))
        assert (data.batch_size, data.samples, data.notes) == (32, 288, ())

    def test_weights_and_named_inputs_and_outputs(self):
        parts = ({"a": X, "b": X}, {"kind": Y}, np.ones(300))
        train = sample(tf.data.Dataset.from_tensor_slices(parts).batch(7)).training
        assert (list(train.inputs), list(train.labels), len(train)) == (["a", "b"], ["kind"], 300)

    def test_inputs_alone(self):
        train = sample(tf.data.Dataset.from_tensor_slices(X).batch(32)).training
        assert (len(train), dict(train.labels)) == (300, {})

    def test_samples_that_are_not_in_batches(self):
        data = sample(dataset())
        assert (len(data.training), data.batch_size) == (300, None)
        assert data.notes == ("train is not in batches, which fit needs: add .batch(32)",)

    def test_a_large_one_is_read_to_its_end_in_the_time(self):
        numbers = tf.data.Dataset.range(50_000).batch(500).map(lambda n: (tf.cast(n, tf.float32), n))
        data = sample(numbers, seconds=60)
        train = data.training
        assert (len(train), train.count, train.is_whole) == (MOST_SAMPLES, 50_000, False)
        np.testing.assert_array_equal(train.labels["y"], train.positions)
        assert train.positions[-1] > 49_000
        assert abs(train.positions.mean() / 25_000 - 1) < 0.06  # four standard errors
        assert data.notes == ("2,000 of 50,000 train samples were looked at, spread over all of them",)

    def test_of_what_takes_too_long_the_first_are_read(self):
        numbers = tf.data.Dataset.range(10**9).batch(100).map(lambda n: (tf.cast(n, tf.float32), n))
        data = sample(numbers, seconds=0.2)
        assert data.training.count == 10**9
        assert 100 <= len(data.training) <= MOST_SAMPLES
        assert " train samples were looked at" in data.notes[0]

    def test_an_endless_one_gives_each_sample_once(self):
        data = sample(dataset().shuffle(300).repeat().batch(32))
        train = data.training
        assert (len(train), train.count, train.is_whole) == (300, None, False)
        assert len(np.unique(train.inputs["x"], axis=0)) == 300
        assert data.notes == ("train never ends: its first 300 samples were looked at, each once",)

    def test_an_endless_one_of_ever_new_samples_is_read_until_it_is_enough(self):
        assert len(sample(dataset().repeat().map(noisy).batch(32)).training) == MOST_SAMPLES

    def test_text_ragged_and_sparse(self):
        texts = tf.data.Dataset.from_tensor_slices((["gut", "schlecht"], [1, 0])).batch(2)
        assert sample(texts).training.inputs["x"].tolist() == ["gut", "schlecht"]
        assert sample(texts.unbatch()).training.inputs["x"].tolist() == ["gut", "schlecht"]
        assert sample((tf.constant(["a", "b"]), [0, 1])).training.inputs["x"].tolist() == ["a", "b"]
        ragged = tf.ragged.constant([[1, 2, 3], [4], [5, 6]])
        padded = [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
        assert sample(tf.data.Dataset.from_tensor_slices(ragged).batch(1)).training.inputs["x"].tolist() == padded
        assert sample(tf.data.Dataset.from_tensor_slices((ragged, [0, 1, 0]))).training.inputs["x"].tolist() == padded
        assert sample(ragged).training.inputs["x"].tolist() == padded
        dense = np.array([[0, 2.0], [0, 0], [3, 0]])
        sparse = tf.sparse.from_dense(dense)
        np.testing.assert_array_equal(sample(sparse).training.inputs["x"], dense)
        np.testing.assert_array_equal(sample(sparse, most_samples=1).training.inputs["x"].shape, (1, 2))
        np.testing.assert_array_equal(
            sample(tf.data.Dataset.from_tensor_slices(sparse).batch(2)).training.inputs["x"], dense
        )

    def test_tensors_are_arrays(self):
        train = sample((tf.constant(X), tf.constant(Y)), validation_split=0.5).training
        np.testing.assert_array_equal(train.inputs["x"], X[:150])
        half = sample(tf.cast(X, tf.bfloat16)).training.inputs["x"]
        assert half.dtype == np.float32

    def test_several_are_the_splits(self):
        data = sample((dataset().batch(9), dataset(X[:50], Y[:50]).batch(9)))
        assert [len(data.splits[split]) for split in (Split.TRAIN, Split.VALIDATION)] == [300, 50]

    def test_the_user_can_read_it_as_before(self):
        batches = dataset().batch(32)
        sample(batches, validation=batches)
        assert sum(len(y) for _, y in batches) == 300

    def test_one_that_fails_in_the_middle(self):
        holes = np.where(np.arange(300)[:, None] == 200, np.nan, X)
        broken = dataset(holes).batch(32).map(lambda x, y: (tf.debugging.check_numerics(x, "bad"), y))
        assert refused(broken).startswith("batch 7 of the train data raises InvalidArgumentError: ")

    def test_an_empty_one(self):
        assert refused(dataset().take(0).batch(32)) == "the train data is empty; give at least one batch"

    def test_labels_beside_it(self):
        assert refused(dataset().batch(32), Y).startswith("y is given beside a _BatchDataset; let the data set give")
        assert refused(dataset().batch(32), validation_split=0.2).endswith("give validation_data")


def test_windows_of_a_series_belong_together():
    series = np.cumsum(np.random.default_rng(1).normal(size=200))
    settings: dict[str, Any] = {"sequence_length": 20, "batch_size": 16}
    assert sample(keras.utils.timeseries_dataset_from_array(series, series[20:], **settings)).is_sequence
    assert not sample(dataset().batch(32)).is_sequence


class TestRandomValidation:
    def test_the_same_again(self):
        first, second = again(dataset().batch(32))
        np.testing.assert_array_equal(first, second)

    def test_shuffled(self):
        assert not again(dataset().shuffle(300).batch(32))[1].size

    def test_augmented(self):
        first, second = again(dataset().batch(32).map(noisy))
        assert (first != second).all()
        assert np.abs(first - second).max() < 1

    def test_shuffled_and_augmented(self):
        first, second = again(dataset().shuffle(300).map(noisy).batch(32))
        assert (first != second).all()
        assert np.abs(first - second).mean() < 0.2

    def test_shuffled_and_larger_than_the_sample(self):
        x = np.random.default_rng(1).normal(size=(5000, 4)).astype("float32")
        shuffled = dataset(x, np.arange(5000)).shuffle(5000)
        assert not again(shuffled.batch(50))[1].size
        first, second = again(shuffled.batch(50).map(noisy))
        assert (first != second).all()

    def test_keras_layers_that_augment(self):
        flip = keras.layers.RandomFlip(seed=1)
        pictures = np.random.default_rng(1).random((40, 6, 6, 1)).astype("float32")
        first, second = again(dataset(pictures, Y[:40]).batch(8).map(lambda x, y: (flip(x, training=True), y)))
        is_changed = (first != second).any(axis=(1, 2, 3))
        assert 0.3 < is_changed.mean() <= 1.0


class TestPyDataset:
    def test_all_of_a_small_one(self):
        data = sample(Batches())
        train = data.training
        assert (data.batch_size, data.samples, train.is_whole) == (10, 43, True)
        assert train.labels["y"].tolist() == list(range(43))
        assert train.positions.tolist() == list(range(43))

    def test_batches_from_all_over_a_large_one(self):
        batches = Batches(10_000)
        data = sample(batches)
        train = data.training
        assert (len(train), train.count, train.is_whole) == (MOST_SAMPLES, 99_993, False)
        np.testing.assert_array_equal(train.labels["y"], train.positions)
        assert len(batches.read) <= MOST_SAMPLES // 10 + 2
        assert abs(train.positions.mean() / 50_000 - 1) < 0.05
        assert np.diff(train.positions).max() < 2 * 99_993 / 200

    def test_the_same_batches_are_read_again(self):
        split = sample(Batches(), validation=Batches(1000)).splits[Split.VALIDATION]
        np.testing.assert_array_equal(split.inputs["x"], split.again["x"])
        split = sample(Batches(), validation=Batches(1000, noise=0.1)).splits[Split.VALIDATION]
        assert (split.inputs["x"] != split.again["x"]).all()
        assert np.abs(split.inputs["x"] - split.again["x"]).max() < 1.5

    def test_one_that_never_ends(self):
        class Endless(Batches):
            num_batches = None

        train = sample(Endless(10**9)).training
        assert (len(train), train.count) == (MOST_SAMPLES, None)

    def test_one_that_fails(self):
        class Broken(Batches):
            def __getitem__(self, index):
                if index:
                    raise OSError("disk")
                return super().__getitem__(index)

        assert refused(Broken()) == "batch 2 of the train data raises OSError: disk; mend what makes it"
        assert refused(Batches(0)) == "the train data is empty; give at least one batch"


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        rng = np.random.default_rng(1)
        for label in ("cat", "dog"):
            (tmp_path / label).mkdir()
            for number in range(20):
                picture = rng.integers(0, 255, (8, 9, 3)).astype("uint8")
                keras.utils.save_img(tmp_path / label / f"{number}.png", picture)
        return tmp_path

    def test_as_keras_reads_them(self, folder):
        splits = keras.utils.image_dataset_from_directory(
            folder, image_size=(8, 9), batch_size=4, validation_split=0.25, subset="both", seed=0, verbose=False
        )
        data: DataSample = sample(splits)
        assert (data.classes, data.batch_size) == (("cat", "dog"), 4)
        assert data.training.inputs["x"].shape == (30, 8, 9, 3)
        validation = data.splits[Split.VALIDATION]
        assert (len(validation), set(validation.labels["y"].tolist())) == (10, {0, 1})
        assert validation.again or "another order" in data.notes[-1]
