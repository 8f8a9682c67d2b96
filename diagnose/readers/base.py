"""What every reader shares: the document it is given and the error that it raises.

A format is one module with

``FORMAT``
    its name in reports, for example ``keras-csv``;
``matches(document) -> bool``
    whether the head of the content is of this format; cheap, never raises;
``read(document, roles) -> list[Run]``
    the runs in it; raises `ReadError` where there is none.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

from diagnose.run import Run

#: Column name as it stands in the log -> role given by hand (see `diagnose.readers.columns.parse_role`).
Roles = Mapping[str, str]

HEAD_BYTES = 64 * 1024


class ReadError(Exception):
    """A source cannot be read as a training log.

    Parameters
    ----------
    what
        What is wrong and where, without the source's name: "line 3 has no number in column 'loss'".
    mend
        What the user can do about it; empty where nothing helps.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}" if mend else what)


@dataclass(frozen=True)
class Document:
    """The content of one source, read lazily.

    Parameters
    ----------
    source
        The source as the user named it.
    path
        The file or folder; None where the content came from standard input.
    content
        The bytes, where they are not in a file.
    """

    source: str
    path: Path | None = None
    content: bytes | None = None

    @property
    def is_directory(self) -> bool:
        """Whether the source is a folder that one reader takes as a whole."""
        return self.path is not None and self.path.is_dir()

    def open(self) -> BinaryIO:
        """Open the content for reading bytes."""
        if self.content is not None:
            return io.BytesIO(self.content)
        if self.path is None:
            raise ValueError("a document has a path or content")
        return self.path.open("rb")

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB; empty for a folder."""
        if self.is_directory:
            return b""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    @cached_property
    def encoding(self) -> str:
        """UTF-8, or UTF-16/32 where a byte order mark says so, or Windows-1252 where UTF-8 cannot be."""
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF32_LE, "utf-32"),
            (codecs.BOM_UTF32_BE, "utf-32"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if self.head.startswith(mark):
                return name
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(self.head, final=False)
        except UnicodeDecodeError:
            return "cp1252"
        return "utf-8"

    @cached_property
    def head_text(self) -> str:
        """The head as text, undecodable bytes replaced."""
        return self.head.decode(self.encoding, errors="replace")

    def lines(self) -> Iterator[str]:
        r"""Yield the lines without their ends; ``\n``, ``\r\n``, ``\r\r\n`` and ``\r`` all end one."""
        with self.open() as raw, io.TextIOWrapper(raw, encoding=self.encoding, errors="replace") as text:
            for line in text:  # universal newlines turn \r\r\n into an empty line, which tables skip
                yield line.rstrip("\n")


class Format(Protocol):
    """What a reader module provides."""

    FORMAT: str

    def matches(self, document: Document) -> bool:
        """Whether the head of the content is of this format."""

    def read(self, document: Document, roles: Roles) -> list[Run]:
        """Return the runs in the content."""
