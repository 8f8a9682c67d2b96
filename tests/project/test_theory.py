"""docs/theory.md: what its code prints is what stands there."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diagnose import discovery
from scripts import theory_plots

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "theory.md"
TEXT = PAGE.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    line: int
    code: str
    prints: str


def blocks() -> Iterator[Block]:
    """Yield the blocks of the page, with what stands under them."""
    for match in _BLOCK.finditer(TEXT):
        yield Block(TEXT[: match.start(1)].count("\n"), match[1], match[2] or "")


@pytest.mark.keras
@pytest.mark.long
def test_every_block_prints_what_stands_under_it() -> None:
    names: dict[str, Any] = {"__name__": "theory"}
    for block in blocks():
        # Empty lines first, so that a traceback names the line of the page.
        code = compile("\n" * block.line + block.code, str(PAGE), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)  # noqa: S102  # the page's own code
        assert printed.getvalue() == block.prints, f"the block at line {block.line + 1} of docs/theory.md"


def test_every_fence_is_a_block_with_its_output() -> None:
    found = list(blocks())
    assert len(found) == TEXT.count("```python\n") > 20
    assert TEXT.count("```text\n") == sum(bool(block.prints) for block in found)
    assert TEXT.count("```\n") == len(found) + TEXT.count("```text\n")


def test_it_is_read_in_twenty_minutes() -> None:
    prose = _BLOCK.sub("", TEXT)
    assert len(prose.split()) < 20 * 200


def test_it_leads_to_every_check_of_models() -> None:
    models = [discovery.check_id(module) for family, module in discovery.built_in() if family == "model"]
    assert [id for id in models if f"](checks/{id}.md)" not in TEXT] == []


def test_every_drawing_is_shown() -> None:
    assert set(re.findall(r'src="images/(.+?)"', TEXT)) == set(theory_plots.drawings())
