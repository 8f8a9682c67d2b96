"""The folder of a training: what is in it, and that only one process works in it."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from diagnose import console
from recipes.config import Config, differences, read
from recipes.errors import RecipeError

#: Where trainings go that are given no folder.
ROOT = Path("runs")


@dataclass(frozen=True)
class Folder:
    """Names of what one training leaves.

    Parameters
    ----------
    path
        The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The configuration: ``tune train --config`` repeats the training."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """Monitor's log; ``run.json`` is beside it."""
        return self.path / "run.csv"

    @property
    def checkpoint(self) -> Path:
        """State of the last epoch, weights of the best."""
        return self.path / "checkpoint"

    @property
    def model(self) -> Path:
        """The model to use."""
        return self.path / "model.keras"

    @property
    def report(self) -> Path:
        """The health report, as a page."""
        return self.path / "report.html"

    @property
    def result(self) -> Path:
        """Scores and verdict; written last: where it is, the training is complete."""
        return self.path / "result.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def picture(self) -> Path:
        """Confusion matrix, residuals, or predicted boxes of the test set."""
        return self.path / "test.png"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder.

        Raises
        ------
        RecipeError
            Another one is in it, or it cannot be made.
        """
        with held(self.path, "training", self.config):
            yield

    def begin(self, config: Config, *, resume: bool) -> None:
        """Note the configuration of the training that begins, or see that it is that of the one that goes on.

        Raises
        ------
        RecipeError
            There is a training already, or none to go on with, or one of another configuration.
        """
        if self.config.exists():
            if not resume:
                raise RecipeError(
                    f"{self.path}: holds a training already; go on with it (--resume {self.path}) "
                    "or name another --output"
                )
            if changed := list(differences(self.read_config(), config)):
                raise RecipeError(
                    f"{self.path}: was begun with other settings ({'; '.join(changed)}); use a new --output"
                )
            return
        if resume:
            raise RecipeError(f"{self.path}: holds no training to go on with (there is no config.yaml)")
        ours = (self.log, self.checkpoint, self.model, self.report, self.result, self.card, self.picture)
        if taken := [path.name for path in ours if path.exists()]:
            raise RecipeError(f"{self.path}: holds {', '.join(taken)} of something else; name another --output")
        console.write_file(self.config, config.to_yaml())

    def withdraw(self) -> None:
        """Take back what `begin` noted, where nothing has been trained: the folder is free for another try."""
        if not self.log.exists() and not self.checkpoint.exists():
            self.config.unlink(missing_ok=True)

    def read_config(self) -> Config:
        """Return the configuration of the training.

        Raises
        ------
        RecipeError
            There is none, or it is damaged.
        """
        if not self.config.exists():
            raise RecipeError(f"{self.path}: holds no training (there is no config.yaml)")
        return Config.from_dict(read(self.config), str(self.config))

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Write the result."""
        console.write_file(self.result, json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def read_result(self) -> dict[str, Any] | None:
        """Return the result; None where the training is not complete."""
        try:
            result = json.loads(self.result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) else None


@contextmanager
def held(path: Path, doing: str, begun: Path) -> Iterator[None]:
    """Keep other processes out of a folder; one in which nothing has begun is removed again.

    Parameters
    ----------
    path
        The folder; made where it is not there.
    doing
        What this process does in it, for people: ``training``.
    begun
        The file that is there once it has begun.

    Raises
    ------
    RecipeError
        Another one is in it, or it cannot be made.
    """
    lock = FileLock(path / ".lock")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise RecipeError(f"{path}: another process is {doing} there; name another --output") from None
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; name a folder that can be written to") from None
    try:
        yield
    finally:
        lock.release()
        if not begun.exists():
            with suppress(OSError):
                (path / ".lock").unlink(missing_ok=True)
                path.rmdir()


def name_of(config: Config) -> str:
    """Return what a folder for a configuration is called, before its number: ``cnn-digits``."""
    source = re.split(r"[/\\:]", config.data.source.rstrip("/\\"))[-1]
    name = "-".join((config.recipe_name.replace("/", "-").rpartition(":")[2], source.partition(".")[0]))
    return re.sub(r"[^\w.-]+", "_", name).strip("._-") or "training"


def folder_names(config: Config, prefix: str = "", root: Path = ROOT) -> list[Path]:
    """Return the folders that there are of a configuration's name, by their numbers."""
    name = prefix + name_of(config)
    found = [path for path in root.glob(f"{glob.escape(name)}-*") if path.name.removeprefix(f"{name}-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(f"{name}-")))


def next_free(config: Config, root: Path = ROOT, prefix: str = "") -> Folder:
    """Make a folder for a new training, ``runs/cnn-digits-1`` or the next number; a prefix stands before its name.

    Raises
    ------
    RecipeError
        It cannot be made.
    """
    name = prefix + name_of(config)
    try:
        root.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            with suppress(FileExistsError):  # another training may take it at the same time
                (root / f"{name}-{number}").mkdir()
                return Folder(root / f"{name}-{number}")
    except OSError as error:
        raise RecipeError(f"{root}: {error.strerror}; name a folder with --output") from None
    raise AssertionError("numbers do not end")
