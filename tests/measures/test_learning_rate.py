from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.learning_rate import cuts, decayed_at, increases, restarts
from tests.curves import decay, line, series, steps

EVERY = (cuts, increases, restarts)


def rate(values, first: float = 0):
    return series("learning_rate", values, first=first)


def sgdr(cycles: int = 3, n: int = 10):
    """A cosine from 0.1 to almost nothing, again and again."""
    return np.tile(0.05 * (1 + np.cos(np.linspace(0, np.pi, n))) + 1e-4, cycles)


def warmed_up(n: int = 5, rest: int = 25):
    return np.r_[line(n, 0.001, 0.1), np.full(rest, 0.1)]


# -- steps down --------------------------------------------------------------------------------------------------------


def test_a_stepped_rate_is_cut_at_its_steps():
    assert list(cuts(rate(steps(30, 0.1, 0.01, 0.001)))) == [10, 20]
    assert list(cuts(rate(steps(30, 0.1, 0.01, 0.001), first=1))) == [11, 21]


@pytest.mark.parametrize(("after", "cut"), [(0.05, True), (0.051, False), (0.1, False), (0.2, False)])
def test_a_cut_is_to_half_or_less(after, cut):
    assert bool(len(cuts(rate(steps(20, 0.1, after))))) == cut


# -- steps up ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "raised"), [(0.121, True), (0.119, False), (0.1, False), (0.01, False)])
def test_an_increase_is_by_more_than_a_fifth(after, raised):
    assert bool(len(increases(rate(steps(20, 0.1, after))))) == raised


def test_a_warm_restart_is_an_increase_of_a_rate_that_was_falling():
    assert list(increases(rate(sgdr()))) == list(restarts(rate(sgdr()))) == [10, 20]
    assert list(restarts(rate(sgdr(), first=1))) == [11, 21]
    assert list(restarts(rate(steps(30, 0.01, 0.1, 0.01)))) == [10]  # or one that stood still


def test_a_warm_up_is_an_increase_and_no_restart():
    assert list(increases(rate(warmed_up()))) == [1, 2, 3, 4]
    assert list(restarts(rate(warmed_up()))) == []
    assert list(restarts(rate([0.001, 0.1, 0.1, 0.1]))) == []  # in a single step


def test_a_rate_that_rises_in_every_epoch_never_restarts():
    """A range test, or a schedule with the wrong sign."""
    growing = 1e-4 * 2.0 ** np.arange(20)
    assert len(increases(rate(growing))) == 19
    assert list(restarts(rate(growing))) == []


def test_a_restart_that_is_itself_warmed_up_counts_once():
    cycle = np.r_[line(4, 0.02, 0.1), line(8, 0.1, 0.001)]
    assert list(restarts(rate(np.tile(cycle, 2)))) == [12]


# -- neither -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", EVERY)
@pytest.mark.parametrize("values", [np.full(50, 0.1), decay(50, 0.1, 0.001, tau=20)], ids=["constant", "smooth"])
def test_a_smooth_decay_is_no_step(measure, values):
    assert list(measure(rate(values))) == []


@pytest.mark.parametrize("measure", EVERY)
@pytest.mark.parametrize("values", [None, [], [0.1]])
def test_without_two_rates_there_is_no_step(measure, values):
    assert list(measure(None if values is None else rate(values))) == []


@pytest.mark.parametrize("measure", EVERY)
def test_rates_that_are_none_do_not_count(measure):
    assert list(measure(rate([0.0, 0.1, 0.0, -1.0, math.nan, 0.1]))) == []


# -- all but gone ------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("share", "gone"), [(0.09, True), (0.11, False)])
def test_gone_is_below_a_tenth_of_the_largest(share, gone):
    assert (decayed_at(rate(steps(20, 0.1, 0.1 * share))) is not None) == gone


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[math.nan, math.nan], [0.0, 0.0], [-1.0, -2.0]])
def test_a_rate_that_is_no_number_has_not_decayed(values):
    assert decayed_at(rate(values)) is None
