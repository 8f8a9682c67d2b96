"""The report in a terminal."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.cells import cell_len

from diagnose.finding import Outcome, OutcomeKind, Severity
from diagnose.renderers import terminal
from diagnose.report import Report
from tests.renderers import samples

CODE = re.compile(r"^ {4}\S.*[=()]")


def plain(report: Report, **options: object) -> str:
    return terminal.render(report, color=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("sample", [samples.overfit_run, samples.nan_run, samples.dying_run, samples.short_run])
def test_no_line_but_code_is_wider_than_the_terminal(sample, width: int) -> None:  # type: ignore[no-untyped-def]
    lines = plain(samples.single(sample()), width=width).splitlines()

    assert not [line for line in lines if cell_len(line) > width and not CODE.match(line)]


def test_wide_characters_count_twice() -> None:
    run = samples.run_report("日志/学习率" * 12 + "/run.csv", samples.healthy_run().run.series)

    assert all(cell_len(line) <= 80 for line in plain(samples.single(run)).splitlines())


def test_the_header_names_source_format_epochs_and_verdict() -> None:
    first = plain(samples.single(samples.overfit_run())).splitlines()[0]

    assert first == "! warning  logs/mnist-small/run.csv (keras-csv, 60 epochs)"


def test_the_cause_leads_and_its_effect_stands_under_it() -> None:
    text = plain(samples.single(samples.overfit_run()))

    assert text.index(" 1 ! warning: overfitting") < text.index("2 ↳ ! warning: generalization-gap")
    assert "caused by overfitting" in text


def test_evidence_gives_the_measured_number_and_the_threshold() -> None:
    assert "rise of val_loss: 111.4 % (threshold 5 %)" in plain(samples.single(samples.overfit_run()))


def test_the_first_fix_comes_with_its_code_and_the_others_when_verbose() -> None:
    report = samples.single(samples.overfit_run())

    assert "keras.layers.Dropout(0.3)" in plain(report)
    assert "EarlyStopping" not in plain(report)
    assert "EarlyStopping" in plain(report, verbose=True)


def test_of_what_is_merely_worth_knowing_the_fixes_are_only_named() -> None:
    info = samples.overfitting_finding(severity=Severity.INFO)
    text = plain(samples.single(replace(samples.overfit_run(), findings=(info,), verdict="info")))

    assert "fixes: Add dropout of 0.3 before the last dense layer; Stop at epoch 14" in text
    assert "keras.layers.Dropout" not in text


def test_a_fix_is_explained_once() -> None:
    text = plain(samples.single(samples.nan_run()))

    assert text.count("The step overshoots the minimum.") == 1
    assert "Lower the learning rate tenfold (see finding 1)" in text


def test_findings_are_marked_on_the_curves_at_their_epochs() -> None:
    axis = next(line for line in plain(samples.single(samples.overfit_run())).splitlines() if "└" in line)

    assert "▲1" in axis
    assert "▲2" in axis


def test_training_and_validation_differ_without_colour() -> None:
    assert "⠤⠤ loss  oo val_loss" in plain(samples.single(samples.overfit_run()))


def test_a_range_of_more_than_two_decades_is_drawn_on_a_log_scale() -> None:
    assert "log scale" in plain(samples.single(samples.nan_run()))
    assert "log scale" not in plain(samples.single(samples.overfit_run()))


def test_a_healthy_run_is_short() -> None:
    text = plain(samples.single(samples.healthy_run()))

    assert text.startswith("✓ healthy")
    assert "No fault found." in text
    assert len(text.splitlines()) <= 24


def test_a_run_too_short_for_curves_shows_its_values() -> None:
    assert "logged: loss 0.05, accuracy 0.98, val_loss 1.9" in plain(samples.single(samples.short_run()))


def test_what_could_not_be_looked_at_is_gathered_with_how_to_log_it() -> None:
    text = " ".join(plain(samples.single(samples.overfit_run())).split())

    assert "3 could not look" in text
    assert 'no dead_fraction, no grad_norm in the log; the callback Monitor("run.csv") logs it' in text


def test_a_check_that_failed_is_named() -> None:
    run = replace(samples.healthy_run(), outcomes=(Outcome("plateau", OutcomeKind.ERROR, "ZeroDivisionError"),))

    assert "check failed: plateau: ZeroDivisionError" in plain(samples.single(run))


def test_several_runs_start_with_a_table_and_healthy_ones_stand_only_there() -> None:
    text = plain(samples.several())

    assert text.startswith("5 runs: 1 critical, 1 warning, 1 unknown, 2 healthy")
    assert "val_loss 0.2611 @ 38" in text
    assert "No fault found" not in text
    assert "No fault found" in plain(samples.several(), verbose=True)


def test_unreadable_sources_come_last() -> None:
    assert "✗ cannot read logs/table.csv: a table" in plain(samples.several()).splitlines()[-2]


def test_many_runs_are_told_in_full_up_to_a_limit_and_the_gravest_first() -> None:
    runs = [samples.overfit_run(f"logs/{i}.csv") for i in range(30)] + [samples.nan_run()]
    text = plain(Report(tuple(runs)))

    assert text.count("keras-csv") == 10
    assert "nan-loss (epoch 13" in text
    assert "21 more runs with findings in the table" in text


def test_many_findings_are_counted() -> None:
    found = tuple(samples.overfitting_finding(check=f"check-{i % 5}") for i in range(200))
    text = plain(samples.single(replace(samples.overfit_run(), findings=found)))

    assert "192 more findings: check-3 ×39" in text
    assert len(text.splitlines()) < 120


def test_colour_is_there_when_asked_for_and_changes_nothing_else() -> None:
    coloured = terminal.render(samples.several(), color=True)

    assert "\x1b[1;31m" in coloured
    assert re.sub(r" *(?=\n)", "", re.sub("\x1b\\[[0-9;]*m", "", coloured)) == plain(samples.several())


def test_names_cannot_steer_the_terminal_and_markup_in_them_is_shown() -> None:
    run = samples.run_report("\x1b[31m[red]x[/red]\n.csv", samples.healthy_run().run.series)

    assert "\\x1b[31m[red]x[/red]\\n.csv" in plain(samples.single(run))


def test_wrapping_cuts_words_that_are_too_long() -> None:
    assert terminal.wrap("a bb ccccccc", 4) == ["a bb", "cccc", "ccc"]
    assert terminal.wrap("", 4) == []


def test_rendering_imports_neither_the_console_of_rich_nor_jinja() -> None:
    code = (
        "import sys; from tests.renderers import samples; from diagnose.renderers import terminal;"
        "terminal.render(samples.several(), color=True);"
        "print([m for m in ('rich.console', 'jinja2', 'jsonschema', 'numpy.ma', 'pandas') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
