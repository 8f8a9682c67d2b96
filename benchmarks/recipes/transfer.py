"""How much a pretrained backbone is worth where few images are labelled.

    python -m benchmarks.recipes.transfer [--quick]

Images are digits of scikit-learn at any place of a picture with fragments of other digits, noise, and dark on light as
often as light on dark. A small residual network of KerasHub is pretrained on the digits 0 to 5, of which there are
plenty, and saved as a preset. The recipe `transfer` then learns the digits 6 to 9 from a few images of each: head
first, then fine-tuning. Beside it stand the same backbone from random weights and the recipe `cnn`, with the same
images and as many epochs. All are tested on images that none of them has seen.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_digits

from recipes import building
from recipes.catalog import find
from recipes.config import Config, Settings
from recipes.recipe import Recipe
from recipes.task import Facts, Inputs, Kind, Task
from recipes.transfer import backbone_of

KNOWN, NEW = range(6), range(6, 10)
SIDE, FRAGMENT = 16, 4  # pixels, of pictures and of fragments of digits in them
#: Of 0.001 and 0.003 the better one of both that are trained from scratch, on three seeds of 5 and of 20 images.
SCRATCH_RATE = 0.003

Images = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """How long everything takes."""

    seeds: int = 5
    counts: tuple[int, ...] = (5, 10, 20, 40)  # labelled images of each class
    copies: int = 8  # pictures of each known digit
    pretraining: int = 6  # epochs, and so are the next ones
    head: int = 12
    tuning: int = 12

    @property
    def epochs(self) -> int:
        return self.head + self.tuning


QUICK = Plan(seeds=2, counts=(5,), copies=1, pretraining=1, head=1, tuning=1)


def pictures(classes: Sequence[int], copies: int) -> tuple[Images, Labels]:
    """Return pictures (n, 16, 16, 1) from 0 to 16 of some digits, and which of these they are, (n,)."""
    draw = np.random.default_rng(0)
    digits = load_digits()
    chosen = np.flatnonzero(np.isin(digits.target, classes))
    fragments = digits.images[np.isin(digits.target, KNOWN)]
    images = [picture(digits.images[i], fragments, draw) for _ in range(copies) for i in chosen]
    labels = np.searchsorted(classes, np.tile(digits.target[chosen], copies))
    return np.stack(images)[..., None].astype(np.float32), labels.astype(np.int32)


def picture(
    digit: NDArray[np.float64], fragments: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Return a picture with a digit in it, (16, 16)."""
    canvas = np.zeros((SIDE, SIDE))
    for _ in range(3):
        row, column = draw.integers(0, 8 - FRAGMENT + 1, 2)
        paste(canvas, draw.choice(fragments)[row : row + FRAGMENT, column : column + FRAGMENT], draw)
    paste(canvas, digit, draw)
    if draw.random() < 0.5:
        canvas = 16 - canvas
    return np.clip(canvas + draw.normal(0, 1, canvas.shape), 0, 16)


def paste(canvas: NDArray[np.float64], image: NDArray[np.float64], draw: np.random.Generator) -> None:
    row, column = draw.integers(0, SIDE - len(image) + 1, 2)
    canvas[row : row + len(image), column : column + len(image)] = image


def facts(classes: Sequence[int], images: Images, labels: Labels) -> Facts:
    task = Task(Kind.MULTICLASS, tuple(map(str, classes)), tuple(np.bincount(labels).tolist()))
    inputs = Inputs("image", images.shape[1:], 0.0, 16.0, (float(images.mean()),), (float(images.var()),))
    return Facts("pictures", inputs, task, {"train": len(images)})


