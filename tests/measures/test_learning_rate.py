from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.learning_rate import changes, decayed_at, increases
from tests.curves import decay, series, steps


def rate(values, first: float = 0):
    return series("learning_rate", values, first=first)


def test_a_stepped_rate_changes_at_its_steps():
    assert list(changes(rate(steps(30, 0.1, 0.01, 0.001)))) == [10, 20]
    assert list(changes(rate(steps(30, 0.1, 0.01, 0.001), first=1))) == [11, 21]
    assert list(increases(rate(steps(30, 0.1, 0.01, 0.001)))) == []


def test_warm_restarts_increase_it():
    cycle = 0.05 * (1 + np.cos(np.linspace(0, np.pi, 10))) + 1e-4
    assert list(increases(rate(np.tile(cycle, 3)))) == [10, 20]


@pytest.mark.parametrize("values", [np.full(50, 0.1), decay(50, 0.1, 0.001, tau=20)])
def test_a_smooth_decay_is_no_step(values):
    assert list(changes(rate(values))) == []


@pytest.mark.parametrize("values", [None, [], [0.1]])
def test_without_two_rates_there_is_no_change(values):
    a_rate = None if values is None else rate(values)
    assert list(changes(a_rate)) == list(increases(a_rate)) == []


def test_rates_that_are_none_do_not_count():
    assert list(changes(rate([0.0, 0.1, 0.0, -1.0, math.nan, 0.1]))) == []


@pytest.mark.parametrize(
    ("values", "epoch"),
    [
        (steps(30, 0.1, 0.02, 0.005), 21),
        (steps(30, 0.1, 0.005, 0.02), None),  # it came back
        (steps(30, 0.005, 0.1, 0.005), 21),  # a warm-up is no decay
        (np.full(30, 0.1), None),
        ([0.1], None),
        ([], None),
    ],
)
def test_from_when_on_the_rate_is_all_but_gone(values, epoch):
    assert decayed_at(rate(values, first=1)) == epoch
    assert decayed_at(None) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.xfail(strict=True, raises=RuntimeWarning, reason="nanmax of nothing but NaN warns")
def test_a_rate_that_is_no_number_has_not_decayed():
    assert decayed_at(rate([math.nan, math.nan])) is None
