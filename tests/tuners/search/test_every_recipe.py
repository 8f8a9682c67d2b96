"""Every recipe can be searched by its default space, and its winner reloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from recipes.config import Config
from recipes.parts import backbones
from tests.recipes.data.pictures import images
from tuners.search import SearchSettings, search
from tuners.search.records import State

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of numbers and words with gaps, a folder of pictures, and weights to begin with."""
    draw = np.random.default_rng(0)
    size = draw.uniform(40, 200, 80).round(1)
    town = np.array(["north", "south", ""])[draw.integers(0, 3, 80)]
    price = 2 * size + 30 * (town == "north") + draw.normal(0, 5, 80)
    rows = [f"{a},{b},{c:.1f}" for a, b, c in zip(size, town, price, strict=True)]
    (tmp_path / "houses.csv").write_text("\n".join(["size,town,price", *rows]))
    for number, name in enumerate(("ant", "bee")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i, picture in enumerate(images(24, (32, 32, 3), seed=number)):
            Image.fromarray(picture).save(tmp_path / "photos" / name / f"{i}.png")
    keras.utils.set_random_seed(0)
    backbones.load("mobilenet_025", (32, 32), "none").model.save_weights(tmp_path / "backbone.weights.h5")
    return tmp_path


RECIPES: dict[str, tuple[str, dict[str, Any], str]] = {
    "mlp on a table": ("mlp", {"data.source": "houses.csv", "data.target": "price"}, "regularization.dropout"),
    "cnn on digits": ("cnn/small", {"data.source": "digits"}, "data.augmentation"),
    "transfer on a folder of pictures": (
        "transfer/tiny",
        {"data.source": "photos", "transfer.weights": "backbone.weights.h5", "transfer.head_epochs": 1},
        "transfer.freeze_depth",
    ),
    "detector on scattered digits": ("detector/fast", {"data.source": "scattered_digits"}, "data.batch_size"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_searched_by_its_default_space(name: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    recipe, settings, searched = RECIPES[name]
    config = Config.of(recipe, {**settings, "training.epochs": 2})
    found = search(config, None, SearchSettings(strategy="random", trials=2), folder="s", track=False)
    assert [trial.state for trial in found.record.trials] == [State.DONE] * 2
    assert all(searched in trial.values for trial in found.record.trials)
    assert found.winner is not None
    example = found.winner.folder.card.read_text().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(found.winner.folder.path)  # as somebody who has the folder, and its card
    scope: dict[str, Any] = {}
    exec(example, scope)  # noqa: S102 - our own
    model, inputs = scope["model"], scope["inputs"]
    assert np.isfinite(model.predict(inputs, verbose=0)).all()
    assert found.winner.evaluation.main.is_known
