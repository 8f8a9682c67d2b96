"""Numbers and lines in text that people and programs print."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diagnose.readers.base import Document
from diagnose.readers.table import line_blocks

#: A number as printed: 0.5, 1e-4, nan, -inf. Bounded, so that no input makes the match slow.
NUMBER = (
    r"[-+]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][-+]?\d{1,9})?"
    r"|[-+]?(?:nan|NaN|NAN|inf|Inf|INF|Infinity)"
)

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


def plain(text: str) -> str:
    """Return the text without the colours and cursor movements of a terminal."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def lines_of(document: Document) -> Iterator[str]:
    """Yield the lines of a document; one of more than 4 MiB raises ReadError."""
    for lines, _ in line_blocks(document):
        yield from lines
