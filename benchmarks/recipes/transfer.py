"""How much a pretrained backbone is worth where few images are labelled.

    python -m benchmarks.recipes.transfer [--quick]

A small backbone is pretrained on the digits 0 to 5 of scikit-learn, its weights are written to a file, and the recipe
`transfer` learns the digits 6 to 9 from a few images of each: head first, then fine-tuning. Beside it stand the same
backbone from random weights, and the recipe `cnn`, both from scratch with the same images and epochs. Tested on images that
none of them has seen. Rates of what is trained from scratch are the best of 0.001, 0.003 and 0.01, chosen on these very
tests: what is shown of them is too good, if anything.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_digits

from recipes import building
from recipes.catalog import find
from recipes.config import Config
from recipes.recipe import Recipe
from recipes.task import Facts, Inputs, Kind, Task
from recipes.transfer import backbone_of

KNOWN, NEW = range(6), range(6, 10)
SCRATCH_RATES = (0.001, 0.003, 0.01)

Images = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """How long everything takes."""

    seeds: int = 5
    counts: tuple[int, ...] = (5, 10, 20, 40)  # labelled images of each class
    pretraining: int = 20
    head: int = 15
    tuning: int = 15

    @property
    def epochs(self) -> int:
        return self.head + self.tuning


QUICK = Plan(seeds=2, counts=(5,), pretraining=2, head=1, tuning=1)


def digits(classes: Iterable[int]) -> tuple[Images, Labels]:
    """Return images (n, 8, 8, 1) of some digits, and which of these they are, (n,)."""
    found = load_digits()
    names = list(classes)
    chosen = np.isin(found.target, names)
    images = found.images[chosen][..., None].astype(np.float32)
    return images, np.array([names.index(digit) for digit in found.target[chosen]], np.int32)


def facts(classes: Sequence[int], images: Images, labels: Labels) -> Facts:
    task = Task(Kind.MULTICLASS, tuple(map(str, classes)), tuple(np.bincount(labels).tolist()))
    inputs = Inputs("image", (8, 8, 1), 0.0, 16.0, (float(images.mean()),), (float(images.var()),))
    return Facts("digits", inputs, task, {"train": len(images)})


def draw(labels: Labels, count: int, most: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of `count` images of each class, and of those to test on: all that are drawn for no count."""
    orders = [np.random.default_rng(seed).permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return np.concatenate([order[:count] for order in orders]), np.concatenate([order[most:] for order in orders])


def pretrain(plan: Plan, path: Path) -> float:
    """Train a backbone on the known digits and write its weights; return its accuracy on them."""
    x, y = digits(KNOWN)
    config = Config.of(
        "transfer/tiny", {"transfer.weights": "none", "training.epochs": plan.pretraining, "regularization.dropout": 0}
    )
    keras.utils.set_random_seed(0)
    model = building.build(config, facts(KNOWN, x, y))
    model.fit(x, y, batch_size=32, epochs=plan.pretraining, verbose=0)
    backbone_of(model).save_weights(path)
    return float(model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"])


class Trainer:
    """Trains a recipe again and again. Its phases are compiled once: tracing takes longer than training here."""

    def __init__(self, config: Config, known: Facts) -> None:
        recipe = find(config.recipe)
        self._phases = recipe.phases(config, known)
        self._models = []
        for phase in self._phases:
            model = building.network(recipe, config, known)
            building.start(model, recipe, phase, config, known)
            self._models.append(model)
        self._fresh = functools.cache(lambda seed: self._drawn(recipe, config, known, seed))

    def accuracy(self, x: Images, y: Labels, test: tuple[Images, Labels], seed: int) -> float:
        """Train from the beginning and return the accuracy on the test images."""
        weights = self._fresh(seed)
        for phase, model in zip(self._phases, self._models, strict=True):
            model.set_weights(weights)
            for variable in model.optimizer.variables:
                if "learning_rate" not in variable.path:
                    variable.assign(np.zeros(variable.shape))
            model.fit(x, y, batch_size=16, epochs=phase.epochs, verbose=0)
            weights = model.get_weights()
        return float(self._models[-1].evaluate(*test, batch_size=256, verbose=0, return_dict=True)["accuracy"])

    @staticmethod
    def _drawn(recipe: Recipe, config: Config, known: Facts, seed: int) -> list[NDArray[np.float32]]:
        keras.utils.set_random_seed(seed)
        return building.network(recipe, config, known).get_weights()


def curve(config: Config, plan: Plan) -> NDArray[np.float64]:
    """Return the accuracy on the test images for each count and seed, (counts, seeds)."""
    x, y = digits(NEW)
    trainer = Trainer(config, facts(NEW, x, y))
    results = np.zeros((len(plan.counts), plan.seeds))
    for i, count in enumerate(plan.counts):
        for seed in range(plan.seeds):
            chosen, test = draw(y, count, max(plan.counts), seed)
            results[i, seed] = trainer.accuracy(x[chosen], y[chosen], (x[test], y[test]), seed)
    return results


def from_scratch(recipe: str, settings: dict[str, Any], plan: Plan) -> tuple[float, NDArray[np.float64]]:
    """Return the rate that does best on the average, and what `curve` gives with it."""
    curves = {
        rate: curve(
            Config.of(recipe, {**settings, "training.epochs": plan.epochs, "optimizer.learning_rate": rate}), plan
        )
        for rate in SCRATCH_RATES
    }
    return max(curves.items(), key=lambda item: float(item[1].mean()))


def interval(values: NDArray[np.float64]) -> str:
    """Return mean and half the width of its 95 % interval (Student's t over the seeds), in percent."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():5.1f} ± {100 * half:4.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and epochs that teach nothing: does it run?")
    plan = QUICK if parser.parse_args(arguments).quick else Plan()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "pretrained.weights.h5"
        known = pretrain(plan, weights)
        transfer = {
            "transfer.weights": str(weights), "transfer.head_epochs": plan.head, "training.epochs": plan.epochs,
            "optimizer.learning_rate": 0.01, "transfer.fine_tune_rate": 0.001,
        }  # fmt: skip
        pretrained = curve(Config.of("transfer/tiny", transfer), plan)
    random_rate, random = from_scratch("transfer/tiny", {"transfer.weights": "none"}, plan)
    cnn_rate, cnn = from_scratch("cnn", {}, plan)
    rows = {
        "transfer, pretrained": pretrained,
        f"same backbone from scratch, rate {random_rate}": random,
        f"cnn from scratch, rate {cnn_rate}": cnn,
        "pretrained - better one from scratch": pretrained - np.maximum(random, cnn),
    }
    print(f"Accuracy on digits 6 to 9 in percent, mean and 95 % interval over {plan.seeds} seeds,")
    print(f"backbone pretrained on digits 0 to 5 ({100 * known:.1f} % on these), {plan.epochs} epochs each\n")
    print(f"{'labelled images of each class':40}" + "".join(f"{count:>16}" for count in plan.counts))
    for name, values in rows.items():
        print(f"{name:40}" + "".join(f"{interval(row):>16}" for row in values))
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
