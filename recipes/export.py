"""The model to use: raw inputs in, predictions in the targets' own units out, of Keras' own layers where possible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recipes.data.base import Data
from recipes.errors import RecipeError
from recipes.parts import output
from recipes.parts.layers import without_dropconnect
from recipes.recipe import Recipe

#: Inputs that show what a model takes.
_EXAMPLES = 3


def in_units(model: keras.Model, recipe: Recipe, data: Data) -> keras.Model:
    """Return a trained network that predicts as `recipes.task.Task` describes targets; it shares its weights.

    Parameters
    ----------
    model
        As `recipes.build` makes it.
    recipe, data
        What it was built by, and trained on.
    """
    return output.decoded(model, data.facts) if recipe.encode is output.encode else model


def deployable(model: keras.Model, recipe: Recipe, data: Data) -> keras.Model:
    """Return the model to save and use; it is not compiled, and shares its weights with the one that was trained.

    Parameters
    ----------
    model
        As `recipes.build` makes it, trained.
    recipe, data
        What it was built by, and trained on.

    Returns
    -------
    keras.Model
        Input: what `Data.preprocessing` takes, else a batch of `Facts.inputs`. Output: predictions, (batch, units): of
        classes and labels their probabilities, of a regression values in the target's own units.
    """
    model = in_units(without_dropconnect(model), recipe, data)
    if data.preprocessing is None:
        return _plain(model)
    return keras.Model(data.preprocessing.input, model(data.preprocessing.output), name=model.name)


def save(model: keras.Model, path: Path) -> None:
    """Save a model in one step, and see that what was saved is the model.

    Parameters
    ----------
    model
        As `deployable` makes it.
    path
        Ends with ``.keras``.

    Raises
    ------
    RecipeError
        It cannot be saved, or does not load in Keras' safe mode, or predicts something else then.
    OSError
        There is no room.
    """
    with _saved(model, path) as unfinished:
        os.replace(unfinished, path)


def check_saving(model: keras.Model, path: Path) -> None:
    """See that a model can be saved, before time is spent on its training; nothing is left.

    Parameters
    ----------
    model, path
        As for `save`.

    Raises
    ------
    RecipeError
        As `save`.
    """
    with _saved(model, path):
        pass


@contextmanager
def _saved(model: keras.Model, path: Path) -> Iterator[Path]:
    """Save a model beside where it belongs, and give the file, if it holds the model; the file goes with the block."""
    unfinished = path.with_name(f".{path.stem}.tmp.keras")
    try:
        _save_and_compare(model, unfinished)
        yield unfinished
    except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(
            f"{path}: the model cannot be saved and loaded in Keras' safe mode; give your layers and models get_config "
            f"and @keras.saving.register_keras_serializable(), and use no Lambda: {reason}"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def example(model: keras.Model, data: Data | None = None) -> Any:
    """Return a few raw inputs of a model: of the test samples; made up where there are none, or not in their raw form.

    Parameters
    ----------
    model
        As `deployable` makes it.
    data
        What it was trained on.
    """
    if data is not None and data.preprocessing is None and len(data.test):
        return data.test.inputs(np.arange(min(_EXAMPLES, len(data.test))))
    return _sample(model)


def _save_and_compare(model: keras.Model, path: Path) -> None:
    model.save(path)
    again = keras.saving.load_model(path, safe_mode=True, compile=False)
    sample = _sample(model)
    for one, other in zip(_outputs(model, sample), _outputs(again, sample), strict=True):
        if not np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise RecipeError(f"{path}: the saved model predicts something else than the trained one")


def _plain(model: keras.Model) -> keras.Model:
    """Return the model without what it was compiled with, where it can be taken apart."""
    if not getattr(model, "inputs", None) or not model.compiled:
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _sample(model: keras.Model) -> Any:
    """Return two made-up inputs: what is looked at is only whether two models do the same with them."""
    draw = np.random.default_rng(0)

    def made(spec: keras.KerasTensor) -> Any:
        shape = (2, *(size or 8 for size in spec.shape[1:]))
        if spec.dtype == "string":
            return np.full(shape, "")
        return draw.uniform(0, 1, shape).astype(spec.dtype)

    return keras.tree.map_structure(made, model.input)


def _outputs(model: keras.Model, sample: Any) -> list[Any]:
    tensors = keras.tree.map_structure(lambda array: keras.ops.convert_to_tensor(array), sample)
    return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(model(tensors, training=False))]
