"""Archives of arrays: what is read from them, from disk where they are large, and what is refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.config import Config
from recipes.data import npz, storage
from recipes.data.source import Columns, Source
from recipes.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture
def save(tmp_path):
    def save(compressed: bool = False, **arrays: Any) -> Path:
        path = tmp_path / "data.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return save


def load(path: Path, **settings: Any) -> Source:
    chosen = {f"data.{name}": value for name, value in settings.items()}
    return npz.load(path, Config.model_validate({}).replace(chosen).data)


def test_images_and_vectors_are_told_by_their_axes(save):
    images = load(save(x=IMAGES, y=LABELS))
    assert images.kind == "image"
    assert images.parts["train"].x.shape == (12, 5, 4, 1)
    assert images.parts["train"].x.dtype == np.uint8
    vectors = load(save(x=IMAGES.reshape(12, 20).astype(np.float64), y=LABELS))
    assert vectors.kind == "vector"
    assert isinstance(vectors.parts["train"].x, Columns)
    assert vectors.parts["train"].x.numeric.dtype == np.float32


def test_splits_that_are_given_are_kept(save):
    source = load(save(x_train=IMAGES[:8], y_train=LABELS[:8], x_test=IMAGES[8:], y_test=LABELS[8:]))
    assert {name: len(part) for name, part in source.parts.items()} == {"train": 8, "test": 4}
    assert np.array_equal(source.parts["test"].x[..., 0], IMAGES[8:])
    for ending in ("val", "valid", "validation"):
        named = {f"x_{ending}": IMAGES[8:], f"y_{ending}": LABELS[8:]}
        source = load(save(x_train=IMAGES[:8], y_train=LABELS[:8], **named))
        assert {name: len(part) for name, part in source.parts.items()} == {"train": 8, "validation": 4}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (IMAGES.astype(np.int64), np.uint8),
        (IMAGES / 255, np.float32),
        (IMAGES.astype(np.int16) - 100, np.float32),
        (IMAGES.astype(">u2") * 100, np.float32),
    ],
)
def test_images_keep_their_values(save, values: np.ndarray, dtype: type):
    x = load(save(x=values, y=LABELS)).parts["train"].x
    assert x.dtype == dtype
    assert np.allclose(x[..., 0], values)


def test_groups_are_taken_by_their_name(save):
    who = np.array(["a", "b"] * 6)
    assert load(save(x=IMAGES, y=LABELS, groups=who)).parts["train"].groups.tolist() == who.tolist()
    path = save(x=IMAGES, y=LABELS, patient=who)
    assert load(path).parts["train"].groups is None
    assert load(path, group="patient").parts["train"].groups.tolist() == who.tolist()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_larger_than_memory_is_mapped_and_the_same(save, compressed: bool, order: str):
    x = np.asarray(RNG.integers(0, 256, (12, 5, 4, 3), dtype=np.uint8), order=order)
    path = save(compressed, x=x, y=LABELS.astype(str))
    mapped = load(path, cache="none").parts["train"]
    assert isinstance(mapped.x, np.memmap)
    assert np.array_equal(mapped.x, x)
    assert mapped.y.tolist() == LABELS.astype(str).tolist()
    assert not isinstance(load(path).parts["train"].x, np.memmap)


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("trapped"),))


def test_no_python_object_is_made(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="y holds Python objects"):
        load(save(x=IMAGES, y=np.array([Trap()] * 12)))
    path = tmp_path / "pickled.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", pickle.dumps(Trap()))
        archive.writestr("y.npy", pickle.dumps(Trap()))
    with pytest.raises(DataError, match="x is no array"):
        load(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="the archive is broken"):
        load(path)
    assert not Path("trapped").exists()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": LABELS}, "no array 'x'; .* there are a"),
        ({"x": IMAGES}, "no array 'y'"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "no array 'y_test'"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_validation": IMAGES}, "no array 'y_validation'"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_dev": IMAGES, "y_dev": LABELS}, "array 'x_dev' would not be used"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES, "y_test": LABELS}, "array 'x_test' would not be used; name"),
        ({"x_train": IMAGES, "y_train": LABELS, "y_extra": LABELS}, "array 'y_extra' would not be used"),
        ({"x": IMAGES, "y": LABELS[:5]}, "x has 12 samples, and y 5"),
        ({"x": IMAGES, "y": np.array(3)}, "and y one number"),
        ({"x": IMAGES, "y": LABELS, "groups": LABELS[:3]}, "the groups 3"),
        ({"x": IMAGES.astype(str), "y": LABELS}, "x is of type <U3"),
        ({"x": IMAGES * 1j, "y": LABELS}, "x is of type complex128"),
        ({"x": np.zeros((12, 3, 32, 32)), "y": LABELS}, "channels come last"),
        ({"x": np.zeros((12, 2, 2, 2, 2)), "y": LABELS}, "x is 12x2x2x2x2"),
        ({"x": np.zeros((0, 3)), "y": LABELS[:0]}, "x is 0x3"),
        ({"x": np.where(IMAGES > 250, np.nan, 0.5), "y": LABELS}, r"x\[\d+, \d, \d, 0\] is NaN"),
        ({"x": np.where(IMAGES[:, 0] > 250, np.inf, 0.5), "y": LABELS}, r"x\[\d+, \d\] is infinite"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, 1:], "y_test": LABELS}, "splits differ: x_train"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(save, arrays: dict[str, np.ndarray], says: str):
    path = save(**arrays)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_group_that_is_not_there_is_refused(save):
    with pytest.raises(DataError, match="no array 'patient'; there are x, y"):
        load(save(x=IMAGES, y=LABELS), group="patient")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load(tmp_path / "no.npz")


def test_an_archive_that_inflates_beyond_the_room_is_refused(save, monkeypatch):
    path = save(compressed=True, x=np.zeros((1000, 1000), np.uint8), y=np.zeros(1000))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(storage, "free_disk", lambda: 500_000)
    with pytest.raises(DataError, match=r"take 0\.00101 GB"):
        load(path, cache="none")
    uncompressed = save(x=np.zeros((100, 100, 100), np.uint8), y=np.zeros(100))
    assert isinstance(load(uncompressed, cache="none").parts["train"].x, np.memmap)  # takes no room
    monkeypatch.setattr(storage, "available_memory", lambda: 500_000)
    with pytest.raises(DataError, match="of memory"):
        load(path, cache="memory")


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path, save):
    source, path = save(x=IMAGES, y=LABELS), tmp_path / "lies.npz"
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as changed:
        for name in archive.namelist():
            changed.writestr(name, archive.read(name).replace(b"(12, 5, 4)", b"(99, 5, 4)"))
    with pytest.raises(DataError, match="x is cut short"):
        load(path)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=20), st.booleans(), st.booleans(), st.booleans())
def test_a_broken_archive_is_read_or_refused_in_one_line(save, at, junk, compressed, cut, mapped):
    path = save(compressed, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at:] = b"" if cut else junk + content[at + len(junk) :]
    path.write_bytes(content)
    loaded, said = attempt(path, "none" if mapped else "auto")
    assert loaded == 12 or (said and "\n" not in said)


def attempt(path: Path, cache: str) -> tuple[int, str]:
    """Return how many samples are read, and what is said where they cannot be."""
    try:
        return len(load(path, cache=cache).parts["train"]), ""
    except DataError as error:
        return 0, str(error)
