"""What a search is, before its first trial: everything that follows from what was asked for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes import building
from recipes.catalog import find
from recipes.config import Config
from recipes.data import Data
from recipes.errors import ConfigError, RecipeError
from recipes.task import Facts, Kind
from tuners import outcome as outcomes
from tuners import trial
from tuners.objective import Objective
from tuners.search.settings import SearchSettings
from tuners.search.space import Space
from tuners.search.task import Datasets, fold_of
from tuners.tracking import shown_uri

Given = Space | Mapping[str, Any] | str | Path | Sequence[Space | Mapping[str, Any] | str | Path] | None

_OBJECTIVES = {
    Kind.BINARY: "max:val_accuracy",
    Kind.MULTICLASS: "max:val_accuracy",
    Kind.MULTILABEL: "max:val_f1",
    Kind.REGRESSION: "max:val_r2",
}


@dataclass(frozen=True)
class Plan:
    """A search before its first trial.

    Parameters
    ----------
    config
        What all trials have in common; judged by `objective` (``training.monitor``).
    space, settings
        What is searched, and how.
    objective
        What trials are judged by.
    datasets
        What they are trained on.
    """

    config: Config
    space: Space
    settings: SearchSettings
    objective: Objective
    datasets: Datasets

    @classmethod
    def of(cls, config: Config, given: Given, settings: SearchSettings, data: Data | None) -> Plan:
        """Load the data, unless it is given, and settle what is searched and what is best.

        Raises
        ------
        RecipeError
            What was asked for does not go together.
        """
        if data is not None and (settings.folds > 1 or settings.final == "retrain"):
            raise RecipeError("folds, retrain: data that is loaded already cannot be split anew; name its source")
        if settings.final == "restore" and settings.executions * settings.folds > 1:
            raise RecipeError("restore: a trial of several trainings has no weights of its own; take --final retrain")
        datasets = Datasets.load(config) if data is None else Datasets.of(config, data)
        facts = datasets.first.facts
        find(config.recipe).check_data(facts)
        space = Space.asked(config, facts, [given] if isinstance(given, Space | Mapping | str | Path) else given or ())
        config = config.replace(space.fixed)
        objective = Objective.of(_objective(config, facts) if settings.objective == "auto" else settings.objective)
        config = config.replace({"training.monitor": str(objective)})
        if data is not None and space.data_paths():
            raise RecipeError(f"{space.data_paths()[0]}: data that is loaded already has one; name its source")
        variants = _variants(space)
        if settings.folds > 1 or space.fixed or len(variants) > 1:  # other data than was loaded for a first look
            datasets = Datasets.load(config, settings.folds, variants) if data is None else Datasets.of(config, data)
        return cls(config, space, settings, objective, datasets)

    def config_of(self, values: Mapping[str, Any]) -> Config:
        """Return the configuration of a trial."""
        return self.space.apply(self.config, values)

    def data_of(self, values: Mapping[str, Any]) -> Data:
        """Return what the first training of a trial is trained on."""
        return self.datasets.get(fold_of(self.config_of(values), self.settings.folds, 0))

    def content(self, track: bool | str) -> dict[str, Any]:
        """Return what the folder notes: what must stay the same, what may change, and what is good to know."""
        given = self.settings.model_dump()
        budget = {name: given.pop(name) for name in ("trials", "time", "final")}
        facts = self.datasets.first.facts
        return {
            "config": self.config.to_dict(),
            "space": self.space.to_dict(),
            "settings": given,
            "objective": str(self.objective),
            "data": {"fingerprint": trial.fingerprint(self.datasets.first)},
            "budget": budget,
            "noted": {
                "recipe": self.config.recipe_name,
                "data": facts.name,
                "started": round(time.time(), 3),
                "versions": outcomes.versions(),
                "mlflow": shown_uri(track),
            },
        }

    @property
    def is_kept(self) -> bool:
        """Whether the winner has the weights of its trial."""
        if self.settings.final == "auto":
            return self.settings.executions * self.settings.folds == 1
        return self.settings.final == "restore"


def cautions(plan: Plan) -> Iterator[str]:
    """Yield what makes the scores of trials hard to compare."""
    paths = plan.space.loss_paths()
    if plan.objective.name.endswith("loss") and paths:
        yield f"{', '.join(paths)} change what {plan.objective.name} means; better judge by a metric (--objective)"


def _objective(config: Config, facts: Facts) -> str:
    """Return what trials are judged by, where nobody says: no loss, for penalties that are searched are part of it."""
    if facts.task.kind not in _OBJECTIVES:
        return "min:val_loss"
    if ":" in config.recipe and building.network(find(config.recipe), config, facts).compiled:
        return "min:val_loss"  # its metrics are its own
    is_imbalanced = facts.task.kind in (Kind.BINARY, Kind.MULTICLASS) and facts.task.is_imbalanced
    return "max:val_f1" if is_imbalanced else _OBJECTIVES[facts.task.kind]


def _variants(space: Space) -> list[Mapping[str, Any]]:
    """Return every combination of the searched settings that change what is loaded."""
    searched = [space[path] for path in space.data_paths()]
    for each in searched:
        if each.is_range:
            raise ConfigError(f"{each.path}: give a list, as {each.path}=32|48|64: the data is loaded for each value")
    return [
        dict(zip(space.data_paths(), values, strict=True))
        for values in itertools.product(*(each.values for each in searched))
    ]
