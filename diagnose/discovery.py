"""Which checks there are, by name alone: no check is imported here, and neither is NumPy.

Shell completion needs the names within a key press; `diagnose.check.load_checks` imports what they stand for.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "kerasdx.checks"
#: The family of checks that other distributions bring.
EXTRA_FAMILY = "extra"
FAMILIES = ("curves", "layers", "model", "data")
#: Those that look at what is there before a training.
BEFORE_TRAINING = ("model", "data")


@functools.cache
def built_in() -> tuple[tuple[str, str], ...]:
    """Return (family, module name) of every check of this package, in order."""
    root = Path(__file__).parent / "checks"
    return tuple(
        (family, file.stem)
        for family in FAMILIES
        for file in sorted((root / family).glob("*.py"))
        if not file.stem.startswith("_")
    )


def family_of(id: str) -> str:
    """Return the family of a built-in check; that of other distributions' checks where it is none."""
    return next((family for family, module in built_in() if check_id(module) == id), EXTRA_FAMILY)


def check_id(module_name: str) -> str:
    """Return the id of a check's module: ``nan_loss`` is ``nan-loss``."""
    return module_name.rpartition(".")[2].replace("_", "-")


def ids() -> list[str]:
    """Return the id of every check."""
    return [*(check_id(module) for _, module in built_in()), *(entry.name for entry in contributed())]


def names() -> list[str]:
    """Return every name that ``--select`` takes: the families, then the ids."""
    return [*FAMILIES, *([EXTRA_FAMILY] if contributed() else []), *ids()]


@functools.cache
def contributed() -> tuple[EntryPoint, ...]:
    """Return the entry points by which other distributions bring checks."""
    if not any(_mention_checks(folder) for folder in sys.path):
        return ()
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name))


def _mention_checks(folder: str) -> bool:
    """Whether a distribution installed in the folder has an entry point of ours.

    `importlib.metadata` takes 50 ms to import and parses the entry points of everything installed. Reading
    the files for the group's name takes 2 ms, and nearly always there is none.
    """
    return any(f"[{ENTRY_POINT_GROUP}]".encode() in content for content in _entry_point_files(folder))


def _entry_point_files(folder: str) -> Iterator[bytes]:
    try:
        found = [e.path for e in os.scandir(folder or ".") if e.name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # a zip file, or a folder that is not there
        return
    for path in found:
        try:
            with open(os.path.join(path, "entry_points.txt"), "rb") as file:
                yield file.read()
        except OSError:
            continue
