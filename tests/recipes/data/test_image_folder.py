"""Folders of images: every format and mode becomes the same kind of array, broken files are left out and named."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipes.config import Config
from recipes.data import image_folder, images, load_data
from recipes.data.base import Samples
from recipes.data.source import Source
from recipes.errors import DataError

RNG = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> Path:
    """Write an image of noise, width x height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    noise.convert(mode).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with ten images in each of two classes."""
    for label in ("cat", "dog"):
        for number in range(10):
            picture(tmp_path / "pets" / label / f"{number}.png")
    return tmp_path / "pets"


def load(folder: Path, **settings: Any) -> Source:
    chosen = {f"data.{name}": value for name, value in settings.items()}
    return image_folder.load(folder, Config.model_validate({}).replace(chosen).data)


def test_subfolders_are_classes_and_files_are_samples(folder):
    source = load(folder)
    part = source.parts["train"]
    assert (source.name, source.classes) == ("pets", ("cat", "dog"))
    assert part.y.tolist() == [0] * 10 + [1] * 10
    assert part.ids[:2].tolist() == ["cat/0.png", "cat/1.png"]
    assert part.x.dtype == np.uint8
    assert np.array_equal(part.x[3], np.asarray(Image.open(folder / "cat" / "3.png")))
    assert source.notes == ()


def test_splits_are_kept_where_folders_give_them(tmp_path):
    for split in ("train", "val", "test"):
        for label in ("cat", "dog"):
            picture(tmp_path / "split" / split / label / "a.png")
            picture(tmp_path / "split" / split / label / "b.png")
    source = load(tmp_path / "split")
    assert {name: len(part) for name, part in source.parts.items()} == {"train": 4, "validation": 4, "test": 4}
    assert source.parts["test"].ids.tolist() == [f"test/{name}.png" for name in ("cat/a", "cat/b", "dog/a", "dog/b")]


@pytest.mark.parametrize("train", ["train", "Training"])
def test_a_folder_beside_splits_that_is_none_is_refused(tmp_path, train: str):
    for split in (train, "test", "extra"):
        for label in ("cat", "dog"):
            picture(tmp_path / split / label / "a.png")
    with pytest.raises(DataError, match=f"extra is beside {train}, which .* names no split; move it elsewhere, or"):
        load(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    for label in ("bus", "train"):
        picture(tmp_path / label / "a.png")
    assert load(tmp_path).classes == ("bus", "train")


def test_the_size_is_the_images_own_the_usual_or_as_told(folder):
    assert load(folder).parts["train"].x.shape[1:] == (6, 8, 3)
    assert load(folder, image_size=10).parts["train"].x.shape[1:] == (10, 10, 3)
    picture(folder / "cat" / "large.png", (20, 30))
    assert load(folder).parts["train"].x.shape[1:] == (64, 64, 3)


def test_gray_images_have_one_channel_unless_one_is_in_colour(tmp_path):
    for label in "ab":
        picture(tmp_path / label / "gray.png", mode="L")
        picture(tmp_path / label / "bits.png", mode="1")
    assert load(tmp_path).parts["train"].x.shape == (4, 6, 8, 1)
    picture(tmp_path / "a" / "colour.png")
    assert load(tmp_path).parts["train"].x.shape == (5, 6, 8, 3)


@pytest.mark.parametrize("ending", sorted(images.FORMATS))
def test_formats_are_read(tmp_path, ending: str):
    path = picture(tmp_path / f"image{ending.upper()}")
    assert images.header(path)[0] == (6, 8)
    assert images.decode(path, (6, 8), 3).std() > 10


def one_colour(path: Path, mode: str, value: Any, **options: Any) -> np.ndarray:
    Image.new(mode, (4, 4), value).save(path, **options)
    return images.decode(path, (4, 4), 3)[0, 0]


def test_every_mode_is_seen_as_people_see_it(tmp_path):
    assert one_colour(tmp_path / "a.png", "RGBA", (200, 0, 0, 255)).tolist() == [200, 0, 0]
    assert one_colour(tmp_path / "b.png", "RGBA", (200, 0, 0, 0)).tolist() == [255, 255, 255]
    assert one_colour(tmp_path / "c.png", "LA", (100, 0)).tolist() == [255, 255, 255]
    assert one_colour(tmp_path / "d.jpg", "CMYK", (0, 255, 255, 0), quality=100).tolist() == pytest.approx(
        [255, 0, 0], abs=40
    )
    assert one_colour(tmp_path / "e.png", "P", 3).std() == 0
    assert one_colour(tmp_path / "f.png", "I;16", 65535 // 5).tolist() == [51, 51, 51]
    assert one_colour(tmp_path / "g.tif", "F", 0.2).tolist() == [51, 51, 51]
    assert one_colour(tmp_path / "h.tif", "I", 51).tolist() == [51, 51, 51]
    assert one_colour(tmp_path / "i.png", "1", 1).tolist() == [255, 255, 255]


def test_images_are_turned_as_their_exif_data_says(tmp_path):
    upright = np.zeros((6, 8, 3), np.uint8)
    upright[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(upright).save(tmp_path / "turned.png", exif=exif)
    assert images.header(tmp_path / "turned.png")[0] == (8, 6)
    assert np.array_equal(images.decode(tmp_path / "turned.png", (8, 6), 3), np.rot90(upright, -1))


def bomb(path: Path) -> None:
    """Write a PNG of a few bytes that says it has 50,000 x 50,000 pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_broken_files_are_left_out_and_named(folder):
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cat" / "none.png").write_bytes(b"")
    (folder / "dog" / "page.jpg").write_text("<html>")
    bomb(folder / "dog" / "bomb.png")
    source = load(folder)
    assert len(source.parts["train"]) == 20
    (note,) = source.notes
    assert note.startswith("4 files left out that cannot be decoded: cat/cut.png (")
    assert "dog/bomb.png (too many pixels)" in note
    assert np.array_equal(source.parts["train"].x, load(folder).parts["train"].x)


