"""Several trainings in one table: where one ends, and whether the next goes on with it."""

import numpy as np
import pytest

from diagnose.readers import restarts
from diagnose.readers.base import ReadError
from diagnose.readers.restarts import continues, starts

FALLING = np.array([2.0, 1.2, 0.8, 0.6, 0.5, 0.45, 0.42, 0.4])


def test_an_epoch_number_that_falls_back_begins_a_training():
    epochs = np.array([0.0, 1, 2, 0, 1, 0])
    assert starts(epochs, np.zeros(6, dtype=bool)) == [0, 3, 5]


def test_rows_that_do_not_count_begin_nothing():
    epochs = np.array([0.0, 1, 2, 0])
    assert starts(epochs, np.zeros(4, dtype=bool), np.array([True, True, True, False])) == [0]


def test_a_repeated_epoch_begins_a_training_where_the_rows_conflict():
    assert starts(np.array([1.0, 1, 2]), np.array([False, True, False])) == [0, 1]


def test_too_many_trainings_are_no_log():
    epochs = np.tile([1.0, 0.0], restarts.MAX_PARTS + 1)
    with pytest.raises(ReadError, match="start over"):
        starts(epochs, np.zeros(len(epochs), dtype=bool))


def test_a_loss_that_goes_on_where_it_ended_continues():
    assert continues(FALLING, np.array([0.41, 0.39]))


def test_a_loss_back_at_its_start_is_a_new_training():
    assert not continues(FALLING, np.array([1.9, 1.1]))


def test_a_rising_metric_continues_too():
    assert continues(1 / FALLING, np.array([2.4, 2.5]))


def test_a_first_epoch_that_dwarfs_the_rest_does_not_make_every_value_near_the_end():
    assert not continues(np.array([1e4, 5.0, 2.0, 1.0, 0.9, 0.8, 0.7, 0.65]), np.array([100.0, 4.0]))


def test_a_curve_that_never_left_its_start_does_not_tell():
    flat = np.array([2.3, 2.31, 2.29, 2.3, 2.31, 2.3])
    assert not continues(flat, np.array([2.3, 2.3]))


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan, np.nan, np.nan]])
def test_too_little_to_tell_is_a_new_training(values):
    assert not continues(np.array(values, dtype=float), FALLING)
    assert not continues(FALLING, np.array([np.nan]))
