from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.learning_rate import changes, final_share, increases
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
    ("values", "share"),
    [([0.1, 0.01, 0.001], 0.01), ([0.001, 0.1, 0.05], 0.5), ([0.1], 1.0), ([], 1.0), ([0.0, 0.0], 1.0)],
)
def test_the_last_rate_against_the_largest(values, share):
    assert final_share(rate(values)) == pytest.approx(share)
    assert final_share(None) == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.xfail(strict=True, raises=RuntimeWarning, reason="nanmax of nothing but NaN warns; one NaN at the end is NaN")
def test_the_last_rate_where_none_is_a_number():
    assert final_share(rate([math.nan, math.nan])) == 1.0
