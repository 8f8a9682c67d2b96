"""The sheet: a row for a training image, the image first, then what augmentation makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from recipes.data.base import Data
from recipes.data.sheet import augmentation_sheet
from recipes.errors import ConfigError
from recipes.task import Facts, Inputs, Kind, Task
from tests.recipes.data import pictures
from tests.recipes.data.pictures import config

pytestmark = pytest.mark.keras


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the labels of all rows that are drawn."""
    from matplotlib.axes import Axes

    seen: list[str] = []
    draw = Axes.set_title

    def note(self: Axes, label: str, *args: object, **more: object) -> object:
        seen.append(label)
        return draw(self, label, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "set_title", note)
    return seen


def three() -> Data:
    return pictures.data(*pictures.classes())


def test_it_is_a_picture_with_a_row_for_each_sample(tmp_path: Path, titles: list[str]) -> None:
    path = augmentation_sheet(three(), config(augmentation="medium"), tmp_path / "sheet.png", samples=3, variants=2)
    assert path == tmp_path / "sheet.png"
    small = imread(path).shape
    large = imread(augmentation_sheet(three(), config(augmentation=1), tmp_path / "large.png", 6, 5)).shape
    assert large[0] > 1.5 * small[0]
    assert large[1] > 1.5 * small[1]
    assert titles[:3] == ["ant", "bee", "cat"]


def test_there_are_no_more_rows_than_samples(tmp_path: Path, titles: list[str]) -> None:
    augmentation_sheet(three(), config(augmentation=1), tmp_path / "sheet.png", samples=99, variants=1)
    assert len(titles) == 23


def test_the_first_column_is_the_image_and_the_others_follow_the_strength(tmp_path: Path) -> None:
    """Without augmentation all columns look the same; with it none does."""
    pixels = {}
    for strength in (0, 1):
        path = augmentation_sheet(three(), config(augmentation=strength), tmp_path / f"{strength}.png", 2, 2)
        picture = imread(path)[40:]  # below the title
        pixels[strength] = np.array_split(picture[:, : picture.shape[1] // 3 * 3], 3, axis=1)
    plain, changed = pixels[0], pixels[1]
    middle = slice(30, -10)  # between the labels of the first row and the next
    assert np.abs(plain[1] - plain[2])[middle].mean() < 0.02
    assert np.abs(changed[1] - changed[2])[middle].mean() > 0.05
    np.testing.assert_allclose(plain[0], changed[0], atol=0.02)


def test_the_same_seed_draws_the_same_sheet(tmp_path: Path) -> None:
    def sheet(name: str, seed: int) -> bytes:
        how = config(augmentation=1, seed=seed)
        return augmentation_sheet(three(), how, tmp_path / name, samples=2, variants=2).read_bytes()

    assert sheet("a.png", 0) == sheet("b.png", 0)
    assert sheet("c.png", 1) != sheet("a.png", 0)


@pytest.mark.parametrize(
    ("kind", "target", "label"),
    [
        (Kind.MULTILABEL, [1.0, 1.0], "a, b"),
        (Kind.MULTILABEL, [0.0, 0.0], "no label"),
        (Kind.REGRESSION, [0.25, 3.0], "a 0.25, b 3"),
        (Kind.DETECTION, [[0.5, 0.5, 0.1, 0.1, 1], [0, 0, 0, 0, -1]], "b"),
    ],
)
def test_rows_say_what_is_to_be_predicted(
    kind: Kind, target: list[object], label: str, tmp_path: Path, titles: list[str]
) -> None:
    x = pictures.images(2)
    data = pictures.data(pictures.split(x, np.array([target] * 2, np.float32)), pictures.of_task(kind, x))
    how = config(augmentation=1, augmentation_families="colour,noise")
    augmentation_sheet(data, how, tmp_path / "sheet.png", variants=1)
    assert titles == [label, label]


def test_names_are_text_whatever_is_in_them(tmp_path: Path, titles: list[str]) -> None:
    x = pictures.images(2, (8, 8, 1))
    task = Task(Kind.BINARY, ("$\\frac{$ <b>\n", "very " * 30), (1, 1))
    data = pictures.data(pictures.split(x, np.array([0, 1], np.float32)), pictures.facts(task, x))
    augmentation_sheet(data, config(augmentation=1), tmp_path / "sheet.png")
    assert titles[0] == "$\\frac{$ <b>"
    assert len(titles[1]) == 24


def test_vectors_have_no_sheet(tmp_path: Path) -> None:
    x = np.zeros((2, 4), np.float32)
    facts = Facts("table", Inputs("vector", (4,)), Task(Kind.BINARY, ("no", "yes"), (1, 1)), {"train": 2})
    data = pictures.data(pictures.split(x, np.zeros(2, np.float32)), facts)
    with pytest.raises(ConfigError, match="for images"):
        augmentation_sheet(data, config(), tmp_path / "sheet.png")
