"""A new check begins with two files that are in order as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diagnose import discovery, explain
from scripts import new_check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a check and its test need."""
    shutil.copytree(ROOT / "diagnose", tmp_path / "diagnose", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in ("tests", "tests/checks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    shutil.copy(ROOT / "tests" / "blueprints.py", tmp_path / "tests")
    return tmp_path


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("family", discovery.FAMILIES)
def test_a_new_check_is_found_and_its_tests_pass(project: Path, family: str) -> None:
    _, test = new_check.scaffold(family, "late-spike", project)
    ended = python(project, "-m", "pytest", "-p", "no:cacheprovider", str(test))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    explained = python(project, "-m", "diagnose", "--explain", "late-spike")
    for title in explain.SECTIONS:
        assert title in explained.stdout


@pytest.mark.parametrize("family", discovery.FAMILIES)
def test_a_new_check_is_in_style(project: Path, family: str) -> None:
    pytest.importorskip("ruff")
    written = new_check.scaffold(family, "late-spike", project)
    for command in (("check",), ("format", "--check")):
        ended = python(project, "-m", "ruff", *command, "--no-cache", *map(str, written))
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("family", "id", "reason"),
    [
        ("curves", "overfitting", "is taken"),
        ("curves", "Late Spike", "late-spike"),
        ("curves", "../escape", "escape"),
        ("curves", "-", "is no id"),
        ("shapes", "late-spike", "one of curves, layers, model, data"),
    ],
)
def test_a_wrong_name_writes_nothing(tmp_path: Path, family: str, id: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        new_check.scaffold(family, id, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    check, _ = new_check.scaffold("curves", "late-spike", tmp_path)
    (tmp_path / check).write_text("mine")
    with pytest.raises(ValueError, match="exists"):
        new_check.scaffold("curves", "late-spike", tmp_path)
    assert (tmp_path / check).read_text() == "mine"


def test_the_command_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(new_check.scaffold, "__defaults__", (tmp_path,))
    assert new_check.main(["curves", "overfittings"]) == 0
    told = capsys.readouterr().out
    assert "similar name, overfitting" in told
    assert "tests/checks/test_overfittings.py" in told
    assert new_check.main(["model", "wide-layer"]) == 0
    assert "examples/audit/wide_layer.py" in capsys.readouterr().out
    assert new_check.main(["curves", "overfittings"]) == 2
    assert "is taken" in capsys.readouterr().err
