"""How much each hyperparameter mattered: the strong one is found, the irrelevant ones are told as such."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.tuners.search import made_searches as made
from tuners.search import importance as module
from tuners.search.importance import Importance, importance, text
from tuners.search.records import SearchRecord

RATE = "optimizer.learning_rate"


def scored(
    count: int, score: Callable[[Mapping[str, Any]], float], *, noise: float = 0.3, seed: int = 0
) -> SearchRecord:
    rng = np.random.default_rng(seed)
    drawn = [made.drawn(rng) for _ in range(count)]
    return made.search([made.trial(i, v, score=score(v) + noise * float(rng.normal())) for i, v in enumerate(drawn)])


def by_rate(values: Mapping[str, Any]) -> float:
    """A score that the learning rate alone decides, best at 0.005."""
    return -((math.log10(values[RATE]) + 2.3) ** 2)


def of(record: SearchRecord) -> dict[str, Importance]:
    return {item.path: item for item in importance(record)}


def test_the_strong_setting_is_first_and_the_others_cannot_be_told_from_noise() -> None:
    found = importance(scored(60, by_rate))

    assert (found[0].path, found[0].is_known) == (RATE, True)
    assert not any(item.is_known for item in found[1:])
    assert found[0].low < found[0].share < found[0].high
    low, high = map(float, found[0].best_range.split(" to "))
    assert 0.0005 < low < 0.005 < high < 0.05


def test_a_category_that_decides_is_found_with_its_best_values() -> None:
    found = importance(scored(60, lambda values: float(values["optimizer.name"] == "adam"), noise=0.2))
    assert (found[0].path, found[0].is_known, found[0].best_range) == ("optimizer.name", True, "adam")


def test_where_less_is_better_the_best_are_the_least() -> None:
    record = scored(40, lambda values: values["regularization.dropout"], noise=0.02)
    less = made.search(record.trials, objective=made.LOSS)

    assert float(of(less)["regularization.dropout"].best_range.split(" to ")[1]) < 0.25
    assert float(of(record)["regularization.dropout"].best_range.split(" to ")[0]) > 0.35


def test_one_score_that_is_out_of_all_bounds_changes_little() -> None:
    record = scored(60, by_rate)
    trials = [*record.trials[:-1], made.trial(59, record.trials[-1].values, score=-1e30)]
    assert abs(of(made.search(trials))[RATE].share - of(record)[RATE].share) < 0.1


def test_failed_trials_count_as_the_worst() -> None:
    rng = np.random.default_rng(1)
    trials = []
    for number in range(60):
        values = made.drawn(rng)
        failed = values[RATE] > 0.01
        trials.append(made.failed(number, values) if failed else made.trial(number, values, score=float(rng.normal())))
    assert of(made.search(trials))[RATE].is_known


def test_a_setting_that_only_some_have_does_not_take_the_credit_of_what_it_depends_on() -> None:
    rng = np.random.default_rng(2)
    trials = []
    for number in range(80):
        values: dict[str, Any] = {"optimizer.name": str(rng.choice(["adam", "sgd"])), "x": float(rng.uniform())}
        if values["optimizer.name"] == "sgd":
            values["optimizer.momentum"] = float(rng.uniform(0, 0.99))
        score = float(values["optimizer.name"] == "adam") + 0.1 * float(rng.normal())
        trials.append(made.trial(number, values, score=score))
    found = of(made.search(trials, space={}))

    assert found["optimizer.name"].is_known
    assert not found["optimizer.momentum"].is_known
    assert not found["x"].is_known


def test_few_trials_tell_nothing() -> None:
    record = scored(module.LEAST_TRIALS - 1, by_rate)
    assert importance(record) == []
    least = module.LEAST_TRIALS
    assert text(record) == f"Not enough trials to tell: {least - 1} are over, at least {least} are needed."


def test_trials_that_run_or_had_no_more_time_do_not_count() -> None:
    trials = [*scored(19, by_rate).trials, made.trial(19, state="running"), made.trial(20, state="stopped")]
    assert importance(made.search(trials)) == []


@pytest.mark.parametrize("score", [0.5, None])
def test_equal_scores_tell_that_nothing_can_be_told(score: float | None) -> None:
    rng = np.random.default_rng(0)
    state = "failed" if score is None else "done"
    found = importance(made.search([made.trial(i, made.drawn(rng), state=state, score=score) for i in range(30)]))
    assert len(found) == 4
    assert not any(item.is_known for item in found)


def test_equal_settings_are_said_to_be_equal() -> None:
    record = made.search([made.trial(i, score=i / 100) for i in range(30)])
    assert importance(record) == []
    assert text(record) == "All trials have the same settings."


def test_it_is_told_in_words_that_fit() -> None:
    record = scored(60, by_rate)
    found = importance(record)
    told = text(record, 80, found)
    assert told.splitlines()[0].startswith("learning_rate")
    assert "Cannot be told from noise: " in told
    for width in (40, 80, 120):
        assert max(map(len, text(record, width, found).splitlines())) <= width


def test_the_same_search_has_the_same_importance() -> None:
    assert importance(scored(30, by_rate)) == importance(scored(30, by_rate))


@pytest.mark.long
def test_an_irrelevant_setting_is_told_as_such_in_95_of_100_searches() -> None:
    """Three irrelevant settings in each of 34 searches; and the strong one is first."""
    wrong = first = 0
    for seed in range(34):
        found = importance(scored(30, by_rate, seed=seed))
        wrong += sum(item.is_known for item in found if item.path != RATE)
        first += found[0].path == RATE
    assert wrong <= 5
    assert first >= 32
