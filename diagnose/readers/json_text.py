"""JSON from a stranger: bounded in size, depth and the length of its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from diagnose.readers.base import Document, ReadError

MAX_BYTES = 32 * 1024 * 1024
#: What a parsed document takes in memory goes by its values: some 100 bytes each, 200 MB in all.
MAX_VALUES = 2_000_000
_EXPORT = "export only the history, as CSV or JSON"


class SeveralError(ValueError):
    """More than one JSON value in the text, as in JSON lines."""


def load(document: Document, *, parse_int: Callable[[str], Any] = float, kind: str = "training log") -> Any:
    """Return the one JSON value of a document.

    Parameters
    ----------
    document
        What to read.
    parse_int
        What makes an integer of its digits.
    kind
        What the messages say it is not.

    Raises
    ------
    SeveralError
        More follows after the first value.
    ReadError
        It is too large, torn, nested too deeply or no JSON.
    """
    text = _text(document, kind)
    try:
        # Integers as floats: one of 5,000 digits becomes infinite and not an error.
        return json.loads(text, parse_int=parse_int)
    except RecursionError as error:
        raise ReadError(f"is JSON nested too deeply to be a {kind}") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise SeveralError from error
        raise _torn(error, text) from error


def load_lines(document: Document) -> Iterator[Any]:
    """Yield the value of each line; a torn last line is left out.

    Raises
    ------
    ReadError
        A line that is not the last one is no JSON.
    """
    lines = [line for line in _text(document).splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line, parse_int=float)
        except RecursionError as error:
            raise ReadError(f"is JSON nested too deeply to be a training log (line {number})") from error
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise ReadError(f"line {number} is no JSON: {error.msg.lower()} at column {error.colno}") from error


def _text(document: Document, kind: str = "training log") -> str:
    mend = _EXPORT if kind == "training log" else ""
    with document.open() as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ReadError(
            f"is JSON of more than {MAX_BYTES // 2**20} MB, too large for a {kind}",
            mend,
        )
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:  # each value but the first follows one of these
        raise ReadError(f"is JSON of more than {MAX_VALUES:,} values, too many for a {kind}", mend)
    return content.decode(document.encoding, errors="replace")


def _torn(error: json.JSONDecodeError, text: str) -> ReadError:
    """Say whether the text ends too early or is wrong in the middle."""
    where = f"line {error.lineno}, column {error.colno}"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string") or _in_last_token(error, text):
        return ReadError(f"is torn: the JSON ends at {where} before it is complete", "was the writing program killed?")
    return ReadError(f"is no valid JSON: {error.msg.lower()} at {where}")


def _in_last_token(error: json.JSONDecodeError, text: str) -> bool:
    """Whether what is wrong is the last word or number of the text: ``tru``, ``-``, ``1.``."""
    rest = text[error.pos :].strip()
    return (len(rest) <= 16 and rest.strip("+-.").isalnum()) or rest in ("-", ".")
