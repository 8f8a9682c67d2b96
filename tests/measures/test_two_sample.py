from __future__ import annotations

import numpy as np
import pytest

from diagnose.measures.two_sample import auc, auc_error, classifier_auc, holm, ks, principal, share_shift, wilson

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("n", "m", "shift"), [(50, 40, 0.0), (400, 100, 0.3), (80, 300, 0.8)])
def test_kolmogorov_and_smirnov_as_scipy_has_them(n, m, shift):
    stats = pytest.importorskip("scipy.stats")
    left, right = RNG.normal(size=n), RNG.normal(shift, 1, m)
    distance, p_value = ks(left, right)
    expected = stats.ks_2samp(left, right, method="exact")
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.3, abs=0.03)


def test_ks_of_nothing_and_of_the_same():
    assert ks(np.empty(0), np.ones(3)) == (0.0, 1.0)
    assert ks(np.arange(9.0), np.arange(9.0)) == (0.0, 1.0)


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


def test_wilson_by_hand():
    assert wilson(9, 10) == pytest.approx((0.596, 0.982), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


def test_chi_squared_as_scipy_has_it():
    stats = pytest.importorskip("scipy.stats")
    left, right = np.array([120, 80, 60, 40]), np.array([30, 25, 20, 25])
    expected = stats.chi2_contingency([left, right], correction=False).pvalue
    assert share_shift(left, right).p_value == pytest.approx(expected, rel=0.05)


def test_shares_differ_by_chance_as_much_as_they_are_said_to():
    shares = np.full(20, 0.05)
    shifts = [share_shift(RNG.multinomial(200, shares), RNG.multinomial(60, shares)) for _ in range(200)]
    assert np.mean([each.excess for each in shifts]) == pytest.approx(0.0, abs=0.02)
    assert np.mean([each.p_value < 0.05 for each in shifts]) < 0.1


def test_classes_without_anybody():
    assert share_shift(np.zeros(3, dtype=int), np.array([1, 2, 3])).p_value == 1.0


def test_the_area_under_the_curve_by_hand():
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert auc(scores, np.array([False, False, True, True])) == pytest.approx(0.875)


def test_the_error_of_an_area():
    areas = [
        auc(np.concatenate([RNG.normal(size=80), RNG.normal(0.5, 1, 40)]), np.arange(120) >= 80) for _ in range(300)
    ]
    assert auc_error(float(np.mean(areas)), 40, 80) == pytest.approx(np.std(areas), rel=0.25)


def test_the_classifier_knows_nothing_where_there_is_nothing():
    areas = [classifier_auc(RNG.normal(size=(90, 6)), RNG.normal(size=(40, 6))) for _ in range(60)]
    values = np.array([each.value for each in areas if each is not None])
    assert len(values) == 60
    assert values.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("change", ["place", "spread"])
def test_the_classifier_sees_place_and_spread(change):
    left, right = RNG.normal(size=(300, 6)), RNG.normal(size=(100, 6))
    found = classifier_auc(left, right + 1 if change == "place" else right * 3)
    assert found is not None
    assert found.value > 0.9


def test_too_few_or_constant_samples_are_not_judged():
    assert classifier_auc(np.ones((100, 3)), RNG.normal(size=(10, 3))) is None
    assert classifier_auc(np.ones((100, 3)), np.ones((100, 3))) is None


def test_principal_directions_keep_the_variance():
    values = RNG.normal(size=(200, 60)) * np.geomspace(10, 0.01, 60)
    values -= values.mean(axis=0)
    best = np.linalg.svd(values, compute_uv=False)[:10]
    assert np.linalg.norm(principal(values, 10)) == pytest.approx(np.linalg.norm(best), rel=1e-3)
