"""``diagnose`` on models and data, as a person types it: reports, exit codes, repairs, and a line for bad input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("keras")

import keras

from diagnose.cli import command

pytestmark = pytest.mark.keras

SOURCE = '''"""My first network."""

import keras


def build():
    model = keras.Sequential([
        keras.Input((4,)),
        keras.layers.Dense(8, activation="relu", kernel_initializer="zeros"),
        keras.layers.Dense(1, activation="softmax"),
    ])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def load():
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    return x, y
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(SOURCE)
    return tmp_path


def diagnose(*arguments: str) -> Result:
    result = CliRunner().invoke(command, [*arguments, "--no-settings"])
    assert "Traceback" not in result.output
    return result


def sick() -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="softmax")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def test_a_function_that_makes_a_model() -> None:
    result = diagnose("my_model.py:build")
    assert result.exit_code == 1
    assert "constant-initializer" in result.stdout
    assert "output-activation-mismatch" in result.stdout
    assert "3 layers: 49 parameters" in result.stdout


def test_a_file_is_read_by_what_is_in_it(here: Path) -> None:
    sick().save("model.keras")
    Path("model.keras").rename("anything")
    result = diagnose("anything", "--format", "json")
    assert result.exit_code == 1
    (run,) = json.loads(result.stdout)["runs"]
    assert (run["format"], run["verdict"]) == ("keras-model", "critical")
    assert [layer["parameters"] for layer in run["model"]["layers"]] == [0, 40, 9]
    assert run["findings"][0]["check"] == "output-activation-mismatch"


def test_a_model_and_a_log_are_one_report() -> None:
    sick().save("model.keras")
    Path("run.csv").write_text("epoch,loss\n0,1.0\n1,nan\n")
    result = diagnose("model.keras", "run.csv", "--format", "json")
    document = json.loads(result.stdout)
    assert [run["findings"][0]["check"] for run in document["runs"]] == ["output-activation-mismatch", "nan-loss"]


def test_model_and_data_together() -> None:
    result = diagnose("my_model.py:build", "--data", "my_model.py:load", "--batch-size", "320", "--format", "json")
    (run,) = json.loads(result.stdout)["runs"]
    found = {finding["check"] for finding in run["findings"]}
    assert {"output-activation-mismatch", "large-batch"} <= found
    assert sum(split["samples"] for split in run["data"]["splits"].values()) == 400
    assert {outcome["check"] for outcome in run["outcomes"]} >= {"label-range", "train-validation-leak"}


def test_data_alone() -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    x[7, 1] = np.nan
    np.savez("data.npz", x=x, y=(x[:, 0] > 0).astype("int32"))
    result = diagnose("--data", "data.npz")
    assert result.exit_code == 1
    assert "non-finite-inputs" in result.stdout
    assert "cannot look" not in result.stdout.replace("could not look", "")


def test_a_dry_run_computes_one_batch() -> None:
    result = diagnose("my_model.py:build", "--data", "my_model.py:load", "--dry-run", "--format", "json")
    (run,) = json.loads(result.stdout)["runs"]
    assert run["dry_run"]["samples"] > 0
    assert run["dry_run"]["failed"] == ""
    assert {layer["layer"] for layer in run["dry_run"]["layers"]} >= {"dense"}


class TestFix:
    def test_of_a_source_file_is_a_patch_that_cures(self, here: Path) -> None:
        result = diagnose("my_model.py:build", "--fix")
        assert "the mended model: healthy" in result.stderr
        assert Path("my_model.py").read_text() == SOURCE
        patch = result.stdout[result.stdout.index("--- a/my_model.py") :]
        subprocess.run(["patch", "-p1", "-s"], input=patch, text=True, check=True, cwd=here)
        assert '"sigmoid"' in Path("my_model.py").read_text()
        assert diagnose("my_model.py:build").exit_code == 0

    def test_of_a_model_file_is_a_configuration_that_passes(self) -> None:
        sick().save("model.keras")
        before = Path("model.keras").read_bytes()
        result = diagnose("model.keras", "--fix")
        assert "wrote model-fixed.json" in result.stderr
        assert "the mended model: healthy" in result.stderr
        assert Path("model.keras").read_bytes() == before
        assert diagnose("model-fixed.json").exit_code == 0
        mended = keras.models.model_from_json(Path("model-fixed.json").read_text())
        assert mended.layers[-1].activation is keras.activations.sigmoid

    def test_of_a_file_with_the_line_breaks_of_windows_is_a_patch_that_fits(self, here: Path) -> None:
        Path("my_model.py").write_bytes(SOURCE.replace("\n", "\r\n").encode())
        patch = diagnose("my_model.py:build", "--fix").stdout_bytes
        patch = patch[patch.index(b"--- a/my_model.py") :]
        assert b"\r\n" in patch
        subprocess.run(["patch", "-p1", "-s", "--binary"], input=patch, check=True, cwd=here)
        assert Path("my_model.py").read_bytes().count(b"\r\n") == SOURCE.count("\n")
        assert b'"sigmoid"' in Path("my_model.py").read_bytes()

    def test_of_a_file_in_another_encoding_is_left_to_a_person(self) -> None:
        Path("old.py").write_bytes(b"# -*- coding: latin-1 -*-\n# gr\xf6\xdfer\n" + SOURCE.encode())
        result = diagnose("old.py:build", "--fix")
        assert result.exit_code == 1
        assert "constant-initializer" in result.stdout
        assert "old.py:build: is not in UTF-8" in result.stderr

    def test_a_helper_that_makes_sound_layers_too_is_left_to_a_person(self) -> None:
        helped = SOURCE.replace(
            "def build", "def dense(n, kind):\n    return keras.layers.Dense(n, kind)\n\n\ndef build"
        )
        helped = helped.replace(
            'keras.layers.Dense(8, activation="relu", kernel_initializer="zeros")', 'dense(8, "relu")'
        )
        helped = helped.replace('keras.layers.Dense(1, activation="softmax")', 'dense(1, "softmax")')
        Path("helped.py").write_text(helped)
        result = diagnose("helped.py:build", "--fix")
        assert "line 7 makes dense too: change it by hand" in result.stderr
        assert "---" not in result.stdout

    def test_two_models_are_told_apart_and_the_same_change_is_told_once(self) -> None:
        many = SOURCE.replace(
            '        keras.layers.Dense(8, activation="relu", kernel_initializer="zeros"),\n',
            '        *(keras.layers.Dense(8, activation="relu", kernel_initializer="zeros") for _ in range(7)),\n',
        )
        Path("many.py").write_text(many)
        sick().save("model.keras")
        told = diagnose("many.py:build", "model.keras", "--fix", "--format", "json").stderr
        names = "dense, dense_1, dense_2, dense_3, dense_4 and 2 more"
        assert (
            f"many.py:build: the diff mends many.py (git apply, or patch -p1): set kernel_initializer of {names}"
            in told
        )
        assert "model.keras: wrote model-fixed.json" in told
        assert "model.keras: the mended model: healthy" in told
        assert '-        *(keras.layers.Dense(8, activation="relu", kernel_initializer="zeros")' in told

    def test_several_layers_are_taken_out_at_once(self) -> None:
        blocks = """        keras.layers.Dense(32),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
