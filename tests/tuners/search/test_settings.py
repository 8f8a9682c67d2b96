"""How a search is asked for: times with units, limits, and one line for what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from recipes.errors import ConfigError
from tuners.search.settings import SearchSettings


@pytest.mark.parametrize(
    ("time", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400), ("2d", 172800), (7, 7), (0, 0)]
)
def test_a_time_may_have_a_unit(time: Any, seconds: float):
    assert SearchSettings.of(time=time).time == seconds


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"time": "soon"}, "time: should be a time, as 90s, 15m or 2h, not 'soon'"),
        ({"time": ""}, "time: should be a time"),
        ({"time": "-3m"}, "time: should be greater than or equal to 0"),
        ({"time": "infs"}, "time: should be a finite number"),
        ({"folds": 0}, "folds: should be greater than or equal to 1, not 0"),
        ({"strategy": "luck"}, "strategy: should be 'random', 'bayesian', 'hyperband' or 'grid', not 'luck'"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(given: dict[str, Any], said: str):
    with pytest.raises(ConfigError) as told:
        SearchSettings.of(**given)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "most"),
    [
        ({}, 20),
        ({"trials": 7}, 7),
        ({"time": 60}, None),
        ({"strategy": "grid"}, None),
        ({"strategy": "grid", "trials": 3}, 3),
        ({"strategy": "hyperband"}, None),
    ],
)
def test_without_a_budget_there_are_twenty_trials_or_what_the_strategy_makes(given: dict[str, Any], most: int | None):
    assert SearchSettings.of(**given).most_trials == most
