"""KerasTuner's oracles, as `tuners.search.oracle` needs them: without files, and functions of what they were told.

What an oracle proposes depends on the seed, on how many trials there are and on what was told of them, and on nothing
else: random numbers are drawn anew for each proposal, and asking without an answer changes nothing. So a search that
was killed goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np

from tuners.search.space import Space

#: Draws that were tried before until a space counts as exhausted, at most and for each of its points: the last point is
#: missed once in e^20.
_MOST_COLLISIONS, _COLLISIONS = 2000, 20
#: Prefix of what Hyperband writes among the values.
_OF_TUNER = "tuner/"


class Replayable:
    """What all of them have in common; mixed into an oracle of KerasTuner's.

    KerasTuner minimizes `costs` here, trial id -> cost. A trial without a score costs infinitely much, and is not
    FAILED: Hyperband waits for those for ever, and does not count them.
    """

    space: Space
    costs: dict[str, float]
    trials: dict[str, Any]
    seed: int

    def prepare(self, space: Space, seed: int) -> None:
        """Set what the constructors of KerasTuner do not take."""
        self.space, self.seed, self.costs, self.points = space, seed, {}, space.points()
        self.max_trials, self.verbose = None, 0
        self._max_collisions = min(_MOST_COLLISIONS, _COLLISIONS * self.points)
        self.max_consecutive_failed_trials = math.inf

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return what KerasTuner proposes, rounded before it is tried: what is recorded is what was used."""
        self._seed_state = drawn_seed(self.seed, len(self.trials))
        response: dict[str, Any] = super().populate_space(trial_id)  # type: ignore[misc]
        if response.get("values"):
            own = {name: value for name, value in response["values"].items() if name.startswith(_OF_TUNER)}
            response["values"] = {**self.space.plain(response["values"]), **own}
        return response

    def score_trial(self, trial: Any) -> None:
        """Give a trial its score; KerasTuner calls it."""
        trial.score, trial.best_step = self.costs[trial.trial_id], 0

    def end(self, trial_id: str, cost: float | None) -> None:
        """Note what became of a trial; None where it has no score."""
        self.costs[trial_id] = math.inf if cost is None else cost
        trial = self.trials[trial_id]
        trial.status = "COMPLETED"
        self.end_trial(trial)  # type: ignore[attr-defined]

    def observe(self, values: Mapping[str, Any], cost: float | None) -> None:  # noqa: ARG002 - some only remember
        """Take a trial of another search for tried."""
        self._tried_so_far.add(self._compute_values_hash(dict(values)))  # type: ignore[attr-defined]

    def save(self) -> None:
        """Write nothing: the journal is the state."""

    def _save_trial(self, trial: Any) -> None:
        """Write nothing."""


class Random(Replayable, keras_tuner.oracles.RandomSearchOracle):
    """Values at random, none of them twice."""


class Grid(Replayable, keras_tuner.oracles.GridSearchOracle):
    """All combinations of the grid, the last parameter first."""


class Hyperband(Replayable, keras_tuner.oracles.HyperbandOracle):
    """Many short trials, of which the best go on (Li et al. 2018)."""

    _current_bracket: int
    _current_iteration: int
    _brackets: list[Any]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return a new trial of a bracket, or one that goes on; no bracket is begun where there is none."""
        before = self._current_bracket, self._current_iteration, list(self._brackets)
        response = super().populate_space(trial_id)
        if response["status"] != "RUNNING":
            self._current_bracket, self._current_iteration, self._brackets = before
        return response

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        """Return how many trials a round has: no more than there are points, or it would never be full."""
        return int(min(super()._get_size(bracket_num, round_num), self.points))


def drawn_seed(seed: int, number: int) -> int:
    """Return a seed for one proposal; those of neighbours have nothing in common, unlike KerasTuner's."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
