"""From a configuration to a compiled model: the one place where models are built."""

from __future__ import annotations

import keras

from recipes.catalog import find
from recipes.config import Config
from recipes.data.base import Data
from recipes.parts import optimizers, output
from recipes.recipe import Phase, Recipe
from recipes.task import Facts


def build(config: Config, data: Data | Facts | None = None) -> keras.Model:
    """Build and compile the model that a configuration describes, ready for its first phase.

    Parameters
    ----------
    config
        The configuration.
    data
        What it is to be trained on, or the facts about it; None: the data that the configuration names is loaded.

    Returns
    -------
    keras.Model
        Input: a batch of `Facts.inputs`, shape (batch, *shape). Output: (batch, units), see `recipes.task.Task`.

    Raises
    ------
    RecipeError
        The recipe is not for such data, or cannot be built for it.

    Examples
    --------
    >>> from recipes import Config, build
    >>> model = build(Config.of("mlp", {"data.source": "iris"}))  # doctest: +SKIP
    """
    if data is None:
        from recipes.data import load_data

        data = load_data(config)
    facts = data.facts if isinstance(data, Data) else data
    recipe = find(config.recipe)
    model = network(recipe, config, facts)
    start(model, recipe, recipe.phases(config, facts)[0], config, facts)
    return model


def network(recipe: Recipe, config: Config, facts: Facts) -> keras.Model:
    """Return the model as `build` does, not yet compiled unless the user's own function did so."""
    recipe.check_data(facts)
    return recipe.build(config, facts)


def start(model: keras.Model, recipe: Recipe, phase: Phase, config: Config, facts: Facts) -> None:
    """Make a model ready for a phase: what is trainable, optimizer, loss, metrics."""
    phase.prepare(model)
    if not (recipe.is_compiled and model.compiled):
        steps = phase.epochs * facts.steps(config.data.batch_size)
        model.compile(
            optimizer=optimizers.optimizer(config, phase.learning_rate, steps),
            loss=(recipe.loss or output.loss)(config, facts),
            metrics=(recipe.metrics or output.metrics)(config, facts),
        )
    if model.built and model.optimizer is not None:
        # TensorFlow traces a step that makes variables twice.
        model.optimizer.build(model.trainable_variables)
