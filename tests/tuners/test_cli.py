"""The command `tune`: what it says, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from diagnose.command_line import EXIT_ERROR, EXIT_FINE, EXIT_INTERRUPTED
from tuners.cli import command

pytestmark = pytest.mark.keras


def tune(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        command.main(list(arguments))
    return int(left.value.code or 0)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tuners.cli import command\n"
        "try: command.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pandas', 'mlflow'} & set(sys.modules)), file=sys.stderr)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr == "[]\n"
    assert "--resume" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a recipe"),
        (["mlp"], "name the data"),
        (["mlpp", "-d", "iris"], "there is no recipe 'mlpp'; did you mean mlp?"),
        (["mlp/tiny", "-d", "iris"], "has no preset 'tiny'; it has default"),
        (["mlp", "-d", "irris"], "iris"),
        (["mlp", "-d", "iris", "-s", "model.widht=3"], "there is no setting 'model.widht'; did you mean model.width?"),
        (["mlp", "-d", "iris", "-s", "model.width=-3"], "model.width: should be greater than or equal to 1, not -3"),
        (["mlp", "-d", "iris", "-s", "model.width"], "is not PATH=VALUE"),
        (["mlp", "-d", "iris", "-s", "transfer.freeze_depth=1"], "the recipe mlp does not use it"),
        (["mlp", "-d", "iris", "-s", "optimizer.name=adamm"], "optimizer.name: should be 'sgd'"),
        (["cnn", "-d", "iris"], "the recipe cnn takes image"),
        (["mlp", "-d", "iris", "--config", "missing.yaml"], "missing.yaml: No such file"),
        (["--resume", "nowhere"], "nowhere: holds no training"),
        (["mlp", "--resume", "nowhere"], "name nothing else"),
        (["mlp", "-d", "iris", "--epochs", "many"], "not a valid integer"),
        (["mlp", "-d", "iris", "-s", "training.seed=2020-13-45"], "cannot be read"),
        (["mlp", "-d", "iris", "-s", "optimizer.learning_rate=fast"], "should be a valid number"),
        (["mlp", "-d", "iris", "-o", "/proc/run"], "/proc/run"),
        (["nosuch_module:build", "-d", "iris"], "nosuch_module"),
        (["mlp", "-d", "nosuch_module:load"], "nosuch_module"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tune("train", *arguments) == EXIT_ERROR
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("tune: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    ["", "- a list", "recipe: [", '{"recipe": "mlp"', "recipe: mlp\nmodel: 3", "recipe: mlp\n? [a]: 1", "\x00"],
)
def test_a_bad_configuration_file_is_one_line(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(content)
    assert tune("train", "--config", str(file), "-d", "iris") == EXIT_ERROR
    assert capsys.readouterr().err.count("\n") == 1


def test_a_training_tells_health_score_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("recipe: mlp/small\ndata: {source: iris}\noptimizer: {learning_rate: 1e-2}\n")
    told = ["train", "--config", "run.yaml", "--epochs", "8", "--seed", "2", "-s", "data.batch_size=16", "--no-mlflow"]
    assert tune(*told) == EXIT_FINE
    out = capsys.readouterr().out
    assert "mlp/small on iris: multiclass, 90 train, 30 validation, 30 test samples" in out
    assert "No fault found" in out
    assert "accuracy 0." in out
    assert "In runs/mlp-small-iris-1:" in out
    assert (tmp_path / "runs" / "mlp-small-iris-1" / "model.keras").exists()
    assert not (tmp_path / "mlruns").exists()
    assert max(map(len, out.splitlines())) <= 100


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuners.trial.run", interrupted)
    assert tune("train", "mlp", "-d", "iris", "--no-mlflow") == EXIT_INTERRUPTED
    assert "tune train --resume runs/mlp-iris-1" in capsys.readouterr().err


class TestRecipes:
    def test_all_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert tune("recipes") == EXIT_FINE
        out = capsys.readouterr().out
        assert all(name in out for name in ("mlp", "cnn", "transfer", "detector", "module:function"))

    def test_one_shows_settings_with_default_and_range(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "100")
        assert tune("recipes", "cnn") == EXIT_FINE
        out = capsys.readouterr().out
        assert "optimizer.learning_rate" in out
        assert "0 < x <= 100" in out
        assert "max | average | stride" in out
        assert "residual" in out
        assert "transfer.backbone" not in out

    def test_a_sheet_of_augmented_samples_is_drawn(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sheet = tmp_path / "sheet.png"
        assert tune("recipes", "cnn", "-d", "digits", "--sheet", str(sheet)) == EXIT_FINE
        assert sheet.read_bytes().startswith(b"\x89PNG")
        assert str(sheet) in capsys.readouterr().out

    def test_a_sheet_needs_images(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert tune("recipes", "cnn", "-d", "iris", "--sheet", str(tmp_path / "sheet.png")) == EXIT_ERROR
        assert capsys.readouterr().err.count("\n") == 1