def test_what_is_no_image_by_its_name_is_counted_and_what_is_hidden_is_not(folder):
    (folder / "cat" / "notes.txt").write_text("")
    (folder / "cat" / ".hidden.png").write_bytes(b"")
    (folder / ".git").mkdir()
    os.mkfifo(folder / "cat" / "pipe.png")
    assert load(folder).notes == ("1 files left out: their names are not those of images",)


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    outside = picture(tmp_path / "secret.png")
    (folder / "cat" / "link.png").symlink_to(outside)
    (folder / "cat" / "inside.png").symlink_to(folder / "cat" / "0.png")
    (folder / "dog" / "more").symlink_to(tmp_path, target_is_directory=True)
    ids = load(folder).parts["train"].ids.tolist()
    assert "cat/inside.png" in ids
    assert len(ids) == 21


@pytest.mark.parametrize("size", [0, 10])
def test_images_that_do_not_fit_are_decoded_when_they_are_taken(folder, size: int):
    (folder / "cat" / "none.png").write_bytes(b"")
    kept, streamed = (load(folder, cache=cache, image_size=size) for cache in ("memory", "none"))
    x = streamed.parts["train"].x
    assert isinstance(x, Samples)
    assert not isinstance(x, np.ndarray)
    assert (len(x), x.shape, x.dtype) == (20, kept.parts["train"].x.shape[1:], np.uint8)
    rows = np.array([19, 0, 7])
    assert np.array_equal(x.take(rows), kept.parts["train"].x[rows])
    assert streamed.notes == kept.notes


def test_a_file_that_goes_is_named(folder):
    x = load(folder, cache="none").parts["train"].x
    (folder / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match=r"0\.png: could be decoded before"):
        x.take(np.array([0]))


def test_splits_and_facts_are_the_same_streamed_or_kept(folder):
    kept, streamed = (load_data(str(folder), {"data.cache": cache}) for cache in ("memory", "none"))
    assert kept.facts == streamed.facts
    assert kept.facts.inputs.shape == (6, 8, 3)
    assert np.allclose(kept.facts.inputs.mean, kept.train.x.mean(axis=(0, 1, 2)))
    assert kept.facts.samples == {"train": 12, "validation": 4, "test": 4}
    for name in ("train", "validation", "test"):
        one, other = getattr(kept, name), getattr(streamed, name)
        assert one.ids.tolist() == other.ids.tolist()
        every = np.arange(len(one))
        assert np.array_equal(one.inputs(every), other.inputs(every))


def test_folders_that_are_no_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="there are no subfolders"):
        load(tmp_path)
    picture(tmp_path / "cat" / "a.png")
    with pytest.raises(DataError, match="the only subfolder is cat"):
        load(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match="class 'dog' has no image to train on; add"):
        load(tmp_path)
    (tmp_path / "dog" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"class 'dog' has no image to train on; dog/a\.png cannot be decoded"):
        load(tmp_path)
    (tmp_path / "cat" / "a.png").unlink()
    with pytest.raises(DataError, match="no file can be read as an image"):
        load(tmp_path)


def test_a_long_load_says_how_far_it_is_on_a_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr(image_folder, "_MANY", 10)
    load(folder)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    load(folder)
    assert "decoding images: 20 of 20\n" in capsys.readouterr().err