def split(labels: Labels, count: int, most: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of `count` pictures of each class, and of those that no count up to `most` draws."""
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return np.concatenate([order[:count] for order in orders]), np.concatenate([order[most:] for order in orders])


def pretrain(plan: Plan, folder: Path) -> tuple[str, float]:
    """Train a backbone on the known digits; return its name, and its accuracy on these."""
    random, pretrained = folder / "random", folder / "pretrained"
    keras.utils.set_random_seed(0)
    keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64, 128],
        stackwise_num_blocks=[1, 1, 1], stackwise_num_strides=[1, 2, 2], block_type="basic_block",
    ).save_to_preset(str(random))  # fmt: skip
    x, y = pictures(KNOWN, plan.copies)
    settings = {"transfer.backbone": f"hub:{random}", "transfer.weights": "none", "training.epochs": plan.pretraining}
    model = building.build(Config.of("transfer/tiny", settings), facts(KNOWN, x, y))
    model.fit(x, y, batch_size=32, epochs=plan.pretraining, verbose=0)
    backbone_of(model).save_to_preset(str(pretrained))
    return f"hub:{pretrained}", float(model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"])


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
        self._drawn = functools.cache(lambda seed: drawn(recipe, config, known, seed))

    def accuracy(self, x: Images, y: Labels, test: tuple[Images, Labels], seed: int) -> float:
        """Train from the beginning and return the accuracy on the test pictures."""
        weights = self._drawn(seed)
        keras.utils.set_random_seed(seed)
        for phase, model in zip(self._phases, self._models, strict=True):
            model.set_weights(weights)
            for variable in model.optimizer.variables:
                if "learning_rate" not in variable.path:
                    variable.assign(np.zeros(variable.shape))
            model.fit(x, y, batch_size=16, epochs=phase.epochs, verbose=0)
            weights = model.get_weights()
        return float(self._models[-1].evaluate(*test, batch_size=256, verbose=0, return_dict=True)["accuracy"])


def drawn(recipe: Recipe, config: Config, known: Facts, seed: int) -> list[NDArray[np.float32]]:
    """Return the weights that a training starts from."""
    keras.utils.set_random_seed(seed)
    weights: list[NDArray[np.float32]] = building.network(recipe, config, known).get_weights()
    return weights


def curve(recipe: str, settings: Settings, plan: Plan) -> NDArray[np.float64]:
    """Return the accuracy on the test pictures for each count and seed, (counts, seeds)."""
    x, y = pictures(NEW, copies=1)
    trainer = Trainer(Config.of(recipe, settings, {"training.epochs": plan.epochs}), facts(NEW, x, y))
    results = np.zeros((len(plan.counts), plan.seeds))
    for i, count in enumerate(plan.counts):
        for seed in range(plan.seeds):
            chosen, test = split(y, count, max(plan.counts), seed)
            results[i, seed] = trainer.accuracy(x[chosen], y[chosen], (x[test], y[test]), seed)
    return results


def interval(values: NDArray[np.float64]) -> str:
    """Return mean and half the width of its 95 % interval (Student's t over the seeds), in percent."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():5.1f} ± {100 * half:4.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and epochs that teach nothing: does it run?")
    plan = QUICK if parser.parse_args(arguments).quick else Plan()
    begin = time.perf_counter()
    scratch = {"optimizer.learning_rate": SCRATCH_RATE}
    with tempfile.TemporaryDirectory() as folder:
        name, known = pretrain(plan, Path(folder))
        backbone = {"transfer.backbone": name}
        settings = {
            "optimizer.learning_rate": 0.01, "transfer.fine_tune_rate": 0.001,
            "transfer.head_epochs": plan.head, "transfer.freeze_depth": 0.5,
        }  # fmt: skip
        pretrained = curve("transfer/tiny", {**backbone, **settings}, plan)
        random = curve("transfer/tiny", {**backbone, **scratch, "transfer.weights": "none"}, plan)
    cnn = curve("cnn", scratch, plan)
    rows = {
        "transfer, pretrained": pretrained,
        "the same backbone from scratch": random,
        "cnn from scratch": cnn,
        "pretrained - same backbone": pretrained - random,
        "pretrained - cnn": pretrained - cnn,
    }
    print(
        f"Accuracy on digits 6 to 9 in percent, mean and 95 % interval over {plan.seeds} seeds, {plan.epochs} epochs;"
    )
    print(f"the backbone was pretrained on digits 0 to 5, with {100 * known:.1f} % on these\n")
    print(f"{'labelled images of each class':32}" + "".join(f"{count:>14}" for count in plan.counts))
    for title, values in rows.items():
        print(f"{title:32}" + "".join(f"{interval(row):>14}" for row in values))
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
