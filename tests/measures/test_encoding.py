from __future__ import annotations

import numpy as np
import pytest

from diagnose.measures.encoding import drawn, encode, is_image, normal_scores, pooled, ranks, standardized
from diagnose.run import Split
from diagnose.sample import DataSample, SplitSample

RNG = np.random.default_rng(0)


def of(train: np.ndarray, other: np.ndarray, **more: object) -> DataSample:
    splits = {Split.TRAIN: SplitSample(inputs={"x": train}), Split.VALIDATION: SplitSample(inputs={"x": other})}
    return DataSample(source="x", splits=splits, **more)


def test_numbers_stay_what_they_are():
    x = RNG.normal(size=(20, 3))
    encoding = encode(of(x, x[:5]))
    assert encoding.columns == ("x[0]", "x[1]", "x[2]")
    assert np.array_equal(encoding.splits[Split.TRAIN].values, x)


def test_columns_of_a_table_have_their_names():
    x = RNG.normal(size=(20, 2))
    assert encode(of(x, x, features={"x": ("age", "income")})).columns == ("age", "income")


def test_texts_become_columns_by_what_training_has():
    cells = np.array([["red", "1"], ["blue", "2"], ["red", ""]] * 10, dtype=object)
    new = np.array([["green", "3"]], dtype=object)
    encoding = encode(of(cells, new))
    assert encoding.splits[Split.TRAIN].values[:3].tolist() == [[1, 0, 1], [0, 1, 2], [1, 0, 1.5]]
    assert encoding.splits[Split.VALIDATION].values.tolist() == [[0, 0, 3]]


def test_free_text_cannot_be_compared():
    texts = np.array([f"text {i}" for i in range(50)])
    assert not encode(of(texts, texts)).is_complete


def test_holes_are_filled_by_the_training_median():
    x = np.array([[1.0], [3.0], [np.nan], [8.0]])
    encoding = encode(of(x, np.array([[np.inf]])))
    assert encoding.splits[Split.TRAIN].values.ravel().tolist() == [1, 3, 3, 8]
    assert encoding.splits[Split.VALIDATION].values.tolist() == [[3]]


def test_pictures_become_a_small_grid():
    pictures = RNG.random((4, 31, 17, 3))
    assert encode(of(pictures, pictures)).splits[Split.TRAIN].values.shape == (4, 8 * 8 * 3)
    even = RNG.random((2, 16, 16, 1))
    assert pooled(even, 8)[0, 0, 0, 0] == pytest.approx(even[0, :2, :2, 0].mean())
    assert pooled(even, 16) == pytest.approx(even)


def test_a_split_of_another_shape_is_left_out():
    x = RNG.normal(size=(20, 3))
    assert set(encode(of(x, x[:, :2])).splits) == {Split.TRAIN}


def test_what_pictures_are():
    assert is_image(np.zeros((1, 28, 28)))
    assert is_image(np.zeros((1, 8, 8, 3)))
    assert not is_image(np.zeros((1, 100, 3)))
    assert not is_image(np.zeros((1, 64)))


def test_rows_are_drawn_once_and_for_all():
    assert drawn(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert len(set(drawn(1000, 10))) == 10
    assert np.array_equal(drawn(1000, 10), drawn(1000, 10))


def test_ranks_share_ties():
    assert ranks(np.array([[3.0], [1.0], [3.0], [9.0]])).ravel().tolist() == [1.5, 0.0, 1.5, 3.0]
    assert abs(normal_scores(RNG.standard_cauchy((1000, 1)))).max() < 6


def test_constant_columns_cannot_be_standardized():
    assert standardized(np.array([[1.0, 2.0], [1.0, 4.0]])).tolist() == [[-1.0], [1.0]]
