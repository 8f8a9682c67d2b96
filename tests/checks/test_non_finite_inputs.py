from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, findings, planned

CHECK = "non-finite-inputs"
X = np.random.default_rng(0).normal(size=(600, 5)).astype("float32")


def holed(value: float, at: int = 7) -> np.ndarray:
    x = X.copy()
    x[at, 2] = value
    return x


SICK: Run = planned(data=data(inputs=holed(np.nan)))


def look(**more: object) -> tuple[Finding, ...]:
    return findings(CHECK, planned(data=data(**more)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_one_is_enough(value, kind):
    (found,) = look(inputs=holed(value).astype(kind))
    assert found.severity is Severity.CRITICAL
    assert "1 of 360 train samples" in found.summary


def test_it_may_be_in_the_validation_data_alone():
    (found,) = look(inputs=holed(np.nan, at=400))
    assert "validation" in found.summary
    assert [fix.id for fix in found.fixes] == ["impute-missing", "find-non-finite-validation"]


def test_labels_count_too():
    labels = X[:, 0].copy()
    labels[3] = np.nan
    (found,) = look(inputs=X, labels=labels, classes=0)
    assert "labels 'y'" in found.summary


def test_what_a_raw_table_lacks_a_recipe_fills_in():
    table = X.astype(object)
    table[5, 1], table[6, 1] = None, ""
    (found,) = look(inputs=table, is_raw=True)
    assert found.severity is Severity.INFO
    assert "2 of 360" in found.summary


def test_nobody_fills_in_infinity_or_a_label():
    table = X.astype(object)
    table[5, 1] = float("inf")
    assert look(inputs=table, is_raw=True)[0].severity is Severity.WARNING
    names = np.array(["a", "b", ""] * 200)
    assert look(inputs=X, labels=names, is_raw=True, classes=0)[0].severity is Severity.WARNING


@pytest.mark.parametrize("array", [X, X.astype("int32"), X > 0, np.array([["", "word"]] * 600)[:, 0]])
def test_whole_data(array):
    sample = SplitSample(inputs={"x": array}, labels={"y": np.arange(600)})
    assert findings(CHECK, planned(data=DataSample(source="x", splits={Split.TRAIN: sample}))) == ()


def test_the_largest_number_of_its_type_is_a_number():
    assert look(inputs=holed(np.finfo("float32").max)) == ()
