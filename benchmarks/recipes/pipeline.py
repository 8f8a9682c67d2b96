"""Whether training waits for its data, and what augmentation costs.

    python -m benchmarks.recipes.pipeline [--rounds N] [--only waiting|throughput]

Waiting: the training step on batches of our pipeline, beside the same step on one batch that is there already, in turns
and in one process. "waits" is the share of the time in which the step has no batch to work on; "ratio" is the whole
time of a round beside that of the batch that is there, which also holds what preparing data takes from the step where
both share the same cores.

Throughput: images a second of our pipeline (shuffled, gathered, augmented, ahead of time) beside a plain loop over the
same images with the same Albumentations transforms, in turns.

The pipeline begins anew in each of its turns and stops with it: had it gone on in the turns of the other, it would have
batches in store, and the other less of the processor. Its first batch, for which it has to start, is not counted.

The figures are medians of the rounds, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.overhead import Ratio, Result, Taken, device, ratio
from recipes import Config, build, load_data
from recipes.config import STRENGTHS, DataConfig
from recipes.data.augmentation import compose
from recipes.data.base import Data, Split
from recipes.data.pipeline import training_batches
from recipes.task import Facts, Inputs, Kind, Task

SEED = 0
ROUNDS = 6
#: Epochs that nobody reaches.
ENDLESS = 100_000


@dataclass
class Fed:
    """What a training took that is fed by the pipeline: all of each round, and the seconds of it without a batch."""

    result: Result
    waited: list[float] = field(default_factory=list)

    def share(self) -> Ratio:
        """Return the share of the time without a batch."""
        waits = Result(self.result.first, [Taken(seconds, 0.0) for seconds in self.waited])
        return ratio(waits, self.result)


def photos(folder: Path, count: int = 256, side: int = 96) -> Path:
    """Write a folder of noisy colour images of two classes."""
    rng = np.random.default_rng(SEED)
    for number in range(count):
        name = ("dark", "light")[number % 2]
        (folder / name).mkdir(exist_ok=True)
        pixels = rng.integers(0, 160, (side, side, 3)) + 90 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def step_of(model: keras.Model, batches: tf.data.Dataset) -> Callable[[Any], float]:
    """Return the training step as `fit` compiles it, for one batch; it returns the loss, when the step is done."""
    model.optimizer.build(model.trainable_variables)
    compiled = tf.function(model.train_step, input_signature=[batches.element_spec])
    return lambda batch: float(compiled(batch)["loss"])


def waiting(config: Config, data: Data, steps: int, rounds: int) -> tuple[Fed, Result]:
    """Return what rounds of so many steps took, fed by the pipeline, and on one batch that is there."""
    keras.utils.set_random_seed(SEED)
    model = build(config, data)
    batches = training_batches(data.train, config, data.facts, epochs=ENDLESS)
    step = step_of(model, batches)
    ready = next(iter(batches))

    def fed(source: Iterator[Any]) -> float:
        waited = 0.0
        for _ in range(steps):
            begin = time.perf_counter()
            batch = next(source)
            waited += time.perf_counter() - begin
            step(batch)
        return waited

    def there() -> None:
        for _ in range(steps):
            step(ready)

    begin = time.perf_counter()
    step(ready)
    first = Taken(time.perf_counter() - begin, 0.0)
    own, plain = Fed(Result(first)), Result(first)
    for number in range(rounds):
        for is_fed in (number % 2 == 0, number % 2 == 1):
            if is_fed:
                waited, taken = timed(partial(fed, started(batches)))
                own.result.epochs.append(taken)
                own.waited.append(waited)
            else:
                plain.epochs.append(timed(there)[1])
    keras.backend.clear_session()
    return own, plain


def throughput(side: int, strength: float, rounds: int, images: int) -> tuple[Result, Result]:
    """Return what it took to augment so many images, by the pipeline and by a plain loop."""
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 256, (images, side, side, 3)).astype(np.uint8)
    facts = Facts(
        "noise", Inputs("image", (side, side, 3), 0, 255), Task(Kind.BINARY, ("a", "b"), (1, 1)), {"train": images}
    )
    config = Config(data=DataConfig(augmentation=strength))
    split = Split(x, np.zeros(images, np.float32), np.arange(images))
    batches = training_batches(split, config, facts, epochs=ENDLESS)
    pipeline = compose(config, facts.inputs, are_bytes=True)
    steps = facts.steps(config.data.batch_size)

    def ours(source: Iterator[Any]) -> None:
        for _ in range(steps):
            next(source)

    def plain() -> None:
        for image in x:
            pipeline(image=image)

    own, other = (Result(timed(turn)[1]) for turn in (partial(ours, started(batches)), plain))
    for number in range(rounds):
        for is_ours in (number % 2 == 0, number % 2 == 1):
            if is_ours:
                own.epochs.append(timed(partial(ours, started(batches)))[1])
            else:
                other.epochs.append(timed(plain)[1])
    return own, other


def started(batches: tf.data.Dataset) -> Iterator[Any]:
    """Return the batches after the first; the pipeline stops when the iterator is let go."""
    source = iter(batches)
    next(source)
    return source


def timed(turn: Callable[[], Any]) -> tuple[Any, Taken]:
    cpu, wall = time.process_time(), time.perf_counter()
    returned = turn()
    return returned, Taken(time.perf_counter() - wall, time.process_time() - cpu)


def waiting_table(rounds: int) -> Iterator[str]:
    yield f"{'training':<34} {'augmentation':<13} {'ms/step':>8} {'waits':>6} {'95 %':>12} {'ratio':>6} {'95 %':>13}"
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "cnn, digits 8 x 8 x 1": ("cnn", {"data.source": "digits"}, 60),
            "transfer, photos 96 x 96 x 3": (
                "transfer/tiny",
                {"data.source": str(photos(Path(folder))), "data.image_size": 96, "transfer.weights": "none"},
                8,
            ),
        }
        for title, (recipe, settings, steps) in sets.items():
            for strength in ("none", "medium"):
                config = Config.of(recipe, settings, {"data.augmentation": strength})
                fed, there = waiting(config, load_data(config), steps, rounds)
                waits, whole = fed.share(), ratio(fed.result, there)
                yield (
                    f"{title + f', batch {config.data.batch_size}':<34} {strength:<13} "
                    f"{1000 * fed.result.median() / steps:>8.1f} {waits.median:>6.1%} "
                    f"{waits.low:>5.1%}-{waits.high:<6.1%} {whole.median:>6.2f} {whole.low:>6.2f}-{whole.high:<6.2f}"
                )


def throughput_table(rounds: int) -> Iterator[str]:
    yield f"{'images':<14} {'strength':<9} {'ours/s':>8} {'plain loop/s':>13} {'ours : plain':>13} {'95 %':>13}"
    for side, count in ((32, 512), (224, 192)):
        for name in ("light", "medium", "strong"):
            ours, plain = throughput(side, STRENGTHS[name], rounds, count)
            speeds = ratio(plain, ours)  # the plain loop's seconds by ours: our speed by the plain loop's
            yield (
                f"{f'{side} x {side} x 3':<14} {name:<9} {count / ours.median():>8.0f} {count / plain.median():>13.0f} "
                f"{speeds.median:>13.2f} {speeds.low:>6.2f}-{speeds.high:<6.2f}"
            )


TABLES = {"waiting": waiting_table, "throughput": throughput_table}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each contestant")
    parser.add_argument("--only", choices=tuple(TABLES), help="one of the tables")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    for name, table in TABLES.items():
        if arguments.only in (None, name):
            for line in table(arguments.rounds):
                print(line, flush=True)
            print()
    print(f"on: {device()}; TensorFlow {tf.__version__}, Keras {keras.__version__}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
