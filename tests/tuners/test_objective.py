"""What trainings are judged by: a column and its direction."""

from __future__ import annotations

import math

import pytest

from recipes.errors import ConfigError
from tuners.objective import Objective


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("val_accuracy", "val_accuracy", "max"),
        ("val_loss", "val_loss", "min"),
        ("val_f1", "val_f1", "max"),
        ("val_r2", "val_r2", "max"),
        ("val_mean_absolute_error", "val_mean_absolute_error", "min"),
        ("max:val_gain", "val_gain", "max"),
        ("min:val_accuracy", "val_accuracy", "min"),
    ],
)
def test_the_direction_follows_from_the_name_or_is_given(text: str, name: str, direction: str):
    assert Objective.of(text) == Objective(name, direction)  # type: ignore[arg-type]
    assert Objective.of(str(Objective.of(text))) == Objective.of(text)


@pytest.mark.parametrize("text", ["val_gain", "most:val_loss", "", "max:"])
def test_what_has_no_direction_is_refused(text: str):
    with pytest.raises(ConfigError, match="objective"):
        Objective.of(text)


def test_no_number_is_better_than_nothing_but_nan_is_not():
    highest = Objective("val_accuracy", "max")
    assert highest.is_better(0.1, None)
    assert highest.is_better(0.2, 0.1)
    assert not highest.is_better(0.1, 0.1)
    assert not highest.is_better(math.nan, None)
    assert not highest.is_better(math.inf, 0.1)
    assert highest.is_better(0.1, math.nan)
    assert Objective("val_loss", "min").is_better(0.1, 0.2)
