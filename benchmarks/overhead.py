"""What Monitor costs: epochs with it beside epochs of plain `fit`, in one process, in turns.

    python -m benchmarks.overhead [--model cnn|mobilenet|mlp] [--rounds N] [--brief] [--json]

Each contestant trains a model of its own, of the same seed and on the same samples, in one `fit` that lasts for the
whole benchmark and pauses between epochs; a round is one epoch of each, in shuffled order. So whatever else the machine
does falls on all of them, and everything that an epoch costs is in it, its end and the log included. A contestant is
held against the plain `fit` of the same round; the second plain `fit` shows how far such ratios err. The first epoch
is not counted, for that is where the training step is traced; what it takes longer stands in a column of its own.

Beside Monitor stand what people use today: TensorBoard's histograms of the weights, and a callback with a gradient
tape that puts one batch through the model again, forwards and backwards, after each epoch or every tenth step.

Processor time is steadier than the clock where other processes use the machine. Ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from diagnose import Monitor

SEED = 0
BATCH = 32
PLAIN, AGAIN, MONITOR = "plain fit", "plain fit again", "Monitor"

Samples = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Work:
    """What is trained.

    Parameters
    ----------
    steps, rounds
        Steps in an epoch, and counted epochs of each contestant.
    bar
        The largest share of an epoch that Monitor may add; None where none was set.
    """

    title: str
    model: Callable[[], keras.Model]
    samples: Callable[[int], Samples]
    steps: int
    rounds: int
    bar: float | None


@dataclass(frozen=True)
class Taken:
    """Seconds of one epoch: on the clock, and of the processor over all threads."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Ratio:
    """Ratios to the plain `fit` of the same round: their median, its 95 % interval, and their quartiles."""

    median: float
    low: float
    high: float
    quartiles: tuple[float, float]


@dataclass
class Result:
    """What one contestant took: the first epoch with all that comes before it, and each counted one."""

    first: Taken
    epochs: list[Taken] = field(default_factory=list)

    def median(self, clock: str = "wall") -> float:
        return statistics.median(getattr(taken, clock) for taken in self.epochs)


def small_cnn() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def mobilenet() -> keras.Model:
    backbone = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None, pooling="avg")
    return keras.Sequential([keras.Input((96, 96, 3)), backbone, keras.layers.Dense(10, activation="softmax")])


def mlp() -> keras.Model:
    dense = keras.layers.Dense
    return keras.Sequential(
        [keras.Input((64,)), dense(64, activation="relu"), dense(32, activation="relu"), dense(10, "softmax")]
    )


def images(size: int) -> Callable[[int], Samples]:
    """Return a maker of noisy images of ten patterns, so that the training goes as trainings do."""

    def make(count: int) -> Samples:
        rng = np.random.default_rng(SEED)
        patterns = rng.random((10, size, size, 3), np.float32)
        labels = rng.integers(0, 10, count)
        return (patterns[labels] + rng.random((count, size, size, 3), np.float32)) / 2, labels

    return make


def digits(count: int) -> Samples:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x[:count] / 16).astype("float32"), y[:count]


WORKS = {
    "cnn": Work("small CNN, 32 x 32 x 3", small_cnn, images(32), steps=150, rounds=15, bar=0.05),
    "mobilenet": Work("MobileNetV2, 96 x 96 x 3, all layers trained", mobilenet, images(96), 40, rounds=7, bar=0.02),
    "mlp": Work("MLP on digits, the smallest there is", mlp, digits, steps=50, rounds=30, bar=None),
}


