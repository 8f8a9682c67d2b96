"""Where a training comes from: what git says of the working directory, without its secrets and without waiting."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from diagnose.tracking import source

COMMIT, BRANCH, URL = (
    "mlflow.source.git.commit", "mlflow.source.git.branch", "mlflow.source.git.repoURL",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(source, "_PATIENCE", 30.0)  # of a machine that is busy
    source._tags.cache_clear()
    yield
    source._tags.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, which is the working directory."""
    folder = tmp_path / "a ü b"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "try/this")
    (folder / "train.py").write_text("epochs = 1\n")
    git(folder, "add", "train.py")
    git(folder, "commit", "-q", "-m", "First")
    monkeypatch.chdir(folder)
    return folder


def test_commit_and_branch(repository: Path) -> None:
    tags = source.tags()
    commit = git(repository, "rev-parse", "HEAD")
    assert (tags[COMMIT], tags[BRANCH], tags["git.dirty"]) == (commit, "try/this", "false")
    assert URL not in tags


def test_script_and_user_are_those_of_mlflow(repository: Path) -> None:
    tags = source.tags()
    assert tags["mlflow.source.name"] == sys.argv[0]
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.user"]


def test_a_folder_of_a_repository_is_in_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "runs").mkdir()
    monkeypatch.chdir(repository / "runs")
    assert source.tags()[COMMIT]


def test_a_changed_file_is_told(repository: Path) -> None:
    (repository / "train.py").write_text("epochs = 2\n")
    assert source.tags()["git.dirty"] == "true"


def test_a_file_that_git_does_not_know_is_no_change(repository: Path) -> None:
    (repository / "run.csv").write_text("epoch,loss\n")
    assert source.tags()["git.dirty"] == "false"


def test_without_a_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    tags = source.tags()
    assert COMMIT in tags
    assert BRANCH not in tags


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://token@example.org:8443/a.git?access_token=secret", "https://example.org:8443/a.git"),
        ("ssh://git@example.org/a.git", "ssh://example.org/a.git"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("https://[broken", ""),
    ],
)
def test_a_remote_without_its_secrets(address: str, shown: str) -> None:
    assert source.without_credentials(address) == shown


def test_the_remote_is_origin(repository: Path) -> None:
    git(repository, "remote", "add", "backup", "https://example.org/backup.git")
    git(repository, "remote", "add", "origin", "https://me:secret@example.org/a.git")
    assert source.tags()[URL] == "https://example.org/a.git"


class TestNothingIsKnown:
    def test_no_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        assert not [name for name in source.tags() if "git" in name]

    def test_no_commit_yet(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        git(tmp_path, "init", "-q")
        monkeypatch.chdir(tmp_path)
        assert not [name for name in source.tags() if "git" in name]

    def test_a_broken_repository(self, repository: Path) -> None:
        (repository / ".git" / "HEAD").write_bytes(b"\0\xff")
        assert not [name for name in source.tags() if "git" in name]

    def test_no_git(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(repository))
        tags = source.tags()
        assert "mlflow.user" in tags
        assert not [name for name in tags if "git" in name]

    def test_no_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert source.tags() == {}

    def test_no_mlflow(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "mlflow.tracking.context", None)
        assert set(source.tags()) == {COMMIT, BRANCH, "git.dirty"}


def test_a_git_that_takes_long_is_not_waited_for(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(source, "_PATIENCE", 0.2)
    start = time.monotonic()
    tags = source.tags()
    assert time.monotonic() - start < 10
    assert not [name for name in tags if "git" in name]


def test_asked_once_for_each_working_directory(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source.tags()
    git(repository, "commit", "-q", "--allow-empty", "-m", "Second")
    assert source.tags() == before
    monkeypatch.chdir(tmp_path)
    assert source.tags().get(COMMIT) != before[COMMIT]
    before["mlflow.user"] = "changed"
    monkeypatch.chdir(repository)
    assert source.tags()["mlflow.user"] != "changed"
