"""Links between the Markdown files of the project: which of them lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|href)=\"([^\"]+)\"")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def documents(root: Path) -> list[Path]:
    """Return the Markdown files of the project: those at the top, and all under docs."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def broken_links(root: Path) -> list[str]:
    """Return a line for every link to a file or heading that is not there."""
    return [f"{document.relative_to(root)}: {problem}" for document in documents(root) for problem in _broken(document)]


def links(text: str) -> Iterator[str]:
    """Yield the targets of links and images, those in code left out."""
    for match in _LINK.finditer(_CODE.sub("``", _FENCE.sub("", text))):
        yield match[1] or match[2]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    slugs: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = slugs.get(slug, 0)
        slugs[slug] = again + 1
        found.add(f"{slug}-{again}" if again else slug)
    return found


def _broken(document: Path) -> Iterator[str]:
    text = document.read_text(encoding="utf-8")
    for target in links(text):
        if _SCHEME.match(target):
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / unquote(file) if file else document
        if not path.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
            yield f"the link to {target}: {path.name} has no such heading"
