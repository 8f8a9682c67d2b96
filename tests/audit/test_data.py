"""A sample of whatever Keras trains on: what is in it, how much is read, and that nothing of the user's is changed."""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diagnose.audit import data_streams
from diagnose.audit.data import MOST_SAMPLES, sample
from diagnose.audit.data_reading import are_windows, spread
from diagnose.readers.base import ReadError
from diagnose.run import Split
from diagnose.sample import DataSample

TRAIN, VALIDATION, TEST = Split.TRAIN, Split.VALIDATION, Split.TEST
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype("float32")
Y = RNG.integers(0, 3, 300)


def sizes(data: DataSample) -> dict[str, tuple[int, int | None]]:
    """Return split -> how many samples are here, and how many it has."""
    return {str(split): (len(found), found.count) for split, found in data.splits.items()}


def refused(data: Any, *more: Any, **settings: Any) -> str:
    """Return the one line that bad data gives."""
    with pytest.raises(ReadError) as caught:
        sample(data, *more, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestArrays:
    def test_a_pair_is_inputs_and_labels(self):
        data = sample((X, Y))
        train = data.training
        assert (data.source, data.samples, data.batch_size, data.is_raw) == ("tuple", 300, None, False)
        assert train.is_whole
        assert train.inputs["x"] is not X
        np.testing.assert_array_equal(train.inputs["x"], X)
        np.testing.assert_array_equal(train.labels["y"], Y)
        assert (dict(train.again), data.notes) == ({}, ())

    def test_labels_may_come_apart_or_not_at_all(self):
        assert list(sample(X, Y).training.labels) == ["y"]
        assert dict(sample(X).training.labels) == {}
        assert dict(sample((X,)).training.labels) == {}

    def test_weights_are_passed_over(self):
        assert list(sample((X, Y, np.ones(300))).training.labels) == ["y"]

    def test_lists_are_arrays(self):
        train = sample([[1, 2], [3, 4], [5, 6]], [0, 1, 0]).training
        assert (train.inputs["x"].shape, train.labels["y"].tolist()) == ((3, 2), [0, 1, 0])

    def test_several_inputs_and_outputs_by_number_or_by_name(self):
        listed = sample([X, X[:, :1]], [Y, Y]).training
        assert (list(listed.inputs), list(listed.labels)) == (["x_1", "x_2"], ["y_1", "y_2"])
        named = sample(({"image": X, "more": {"age": X[:, 0]}}, {"kind": Y})).training
        assert (list(named.inputs), list(named.labels)) == (["image", "more/age"], ["kind"])
        assert list(sample({"image": X}, Y).training.inputs) == ["image"]

    def test_many_samples_are_taken_from_all_over(self):
        many = np.arange(60_000)
        data = sample((many[:, None].astype("float32"), many))
        train = data.training
        assert (len(train), train.count, train.is_whole) == (MOST_SAMPLES, 60_000, False)
        np.testing.assert_array_equal(train.positions, train.labels["y"])
        assert np.diff(train.positions).max() < 2 * 60_000 / MOST_SAMPLES
        assert data.notes == ("of 60,000 train samples 2,000 were looked at, spread over all of them",)

    def test_classes_that_take_turns_are_all_seen(self):
        turns = np.arange(20_000) % 10
        counts = np.bincount(sample((turns, turns)).training.labels["y"], minlength=10)
        assert counts.min() > 150

    def test_large_samples_are_fewer(self):
        pictures = np.zeros((100, 64, 64, 3), "float32")
        assert len(sample(pictures, most_bytes=20 * 64 * 64 * 3 * 4).training) == 20
        assert len(sample(pictures, most_bytes=1).training) == 1

    def test_of_a_memory_map_only_the_sample_is_read(self, tmp_path):
        mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (50_000, 2000))  # a hole of 400 MB
        mapped[spread(50_000, 100), 0] = 1.0
        found = sample((mapped, np.zeros(50_000)), most_samples=100).training
        assert (len(found), found.count) == (100, 50_000)
        assert not isinstance(found.inputs["x"], np.memmap)
        assert found.inputs["x"][:, 0].tolist() == [1.0] * 100

    def test_what_can_be_indexed_is_enough(self):
        class Stored:
            shape, dtype = (9000, 2), np.dtype("int64")

            def __getitem__(self, rows):
                assert len(rows) <= MOST_SAMPLES
                assert (np.diff(rows) > 0).all()  # as h5py asks
                return np.stack([rows, rows], axis=1)

        train = sample(Stored()).training
        np.testing.assert_array_equal(train.inputs["x"][:, 0], train.positions)

    def test_text_stays_text(self):
        texts = np.array([b"good film", "bad \u00e9", None, float("nan")], object)
        assert sample((texts, ["a", "b", "a", "b"])).training.inputs["x"].tolist() == [
            "good film",
            "bad \u00e9",
            "",
            "",
        ]
        long = sample(np.array(["a" * 3000, "b"], object)).training.inputs["x"]
        assert (long.dtype, len(long[0])) == (np.dtype(object), 3000)

    def test_sequences_of_different_length_are_filled_up(self):
        words = np.array([[4, 5, 6], [7], [8, 9]], object)  # as keras.datasets.imdb has them
        assert sample(words).training.inputs["x"].tolist() == [[4, 5, 6], [7, 0, 0], [8, 9, 0]]

    def test_missing_numbers_and_dates(self):
        objects = np.array([[1, None], [True, 2.5]], object)
        np.testing.assert_array_equal(sample(objects).training.inputs["x"], [[1, np.nan], [1, 2.5]])
        dates = np.array(["1970-01-02", "NaT"], "datetime64[D]")
        np.testing.assert_array_equal(sample(dates).training.inputs["x"], [1.0, np.nan])
        objects = np.array([datetime.date(1970, 1, 2), None, pd.Timestamp("1970-01-03", tz="UTC")])
        np.testing.assert_array_equal(sample(objects).training.inputs["x"], [1.0, np.nan, 2.0])

    def test_sparse_matrices_are_filled(self):
        sparse = pytest.importorskip("scipy.sparse")
        matrix = sparse.random(40, 6, 0.3, format="coo", random_state=0)
        np.testing.assert_array_equal(sample(matrix).training.inputs["x"], matrix.toarray())

    def test_windows_of_a_series_belong_together(self):
        rng = np.random.default_rng(1)
        series = np.cumsum(rng.normal(size=500))
        windows = np.lib.stride_tricks.sliding_window_view(series, 20)
        assert sample(windows[..., None]).is_sequence
        assert sample((windows[:400], series[:400]), validation_split=0.2).is_sequence
        assert not sample(rng.permutation(windows)).is_sequence
        assert not sample(np.zeros((100, 20))).is_sequence


