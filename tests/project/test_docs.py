"""The generated pages are current, every check has one with a picture or an example, and no link leads nowhere."""

from __future__ import annotations

import json
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import pytest

from diagnose import discovery, explain, settings
from diagnose.audit.data import MOST_BYTES, MOST_SAMPLES, SECONDS
from diagnose.check import load_checks
from diagnose.fix import PATHS
from diagnose.readers import read
from scripts import build_docs, illustrations, markdown_links, theory_plots

ROOT = Path(__file__).parents[2]
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- read as: (\S+) -->\n```\w+\n(.*?)```", FORMATS, re.DOTALL)
BUILT_IN = [discovery.check_id(module) for _, module in discovery.built_in()]
SHOWN_BY_CODE = [id for id in BUILT_IN if discovery.family_of(id) in build_docs.BEFORE_TRAINING]
DRAWINGS = [build_docs.DRAWINGS / name for name in theory_plots.drawings()] + [
    build_docs.IMAGES / f"{id}.svg" for id in BUILT_IN if id not in SHOWN_BY_CODE
]


@pytest.fixture(scope="module")
def built() -> tuple[dict[Path, str], list[str]]:
    return build_docs.build()


def test_the_pages_are_current(built: tuple[dict[Path, str], list[str]]) -> None:
    files, _ = built
    assert build_docs.stale(files, ROOT) == [], "run: make docs"


def test_links_lead_somewhere() -> None:
    assert markdown_links.broken_links(ROOT) == []


def test_a_run_or_an_example_shows_every_check(built: tuple[dict[Path, str], list[str]]) -> None:
    _, without = built
    assert without == []


@pytest.mark.parametrize("id", BUILT_IN)
def test_every_check_has_a_page(id: str) -> None:
    text = (ROOT / build_docs.PAGES / f"{id}.md").read_text(encoding="utf-8")
    assert [f"## {title}" in text for title in explain.SECTIONS] == [True] * len(explain.SECTIONS)
    assert "## Options" in text
    assert f"]({id}.md)" in (ROOT / build_docs.PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("id", SHOWN_BY_CODE)
def test_the_page_of_a_check_before_training_shows_its_example(id: str) -> None:
    text = (ROOT / build_docs.PAGES / f"{id}.md").read_text(encoding="utf-8")
    example = illustrations.example(id)
    assert example
    assert f"](../../{example.path})" in text
    assert f"```python\n{example.code}\n```" in text
    assert "while training" not in text


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_pictures_are_small_and_stand_alone(path: Path, built: tuple[dict[Path, str], list[str]]) -> None:
    drawing = built[0][path]
    assert len(drawing.encode()) < 30_000
    assert "var(--paper)" in drawing
    root = ElementTree.fromstring(drawing)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [node.tag for node in root.iter() if node.tag.rpartition("}")[2] in ("script", "image", "foreignObject")]


@pytest.mark.parametrize("check", [c for c in load_checks() if c.id in BUILT_IN], ids=lambda c: c.id)
def test_every_check_names_a_severity(check: object) -> None:
    assert build_docs.severities(check)  # type: ignore[arg-type]


def test_every_family_has_a_section() -> None:
    assert tuple(build_docs.FAMILIES) == discovery.FAMILIES


def test_what_is_not_current_is_named(tmp_path: Path) -> None:
    files = {build_docs.PAGES / "a.md": "a\n", build_docs.IMAGES / "a.svg": "<svg/>\n"}
    assert build_docs.stale(files, tmp_path) == [
        "docs/checks/a.md is missing: make docs writes it",
        "docs/checks/images/a.svg is missing: make docs writes it",
    ]
    build_docs.write(files, tmp_path)
    assert build_docs.stale(files, tmp_path) == []
    (tmp_path / build_docs.PAGES / "a.md").write_text("edited\n")
    (tmp_path / build_docs.PAGES / "gone.md").write_text("of a check that is no more\n")
    assert build_docs.stale(files, tmp_path) == [
        "docs/checks/a.md is not current: make docs renews it",
        "docs/checks/gone.md belongs to no check: make docs removes it",
    ]
    assert build_docs.write(files, tmp_path) == ["wrote docs/checks/a.md", "removed docs/checks/gone.md"]
    assert build_docs.stale(files, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ``literal`` and `another`", "a `literal` and `another`"),
        ("i* its minimum, s_i*)", r"i\* its minimum, s_i\*)"),
        ("the *largest* of _x", r"the *largest* of \_x"),
        (r":math:`\|w\|` < 1", r"$`\|w\|`$ \< 1"),
        ("- one\n- two, which\n  goes on", "- one\n- two, which goes on"),
        ("before\n\n    a = b * c\n\nafter", "before\n\n```\na = b * c\n```\n\nafter"),
    ],
)
def test_docstrings_become_markdown(text: str, expected: str) -> None:
    assert build_docs.markdown(text) == expected


@pytest.mark.parametrize(("format", "text"), EXAMPLES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXAMPLES)])
def test_the_examples_of_formats_are_read_as_told(format: str, text: str) -> None:
    (run,) = read("example", content=text.encode())
    assert run.format == format
    assert run.epochs >= 2
    assert run.get("loss") or run.get("val_loss") or run.get("metric")


def test_every_format_is_described() -> None:
    readers = (ROOT / "diagnose" / "readers").rglob("*.py")
    names = {name for path in readers for name in re.findall(r'^FORMAT = "(.+)"$', path.read_text(), re.MULTILINE)}
    assert names == set(re.findall(r"^\| \[.*?\]\(#\S+\) \| `(.+?)` \|", FORMATS, re.MULTILINE))


def test_the_page_on_audits_tells_how_much_is_read() -> None:
    page = " ".join((ROOT / "docs" / "audit.md").read_text(encoding="utf-8").split())
    assert f"At most {MOST_SAMPLES:,} samples of each split" in page
    assert f"at most {MOST_BYTES // 1_000_000} MB and {SECONDS:g} seconds for what comes in batches" in page


def test_the_json_example_is_of_the_schema() -> None:
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert example
    jsonschema.validate(json.loads(example[1]), json.loads((ROOT / "diagnose" / "schema.json").read_text()))
    told = {
        f"{group}{name}" for group, names in re.findall(r"`(\w+\.)` ((?:`\w+` ?)+)", text) for name in _codes(names)
    }
    assert told == PATHS


def _codes(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_the_settings_examples_are_valid(tmp_path: Path) -> None:
    shared, own = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), re.DOTALL
    )
    ids = set(discovery.names())
    for name, text in (("pyproject.toml", shared), ("kerasdx.toml", own)):
        (tmp_path / name).write_text(text)
        tomllib.loads(text)
        loaded = settings.load(tmp_path)
        assert loaded.path == tmp_path / name
        assert {*loaded.select, *loaded.ignore, *loaded.options} <= ids
        for check in load_checks():
            check.options(loaded.options.get(check.id, {}))


def test_the_changelog_names_every_check() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [id for id in BUILT_IN if f"`{id}`" not in text] == []


def test_broken_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# One & two\n\n```\n[not](a-link.md)\n```\n")
    (tmp_path / "README.md").write_text(
        "[fine](docs/page.md#one--two) [out](https://example.org) `[code](x.md)` [this](#title)\n\n# Title\n"
        '[gone](docs/gone.md) [heading](docs/page.md#three) <img src="picture.svg">\n'
    )
    assert markdown_links.broken_links(tmp_path) == [
        "README.md: the link to docs/gone.md leads nowhere",
        "README.md: the link to docs/page.md#three: page.md has no such heading",
        "README.md: the link to picture.svg leads nowhere",
    ]
