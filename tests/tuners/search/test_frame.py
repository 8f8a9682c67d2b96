"""A search as a pandas frame."""

from __future__ import annotations

import math

from tests.tuners.search import made_searches as made
from tuners.search.frame import COLUMNS, frame


def test_a_row_for_each_trial_and_a_column_for_each_hyperparameter() -> None:
    finding = {"check": "overfitting", "severity": "warning"}
    table = frame(made.search([made.trial(0, findings=[finding, finding]), made.diverged(1, {"units": 64})]))

    assert list(table.columns) == [*COLUMNS, *made.SPACE, "units"]
    assert table["number"].tolist() == [0, 1]
    assert table["findings"].tolist() == ["overfitting,overfitting", "divergence"]
    assert table["reason"].tolist() == ["", "PRUNED: divergence at epoch 2"]
    assert table["optimizer.learning_rate"].tolist()[0] == 0.01


def test_what_a_trial_does_not_have_is_missing_and_whole_numbers_stay_whole() -> None:
    trials = [made.trial(0), made.trial(1, state="running"), made.failed(2, {}), made.trial(3, parent=0)]
    table = frame(made.search(trials))

    assert str(table["epochs"].dtype) == str(table["parent"].dtype) == "Int64"
    assert table["epochs"].isna().tolist() == [False, True, False, False]
    assert math.isnan(table["score"][2])
    assert table["parent"][3] == 0


def test_no_trial_is_a_table_without_rows() -> None:
    assert frame(made.search([])).shape == (0, len(COLUMNS) + len(made.SPACE))


def test_a_value_of_several_parts_is_one_cell() -> None:
    assert frame(made.search([made.trial(0, {"units": (64, 32)})]))["units"].tolist() == ["[64, 32]"]
