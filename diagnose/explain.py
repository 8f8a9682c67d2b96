"""A check's docstring is its documentation: parsed here once, for ``--explain``, the list and the docs."""

from __future__ import annotations

import dataclasses
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from diagnose.check import BEFOREHAND, LoadedCheck, Needs

SECTIONS = ("What it detects", "How it is detected", "Why it matters", "How to fix", "References")

_INDENT = "  "
_LITERAL = re.compile(r"(`{1,2})(.+?)\1", re.DOTALL)
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Threshold:
    """One option of a check, as the documentation shows it."""

    name: str
    default: float
    unit: str
    source: str
    help: str


@dataclass(frozen=True)
class Page:
    """The documentation of one check.

    Parameters
    ----------
    id, family, title
        Its names.
    sections
        Title -> text, in the order of `SECTIONS`; reStructuredText, paragraphs apart by an empty line.
    thresholds
        Its options.
    needs
        What a log must have, in words.
    live
        Whether it looks at trainings that still go on.
    """

    id: str
    family: str
    title: str
    sections: Mapping[str, str]
    thresholds: tuple[Threshold, ...]
    needs: str
    live: bool


def page(check: LoadedCheck) -> Page:
    """Return the documentation of a check; a section that its docstring lacks is absent."""
    return Page(
        id=check.id,
        family=check.family,
        title=check.title,
        sections=parse_sections(check.doc),
        thresholds=tuple(_thresholds(check.options_class)),
        needs=describe_needs(check.declaration.needs),
        live=check.declaration.live,
    )


def parse_sections(doc: str) -> dict[str, str]:
    """Split a docstring at its underlined titles: title -> text."""
    lines = doc.expandtabs().splitlines()
    titles = [
        i
        for i, (line, below) in enumerate(itertools.pairwise(lines))
        if line.strip() and set(below) == {"-"} and len(below) >= len(line)
    ]
    return {
        lines[start].strip(): "\n".join(lines[start + 2 : end]).strip("\n")
        for start, end in itertools.pairwise([*titles, len(lines)])
    }


def _thresholds(options: type) -> Iterator[Threshold]:
    for option in dataclasses.fields(options):
        about = option.metadata
        yield Threshold(
            name=option.name,
            default=float(option.default),  # type: ignore[arg-type]  # every option is a number
            unit=about.get("unit", ""),
            source=about.get("source", ""),
            help=about.get("help", ""),
        )


def describe_needs(needs: Needs) -> str:
    """Say what a log must have for a check to look: "loss and val_loss; 5 epochs"."""
    series = ", or ".join(" and ".join(roles) for roles in needs.any_of)
    statistics = " and ".join(f"{name} of the layers" for name in needs.statistics)
    epochs = f"{needs.min_epochs} epochs" if needs.min_epochs > 1 else ""
    before = " and ".join(BEFOREHAND[name].words for name in needs.before)
    return "; ".join(part for part in (before, series, statistics, epochs) if part) or "any log"


def find(id: str, checks: Sequence[LoadedCheck]) -> LoadedCheck:
    """Return the check with an id; ValueError, with the nearest one, where there is none."""
    by_id = {check.id: check for check in checks}
    wanted = id.strip().lower().replace("_", "-")
    if wanted in by_id:
        return by_id[wanted]
    import difflib

    near = difflib.get_close_matches(wanted, sorted(by_id), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no check {id!r}{hint} (diagnose --list-checks lists them)")


def render(page: Page, *, width: int = 80, color: bool = False) -> str:
    """Return the page as text for a terminal."""
    title = textwrap.fill(f"{page.id} ({page.family}): {_plain(page.title)}", width)
    blocks = [_heading(title, color)]
    titles = sorted(page.sections, key=lambda t: SECTIONS.index(t) if t in SECTIONS else len(SECTIONS))
    blocks.extend(f"{_heading(title, color)}\n{_body(page.sections[title], width)}" for title in titles)
    when = "" if page.live else " It looks at ended trainings only."
    blocks.append(f"{_heading('What it needs', color)}\n{_fill(page.needs + '.' + when, width)}")
    if page.thresholds:
        how = f"Change one by --set {page.id}.NAME=NUMBER, or in [tool.kerasdx.options.{page.id}]."
        rows = "\n".join(_threshold(t, width) for t in page.thresholds)
        blocks.append(f"{_heading('Thresholds', color)}\n{rows}\n{_fill(how, width)}")
    return "\n\n".join(blocks) + "\n"


def render_list(checks: Sequence[LoadedCheck], *, width: int = 80, color: bool = False) -> str:
    """Return every check by family: id and title."""
    column = max((len(c.id) for c in checks), default=0) + 2
    blocks = []
    for family in dict.fromkeys(c.family for c in checks):
        rows = [
            textwrap.fill(
                _plain(check.title),
                max(width, column + 30),
                initial_indent=f"{_INDENT}{check.id:<{column}}",
                subsequent_indent=" " * (column + len(_INDENT)),
            )
            for check in checks
            if check.family == family
        ]
        blocks.append("\n".join((_heading(family, color), *rows)))
    return "\n\n".join(blocks) + "\n"


def _heading(text: str, color: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if color else text


def _body(text: str, width: int) -> str:
    return "\n\n".join(_block(block, width) for block in re.split(r"\n\s*\n", text))


def _block(block: str, width: int) -> str:
    """Wrap a paragraph; leave a formula, a table or code as it stands."""
    lines = block.splitlines()
    if any(line.startswith((" ", ">>>", "=", "+", "|")) for line in lines) and not _is_list(lines):
        return textwrap.indent(block, _INDENT)
    if _is_list(lines):
        return "\n".join(_fill(item, width, hanging="  ") for item in _items(lines))
    return _fill(block, width)


def _is_list(lines: Sequence[str]) -> bool:
    return lines[0].startswith(("- ", "* "))


def _items(lines: Sequence[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        if line.startswith(("- ", "* ")):
            items.append(line)
        else:
            items[-1] += f" {line.strip()}"
    return items


def _threshold(threshold: Threshold, width: int) -> str:
    unit = f" {threshold.unit}" if threshold.unit else ""
    about = f"{threshold.name} = {threshold.default:g}{unit}: {threshold.help.rstrip('.')}"
    return _fill(f"{about} ({threshold.source.rstrip('.')})." if threshold.source else f"{about}.", width, "    ")


def _fill(text: str, width: int, hanging: str = "") -> str:
    return textwrap.fill(
        _plain(" ".join(text.split())),
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Take the marks of literal text away."""
    return _LITERAL.sub(r"\2", text)
