"""The best trials beside each other, and the sick ones with their reasons."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tests.tuners.search import made_searches as made
from tuners.search import wording
from tuners.search.leaderboard import leaderboard


def rows(text: str) -> list[str]:
    """The lines of the table that begin with a trial."""
    table = text.split("Sick:")[0].splitlines()[3:]
    return [line for line in table if line.strip("* ")[:1].isdigit()]


def test_the_best_is_first_and_marked() -> None:
    text = leaderboard(made.search([made.trial(0, score=0.8), made.trial(1, score=0.9), made.trial(2, score=0.7)]))

    assert [line.split()[0] for line in rows(text)] == ["*", "0", "2"]
    assert rows(text)[0].split()[:3] == ["*", "1", "0.9"]


def test_where_less_is_better_the_least_is_first() -> None:
    trials = [made.trial(0, score=0.8), made.trial(1, score=0.9)]
    assert rows(leaderboard(made.search(trials, objective=made.LOSS)))[0].split()[:3] == ["*", "0", "0.8"]


def test_a_failed_trial_is_never_in_the_ranking() -> None:
    broken = made.trial(1, state="failed", score=0.99, reason="became NaN")
    text = leaderboard(made.search([made.trial(0, score=0.5), broken, made.trial(2, score=float("nan"))]))

    assert len(rows(text)) == 1
    assert "trial 1  FAILED: became NaN" in text


def test_settings_stand_in_columns_where_they_fit_and_below_where_not() -> None:
    record = made.lifelike(20)

    wide, narrow = leaderboard(record, 100), leaderboard(record, 60)
    assert "learning_rate 0.00" not in wide.split("Sick:")[0]
    assert "learning_rate 0.00" in narrow.split("Sick:")[0]
    for value in map(wording.value, record.ranked()[0].values.values()):
        assert value in wide
        assert value in narrow


def test_settings_in_which_all_agree_are_left_out() -> None:
    trials = [made.trial(i, {"optimizer.learning_rate": 0.1**i, "regularization.dropout": 0.5}) for i in range(3)]
    assert "dropout" not in leaderboard(made.search(trials))


def test_sick_trials_are_named_with_their_reason_and_many_are_counted() -> None:
    text = leaderboard(made.search([made.trial(0), *(made.diverged(i, {"x": i}) for i in range(1, 30))]))

    assert "Sick: 29 trials" in text
    assert "trial 1  PRUNED: divergence at epoch 2" in text
    assert "... and 24 divergence" in text


def test_a_trial_that_was_trained_to_its_end_and_is_critical_is_sick_too() -> None:
    finding = {"check": "dying-relu", "severity": "critical"}
    text = leaderboard(made.search([made.trial(0, verdict="critical", findings=[finding]), made.trial(1)]))
    assert "trial 0  done, with a critical finding: dying-relu" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_keeps_to_its_width(width: int) -> None:
    assert max(map(cell_len, leaderboard(made.lifelike(60), width, top=0).splitlines()[1:])) <= max(width, 46)


def test_a_search_that_has_come_to_nothing_says_so() -> None:
    assert "No trial has a score." in leaderboard(made.search([made.failed(0, {})]))
    assert "No trial has a score." in leaderboard(made.search([]))


def test_names_cannot_steer_a_terminal() -> None:
    text = leaderboard(made.search([made.trial(0, {"a\x1b[2J": "x\x1b[2J"}), made.trial(1, {"a\x1b[2J": "y"})]))
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["optimizer.learning_rate", "dropout"], ["learning_rate", "dropout"]),
        (["conv.width", "dense.width"], ["conv.width", "dense.width"]),
        (["optimizer.name"], ["optimizer"]),
        (["optimizer.name", "optimizer"], ["optimizer.name", "optimizer"]),
        (["a.b", "x.a.b"], ["a.b", "x.a.b"]),
    ],
)
def test_names_are_as_short_as_can_be_told_apart(paths: list[str], names: list[str]) -> None:
    assert list(wording.short_names(paths).values()) == names


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (99.6, "2 min"), (3599, "1 h"), (4800, "1 h 20 min"), (200_000, "2 d 7 h")],
)
def test_durations_have_units(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text
