"""What a training and a search take longer with MLflow than without.

    python -m benchmarks.tracking cost [fit|search] [--rounds N] [--trials N] [--epochs N] [--store URI] [--json FILE]

- fit: a small model in whole fits, with `Monitor("run.csv")` and with `Monitor("run.csv", mlflow=True)`, one of each a
  round, in an order that is drawn anew. The first round does not count: in it MLflow is imported and the store is made;
  what that takes stands in a line of its own.
- search: the same search in a process of its own with MLflow and without, `mlp` on digits. Compared is, trial for
  trial, the time from the end of the trial before: so whatever the sending thread takes from training is in it.

What is told is the median of the differences and its 95 % interval. Bar: 1 % of the time without MLflow, or 100 ms,
whichever is larger. Exit code 1: it is missed. The store is a file of a temporary folder; --store names another one,
and needs MLFLOW_TRACKING_USERNAME and _PASSWORD where it asks for them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import process
from benchmarks.tracking.pairs import median

SHARE, SECONDS = 0.01, 0.1
_SEED = 0
#: Whether to log a fit -> what it takes.
Fit = Callable[[bool], "Taken"]


@dataclass(frozen=True)
class Taken:
    """Seconds of a fit.

    Parameters
    ----------
    wall, cpu
        On the clock, and of the processor over all threads.
    rest
        From its end until the store has all of it, while nothing else goes on.
    """

    wall: float
    cpu: float
    rest: float


@dataclass(frozen=True)
class Differences:
    """Pairs of seconds (with MLflow, without) and what they say.

    Parameters
    ----------
    title
        What was measured.
    pairs
        Of each round, or trial.
    """

    title: str
    pairs: Sequence[tuple[float, float]]

    @property
    def without(self) -> float:
        return statistics.median(without for _, without in self.pairs)

    @property
    def bar(self) -> float:
        return max(SHARE * self.without, SECONDS)

    @property
    def is_met(self) -> bool:
        return median([own - without for own, without in self.pairs]).value <= self.bar

    def __str__(self) -> str:
        added = [1000 * (own - without) for own, without in self.pairs]
        shares = [100 * (own - without) / without for own, without in self.pairs]
        return (
            f"{self.title}: {self.without:.2f} s without MLflow; with it {median(added).told('+.0f')} ms, "
            f"{median(shares).told('+.1f')} %, {len(self.pairs)} pairs; bar {1000 * self.bar:.0f} ms: "
            f"{'met' if self.is_met else 'MISSED'}"
        )


def small_fit(folder: Path, epochs: int) -> Fit:
    """Return what trains a small network on the digits anew, each time in a folder of its own."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf
    from sklearn.datasets import load_digits

    from diagnose import Monitor

    tf.get_logger().setLevel("ERROR")  # many trainings in one process: it advises against that
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    number = iter(range(1_000_000))

    def fit(is_logged: bool) -> Taken:
        keras.utils.set_random_seed(_SEED)
        dense = keras.layers.Dense
        model = keras.Sequential(
            [keras.Input((64,)), dense(64, activation="relu"), dense(32, activation="relu"), dense(10, "softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        log = folder / f"{next(number):03d}" / "run.csv"
        monitor = Monitor(log, mlflow=True) if is_logged else Monitor(log)
        cpu, wall = time.process_time(), time.perf_counter()
        model.fit(x, y, validation_split=0.2, epochs=epochs, verbose=0, callbacks=[monitor])
        end = time.perf_counter()
        cpu = time.process_time() - cpu
        monitor.flush()
        keras.backend.clear_session()
        return Taken(end - wall, cpu, time.perf_counter() - end)

    return fit


def of_fits(folder: Path, rounds: int, epochs: int) -> list[Differences]:
    """Return the differences of whole fits, by the clock and by processor time."""
    order = np.random.default_rng(_SEED)
    fit = small_fit(folder, epochs)
    fit(False)  # TensorFlow begins
    first, plain = fit(True), fit(False)
    print(
        f"the first fit with MLflow (import, making the store) takes {first.wall - plain.wall:.2f} s longer than one "
        f"without, and {first.rest:.1f} s after its end",
        flush=True,
    )
    pairs: list[dict[bool, Taken]] = []
    before = _ended()
    for number in range(rounds):
        turns = order.permutation([True, False]).tolist()
        pairs.append({is_logged: fit(is_logged) for is_logged in turns})
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    _check(before + rounds)
    rest = median([1000 * pair[True].rest for pair in pairs]).told(".0f")
    print(f"after the end of a fit {rest} ms until the store has all of it", flush=True)
    title = f"a fit of {epochs} epochs"
    return [
        Differences(f"{title}, by the clock", [(pair[True].wall, pair[False].wall) for pair in pairs]),
        Differences(f"{title}, processor time", [(pair[True].cpu, pair[False].cpu) for pair in pairs]),
    ]


def _ended() -> int:
    """Return how many runs of the store have ended well."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return len(client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=50_000))


def _check(least: int) -> None:
    """See that the store has what was sent: to lose it costs nothing."""
    if _ended() < least:
        raise SystemExit(f"of {least} runs the store has {_ended()}: the figures say nothing")


def of_search(rounds: int, trials: int, epochs: int) -> Differences:
    """Return the differences of a search's trials; the first one, which traces and imports, is left out."""
    pairs: list[tuple[float, float]] = []
    order = np.random.default_rng(_SEED)
    for number in range(rounds):
        taken = {}
        for how in order.permutation(["with", "without"]).tolist():
            store = os.environ["MLFLOW_TRACKING_URI"] if how == "with" else "-"
            arguments = [str(trials), str(epochs), store]
            taken[how] = process.result("benchmarks.tracking.searched", arguments, 60.0 * trials)
            if how == "with":
                _check((number + 1) * trials)
            print(f"round {number + 1} of {rounds}: {how} MLflow", file=sys.stderr, flush=True)
        if taken["with"]["values"] != taken["without"]["values"]:
            raise process.ProcessError("the two searches went through different trials")
        ends = [np.diff(taken[how]["ends"]).tolist() for how in ("with", "without")]
        pairs += zip(*ends, strict=True)
    return Differences(f"a trial of a search, {epochs} epochs", pairs)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("fit", "search"), help="one of them; both by default")
    parser.add_argument("--rounds", type=int, help="pairs of fits (15), pairs of searches (2)")
    parser.add_argument("--trials", type=int, default=10, help="of each search")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--store", help="URI of a store that is there")
    parser.add_argument("--json", type=Path, help="write the figures")
    arguments = parser.parse_args(argv)
    if (arguments.rounds is not None and arguments.rounds < 1) or arguments.trials < 2:
        parser.error("at least one round, and two trials")
    found: list[Differences] = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["MLFLOW_TRACKING_URI"] = arguments.store or f"sqlite:///{name}/mlruns/mlflow.db"
        if arguments.part != "search":
            found += of_fits(Path(name), arguments.rounds or 15, arguments.epochs)
        if arguments.part != "fit":
            found.append(of_search(arguments.rounds or 2, arguments.trials, arguments.epochs))
    print("\n".join(map(str, found)))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if arguments.json:
        content: dict[str, Any] = {each.title: {"pairs_s": each.pairs, "bar_s": each.bar} for each in found}
        arguments.json.write_text(json.dumps(content, indent=1))
    # Processor time is told for what the clock does not show: on an idle core the sending thread costs nothing.
    return 0 if all(each.is_met for each in found if "processor" not in each.title) else 1


if __name__ == "__main__":
    sys.exit(main())
