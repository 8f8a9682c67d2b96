"""Write the generated pages: one for each check from its docstring, with a picture or an example, and their index.

    python -m scripts.build_docs            # write docs/checks, and the drawings of docs/theory.md
    python -m scripts.build_docs --check    # say which page is not current and which link leads nowhere

What is written depends on nothing but the files of this repository: no date, no version, no machine.
"""

from __future__ import annotations

import argparse
import ast
import html
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from diagnose import discovery, explain
from diagnose.check import LoadedCheck, load_checks
from diagnose.finding import Evidence, Interval, LayerTable, Point, Severity
from diagnose.renderers import plots, svg
from scripts import theory_plots
from scripts.illustrations import MADE, Example, Illustration, example, illustrate
from scripts.markdown_links import broken_links

ROOT = Path(__file__).parents[1]
PAGES = Path("docs/checks")
IMAGES = PAGES / "images"
DRAWINGS = Path("docs/images")
COMMAND = "make docs"

#: What the pages and the index call the families.
FAMILIES = {
    "curves": ("Checks on curves", "They look at what any log has: losses, metrics and the learning rate."),
    "layers": (
        "Checks on layers",
        "They look at layer statistics (gradient norms, dead units ...), columns `<statistic>/<layer>` of a log.",
    ),
    "model": (
        "Checks on models",
        "They look at a model before its training: its layers, how they are connected, how it is compiled.",
    ),
    "data": ("Checks on data", "They look at a sample of the data before a training, and at how it is split."),
}
#: Those that are illustrated by code: there is nothing to draw before a training.
BEFORE_TRAINING = ("model", "data")

_HOW_TO_SHOW = {
    "log": "record a run in benchmarks/faults, or make one in scripts/illustrations.py",
    "before": "write one into examples/audit",
}
_POINTS, _COLUMNS, _ROWS = 160, 60, 24
_IMAGE_WIDTH = 640
_MARGIN = 10
_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def build() -> tuple[dict[Path, str], list[str]]:
    """Return path -> content of every generated file, and the checks that neither a run nor an example illustrates."""
    checks = [c for c in load_checks() if c.family != discovery.EXTRA_FAMILY]
    files: dict[Path, str] = {PAGES / "README.md": index(checks)}
    without = []
    for check in checks:
        shown = example(check.id) if check.family in BEFORE_TRAINING else illustrate(check.id)
        files[PAGES / f"{check.id}.md"] = page(check, checks, shown)
        if shown is None:
            without.append(check.id)
        elif isinstance(shown, Illustration):
            files[IMAGES / f"{check.id}.svg"] = picture(shown)
    drawings = theory_plots.drawings().items()
    return files | {DRAWINGS / name: _on_paper(drawing) + "\n" for name, drawing in drawings}, without


def index(checks: Sequence[LoadedCheck]) -> str:
    """Return the list of all checks by family."""
    blocks = [
        _generated_from("the checks under diagnose/checks"),
        "# Checks",
        "Each page says what a check detects, how, why it matters and how to fix it, with a run in which it fires, or "
        "the code of a model or of data in which it does. "
        "The same text is in the terminal: `diagnose --explain overfitting`.",
    ]
    for family, (title, about) in FAMILIES.items():
        rows = [(f"[`{c.id}`]({c.id}.md)", _severity_words(c), _inline(c.title)) for c in checks if c.family == family]
        blocks += [f"## {title}", about, _table(("check", "severity", "what it finds"), rows)]
    blocks.append(
        "`critical`: the run is lost. `warning`: it costs quality or time. `info`: worth knowing, no fault. Where a "
        "check has several, the numbers of the run decide."
    )
    return _joined(blocks)


def page(check: LoadedCheck, checks: Sequence[LoadedCheck], shown: Illustration | Example | None) -> str:
    """Return the page of one check."""
    about = explain.page(check)
    source = f"diagnose/checks/{check.family}/{check.id.replace('-', '_')}.py"
    blocks = [
        _generated_from(source),
        f"# {check.id}",
        f"**{_inline(about.title)}.**",
        _facts(check, checks, about),
    ]
    if isinstance(shown, Illustration):
        blocks.append(_figure(check.id, shown))
    elif shown is not None:
        blocks.append(_code(shown))
    for title in explain.SECTIONS:
        if title in about.sections:
            blocks += [f"## {title}", _linked(markdown(about.sections[title]), check, checks)]
    blocks += ["## Options", _options(about)]
    blocks.append(
        f"[All checks](README.md) · [source](../../{source}) · in the terminal: `diagnose --explain {check.id}`"
    )
    return _joined(blocks)


