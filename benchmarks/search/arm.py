"""One search in a process of its own, on one processor core: `compare` starts it.

    python -m benchmarks.search.arm ARM RECIPE/DATA SEED SECONDS CORE FILE

The time begins when everything is imported and the data is loaded.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.search.problem import Problem, named

if TYPE_CHECKING:
    from benchmarks.search.samples import Samples

#: Strategies of ours and of KerasTuner.
STRATEGIES = ("random", "bayesian", "hyperband")

Search = Callable[[Problem, "Samples"], None]


def names() -> tuple[str, ...]:
    """Return the searches that there are."""
    ours = tuple(f"ours-{strategy}{pruning}" for strategy in STRATEGIES for pruning in ("", "-unpruned"))
    return (*ours, *(f"kerastuner-{strategy}" for strategy in STRATEGIES), "optuna-tpe-asha", "optuna-tpe")


def search(arm: str) -> Search:
    """Import what a search needs, and return it."""
    maker, _, rest = arm.partition("-")
    strategy, _, unpruned = rest.partition("-")
    if maker == "ours":
        from benchmarks.search import ours

        return partial(ours.search, strategy, prune=not unpruned)
    from benchmarks.search import rivals

    if maker == "kerastuner":
        return partial(rivals.kerastuner, strategy)
    return partial(rivals.optuna_tpe, prune=rest.endswith("asha"))


def confine(core: int) -> None:
    """Keep the process, with TensorFlow's threads, on one processor core; before TensorFlow computes anything."""
    os.sched_setaffinity(0, {core})
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def run(arm: str, problem: Problem, seconds: float) -> dict[str, Any]:
    """Search, and return what came of it."""
    run_search = search(arm)
    import keras

    from benchmarks.search.samples import Samples
    from benchmarks.search.watch import Watch, memory

    samples = Samples.of(problem)
    keras.utils.set_random_seed(problem.seed)
    before, load = memory(), os.getloadavg()[0]
    watch = Watch(samples, seconds)
    with watch.watching():
        run_search(problem, samples)
    return {
        **asdict(watch.seen),
        "chance": [samples.chance(split[1]) for split in (samples.validation, samples.test)],
        "objective": samples.objective,
        "searched": min(watch.clock.now(), seconds),
        "looked": watch.clock.paused,
        "memory_before": before,
        "memory_most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "load": load,
    }


def main() -> int:
    arm, name, seed, seconds, core, file = sys.argv[1:]
    confine(int(core))
    result = run(arm, named(name, int(seed)), float(seconds))
    Path(file).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
