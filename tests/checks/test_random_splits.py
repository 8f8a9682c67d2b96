"""All checks of the family ``data`` together on data that are sound and split at random: they hold their tongue.

Run as a program it prints the rates: ``python -m tests.checks.test_random_splits 500``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from diagnose.check import load_checks
from diagnose.finding import Severity
from diagnose.run import Run, Split
from diagnose.sample import DataSample, SplitSample
from tests import blueprints

Pair = tuple[np.ndarray, np.ndarray]
Maker = Callable[[np.random.Generator], Pair]


def centres(rng: np.random.Generator, n: int, d: int, classes: int, apart: float = 1.0) -> Pair:
    y = rng.integers(0, classes, n)
    return rng.normal(0, apart, (classes, d))[y], y


def gaussian(rng: np.random.Generator) -> Pair:
    x, y = centres(rng, 600, 12, 3)
    return x + rng.normal(size=x.shape), y


def wide(rng: np.random.Generator) -> Pair:
    x, y = centres(rng, 400, 800, 2, 0.3)
    return (x + rng.normal(size=x.shape)).astype("float32"), y


def heavy_tailed(rng: np.random.Generator) -> Pair:
    x, y = centres(rng, 500, 8, 2)
    return x + rng.standard_t(2.5, x.shape), y


def discrete(rng: np.random.Generator) -> Pair:
    """Six categories in one-hot columns: many rows are the same."""
    levels = rng.integers(0, 3, (500, 6))
    y = (levels[:, 0] + levels[:, 1] + (rng.random(500) < 0.2)) % 3
    return np.eye(3)[levels].reshape(500, -1), y


def mixed(rng: np.random.Generator) -> Pair:
    """Categories that go together, beside numbers."""
    kind = rng.integers(0, 8, 400)
    onehot = np.concatenate([np.eye(8)[kind], np.eye(4)[kind // 2]], axis=1)
    numbers = rng.normal(size=(400, 3)) + kind[:, None] * 0.3
    return np.concatenate([onehot, numbers], axis=1), (kind % 2).astype(int)


def tiny(rng: np.random.Generator) -> Pair:
    x, y = centres(rng, 150, 4, 2, 1.5)
    return x + rng.normal(size=x.shape), y


def imbalanced(rng: np.random.Generator) -> Pair:
    y = (rng.random(600) < 0.15).astype(int)
    return rng.normal(size=(600, 10)) + y[:, None], y


def regression(rng: np.random.Generator) -> Pair:
    x = rng.normal(size=(500, 6))
    return x, (x[:, 0] - x[:, 1] ** 2 + rng.normal(0, 0.3, 500)).astype("float32")


def weak_regression(rng: np.random.Generator) -> Pair:
    x = rng.normal(size=(800, 10))
    return x, x[:, 0] * 0.3 + rng.normal(0, 1, 800)


def many_classes(rng: np.random.Generator) -> Pair:
    x, y = centres(rng, 1000, 16, 100, 1.5)
    return x + rng.normal(size=x.shape), y


def skewed_counts(rng: np.random.Generator) -> Pair:
    """Counts of words, most of them zero."""
    y = rng.integers(0, 2, 400)
    rates = np.exp(rng.normal(-2, 1, (2, 60)))
    return rng.poisson(rates[y]).astype("float32"), y


def images(rng: np.random.Generator) -> Pair:
    """A bright square at any place, on noise, as large as its class."""
    y = rng.integers(0, 3, 300)
    x = rng.normal(0.3, 0.1, (300, 24, 24, 1)).astype("float32")
    for picture, size in zip(x, 3 + 3 * y, strict=True):
        top, left = rng.integers(0, 24 - size, 2)
        picture[top : top + size, left : left + size] += 0.5
    return x, y


def tokens(rng: np.random.Generator) -> Pair:
    """Numbers of words, padded."""
    y = rng.integers(0, 2, 400)
    x = np.minimum(rng.zipf(1.5, (400, 30)), 500) + 20 * y[:, None] * (rng.random((400, 30)) < 0.2)
    x[np.arange(30) >= rng.integers(5, 30, (400, 1))] = 0
    return x, y


def sines(rng: np.random.Generator) -> Pair:
    """Series that begin at any phase; the class is the frequency."""
    y = rng.integers(0, 2, 300)
    t = np.arange(64) / 64
    x = np.sin(2 * np.pi * ((3 + 2 * y)[:, None] * t + rng.random((300, 1)))) + rng.normal(0, 0.3, (300, 64))
    return x[:, :, None], y


def shapes(rng: np.random.Generator) -> Pair:
    """A square or a cross at any pixel of a black picture, more or less bright: many are the same but for that."""
    y = rng.integers(0, 2, 500)
    x = np.zeros((500, 22, 22, 1), "float32")
    for picture, label, (top, left) in zip(x, y, rng.integers(0, 14, (500, 2)), strict=True):
        shape = np.ones((8, 8)) if label else np.eye(8) + np.eye(8)[::-1]
        picture[top : top + 8, left : left + 8, 0] = shape * rng.uniform(0.6, 1)
    return x, y


def spots(rng: np.random.Generator) -> Pair:
    """A black dot of one size at any pixel: many pictures are the same."""
    x = np.ones((500, 20, 20), "float32")
    for picture, (top, left) in zip(x, rng.integers(0, 16, (500, 2)), strict=True):
        picture[top : top + 4, left : left + 4] = 0
    return x[..., None], (x[:, :10].mean(axis=(1, 2)) < x[:, 10:].mean(axis=(1, 2))).astype(int)


def questions(rng: np.random.Generator) -> Pair:
    """Seven of them, answered by yes or no."""
    x = (rng.random((1000, 7)) < [0.5, 0.4, 0.6, 0.3, 0.5, 0.7, 0.5]).astype("float32")
    return x, (x[:, 0] + x[:, 1] - x[:, 2] + rng.normal(0, 0.7, 1000) > 0.4).astype(int)


def agreement(rng: np.random.Generator) -> Pair:
    """Six answers from 1 to 5 that go together."""
    opinion = rng.normal(size=(800, 1))
    return np.clip(np.round(3 + opinion + 0.7 * rng.normal(size=(800, 6))), 1, 5), (opinion[:, 0] > 0).astype(int)


def phases(rng: np.random.Generator) -> Pair:
    """Waves without noise that begin at one of 48 steps."""
    y, step = rng.integers(0, 2, 500), np.arange(48) + rng.integers(0, 48, (500, 1))
    return np.sin(2 * np.pi * step * (2 + y[:, None]) / 48).astype("float32")[:, :, None], y


def exclusive_or(rng: np.random.Generator) -> Pair:
    x = rng.normal(size=(500, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def spirals(rng: np.random.Generator) -> Pair:
    y = rng.integers(0, 2, 500)
    turn = 3 * np.sqrt(rng.random(500)) * np.pi
    x = np.stack([turn * np.cos(turn + np.pi * y), turn * np.sin(turn + np.pi * y)], axis=1) / 5
    return x + rng.normal(0, 0.05, x.shape), y


def multi_label(rng: np.random.Generator) -> Pair:
    x = rng.normal(size=(500, 8))
    return x, (x[:, :4] + rng.normal(0, 0.5, (500, 4)) > 0.5).astype("float32")


SOUND: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        gaussian, wide, heavy_tailed, discrete, mixed, tiny, imbalanced, regression, weak_regression, many_classes,
        skewed_counts, images, tokens, sines, shapes, spots, questions, agreement, phases, exclusive_or,
        spirals, multi_label,
    )
}  # fmt: skip
#: Data sets of scikit-learn, with what their inputs are divided by: they are split anew each time.
LIBRARY = {"iris": 1.0, "digits": 16.0}


def split_at_random(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Run:
    order = rng.permutation(len(x))
    first, second = int(0.6 * len(x)), int(0.8 * len(x))
    parts = {Split.TRAIN: order[:first], Split.VALIDATION: order[first:second], Split.TEST: order[second:]}
    splits = {
        split: SplitSample(inputs={"x": x[rows]}, labels={"y": y[rows]}, count=len(rows))
        for split, rows in parts.items()
    }
    return blueprints.planned(data=DataSample(source="sound", splits=splits))


def alarms(run: Run) -> set[str]:
    """Return the ids of the checks that say something beyond what is worth knowing."""
    checks = [check for check in load_checks(("data",)) if not check.declaration.needs.missing(run)]
    return {
        check.id
        for check in checks
        if any(f.severity is not Severity.INFO for f in check.function(run, check.options({})))
    }


def library(name: str) -> Pair:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    return found.data / LIBRARY[name], found.target


def repetitions(name: str, times: int) -> list[set[str]]:
    rng = np.random.default_rng(sum(map(ord, name)))
    if name in LIBRARY:
        given = library(name)
        return [alarms(split_at_random(*given, rng)) for _ in range(times)]
    return [alarms(split_at_random(*SOUND[name](rng), rng)) for _ in range(times)]


@pytest.mark.parametrize("name", SOUND)
def test_sound_data_pass(name):
    assert repetitions(name, 1) == [set()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_splits_pass_in_97_of_100_repetitions():
    pytest.importorskip("sklearn")
    told = [each for name in (*SOUND, *LIBRARY) for each in repetitions(name, 12)]
    assert len(told) >= 200
    assert sum(not each for each in told) >= 0.97 * len(told)


def main(times: int) -> None:
    passed = total = 0
    for name in (*SOUND, *LIBRARY):
        told = repetitions(name, max(1, times // (len(SOUND) + len(LIBRARY))))
        passed, total = passed + sum(not each for each in told), total + len(told)
        print(name, f"{sum(not each for each in told)}/{len(told)}", dict(Counter(i for each in told for i in each)))
    print(f"{passed} of {total}: {passed / total:.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