def _facts(check: LoadedCheck, checks: Sequence[LoadedCheck], about: explain.Page) -> str:
    ids = {c.id for c in checks}
    facts = [
        ("family", check.family),
        ("severity", _severity_words(check)),
        ("needs", _inline(about.needs)),
    ]
    if check.family not in BEFORE_TRAINING:
        facts.append(("while training", "yes" if about.live else "no, it judges ended trainings only"))
    explains = [_check_link(id, ids) for id in check.declaration.explains]
    explained = [_check_link(c.id, ids) for c in checks if check.id in c.declaration.explains]
    if explains:
        facts.append(("explains", ", ".join(explains)))
    if explained:
        facts.append(("is explained by", ", ".join(explained)))
    return _table(("id", f"`{check.id}`"), facts)


def _linked(text: str, check: LoadedCheck, checks: Sequence[LoadedCheck]) -> str:
    """Return a section with the other checks that it names as links; a lone word (plateau) may be no check."""
    names = "|".join(c.id for c in checks if "-" in c.id and c.id != check.id)
    return re.sub(rf"(?<![\w`/-])({names})(?![\w`-])", r"[\1](\1.md)", text)


def _check_link(id: str, ids: Iterable[str]) -> str:
    return f"[`{id}`]({id}.md)" if id in ids else f"`{id}`"


def _severity_words(check: LoadedCheck) -> str:
    *others, last = (f"`{s.value}`" for s in sorted(severities(check), key=lambda s: -s.rank))
    return f"{', '.join(others)} or {last}" if others else last


def severities(check: LoadedCheck) -> set[Severity]:
    """Return the severities that a check's code names."""
    path = Path(sys.modules[check.function.__module__].__file__ or "")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        Severity[node.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Severity"
    }


def _options(about: explain.Page) -> str:
    if not about.thresholds:
        return "None."
    rows = [
        (f"`{t.name}`", f"{t.default:g}", _inline(t.unit), _inline(t.help.rstrip(".")), _inline(t.source.rstrip(".")))
        for t in about.thresholds
    ]
    first = about.thresholds[0]
    return _joined(
        (
            _table(("option", "default", "unit", "meaning", "source"), rows),
            f"Change one with `--set {about.id}.{first.name}={first.default:g}`, or in the table "
            f"`[tool.kerasdx.options.{about.id}]` of the [settings](../settings.md).",
        )
    ).rstrip("\n")


def _figure(id: str, shown: Illustration) -> str:
    alt = html.escape(f"A run in which {id} fires: {shown.finding.summary}")
    image = f'<img src="images/{id}.svg" width="{_IMAGE_WIDTH}" alt="{alt}">'
    severity = shown.finding.severity.value
    lead = f"Run `{shown.name}`, {shown.origin}: {_inline(shown.cause)}."
    if shown.origin == MADE:
        lead = f"Made by hand to show the picture, not recorded from a training: {_inline(shown.cause)}."
    caption = f"*{lead}* Found (`{severity}`): {_inline(shown.finding.summary)}"
    if _is_on_layers(shown):
        caption += f" Drawn: `{_statistic(shown)}` of each layer, input at the top, by epoch."
    return f"{image}\n\n{caption}"


def _code(shown: Example) -> str:
    """Return what the example is about and its code."""
    return f"*[{shown.path}](../../{shown.path})*: {_inline(shown.about)}\n\n```python\n{shown.code}\n```"


def picture(shown: Illustration) -> str:
    """Return the drawing of the run with the finding marked."""
    return _on_paper(_heat_map(shown) if _is_on_layers(shown) else _chart(shown)) + "\n"


def _on_paper(drawing: str) -> str:
    """Return a drawing with a margin and a background of its own: the page that shows it may be light or dark."""
    box = _VIEW_BOX.search(drawing)
    if box is None:
        raise ValueError("the drawing has no viewBox")
    width, height = float(box[1]) + 2 * _MARGIN, float(box[2]) + 2 * _MARGIN
    place = f'x="-{_MARGIN}" y="-{_MARGIN}" width="{width:g}" height="{height:g}"'
    paper = f'<rect {place} rx="6" style="fill:var(--paper)"/>'
    drawing = drawing.replace(f'width="{box[1]}" height="{box[2]}"', f'width="{width:g}" height="{height:g}"', 1)
    drawing = _VIEW_BOX.sub(f'viewBox="-{_MARGIN} -{_MARGIN} {width:g} {height:g}"', drawing, count=1)
    return drawing.replace("</style>", f"</style>{paper}", 1)


def _is_on_layers(shown: Illustration) -> bool:
    return any(isinstance(e, LayerTable) for e in shown.finding.evidence)


