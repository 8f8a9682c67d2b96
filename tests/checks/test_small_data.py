from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, dense, findings, layer, model, planned

CHECK = "small-data"
SICK: Run = planned(data=data(n=100))


def of(train: int, validation: int, inputs: np.ndarray | None = None, *, known: bool = True) -> DataSample:
    x = np.zeros((10, 4)) if inputs is None else inputs
    splits = {
        split: SplitSample(inputs={"x": x}, count=n if known else None, is_whole=False)
        for split, n in ((Split.TRAIN, train), (Split.VALIDATION, validation))
    }
    return DataSample(source="x", splits=splits)


def look(given: DataSample, network=None) -> tuple[Finding, ...]:
    return findings(CHECK, planned(network, given))


@pytest.mark.parametrize(("n", "fires"), [(29, True), (30, False)])
def test_a_validation_set_that_measures_nothing(n, fires):
    found = look(of(5000, n))
    assert [f.severity for f in found] == ([Severity.WARNING] if fires else [])
    if fires:
        assert "74 to 97 % (±11 points)" in found[0].summary


def test_a_set_that_nobody_brought_is_not_blamed():
    given = dataclasses.replace(of(5000, 20), drawn=frozenset({Split.VALIDATION}))
    (found,) = look(given)
    assert found.severity is Severity.INFO
    assert "The validation set drawn from the data has 20 samples" in found.summary
    tested = {**given.splits, Split.TEST: SplitSample(inputs={"x": np.zeros((25, 4))}, count=25)}
    (found,) = look(dataclasses.replace(given, splits=tested))
    assert found.severity is Severity.WARNING
    assert "The test set has 25 samples" in found.summary


@pytest.mark.parametrize(("n", "fires"), [(199, True), (200, False)])
def test_a_small_table_wants_cross_validation(n, fires):
    found = look(of(n, 100))
    assert [f.fixes[0].id for f in found] == (["cross-validate"] if fires else [])
    assert all(f.severity is Severity.INFO for f in found)


def test_few_pictures_want_a_backbone():
    given = of(600, 100, np.zeros((10, 32, 32, 3)))
    assert [f.fixes[0].id for f in look(given)] == ["use-pretrained"]
    assert look(of(60_000, 10_000, np.zeros((10, 32, 32, 3)))) == ()
    frozen = layer("Conv2D", (None, 32, 32, 8), parameters=10, is_trainable=False)
    assert look(given, model(frozen, dense(10, "softmax"), given=(None, 32, 32, 3))) == ()


def test_what_is_not_known_is_not_judged():
    assert look(of(10, 10, known=False)) == ()


def test_an_empty_split_is_none():
    assert look(of(5000, 0)) == ()


def test_enough():
    assert look(data(n=1000)) == ()
