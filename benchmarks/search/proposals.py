"""How long a Bayesian proposal takes: ours beside KerasTuner's own.

    python -m benchmarks.search proposals [--observations N] [--repeats N]

Both have the same space (the default one of `mlp` on digits) and the same made-up scores of trials at random. Both fit
KerasTuner's Gaussian process and minimize its confidence bound; ours looks at many points in one call first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np

from benchmarks.search.estimates import mean, ratio
from recipes.config import Config
from recipes.data import load_data
from tuners.objective import Objective
from tuners.search.oracle import Oracle, Proposal
from tuners.search.settings import SearchSettings
from tuners.search.space import Space

_OBJECTIVE = Objective("val_accuracy", "max")
EPOCHS = 10


def _trials(space: Space, count: int, seed: int) -> list[tuple[dict[str, Any], float]]:
    """Return values of trials at random, with scores that depend on some of them."""
    oracle = Oracle(space, SearchSettings(strategy="random", trials=count, seed=seed), _OBJECTIVE, EPOCHS)
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        proposal = oracle.ask()
        assert isinstance(proposal, Proposal)
        values = dict(proposal.values)
        score = -abs(np.log10(values["optimizer.learning_rate"]) + 2.5) - values["regularization.dropout"]
        found.append((values, float(score + 0.1 * draw.normal())))
        oracle.tell(proposal.number, found[-1][1])
    return found


def _ours(space: Space, known: Sequence[tuple[dict[str, Any], float]], seed: int) -> float:
    oracle = Oracle(space, SearchSettings(strategy="bayesian", trials=1000, seed=seed), _OBJECTIVE, EPOCHS)
    oracle.warm(known)
    begun = time.perf_counter()
    oracle.ask()
    return time.perf_counter() - begun


def _theirs(space: Space, known: Sequence[tuple[dict[str, Any], float]], seed: int) -> float:
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("score", "max"), max_trials=1000, num_initial_points=2, seed=seed + 1,
        hyperparameters=space.to_keras_tuner(),
    )  # fmt: skip
    for number, (values, score) in enumerate(known):
        hyperparameters = space.to_keras_tuner()
        hyperparameters.values = values
        trial = keras_tuner.engine.trial.Trial(hyperparameters, f"{number:04d}", "COMPLETED")
        trial.score = score
        oracle.trials[trial.trial_id] = trial
    begun = time.perf_counter()
    oracle.populate_space("next")
    return time.perf_counter() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search proposals", description=__doc__)
    parser.add_argument("--observations", type=int, action="append", help="trials that are known; repeatable")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    config = Config.of("mlp", {"data.source": "digits"})
    space = Space.default(config, load_data(config).facts)
    print(f"{len(space)} hyperparameters, {given.repeats} repeats, seconds a proposal\n")
    print("| trials that are known | ours | KerasTuner | times as fast |")
    print("| --- | --- | --- | --- |")
    for count in given.observations or (50, 200):
        rounds = []
        for seed in range(given.repeats):
            known = _trials(space, count, seed)
            rounds.append((_ours(space, known, seed), _theirs(space, known, seed)))
        ours, theirs = ([each[side] for each in rounds] for side in (0, 1))
        faster = ratio(theirs, ours).told(".0f")
        print(f"| {count} | {mean(ours).told('.2f')} | {mean(theirs).told('.1f')} | {faster} |", flush=True)
    return 0
