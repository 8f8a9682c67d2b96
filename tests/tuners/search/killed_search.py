"""A search that is killed again and again: ``python -m tests.tuners.search.killed_search FOLDER KILLS``.

Everything is imported once, and each process of the search is forked from here before TensorFlow has done anything, so
that fifty of them take minutes. Prints how many were killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from recipes.config import Config
from tuners.search import driver
from tuners.search.settings import SearchSettings

CONFIG = {"data.source": "iris", "training.epochs": 3, "model.width": 8}
SPACE = {
    "optimizer.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "regularization.dropout": {"low": 0.0, "high": 0.5},
    "data.batch_size": [16, 32],
}
#: A process is killed after up to so many times what two trials take, its start included; on a busy machine sooner.
LATEST, MOST_SECONDS = 2.0, 10.0
MOST = 500


def search(folder: Path, trials: int) -> driver.Search:
    return driver.search(
        Config.of("mlp", CONFIG), SPACE, SearchSettings(strategy="random", trials=trials), folder=folder, track=False
    )


def _forked(folder: Path, trials: int) -> int:
    """Begin a process of the search."""
    process = os.fork()
    if process:
        return process
    try:
        driver.ATTEMPTS = 1000  # here it is not the trials that kill
        search(folder, trials)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)


def main(folder: Path, kills: int) -> None:
    draw = random.Random(0)
    killed = 0
    begun = time.monotonic()
    os.waitpid(_forked(folder.with_name("measured"), 2), 0)
    latest = min(MOST_SECONDS, LATEST * (time.monotonic() - begun))
    while killed < kills:
        process = _forked(folder, MOST)
        time.sleep(draw.uniform(0.0, latest))
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            sys.exit("the search ended by itself")
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        killed += 1
    asked = len(list((folder / "trials").iterdir()))
    _, status = os.waitpid(_forked(folder, asked), 0)
    if status:
        sys.exit(f"the last process ended with {status}")
    print(killed, "killed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
