"""Models of the user's own as recipes: a function that takes `hp` or `config` and returns a Keras model.

There is nothing to inherit from. What `build` of KerasTuner takes works as it is::

    def build(hp):
        units = hp.Int("units", 16, 256, default=64)
        return keras.Sequential([keras.layers.Dense(units, "relu"), keras.layers.Dense(3, "softmax")])

A model that is not compiled gets loss, metrics and optimizer as those of the built-in recipes do. A compiled one is
left as it is, its targets in the form that its loss takes. Targets of a regression come in their own units to both.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recipes import user_code
from recipes.config import Config
from recipes.errors import ConfigError, RecipeError, UnaskedError, one_line
from recipes.parts import output
from recipes.recipe import Recipe
from recipes.task import Facts, Kind

#: What a parameter of the user's function is called, or annotated with, to be given it.
_GIVEN = {"hp": ("hp", "hyperparameters"), "config": ("config", "cfg"), "facts": ("facts",)}
_ANNOTATED = {"HyperParameters": "hp", "Config": "config", "Facts": "facts"}


def recipe_of(name: str) -> Recipe:
    """Return the recipe that a function of the user's is.

    The module is imported, once for each state of a file: it is run because the user names it.

    Parameters
    ----------
    name
        ``module:function``, the module found from the current folder too, or ``path/file.py:function``. The function
        takes ``hp`` (`keras_tuner.HyperParameters`) or ``config`` (`recipes.Config`), and ``facts``
        (`recipes.task.Facts`) where it wants to; by these names, or annotated so.

    Raises
    ------
    RecipeError
        There is no such function, its module fails, or it wants something else.
    """
    return _recipe(name, _state(name))


def call(config: Config, facts: Facts, hp: Any) -> Any:
    """Return what the user's function makes of hyperparameters, whatever it is: a search asks so for their names.

    Parameters
    ----------
    config, facts
        Given to the function where it wants them.
    hp
        `keras_tuner.HyperParameters`; holds afterwards what the function asked for.

    Raises
    ------
    RecipeError
        It fails.
    """
    return _own(config.recipe, _state(config.recipe)).call(config, facts, hp)


def _state(name: str) -> Any:
    """Return what changes when a file of the user's does."""
    path = Path(name.rpartition(":")[0])
    is_file = path.suffix == ".py" and path.is_file()
    return (path.resolve(), path.stat().st_mtime_ns, path.stat().st_size) if is_file else Path.cwd()


@functools.lru_cache(maxsize=32)
def _own(name: str, _state: Any) -> _Own:
    function = user_code.function(name)
    return _Own(name, function, _arguments(name, function))


@functools.lru_cache(maxsize=32)
def _recipe(name: str, state: Any) -> Recipe:
    own = _own(name, state)
    return Recipe(
        name=name,
        summary=(inspect.getdoc(own.function) or "your own model").partition("\n")[0],
        build=own.build,
        inputs=frozenset({"vector", "image"}),
        tasks=frozenset(Kind),
        uses=("*",),
        encode=own.encode,
        is_compiled=True,
    )


