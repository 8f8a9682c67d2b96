from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.finding import Finding, Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests.blueprints import data, findings, planned
from tests.checks.test_random_splits import SOUND

CHECK = "uninformative-inputs"
RNG = np.random.default_rng(3)


def given(x: np.ndarray, y: np.ndarray) -> Run:
    return planned(data=DataSample(source="x", splits={Split.TRAIN: SplitSample(inputs={"x": x}, labels={"y": y})}))


def look(x: np.ndarray, y: np.ndarray) -> tuple[Finding, ...]:
    return findings(CHECK, given(x, y))


def shuffled(name: str) -> Run:
    x, y = SOUND[name](RNG)
    return given(x, RNG.permutation(y))


X = RNG.normal(size=(600, 10))
SICK: Run = given(X, np.arange(600) // 50 % 2)


def test_labels_that_have_nothing_to_do_with_the_inputs():
    (found,) = look(X, np.arange(600) // 50 % 2)
    assert found.severity is Severity.WARNING
    assert found.confidence <= 0.7
    assert found.summary.startswith("No simple statistic finds")
    assert len(found.evidence) == 5
    assert found.fixes[0].id == "check-labels"


@pytest.mark.parametrize("name", SOUND)
def test_sound_data_say_something(name):
    """Exclusive or, spirals, pictures whose object is anywhere, waves of any phase among them."""
    assert look(*SOUND[name](RNG)) == ()


def test_most_shuffled_data_are_found_out():
    names = ("gaussian", "heavy_tailed", "imbalanced", "regression", "images", "sines", "exclusive_or", "multi_label")
    assert sum(bool(findings(CHECK, shuffled(name))) for name in names) >= 6


def test_too_few_samples_tell_nothing():
    assert look(X[:60], np.arange(60) % 2) == ()
    assert look(X, np.arange(600) % 100) == ()


def test_inputs_that_are_no_numbers_are_not_judged():
    texts = np.array([f"a text of its own, {i}" for i in range(600)], dtype=object)
    assert look(texts, np.arange(600) % 2) == ()


def test_one_label_or_none():
    assert look(X, np.zeros(600, dtype=int)) == ()
    assert look(X[:0], np.zeros(0)) == ()
    assert look(X, np.full(600, np.nan)) == ()


def test_sound_and_broken():
    sound = data()
    assert findings(CHECK, planned(data=sound)) == ()
    train = sound.training
    moved = dataclasses.replace(train, labels={"y": np.roll(train.labels["y"], 7)})
    assert findings(CHECK, planned(data=dataclasses.replace(sound, splits={**sound.splits, Split.TRAIN: moved})))


@pytest.mark.parametrize("is_told", [True, False])
def test_what_each_user_likes(is_told):
    rng = np.random.default_rng(66)
    who, what = rng.integers(0, 60, 1300), rng.normal(size=(1300, 8))
    taste = rng.normal(size=(60, 8))
    likes = ((taste[who] * what).sum(axis=1) > 0).astype("int64")
    inputs = {"user": who.astype("int32"), "item": what}
    split = SplitSample(inputs=inputs, labels={"y": likes if is_told else rng.permutation(likes)}, count=1300)
    sample = DataSample(source="arrays", splits={Split.TRAIN: split})
    assert bool(findings(CHECK, planned(data=sample))) is not is_told


@pytest.mark.parametrize(("users", "can_tell"), [(40, True), (600, False)])
def test_nothing_but_names_needs_several_samples_of_each(users, can_tell):
    rng = np.random.default_rng(12)
    pairs = np.stack([rng.integers(0, users, 1300), rng.integers(0, 2 * users, 1300)], axis=1).astype("int32")
    taste, fame = rng.normal(size=users), rng.normal(size=2 * users)
    stars = np.round(taste[pairs[:, 0]] + fame[pairs[:, 1]]) / 4
    assert look(pairs, stars) == ()
    assert bool(look(pairs, rng.permutation(stars))) is can_tell
