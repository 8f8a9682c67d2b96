from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Finding, OutcomeKind, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, findings, planned, report

CHECK = "distribution-shift"
RNG = np.random.default_rng(0)
N = 600
Y = RNG.integers(0, 3, N)
X = RNG.normal(size=(N, 8)) + RNG.normal(size=(3, 8))[Y]


def split(x: np.ndarray, y: np.ndarray | None = None, share: float = 0.2) -> Run:
    """The last samples are held out, as Keras' validation_split does."""
    first = int((1 - share) * len(x))
    parts = {Split.TRAIN: slice(None, first), Split.VALIDATION: slice(first, None)}
    splits = {
        name: SplitSample(inputs={"x": x[at]}, labels={} if y is None else {"y": y[at]}) for name, at in parts.items()
    }
    return planned(data=DataSample(source="x", splits=splits))


def look(x: np.ndarray, y: np.ndarray | None = None, **more: float) -> tuple[Finding, ...]:
    return findings(CHECK, split(x, y, **more))


ORDER = np.argsort(Y, kind="stable")
SICK = split(X[ORDER], Y[ORDER])


@pytest.mark.parametrize("given", [Y, np.eye(3)[Y], np.array(["a", "b", "c"])[Y]], ids=["numbers", "one-hot", "names"])
def test_sorted_labels_of_which_the_last_part_is_held_out(given):
    (found,) = look(X[ORDER], given[ORDER])
    assert found.severity is Severity.CRITICAL
    assert "100 % of the validation labels" in found.summary
    assert found.fixes[0].id == "resample-validation"


def test_shares_of_classes_that_differ():
    y = np.concatenate([RNG.random(480) < 0.3, RNG.random(120) < 0.6]).astype(int)
    (found,) = look(RNG.normal(size=(N, 4)), y)
    assert found.severity is Severity.WARNING


def test_data_that_drift_with_time():
    (found,) = look(X + np.linspace(0, 3, N)[:, None])
    assert found.severity is Severity.WARNING
    assert "AUC" in found.summary
    assert "8 of 8 features have moved" in found.summary
    assert len(found.evidence) == 6


def augmented(train: np.ndarray, other: np.ndarray, *, operations: tuple[str, ...] = ("RandomUniform",)) -> Run:
    """Training samples whose pipeline draws at random."""
    splits = {
        Split.TRAIN: SplitSample(inputs={"x": train}, random_operations=operations),
        Split.VALIDATION: SplitSample(inputs={"x": other}),
    }
    return planned(data=DataSample(source="x", splits=splits))


def test_augmentation_of_the_training_samples_alone_is_meant_to_differ():
    pictures = np.zeros((400, 12, 12, 1))
    for picture, (top, left) in zip(pictures, RNG.integers(0, 4, (400, 2)), strict=True):
        picture[top : top + 5, left : left + 5] = 1.0
    train, other = pictures[:300].copy(), pictures[300:]
    train[::2] = train[::2, ::-1, ::-1]
    train += RNG.uniform(-0.05, 0.05, (300, 1, 1, 1))
    (found,) = findings(CHECK, augmented(train, other))
    assert found.severity is Severity.INFO
    assert "training samples alone are changed at random" in found.summary
    (found,) = findings(CHECK, augmented(train, other, operations=()))
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize("change", [lambda x: 0.2 * x, lambda x: x + 3], ids=["darker", "moved"])
def test_another_scale_is_told_beside_augmentation(change):
    (found,) = findings(CHECK, augmented(X[:480], change(X[480:])))
    assert found.severity is Severity.WARNING


def by_groups(groups: int, apart: float, seed: int) -> Run:
    """A fifth of the groups held out; each has means of its own."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, N)
    x = rng.normal(size=(N, 12)) + apart * rng.normal(size=(groups, 12))[group]
    return split(x[np.argsort(group < groups // 5, kind="stable")], share=float((group < groups // 5).mean()))


def test_groups_that_were_held_out_are_no_fault():
    told = [f for seed in range(20) for f in findings(CHECK, by_groups(20, 0.5, seed))]
    assert len(told) > 8
    assert sum(f.severity is Severity.WARNING for f in told) <= 2
    assert all("a split by groups or by time looks like this too" in f.summary for f in told)
    assert findings(CHECK, by_groups(100, 0.3, 0)) == ()


def test_one_feature_of_many():
    x = RNG.normal(size=(N, 200))
    x[480:, 17] += 1.5
    (found,) = look(x)
    assert "x[17]" in found.summary


def test_another_spread_with_the_same_mean():
    x = RNG.normal(size=(N, 8))
    x[480:] *= 2.5
    assert look(x)


@pytest.mark.parametrize("kind", ["brightness", "scaled twice"])
def test_pictures_preprocessed_in_another_way(kind):
    pictures = RNG.random((400, 20, 20, 3)).astype("float32") * RNG.random((400, 1, 1, 1)).astype("float32")
    pictures[320:] = pictures[320:] + 0.3 if kind == "brightness" else pictures[320:] / 255
    assert look(pictures)


def test_targets_that_grow_with_time():
    y = np.linspace(0, 10, N) + RNG.normal(size=N)
    (found,) = look(RNG.normal(size=(N, 4)), y)
    assert found.severity is Severity.CRITICAL
    assert "median" in found.summary


def test_targets_that_differ_no_more_than_groups_do_are_worth_knowing():
    y = RNG.normal(size=N)
    y[480:] += 0.65
    (found,) = look(RNG.normal(size=(N, 4)), y)
    assert found.severity is Severity.INFO
    assert "a split by groups or by time looks like this too" in found.summary


def test_a_large_sample_does_not_make_a_small_difference_a_finding():
    x = RNG.normal(size=(6000, 4))
    x[4800:] += 0.15
    assert look(x) == ()


def test_random_splits():
    assert look(X, Y) == ()
    assert findings(CHECK, planned(data=data())) == ()


def test_a_table_of_text_and_numbers():
    cells = np.array([["red", "blue"][i] for i in RNG.integers(0, 2, N)], dtype=object)
    table = np.stack([cells, RNG.normal(size=N).astype(object)], axis=1)
    assert look(table) == ()
    table[480:, 0] = "green"
    assert look(table)


def test_another_shape_or_type_is_not_compared():
    splits = {
        Split.TRAIN: SplitSample(inputs={"x": X}),
        Split.VALIDATION: SplitSample(inputs={"x": np.zeros((10, 5))}),
        Split.TEST: SplitSample(inputs={"x": np.empty((0, 8))}),
    }
    assert findings(CHECK, planned(data=DataSample(source="x", splits=splits))) == ()


def test_one_split_cannot_be_compared():
    alone = planned(data=DataSample(source="x", splits={Split.TRAIN: SplitSample(inputs={"x": X})}))
    assert report(CHECK, alone).outcomes[0].kind is OutcomeKind.NOT_APPLICABLE
