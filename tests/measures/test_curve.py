from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diagnose.measures import curve as measures
from diagnose.measures.curve import curve_of, falling_share, median, moving_average, point_noise
from tests.curves import decay, line, noise, path, series, wobble

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
ARRAYS = hnp.arrays(float, st.integers(1, 80), elements=FINITE)


def of(values, role: str = "loss", **options):
    return curve_of(series(role, values, **options))


# -- the median --------------------------------------------------------------------------------------------------------


@given(ARRAYS)
@settings(max_examples=60, deadline=None)
def test_the_median_is_numpys(values):
    before = values.copy()
    assert median(values) == pytest.approx(float(np.median(values)), abs=1e-9)
    assert (values == before).all()


def test_nothing_has_no_median():
    assert math.isnan(median(np.empty(0)))


# -- noise -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1e-6, 0.1, 1e6])
@pytest.mark.parametrize("trend", [0.0, 1.0, -30.0])
def test_white_noise_is_measured_whatever_the_straight_trend(sigma, trend):
    n = 2000
    values = noise(n, sigma) + sigma * line(n, 0, trend)
    assert point_noise(values) == pytest.approx(sigma, rel=0.07)


def test_the_helper_wobble_has_the_noise_that_it_says():
    assert point_noise(wobble(100, 0.25)) == pytest.approx(0.25)


@pytest.mark.parametrize("values", [line(60, 0, 1e-3) ** 2, np.full(50, 7.0), decay(200, tau=100)])
def test_a_smooth_course_has_hardly_any_noise(values):
    assert point_noise(values) < 1e-4


def test_a_straight_line_has_none():
    assert point_noise(np.arange(50.0)) < 1e-9


def test_a_single_jump_is_no_rounding():
    assert point_noise(np.r_[100.0, np.full(40, 2.0)]) < 1.0


def test_spikes_do_not_count():
    values = noise(400, 0.1)
    calm = point_noise(values)
    values[::40] += 100
    assert point_noise(values) == pytest.approx(calm, rel=0.3)


def test_a_curve_in_steps_has_at_least_the_noise_of_its_rounding():
    """An accuracy over 100 samples that mostly stands still: step / sqrt(12)."""
    values = np.repeat([0.5, 0.51, 0.52, 0.53], 20)
    assert point_noise(values) == pytest.approx(0.01 / math.sqrt(12))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_two_points_have_no_noise(values):
    assert point_noise(np.array(values, dtype=float)) == 0.0


def test_three_points_have_that_of_their_steps():
    assert point_noise(np.array([1.0, 2.0, 3.0])) == 0.0
    assert point_noise(np.array([1.0, 2.0, 1.0])) == pytest.approx(1.4826 / math.sqrt(2))


# -- smoothing ---------------------------------------------------------------------------------------------------------


def plainly_smoothed(values: np.ndarray, window: int) -> np.ndarray:
    before, after = (window - 1) // 2, window - 1 - (window - 1) // 2
    return np.array([values[max(0, i - before) : i + after + 1].mean() for i in range(len(values))])


@given(hnp.arrays(float, st.integers(3, 60), elements=FINITE), st.integers(2, 9))
@settings(max_examples=100, deadline=None)
def test_the_moving_average_is_centred_and_shortened_at_the_ends(values, window):
    window = min(window, len(values))
    tolerance = 1e-9 * max(1.0, float(np.abs(values).max()))
    np.testing.assert_allclose(moving_average(values, window), plainly_smoothed(values, window), atol=tolerance)


def test_a_long_curve_is_smoothed_in_the_same_way():
    """Beyond two million products the average is taken from sums; a large offset must lose no digits."""
    values = 1e9 + noise(20_000, 1.0)
    smooth = moving_average(values, 101)
    at = [0, 1, 49, 50, 51, 9_999, 19_949, 19_998, 19_999]
    np.testing.assert_allclose(smooth[at] - 1e9, plainly_smoothed(values, 101)[at] - 1e9, atol=1e-5)


@pytest.mark.parametrize("window", [0, 1])
def test_no_window_leaves_the_values(window):
    values = noise(9, 1.0)
    assert (moving_average(values, window) == values).all()


# -- one curve ---------------------------------------------------------------------------------------------------------


def test_lower_is_better_for_every_curve():
    accuracy = of([0.2, 0.5, 0.9], "accuracy")
    assert accuracy.sign == -1
    assert list(accuracy.values) == [-0.2, -0.5, -0.9]
    assert accuracy.logged(accuracy.start) == 0.2
    assert of([3, 2, 1]).sign == 1


