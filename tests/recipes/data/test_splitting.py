"""Splits: of the sizes asked for, alike, apart, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recipes.data.splitting import fold, split
from recipes.errors import DataError

SHARES = {"validation": 0.2, "test": 0.2}


@settings(deadline=None)
@given(st.integers(3, 300), st.integers(1, 12), st.booleans(), st.integers(0, 5))
def test_every_sample_is_in_one_split(samples: int, kinds: int, grouped: bool, seed: int):
    strata = np.arange(samples) % kinds
    groups = np.arange(samples) // 2 if grouped and samples >= 6 else None
    splits = split(samples, SHARES, seed, strata, groups)
    assert list(splits) == ["train", "validation", "test"]
    assert sorted(np.concatenate(list(splits.values()))) == list(range(samples))
    assert all(len(rows) and np.all(np.diff(rows) > 0) for rows in splits.values())


@settings(deadline=None)
@given(st.integers(10, 2000), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_sizes_are_the_shares_rounded(samples: int, validation: float, test: float):
    splits = split(samples, {"validation": validation, "test": test}, 0)
    assert len(splits["validation"]) == max(1, round(samples * validation))
    assert len(splits["test"]) == max(1, round(samples * test))


def test_classes_are_as_frequent_in_every_split():
    strata = np.repeat([0, 1, 2], [600, 300, 100])
    for rows in split(1000, SHARES, 0, strata).values():
        assert np.allclose(np.bincount(strata[rows]) / len(rows), [0.6, 0.3, 0.1], atol=0.005)


def test_the_seed_alone_decides():
    first, same, other = (split(100, SHARES, seed)["test"].tolist() for seed in (1, 1, 2))
    assert first == same != other


def test_another_share_for_validation_leaves_the_test_alone():
    few, many = (split(100, {"validation": share, "test": 0.2}, 0)["test"].tolist() for share in (0.1, 0.3))
    assert few == many


def test_a_class_of_two_samples_is_for_training():
    strata = np.array([0] * 50 + [1] * 48 + [2] * 2)
    assert {98, 99} <= set(split(100, SHARES, 0, strata)["train"].tolist())


@pytest.mark.parametrize(("classes", "each"), [(50, 4), (100, 3), (40, 2), (30, 4)])
def test_no_class_of_many_is_lost_from_training(classes: int, each: int):
    strata = np.repeat(np.arange(classes), each)
    for seed in range(10):
        splits = split(len(strata), SHARES, seed, strata)
        assert set(strata[splits["train"]]) == set(range(classes))
        assert [len(splits[name]) for name in SHARES] == [round(0.2 * len(strata))] * 2


share = st.floats(0.05, 0.45)


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), share, share, st.integers(0, 5))
def test_each_class_is_in_training_where_there_is_room(sizes: list[int], validation: float, test: float, seed: int):
    strata = np.repeat(np.arange(len(sizes)), sizes)
    assume(len(strata) >= 4)
    train = split(len(strata), {"validation": validation, "test": test}, seed, strata)["train"]
    assert len(set(strata[train])) == len(sizes) or len(train) < len(sizes)


def test_a_group_is_in_one_split_and_sizes_come_near():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 60, 40))
    strata = rng.integers(0, 3, len(groups))
    splits = split(len(groups), SHARES, 0, strata, groups)
    homes = [set(groups[rows]) for rows in splits.values()]
    assert sum(map(len, homes)) == 40
    for name, share in {**SHARES, "train": 0.6}.items():
        assert len(splits[name]) / len(groups) == pytest.approx(share, abs=0.02)
        assert np.allclose(np.bincount(strata[splits[name]]) / len(splits[name]), 1 / 3, atol=0.06)


def test_groups_of_one_class_each_are_dealt_out_by_class():
    groups = np.repeat(np.arange(12), 10)
    strata = groups % 2
    for rows in split(120, SHARES, 0, strata, groups).values():
        assert set(strata[rows]) == {0, 1}


def test_only_what_is_not_given_is_taken():
    splits = split(100, {"validation": 0.2}, 0)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 80, "validation": 20}
    assert split(5, {}, 0)["train"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("samples", "shares", "groups", "says"),
    [
        (2, SHARES, None, "2 samples are too few"),
        (100, {"validation": 0.6, "test": 0.5}, None, r"0.6 \+ 0.5 leaves nothing"),
        (10, SHARES, [0] * 5 + [1] * 5, "2 groups are too few for 3 splits"),
    ],
)
def test_too_little_is_refused(samples, shares, groups, says):
    with pytest.raises(DataError, match=says):
        split(samples, shares, 0, groups=None if groups is None else np.array(groups))


@pytest.mark.parametrize("kinds", [1, 3, 40])
def test_the_test_is_the_same_with_and_without_validation(kinds: int):
    strata = np.arange(200) % kinds
    strata[:2] = kinds  # a class of two
    whole, part = split(200, SHARES, 3, strata), split(200, {**SHARES, "validation": 0.0}, 3, strata)
    assert whole["test"].tolist() == part["test"].tolist()
    assert list(part) == ["train", "test"]
    assert sorted([*whole["train"], *whole["validation"]]) == part["train"].tolist()


@settings(deadline=None)
@given(st.integers(10, 80), st.integers(2, 7), st.integers(1, 5), st.booleans(), st.integers(0, 3))
def test_every_sample_is_in_one_fold(samples: int, count: int, kinds: int, grouped: bool, seed: int):
    strata = np.arange(samples) % kinds
    groups = np.arange(samples) % 8 if grouped else None
    folds = [fold((number, count), samples, seed, strata, groups) for number in range(count)]
    assert sorted(np.concatenate(folds)) == list(range(samples))
    if groups is not None:
        assert sum(len(np.unique(groups[rows])) for rows in folds) == 8


def test_classes_are_as_frequent_in_every_fold():
    strata = np.repeat([0, 1], [60, 30])
    for number in range(5):
        assert np.bincount(strata[fold((number, 5), 90, 0, strata)]).tolist() == [12, 6]


def test_more_folds_than_groups_are_refused():
    with pytest.raises(DataError, match="3 groups are too few for 5 folds"):
        fold((0, 5), 30, 0, groups=np.arange(30) % 3)
