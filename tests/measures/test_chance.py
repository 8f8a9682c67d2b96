from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.measures.chance import MOST_CLASSES, accuracy_resolution, binomial_error, classes_at_chance, classes_of
from tests.curves import noise, series


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 100, 1000])
def test_guessing_among_k_classes_costs_ln_k(classes):
    assert classes_at_chance(math.log(classes), 1e-9) == classes


@pytest.mark.parametrize(
    ("loss", "classes"),
    [(math.log(10) * 1.004, 10), (math.log(10) * 0.996, 10), (math.log(2) * 1.02, None), (0.3, None), (1.2, None)],
)
def test_how_near_it_must_lie(loss, classes):
    assert classes_at_chance(loss, 0.005) == classes


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan, math.inf, 1e9, math.log(MOST_CLASSES) * 1.01])
def test_no_chance_level(loss):
    assert classes_at_chance(loss, 0.01) is None


@pytest.mark.parametrize(
    ("config", "classes"),
    [
        ({"classes": 10}, 10),
        ({"num_classes": 3}, 3),
        ({}, None),
        ({"classes": 1}, None),
        ({"classes": True}, None),
        ({"classes": "10"}, None),
        ({"classes": 2.0}, None),
        ({"classes": MOST_CLASSES + 1}, None),
    ],
)
def test_the_number_of_classes_that_a_configuration_states(config, classes):
    assert classes_of(config) == classes


@pytest.mark.parametrize("samples", [8, 100, 10_000])
def test_accuracies_over_n_samples_are_multiples_of_1_over_n(samples):
    values = np.round((0.7 + noise(400, 0.1)) * samples) / samples
    assert accuracy_resolution(series("accuracy", values)) == pytest.approx(1 / samples, rel=1e-3)


def test_percent_make_no_difference():
    assert accuracy_resolution(series("accuracy", [50.0, 52.0, 54.0], scale=100)) == pytest.approx(0.02)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.5, math.nan], [0.5, 0.5000001]])
def test_no_steps_no_resolution(values):
    assert accuracy_resolution(series("accuracy", values)) == 0.0


def test_the_standard_error_of_a_share():
    """sqrt(p (1 - p) / n)"""
    assert binomial_error(0.5, 1 / 100) == pytest.approx(0.05)
    assert binomial_error(0.1, 1 / 900) == pytest.approx(0.01)
    assert binomial_error(0.5, 0.0) == 0.0
    assert 0 < binomial_error(1.0, 0.01) < 0.011