def test_percent_become_shares():
    assert list(of([20, 90], "accuracy", scale=100).values) == [-0.2, -0.9]


def test_only_finite_values_count():
    curve = of([1.0, math.nan, 3.0, math.inf, 5.0], first=1)
    assert list(curve.epochs) == [1, 3, 5]
    assert list(curve.values) == [1, 3, 5]
    assert len(of([math.nan] * 3)) == 0


@pytest.mark.parametrize(("n", "window"), [(1, 1), (2, 2), (3, 3), (59, 3), (60, 3), (100, 5), (1000, 50)])
def test_the_window_is_a_twentieth_of_the_run_and_at_least_three(n, window):
    assert of(decay(n)).window == window


def test_the_noise_of_a_smoothed_value():
    curve = of(wobble(100, 0.5) + 3)
    assert curve.sigma == pytest.approx(0.5 / math.sqrt(5))


def test_a_valley():
    curve = of(path(101, (0, 1.0), (0.4, 0.2), (0.5, 0.2), (0.9, 0.8), (1, 0.8)), first=1)
    assert curve.best == pytest.approx(0.2)
    assert 41 <= curve.epochs[curve.best_at] <= 51
    assert (curve.start, curve.end) == (1.0, pytest.approx(0.8))
    assert curve.rise == pytest.approx(0.6)
    assert curve.descent == pytest.approx(0.8)
    assert curve.tail_share == pytest.approx(0.55, abs=0.06)


def test_a_curve_that_falls_to_its_last_epoch_has_not_risen():
    curve = of(line(100, 2.0, 1.0) + noise(100, 1e-3))
    assert curve.rise_sigmas < 4


def test_the_rise_of_a_noiseless_curve_is_beyond_all_noise():
    assert of([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).rise_sigmas == 0.0
    curve = of(np.array([4.0, 3.0, 2.0, 3.0, 4.0]))
    assert curve.rise > 0
    assert curve.rise_sigmas > 0


def test_the_end_is_the_median_of_the_last_tenth():
    values = np.ones(100)
    values[-4:] = 50  # four of ten
    assert of(values).end == 1.0
    values[-6:] = 50
    assert of(values).end == 50.0


def test_the_opening_level_leaves_a_wild_first_epoch_out():
    assert of(np.r_[1e6, np.full(49, 2.0)]).opening == 2.0
    assert of(decay(50, 2.0, 1.0)).opening < 2.0
    assert of([5.0, 1.0]).opening == 5.0


def test_a_curve_is_measured_once():
    a_series = series("loss", decay(50))
    assert curve_of(a_series) is curve_of(a_series)


def test_a_million_points_are_summed_up():
    n = 1_000_000
    curve = of(line(n, 1.0, 0.5) + noise(n, 0.1))
    assert measures.MOST_POINTS / 2 < len(curve) <= measures.MOST_POINTS
    assert curve.epochs[0] >= 0
    assert curve.epochs[-1] <= n
    assert curve.noise == pytest.approx(0.1 / math.sqrt(n // len(curve)), rel=0.1)
    assert curve.end == pytest.approx(0.525, abs=0.01)


def test_summing_up_keeps_the_last_epochs():
    n = 2 * measures.MOST_POINTS + 2  # blocks of 3, of which the last is one short
    assert of(line(n, 1.0, 0.5)).epochs[-1] == n - 1


@given(
    hnp.arrays(float, st.integers(4, 60), elements=st.integers(-(10**6), 10**6).map(float)),
    st.sampled_from([2.0**-20, 2.0**30]),
)
@settings(max_examples=60, deadline=None)
def test_every_measure_has_the_unit_of_the_curve(values, unit):
    """By powers of two, which change no digit."""
    ours, theirs = of(values), of(values * unit)
    for name in ("noise", "sigma", "best", "end", "start", "rise", "opening", "descent", "level"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name) * unit, rel=1e-9, abs=1e-290), name
    assert theirs.best_at == ours.best_at


# -- around the curve --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "share"),
    [(line(20, 1, 0), 1.0), (line(20, 0, 1), 0.0), (np.ones(20), 0.5), ([3, 2, 2, 2, 3], 0.5), ([1.0], 0.5)],
)
def test_the_share_of_steps_downhill(values, share):
    assert falling_share(of(values)) == share