class TestSplits:
    def test_as_fit_takes_them(self):
        data = sample({"x": X, "y": Y, "validation_data": (X[:50], Y[:50])})
        assert sizes(data) == {"train": (300, 300), "validation": (50, 50)}
        assert sizes(sample({"x": X, "y": Y, "validation_split": 0.1})) == {"train": (270, 270), "validation": (30, 30)}

    def test_a_share_for_validation_is_the_last_samples_as_in_keras(self):
        data = sample(np.arange(10), np.arange(10), validation_split=0.25)
        assert data.splits[TRAIN].labels["y"].tolist() == [0, 1, 2, 3, 4, 5, 6]
        assert data.splits[VALIDATION].labels["y"].tolist() == [7, 8, 9]
        assert data.splits[VALIDATION].positions.tolist() == [0, 1, 2]

    def test_validation_data_goes_before_a_share(self):
        assert sizes(sample(X, Y, validation=(X[:9], Y[:9]), validation_split=0.5))["train"] == (300, 300)

    def test_a_dict_may_name_them(self):
        data = sample({"train": (X, Y), "validation": (X[:50], Y[:50]), "test": (X[:20], Y[:20])})
        assert sizes(data) == {"train": (300, 300), "validation": (50, 50), "test": (20, 20)}

    def test_as_arrays_of_an_archive(self, tmp_path):
        np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, x_val=X[:9], y_val=Y[:9], x_test=X[:5], y_test=Y[:5])
        with np.load(tmp_path / "d.npz") as archive:
            assert sizes(sample(archive)) == {"train": (300, 300), "validation": (9, 9), "test": (5, 5)}

    def test_as_keras_datasets_load_them(self):
        assert sizes(sample(((X, Y), (X[:60], Y[:60])))) == {"train": (300, 300), "test": (60, 60)}
        assert sizes(sample(((X[:150], Y[:150]), (X[150:], Y[150:])))) == {"train": (150, 150), "test": (150, 150)}

    def test_two_inputs_and_two_outputs_are_no_splits(self):
        train = sample(((X, X), (Y, Y))).training
        assert (list(train.inputs), list(train.labels)) == (["x_1", "x_2"], ["y_1", "y_2"])


