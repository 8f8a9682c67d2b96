"""A terminal without monologues: warnings that libraries mean for programmers."""

from __future__ import annotations

import os
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from diagnose import console

#: This project.
_OURS = tuple(Path(__file__).parents[1] / name for name in ("recipes", "tuners", "diagnose"))
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
_show = warnings.showwarning


def tell_warnings() -> None:
    """Show this project's warnings as a line each, the user's own as Python does, and those of libraries not at all."""
    if not os.environ.get("KERASDX_DEBUG"):
        warnings.showwarning = _tell


def _tell(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if _is_ours(filename):
        console.complain(str(message), "tune: note")
    elif not filename.startswith(_LIBRARIES):
        _show(message, category, filename, lineno, file, line)


@contextmanager
def warnings_to(tell: Callable[[str], None]) -> Iterator[None]:
    """Hand this project's warnings to a function meanwhile, for they would tear what is on the terminal."""

    def told(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if _is_ours(filename):
            tell(str(message))
        else:
            former(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        former, warnings.showwarning = warnings.showwarning, told
        yield


def _is_ours(filename: str) -> bool:
    return any(Path(filename).is_relative_to(folder) for folder in _OURS)
