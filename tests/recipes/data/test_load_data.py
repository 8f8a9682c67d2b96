"""`load_data` from a name to splits: what is built in, what is found, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import recipes
from recipes.config import Config
from recipes.data import BUILTIN, builtin, load_data
from recipes.errors import ConfigError, DataError
from recipes.task import Kind

BINARY, MULTICLASS, REGRESSION = Kind.BINARY, Kind.MULTICLASS, Kind.REGRESSION


@pytest.mark.keras
@pytest.mark.parametrize(
    ("name", "shape", "kind", "samples"),
    [
        ("digits", (8, 8, 1), MULTICLASS, 1797),
        ("iris", (4,), MULTICLASS, 150),
        ("wine", (13,), MULTICLASS, 178),
        ("breast_cancer", (30,), BINARY, 569),
        ("diabetes", (10,), REGRESSION, 442),
        ("moons", (2,), BINARY, 1000),
        ("circles", (2,), BINARY, 1000),
        ("blobs", (2,), MULTICLASS, 1000),
        ("spirals", (2,), MULTICLASS, 1000),
        ("friedman", (10,), REGRESSION, 1000),
    ],
)
def test_builtin_data(name: str, shape: tuple[int, ...], kind: Kind, samples: int):
    data = load_data(name)
    assert data.facts.inputs.shape == shape
    assert data.facts.task.kind is kind
    assert data.facts.name == name
    assert {name: len(getattr(data, name)) for name in data.facts.samples} == data.facts.samples
    assert len({*data.train.ids, *data.validation.ids, *data.test.ids}) == samples
    assert data.facts.samples["test"] == round(0.2 * samples)


def test_scattered_digits_have_a_loader_of_their_own(monkeypatch):
    monkeypatch.setattr("recipes.data.scattered.load", lambda config: config.data.source)
    assert load_data("scattered_digits") == "scattered_digits"


def test_every_builtin_name_has_a_loader():
    assert set(BUILTIN) == {*builtin._LOADERS, "scattered_digits"}


def test_digits_are_images_of_bytes():
    data = load_data("digits")
    assert data.train.x.dtype == np.uint8
    assert (data.train.x.min(), data.train.x.max()) == (0, 255)
    assert data.facts.task.names == tuple("0123456789")
    assert sum(data.facts.task.counts) == len(data.train)
    inputs = data.facts.inputs
    assert (inputs.kind, inputs.low, inputs.high) == ("image", 0, 255)
    assert inputs.mean == pytest.approx([data.train.x.mean()])
    assert inputs.variance == pytest.approx([data.train.x.var()])
    assert data.preprocessing is None


def test_the_seed_of_the_split_alone_decides():
    first = load_data("digits")
    same = load_data("digits", {"training.seed": 7})
    other = load_data("digits", {"data.split_seed": 1})
    assert np.array_equal(first.train.ids, same.train.ids)
    assert not np.array_equal(first.train.ids, other.train.ids)


def test_images_are_resized_where_a_size_is_told():
    data = load_data("digits", {"data.image_size": 16})
    assert data.train.x.shape[1:] == data.facts.inputs.shape == (16, 16, 1)
    assert data.train.x.mean() == pytest.approx(load_data("digits").train.x.mean(), rel=0.01)


def test_a_configuration_is_loaded_too():
    config = Config.of("cnn", {"data.source": "digits", "data.test": 0.1})
    assert recipes.load_data(config).facts.samples["test"] == 180


def test_splits_that_are_given_stay_and_the_others_come_from_training(tmp_path):
    x = np.arange(80, dtype=np.uint8).reshape(20, 2, 2)
    y = np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x[:15], y_train=y[:15], x_test=x[15:], y_test=y[15:])
    data = load_data(str(tmp_path / "a.npz"))
    assert data.facts.samples == {"train": 12, "validation": 3, "test": 5}
    assert np.array_equal(data.test.x[..., 0], x[15:])
    assert data.facts.task.counts == (int((data.train.y == 0).sum()), int((data.train.y == 1).sum()))


def test_images_mapped_from_disk_are_the_same(tmp_path):
    x = np.random.default_rng(0).random((30, 4, 4, 3), dtype=np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 3)
    kept, mapped = (load_data(str(tmp_path / "a.npz"), {"data.cache": cache}) for cache in ("auto", "none"))
    assert kept.facts == mapped.facts
    assert (kept.facts.inputs.low, kept.facts.inputs.high) == (0, 1)
    assert isinstance(kept.train.x, np.ndarray)
    assert not isinstance(mapped.train.x, np.ndarray)
    rows = np.array([3, 1])
    assert np.array_equal(kept.validation.inputs(rows), mapped.validation.inputs(rows))


def test_groups_stay_together(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (60, 2, 2), dtype=np.uint8)
    groups = np.array([f"patient {n // 3}" for n in range(60)])
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(60) % 2, groups=groups)
    data = load_data(str(tmp_path / "a.npz"))
    homes = [set(groups[split.ids - 1]) for split in (data.train, data.validation, data.test)]
    assert sum(map(len, homes)) == 20
    assert data.facts.samples == {"train": 36, "validation": 12, "test": 12}


def test_a_class_that_a_split_lacks_is_noted(tmp_path):
    y = np.array(["a"] * 20 + ["b"] * 20 + ["rare"] * 2)
    np.savez(tmp_path / "a.npz", x=np.zeros((42, 2, 2), np.uint8), y=y)
    data = load_data(str(tmp_path / "a.npz"))
    assert data.facts.task.counts[2] == 2
    assert data.facts.notes == tuple(f"{name} has no sample of 1 of 3 classes: rare" for name in ("validation", "test"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "no data is named"),
        ("digit", r"no data 'digit'; did you mean digits\?$"),
        ("breast-cancer", "did you mean breast_cancer"),
        ("no/such/thing", "no data 'no/such/thing'; name a file"),
        ("a\0b", "no data"),
        (__file__, "not a kind of file that is known"),
    ],
)
def test_data_that_is_not_there_is_told_in_one_line(source: str, says: str):
    with pytest.raises(DataError, match=says) as caught:
        load_data(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_pipe_is_refused_not_waited_for(tmp_path, ending: str):
    os.mkfifo(tmp_path / f"pipe.{ending}")
    with pytest.raises(DataError, match="no ordinary file"):
        load_data(str(tmp_path / f"pipe.{ending}"), {"data.target": "y"} if ending == "csv" else {})


def test_settings_that_do_nothing_are_refused():
    with pytest.raises(DataError, match=r"digits: data\.target is for tables"):
        load_data("digits", {"data.target": "y"})
    with pytest.raises(ConfigError, match=r"no setting 'data\.sauce'"):
        load_data("digits", {"data.sauce": 1})
    with pytest.raises(DataError, match="digits: the target holds classes by name"):
        load_data("digits", {"data.task": "regression"})
    with pytest.raises(DataError, match="leaves nothing to train on"):
        load_data("digits", {"data.validation": 0.6, "data.test": 0.6})


def test_too_few_samples_of_a_class_for_a_test_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((40, 2, 2), np.uint8), y=np.arange(40) < 2)
    with pytest.raises(DataError, match=r"a\.npz: validation has samples of one class only; add samples of 'True'"):
        load_data(str(tmp_path / "a.npz"))


def test_images_are_loaded_without_tensorflow():
    program = "import sys, recipes; recipes.load_data('digits'); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def own_validation(tmp_path, **more):
    """An archive with validation samples of its own: x is the number of the sample."""
    path = tmp_path / "data.npz"
    labels = np.arange(60) % 3
    np.savez(path, x_train=np.arange(60.0)[:, None], y_train=labels, x_val=np.arange(60.0, 72)[:, None],
             y_val=labels[:12], **more)  # fmt: skip
    return Config.model_validate({"data": {"source": str(path), "standardize": False}})


def numbers(split) -> set[int]:
    return {round(float(value)) for value in split.x[:, 0]}


@pytest.mark.keras
def test_without_validation_all_but_the_test_are_for_training(tmp_path):
    config = own_validation(tmp_path)
    before, after = load_data(config), load_data(config, {"data.validation": 0})
    assert numbers(before.validation) == set(range(60, 72))
    assert numbers(after.test) == numbers(before.test)
    assert numbers(after.train) == set(range(72)) - numbers(before.test)
    assert len(after.validation) == 0
    assert after.facts.samples == {"train": 60, "validation": 0, "test": 12}


@pytest.mark.keras
def test_folds_share_all_but_the_test(tmp_path):
    config = own_validation(tmp_path)
    folds = [load_data(config, {"data.folds": 4, "data.fold": fold}) for fold in range(4)]
    assert {frozenset(numbers(data.test)) for data in folds} == {frozenset(numbers(load_data(config).test))}
    held = [numbers(data.validation) for data in folds]
    assert sum(map(len, held)) == len(set.union(*held)) == 60
    assert all(numbers(data.train) == set.union(*held) - numbers(data.validation) for data in folds)


@pytest.mark.keras
def test_scattered_digits_keep_their_test_without_validation():
    before, after = load_data("scattered_digits"), load_data("scattered_digits", {"data.validation": 0})
    assert np.array_equal(before.test.x, after.test.x)
    assert len(after.validation) == 0
    assert len(after.train) > len(before.train)


def test_a_fold_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"data.fold: must be less than data.folds, 3, not 3"):
        load_data("iris", {"data.folds": 3, "data.fold": 3})


@pytest.mark.keras
def test_groups_stay_together_where_validation_samples_have_none(tmp_path):
    config = own_validation(tmp_path, groups_train=np.arange(60) // 4)
    before, after = load_data(config), load_data(config, {"data.validation": 0})
    assert numbers(after.test) == numbers(before.test)
    for fold in range(3):
        data = load_data(config, {"data.folds": 3, "data.fold": fold})
        groups = [{number // 4 for number in numbers(split) if number < 60} for split in (data.train, data.validation)]
        assert not groups[0] & groups[1]
