"""A search in this process, and when each of its trials was over.

    python -m benchmarks.tracking.searched TRIALS EPOCHS STORE FILE

STORE is where MLflow is to have it; ``-``: nowhere.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.search.ours import space
from benchmarks.search.pace import SPACE, Paced
from benchmarks.search.problem import Problem
from benchmarks.search.samples import Samples
from tuners.search import driver
from tuners.search.settings import SearchSettings

if TYPE_CHECKING:
    from tuners.search.executor import Executor


def run(trials: int, epochs: int, store: str) -> dict[str, Any]:
    """Search, and return when each trial was over, and its values."""
    problem = Problem("mlp", "digits", 0, epochs=epochs, patience=epochs)
    samples = Samples.of(problem)
    settings = SearchSettings.of(
        strategy="random", objective=samples.objective, trials=trials, seed=problem.seed, prune=False, final="restore"
    )
    make, paced = driver._executor, []

    def wrapped(*arguments: Any) -> Executor:
        paced.append(Paced(make(*arguments)))
        return paced[0]

    with tempfile.TemporaryDirectory() as folder, patch.object(driver, "_executor", wrapped):
        driver.search(
            problem.config(), space(SPACE), settings, folder=Path(folder) / "search", data=samples.data,
            track=False if store == "-" else store,
        )  # fmt: skip
    (seen,) = paced
    return {"ends": seen.ends, "values": seen.values}


def main() -> int:
    trials, epochs, store, file = sys.argv[1:]
    Path(file).write_text(json.dumps(run(int(trials), int(epochs), store)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
