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


def shuffled(*arrays: np.ndarray, count: int | None = None) -> Run:
    """Split at random, four fifths for training."""
    order = RNG.permutation(len(arrays[0]))[:count]
    cut = 4 * len(order) // 5
    left, right = ([each[rows] for each in arrays] for rows in (order[:cut], order[cut:]))
    return splits(left[0], right[0], *([left[1], right[1]] if len(arrays) > 1 else []))


def noisy(array: np.ndarray, deviation: float) -> np.ndarray:
    return array + RNG.normal(0, deviation, array.shape)


def shapes(n: int, side: int, *, is_bright: bool) -> tuple[np.ndarray, np.ndarray]:
    """A square, a cross or a disc at any pixel of a black picture."""
    rows, columns = np.mgrid[:9, :9] - 4
    kinds = np.maximum(abs(rows), abs(columns)) == 4, (rows == 0) | (columns == 0), rows**2 + columns**2 <= 10
    pictures, labels = np.zeros((n, side, side, 1), "float32"), RNG.integers(0, 3, n)
    for picture, label, (top, left) in zip(pictures, labels, RNG.integers(0, side - 9, (n, 2)), strict=True):
        bright = RNG.uniform(0.6, 1) if is_bright else 1.0
        picture[top : top + 9, left : left + 9, 0] = kinds[label] * bright
    return pictures, labels


@pytest.mark.parametrize("side", [24, 64])
@pytest.mark.parametrize("is_bright", [True, False])
def test_shapes_at_whole_pixels_meet_by_chance(side, is_bright):
    assert findings(CHECK, shuffled(*shapes(900, side, is_bright=is_bright))) == ()


def test_bars_are_a_few_kinds_of_pictures():
    bars = np.zeros((18, 2, 20, 20, 1))
    for place in range(18):
        bars[place, 0, place : place + 2] = bars[place, 1, :, place : place + 2] = 1
    of = RNG.integers(0, 36, 600)
    assert findings(CHECK, shuffled(bars.reshape(36, 20, 20, 1)[of], of % 2)) == ()


def test_a_spot_at_any_place_has_neighbours():
    rows, columns = np.mgrid[:24, :24]
    at = RNG.uniform(4, 20, (600, 2, 1, 1))
    spots = np.exp(-((rows - at[:, 0]) ** 2 + (columns - at[:, 1]) ** 2) / 18)[..., None].astype("float32")
    assert findings(CHECK, shuffled(spots)) == ()
    (found,) = findings(CHECK, shuffled(np.concatenate([spots, spots])))
    assert found.severity is Severity.CRITICAL


def test_few_questions_with_few_answers():
    answers = (RNG.random((2000, 7)) < [0.5, 0.4, 0.6, 0.3, 0.5, 0.7, 0.5]).astype("float32")
    for _ in range(4):
        assert findings(CHECK, shuffled(answers, RNG.integers(0, 2, 2000), count=1700)) == ()
    scaled = (answers - answers.mean(axis=0)) / answers.std(axis=0)
    assert findings(CHECK, shuffled(scaled, RNG.integers(0, 2, 2000))) == ()


def test_frames_of_one_film_on_both_sides():
    films = PHOTOGRAPHS[:60].astype("float32")
    frames, labels = noisy(np.repeat(films, 15, axis=0), 3.0), np.repeat(RNG.integers(0, 2, 60), 15)
    (found,) = findings(CHECK, shuffled(frames.clip(0, 255).astype("uint8"), labels))
    assert "near copies" in found.summary
    by_film = splits(frames[:720], frames[720:], labels[:720], labels[720:])
    assert findings(CHECK, by_film) == ()


def test_pictures_that_are_alike_because_they_are_of_one_kind():
    letters, of = RNG.random((26, 12, 12, 1)) < 0.4, RNG.integers(0, 26, 800)
    pictures = noisy(letters[of].astype("float32"), 0.02)
    assert findings(CHECK, shuffled(pictures, of)) == ()
    assert findings(CHECK, shuffled(pictures, of % 2)) == ()


