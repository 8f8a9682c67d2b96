"""Data sets of a training as MLflow is told of them: the same data has the same digest, other data another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diagnose.tracking.dataset import DatasetRecord
from recipes.config import Config
from recipes.data import load_data
from tuners import datasets

pytestmark = pytest.mark.keras

ELSEWHERE = """
import sys
from recipes.config import Config
from recipes.data import load_data
from tuners.datasets import of_recipe_data
config = Config.of("mlp", {"data.source": sys.argv[1], "data.target": sys.argv[2]})
print("told", *(record.digest for record in of_recipe_data(load_data(config), config)))
"""


def of(source: str | Path, recipe: str = "mlp", **settings: object) -> tuple[DatasetRecord, ...]:
    named = {f"data.{name}": value for name, value in settings.items()}
    config = Config.of(recipe, {"data.source": str(source), **named})
    return datasets.of_recipe_data(load_data(config), config)


def digests(records: tuple[DatasetRecord, ...]) -> list[str]:
    return [record.digest for record in records]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "houses.csv")


def write_table(path: Path, price: float = 10.0) -> Path:
    rows = [f"{number},{'old' if number % 3 else 'new'},{number * price}" for number in range(50)]
    path.write_text("\n".join(["rooms,age,price", *rows]))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for label in ("cats", "dogs"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 256, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "pets" / label / f"{number}.png")
    return tmp_path / "pets"


class TestRecords:
    def test_one_for_each_split(self, table: Path) -> None:
        records = of(table, target="price")
        assert [record.context for record in records] == ["training", "validation", "test"]
        assert [json.loads(record.profile)["samples"] for record in records] == [30, 10, 10]
        assert len(set(digests(records))) == 3
        assert {record.name for record in records} == {"houses.csv"}

    def test_none_for_a_split_without_samples(self, table: Path) -> None:
        assert [record.context for record in of(table, target="price", validation=0)] == ["training", "test"]

    def test_the_file_as_it_was_named(self, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(table.parent)
        record = of("houses.csv", target="price")[0]
        assert (record.source_type, json.loads(record.source)) == ("local", {"uri": "houses.csv"})

    def test_columns_of_a_table(self, table: Path) -> None:
        schema = json.loads(of(table, target="price")[0].schema)
        assert [(one["name"], one["type"]) for one in schema["mlflow_colspec"]] == [
            ("rooms", "double"),
            ("age", "string"),
        ]

    def test_shape_of_images(self) -> None:
        from mlflow.data.schema import TensorDatasetSchema

        record = of("digits", "cnn")[0]
        schema = TensorDatasetSchema.from_dict(json.loads(record.schema))
        assert [one.shape for one in (*schema.features.inputs, *schema.targets.inputs)] == [(-1, 8, 8, 1), (-1,)]
        assert (record.source_type, json.loads(record.profile)["classes"]) == ("code", 10)


class TestDigest:
    @pytest.mark.long
    def test_is_the_same_in_another_process_and_folder(self, table: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        copied = write_table(tmp_path / "elsewhere" / "houses.csv")
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(copied), "price"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stdout.partition("told ")[2].split() == digests(of(table, target="price"))

    def test_is_another_where_a_cell_differs(self, table: Path, tmp_path: Path) -> None:
        before = digests(of(table, target="price"))
        table.write_text(table.read_text().replace("3,new", "4,new"))
        assert not set(before) & set(digests(of(table, target="price")))

    def test_is_another_where_the_split_is_another(self, table: Path) -> None:
        assert not set(digests(of(table, target="price"))) & set(digests(of(table, target="price", split_seed=1)))

    def test_does_not_depend_on_how_the_data_is_fed(self, table: Path) -> None:
        other = of(table, target="price", batch_size=8, standardize=False)
        assert digests(other) == digests(of(table, target="price"))

    def test_of_images_is_of_the_files(self, images: Path) -> None:
        before = digests(of(images, "cnn"))
        assert digests(of(images, "cnn", cache="none")) == before
        for path in images.rglob("*.png"):
            Image.new("RGB", (8, 8)).save(path)
        assert not set(before) & set(digests(of(images, "cnn")))

    def test_of_what_has_no_file_is_of_the_values(self) -> None:
        assert digests(of("moons")) == digests(of("moons"))
        assert not set(digests(of("moons"))) & set(digests(of("circles")))

    def test_of_a_function_is_of_the_values(self, tmp_path: Path) -> None:
        code = (
            "import numpy as np\ndef load():\n"
            "    x = np.random.default_rng(0).normal(size=(30, 2))\n    {}\n    return x, [0, 1] * 15\n"
        )
        found = []
        for number, change in enumerate(("pass", "pass", "x[:, 0] **= 2", "x *= 255")):
            module = tmp_path / f"mine{number}.py"
            module.write_text(code.format(change))
            found.append(digests(of(f"{module}:load")))
        assert found[0] == found[1]
        assert not set(found[0]) & {*found[2], *found[3]}


def test_of_a_long_file_evenly_spread_parts_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long"
    content = bytearray(1_000_000)
    path.write_bytes(content)
    monkeypatch.setattr(datasets, "_BLOCK", 1000)
    with path.open("rb") as file:
        read = [len(part) for part in datasets._parts(file, len(content), 10_000)]
    assert sum(read) == 10_008
    before = datasets._file_digest(path, 10_000)
    content[-1] = 1
    path.write_bytes(content)
    assert datasets._file_digest(path, 10_000) != before
    assert datasets._file_digest(tmp_path / "none") == b""
