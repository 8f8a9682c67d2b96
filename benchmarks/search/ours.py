"""Our search, as a program calls it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.search.problem import ENDLESS, Choice, Problem, Wide
from benchmarks.search.samples import Samples
from tuners.search import driver
from tuners.search.executor import Executor
from tuners.search.settings import SearchSettings
from tuners.search.space import Space


def space(wide: Wide) -> Space:
    """Return a space in the form of ours."""
    return Space.of(
        {
            path: list(parameter.values)
            if isinstance(parameter, Choice)
            else {"low": parameter.low, "high": parameter.high, "log": parameter.log}
            for path, parameter in wide.items()
        }
    )


def search(strategy: str, problem: Problem, samples: Samples, *, prune: bool) -> None:
    """Search in the wide space until the time is up, which ends it as it ends others: in the midst of a trial."""
    settings = SearchSettings.of(
        strategy=strategy, objective=samples.objective, time=ENDLESS, seed=problem.seed, prune=prune, final="restore"
    )
    with tempfile.TemporaryDirectory() as folder:
        driver.search(
            problem.config(), space(problem.space), settings, folder=Path(folder) / "search", data=samples.data,
            track=False,
        )  # fmt: skip


def search_trials(
    problem: Problem,
    samples: Samples,
    *,
    trials: int,
    wrap: Callable[[Executor], Executor],
    strategy: str = "random",
    wide: Wide | None = None,
    prune: bool = True,
    workers: int = 0,
) -> None:
    """Search for so many trials, in some space or in the default one of the recipe.

    Parameters
    ----------
    wrap
        Stands between the driver and what runs its trials.
    workers
        On Ray; 0: in this process.
    """
    settings = SearchSettings.of(
        strategy=strategy, objective=samples.objective, trials=trials, seed=problem.seed, prune=prune, final="restore"
    )
    make = driver._executor

    def wrapped(*arguments: Any) -> Executor:
        return wrap(make(*arguments))

    with tempfile.TemporaryDirectory() as folder, patch.object(driver, "_executor", wrapped):
        driver.search(
            problem.config(), space(wide) if wide else None, settings, folder=Path(folder) / "search",
            data=samples.data, workers=workers, track=False,
        )  # fmt: skip
