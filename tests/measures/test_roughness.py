from __future__ import annotations

import numpy as np
import pytest

from diagnose.measures.curve import curve_of
from diagnose.measures.roughness import DESCENT_FLOOR, roughness
from tests.curves import decay, line, noise, path, series, steps, wobble


def rough(values) -> float:
    return roughness(curve_of(series("val_loss", values)))


# -- what counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [0.01, 0.1, 0.2])
@pytest.mark.parametrize("level", [1e-6, 1.0, 1e9])
def test_noise_as_a_share_of_the_level(by, level):
    assert rough(level * (1 + noise(2000, by))) == pytest.approx(by, rel=0.15)


def test_the_second_half_decides():
    calm_at_last = np.r_[1 + wobble(40, 0.5), np.ones(40)]
    assert rough(calm_at_last) < 0.01
    assert rough(calm_at_last[::-1]) > 0.4


def test_frequent_spikes_count():
    """Every sixth epoch is far off: the median of the second differences sees none of it, their upper quartile does."""
    values = np.ones(60)
    values[::6] += 3.0
    assert rough(values) > 0.5


def test_a_single_spike_does_not():
    values = 1 + wobble(60, 0.01)
    values[45] += 30
    assert rough(values) == pytest.approx(rough(1 + wobble(60, 0.01)), rel=0.05)


# -- what does not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [line(60, 1.0, 0.01), decay(60), np.ones(60), steps(90, 1.0, 0.5, 0.4)],
    ids=["straight", "decay", "constant", "stepped rate"],
)
def test_a_smooth_course_is_not_rough(values):
    assert rough(values) < 0.01


def test_swings_around_almost_nothing_are_held_against_a_share_of_the_descent():
    """Around 1e-4 after a fall from 1: as rough as its level, but not beside what was learned."""
    values = path(200, (0, 1.0), (0.3, 1e-4), (1, 1e-4)) + wobble(200, 5e-5)
    assert rough(values) == pytest.approx(5e-5 / DESCENT_FLOOR, rel=0.15)


def test_a_curve_below_zero_is_held_against_its_descent():
    """Its level says nothing: here it is 0, after a fall by 2."""
    values = path(200, (0, 2.0), (0.3, 0.0), (1, 0.0)) + wobble(200, 0.2)
    assert float(values.min()) < 0
    assert rough(values) == pytest.approx(0.1, rel=0.2)


# -- where nothing can be said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [[1.0], [1.0, 2.0, 1.0], np.zeros(30), line(30, -2.0, -1.0)],
    ids=["one", "three", "zeros", "rises below zero"],
)
def test_without_points_or_a_level_there_is_no_roughness(values):
    assert rough(values) == 0.0


@pytest.mark.filterwarnings("error")
def test_a_jump_beyond_all_measure_is_no_roughness():
    with np.errstate(over="ignore"):
        assert np.isfinite(rough(np.array([1e-300, 0, 0, 0, 1e-300, 1e-300, 1e-300, 0, 1e300])))


def test_a_short_curve_is_judged_but_for_its_first_points():
    """Fewer than 16 points have no half to spare; their descent at the start is left out."""
    assert rough(np.r_[50.0, 5.0, np.ones(8)]) < 0.01
    assert rough(np.r_[np.ones(5), 1 + wobble(5, 0.5)]) > 0.1


def test_a_steep_fall_is_smooth_however_it_bends():
    falls = np.array([0.34, 0.15, 0.083, 0.059, 0.029, 0.018, 0.014, 0.0077, 0.0051, 0.0033, 0.0023, 0.0017])
    assert rough(falls) == 0.0
