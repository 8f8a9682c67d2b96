"""What a recipe is: how to build a model for some data, in which phases it is trained, which settings it heeds."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipes.config import Config, Settings
from recipes.errors import ConfigError, RecipeError
from recipes.task import Facts, Kind

if TYPE_CHECKING:
    import keras

#: Settings that every recipe heeds, for they are about data, optimizer and training.
COMMON = (
    "data.source", "data.target", "data.group", "data.ignore", "data.task", "data.validation", "data.folds",
    "data.fold", "data.test", "data.split_seed", "data.batch_size", "data.shuffle", "data.cache", "optimizer.*",
    "training.*",
)  # fmt: skip
#: Settings that recipes for images heed beside them.
IMAGES = ("data.image_size", "data.augmentation", "data.augmentation_families", "data.flips")


@dataclass(frozen=True)
class Phase:
    """A part of a training: what is trained, for how long, at which rate.

    Parameters
    ----------
    name
        For people: ``head``, ``fine-tuning``.
    epochs
        At most.
    learning_rate
        Of the first step; a schedule starts from it.
    prepare
        Sets what of the model is trainable; called before it is compiled.
    """

    name: str
    epochs: int
    learning_rate: float
    prepare: Callable[[keras.Model], None] = lambda _model: None


def one_phase(config: Config, _facts: Facts) -> tuple[Phase, ...]:
    """Return the one phase of a training that does not change in between."""
    return (Phase("training", config.training.epochs, config.optimizer.learning_rate),)


@dataclass(frozen=True)
class Recipe:
    """A way to build and train a kind of model.

    Parameters
    ----------
    name
        As on the command line.
    summary
        One line for people.
    build
        (configuration, facts) -> a Keras model that is not compiled, input as `Facts.inputs`, output as `Task`.
    inputs, tasks
        What it is for.
    uses
        Patterns of the settings that it heeds, beside `COMMON`.
    presets
        Name -> settings on top of the defaults; ``default`` is there.
    phases
        (configuration, facts) -> phases in their order.
    loss, metrics
        (configuration, facts) -> what to compile with; None: what fits the task (`recipes.parts.output`).
    encode
        (configuration, facts) -> function from targets as `Task` describes them to what the loss takes, or None.
    is_compiled
        Whether `build` returns a compiled model, which is then left as it is.
    """

    name: str
    summary: str
    build: Callable[[Config, Facts], keras.Model]
    inputs: frozenset[str]
    tasks: frozenset[Kind]
    uses: tuple[str, ...]
    presets: Mapping[str, Settings] = field(default_factory=lambda: {"default": {}})
    phases: Callable[[Config, Facts], tuple[Phase, ...]] = one_phase
    loss: Callable[[Config, Facts], Any] | None = None
    metrics: Callable[[Config, Facts], list[Any]] | None = None
    encode: Callable[[Config, Facts], Callable[[Any], Any] | None] | None = None
    is_compiled: bool = False

    def check_settings(self, given: Iterable[str]) -> None:
        """Refuse settings that the recipe does not heed: what is set and does nothing misleads.

        Raises
        ------
        ConfigError
            Names the first one.
        """
        for path in given:
            if not self.heeds(path):
                heeded = ", ".join((*self.uses, *COMMON))
                raise ConfigError(f"{path}: the recipe {self.name} does not use it; it uses {heeded}")

    def heeds(self, path: str) -> bool:
        """Whether a setting makes a difference."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in (*self.uses, *COMMON))

    def check_data(self, facts: Facts) -> None:
        """Refuse data that the recipe is not for.

        Raises
        ------
        RecipeError
            Says what it is for.
        """
        if facts.inputs.kind not in self.inputs:
            wanted = " or ".join(sorted(self.inputs))
            raise RecipeError(f"{facts.name} has {facts.inputs.kind} inputs, and the recipe {self.name} takes {wanted}")
        if facts.task.kind not in self.tasks:
            wanted = ", ".join(sorted(self.tasks))
            raise RecipeError(f"{facts.name} is a {facts.task.kind} task, and the recipe {self.name} is for: {wanted}")
