from __future__ import annotations

import pytest

from diagnose.blueprint import DryRun
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import classifier, dry_run, findings, planned, report

CHECK = "cannot-run"
REASON = "Received a label value of 10 which is outside the valid range of [0, 10)."
SICK = planned(classifier(), dry_run=DryRun(samples=32, failed=REASON))


def test_what_the_loss_raises_on_real_data_is_the_finding():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.CRITICAL
    assert "label value of 10" in finding.summary
    assert "32 samples of the data" in finding.summary
    assert finding.fixes[0].id == "try-one-batch"


def test_drawn_inputs_may_be_to_blame_themselves():
    (finding,) = findings(CHECK, planned(classifier(), dry_run=DryRun(samples=32, is_made_up=True, failed=REASON)))
    assert finding.severity is Severity.INFO
    assert "made-up" in finding.summary


def test_where_nothing_could_be_tried_nothing_is_wrong_yet():
    (finding,) = findings(CHECK, planned(classifier(), dry_run=DryRun(failed="the model is not built")))
    assert finding.severity is Severity.INFO
    assert "could be tried" in finding.summary


def test_an_array_in_the_reason_is_told_by_its_first_numbers():
    shape = "shapes (32, 8, 8, 1) and [32, 8, 8, 3] differ"
    for numbers in ("0 1 2 " + "3 " * 30, "[[0. 1.5]\n [-2e-3 3.]\n [4. 5.]\n [6. 7.]]"):
        (finding,) = findings(CHECK, planned(classifier(), dry_run=DryRun(samples=32, failed=f"{shape}: {numbers}")))
        assert shape in finding.summary
        assert "3 3" not in finding.summary
        assert "5." not in finding.summary
        assert "…" in finding.summary


def test_a_long_reason_is_cut():
    (finding,) = findings(CHECK, planned(classifier(), dry_run=DryRun(samples=32, failed="shape " * 100)))
    assert len(finding.summary) <= 300
    assert finding.summary.endswith(".")


@pytest.mark.parametrize("run", [planned(classifier(), dry_run=dry_run()), planned(dry_run=dry_run())])
def test_a_batch_that_goes_through_says_nothing(run):
    assert findings(CHECK, run) == ()


def test_without_a_dry_run_it_cannot_look():
    (outcome,) = report(CHECK, planned(classifier())).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
    assert "--dry-run" in outcome.reason
