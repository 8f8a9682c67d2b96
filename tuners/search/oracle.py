"""What to try next: KerasTuner's oracles behind `Oracle.ask` and `Oracle.tell`, rebuilt from what was asked and told.

An oracle has no file. KerasTuner's own are not written in one step, and that of a grid search is not written at all;
the journal of a search has all that is needed (`Oracle.replay`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from recipes.errors import ConfigError, RecipeError
from tuners.objective import Objective
from tuners.search.settings import SearchSettings
from tuners.search.space import Space


class Rest(Enum):
    """Why nothing is proposed."""

    #: Something depends on trials that are not over.
    WAIT = "wait"
    #: There is nothing more to try.
    OVER = "over"


WAIT, OVER = Rest.WAIT, Rest.OVER


@dataclass(frozen=True)
class Proposal:
    """Values to try.

    Parameters
    ----------
    number
        Of the trial, from 0.
    values
        Path -> value of what is searched and active, as `Space.apply` takes it.
    epochs
        To train in all, those of the parent among them.
    parent
        Number of the trial that it goes on from; None: it begins anew.
    """

    number: int
    values: Mapping[str, Any]
    epochs: int
    parent: int | None = None


@dataclass(frozen=True)
class Asked:
    """An event of the journal: a proposal was made."""

    proposal: Proposal


@dataclass(frozen=True)
class Told:
    """An event of the journal: a trial was over; a score of None: it has none."""

    number: int
    score: float | None


class Oracle:
    """Proposes values; the same seed, proposals and scores give the same next proposal.

    Parameters
    ----------
    space
        What is searched.
    settings
        Strategy, seed, `SearchSettings.most_trials`; of hyperband the factor.
    objective
        Whether a higher score is better.
    epochs
        Of a trial; of hyperband the most.

    Raises
    ------
    ConfigError
        Nothing is searched.

    Notes
    -----
    Any number of trials may be open. Bayesian optimization draws at random until it has as many scores as a third of
    the trials, within dimensions + 1 and 3 x dimensions (KerasTuner: always 3 x dimensions, which of 20 trials on 7
    parameters leaves none); where their number is not limited, 2 x dimensions.

    Hyperband goes through its brackets once, or again and again where trials or time are limited. A trial of its that
    would go on from one that failed is not proposed, and counts as failed.
    """

    def __init__(self, space: Space, settings: SearchSettings, objective: Objective, epochs: int) -> None:
        if not space:
            raise ConfigError("nothing is searched; give a range or a list, as --space 'model.depth=1..4'")
        self._space, self._settings, self._objective, self._epochs = space, settings, objective, epochs
        self._ids: list[str] = []  # number of the trial -> KerasTuner's name for it
        self._open: set[int] = set()
        with _quiet():
            self._oracle = _oracle(space, settings, epochs)

    def ask(self) -> Proposal | Rest:
        """Return what to try next, `WAIT` where that depends on trials that are open, `OVER` where there is nothing."""
        most = self._settings.most_trials
        if most is not None and len(self._ids) >= most:
            return OVER
        while True:
            with _quiet():
                trial = self._oracle.create_trial(f"slot {len(self._oracle.trials)}")
            if trial.status != "RUNNING":
                return WAIT if trial.status == "IDLE" and self._open else OVER
            parent = trial.hyperparameters.values.get("tuner/trial_id")
            if parent is None or math.isfinite(self._oracle.costs[parent]):
                return self._proposal(trial, parent)
            self._end(trial.trial_id, None)

    def tell(self, number: int, score: float | None) -> None:
        """Note the score of an open trial; None, or one that is not finite: it failed.

        Raises
        ------
        ValueError
            There is no such trial, or it is not open.
        """
        if number not in self._open:
            raise ValueError(f"trial {number} is not open")
        self._open.remove(number)
        self._end(self._ids[number], self._cost(score))

    def replay(self, events: Iterable[Asked | Told]) -> None:
        """Go to the state after some proposals and scores, as the journal has them, in their order.

        Trials that were proposed and of which no score was told are open afterwards.

        Raises
        ------
        RecipeError
            Other values would have been proposed: by another version of KerasTuner, or for another space.
        """
        for event in events:
            if isinstance(event, Told):
                self.tell(event.number, event.score)
            else:
                self._ask_again(event.proposal)

    def warm(self, observations: Iterable[tuple[Mapping[str, Any], float | None]]) -> int:
        """Take trials of an earlier search for known, before the first proposal.

        Bayesian optimization learns from them, random search does not try them again; neither counts them as trials
        or proposes them.

        Parameters
        ----------
        observations
            Values and score of each; values have all that is searched here, and may have more.

        Returns
        -------
        int
            How many were left out, for their values are not points of this space.

        Raises
        ------
        ConfigError
            Hyperband and grid search cannot use them.
        """
        if self._settings.strategy not in ("bayesian", "random"):
            raise ConfigError(
                f"a {self._settings.strategy} search learns nothing from an earlier one; take --strategy bayesian"
            )
        left_out = 0
        for values, score in observations:
            known = {path: value for path, value in values.items() if path in self._space}
            if self._space.holds(known):
                active = self._space.active(known)
                self._oracle.observe(self._space.plain(active), self._cost(score))
            else:
                left_out += 1
        return left_out

    def _ask_again(self, recorded: Proposal) -> None:
        if self._settings.strategy == "bayesian":
            self._oracle.recorded = recorded.values
        try:
            found = self.ask()
        finally:
            if self._settings.strategy == "bayesian":
                self._oracle.recorded = None
        if found != recorded:
            raise RecipeError(
                f"trial {recorded.number} cannot be repeated: the search was begun with another version of "
                "keras-tuner, or its journal was changed; begin anew in another folder, with --warm-start from this one"
            )

    def _proposal(self, trial: Any, parent: str | None) -> Proposal:
        number = len(self._ids)
        self._ids.append(trial.trial_id)
        self._open.add(number)
        values = trial.hyperparameters.values
        return Proposal(
            number,
            {path: values[path] for path in self._space.paths if path in values},
            values.get("tuner/epochs", self._epochs),
            None if parent is None else self._ids.index(parent),
        )

    def _end(self, trial_id: str, cost: float | None) -> None:
        with _quiet():
            self._oracle.end(trial_id, cost)

    def _cost(self, score: float | None) -> float | None:
        return self._objective.cost(score) if score is not None and math.isfinite(score) else None


def initial_points(dimensions: int, most_trials: int | None) -> int:
    """Return how many scores Bayesian optimization begins with, see `Oracle`."""
    if most_trials is None:
        return 2 * dimensions
    return min(3 * dimensions, max(dimensions + 1, most_trials // 3))


def _oracle(space: Space, settings: SearchSettings, epochs: int) -> Any:
    """Return KerasTuner's oracle of a strategy."""
    import keras_tuner

    from tuners.search import strategies

    seed = settings.seed + 1  # KerasTuner draws one where it is 0
    common = {
        "objective": keras_tuner.Objective("cost", "min"),
        "hyperparameters": space.to_keras_tuner(grid=settings.strategy == "grid"),
        "seed": seed,
    }
    made: Any
    match settings.strategy:
        case "random":
            made = strategies.Random(**common)
        case "grid":
            made = strategies.Grid(**common)
        case "hyperband":
            again = None if settings.trials or settings.time else 1
            made = strategies.Hyperband(**common, max_epochs=epochs, factor=settings.factor, hyperband_iterations=again)
        case "bayesian":
            from tuners.search.bayesian import Bayesian

            made = Bayesian(**common, num_initial_points=initial_points(len(space), settings.most_trials))
    made.prepare(space, seed)
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what KerasTuner's use of old names of Python's makes it warn of from people."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
