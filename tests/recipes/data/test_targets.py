"""Which task targets make, what they become, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recipes.data.targets import encode
from recipes.errors import DataError
from recipes.task import Kind

ALL = np.arange(1000)


@pytest.mark.parametrize(
    ("found", "kind", "names"),
    [
        ([0, 1, 1, 0], Kind.BINARY, ("0", "1")),
        ([3.5, 1.5, 1.5, 3.5], Kind.BINARY, ("1.5", "3.5")),
        ([True, False, True, True], Kind.BINARY, ("False", "True")),
        (["yes", "no", "no", "yes"], Kind.BINARY, ("no", "yes")),
        ([1, 2, 3] * 3, Kind.MULTICLASS, ("1", "2", "3")),
        ([1.0, 2.0, 3.0] * 3, Kind.MULTICLASS, ("1", "2", "3")),
        (["a", "b", "c"], Kind.MULTICLASS, ("a", "b", "c")),
        ([0.5, 1.5, 2.25], Kind.REGRESSION, ("target",)),
        (list(range(100)), Kind.REGRESSION, ("target",)),
        (list(range(100)) * 3, Kind.MULTICLASS, tuple(map(str, range(100)))),  # counted without a gap: labels
        ([n + 18 for n in range(60)] * 5, Kind.REGRESSION, ("target",)),  # ages
        ([1, 2, 3], Kind.REGRESSION, ("target",)),  # one sample each: quantities
        ([[1, 0], [1, 1], [0, 0]], Kind.MULTILABEL, ("0", "1")),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], Kind.MULTICLASS, ("0", "1", "2")),
        ([[1, 0], [0, 1], [0, 1]], Kind.BINARY, ("0", "1")),
        ([[0.5, 3], [1, 4], [2, 5]], Kind.REGRESSION, ("target 1", "target 2")),
        ([[2], [3], [2]], Kind.BINARY, ("2", "3")),
    ],
)
def test_the_target_tells_the_task(found: list[Any], kind: Kind, names: tuple[str, ...]):
    encoded = encode(np.array(found))
    assert (encoded.kind, encoded.names) == (kind, names)


def test_targets_are_encoded_as_tasks_describe_them():
    binary = encode(np.array(["no", "yes", "no"]))
    assert binary.values.dtype == np.float32
    assert binary.values.tolist() == [0, 1, 0]
    multiclass = encode(np.array([7, 5, 9, 5] * 3))
    assert multiclass.values.dtype == np.int32
    assert multiclass.values[:4].tolist() == [1, 0, 2, 0]
    assert encode(np.eye(3)[[2, 0, 1]]).values.tolist() == [2, 0, 1]
    regression = encode(np.array([0.5, 1.25, 2.0]))
    assert regression.values.dtype == np.float32
    assert regression.values.shape == (3, 1)
    assert encode(np.array([[1, 1], [0, 1], [0, 0]])).values.dtype == np.float32


def test_a_told_task_goes_before_what_the_values_look_like():
    assert encode(np.array([1, 2, 3] * 5), "regression").kind is Kind.REGRESSION
    assert encode(np.array([0, 1, 1]), "multiclass").values.dtype == np.int32
    assert encode(np.eye(3), "multilabel").kind is Kind.MULTILABEL
    assert encode(np.array([[0, 1], [1, 1]]), "regression").kind is Kind.REGRESSION


def test_names_of_classes_are_kept():
    encoded = encode(np.array([0, 1, 2, 1]), classes=("setosa", "versicolor", "virginica"))
    assert (encoded.kind, encoded.names) == (Kind.MULTICLASS, ("setosa", "versicolor", "virginica"))
    assert encode(np.array([[1, 0], [1, 1]]), names=("sun", "rain")).names == ("sun", "rain")


def test_objects_are_taken_for_what_they_hold():
    assert encode(np.array(["a", "b", "a"], dtype=object)).names == ("a", "b")
    assert encode(np.array([1, 2.5, 3.25], dtype=object)).kind is Kind.REGRESSION


@pytest.mark.parametrize(
    ("found", "task", "says"),
    [
        ([1, 1, 1], "auto", "nothing to learn"),
        (["a", "a"], "auto", "'a' in every sample"),
        ([], "auto", "no sample"),
        ([1.0, np.nan, 2.0, np.nan], "auto", r"sample 2 is missing \(2 are\)"),
        ([1.0, 2.0, np.inf], "auto", "sample 3 is infinite"),
        (np.array(["a", None, "b"], dtype=object), "auto", "sample 2 is missing"),
        ([f"text {n}" for n in range(50)], "auto", "right column"),
        ([0, 1, 2], "binary", "3 distinct values"),
        ([0.5, 1.5, 2.5], "multiclass", "fractions"),
        ([0, 1, 1], "multilabel", "one column"),
        (["a", "b", "a"], "regression", "classes by name"),
        ([[1, 0, 1], [0, 0, 1]], "multiclass", "several"),
        ([[1, 2], [3, 4]], "multilabel", "not all 0 or 1"),
        (np.eye(3), "binary", "3 classes"),
        ([["a", "b"], ["c", "d"]], "auto", "text"),
        (np.zeros((2, 3, 4)), "auto", "shape 3x4"),
        ([1e300, 1.5, 2.5], "auto", "too large"),
        (np.array([1j, 2j]), "auto", "complex"),
    ],
)
def test_targets_that_make_no_task_are_refused_in_one_line(found: Any, task: str, says: str):
    with pytest.raises(DataError, match=says) as caught:
        encode(np.array(found), task)
    assert "\n" not in str(caught.value)


def boxes(*objects: tuple[float, ...]) -> np.ndarray:
    return np.array([[object_, (0, 0, 0, 0, -1)] for object_ in objects], np.float32)


def test_boxes_are_detection():
    found = encode(boxes((0.5, 0.5, 0.2, 0.2, 1), (0.1, 0.2, 0.1, 0.1, 0)))
    assert (found.kind, found.names) == (Kind.DETECTION, ("0", "1"))
    assert found.task(np.arange(2)).counts == (1, 1)


@pytest.mark.parametrize(
    ("object_", "says"),
    [
        ((0.5, 1.5, 0.2, 0.2, 0), "sample 2.*from 0 to 1"),
        ((0.5, 0.5, 0.0, 0.2, 0), "sample 2.*from 0 to 1"),
        ((0.5, np.nan, 0.2, 0.2, 0), "sample 2 is not finite"),
        ((0.5, 0.5, 0.2, 0.2, 0.5), "whole number"),
    ],
)
def test_boxes_out_of_the_image_are_refused(object_: tuple[float, ...], says: str):
    with pytest.raises(DataError, match=says):
        encode(boxes((0.5, 0.5, 0.2, 0.2, 0), object_))


def test_statistics_are_of_the_training_samples_alone():
    encoded = encode(np.array([0.0, 2.0, 1000.5]))
    task = encoded.task(np.array([0, 1]))
    assert (task.means, task.deviations) == ((1.0,), (1.0,))
    assert encode(np.array(["a", "b", "a", "b", "b"])).task(np.arange(3)).counts == (2, 1)
    assert encode(np.array([[1, 1], [0, 1], [1, 1]])).task(np.arange(2)).counts == (1, 2)


def test_a_class_or_number_that_training_cannot_learn_is_refused():
    with pytest.raises(DataError, match="class 'b' has no training sample"):
        encode(np.array(["a", "b", "c"])).task(np.array([0, 2]))
    with pytest.raises(DataError, match="'target' is 5 in every training sample"):
        encode(np.array([5.0, 5.0, 1.5, 2.5])).task(np.array([0, 1]))


def test_strata_are_classes_the_rarest_label_or_quantiles():
    assert encode(np.array(["b", "a", "c"])).strata().tolist() == [1, 0, 2]
    labels = encode(np.array([[1, 0], [1, 1], [0, 0], [1, 0]]))
    assert labels.strata().tolist() == [1, 2, 0, 1]
    numbers = encode(np.linspace(0.5, 1, 200)).strata()
    assert np.bincount(numbers).tolist() == [20] * 10
    assert encode(np.linspace(0.5, 1, 30)).strata() is None  # too few for quantiles
