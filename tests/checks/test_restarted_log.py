from __future__ import annotations

import dataclasses

import pytest

from diagnose.finding import OutcomeKind, Severity
from diagnose.run import Part
from tests.curves import healthy, look, one, outcome

CHECK = "restarted-log"


def test_a_file_of_several_trainings_is_said_to_be_so():
    finding = one(CHECK, dataclasses.replace(healthy(), part=Part(index=2, of=3)))
    assert finding.severity == Severity.INFO
    assert "3 trainings" in finding.summary
    assert "part 2 of 3" in finding.summary
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == (3, 1)


def test_a_part_with_a_name_as_that_of_a_fold_was_meant_to_be_with_others():
    assert look(CHECK, dataclasses.replace(healthy(), part=Part(index=2, of=3, label="fold_2"))) == ()


def test_a_resumed_training_tells_where():
    finding = one(CHECK, dataclasses.replace(healthy(), restarts=(20.0, 40.0)))
    assert (finding.severity, finding.epoch) == (Severity.INFO, 20)
    assert "taken up again at epoch 20, 40" in finding.summary
    assert finding.evidence[0].value == 3


def test_many_restarts_keep_the_sentence_short():
    finding = one(CHECK, dataclasses.replace(healthy(), restarts=tuple(float(e) for e in range(1, 50))))
    assert len(finding.summary) < 100


@pytest.mark.parametrize("part", [None, Part(index=1, of=1)])
def test_a_single_training_is_left_alone(part):
    assert look(CHECK, dataclasses.replace(healthy(), part=part)) == ()


def test_it_waits_for_the_end_of_a_training():
    assert outcome(CHECK, healthy(), live=True).kind == OutcomeKind.NOT_APPLICABLE
