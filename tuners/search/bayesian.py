"""Bayesian optimization with KerasTuner's Gaussian process and confidence bound, and a faster search for its minimum.

KerasTuner starts L-BFGS from 50 random points and predicts one point at a time. Here a few thousand candidates are
predicted at once, and L-BFGS starts from the best of them, with gradients of which all differences are predicted at
once. Beside that:

- Costs far above the others are cut off at Tukey's outer side, Q3 + 1.5 IQR (Tukey 1977): next to a loss of 10^6 all
  others would be equal. Trials without a score count as the worst that is known, so that the search keeps away.
- Trials that are still running count with mean + deviation of the prediction, a pessimistic guess, as KerasTuner's do
  ("constant liar", Ginsbourger et al. 2010), by the present process and not by that of the last proposal.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from tuners.search.strategies import Replayable, drawn_seed

Vector = NDArray[np.float64]

#: Candidates over the whole space, around the best observations, and from which L-BFGS starts.
_ANYWHERE, _AROUND, _STARTS = 2000, 100, 5
#: Starts of the fit beside the first; KerasTuner makes 20.
_FITS = 4
#: Standard deviation of candidates around an observation, as a share of the range.
_NEAR = 0.1
#: Difference for gradients: costs are predicted to about 1e-10.
_DELTA = 1e-5
_MOST_STEPS = 50
#: Quartiles of fewer costs say nothing.
_FEWEST_FOR_QUARTILES = 4


class Bayesian(Replayable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Values that a Gaussian process expects to be good or knows little about."""

    #: Values that the next proposal has, in a replay: the process is not fitted again.
    recorded: Mapping[str, Any] | None = None

    def prepare(self, space: Any, seed: int) -> None:
        """Set what the constructor of KerasTuner does not take."""
        super().prepare(space, seed)
        self.elsewhere: list[tuple[Mapping[str, Any], float]] = []
        self.gpr = self._make_gpr()

    def _make_gpr(self) -> Any:
        """Return KerasTuner's process; its one length scale is found from fewer starts than KerasTuner's 20."""
        return super()._make_gpr().set_params(n_restarts_optimizer=_FITS)

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002 - KerasTuner's signature
        """Return values, at random until enough is known."""
        if self.recorded is not None:
            return {"status": "RUNNING", "values": dict(self.recorded)}
        x, y = self._observations()
        if len(y) >= self.num_initial_points:
            # Matrices are small, and the cores are those of the trials. A length scale at its bound is no news.
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                values = self._proposed(x, y)
            if values is not None:
                return {"status": "RUNNING", "values": values}
        self._seed_state = drawn_seed(self.seed, len(self.trials))
        response = self._random_populate_space()
        if response["values"]:
            response["values"] = self.space.plain(response["values"])
        return response

    def observe(self, values: Mapping[str, Any], cost: float | None) -> None:
        """Take a trial of another search for an observation."""
        super().observe(values, cost)
        self.elsewhere.append((values, math.inf if cost is None else cost))

    def _observations(self) -> tuple[Vector, Vector]:
        """Return points and costs of all trials that are over, this search's in the order of their numbers."""
        here = [(self.trials[trial_id].hyperparameters.values, self.costs[trial_id]) for trial_id in sorted(self.costs)]
        both = [*self.elsewhere, *here]
        return np.array([self._vector(values) for values, _ in both]), tamed(np.array([cost for _, cost in both]))

    def _proposed(self, x: Vector, y: Vector) -> dict[str, Any] | None:
        """Return the values of the least confidence bound that were not tried, None where all were."""
        self.gpr.fit(x, y)
        process = self._with_running(x, y)

        def bound(points: Vector) -> Vector:
            mean, deviation = process.predict(points, return_std=True)
            return np.asarray(mean - self.beta * deviation)

        for point in _minima(bound, x[np.argsort(y, kind="stable")[:_STARTS]], drawn_seed(self.seed, len(self.trials))):
            values = self.space.plain(self._vector_to_values(point))
            if not self._duplicate(values):
                return values
        return None

    def _with_running(self, x: Vector, y: Vector) -> Any:
        """Return the process with a pessimistic guess for each trial that is running."""
        running = sorted((trial.trial_id, trial) for trial in self.ongoing_trials.values())
        if not running:
            return self.gpr
        points = np.array([self._vector(trial.hyperparameters.values) for _, trial in running])
        mean, deviation = self.gpr.predict(points, return_std=True)
        process = self._make_gpr().set_params(kernel=self.gpr.kernel_, optimizer=None)
        return process.fit(np.concatenate([x, points]), np.concatenate([y, mean + deviation]))

    def _vector(self, values: Mapping[str, Any]) -> list[float]:
        """Return a point of the unit cube; what is not active is at its default, as with KerasTuner."""
        return [hp.value_to_prob(values.get(hp.name, hp.default)) for hp in self.hyperparameters.space]


def tamed(costs: Vector) -> Vector:
    """Return costs without infinities and outliers on the bad side.

    Examples
    --------
    >>> tamed(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1e6, np.inf])).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 8.5, 8.5]
    """
    known = costs[np.isfinite(costs)]
    if not known.size:
        return np.zeros_like(costs)
    worst = known.max()
    first, third = np.quantile(known, [0.25, 0.75])
    if known.size >= _FEWEST_FOR_QUARTILES and third > first:
        worst = min(worst, third + 1.5 * (third - first))
    return np.minimum(costs, worst)


def _minima(bound: Any, best: Vector, seed: int) -> Iterator[Vector]:
    """Yield points of the unit cube where a function of many points is small, the smallest first."""
    random = np.random.default_rng(seed)
    size = best.shape[1]
    around = np.repeat(best, _AROUND, axis=0)
    around = np.clip(around + random.normal(0, _NEAR, around.shape), 0, 1)
    candidates = np.concatenate([random.random((_ANYWHERE, size)), around])
    candidates = candidates[np.argsort(bound(candidates), kind="stable")]
    found = np.array([_descended(bound, start) for start in candidates[:_STARTS]])
    yield from found[np.argsort(bound(found), kind="stable")]
    yield from candidates


def _descended(bound: Any, start: Vector) -> Vector:
    """Return where L-BFGS gets from a point, inside the unit cube."""

    def value_and_gradient(point: Vector) -> tuple[float, Vector]:
        sides = np.where(point + _DELTA > 1, -_DELTA, _DELTA)
        values = bound(np.concatenate([point[None], point + np.diag(sides)]))
        return float(values[0]), (values[1:] - values[0]) / sides

    options = {"maxiter": _MOST_STEPS}
    bounds = [(0, 1)] * start.size
    result = optimize.minimize(value_and_gradient, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
    return np.asarray(result.x)
