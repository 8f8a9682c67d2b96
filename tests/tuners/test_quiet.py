"""Whose warnings reach a terminal."""

from __future__ import annotations

import sysconfig
import warnings
from pathlib import Path

import pytest

import recipes
from tuners import quiet

pytestmark = pytest.mark.keras
OURS = str(Path(recipes.__file__).with_name("cnn.py"))


@pytest.fixture(autouse=True)
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    quiet.tell_warnings()


def shown(filename: str, capsys: pytest.CaptureFixture[str]) -> str:
    warnings.showwarning("16x16 images\nare small", UserWarning, filename, 3)
    return capsys.readouterr().err


def test_ours_are_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(OURS, capsys) == "tune: note: 16x16 images are small\n"


def test_those_of_libraries_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(f"{sysconfig.get_path('purelib')}/keras/layers.py", capsys) == ""


def test_the_users_own_are_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[object] = []
    monkeypatch.setattr(quiet, "_show", lambda *warning: told.append(warning[2]))
    assert shown(str(tmp_path / "mine.py"), capsys) == ""
    assert told == [str(tmp_path / "mine.py")]
