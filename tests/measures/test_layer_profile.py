from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.layer_profile import (
    depth_drop,
    lasts,
    logarithms,
    onset,
    rank_trend,
    rise_over_baseline,
    tail_length,
    tail_median,
)


def test_logarithms_of_what_is_no_positive_number_are_absent():
    logs = logarithms(np.array([[10.0, 0.0, np.inf, np.nan, 1e-300]]))
    assert np.array_equal(logs, [[1.0, np.nan, np.nan, np.nan, -300.0]], equal_nan=True)


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 10, 50, 200])
def test_a_straight_profile_gives_its_own_drop(depth):
    total, apart = depth_drop(np.linspace(-6.0, 0.0, depth)[None, :])
    assert total[0] == pytest.approx(6.0)
    assert apart[0] > 0


def test_a_profile_that_grows_towards_the_input_is_negative():
    total, apart = depth_drop(np.linspace(4.0, 0.0, 9)[None, :])
    assert total[0] == pytest.approx(-4.0)
    assert apart[0] > 0


def test_a_level_profile_has_no_drop():
    total, apart = depth_drop(np.zeros((3, 6)))
    assert total.tolist() == apart.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("odd", range(9))
def test_an_odd_layer_moves_nothing(odd):
    logs = np.zeros((1, 9))
    logs[0, odd] = -8.0
    assert depth_drop(logs)[0][0] == 0.0


def test_layers_that_were_not_sampled_are_left_out():
    logs = np.full((2, 6), np.nan)
    logs[:, [1, 4]] = [-3.0, 0.0]
    assert depth_drop(logs)[0].tolist() == [3.0, 3.0]
    assert np.isnan(depth_drop(logs[:, :2])[0]).all()


def test_onset_is_where_it_holds_to_the_end():
    holds = np.array([True, False, False, True, True, False, True, True, True, True])
    assert onset(holds) == 3
    assert onset(holds, misses=0.0) == 6
    assert onset(holds[:6]) is None
    assert onset(holds[:0]) is None


def test_what_began_in_the_last_epochs_has_not_lasted():
    assert lasts(10, 40)
    assert not lasts(38, 40)
    assert not lasts(None, 40)
    assert lasts(0, 2)


def test_the_end_of_a_run_is_a_fifth_of_it():
    assert [tail_length(n) for n in (1, 3, 10, 40, 100)] == [1, 3, 3, 8, 20]


def test_the_level_at_the_end_is_a_median_of_what_was_sampled():
    values = np.array([[9.0], [1.0], [np.nan], [3.0]])
    assert tail_median(values).tolist() == [2.0]


def test_a_rise_counts_from_the_lowest_level_before():
    rise = rise_over_baseline(np.array([0.0, -1.0, -1.0, -1.0, 2.0, 0.0]))
    assert rise[4] == pytest.approx(3.0)
    assert rise[0] == 0.0


def test_a_single_low_epoch_is_no_level():
    rise = rise_over_baseline(np.array([0.0, 0.0, 0.0, -9.0, 0.0, 0.0]))
    assert rise.max() == pytest.approx(0.0)


def test_rank_trend():
    assert rank_trend(np.arange(10.0)) == pytest.approx(1.0)
    assert rank_trend(-np.arange(5000.0)) == pytest.approx(-1.0)
    assert rank_trend(np.ones(10)) == 0.0
    assert rank_trend(np.array([1.0])) == 0.0
    assert rank_trend(np.array([0.0, 0.0, 1.0])) == pytest.approx(2 / math.sqrt(2 * 3))