class EagerTape(keras.callbacks.Callback):
    """What is written by hand today: the norms of gradients and weights on a batch that was laid aside.

    Parameters
    ----------
    every
        Steps between two looks; None for one after each epoch.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, every: int | None = None) -> None:
        super().__init__()
        self.x, self.y = tf.constant(x[:BATCH]), tf.constant(y[:BATCH])
        self.every = every
        self.norms: list[dict[str, tuple[float, float]]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if self.every is not None and batch % self.every == 0:
            self.look()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if self.every is None:
            self.look()

    def look(self) -> None:
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(y=self.y, y_pred=self.model(self.x))
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        self.norms.append(
            {
                v.path: (float(tf.norm(g).numpy()), float(np.linalg.norm(v.numpy())))
                for v, g in zip(variables, gradients, strict=True)
            }
        )


def contestants(folder: Path, x: np.ndarray, y: np.ndarray) -> dict[str, list[keras.callbacks.Callback]]:
    """Return the callbacks of each contestant."""
    return {
        PLAIN: [],
        AGAIN: [],
        MONITOR: [Monitor(folder / "run.csv")],
        "Monitor(layers=False)": [Monitor(folder / "curves.csv", layers=False)],
        "TensorBoard(histogram_freq=1)": [keras.callbacks.TensorBoard(str(folder / "events"), histogram_freq=1)],
        "eager tape, each epoch": [EagerTape(x, y)],
        "eager tape, every 10 steps": [EagerTape(x, y, every=10)],
    }


class _AllTurnsTaken(Exception):  # noqa: N818
    """Ends a training that has taken all of its turns."""


class Turns(keras.callbacks.Callback):
    """Holds a training before each epoch until it is its turn; the first callback of all."""

    async_safe = True

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False
        self._go, self._paused = threading.Event(), threading.Event()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.pause()
        self._go.wait()
        self._go.clear()
        if self.is_over:
            raise _AllTurnsTaken

    def pause(self) -> None:
        """Say that the training waits, or has ended."""
        self._paused.set()

    def take(self) -> None:
        """Let the training go on to its next pause."""
        self._go.set()
        self.wait()

    def wait(self) -> None:
        """Wait until the training pauses."""
        self._paused.wait()
        self._paused.clear()


class Contestant:
    """One training, in a thread of its own, of which an epoch can be run at a time."""

    def __init__(self, model: keras.Model, samples: Samples, callbacks: list[keras.callbacks.Callback]) -> None:
        self._turns = Turns()
        self._error: Exception | None = None
        self._callbacks = [self._turns, *callbacks]
        self._thread = threading.Thread(target=self._train, args=(model, *samples), daemon=True)

    def first(self) -> Taken:
        """Begin the training and run its first epoch."""

        def begin() -> None:
            self._thread.start()
            self._turns.wait()
            if self._error is None:
                self._turns.take()

        return self._timed(begin)

    def epoch(self) -> Taken:
        """Run one epoch, up to the beginning of the next."""
        return self._timed(self._turns.take)

    def end(self) -> None:
        """Leave the training."""
        self._turns.is_over = True
        self._turns.take()
        self._thread.join()

    def _train(self, model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
        try:
            # More epochs than anybody will ask for.
            model.fit(x, y, batch_size=BATCH, epochs=1_000_000, verbose=0, callbacks=self._callbacks)
        except _AllTurnsTaken:
            pass
        except Exception as error:  # raised again where the turns are given
            self._error = error
        finally:
            self._turns.pause()

    def _timed(self, run: Callable[[], None]) -> Taken:
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        taken = Taken(time.perf_counter() - wall, time.process_time() - cpu)
        if self._error is not None:
            raise self._error
        return taken


def measure(
    work: Work, rounds: int, say: Callable[[str], None], names: Sequence[str] | None = None
) -> dict[str, Result]:
    """Return what each contestant took, or each of these."""
    samples = work.samples(BATCH * work.steps)
    order = np.random.default_rng(SEED)
    # What Monitor says of these trainings is not what is asked here.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainings, results = {}, {}
        for name, callbacks in contestants(Path(folder), *samples).items():
            if names is not None and name not in names:
                continue
            keras.utils.set_random_seed(SEED)
            model = work.model()
            model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
            trainings[name] = Contestant(model, samples, callbacks)
            results[name] = Result(trainings[name].first())
            say(f"{work.title}: {name} ready")
        for number in range(rounds):
            for name in order.permutation(list(trainings)):
                results[name].epochs.append(trainings[name].epoch())
            say(f"{work.title}: round {number + 1} of {rounds}")
        for training in trainings.values():
            training.end()
    keras.backend.clear_session()
    return results


def ratio(result: Result, plain: Result, clock: str = "wall") -> Ratio:
    """Hold a contestant's epochs against those of plain `fit`, round by round."""
    pairs = zip(result.epochs, plain.epochs, strict=True)
    ratios = sorted(getattr(own, clock) / getattr(other, clock) for own, other in pairs)
    low, high = _interval(len(ratios))
    quarter, _, three_quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(statistics.median(ratios), ratios[low], ratios[high], (quarter, three_quarters))


