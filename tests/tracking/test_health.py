"""A diagnosis as columns of a table of runs: numbers that sort as a person would, tags, a description."""

from __future__ import annotations

from dataclasses import replace

import pytest

from diagnose import diagnose
from diagnose.check import Fault, load_checks
from diagnose.finding import Severity
from diagnose.report import RunReport
from diagnose.tracking.health import health_of, score
from diagnose.tracking.record import TrainingRecord, texts_of

HEALTHY = {"loss": [1 / (1 + 0.3 * i) for i in range(30)], "val_loss": [1.05 / (1 + 0.29 * i) for i in range(30)]}
NAN = {"loss": [0.9, 0.5, 0.4, float("nan"), float("nan"), float("nan")]}
OVERFIT = {
    "loss": [1 / (1 + 0.3 * i) for i in range(40)],
    "val_loss": [1 / (1 + 0.3 * min(i, 8)) + 0.03 * max(0, i - 8) for i in range(40)],
}


def report(curves: dict[str, list[float]]) -> RunReport:
    return diagnose(curves).runs[0]


def test_a_healthy_run_has_the_whole_score_and_no_fault() -> None:
    health = health_of(report(HEALTHY))
    assert health.metrics["health/score"] == 100
    assert health.metrics["health/findings"] == 0
    assert health.tags["diagnosis.verdict"] == "healthy"
    assert health.tags["diagnosis.root_cause"] == ""


def test_every_fault_is_a_column_in_every_run() -> None:
    columns = {f"health/{fault}" for fault in Fault}
    assert columns <= health_of(report(HEALTHY)).metrics.keys()
    assert columns <= health_of(report(NAN)).metrics.keys()


def test_the_column_of_a_fault_is_the_worst_severity_found() -> None:
    health = health_of(report(NAN))
    assert health.metrics["health/unstable"] == 3
    assert health.metrics["health/overfit"] == 0
    assert health.tags["diagnosis.root_cause"] == "nan-loss"


def test_runs_sort_by_how_bad_they_are() -> None:
    scores = [health_of(report(curves)).metrics["health/score"] for curves in (NAN, OVERFIT, HEALTHY)]
    assert scores == sorted(scores)
    assert scores[0] < scores[1] < scores[2]


def test_a_fault_that_only_an_info_explains_is_the_root_cause() -> None:
    whole = report(OVERFIT)
    info = replace(whole.findings[0], check="plateau", severity=Severity.INFO)
    explained = replace(whole.findings[0], caused_by=("plateau",))
    health = health_of(replace(whole, findings=(info, explained)))
    assert health.tags["diagnosis.root_cause"] == "overfitting"


def test_no_critical_run_is_above_one_with_a_warning_whatever_explains_it() -> None:
    finding = report(NAN).findings[0]
    critical = replace(finding, caused_by=("learning-rate-too-low",), confidence=0.1)
    warning = replace(finding, severity=Severity.WARNING, confidence=1.0)
    assert score((critical, warning)) < score((warning,)) < score((replace(warning, severity=Severity.INFO),)) < 100


def test_what_could_not_be_judged_is_not_called_healthy() -> None:
    health = health_of(report({"loss": [1.0]}))
    assert health.tags["diagnosis.verdict"] == "unknown"
    assert "health/score" not in health.metrics


def test_the_description_names_the_finding_and_the_first_fix() -> None:
    note = health_of(report(OVERFIT)).note
    assert "overfitting" in note
    assert "How to fix it" in note
    assert "```python" in note
    assert len(note) < 5000


def test_the_description_escapes_what_a_log_is_called() -> None:
    note = health_of(report({"loss": [1.0, 2.0, 4.0, 9.0, 99.0, 1e6], "<img src=x>": [1, 2, 3, 4, 5, 6]})).note
    assert "<img" not in note


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_every_check_says_what_its_findings_are_about(check: object) -> None:
    assert isinstance(check.declaration.fault, Fault)  # type: ignore[attr-defined]


class TestRecord:
    RECORD = TrainingRecord("digits", "mlp", 0.0, 1.0, metrics={"best_val_loss": 7.0}, note="The card.")

    def test_a_diagnosis_adds_curves_files_and_what_was_best(self) -> None:
        record = self.RECORD.diagnosed(report(OVERFIT))
        assert record.curves["val_loss"][0] == (0, 1.0)
        assert record.metrics["epochs_run"] == 40
        assert record.metrics["best_epoch"] == 8
        assert record.texts.keys() == {"report.html", "report.json", "curves.svg"}

    def test_whoever_made_the_record_knows_better(self) -> None:
        record = self.RECORD.diagnosed(report(OVERFIT))
        assert record.metrics["best_val_loss"] == 7.0
        assert record.note.endswith("The card.")

    def test_curves_that_are_stored_are_left_out(self) -> None:
        assert self.RECORD.diagnosed(report(OVERFIT), with_curves=False).curves == {}

    def test_it_survives_a_file(self) -> None:
        assert TrainingRecord.of_dict(self.RECORD.to_dict()) == self.RECORD


def test_the_picture_is_one_svg_that_stands_alone() -> None:
    from xml.etree import ElementTree

    picture = ElementTree.fromstring(texts_of(report(OVERFIT))["curves.svg"])
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert picture.find("{http://www.w3.org/2000/svg}style") is not None