"""
        begin, end = SOURCE.index("        keras.layers.Dense(8"), SOURCE.index("        keras.layers.Dense(1")
        Path("deep.py").write_text((SOURCE[:begin] + 3 * blocks + SOURCE[end:]).replace("softmax", "sigmoid"))
        result = diagnose("deep.py:build", "--fix")
        assert "take dropout, dropout_1, dropout_2 out" in result.stderr
        patch = result.stdout[result.stdout.index("--- a/deep.py") :]
        assert patch.count("-        keras.layers.Dropout(0.5),") == 3

    def test_writes_over_nothing(self) -> None:
        sick().save("model.keras")
        Path("model-fixed.json").write_text("mine")
        assert "wrote model-fixed-2.json" in diagnose("model.keras", "--fix").stderr
        assert Path("model-fixed.json").read_text() == "mine"

    def test_of_a_sound_model_changes_nothing(self, here: Path) -> None:
        diagnose("my_model.py:build", "--fix")
        sound = SOURCE.replace(', kernel_initializer="zeros"', "").replace("softmax", "sigmoid")
        Path("sound.py").write_text(sound)
        result = diagnose("sound.py:build", "--fix")
        assert result.exit_code == 0
        assert "nothing here can be mended without a person" in result.stderr
        assert "---" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--data", "table.csv"], "which column is to be predicted with --target; there are a, b"),
        (["--model", "nowhere.keras"], "nowhere.keras: cannot be read"),
        (["nowhere.py:build", "--dry-run"], "nowhere.py"),
        (["my_model.py:nobody", "--dry-run"], "nobody"),
        (["my_model.py", "--dry-run"], "my_model.py:build"),
        (["--dry-run"], "name a log, a folder, a model"),
        (["--data", "digits", "--dry-run"], "--model MODEL"),
        (["my_model.py:build", "--target", "y"], "--target names a column of --data"),
        (["my_model.py:build", "--batch-size", "0"], "--batch-size"),
        (["run.csv", "--watch", "--dry-run"], "--watch follows logs"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], told: str) -> None:
    Path("table.csv").write_text("a,b\n1,2\n2,3\n")
    result = diagnose(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unreadable_model_does_not_hide_a_good_one() -> None:
    sick().save("model.keras")
    Path("broken.keras").write_bytes(b"PK\x03\x04 not a zip")
    result = diagnose("broken.keras", "model.keras", "--batch-size", "8")
    assert result.exit_code == 2
    assert "output-activation-mismatch" in result.stdout
    assert "broken.keras" in result.stderr


def test_what_a_repair_would_take_the_ground_from_is_left_as_it_is() -> None:
    """A bias is redundant before batch normalization, and no more so once a ReLU stands between them."""
    Path("linear.py").write_text("""import keras


def build():
    model = keras.Sequential([
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(8, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(16),
        keras.layers.Dense(3, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
""")
    result = diagnose("linear.py:build", "--fix")
    assert "the mended model: healthy" in result.stderr
    patch = result.stdout[result.stdout.index("--- a/linear.py") :]
    mended = [line for line in patch.splitlines() if line.startswith("+ ") and "Conv2D" in line]
    assert not any("relu" in line and "use_bias" in line for line in mended)


@pytest.mark.parametrize("more", [[], ["--batch-size", "8"]])
def test_layers_are_named_as_if_each_model_were_the_first(more: list[str]) -> None:
    Path("mixed.py").write_text(
        SOURCE.replace("def build():", 'def build():\n    keras.config.set_dtype_policy("mixed_float16")')
    )
    before, named = keras.config.dtype_policy().name, keras.layers.Dense(1).name
    result = diagnose("mixed.py:build", "my_model.py:build", *more, "--format", "json")
    runs = json.loads(result.stdout)["runs"]
    assert [[layer["name"] for layer in run["model"]["layers"]][1:] for run in runs] == [["dense", "dense_1"]] * 2
    assert keras.config.dtype_policy().name == before
    number = int(named.rpartition("_")[2]) if "_" in named else 0
    assert keras.layers.Dense(1).name == f"dense_{number + 1}"
