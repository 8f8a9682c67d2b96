"""The folder of a training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recipes.config import Config
from recipes.errors import RecipeError
from tuners.folder import Folder, next_free

pytestmark = pytest.mark.keras


def config(**settings: object) -> Config:
    return Config.of("mlp", {"data.source": "iris", **{f"training.{name}": value for name, value in settings.items()}})


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    with folder.held():
        folder.begin(config(epochs=7), resume=False)
    assert folder.read_config() == config(epochs=7)


def test_a_second_training_does_not_overwrite_the_first(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.begin(config(), resume=False)
    with pytest.raises(RecipeError, match=r"holds a training already; go on with it \(--resume"):
        folder.begin(config(), resume=False)


def test_what_something_else_left_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text("epoch,loss\n0,1.5\n")
    (tmp_path / "README.md").write_text("Mine\n")
    with pytest.raises(RecipeError, match=r"holds run\.csv, README\.md of something else; name another --output"):
        Folder(tmp_path).begin(config(), resume=False)
    assert {path.name for path in tmp_path.iterdir()} == {"run.csv", "README.md"}


def test_a_folder_in_which_nothing_began_goes(tmp_path: Path) -> None:
    with Folder(tmp_path / "run").held():
        pass
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="file/run: Not a directory"), Folder(tmp_path / "file" / "run").held():
        pass


def test_resuming_with_other_settings_is_refused_and_says_which(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.begin(config(epochs=7), resume=False)
    folder.begin(config(epochs=7), resume=True)
    with pytest.raises(RecipeError, match=r"training\.epochs 7 -> 9"):
        folder.begin(config(epochs=9), resume=True)


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no training to go on with"):
        Folder(tmp_path).begin(config(), resume=True)
    with pytest.raises(RecipeError, match="holds no training"):
        Folder(tmp_path).read_config()


@pytest.mark.parametrize("text", ["", "[1, 2]", "recipe: {", "recipe: nosuch", "a: &a [*a]\nrecipe: mlp", "recipe: 3"])
def test_a_damaged_configuration_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        Folder(tmp_path).read_config()
    assert "\n" not in str(caught.value)


def test_only_one_process_works_in_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tuners.folder import Folder\n"
        "try:\n"
        "    with Folder(Path(sys.argv[1])).held(): pass\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    with Folder(tmp_path).held():
        told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "another process is training there" in told.stdout
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("recipe", "source", "name"),
    [
        ("mlp", "iris", "mlp-iris-1"),
        ("cnn/residual", "/data/my photos/", "cnn-residual-my_photos-1"),
        ("mlp", "table.csv", "mlp-table-1"),
        ("mlp", "../..", "mlp-1"),
    ],
)
def test_a_folder_is_named_by_recipe_and_data(tmp_path: Path, recipe: str, source: str, name: str) -> None:
    assert next_free(Config.of(recipe, {"data.source": source}), tmp_path).path.name == name


def test_the_next_free_number_is_taken(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        (tmp_path / f"mlp-iris-{number}").mkdir()
    assert next_free(config(), tmp_path).path.name == "mlp-iris-3"
