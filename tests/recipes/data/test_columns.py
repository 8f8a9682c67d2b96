"""The preprocessing model: fitted on training rows alone, the same after a round trip through a file."""

from __future__ import annotations

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from recipes.data import columns as preprocessing
from recipes.data import load_data, storage
from recipes.data.base import Column, Data
from recipes.data.source import Columns
from recipes.data.table import raw_inputs
from recipes.errors import DataError

pytestmark = pytest.mark.keras

NAN = np.nan


def fitted(columns: Columns, rows: list[int], *, standardize: bool = True) -> keras.Model | None:
    chosen = np.array(rows)
    may_lack = preprocessing.lacks_numbers(columns)
    return preprocessing.model(columns, preprocessing.fit(columns, chosen), standardize=standardize, may_lack=may_lack)


def features(columns: Columns, rows: list[int], *, standardize: bool = True) -> list[list[float]]:
    """Return the features of all rows, fitted on some."""
    model = fitted(columns, rows, standardize=standardize)
    every = np.arange(len(columns))
    return preprocessing.transform(model, columns, every, "memory").round(4).tolist()


def numbers(*rows: list[float]) -> Columns:
    return Columns.of_vectors(np.array(rows, np.float32))


def words(*given: str) -> Columns:
    known = sorted({word for word in given if word})
    codes = np.array([[known.index(word) if word else -1] for word in given], np.int32)
    empty = np.empty((len(given), 0), np.float32)
    return Columns(empty, codes, (np.array(known, dtype=object),), (Column("word", "category"),))


def test_numbers_get_mean_0_and_deviation_1_by_the_training_rows():
    assert features(numbers([0], [2], [100]), [0, 1]) == [[-1], [1], [99]]


def test_missing_numbers_get_the_mean_and_an_indicator_where_training_lacks_them():
    table = numbers([0, NAN], [2, 4], [NAN, 6], [NAN, 5])
    assert features(table, [0, 1], standardize=False) == [[0, 4, 1], [2, 4, 0], [1, 6, 0], [1, 5, 0]]


def test_numbers_stay_as_they_are_where_there_is_nothing_to_do():
    assert fitted(numbers([0], [2]), [0, 1], standardize=False) is None
    assert features(numbers([0], [2]), [0, 1], standardize=False) == [[0], [2]]


def test_a_number_that_only_other_rows_lack_gets_the_mean_too():
    assert features(numbers([0], [2], [NAN]), [0, 1], standardize=False) == [[0], [2], [1]]


def test_arrays_that_lack_numbers_in_the_test_alone_are_preprocessed(tmp_path):
    x, y = np.arange(40, dtype=np.float32).reshape(20, 2), np.arange(20) % 2
    path, plain = tmp_path / "a.npz", {"data.standardize": False}
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    assert load_data(str(path), plain).preprocessing is None
    np.savez(path, x_train=x, y_train=y, x_test=np.where(x == 0, NAN, x), y_test=y)
    data = load_data(str(path), plain)
    assert data.preprocessing is not None
    assert data.test.x[0, 0] == pytest.approx(data.train.x[:, 0].mean())
    assert np.array_equal(data.test.x[1:], x[1:])


def test_new_rows_of_a_table_may_lack_what_no_row_has_lacked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,price\n" + "".join(f"{n},{n % 3},{n % 7}.5\n" for n in range(30)))
    data = load_data(str(path), {"data.target": "price", "data.standardize": False})
    assert data.preprocessing is not None
    given = data.preprocessing(raw_inputs(pd.DataFrame({"a": [None, 3], "b": [1, 2]}), data.columns))
    assert np.asarray(given).tolist() == [[pytest.approx(data.train.x[:, 0].mean()), 1], [3, 2]]


def test_a_constant_column_does_not_explode():
    assert features(numbers([5, 1], [5, 3], [6, 2]), [0, 1]) == [[0, -1], [0, 1], [1, 0]]


@pytest.mark.parametrize("scale", [1e-12, 1e-5, 1e25])
def test_tiny_and_huge_numbers_are_standardized_too(scale: float):
    assert features(numbers([0], [2 * scale]), [0, 1]) == [[-1], [1]]


def test_words_get_a_feature_each_the_most_frequent_first():
    table = words("b", "a", "b", "c")
    assert features(table, [0, 1, 2]) == [[1, 0], [0, 1], [1, 0], [0, 0]]  # c: unknown in training


def test_a_missing_word_is_a_word_where_training_lacks_one():
    assert features(words("a", "", "a", "b"), [0, 1, 2]) == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert features(words("a", "b", ""), [0, 1]) == [[1, 0], [0, 1], [0, 0]]


