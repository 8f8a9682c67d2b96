"""How text leaves the program: colour, width and encoding of the terminal, closed pipes, files, errors."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

DEFAULT_WIDTH = 80
#: Boxes, arrows and marks of the terminal report; where the stream cannot encode them it is drawn in ASCII.
_MARKS = "─│╭✓✗→×≥σ…"


def wants_color(choice: str, stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether to colour: as told, else by NO_COLOR and FORCE_COLOR, else where the stream is a terminal."""
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and environment.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is looking at the stream; Python sets one that was closed at the start to None."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed since
        return False


def size(stream: TextIO | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """Return columns and lines: of the terminal where there is one, COLUMNS before it, else 80 by 24."""
    columns, lines = DEFAULT_WIDTH, 24
    with contextlib.suppress(OSError, ValueError, AttributeError):
        columns, lines = os.get_terminal_size(stream.fileno() if stream else -1)
    with contextlib.suppress(ValueError):
        columns = int(environment.get("COLUMNS", "")) or columns
    return (columns if columns > 0 else DEFAULT_WIDTH), (lines if lines > 0 else 24)


def needs_ascii(stream: TextIO | None) -> bool:
    """Whether the stream's encoding lacks the marks of the report (Windows code pages, LC_ALL=C)."""
    try:
        _MARKS.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def one_line(text: str) -> str:
    """Return the text as one printable line: names from a log must not move the cursor of a terminal."""
    flat = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in flat)


def complain(message: str, program: str = "diagnose") -> None:
    """Write one line to standard error, with the name of the command before it."""
    if sys.stderr is None:  # print would take standard output for it
        return
    with contextlib.suppress(OSError, ValueError):  # nobody is left to read it
        print(f"{program}: {one_line(message)}", file=sys.stderr, flush=True)


def write_out(text: str) -> bool:
    """Write to standard output and return whether anybody reads it.

    A reader that has closed the pipe, as ``head`` does, is no error.
    """
    if sys.stdout is None:
        return False
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # a name in the log that the encoding lacks is escaped rather than fatal
        reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more at exit, which would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def write_file(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    A device or a pipe is written to directly, and a link is followed.
    """
    content = text if isinstance(text, bytes) else text.encode("utf-8", errors="backslashreplace")
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        if path.exists():
            unfinished.chmod(path.stat().st_mode & 0o7777)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


class Progress:
    """A line on a terminal's standard error that says how far a long read has come."""

    PATIENCE = 1.0  # seconds without a line: most calls are over by then
    PAUSE = 0.1  # seconds between two lines

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = False
        self._next = time.monotonic() + self.PATIENCE
        self._enabled = total > 1 and is_terminal(sys.stderr)

    def step(self, number: int, name: str) -> None:
        """Say that the `number`-th source is being read."""
        if not self._enabled or time.monotonic() < self._next:
            return
        columns, _ = size(sys.stderr, os.environ)
        line = one_line(f"reading {number} of {self._total}: {name}")
        sys.stderr.write(f"\r\x1b[K{line[: columns - 1]}")
        sys.stderr.flush()
        self._shown = True
        self._next = time.monotonic() + self.PAUSE

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
