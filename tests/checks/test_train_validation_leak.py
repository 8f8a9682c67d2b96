from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, findings, planned

CHECK = "train-validation-leak"
RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(400, 12)).astype("float32")
OTHER = RNG.normal(size=(100, 12)).astype("float32")
LABELS = RNG.integers(0, 3, 400)


def splits(train: np.ndarray, other: np.ndarray, *labels: np.ndarray, **more: bool) -> Run:
    given = [{"y": each} for each in labels] or [{}, {}]
    parts = {
        Split.TRAIN: SplitSample(inputs={"x": train}, labels=given[0]),
        Split.VALIDATION: SplitSample(inputs={"x": other}, labels=given[1]),
    }
    return planned(data=DataSample(source="x", splits=parts, **more))


def look(train: np.ndarray, other: np.ndarray, *labels: np.ndarray, **more: bool) -> tuple[Finding, ...]:
    return findings(CHECK, splits(train, other, *labels, **more))


def leaked(count: int, other: np.ndarray = OTHER, train: np.ndarray = TRAIN) -> np.ndarray:
    mixed = other.copy()
    mixed[:count] = train[:count]
    return mixed


def photographs(n: int, side: int = 32) -> np.ndarray:
    """Smooth, coloured, each its own."""
    waves = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1) / side
    pictures = np.zeros((n, side, side, 3))
    for _ in range(12):
        waved = waves @ RNG.normal(0, 4, (n, 2, 1)).transpose(1, 0, 2).reshape(2, n)
        pictures += np.sin(waved.transpose(2, 0, 1) + 6 * RNG.random((n, 1, 1)))[..., None] * RNG.random((n, 1, 1, 3))
    low, high = pictures.min(axis=(1, 2, 3), keepdims=True), pictures.max(axis=(1, 2, 3), keepdims=True)
    return (255 * (pictures - low) / (high - low)).astype("uint8")


PHOTOGRAPHS = photographs(300)
SICK: Run = splits(TRAIN, leaked(30))


@pytest.mark.parametrize(("count", "severity"), [(0, None), (2, None), (3, Severity.WARNING), (30, Severity.CRITICAL)])
def test_how_many_copies(count, severity):
    found = look(TRAIN, leaked(count))
    assert [f.severity for f in found] == ([] if severity is None else [severity])
    if found:
        assert f"{count} of 100 validation samples" in found[0].summary
        assert "interval" in found[0].summary
        assert found[0].fixes[0].id == "check-duplicates"


def test_types_do_not_hide_copies():
    assert look(TRAIN, leaked(30).astype("float64"))
    assert look(PHOTOGRAPHS[:200], PHOTOGRAPHS[180:].astype("float32"))


def test_whether_labels_agree_is_told():
    other = LABELS[:100].copy()
    (found,) = look(TRAIN, leaked(20), LABELS, other)
    assert "100 % of them have the same label" in found.summary


def test_oversampled_before_the_split():
    rare = np.repeat(TRAIN[:60], 5, axis=0)
    order = RNG.permutation(300)
    assert look(rare[order[:240]], rare[order[240:]])[0].severity is Severity.CRITICAL


def test_tables_of_few_values_have_honest_twins():
    levels = RNG.integers(0, 3, (500, 5))
    table = np.eye(3)[levels].reshape(500, -1)
    assert look(table[:400], table[400:]) == ()
    assert look(levels[:400].astype(str).astype(object), levels[400:].astype(str).astype(object)) == ()


def test_copies_beyond_the_honest_twins():
    levels = RNG.integers(0, 4, (500, 10))
    assert look(levels[:400], np.concatenate([levels[:60], levels[400:440]]))


def test_everything_twice_in_rows_of_whole_numbers():
    """Few values in many columns do not meet by chance, though each training sample may have a twin too."""
    digits = np.tile(RNG.integers(0, 17, (300, 64)) * (RNG.random(64) < 0.9), (2, 1))[RNG.permutation(600)]
    (found,) = look(digits[:400], digits[400:])
    assert found.severity is Severity.CRITICAL
    gappy = np.where(RNG.random(digits.shape) < 0.05, np.nan, digits)
    twice = np.concatenate([gappy[:300], gappy[:300]])[RNG.permutation(600)]
    assert look(twice[:400], twice[400:])


def test_things_of_a_kind_are_no_copies():
    """What was sold, described in many columns: a row for each sale, labelled by who bought it."""
    things = RNG.integers(0, 5, (80, 30))
    sold, buyers = things[RNG.integers(0, 80, 500)], RNG.integers(0, 3, 500)
    assert look(sold[:400], sold[400:], buyers[:400], buyers[400:]) == ()
    few = things[RNG.integers(0, 12, 500)]
    assert look(few[:400], few[400:]) == ()


@pytest.mark.parametrize("how", ["noise", "brightness", "contrast", "compression"])
def test_pictures_that_are_nearly_the_same(how):
    copies = PHOTOGRAPHS[:30].astype("float32")
    changed = {
        "noise": copies + RNG.normal(0, 4, copies.shape),
        "brightness": copies + 20,
        "contrast": copies * 0.8,
        "compression": np.round(copies / 16) * 16,
    }[how]
    (found,) = look(PHOTOGRAPHS[:200], np.concatenate([changed.clip(0, 255), PHOTOGRAPHS[200:270]]).astype("uint8"))
    assert "near copies" in found.summary
    assert "30 of 100" in found.summary


def test_pictures_that_are_each_their_own():
    assert look(PHOTOGRAPHS[:200], PHOTOGRAPHS[200:]) == ()


def test_rows_with_jitter():
    (found,) = look(TRAIN, leaked(30) + RNG.normal(0, 1e-3, OTHER.shape).astype("float32"))
    assert "near copies" in found.summary


def test_neighbours_in_time_are_no_copies():
    walk = np.cumsum(RNG.normal(size=(500, 12)), axis=0) * 0.01
    held_out = np.arange(500) % 5 == 0
    assert look(walk[~held_out], walk[held_out], is_sequence=True) == ()


def test_blank_pictures_are_copies_of_nothing():
    pictures = PHOTOGRAPHS.copy()
    pictures[::3] = 0
    assert look(pictures[:200], pictures[200:]) == ()


@pytest.mark.parametrize("name", ["iris", "digits", "breast_cancer", "wine"])
def test_well_known_data(name):
    datasets = pytest.importorskip("sklearn.datasets")
    x = getattr(datasets, f"load_{name}")().data
    order = RNG.permutation(len(x))
    assert look(x[order[: len(x) * 3 // 4]], x[order[len(x) * 3 // 4 :]]) == ()


def test_sound_and_odd_splits():
    assert findings(CHECK, planned(data=data())) == ()
    assert look(TRAIN, OTHER[:0]) == ()
    assert look(TRAIN, OTHER[:, :5]) == ()
    assert look(TRAIN, OTHER * np.nan) == ()
