"""The report as Markdown."""

import pytest

from diagnose.renderers import markdown
from diagnose.report import Report
from tests.renderers import samples


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("val_loss", "val_loss"),
        ("_emphasis_", r"\_emphasis\_"),
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("[link](x)", r"\[link\](x)"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("two\nlines", "two lines"),
        ("- item", "&#8203;- item"),
        ("# heading", "&#8203;# heading"),
    ],
)
def test_names_start_no_markup(text: str, escaped: str) -> None:
    assert markdown.escape(text) == escaped


def test_a_name_mentions_nobody() -> None:
    assert "@team" not in markdown.escape("@team")


def test_code_with_backticks_gets_a_longer_fence() -> None:
    assert markdown.code_span("a`b") == "``a`b``"
    assert markdown.code_span("`") == "`` ` ``"


def test_a_pipe_in_a_source_does_not_end_its_cell() -> None:
    runs = (samples.healthy_run("a|b.csv"), samples.healthy_run("c.csv"))

    assert r"| ✅ healthy | `a\|b.csv` | 40 |" in markdown.render(Report(runs))


def test_the_report_has_a_table_the_sick_runs_and_the_errors() -> None:
    text = markdown.render(samples.several())

    assert text.startswith("## kerasdx: 5 runs: 1 critical, 1 warning, 1 unknown, 2 healthy\n")
    assert "### ⚠️ warning: `logs/mnist-small/run.csv`" in text
    assert "### ✅" not in text
    assert "- `logs/table.csv`: a table with one row" in text


def test_fixes_are_folded_away_and_their_code_is_fenced_inside_the_list() -> None:
    text = markdown.render(samples.single(samples.overfit_run()))

    assert "<details><summary>How to fix it</summary>\n\n1. **Add dropout of 0.3" in text
    assert "\n   ```python\n   model = keras.Sequential(" in text


def test_a_comment_on_a_pull_request_can_hold_it() -> None:
    text = markdown.render(Report(tuple(samples.overfit_run(f"logs/{i}.csv") for i in range(500))))

    assert len(text) < 65_536
    assert "300 more runs." in text
    assert text.endswith("The report is cut here: it is too long for a comment.\n")