def added(result: Result, plain: Result) -> float:
    """Return the seconds that an epoch takes longer than one of plain `fit`, the median of the rounds."""
    return statistics.median(own.wall - other.wall for own, other in zip(result.epochs, plain.epochs, strict=True))


def _interval(count: int) -> tuple[int, int]:
    """Return which of so many sorted values hold the median between them in 95 % of cases (sign test)."""
    low, tail = 0, 0.5**count
    term = tail
    while True:
        term *= (count - low) / (low + 1)
        if tail + term > 0.025 or low + 1 >= count // 2:
            return low, count - 1 - low
        low, tail = low + 1, tail + term


def table(work: Work, results: dict[str, Result]) -> str:
    """Return the figures of one work, one contestant a line."""
    plain = results[PLAIN]
    lines = [
        f"{work.title}, batches of {BATCH}, {work.steps} steps an epoch, {len(plain.epochs)} rounds",
        f"{'':<30} {'ms/step':>8} {'ratio':>7} {'95 % interval':>15} {'quartiles':>15} {'processor':>10} "
        f"{'epoch + ms':>11} {'first + s':>10}",
    ]
    for name, result in results.items():
        by_clock, by_processor = ratio(result, plain), ratio(result, plain, "cpu")
        low, high = by_clock.quartiles
        lines.append(
            f"{name:<30} {1000 * result.median() / work.steps:>8.2f} {by_clock.median:>7.3f} "
            f"{by_clock.low:>7.3f}-{by_clock.high:<7.3f} {low:>7.3f}-{high:<7.3f} {by_processor.median:>10.3f} "
            f"{1000 * added(result, plain):>11.1f} {result.first.wall - plain.first.wall:>10.2f}"
        )
    return "\n".join([*lines, judged(work, results)])


def judged(work: Work, results: dict[str, Result]) -> str:
    wall, cpu = (ratio(results[MONITOR], results[PLAIN], clock).median - 1 for clock in ("wall", "cpu"))
    cost = f"Monitor adds {wall:.1%} of an epoch's time, {cpu:.1%} of its processor time"
    if work.bar is None:
        return f"{cost}; no bar was set"
    return f"{cost}; bar {work.bar:.0%} of the time: {'met' if is_met(work, results) else 'MISSED'}"


def is_met(work: Work, results: dict[str, Result]) -> bool:
    return work.bar is None or ratio(results[MONITOR], results[PLAIN]).median <= 1 + work.bar


def figures(work: Work, results: dict[str, Result]) -> dict[str, Any]:
    """Return the same as data: seconds, and ratios to plain `fit`."""
    plain = results[PLAIN]

    def of(result: Result) -> dict[str, Any]:
        return {
            "first_epoch_s": result.first.wall,
            "epochs_s": [taken.wall for taken in result.epochs],
            "epochs_processor_s": [taken.cpu for taken in result.epochs],
            "ratio": vars(ratio(result, plain)),
            "processor_ratio": vars(ratio(result, plain, "cpu")),
        }

    return {
        "title": work.title,
        "batch": BATCH,
        "steps": work.steps,
        "bar": work.bar,
        "met": is_met(work, results),
        "contestants": {name: of(result) for name, result in results.items()},
    }


def device() -> str:
    """Return what the models are trained on."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    return f"CPU, {os.cpu_count()} cores"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=tuple(WORKS), action="append", help="one of them; repeatable")
    parser.add_argument("--rounds", type=int, help="counted epochs of each contestant")
    parser.add_argument("--brief", action="store_true", help="leave out all but plain fit and Monitor")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, with every epoch")
    arguments = parser.parse_args(argv)
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds is at least 1")

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{text:<100}", end="", file=sys.stderr, flush=True)

    measured = {}
    for name in arguments.model or WORKS:
        work = WORKS[name]
        brief = (PLAIN, AGAIN, MONITOR) if arguments.brief else None
        measured[name] = measure(work, arguments.rounds or work.rounds, say, brief)
        say("")
        if not arguments.json:
            print(table(work, measured[name]), end="\n\n", flush=True)
    load = os.getloadavg()[0]
    if arguments.json:
        works = {name: figures(WORKS[name], results) for name, results in measured.items()}
        print(json.dumps({"device": device(), "load": load, "works": works}, indent=1))
    else:
        print(f"on: {device()}; TensorFlow {tf.__version__}, Keras {keras.__version__}; load {load:.1f}")
    return 0 if all(is_met(WORKS[name], results) for name, results in measured.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
