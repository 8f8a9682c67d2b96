"""Data that a command line names, sampled for the audit: as it was found, in the splits that `tune` would make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diagnose.audit import openers
from diagnose.readers.base import ReadError
from diagnose.run import Split
from diagnose.sample import DataSample
from recipes import audit
from recipes.audit import open_data, sample_of
from recipes.data import load_data

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sizes(data: DataSample) -> dict[str, int | None]:
    """Return split -> how many samples it has."""
    return {str(split): found.count for split, found in data.splits.items()}


def refused(source: str, **settings: Any) -> str:
    with pytest.raises(ReadError) as caught:
        open_data(source, {f"data.{name}": value for name, value in settings.items()})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def function(returned: str) -> str:
    """Write a module with a function that returns an expression, and return its name."""
    Path("mine.py").write_text(
        f"import numpy as np\nimport pandas as pd\nx = np.arange(80.0).reshape(40, 2)\ny = np.arange(40) % 2\n"
        f"def load():\n    return {returned}\n"
    )
    return "mine.py:load"


class TestBuiltIn:
    def test_a_table_with_its_names(self):
        data = open_data("iris")
        assert (data.source, data.is_raw, data.classes) == ("iris", True, ("setosa", "versicolor", "virginica"))
        assert data.features["x"][0] == "sepal length (cm)"
        assert sizes(data) == {"train": 90, "validation": 30, "test": 30}
        assert data.notes == (
            "validation (20%) and test (20%) were drawn from the samples, as tune does with data.split_seed=0",
        )
        assert data.drawn == {Split.VALIDATION, Split.TEST}

    def test_pictures(self):
        train = open_data("digits").training
        assert (train.inputs["x"].dtype, train.inputs["x"].shape[1:]) == (np.uint8, (8, 8, 1))

    @pytest.mark.keras
    def test_the_splits_are_those_of_the_training(self):
        data, trained = open_data("digits", {"data.split_seed": 3}), load_data("digits", {"data.split_seed": 3})
        for name in ("train", "validation", "test"):
            np.testing.assert_array_equal(data.splits[Split(name)].inputs["x"], getattr(trained, name).x)
            np.testing.assert_array_equal(data.splits[Split(name)].labels["y"], getattr(trained, name).y)

    @pytest.mark.keras
    def test_objects_in_pictures(self):
        data = open_data("scattered_digits", {"data.image_size": 32})
        assert data.training.labels["y"].shape[2:] == (5,)


class TestTables:
    def write(self, count: int = 60) -> str:
        columns = {"size": RNG.normal(100, 20, count), "town": ["Ulm", "Bonn", ""] * (count // 3)}
        columns["kind"] = ["no", "yes"] * (count // 2)
        pd.DataFrame(columns).to_csv("t.csv", index=False)
        return "t.csv"

    def test_columns_are_as_they_were_found(self):
        data = open_data(self.write(), {"data.target": "kind"})
        assert (data.source, data.is_raw, data.classes) == ("t.csv", True, ("no", "yes"))
        assert data.features == {"numeric": ("size",), "categorical": ("town",)}
        assert set(data.training.inputs["categorical"][:, 0]) == {"Ulm", "Bonn", ""}
        assert 80 < data.training.inputs["numeric"].mean() < 120
        assert set(data.training.labels["y"].tolist()) == {0, 1}
        assert sizes(data) == {"train": 36, "validation": 12, "test": 12}

    def test_one_kind_of_columns_is_one_input(self):
        self.write()
        assert open_data("t.csv", {"data.target": "kind", "data.ignore": "town"}).features == {"x": ("size",)}
        words = open_data("t.csv", {"data.target": "size", "data.ignore": "kind"})
        assert (words.features, words.training.inputs["x"].dtype.kind) == ({"x": ("town",)}, "U")

    def test_rows_in_time_belong_together(self):
        days = pd.date_range("2026-01-01", periods=60)
        table = pd.DataFrame({"day": days, "x": RNG.normal(size=60), "y": ["no", "yes"] * 30})
        table.to_csv("t.csv", index=False)
        assert open_data("t.csv", {"data.target": "y"}).is_sequence
        table.sample(frac=1, random_state=0).to_csv("t.csv", index=False)
        assert not open_data("t.csv", {"data.target": "y"}).is_sequence

    def test_bad_tables(self):
        self.write()
        assert refused("t.csv") == ("say which column is to be predicted with data.target; there are size, town, kind")
        assert refused("t.csv", target="kin") == "data.target: there is no column 'kin'; did you mean 'kind'?"
        Path("empty.csv").write_text("")
        assert refused("empty.csv", target="a")


class TestArchives:
    def test_its_own_splits_are_kept_as_they_are(self):
        x, y = RNG.normal(5, 2, (30, 4)), np.arange(30) % 3 + 1  # classes from 1: to be seen by the checks
        np.savez("d.npz", x_train=x, y_train=y, x_val=x[:9], y_val=y[:9], x_test=x[:6], y_test=y[:6])
        data = open_data("d.npz")
        assert (data.is_raw, data.classes, data.notes) == (False, (), ())
        assert sizes(data) == {"train": 30, "validation": 9, "test": 6}
        assert not data.drawn
        np.testing.assert_array_equal(data.training.inputs["x"], x)
        np.testing.assert_array_equal(data.training.labels["y"], y)
        np.testing.assert_array_equal(data.splits[Split.VALIDATION].inputs["x"], x[:9])

    def test_what_is_not_given_is_drawn_from_the_training_samples(self):
        np.savez("d.npz", x=np.arange(100.0)[:, None], y=np.arange(100) % 2)
        data = open_data("d.npz")
        assert sizes(data) == {"train": 60, "validation": 20, "test": 20}
        seen = np.concatenate([split.inputs["x"][:, 0] for split in data.splits.values()])
        assert sorted(seen) == list(range(100))

    def test_what_tune_refuses_is_shown_all_the_same(self):
        pictures = np.full((20, 4, 4, 3), np.nan, "float32")
        np.savez("d.npz", x=pictures, y=np.r_[np.zeros(19), np.nan])
        data = open_data("d.npz")
        assert np.isnan(data.training.inputs["x"]).all()
        assert data.notes[0].startswith("tune refuses this data: the target of sample 20 is missing")
        assert sizes(data) == {"train": 12, "validation": 4, "test": 4}

    def test_large_arrays_are_sampled(self):
        np.savez("d.npz", x=np.arange(9000.0)[:, None], y=np.arange(9000) % 2)
        data = open_data("d.npz")
        assert (len(data.training), data.training.count, data.training.is_whole) == (2000, 5400, False)
        assert "of 5,400 train samples 2,000 were looked at, spread over all of them" in data.notes

    def test_bad_archives(self):
        np.savez("d.npz", x=np.zeros((9, 2)), y=np.zeros(8))
        assert refused("d.npz") == "x of the train data has 9 samples, and y 8; each sample needs both"
        np.savez("e.npz", x_train=np.zeros((9, 2)))
        assert refused("e.npz").startswith("there is no array 'y_train'")
        np.savez("f.npz", x=np.array([{}], object), y=[1])
        assert refused("f.npz").startswith("x holds Python objects, which are not loaded")
        assert refused("d.npz", target="a") == "data.target is for tables; leave it out"
        Path("g.npz").write_bytes(b"PK\x03\x04" + bytes(50))
        assert refused("g.npz").startswith("the archive is broken")


class TestFolders:
    def write(self, *parts: str, count: int = 20, size: tuple[int, int] = (9, 8)) -> str:
        for part in parts or ("",):
            for label in ("cat", "dog"):
                folder = Path("pets", part, label)
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = RNG.integers(0, 255, (size[1], size[0], 3), np.uint8)
                    Image.fromarray(pixels).save(folder / f"{number}.png")
        return "pets"

    def test_pictures_in_the_splits_of_tune(self):
        data = open_data(self.write())
        assert (data.source, data.is_raw, data.classes) == ("pets", True, ("cat", "dog"))
        assert sizes(data) == {"train": 24, "validation": 8, "test": 8}
        assert data.training.inputs["x"].shape == (24, 8, 9, 3)
        assert np.bincount(data.training.labels["y"]).tolist() == [12, 12]

    @pytest.mark.keras
    def test_the_very_pictures(self):
        data, trained = open_data(self.write()), load_data("pets")
        np.testing.assert_array_equal(data.training.inputs["x"], trained.train.x)
        np.testing.assert_array_equal(data.splits[Split.TEST].labels["y"], trained.test.y)

    def test_its_own_splits(self):
        data = open_data(self.write("train", "val", "test", count=3))
        assert (sizes(data), data.notes) == ({"train": 6, "validation": 6, "test": 6}, ())

    def test_large_ones_are_sampled_and_seen_small(self, monkeypatch):
        monkeypatch.setattr(audit, "MOST_PICTURES", 10)
        data = open_data(self.write(size=(300, 200)), {"data.image_size": 256})
        assert data.training.inputs["x"].shape == (10, 128, 128, 3)
        assert (data.training.count, data.training.is_whole) == (24, False)
        assert "of 24 train samples 10 were looked at, spread over all of them" in data.notes

    def test_the_time_is_kept(self, monkeypatch):
        monkeypatch.setattr(audit, "SECONDS", 0.0)
        monkeypatch.setattr(audit, "_BLOCK", 5)
        train = open_data(self.write()).training
        assert (len(train), train.count) == (5, 24)

    def test_broken_pictures_are_left_out(self):
        self.write()
        Path("pets/cat/20.png").write_bytes(b"no picture")
        whole = Path("pets/cat/0.png").read_bytes()
        for number in range(10):  # a sound head: only decoding tells
            Path(f"pets/dog/b{number}.png").write_bytes(whole[:120])
        data = open_data("pets")
        assert any("cat/20.png (not an image of a known format)" in note for note in data.notes)
        assert any("left out that cannot be decoded, such as dog/b" in note for note in data.notes)
        assert sum(len(split) for split in data.splits.values()) == 40

    def test_bad_folders(self):
        Path("none").mkdir()
        assert refused("none").startswith("there are no subfolders; a folder of images has one subfolder")
        self.write(count=1)
        Path("pets/dog/0.png").unlink()
        assert refused("pets").startswith("class 'dog' has no image to train on")


class TestFunctions:
    def test_arrays(self):
        data = open_data(function("x, y"))
        assert (data.source, data.is_raw) == ("mine.py:load", False)
        assert sizes(data) == {"train": 24, "validation": 8, "test": 8}

    def test_two_pairs_are_training_and_test_as_in_keras_datasets(self):
        data = open_data(function("(x, y), (x[:9], y[:9])"))
        assert {split: split in data.drawn for split in data.splits} == {
            Split.TRAIN: False,
            Split.VALIDATION: True,
            Split.TEST: False,
        }

    def test_pairs_are_the_splits(self):
        assert sizes(open_data(function("(x, y), (x[:9], y[:9]), (x[:8], y[:8])"))) == {
            "train": 40, "validation": 9, "test": 8,
        }  # fmt: skip

    def test_a_frame(self):
        data = open_data(function("pd.DataFrame({'a': x[:, 0], 'b': y})"), {"data.target": "b"})
        assert (data.is_raw, data.features) == (True, {"x": ("a",)})

    @pytest.mark.keras
    def test_a_data_set_of_tensorflow_is_not_read_to_its_end(self):
        tf = pytest.importorskip("tensorflow")
        assert tf
        data = open_data(function("__import__('tensorflow').data.Dataset.from_tensor_slices((x, y)).repeat().batch(8)"))
        assert (len(data.training), data.training.count, data.batch_size) == (40, None, 8)

    def test_bad_functions(self):
        assert refused(function("1 / 0")).startswith("ZeroDivisionError: division by zero at ")
        assert "return (x, y)" in refused(function("None"))
        assert refused("mine.py:lod").startswith("mine.py has no function 'lod'")


@pytest.mark.keras
class TestWhatTheModelIsGiven:
    def test_a_table_is_scaled_and_encoded(self):
        raw, given = open_data("wine"), sample_of(load_data("wine"))
        assert raw.training.inputs["x"].std() > 100
        assert abs(given.training.inputs["x"].std() - 1) < 0.1
        assert (given.is_raw, given.classes, sizes(given)) == (False, raw.classes, sizes(raw))

    def test_without_a_validation_split(self):
        assert list(sample_of(load_data("iris", {"data.validation": 0})).splits) == [Split.TRAIN, Split.TEST]

    def test_regression_has_no_classes(self):
        assert sample_of(load_data("diabetes")).classes == ()


class TestOpeners:
    """How `diagnose`, which does not know the recipes, finds them."""

    def entries(self, monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
        from importlib.metadata import EntryPoint

        found = [EntryPoint(f"e{number}", value, openers.GROUP) for number, value in enumerate(values)]
        monkeypatch.setattr(openers, "entry_points", lambda group: found if group == openers.GROUP else [])

    def test_by_the_entry_point(self, monkeypatch):
        self.entries(monkeypatch, "recipes.audit:open_data")
        assert openers.open_data("iris", {"data.split_seed": 1}).training.count == 90

    def test_the_project_registers_its_own(self):
        text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
        assert '[project.entry-points."kerasdx.data"]\nrecipes = "recipes.audit:open_data"\n' in text

    def test_nothing_is_installed(self, monkeypatch):
        self.entries(monkeypatch)
        with pytest.raises(ReadError) as caught:
            openers.open_data("iris")
        assert str(caught.value) == (
            "nothing is installed that opens data by its name; install it: pip install 'kerasdx[tune]'"
        )

    def test_what_it_needs_is_not_installed(self, monkeypatch):
        self.entries(monkeypatch, "recipes.audit:open_data")
        monkeypatch.setitem(sys.modules, "recipes.audit", None)
        with pytest.raises(ReadError) as caught:
            openers.open_data("iris")
        assert "by its name: recipes.audit is missing; install it" in str(caught.value)


def test_names_that_are_not_known():
    assert refused("digit").startswith("there is no data 'digit'; did you mean digits?")
    assert refused("iris", tarjet="a") == "there is no setting 'data.tarjet'; did you mean data.target?"
    Path("notes.txt").write_text("hello")
    assert refused("notes.txt").startswith("not a kind of file that is known")
