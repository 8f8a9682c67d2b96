"""What a search is, before its first trial: everything that follows from what was asked for."""

from __future__ import annotations

import itertools
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from diagnose.tracking.store import shown_uri
from recipes import building, export
from recipes.catalog import find
from recipes.config import Config, DataConfig
from recipes.data import Data, load_data
from recipes.errors import ConfigError, RecipeError
from recipes.task import Facts, Kind
from tuners import outcome as outcomes
from tuners import trial
from tuners.datasets import of_recipe_data
from tuners.objective import Objective
from tuners.search.settings import SearchSettings
from tuners.search.space import Space
from tuners.search.task import Datasets, fold_of

Given = Space | Mapping[str, Any] | str | Path | Sequence[Space | Mapping[str, Any] | str | Path] | None

#: Settings that change no trial.
_BUDGET = ("trials", "time", "final")
#: Settings of data that change batches, and not what is loaded.
_OF_BATCHES = (
    "batch_size", "shuffle", "class_weight", "augmentation", "augmentation_families", "flips", "mixing",
)  # fmt: skip

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
        _check_settings(config, settings, data)
        datasets, asked = Datasets.load(config) if data is None else Datasets.of(config, data), config.data
        facts = datasets.first.facts
        find(config.recipe).check_data(facts)
        space = Space.asked(config, facts, [given] if isinstance(given, Space | Mapping | str | Path) else given or ())
        config = config.replace(space.fixed)
        network = _own_network(config, datasets.first)
        objective = Objective.of(
            _objective(config, facts, network) if settings.objective == "auto" else settings.objective
        )
        config = config.replace({"training.monitor": str(objective)})
        if data is not None and space.data_paths():
            raise RecipeError(f"{space.data_paths()[0]}: data that is loaded already has one; name its source")
        variants = _variants(space)
        if settings.folds > 1 or len(variants) > 1 or _is_other_data(asked, config.data):
            datasets = Datasets.load(config, settings.folds, variants) if data is None else Datasets.of(config, data)
        plan = cls(config, space, settings, objective, datasets)
        if not plan.is_kept and ":" in config.data.source:
            load_data(config.replace({"data.validation": 0.0}))  # refuses data that the function has split already
        return plan

    def config_of(self, values: Mapping[str, Any]) -> Config:
        """Return the configuration of a trial."""
        return self.space.apply(self.config, values)

    def data_of(self, values: Mapping[str, Any]) -> Data:
        """Return what the first training of a trial is trained on."""
        return self.datasets.get(fold_of(self.config_of(values), self.settings.folds, 0))

    def content(self, track: bool | str, warm_start: Sequence[Path | str] = ()) -> dict[str, Any]:
        """Return what the folder notes: what must stay the same, what may change, and what is good to know."""
        given = self.settings.model_dump(exclude=set(_BUDGET))
        facts = self.datasets.first.facts
        return {
            "config": self.config.to_dict(),
            "space": self.space.to_dict(),
            "settings": given,
            "objective": str(self.objective),
            "data": {"fingerprint": trial.fingerprint(self.datasets.first)},
            "warm_start": [str(Path(folder).resolve()) for folder in warm_start],
            "budget": self.budget,
            "noted": {
                "recipe": self.config.recipe_name,
                "data": facts.name,
                "started": round(time.time(), 3),
                "key": uuid.uuid4().hex,  # of the search in MLflow
                "versions": outcomes.versions(),
                "mlflow": shown_uri(None if track is True else str(track)) if track else "",
                "datasets": [asdict(dataset) for dataset in of_recipe_data(self.datasets.first, self.config)],
            },
        }

    @property
    def budget(self) -> dict[str, Any]:
        """What may be changed while the search goes on."""
        return self.settings.model_dump(include=set(_BUDGET))

    @property
    def is_kept(self) -> bool:
        """Whether the winner has the weights of its trial."""
        if self.settings.final == "auto":
            return self.settings.executions * self.settings.folds == 1
        return self.settings.final == "restore"


def _is_other_data(before: DataConfig, after: DataConfig) -> bool:
    """Whether other data has to be loaded than for a first look: a space may set what is loaded."""
    return before.model_dump(exclude=set(_OF_BATCHES)) != after.model_dump(exclude=set(_OF_BATCHES))


def cautions(plan: Plan) -> Iterator[str]:
    """Yield what makes the scores of trials hard to compare, and how long a grid is."""
    if plan.settings.strategy == "grid":
        yield f"the grid has up to {plan.space.combinations():,} combinations"
    paths = plan.space.loss_paths()
    if plan.objective.name.endswith("loss") and paths:
        yield f"{', '.join(paths)} change what {plan.objective.name} means; better judge by a metric (--objective)"


def _check_settings(config: Config, settings: SearchSettings, data: Data | None) -> None:
    """Refuse what does not go together, before anything is loaded."""
    trainings = settings.executions * settings.folds
    if settings.final == "restore" and trainings > 1:
        raise RecipeError("restore: a trial of several trainings has no weights of its own; take --final retrain")
    if data is not None and (settings.final == "retrain" or trainings > 1):
        raise RecipeError(
            "folds, executions, retrain: data that is loaded already cannot be split anew; name its source"
        )
    if not config.data.validation and settings.folds == 1:
        raise RecipeError("data.validation: trials are judged by validation samples; leave it above 0, or take --folds")
    if config.training.stop_after and settings.strategy == "hyperband":
        raise RecipeError("training.stop_after: hyperband sets it itself; leave it out")


def _own_network(config: Config, data: Data) -> keras.Model | None:
    """Build the user's own model, and see that it can be saved, before hours are spent on it; None of the recipes'."""
    if ":" not in config.recipe:
        return None
    recipe = find(config.recipe)
    network = building.network(recipe, config, data.facts)
    with tempfile.TemporaryDirectory() as folder:
        export.check_saving(export.deployable(network, recipe, data), Path(folder) / "model.keras")
    return network


def _objective(config: Config, facts: Facts, network: keras.Model | None) -> str:
    """Return what trials are judged by, where nobody says: no loss, for penalties that are searched are part of it."""
    if config.training.monitor != Config().training.monitor:
        return config.training.monitor
    if facts.task.kind not in _OBJECTIVES or (network is not None and network.compiled):
        return "min:val_loss"  # the metrics of a compiled model are its own
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