class _Own:
    """A function of the user's.

    Parameters
    ----------
    name
        As the user calls it.
    function
        Returns a Keras model.
    arguments
        Its parameters -> what each is given, a key of `_GIVEN`.
    """

    def __init__(self, name: str, function: Callable[..., Any], arguments: Mapping[str, str]) -> None:
        self._name, self.function, self._arguments = name, function, arguments
        self._loss: Any = None  # of the last model, where the user compiled it

    def build(self, config: Config, facts: Facts) -> keras.Model:
        """Return the user's model, compiled or not.

        Raises
        ------
        RecipeError
            It fails, returns no model, or one that does not fit the data.
        """
        hp = _hyperparameters(config) if "hp" in self._arguments.values() else None
        model = self.call(config, facts, hp)
        if not isinstance(model, keras.Model):
            raise RecipeError(f"{self._name} returns {_article(type(model).__name__)}, not a keras.Model")
        if hp is not None:
            _check_hyperparameters(self._name, config, hp)
        self._loss = model.loss if model.compiled else None
        self._check(model, facts)
        return model

    def call(self, config: Config, facts: Facts, hp: Any) -> Any:
        """Return what the function returns."""
        given = {"hp": hp, "config": config, "facts": facts}
        arguments = {parameter: given[what] for parameter, what in self._arguments.items()}
        return user_code.call(self._name, functools.partial(self.function, **arguments))

    def encode(self, config: Config, facts: Facts) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Return the function from targets as `Task` describes them to targets as the loss takes them.

        A loss that the user wrote gets them as `Task` describes; those of Keras get classes one-hot, but for the sparse
        one.
        """
        task = facts.task

        def encoded(y: NDArray[Any]) -> NDArray[Any]:
            if task.kind is Kind.BINARY:
                return np.reshape(y, (-1, 1))
            if task.kind is Kind.MULTICLASS and self._takes_one_hot(config, facts):
                return np.eye(len(task.names), dtype=np.float32)[y]
            return y

        return encoded

    def _takes_one_hot(self, config: Config, facts: Facts) -> bool:
        if self._loss is None:
            return output.is_one_hot(config, facts.task)
        loss = self._loss
        is_keras = isinstance(loss, str) or getattr(loss, "__module__", "").startswith("keras.")
        kind = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
        one_hot = is_keras and not kind.lower().startswith("sparse")
        if config.data.mixing != "none" and not one_hot:
            raise ConfigError(f"data.mixing: {self._name} is compiled with {kind}, which cannot mix labels; use none")
        return one_hot

    def _check(self, model: keras.Model, facts: Facts) -> None:
        """Refuse a model that does not fit the data."""
        if facts.task.kind is Kind.DETECTION:
            if not model.compiled:
                raise RecipeError(f"{self._name}: there is no loss for every detector; compile the model with yours")
            return
        shape = self._output_shape(model, facts)
        units = facts.task.units
        if shape != (units,):
            raise RecipeError(
                f"{self._name}: the model puts out {_shape(shape)} for a sample, and the {facts.task.kind} task of "
                f"{facts.name} needs ({units},)"
            )
        last = model.layers[-1] if model.layers else None
        is_linear = getattr(last, "activation", None) is keras.activations.linear
        if not model.compiled and is_linear and facts.task.kind is not Kind.REGRESSION:
            wanted = "softmax" if facts.task.kind is Kind.MULTICLASS else "sigmoid"
            raise RecipeError(
                f"{self._name}: the output is linear, and a {facts.task.kind} task needs {wanted}; "
                f'end with Dense({units}, activation="{wanted}"), or compile the model with your own loss'
            )

    def _output_shape(self, model: keras.Model, facts: Facts) -> tuple[int | None, ...] | None:
        """Return the shape that comes out for a sample, None where several things do."""
        shape = facts.inputs.shape
        if model.built and getattr(model, "inputs", None):
            expected = [tuple(tensor.shape[1:]) for tensor in model.inputs]
            if len(expected) > 1 or not _fits(shape, expected[0]):
                wanted = " and ".join(map(_shape, expected))
                raise RecipeError(f"{self._name}: the model takes {wanted}, and a sample of {facts.name} is {shape}")
            return tuple(model.outputs[0].shape[1:]) if len(model.outputs) == 1 else None
        sample = np.zeros((1, *shape), np.float32)
        try:
            result = model(sample)
        except Exception as error:  # of the user's layers, or of Keras about them
            raise RecipeError(
                f"{self._name}: the model does not take a sample of {facts.name}, {shape}: {one_line(error)}"
            ) from None
        found = getattr(result, "shape", None)
        return None if found is None else tuple(found[1:])


def _arguments(name: str, function: Callable[..., Any]) -> dict[str, str]:
    """Return parameter -> what it is given, by its name or its annotation.

    Raises
    ------
    RecipeError
        There is a parameter that is neither known nor has a default.
    """
    found = {}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise RecipeError(f"{name}: cannot be called with hp or config; name a function") from None
    for parameter in parameters:
        annotation = getattr(parameter.annotation, "__name__", str(parameter.annotation)).rpartition(".")[2]
        by_name = next((what for what, names in _GIVEN.items() if parameter.name in names), None)
        what = _ANNOTATED.get(annotation, by_name)
        if what:
            found[parameter.name] = what
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise RecipeError(f"{name}: what is its parameter {parameter.name!r}? It can take hp, config and facts")
    return found


def _hyperparameters(config: Config) -> Any:
    """Return KerasTuner's hyperparameters with the configured values; the others get their defaults."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values.update(config.hyperparameters)
    return hp


def _check_hyperparameters(name: str, config: Config, hp: Any) -> None:
    """Refuse values that the function did not ask for, or that it does not allow."""
    asked = {parameter.name: parameter for parameter in hp.space}
    for known, value in config.hyperparameters.items():
        path = f"hyperparameters.{known}"
        if known not in asked:
            near = difflib.get_close_matches(known, asked, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it asks for {', '.join(asked) or 'none'}"
            raise UnaskedError(f"{path}: {name} does not ask for it; {hint}", known)
        allowed = _not_allowed(asked[known], value)
        if allowed:
            raise ConfigError(f"{path}: must be {allowed}, not {value!r}")


def _not_allowed(parameter: Any, value: Any) -> str:
    """Return what a hyperparameter may be, where a value is not that; else nothing."""
    kind = type(parameter).__name__
    if kind == "Boolean":
        return "" if isinstance(value, bool) else "true or false"
    if kind == "Choice":
        return "" if value in parameter.values else f"one of {', '.join(map(str, parameter.values))}"
    if kind == "Fixed":
        return "" if value == parameter.value else f"{parameter.value!r}, for it is fixed"
    if kind not in ("Int", "Float"):
        return ""
    is_number = isinstance(value, int if kind == "Int" else int | float) and not isinstance(value, bool)
    within = is_number and parameter.min_value <= value <= parameter.max_value
    return "" if within else f"{kind.lower()} from {parameter.min_value} to {parameter.max_value}"


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether samples of a shape may go where another one is expected, in which None is any size."""
    return len(shape) == len(expected) and all(
        wanted in (None, size) for size, wanted in zip(shape, expected, strict=True)
    )


def _shape(shape: tuple[int | None, ...] | None) -> str:
    return "several outputs" if shape is None else str(shape).replace("None", "any")


def _article(word: str) -> str:
    if word == "NoneType":
        return "nothing"
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
