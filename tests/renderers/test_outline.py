"""In which order findings are told."""

from diagnose.finding import Outcome, OutcomeKind
from diagnose.renderers import outline
from tests.renderers.samples import overfitting_finding


def found(check: str, *causes: str):  # type: ignore[no-untyped-def]
    return overfitting_finding(check=check, caused_by=causes)


def shape(*findings):  # type: ignore[no-untyped-def]
    return [
        (e.number, e.finding.check, [(x.number, x.finding.check) for x in e.effects]) for e in outline.outline(findings)
    ]


def test_effects_stand_under_their_cause_and_numbers_follow_the_reading() -> None:
    assert shape(found("a"), found("b"), found("c", "a")) == [(1, "a", [(2, "c")]), (3, "b", [])]


def test_an_effect_of_an_effect_stands_under_the_start_of_the_chain() -> None:
    assert shape(found("a"), found("b", "a"), found("c", "b")) == [(1, "a", [(2, "b"), (3, "c")])]


def test_a_cause_that_was_not_found_is_no_cause() -> None:
    assert shape(found("a", "b")) == [(1, "a", [])]


def test_findings_that_name_each_other_are_all_told() -> None:
    assert shape(found("a", "b"), found("b", "a")) == [(1, "a", [(2, "b")])]
    assert shape(found("a", "a")) == [(1, "a", [])]


def test_the_head_of_an_outline_counts_effects() -> None:
    entries = outline.head(outline.outline([found("a"), found("b", "a"), found("c", "a"), found("d")]), 2)

    assert [e.number for e in outline.flatten(entries)] == [1, 2]


def test_checks_that_the_same_measure_would_help_are_gathered() -> None:
    outcomes = [
        Outcome("a", OutcomeKind.NOT_APPLICABLE, "no x in the log; log it"),
        Outcome("b", OutcomeKind.NOT_APPLICABLE, "needs 10 epochs, the log has 3"),
        Outcome("c", OutcomeKind.NOT_APPLICABLE, "no y in the log; log it"),
        Outcome("d", OutcomeKind.PASSED),
    ]

    assert [(u.reason, u.checks) for u in outline.unseen(outcomes)] == [
        ("no x, no y in the log; log it", ("a", "c")),
        ("needs 10 epochs, the log has 3", ("b",)),
    ]
