"""The corpus of the audit: large enough, well formed, and judged as it says."""

from __future__ import annotations

import pytest

pytest.importorskip("keras")
pytest.importorskip("sklearn")

from benchmarks.audit.case import Case, Subject, all_cases
from benchmarks.audit.evaluate import Result, evaluate, main, rate, table
from diagnose.check import load_checks
from diagnose.finding import Comparison, Finding, Severity
from tests import blueprints

pytestmark = pytest.mark.keras

CASES = list(all_cases())
IDS = {check.id for check in load_checks()}
BEFORE = {check.id for check in load_checks(("model", "data"))}


def finding(check: str, severity: Severity = Severity.WARNING) -> Finding:
    evidence = Comparison(label="x", value=1.0, left_name="a", left=1.0, right_name="b", right=0.0)
    return Finding(severity=severity, confidence=0.9, summary="Seen.", evidence=(evidence,), check=check)


def result(*findings: Finding, expected: tuple[str, ...] = (), is_info: bool = False) -> Result:
    return Result(Case("a case", Subject, expected, is_info), findings, (), 0.1)


def test_it_is_large_enough_and_every_check_has_a_case() -> None:
    faulty = [case for case in CASES if case.expected]
    assert len(faulty) >= 60
    assert len(CASES) - len(faulty) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    named = {id for case in faulty for id in case.expected}
    assert named <= IDS
    assert BEFORE - named <= {"signal-scale"}  # what makes it is found by its cause


def test_every_architecture_of_keras_is_among_the_sound() -> None:
    names = {case.name.removeprefix("keras.applications ") for case in CASES if "keras.applications" in case.name}
    assert {"ResNet50", "MobileNetV2", "EfficientNetB0", "ConvNeXtXLarge", "NASNetLarge", "VGG16"} <= names
    assert len(names) >= 38


def test_right_is_an_expected_check_at_warning_or_worse() -> None:
    assert result(finding("a"), expected=("b", "a")).is_right
    assert not result(finding("a", Severity.INFO), expected=("a",)).is_right
    assert result(finding("a", Severity.INFO), expected=("a",), is_info=True).is_right
    assert not result(finding("c"), expected=("a",)).is_right


def test_first_is_first() -> None:
    assert result(finding("a"), finding("c"), expected=("a",)).leads
    assert not result(finding("c"), finding("a"), expected=("a",)).leads


def test_a_false_alarm_is_a_warning_on_what_is_sound() -> None:
    assert result(finding("a")).is_false_alarm
    assert not result(finding("a", Severity.INFO)).is_false_alarm
    assert not result(finding("a"), expected=("b",)).is_false_alarm


def test_the_table_counts_by_check() -> None:
    told = table([result(finding("a"), expected=("a",)), result(expected=("a",)), result(finding("a")), result()])
    assert told.splitlines()[-1] == "| `a` | 2 | 1 | 1 | 1 of 2 |"
    assert rate(1, 2).startswith("1/2 = 50.0 %")


def test_a_case_is_audited() -> None:
    data = blueprints.data(3)
    found = evaluate(Case("sound", lambda: Subject(data=data)))
    assert not found.errors
    assert not found.is_false_alarm


def test_the_command_prints_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["softmax over one unit"]) == 0
    assert "right finding: 1/1" in capsys.readouterr().out
