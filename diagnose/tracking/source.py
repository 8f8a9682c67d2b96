"""Where a training comes from, as tags of its run: script, user, and the state of the working directory in git."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_COMMIT, _BRANCH, _URL = "mlflow.source.git.commit", "mlflow.source.git.branch", "mlflow.source.git.repoURL"
_DIRTY = "git.dirty"
#: Seconds for all that git is asked: a training does not wait for a repository of a million files.
_PATIENCE = 0.8
#: Seconds for which an answer holds.
_FRESH = 30.0
#: Git is neither to ask for a password nor to write into the repository, and to answer in one form everywhere.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
#: A repository may name programs that git starts when it looks at files; those of others are not run.
_SAFE = ("-c", "core.fsmonitor=false")
_MOST = 500


def tags() -> dict[str, str]:
    """Return where this process's trainings come from, under the names that MLflow's pages show.

    Returns
    -------
    dict
        ``mlflow.source.name``, ``mlflow.source.type``, ``mlflow.user``; of the repository that the working directory
        is in ``mlflow.source.git.commit``, ``mlflow.source.git.branch``, ``mlflow.source.git.repoURL`` (without
        credentials), and ``git.dirty``, ``true`` where tracked files differ from the commit. What cannot be told in
        about a second is not there.
    """
    with suppress(OSError):  # a working directory that was removed
        return dict(_tags(os.getcwd(), os.getpid(), int(time.monotonic() / _FRESH)))
    return {}


@lru_cache(maxsize=4)
def _tags(folder: str, process: int, period: int) -> Mapping[str, str]:
    del process, period  # a fork may be of another user, and a notebook goes on after a commit
    found = {**_of_context(), **_of_repository(Path(folder))}
    return {name: value[:_MOST] for name, value in found.items() if value}


def _of_context() -> dict[str, str]:
    """Return what MLflow tells of its own runs, notebooks and clusters among it, but for git."""
    try:
        from mlflow.tracking.context import registry
        from mlflow.tracking.context.git_context import GitRunContext
    except ImportError:
        return {}
    with suppress(Exception):  # of a plug-in, or a user without a name
        ignored: list[Any] = [GitRunContext]
        found: Mapping[str, Any] = registry.resolve_tags(ignore=ignored)
        return {str(name): str(value) for name, value in found.items()}
    return {}


def _of_repository(folder: Path) -> dict[str, str]:
    """Return what git says; MLflow would ask about the script, which of a command is an installed one."""
    end = time.monotonic() + _PATIENCE
    commit = _git(folder, end, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {}
    found = {_COMMIT: commit}
    if branch := _git(folder, end, "symbolic-ref", "--short", "-q", "HEAD"):
        found[_BRANCH] = branch
    remotes = (_git(folder, end, "remote") or "").split()
    if remotes:
        remote = "origin" if "origin" in remotes else remotes[0]
        found[_URL] = without_credentials(_git(folder, end, "config", "--get", f"remote.{remote}.url") or "")
    changed = _git(
        folder,
        end,
        *_without_filters(folder, end),
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--ignore-submodules=all",
    )
    if changed is not None:
        found[_DIRTY] = str(bool(changed)).lower()
    return found


def _without_filters(folder: Path, end: float) -> list[str]:
    """Return options with which git starts none of the programs that a repository has for looking at its files."""
    names = _git(folder, end, "config", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process)$") or ""
    return [part for name in names.splitlines() for part in ("-c", f"{name}=")]


def _git(folder: Path, end: float, *arguments: str) -> str | None:
    """Return what git answers; None where there is no git, no answer, or none in time."""
    environment = {**os.environ, **_ENVIRONMENT}
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        answer = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(0.01, end - time.monotonic()),
            check=True,
        )
        return answer.stdout.decode("utf-8", "replace").strip()
    return None


def without_credentials(url: str) -> str:
    """Return a remote's address without user, password and query; addresses of SSH are as they were."""
    try:
        parts = urlsplit(url)
        if not parts.scheme or not parts.netloc:
            return url
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return ""