class TestFrames:
    def frame(self, count: int = 40) -> pd.DataFrame:
        columns = {"age": range(count), "town": ["Ulm", "Bonn"] * (count // 2), "y": ["no", "yes"] * (count // 2)}
        return pd.DataFrame(columns)

    def test_a_column_is_the_target(self):
        data = sample(self.frame(), target="y")
        assert data.features == {"numeric": ("age",), "categorical": ("town",)}
        assert data.training.inputs["categorical"][:2, 0].tolist() == ["Ulm", "Bonn"]
        assert data.training.labels["y"][:2].tolist() == ["no", "yes"]
        assert data.is_raw

    def test_numbers_alone_are_one_input_that_fit_can_take(self):
        data = sample(self.frame()[["age"]], self.frame()["y"])
        assert (data.features, data.is_raw) == ({"x": ("age",)}, False)
        assert data.training.inputs["x"].shape == (40, 1)

    def test_several_targets_and_every_split(self):
        frame = pd.DataFrame(X, columns=list("abcd"))
        data = sample({"train": frame, "validation": frame[:50]}, target=["c", "d"])
        assert data.training.labels["y"].shape == (300, 2)
        assert sizes(data)["validation"] == (50, 50)

    def test_missing_cells_of_all_types(self):
        frame = pd.DataFrame(
            {
                "whole": pd.array([1, None, 3], "Int64"),
                "word": pd.Categorical(["a", None, "b"]),
                "truth": pd.array([True, None, False], "boolean"),
                "day": pd.to_datetime(["1970-01-11", None, "1970-01-01"]),
            }
        )
        found = sample(frame)
        assert found.features == {"numeric": ("whole", "truth", "day"), "categorical": ("word",)}
        numeric = found.training.inputs["numeric"]
        np.testing.assert_array_equal(numeric, [[1, 1, 10], [np.nan, np.nan, np.nan], [3, 0, 0]])
        assert found.training.inputs["categorical"][:, 0].tolist() == ["a", "", "b"]

    def test_rows_with_dates_belong_together(self):
        frame = pd.DataFrame({"x": range(9)}, index=pd.date_range("2026-01-01", periods=9))
        assert sample(frame).is_sequence
        assert sample(frame.reset_index(names="day")).is_sequence
        assert not sample(frame.reset_index(drop=True)).is_sequence
        assert not sample(frame[::-1]).is_sequence

    def test_an_unknown_target(self):
        assert refused(self.frame(), target="z") == "the frame has no column 'z'; name the target, one of age, town, y"


class TestFunctionsAndLoaders:
    def batches(self) -> Iterator[Any]:
        for start in range(0, 300, 32):
            yield X[start : start + 32], Y[start : start + 32]

    def test_a_generator_is_left_alone(self):
        generator = self.batches()
        assert "would take its samples from the training; give the function" in refused(generator)
        assert next(generator)[0].shape == (32, 4)  # nothing is lost

    def test_the_function_that_makes_one_is_read(self):
        data = sample(self.batches, validation=self.batches)
        assert sizes(data) == {"train": (300, 300), "validation": (300, 300)}
        assert data.batch_size == 32
        np.testing.assert_array_equal(data.training.inputs["x"], X)
        np.testing.assert_array_equal(data.splits[VALIDATION].again["x"], X)

    def test_what_can_be_iterated_again_is_read(self):
        class Loader:
            def __iter__(self):
                return iter([(X[:10], Y[:10]), (X[10:15], Y[10:15])])

        assert sizes(sample(Loader())) == {"train": (15, 15)}

    def test_workers_of_a_loader_are_not_started(self):
        class Loader:  # as torch.utils.data.DataLoader
            dataset, batch_size, num_workers = list(zip(X, Y, strict=True)), 32, 4

            def collate_fn(self, samples):
                return np.stack([x for x, _ in samples]), np.array([y for _, y in samples])

            def __iter__(self):
                raise AssertionError

        data = sample(Loader())
        assert (sizes(data), data.batch_size) == ({"train": (300, 300)}, 32)
        np.testing.assert_array_equal(data.training.labels["y"], Y)

    def test_an_endless_one_is_read_until_it_is_enough(self):
        def endless():
            while True:
                yield np.ones((50, 2)), np.zeros(50)

        data = sample(endless, seconds=0.5)
        # A function does not tell that it never ends: the time does.
        assert (len(data.training), data.training.count) == (MOST_SAMPLES, None)
        assert not data.training.is_whole

    def test_the_time_is_kept(self):
        def slow():
            while True:
                time.sleep(0.02)
                yield X[:5], Y[:5]

        start = time.monotonic()
        data = sample(slow, seconds=0.3)
        assert time.monotonic() - start < 5
        assert 5 <= len(data.training) <= 100
        assert data.notes[0] == f"the first {len(data.training)} train samples were looked at"

    def test_what_hangs_is_given_up(self, monkeypatch):
        monkeypatch.setattr(data_streams, "PATIENCE", 0.2)

        def hanging():
            time.sleep(20)
            yield X, Y

        assert refused(hanging, seconds=0.1).startswith("the train data gave no batch within 0.2 seconds")

    def test_what_hangs_later_gives_what_it_gave(self, monkeypatch):
        monkeypatch.setattr(data_streams, "PATIENCE", 0.2)

        def hanging():
            yield X, Y
            time.sleep(20)

        assert len(sample(hanging, seconds=0.1).training) == 300

    def test_batches_of_different_length_are_filled_up(self):
        def sequences():
            yield np.ones((2, 5)), [0, 1]
            yield np.ones((2, 3)), [0, 1]

        assert sample(sequences).training.inputs["x"].sum(axis=1).tolist() == [5, 5, 3, 3]

    def test_pictures_of_rare_sizes_are_left_out(self):
        def pictures():
            yield np.ones((3, 8, 8, 1)), [0, 1, 0]
            yield np.ones((1, 9, 8, 1)), [1]

        data = sample(pictures)
        assert data.training.inputs["x"].shape == (3, 8, 8, 1)
        assert data.notes[0] == "train: of 4 samples 1 left out, not of the usual size (8, 8, 1)"

    def test_random_numbers_go_on_as_if_nothing_had_been_read(self):
        def augmented():
            yield X + np.random.normal(size=X.shape) + random.random(), Y

        np.random.seed(3)
        random.seed(3)
        expected = np.random.random(), random.random()
        np.random.seed(3)
        random.seed(3)
        sample(augmented, validation=augmented)
        assert (np.random.random(), random.random()) == expected


class TestASecondReading:
    """Of validation and test data that comes in batches."""

    def second(self, read: Any) -> tuple[DataSample, np.ndarray]:
        data = sample((X, Y), validation=read)
        return data, data.splits[VALIDATION].again.get("x", np.empty(0))

    def shuffled(self, x: np.ndarray = X, y: np.ndarray = Y) -> Iterator[Any]:
        order = np.random.permutation(len(x))
        yield x[order], y[order]

    def test_arrays_are_not_read_twice(self):
        assert not self.second((X, Y))[1].size

    def test_the_same_again(self):
        assert np.array_equal(self.second(lambda: iter([(X, Y)]))[1], X)

    def test_another_order_is_nothing_random(self):
        data, second = self.second(self.shuffled)
        assert not second.size
        assert data.notes == ("validation: its samples come in another order when they are read again",)

    def test_augmentation_differs(self):
        def augmented():
            yield X + np.random.normal(0, 0.1, X.shape), Y

        second = self.second(augmented)[1]
        assert second.shape == X.shape
        assert (second != X).all()

    @pytest.mark.parametrize("labels", [np.zeros(300), None], ids=["one class", "no labels"])
    def test_augmentation_differs_without_telling_labels(self, labels):
        def augmented():
            yield X + np.random.normal(0, 0.1, X.shape), labels

        assert np.abs(self.second(augmented)[1] - X).mean() < 0.3

    def test_augmentation_of_some_samples_in_another_order_is_matched(self):
        def augmented():
            (x, y) = next(self.shuffled())
            is_changed = np.random.random(300) < 0.3
            yield x + 0.01 * is_changed[:, None], y

        data, second = self.second(augmented)
        first = data.splits[VALIDATION].inputs["x"]
        is_changed = (first != second).any(axis=1)
        assert 0.2 < is_changed.mean() < 0.8
        np.testing.assert_allclose(first, second, atol=0.0101)

    def test_other_samples_of_a_shuffled_split_are_not_compared(self):
        many = np.random.default_rng(1).normal(size=(400_000, 2))

        def head():
            yield many[np.random.permutation(400_000)[:2500]], None
            while True:
                time.sleep(0.01)
                yield many[np.random.permutation(400_000)[:10]], None

        data = sample((X, Y), validation=head, seconds=0.1)
        assert not data.splits[VALIDATION].again
        assert data.notes[-1] == "validation: it was not compared with a second reading, which had other samples"


class TestRefused:
    """Each in one line that says what to do."""

    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (None, "the data is None; give (x, y)"),
            ("digits", "the data is 'digits', a str; give (x, y)"),
            (3, "data of type int is not known; give (x, y)"),
            ({}, "the train data has no inputs; give (x, y)"),
            ((X, Y[:9]), "x of the train data has 300 samples, and y 9; each sample needs both"),
            (np.float32(3), "x of the train data is a single value, not one for each sample; give an array (samples"),
            ((X[:0], Y[:0]), "the train data is empty; give at least one sample"),
            ([], "the train data is empty; give at least one sample"),
            (([X[0], X[1]], [0, 1]), "x of the train data is a list of 2 arrays, which Keras takes for so many inputs"),
            (np.array([object()]), "x holds objects of type object; give numbers or text"),
            (np.zeros(3, [("a", int)]), "x is of type [('a', '<i8')]; give numbers or text"),
            ({"validation": (X, Y)}, "there is no data to train on; give (x, y)"),
            (lambda: None, "the function returns NoneType; let it return a generator of batches (x, y)"),
            (lambda: iter([]), "the train data is empty; give at least one batch"),
            (lambda: iter([({}, Y)]), "batch 1 of the train data has no inputs; let it be (x, y)"),
            (lambda: iter([None]), "batch 1 of the train data is None; let it be (x, y)"),
            (lambda: iter([(1, 2, 3, 4)]), "batch 1 of the train data is 4 parts; let it be (x, y)"),
            (lambda: iter([(X, Y[:3])]), "batch 1 of the train data holds 300 of x, 3 of y; each sample needs all"),
            (lambda: iter([(X[0], 1)]), "y in batch 1 of the train data is a single value, not one for each sample"),
            (lambda: iter([X, {"x": X, "z": X}]), "the batches of the train data differ in what they hold"),
            (lambda: iter([X, X[:, 0]]), "the samples of x differ in rank: () and (4,); bring them to one shape"),
        ],
    )  # fmt: skip
    def test_what_is_no_data(self, data: Any, line: str):
        assert refused(data).startswith(line)

    def test_what_has_a_shape_and_no_rows(self):
        class Odd:
            shape = (9, 2)

        assert refused(Odd()).startswith("x, a Odd, does not give its rows: TypeError: ")

    def test_a_data_set_that_fails_in_the_middle(self):
        def broken():
            yield X, Y
            raise ValueError("no such\nfile: b.png")

        assert refused(broken) == (
            "batch 2 of the train data raises ValueError: no such file: b.png; mend what makes it"
        )

    def test_a_share_that_leaves_nothing(self):
        assert refused(X[:1], Y[:1], validation_split=0.2).startswith("validation_split=0.2 of 1 samples leaves")
        assert refused(lambda: iter([X]), validation_split=0.2).startswith("validation_split is for arrays")


def test_spread_takes_one_of_each_stretch():
    assert spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    rows = spread(1000, 10)
    assert (rows // 100).tolist() == list(range(10))
    assert rows.tolist() == spread(1000, 10).tolist()


def test_constant_series_are_no_windows():
    assert not are_windows(np.ones((10, 5)))
    assert not are_windows(np.array([["a", "b", "c"]] * 5))


@pytest.mark.keras
def test_what_a_pipeline_draws_at_random_is_seen_though_a_seed_hides_it() -> None:
    tf = pytest.importorskip("tensorflow")
    tf.keras.utils.set_random_seed(0)
    plain = tf.data.Dataset.from_tensor_slices((np.zeros((8, 4, 4, 1)), np.zeros(8)))
    noisy = plain.map(lambda x, y: (tf.image.random_brightness(x, 0.3), y)).batch(4)
    assert sample(noisy).training.random_operations
    assert sample(plain.shuffle(8).map(lambda x, y: (x / 2, y)).batch(4)).training.random_operations == ()