def test_jitter_before_the_split():
    rows, labels = np.tile(TRAIN, (3, 1)), np.tile(LABELS, 3)
    (found,) = findings(CHECK, shuffled(noisy(rows, 0.01), labels))
    assert "near copies" in found.summary
    modes = RNG.integers(0, 5, 1000)
    assert findings(CHECK, shuffled(noisy(RNG.normal(size=(5, 12))[modes], 0.01))) == ()


SERIES = np.cumsum(RNG.normal(size=(1500, 2)), axis=0)


def windows(series: np.ndarray, steps: int, stride: int = 1) -> np.ndarray:
    """Shape (n, steps, ...)."""
    cut = np.lib.stride_tricks.sliding_window_view(series, steps, axis=0)[::stride]
    return np.ascontiguousarray(np.moveaxis(cut, -1, 1))


@pytest.mark.parametrize(
    "given",
    [
        windows(SERIES, 30),
        windows(SERIES[:, 0], 30, 4),
        windows(SERIES[:, :1], 30, 15).astype("float32"),
        windows(SERIES[:, 0], 7)[:, ::-1],
        windows(np.round(20 * SERIES[:, 0]).astype("int64"), 24),
    ],
    ids=["two channels", "every fourth", "half of it", "lags", "whole numbers"],
)
def test_windows_that_overlap_drawn_at_random(given):
    (found,) = findings(CHECK, shuffled(given))
    assert found.severity is Severity.CRITICAL
    assert "share half of their steps" in found.summary
    assert found.fixes[0].id == "split-by-time"


def test_windows_of_several_series_drawn_at_random():
    subjects = [windows(RNG.normal(size=(200, 3)), 50, 10) for _ in range(20)]
    assert findings(CHECK, shuffled(np.concatenate(subjects)))
    assert look(np.concatenate(subjects[:15]), np.concatenate(subjects[15:])) == ()


def test_windows_at_the_cut_overlap_on_one_side():
    given = windows(SERIES, 48)
    assert look(given[:1300], given[1300:], is_sequence=True) == ()
    stores = [windows(RNG.normal(size=80), 20) for _ in range(20)]
    before, after = (np.concatenate([each[part] for each in stores]) for part in (slice(45), slice(45, None)))
    assert look(before, after, is_sequence=True) == ()


def test_stretches_that_recur_are_no_overlap():
    hours = np.sin(2 * np.pi * np.arange(1200) / 24).astype("float32")
    given = windows(hours[:, None], 24)
    assert look(given[:900], given[900:], is_sequence=True) == ()
    turns, fast = RNG.integers(0, 48, 800), RNG.integers(0, 2, 800)
    waves = np.sin(2 * np.pi * (np.arange(48) + turns[:, None]) * (2 + fast[:, None]) / 48).astype("float32")
    assert findings(CHECK, shuffled(waves[..., None], fast)) == ()
    texts = RNG.integers(1, 30, (1000, 20)) * (np.arange(20) >= RNG.integers(12, 19, (1000, 1)))
    assert findings(CHECK, shuffled(texts)) == ()


def test_features_of_users_beside_those_of_things_are_no_windows():
    users, things = RNG.normal(size=(60, 6)), RNG.normal(size=(50, 6))
    rows = np.concatenate([users[RNG.integers(0, 60, 1500)], things[RNG.integers(0, 50, 1500)]], axis=1)
    assert findings(CHECK, shuffled(rows, RNG.normal(size=1500))) == ()


def test_sound_and_odd_splits():
    assert findings(CHECK, planned(data=data())) == ()
    assert look(TRAIN, OTHER[:0]) == ()
    assert look(TRAIN, OTHER[:, :5]) == ()
    assert look(TRAIN, OTHER * np.nan) == ()