def test_rare_words_share_a_feature(monkeypatch):
    monkeypatch.setattr(preprocessing, "MOST_WORDS", 2)
    table = words("a", "a", "b", "b", "c", "d", "e")
    assert features(table, [0, 1, 2, 3, 4])[4:] == [[1, 0, 0]] * 3  # c, and what is unknown
    assert features(table, [0, 1, 2, 3, 4])[:3] == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_a_precision_that_is_set_for_training_does_not_change_features():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = fitted(numbers([0], [2.0001]), [0, 1])
        assert model is not None
        assert model.output.dtype == "float32"
        assert np.asarray(model(np.array([[1.00005]]))).item() == pytest.approx(0, abs=1e-6)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def houses() -> tuple[Data, pd.DataFrame, str]:
    """Return the data of a CSV with all kinds of columns, its frame, and the file."""
    rng = np.random.default_rng(0)
    count = 120
    frame = pd.DataFrame(
        {
            "town": rng.choice(["Rome", "Oslo", "Łódź"], count),
            "area": np.where(rng.random(count) < 0.1, NAN, rng.normal(80, 20, count).round(1)),
            "garden": rng.choice(["yes", "no"], count),
            "built": pd.to_datetime("2000-01-01") + pd.to_timedelta(rng.integers(0, 5000, count), "D"),
            "heating": rng.choice(["gas", "wood", ""], count),
            "price": rng.normal(300, 50, count).round(2),
        }
    )
    path = storage.new_file().with_suffix(".csv")
    frame.to_csv(path, index=False)
    return load_data(str(path), {"data.target": "price"}), frame, str(path)


def test_splits_hold_features_and_facts_are_theirs(houses):
    data, _, _ = houses
    width = 3 + 1 + 3 + 3  # numbers, an indicator for area, towns, heatings and none
    assert data.facts.inputs.shape == (width,)
    assert data.train.x.dtype == np.float32
    assert np.allclose(data.facts.inputs.mean, data.train.x.mean(axis=0), atol=1e-5)
    assert np.allclose(data.facts.inputs.variance, data.train.x.var(axis=0), atol=1e-5)
    assert np.allclose(data.train.x[:, 1:3].mean(axis=0), 0, atol=1e-5)
    assert (data.facts.inputs.low, data.facts.inputs.high) == (data.train.x.min(), data.train.x.max())
    assert [column.name for column in data.columns] == ["area", "garden", "built", "town", "heating"]


@pytest.mark.long
def test_new_rows_go_through_a_saved_model_without_this_package(houses, tmp_path):
    data, frame, path = houses
    model = keras.Sequential([keras.layers.Dense(1)])
    whole = keras.Model(data.preprocessing.input, model(data.preprocessing.output))
    whole.save(tmp_path / "model.keras")
    expected = whole.predict(raw_inputs(frame, data.columns), verbose=0)
    rows = data.test.ids - 2  # line 2 is the first row
    assert np.allclose(expected[rows], model.predict(data.test.x, verbose=0), atol=1e-5)
    program = f"""
import json, sys, keras, pandas, tensorflow as tf
model = keras.models.load_model({str(tmp_path / "model.keras")!r}, safe_mode=True)
frame = pandas.read_csv({path!r}).head(3)
built = (pandas.to_datetime(frame.built) - pandas.Timestamp(0)).dt.days
numeric = pandas.DataFrame({{"area": frame.area, "garden": frame.garden == "yes", "built": built}})
given = {{
    "numeric": tf.constant(numeric.to_numpy("float32")),
    "categorical": tf.constant(frame[["town", "heating"]].fillna("").to_numpy(dtype=object).astype(str)),
}}
print(json.dumps(model.predict(given, verbose=0).ravel().tolist()), [name for name in sys.modules if "recipes" in name])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values, packages = done.stdout.strip().splitlines()[-1].rsplit(" ", 1)
    assert json.loads(values) == pytest.approx(expected[:3].ravel().tolist(), abs=1e-4)
    assert packages == "[]"


def test_new_rows_may_have_other_columns_and_any_order(houses):
    data, frame, _ = houses
    turned = frame[frame.columns[::-1]].drop(columns="price").assign(more=1)
    one, other = (data.preprocessing(raw_inputs(rows, data.columns)) for rows in (frame, turned))
    assert np.array_equal(one, other)


def test_new_rows_that_do_not_fit_are_refused(houses):
    data, frame, _ = houses
    with pytest.raises(DataError, match="no column 'area'"):
        raw_inputs(frame.drop(columns="area"), data.columns)
    broken = frame.astype({"area": object}).copy()
    broken.loc[4, "area"] = "big"
    with pytest.raises(DataError, match="row 5, column 'area': 'big' is no number"):
        raw_inputs(broken, data.columns)


def test_a_table_that_is_mapped_from_disk_gives_the_same(houses):
    data, _, path = houses
    mapped = load_data(path, {"data.target": "price", "data.cache": "none"})
    assert isinstance(mapped.train.x, np.memmap)
    assert mapped.facts == data.facts
    for name in ("train", "validation", "test"):
        one, other = getattr(data, name), getattr(mapped, name)
        assert np.array_equal(one.x, other.x)
        assert np.array_equal(one.y, other.y)
        assert np.array_equal(one.ids, other.ids)


def test_the_other_splits_have_no_say(houses, tmp_path):
    data, frame, _ = houses
    changed = frame.copy()
    held_out = np.concatenate([data.validation.ids, data.test.ids]) - 2
    changed.loc[held_out, "area"] = 1e6
    changed.loc[held_out, "heating"] = "sun"
    path = tmp_path / "changed.csv"
    changed.to_csv(path, index=False)
    other = load_data(str(path), {"data.target": "price"})
    assert np.array_equal(other.train.x, data.train.x)
    assert other.facts.inputs == data.facts.inputs
