"""The report as workflow commands of GitHub Actions."""

import dataclasses

from diagnose.analyze import analyze
from diagnose.renderers import github
from diagnose.report import Report, SourceError
from tests import blueprints
from tests.renderers import samples


def test_each_finding_is_an_annotation_of_its_file() -> None:
    first, second, tally = github.render(samples.single(samples.overfit_run())).splitlines()

    assert first.startswith(
        "::warning file=logs/mnist-small/run.csv,title=overfitting (97 %25 sure)::val_loss rose from 0.412"
    )
    assert "%0AFix 1: Add dropout" in first
    assert "%0ACaused by overfitting.%0A" in second
    assert tally == "kerasdx: 1 run: 1 warning"


def test_causes_come_before_effects_and_errors_before_warnings_over_all_runs() -> None:
    titles = [line.split("title=")[1].split(" ")[0] for line in github.render(samples.several()).splitlines()[1:-1]]

    assert titles == ["nan-loss", "divergence", "overfitting", "generalization-gap"]


def test_properties_and_data_are_escaped_by_the_rules_of_github() -> None:
    assert github.command("error", ["50 %", "a:b,c"], "a,b:c%.csv", "t:1,2") == (
        "::error file=a%2Cb%3Ac%25.csv,title=t%3A1%2C2::50 %25%0Aa:b,c"
    )


def test_a_line_break_in_a_name_starts_no_command() -> None:
    text = github.render(Report((), (SourceError("x\n::warning::y", "z\r\n::error::w"),)))

    assert [line[:8] for line in text.splitlines()] == ["::error ", "kerasdx:"]


def test_only_a_file_is_named_as_file() -> None:
    assert "file=" not in github.command("error", ["x"], "mlflow:1234", "t")
    assert "file=" not in github.command("error", ["x"], "-", "t")
    assert "file=run.csv," in github.command("error", ["x"], "run.csv", "t")


def test_a_healthy_run_is_no_annotation() -> None:
    assert github.render(samples.single(samples.healthy_run())) == "kerasdx: 1 run: 1 healthy\n"


def test_what_is_found_in_a_model_stands_at_the_line_that_makes_the_layer() -> None:
    sick = blueprints.model(
        blueprints.dense(64, "relu", line=7),
        blueprints.dense(1, "softmax", given=64, line=8),
        loss="binary_crossentropy",
    )
    run = dataclasses.replace(blueprints.planned(sick), source="models/my_model.py:build")
    first, *_ = github.render(Report((analyze(run),))).splitlines()

    assert first.startswith("::error file=models/my_model.py,line=8,title=output-activation-mismatch")


def test_a_model_of_a_module_is_no_file() -> None:
    sick = blueprints.model(blueprints.dense(1, "softmax"), loss="binary_crossentropy")
    run = dataclasses.replace(blueprints.planned(sick), source="package.module:build")

    assert github.render(Report((analyze(run),))).startswith("::error title=")
