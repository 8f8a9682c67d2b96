from __future__ import annotations

import numpy as np
import pytest

from diagnose.measures.overlap import overlap

SERIES = np.random.default_rng(0).normal(size=400)


def windows(starts: list[int], steps: int = 10) -> np.ndarray:
    return np.stack([SERIES[start : start + steps] for start in starts])


def test_halves_are_found_at_any_step():
    found = overlap(windows([100, 105, 95, 97, 106, 200]), windows([100, 300]))
    assert found is not None
    assert found.first.tolist() == [True, True, False, False, False, False]
    assert found.second.tolist() == [True, False, True, True, False, False]
    assert (found.either, found.between) == (4, 1)


def test_a_window_between_two_others():
    found = overlap(windows([104]), windows([100, 108]))
    assert found is not None
    assert found.between == 1


def test_the_type_and_further_axes_do_not_matter():
    ours, theirs = (windows(starts)[..., None, None] for starts in ([100], [103]))
    found = overlap(ours.astype("float64"), theirs.astype("float32"))
    assert found is not None
    assert found.either == 1


@pytest.mark.parametrize(
    "others",
    [
        np.zeros((50, 10)),
        windows([0])[:, :3],
        windows([0])[:0],
        np.array([["a"] * 10]),
        windows([0])[0],
        np.tile(windows([0, 40, 80]), (20, 1)),
    ],
    ids=["blank", "other steps", "none", "text", "no axis", "it recurs"],
)
def test_what_cannot_be_told(others):
    assert overlap(others, others) is None
    assert overlap(windows([0]), others) is None


def test_nan_and_blank_stretches_are_shared_with_nothing():
    ours, theirs = windows([0, 40]), windows(list(range(200, 300)))
    ours[:, :5] = theirs[:, 5:] = 0.0
    found = overlap(ours, theirs)
    assert found is not None
    assert found.either == 0
    assert overlap(np.full((3, 10), np.nan), np.full((9, 10), np.nan)) is None
