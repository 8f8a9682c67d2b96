from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, findings, planned

CHECK = "augmented-evaluation"
RNG = np.random.default_rng(0)
PICTURES = np.cumsum(RNG.normal(size=(200, 16, 16, 3)), axis=2)


def twice(first: np.ndarray, second: np.ndarray, split: Split = Split.VALIDATION) -> Run:
    splits = {Split.TRAIN: SplitSample(inputs={"x": first})}
    splits[split] = SplitSample(inputs={"x": first}, again={"x": second})
    return planned(data=DataSample(source="x", splits={**splits, Split.TEST: SplitSample(inputs={"x": first})}))


def look(first: np.ndarray, second: np.ndarray) -> tuple[Finding, ...]:
    return findings(CHECK, twice(first, second))


def flipped(share: float) -> np.ndarray:
    return np.where(RNG.random((200, 1, 1, 1)) < share, PICTURES[:, :, ::-1], PICTURES)


SICK: Run = twice(PICTURES, flipped(0.5))


def test_random_flips():
    (found,) = look(PICTURES, flipped(0.5))
    assert found.severity is Severity.WARNING
    assert "validation" in found.summary
    assert found.fixes[0].id == "augment-training-only"


@pytest.mark.parametrize(("share", "fires"), [(0.0, False), (0.01, False), (0.2, True)])
def test_how_many_must_change(share, fires):
    assert bool(look(PICTURES, flipped(share))) == fires


def test_noise_and_brightness():
    assert look(PICTURES, PICTURES + RNG.normal(0, 0.1, PICTURES.shape))
    assert look(PICTURES, PICTURES * RNG.uniform(0.8, 1.2, (200, 1, 1, 1)))


def test_a_split_that_is_drawn_anew_at_each_reading():
    train, first = PICTURES[:120], PICTURES[120:]
    second = first.copy()
    second[:30] = train[:30]
    (found,) = findings(
        CHECK,
        planned(
            data=DataSample(
                source="x",
                splits={
                    Split.TRAIN: SplitSample(inputs={"x": train}),
                    Split.VALIDATION: SplitSample(inputs={"x": first}, again={"x": second}),
                },
            )
        ),
    )
    assert "30 samples of the training data are among them" in found.summary
    assert found.fixes[0].id == "split-once"


def test_rounding_is_no_change():
    assert look(PICTURES, PICTURES + RNG.normal(0, 1e-6, PICTURES.shape)) == ()
    assert look(np.where(PICTURES > 3, np.nan, PICTURES), np.where(PICTURES > 3, np.nan, PICTURES)) == ()


def test_another_order_is_no_change():
    assert look(PICTURES, PICTURES[RNG.permutation(200)]) == ()
    words = np.array([f"word {i}" for i in range(200)], dtype=object)
    assert look(words, words[::-1]) == ()
    assert look(words, np.array([f"other {i}" for i in range(200)], dtype=object))


def test_training_data_may_change():
    changing = SplitSample(inputs={"x": PICTURES}, again={"x": flipped(0.5)})
    still = SplitSample(inputs={"x": PICTURES}, again={"x": PICTURES})
    given = DataSample(source="x", splits={Split.TRAIN: changing, Split.VALIDATION: still})
    assert findings(CHECK, planned(data=given)) == ()


def test_what_was_read_once_or_is_empty_is_not_judged():
    assert findings(CHECK, planned(data=data())) == ()
    assert look(PICTURES[:0], PICTURES[:0]) == ()
    assert look(np.zeros((5, 3)), np.ones((5, 3))) == ()


def test_random_operations_of_a_pipeline_are_enough_where_a_seed_makes_the_readings_alike() -> None:
    def drawing(split: Split) -> Run:
        sound = data()
        drawn = dataclasses.replace(sound.splits[split], random_operations=("RandomUniform",))
        return planned(data=dataclasses.replace(sound, splits={**sound.splits, split: drawn}))

    (finding,) = findings(CHECK, drawing(Split.VALIDATION))
    assert "RandomUniform" in finding.summary
    assert not findings(CHECK, drawing(Split.TRAIN))
