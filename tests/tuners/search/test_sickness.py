"""What distinguishes the sick trials from the others, and that chance alone is not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.tuners.search import made_searches as made
from tuners.search import wording
from tuners.search.records import SearchRecord, TrialRecord
from tuners.search.sickness import sentences, sickness, text


def where(count: int, is_sick: Any, seed: int = 0) -> SearchRecord:
    """A search in which trials are sick where a function of their settings says so."""
    rng = np.random.default_rng(seed)

    def one(number: int, values: Mapping[str, Any]) -> TrialRecord:
        return made.diverged(number, values) if is_sick(values) else made.trial(number, values)

    return made.search([one(i, made.drawn(rng)) for i in range(count)])


def test_a_cut_through_a_number_is_found_and_told_in_round_numbers() -> None:
    found = sickness(where(40, lambda values: values["optimizer.learning_rate"] > 0.03))

    assert [(item.kind, item.separation.path if item.separation else "") for item in found] == [
        ("divergence", "optimizer.learning_rate")
    ]
    number = len(found[0].trials)
    assert sentences(found) == [
        f"All {number} trials with divergence had learning_rate > 0.03 (none of the {40 - number} that were not sick)."
    ]


def test_some_that_do_not_fit_are_counted() -> None:
    trials = [made.diverged(i, {"rate": 0.1 + i / 100}) for i in range(7)]
    trials += [made.diverged(7, {"rate": 0.001}), made.trial(8, {"rate": 0.2}), made.trial(9, {"rate": 0.3})]
    trials += [made.trial(i, {"rate": 0.002 + i / 5000}) for i in range(10, 48)]

    told = text(made.search(trials, space={}), width=200)
    assert told == "7 of 8 trials with divergence had rate > 0.03 (2 of the 40 that were not sick)."


def test_a_category_is_found() -> None:
    found = sickness(where(30, lambda values: values["optimizer.name"] == "sgd"))
    assert found[0].separation is not None
    assert (found[0].separation.path, found[0].separation.condition) == ("optimizer.name", "= sgd")


def test_of_few_numbers_one_is_named() -> None:
    found = sickness(where(40, lambda values: values["data.batch_size"] == 64))
    assert found[0].separation is not None
    assert found[0].separation.condition == "= 64"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("out of memory: 4.1 GB asked for", "out of memory"),
        ("out of memory", "out of memory"),
        ("divergence at epoch 2", "divergence"),
        ("dead-units at epoch 12: none is alive", "dead-units"),
        ("mine.py:build: ValueError: units must be even, not 7 at /home/me/mine.py:12", "ValueError"),
        ("/home/me/my models/mine.py:build: TypeError at /home/me/my models/mine.py:3", "TypeError"),
        ("package.models:build: MemoryError", "out of memory"),
        ("mine.py:build: keras.errors.ShapeError: (3,)", "ShapeError"),
        ("InvalidArgumentError: Incompatible shapes: [32,3] vs. [32,4]", "InvalidArgumentError"),
        ("mine.py:build: the model puts out (3,) for a sample, and the task needs (4,)",
         "the model puts out (3,) for a sample"),
        ("mine.py:build: the output is linear, and a task needs softmax", "the output is linear"),
        ("hyperparameters.units: must be 1 to 5, not 8", "hyperparameters.units: must be 1 to 5"),
        ("the worker died 2 times: its machine was lost", "the worker died 2 times"),
        ("val_accuracy was never a finite number", "val_accuracy was never a finite number"),
        ("mine.py:build: " + "x" * 500, "x" * 30 + "…" + "x" * 29),
        ("  ", "failed"),
    ],
)  # fmt: skip
def test_the_kind_of_a_failure_is_what_its_reason_tells(reason: str, kind: str) -> None:
    assert wording.sickness(made.failed(0, {}, reason)) == kind


def test_kinds_are_told_apart() -> None:
    trials = [made.diverged(i, {"rate": 0.5 + i / 100, "size": 2}) for i in range(8)]
    trials += [made.failed(i, {"rate": 0.01 + i % 5 / 1000, "size": 64}) for i in range(8, 16)]
    trials += [made.trial(i, {"rate": 0.01 + i % 5 / 1000, "size": 2 + i % 3}) for i in range(16, 40)]
    found = sickness(made.search(trials, space={}))

    assert {(item.kind, item.separation.path) for item in found if item.separation} == {
        ("divergence", "rate"),
        ("out of memory", "size"),
        ("a fault of any kind", "rate"),
    }


def test_few_of_each_kind_may_say_together_what_they_share() -> None:
    trials = [made.diverged(i, {"rate": 0.5 + i / 100}) for i in range(3)]
    trials += [made.failed(i, {"rate": 0.5 + i / 100}) for i in range(3, 6)]
    trials += [made.trial(i, {"rate": 0.01 + i / 1000}) for i in range(6, 18)]
    first, *others = sickness(made.search(trials, space={}))
    assert first.trials == tuple(range(6))
    assert sentences([first]) == [
        "All 6 trials with a fault of any kind had rate > 0.1 (none of the 12 that were not sick)."
    ]
    assert [item.kind for item in others] == ["divergence", "out of memory"]


def test_chance_is_not_told() -> None:
    """At most 5 % of the searches, and some more for chance: 60 of them, where any trial falls ill alike."""
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed + 1000)
        found = sickness(where(30, lambda values: rng.random() < 0.25, seed))  # noqa: B023
        wrong += any(item.separation is not None for item in found)
    assert wrong <= 6


def test_a_single_sick_trial_is_counted_only() -> None:
    others = (made.trial(i, {"rate": 0.01 * i}) for i in range(1, 9))
    found = sickness(made.search([made.diverged(0, {"rate": 0.9}), *others]))
    assert sentences(found) == ["1 trial with divergence (0); no setting sets them apart for certain."]


def test_where_all_are_sick_there_is_nothing_to_compare_with() -> None:
    found = sickness(made.search([made.diverged(i, {"rate": 0.1 * i}) for i in range(6)]))
    assert [item.separation for item in found] == [None]


def test_a_trial_that_goes_on_from_another_one_counts_once() -> None:
    trials = [made.trial(0, {"rate": 0.5}), made.diverged(1, {"rate": 0.5}), made.trial(2, {"rate": 0.1})]
    continued = [trials[0], replace(trials[1], parent=0), trials[2]]

    assert sickness(made.search(trials))[0].others == 2
    assert sickness(made.search(continued))[0].others == 1


def test_settings_that_only_some_have_can_be_the_reason() -> None:
    trials = [made.diverged(i, {"name": "sgd", "momentum": 0.99 + i / 1000}) for i in range(6)]
    trials += [made.trial(i, {"name": "sgd", "momentum": 0.5 + i / 100}) for i in range(6, 26)]
    trials += [made.trial(i, {"name": "adam"}) for i in range(26, 36)]
    found = sickness(made.search(trials, space={}))
    assert found[0].separation is not None
    assert (found[0].separation.path, found[0].separation.others) == ("momentum", 0)


def test_a_healthy_search_says_so() -> None:
    assert text(made.search([made.trial(0)])) == "No trial was sick."
