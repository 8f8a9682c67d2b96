from __future__ import annotations

import numpy as np
import pytest

from diagnose.measures.labels import Kind, counts_of, labels_of
from diagnose.run import Split
from tests.blueprints import classifier, data, dense, model, planned

N = 600
RNG = np.random.default_rng(0)
TEN = RNG.integers(0, 10, N)
MSE = model(dense(1), loss="mean_squared_error")


def kind(y: np.ndarray, network=None) -> Kind:
    (found,) = labels_of(planned(network, data(labels=y, inputs=np.zeros((N, 2)))))
    return found.kind


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (TEN, Kind.CLASSES),
        (TEN[:, None].astype("float32"), Kind.CLASSES),
        (TEN > 4, Kind.CLASSES),
        (np.array(["a", "b"])[TEN % 2], Kind.CLASSES),
        (np.eye(10)[TEN], Kind.CLASSES),
        (RNG.random((N, 4)) < 0.5, Kind.MULTI_LABEL),
        (RNG.normal(size=N), Kind.REGRESSION),
        (RNG.normal(size=(N, 3)), Kind.REGRESSION),
        (RNG.permutation(N), Kind.REGRESSION),
        (np.zeros((N, 4, 4)), Kind.DENSE),
    ],
)  # fmt: skip
def test_kinds_without_a_model(labels, expected):
    assert kind(labels) is expected


def test_the_loss_decides_where_there_is_one():
    assert kind(TEN, MSE) is Kind.REGRESSION
    assert kind(TEN.astype(float), classifier()) is Kind.CLASSES


def test_classes_are_counted_over_all_splits():
    y = np.concatenate([np.zeros(360, dtype=int), np.full(120, 2), np.full(120, 7)])
    (found,) = labels_of(planned(data=data(labels=y, inputs=np.zeros((N, 2)))))
    classes, counts = counts_of(found)
    assert classes.tolist() == [0, 2, 7]
    assert counts[Split.TRAIN].tolist() == [360, 0, 0]
    assert counts[Split.TEST].tolist() == [0, 0, 120]
