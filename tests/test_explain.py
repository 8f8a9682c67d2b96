from __future__ import annotations

from dataclasses import dataclass

import pytest

from diagnose import explain
from diagnose.check import Check, LoadedCheck, Needs, load_checks, threshold

DOC = """The loss sings.

What it detects
---------------
A loss with ``pitch`` above
a limit.

How it is detected
------------------
By ear:

    f = 1 / T

- first, listen to a long line that has to be broken because it does not fit
  into the width;
- second, `sing` along.

Why it matters
--------------
It is loud.

How to fix
----------
Close the door.

References
----------
Orpheus.
"""


@dataclass(frozen=True)
class Options:
    limit: float = threshold(440.0, unit="Hz", source="ISO 16", help="the pitch from which it sings")


def loaded(doc: str = DOC, id: str = "singing-loss", check: Check | None = None) -> LoadedCheck:
    declaration = check or Check(needs=Needs(any_of=(("loss", "val_loss"), ("metric",)), min_epochs=5))
    return LoadedCheck(id, "curves", declaration, Options, lambda run, options: [], doc)


def test_a_docstring_is_split_into_its_sections() -> None:
    sections = explain.parse_sections(DOC)
    assert tuple(sections) == explain.SECTIONS
    assert sections["Why it matters"] == "It is loud."
    assert sections["How it is detected"].startswith("By ear:\n\n    f = 1 / T")


@pytest.mark.parametrize("doc", ["", "A title alone.", "A title.\n\nA table\n\n---- ----\n"])
def test_a_docstring_without_sections_has_none(doc: str) -> None:
    assert explain.parse_sections(doc) == {}
    assert explain.render(explain.page(loaded(doc)))


def test_a_page_holds_needs_and_thresholds() -> None:
    page = explain.page(loaded())
    assert (page.id, page.family, page.title) == ("singing-loss", "curves", "The loss sings")
    assert page.needs == "loss and val_loss, or metric; 5 epochs"
    assert page.thresholds == (explain.Threshold("limit", 440.0, "Hz", "ISO 16", "the pitch from which it sings"),)


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        (Needs(), "any log"),
        (Needs(statistics=("grad_norm",)), "grad_norm of the layers"),
        (Needs(any_of=(("loss",),), min_epochs=3), "loss; 3 epochs"),
    ],
)
def test_needs_are_said_in_words(needs: Needs, text: str) -> None:
    assert explain.describe_needs(needs) == text


def test_the_terminal_page() -> None:
    assert (
        explain.render(explain.page(loaded()), width=48)
        == """\
singing-loss (curves): The loss sings

What it detects
  A loss with pitch above a limit.

How it is detected
  By ear:

      f = 1 / T

  - first, listen to a long line that has to be
    broken because it does not fit into the
    width;
  - second, sing along.

Why it matters
  It is loud.

How to fix
  Close the door.

References
  Orpheus.

What it needs
  loss and val_loss, or metric; 5 epochs.

Thresholds
  limit = 440 Hz: the pitch from which it sings
      (ISO 16).
  Change one by --set singing-loss.NAME=NUMBER,
  or in [tool.kerasdx.options.singing-loss].
"""
    )


def test_colour_is_for_headings_only() -> None:
    page = explain.page(loaded())
    coloured = explain.render(page, color=True)
    assert "\x1b[1mHow to fix\x1b[0m\n" in coloured
    assert coloured.replace("\x1b[1m", "").replace("\x1b[0m", "") == explain.render(page)


def test_a_check_that_looks_at_the_end_says_so() -> None:
    assert "ended trainings only" in explain.render(explain.page(loaded(check=Check(live=False))))


def test_the_list_has_every_check_once_by_family() -> None:
    listed = explain.render_list([loaded(), loaded("Hums.\n", id="hum")], width=60)
    assert listed == "curves\n  singing-loss  The loss sings\n  hum           Hums\n"


@pytest.mark.parametrize("name", ["singing-loss", "singing_loss", " Singing-Loss "])
def test_a_check_is_found_by_its_id(name: str) -> None:
    assert explain.find(name, [loaded()]).id == "singing-loss"


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'signing-loss'.*did you mean singing-loss"):
        explain.find("signing-loss", [loaded()])


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_every_check_has_the_five_sections(check: LoadedCheck) -> None:
    page = explain.page(check)
    assert page.title
    assert tuple(page.sections) == explain.SECTIONS
    assert all(text.strip() for text in page.sections.values())
    assert all(t.source and t.help for t in page.thresholds)
    assert all(len(line) <= 80 for line in explain.render(page).splitlines() if not line.startswith("    "))