def _statistic(shown: Illustration) -> str:
    return next(e.statistic for e in shown.finding.evidence if isinstance(e, LayerTable))


def _heat_map(shown: Illustration) -> str:
    maps = plots.heat_maps(shown.report, columns=_COLUMNS, rows=_ROWS)
    return svg.heat_map(next(m for m in maps if m.statistic == _statistic(shown)), standalone=True)


def _chart(shown: Illustration) -> str:
    """Return the chart that carries the finding's mark, else that of its evidence, else the first."""
    drawn = plots.plots(shown.report, points=_POINTS, limit=100)
    named = {_series(e) for e in shown.finding.evidence}
    return svg.chart(
        min(drawn, key=lambda p: (not p.marks, not any(c.name in named for c in p.curves))),
        standalone=True,
    )


def _series(item: Evidence) -> str:
    return item.series if isinstance(item, Point | Interval) else ""


# reStructuredText of the docstrings -> Markdown, as far as the docstrings go.

_MATH = re.compile(r":math:`([^`]+)`")
_LITERAL = re.compile(r"``(.+?)``")
_KEPT = re.compile(r"(\$`[^`]*`\$|`[^`]*`|(?<!\w)\*\w+\*(?!\w))")
_SPECIAL = re.compile(r"([\\*<>|~\[\]]|(?<!\w)_|_(?!\w))")


def markdown(text: str) -> str:
    """Return a section of a docstring as Markdown: a paragraph a line, lists and indented blocks kept."""
    return "\n\n".join(map(_block, re.split(r"\n\s*\n", text)))


def _block(block: str) -> str:
    lines = block.splitlines()
    if lines[0].startswith(("- ", "* ")):
        return "\n".join(_items(lines))
    if all(line.startswith(" ") or not line for line in lines):
        return "\n".join(("```", *(line.removeprefix("    ") for line in lines), "```"))
    return _inline(" ".join(line.strip() for line in lines))


def _items(lines: Sequence[str]) -> Iterator[str]:
    items: list[list[str]] = []
    for line in lines:
        if line.startswith(("- ", "* ")):
            items.append([line[2:]])
        else:
            items[-1].append(line.strip())
    return (f"- {_inline(' '.join(item))}" for item in items)


def _inline(text: str) -> str:
    """Return a text with its literals and formulas as Markdown has them, and all else escaped."""
    text = _MATH.sub(r"$`\1`$", " ".join(text.split()))
    text = _LITERAL.sub(r"`\1`", text)
    pieces = _KEPT.split(text)
    return "".join(piece if i % 2 else _SPECIAL.sub(r"\\\1", piece) for i, piece in enumerate(pieces))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _generated_from(source: str) -> str:
    return f"<!-- Generated by `{COMMAND}` from {source}: edit that, not this. -->"


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"


# Writing and comparing.


def write(files: Mapping[Path, str], root: Path) -> list[str]:
    """Write the files that changed, remove generated ones that are no more, and return the names of both."""
    changed = []
    for path, content in files.items():
        target = root / path
        if not target.is_file() or _read(target) != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="\n")
            changed.append(f"wrote {path}")
    for path in _left_over(files, root):
        (root / path).unlink()
        changed.append(f"removed {path}")
    return changed


def stale(files: Mapping[Path, str], root: Path) -> list[str]:
    """Return a line for every generated file that is missing, differs, or is of no check."""
    problems = []
    for path, content in files.items():
        if not (root / path).is_file():
            problems.append(f"{path} is missing: {COMMAND} writes it")
        elif _read(root / path) != content:
            problems.append(f"{path} is not current: {COMMAND} renews it")
    problems += [f"{path} belongs to no check: {COMMAND} removes it" for path in _left_over(files, root)]
    return problems


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _left_over(files: Mapping[Path, str], root: Path) -> list[Path]:
    found = [*(root / PAGES).glob("*.md"), *(root / IMAGES).glob("*.svg")]
    return sorted(path for f in found if (path := f.relative_to(root)) not in files)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; the exit code is 1 where the check failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not current")
    arguments = parser.parse_args(argv)
    files, without = build()
    unshown = [
        f"{id}: nothing shows it; {_HOW_TO_SHOW['before' if discovery.family_of(id) in BEFORE_TRAINING else 'log']}"
        for id in without
    ]
    if not arguments.check:
        print("\n".join([*write(files, ROOT), *unshown, f"{len(files)} generated files are current"]))
        return 0
    problems = [*stale(files, ROOT), *unshown, *broken_links(ROOT)]
    print("\n".join(problems or [f"{len(files)} generated files are current, and every link leads somewhere"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
