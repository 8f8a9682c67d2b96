"""What is searched: hyperparameters by the paths of their settings, from a recipe's default, a file or `PATH=SPEC`.

A space file is YAML or JSON, path -> description::

    extend: default                  # begin with the default space of the recipe; without it the file is all there is
    optimizer.learning_rate: {low: 1e-5, high: 0.1, log: true}    # a range, both ends included
    regularization.dropout: {low: 0, high: 0.5, step: 0.1}        # 0, 0.1 ... 0.5
    model.activation: [relu, gelu]                                # a list
    model.batch_norm: [true, false]
    optimizer.momentum: {low: 0.8, high: 0.99, when: {optimizer.name: [sgd, nesterov]}}   # searched only then
    model.depth: 3                   # one value: set, not searched
    model.width: null                # not searched, although the default space does

Sections may be nested (``optimizer: {learning_rate: ...}``). A list of one value sets it. As a text the same are
``optimizer.learning_rate=1e-5..0.1 log``, ``regularization.dropout=0..0.5 step 0.1``, ``model.activation=relu|gelu``,
``model.depth=3``, ``model.width=null``; what YAML reads as a list or a mapping will do too. A text goes on top of the
file, or of the default space where there is no file.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from recipes import config as configuration
from recipes.catalog import find
from recipes.config import Config
from recipes.errors import ConfigError
from recipes.task import Facts
from tuners.search.parameter import OWN, Parameter, described, setting

__all__ = ["Parameter", "Space"]

_SPLITS = "the trials would be scored on other samples, and their scores could not be compared"
#: Settings that are never searched, and why.
_REFUSED = {
    "data.source": _SPLITS,
    "data.target": _SPLITS,
    "data.group": _SPLITS,
    "data.ignore": "the trials would be given other data; search the columns by a setting of your own function",
    "data.task": "the trials would be scored by other measures",
    "data.validation": _SPLITS,
    "data.test": _SPLITS,
    "data.split_seed": _SPLITS,
    "data.folds": _SPLITS,
    "data.fold": _SPLITS,
    "training.seed": "the luckiest seed would win; --executions trains each trial with several",
    "training.epochs": "more are never worse, for a trial is scored by its best epoch; set it",
    "training.stop_after": "trials that train for longer would win; set it",
    "training.monitor": "it is the objective that tells the best epoch",
    "training.accelerator": "scores of several devices cannot be compared",
    "training.devices": "scores of several devices cannot be compared",
}
#: Settings that change the data that is loaded; of these a search holds several versions.
OF_DATA = ("data.standardize", "data.image_size")
#: Settings that change what a loss means: penalties are part of it, others are another loss.
_OF_LOSS = (
    "model.loss", "regularization.l1", "regularization.l2", "regularization.label_smoothing", "detector.grid",
    "detector.boxes",
)  # fmt: skip
#: Points that are counted one by one; more are as good as infinitely many.
_COUNTED = 10_000
_RANGE = re.compile(r"(?P<low>\S+?)\s*\.\.\s*(?P<high>[^\s,]+)(?P<rest>.*)")


@dataclass(frozen=True)
class Space:
    """Hyperparameters and what else is set, in their order.

    Parameters
    ----------
    parameters
        What is searched.
    fixed
        Path -> value of settings that are set in every trial.
    without
        Paths that a space below is not to search.
    extends
        Whether it goes on top of another space, the recipe's default or that of a file.

    Examples
    --------
    >>> space = Space.of({"optimizer.learning_rate": {"low": 1e-5, "high": 0.1, "log": True}, "model.depth": 3})
    >>> [f"{parameter.path}: {parameter.describe()}" for parameter in space]
    ['optimizer.learning_rate: 1e-05 .. 0.1, log']
    >>> dict(space.fixed)
    {'model.depth': 3}
    """

    parameters: tuple[Parameter, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    extends: bool = False

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __getitem__(self, path: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.path == path)

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of what is searched."""
        return tuple(parameter.path for parameter in self.parameters)

    @classmethod
    def asked(cls, config: Config, facts: Facts, given: Sequence[Space | Mapping[str, Any] | str | Path] = ()) -> Space:
        """Return the space to search, ready: what was given on top of the recipe's default, checked.

        Parameters
        ----------
        config, facts
            What is tuned.
        given
            Files, ``PATH=SPEC``, mappings or spaces; none: the default space.

        Raises
        ------
        ConfigError
            See `of`, `parse`, `read` and `check`; or nothing is left to be searched.
        """
        layers = [_layer(one) for one in given]
        is_own = ":" in config.recipe
        if is_own:
            _check_own(layers, config, facts)
        default = cls(_defaults(config, facts)) if is_own or all(layer.extends for layer in layers) else cls()
        layers = [layer._of_kinds(default) for layer in layers]
        whole = _stacked([layer for layer in layers if not layer.extends])
        space = default if whole is None else whole._with_conditions(default)
        on_top = _stacked([layer for layer in layers if layer.extends])
        space = space if on_top is None else space.merged(on_top)
        space = space.settled(config)
        space.check(config)
        if not space:
            raise ConfigError("nothing is searched; give a range or a list, as --space 'model.depth=1..4'")
        return space

    @classmethod
    def default(cls, config: Config, facts: Facts) -> Space:
        """Return the default space of the configuration's recipe, bounded by the data.

        Of a function of the user's that is what it asks for, and what of data and optimizer can be searched beside it.

        Raises
        ------
        RecipeError
            The user's function fails, or asks for a name twice with different values.
        """
        return cls(_defaults(config, facts)).settled(config)

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str = "the search space") -> Space:
        """Return the space that a mapping describes, as in the docstring of the module.

        Raises
        ------
        ConfigError
            Names path and value.
        """
        content = dict(content)
        below = [content.pop(key) for key in ("extend", "extends") if key in content]
        if any(value not in ("default", True, False) for value in below):
            raise ConfigError(f"{where}: extend: takes default, not {below[0]!r}")
        space = cls(extends=any(below))
        for path, description in configuration.flattened(content, where).items():
            space = space._with(path, description)
        return space

    @classmethod
    def read(cls, path: str | Path) -> Space:
        """Return the space of a YAML or JSON file.

        Raises
        ------
        ConfigError
            It cannot be read, or see `of`.
        """
        if not Path(path).is_file():
            raise ConfigError(f"--space {path}: there is no such file; write a file's name or PATH=SPEC")
        return cls.of(configuration.read(path, "--space"), str(path))

    @classmethod
    def parse(cls, text: str) -> Space:
        """Return the space of ``PATH=SPEC``; it goes on top of another one.

        Raises
        ------
        ConfigError
            It is not ``PATH=SPEC``, or see `of`.

        Examples
        --------
        >>> Space.parse("optimizer.learning_rate=1e-5..0.1 log")["optimizer.learning_rate"].describe()
        '1e-05 .. 0.1, log'
        """
        path, equals, spec = (part.strip() for part in text.partition("="))
        if not equals or not path or not spec:
            raise ConfigError(f"--space {text[:100]!r}: is no file and not PATH=SPEC, as model.depth=1..4")
        found = _RANGE.fullmatch(spec)
        if found and spec[0] not in "[{\"'":
            description: Any = _range(path, found)
        elif "|" in spec and spec[0] not in "[{\"'":
            description = [_value(path, part) for part in spec.split("|")]
        else:
            description = _value(path, spec)
        return cls(extends=True)._with(path, description)

    def merged(self, above: Space) -> Space:
        """Return this space with another one on top: what that one searches, sets or leaves out counts.

        What it searches without a ``when`` of its own keeps the conditions that it has here. Those are narrowed with
        their parents; what is left without a value of its parent's is not searched.
        """
        touched = {*above.paths, *above.fixed, *above.without}
        below = {parameter.path: parameter for parameter in self}
        new = {one.path: _heir(one, below[one.path]) if one.path in below else one for one in above}
        kept = {path: new.get(path, one) for path, one in below.items() if path not in {*above.fixed, *above.without}}
        own = {parameter.path for parameter in above if parameter.conditions}
        together = [one if path in own else _narrowed(one, new) for path, one in {**kept, **new}.items()]
        fixed = {path: value for path, value in self.fixed.items() if path not in touched}
        return replace(
            self,
            parameters=tuple(parameter for parameter in together if parameter is not None),
            fixed={**fixed, **above.fixed},
            without=(self.without - {*above.paths, *above.fixed}) | above.without,
        )

    def settled(self, config: Config) -> Space:
        """Return the space with the configuration's values as defaults, what depends on others behind them.

        A condition on what is not searched is decided here: by what is set.

        Raises
        ------
        ConfigError
            Conditions that go round in a circle, or ask for a value that there is not.
        """
        base = config.replace(self.fixed)
        placed: dict[str, Parameter] = {}
        waiting = list(self.parameters)
        while waiting:
            names = {parameter.path for parameter in waiting}
            ready = next(
                (one for one in waiting if names.isdisjoint(path for path, _ in (*one.conditions, *one.unless))), None
            )
            if ready is None:
                raise ConfigError(f"{waiting[0].path}: its conditions go round in a circle")
            waiting.remove(ready)
            ready = _only_conditions(ready, placed, base)
            if _is_possible(ready, placed, base):
                kept = tuple(condition for condition in ready.conditions if condition[0] in placed)
                default = _current(base, ready)
                placed[ready.path] = replace(ready, conditions=kept, default=default)
        return replace(self, parameters=tuple(placed.values()))

    def check(self, config: Config) -> None:
        """Refuse what cannot be searched, or what the recipe does not heed.

        Raises
        ------
        ConfigError
            Names path and value.
        """
        touched = (*self.paths, *self.fixed)
        for path in self.paths:
            if path in _REFUSED:
                raise ConfigError(f"{path}: is not searched: {_REFUSED[path]}")
        for path in touched:  # an unknown one is told with the nearest that there is
            _check_path(path)
        find(config.recipe).check_settings(touched)
        config.replace(self.fixed)
        for parameter in self:
            for value in (parameter.low, parameter.high) if parameter.is_range else parameter.values:
                config.replace({parameter.path: value})

    def apply(self, config: Config, values: Mapping[str, Any]) -> Config:
        """Return the configuration of a trial: what is set, and above it the values of what is searched.

        Raises
        ------
        ConfigError
            A value that a setting cannot have.
        """
        return config.replace({**self.fixed, **self.plain(values)})

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as they go into a configuration and the journal: Python's own types, floats of few digits."""
        return {
            parameter.path: parameter.plain(values[parameter.path]) for parameter in self if parameter.path in values
        }

    def is_active(self, parameter: Parameter, values: Mapping[str, Any]) -> bool:
        """Whether the conditions of a parameter hold with some values."""
        return all(path in values and values[path] in wanted for path, wanted in parameter.conditions)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether values are a point of the space: every parameter that is active has one that it may take."""
        active = self.active(values)
        return all(
            parameter.path in values and parameter.holds(values[parameter.path])
            for parameter in self
            if self.is_active(parameter, active)
        )

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of what is active."""
        found: dict[str, Any] = {}
        for parameter in self:  # parents come first
            if parameter.path in values and self.is_active(parameter, found):
                found[parameter.path] = values[parameter.path]
        return found

    def data_paths(self) -> tuple[str, ...]:
        """Return what is searched although it changes the data that is loaded."""
        return tuple(path for path in self.paths if path in OF_DATA)

    def loss_paths(self) -> tuple[str, ...]:
        """Return what changes the meaning of a loss: with these the losses of trials cannot be compared."""
        return tuple(path for path in self.paths if path in _OF_LOSS)

    def combinations(self) -> int:
        """Return how many trials a grid search has, at most: conditions make it fewer."""
        return math.prod(len(parameter.grid()) for parameter in self)

    def points(self) -> float:
        """Return how many points the space has; infinity where there is a range without a step, or there are many."""
        if any(parameter.kind == "float" and parameter.step is None for parameter in self):
            return math.inf
        listed = [parameter.every() for parameter in self]
        if math.prod(map(len, listed)) > _COUNTED:
            return math.inf
        combined = (dict(zip(self.paths, values, strict=True)) for values in itertools.product(*listed))
        return len({tuple(self.active(values).items()) for values in combined})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return path -> description of what is searched, ready for JSON; what is set belongs to the configuration."""
        return {parameter.path: parameter.to_dict() for parameter in self}

    @classmethod
    def from_dict(cls, content: Mapping[str, Mapping[str, Any]]) -> Space:
        """Return what `to_dict` made."""
        return cls(tuple(Parameter.from_dict(path, one) for path, one in content.items()))

    def to_keras_tuner(self, *, grid: bool = False) -> Any:
        """Return it as `keras_tuner.HyperParameters`, named by their paths.

        Ranges with a step become ordered lists: the same values are drawn with the same chances, and KerasTuner finds
        0.15 again in a range with step 0.05, which its own arithmetic does not (0.15 // 0.05 is 2).

        Parameters
        ----------
        grid
            Whether ranges become lists of the values of a grid search.
        """
        import keras_tuner

        hp = keras_tuner.HyperParameters()
        for parameter in self:
            with ExitStack() as scopes:
                for path, values in parameter.conditions:
                    scopes.enter_context(hp.conditional_scope(path, list(values)))
                _declare(hp, parameter, grid)
        return hp

    def _with(self, path: str, description: Any) -> Self:
        """Return the space with one more description of a file."""
        if description is None:
            _check_path(path)
            return replace(self, without=self.without | {path})
        if isinstance(description, Mapping | list | tuple):
            parameter = described(path, description)
            if parameter.is_range or len(parameter.values) > 1:
                return replace(self, parameters=(*self.parameters, parameter))
            description = parameter.values[0]
        return replace(self, fixed={**self.fixed, path: setting(path, description)})

    def _of_kinds(self, asked: Space) -> Space:
        """Return the space with floats where a function of the user's asks for them: 0 .. 1 may be a range of such."""
        kinds = {one.path: one for one in asked if one.path.startswith(f"{OWN}.")}
        return replace(
            self, parameters=tuple(_of_kind(one, kinds[one.path]) if one.path in kinds else one for one in self)
        )

    def _with_conditions(self, asked: Space) -> Space:
        """Return the space with the conditions of what a function of the user's asks for, on what stands in it."""
        named = {*self.paths, *self.fixed}
        below = tuple(
            replace(one, conditions=tuple(condition for condition in one.conditions if condition[0] in named))
            for one in asked
            if one.path in self
        )
        merged = replace(asked, parameters=below).merged(self)
        return replace(merged, parameters=tuple(sorted(merged, key=lambda one: self.paths.index(one.path))))


def _defaults(config: Config, facts: Facts) -> tuple[Parameter, ...]:
    """Return what is searched by default, not settled yet."""
    from tuners.search import defaults, own

    return (own if ":" in config.recipe else defaults).parameters(config, facts)


def _stacked(layers: Sequence[Space]) -> Space | None:
    """Return several spaces as one, the later on top; None where there are none."""
    return functools.reduce(Space.merged, layers) if layers else None


def _check_path(path: str) -> None:
    """Refuse a path that is none."""
    if not path.startswith(f"{OWN}.") and path not in configuration.paths():
        raise ConfigError(configuration.unknown_path(path))


def _layer(given: Space | Mapping[str, Any] | str | Path) -> Space:
    if isinstance(given, Space):
        return given
    if isinstance(given, Mapping):
        return Space.of(given)
    is_text = isinstance(given, str) and "=" in given and not Path(given).is_file()
    return Space.parse(str(given)) if is_text else Space.read(given)


def _range(path: str, found: re.Match[str]) -> dict[str, Any]:
    """Return the mapping that ``LOW..HIGH [log] [step STEP]`` stands for."""
    content = {"low": _value(path, found["low"]), "high": _value(path, found["high"])}
    words = found["rest"].replace(",", " ").split()
    while words:
        word = words.pop(0)
        if word == "log":
            content["log"] = True
        elif word == "step" and words:
            content["step"] = _value(path, words.pop(0))
        else:
            raise ConfigError(f"{path}: what is {word!r} behind the range? It takes: log, step STEP")
    return content


def _value(path: str, text: str) -> Any:
    """Return a value that is written as in YAML."""
    try:
        return configuration.parse_setting(f"{path}={text.strip()}")[1]
    except ConfigError:
        raise ConfigError(f"{path}: {text.strip()[:80]!r} cannot be read; put quotes around it") from None


def _heir(above: Parameter, below: Parameter) -> Parameter:
    """Return a parameter with the conditions of the one that it replaces, where it has none of its own."""
    return above if above.conditions else replace(above, conditions=below.conditions, unless=below.unless)


def _of_kind(above: Parameter, below: Parameter) -> Parameter:
    """Return a parameter whose numbers are floats, or whole, as those of another are.

    Raises
    ------
    ConfigError
        Fractions where there are whole numbers.
    """
    known = {type(value) for value in (*_numbers(below), *below.values)}
    if not known <= {int, float} or not {type(value) for value in (*_numbers(above), *above.values)} <= {int, float}:
        return above
    is_float = below.kind == "float" or float in known
    make: type[int] | type[float] = float if is_float else int
    if any(make(value) != value for value in (*_numbers(above), *above.values)):
        raise ConfigError(f"{above.path}: takes whole numbers, as {below.describe()}, not {above.describe()}")
    if not above.is_range:
        return replace(above, values=tuple(map(make, above.values)))
    step = above.step if above.step is None or above.log else make(above.step)
    low, high = make(above.low), make(above.high)
    return replace(above, kind="float" if is_float else "int", low=low, high=high, step=step)


def _numbers(parameter: Parameter) -> tuple[Any, ...]:
    """Return the numbers of a range: its ends, and a step between them."""
    if not parameter.is_range:
        return ()
    has_step = parameter.step is not None and not parameter.log
    return (parameter.low, parameter.high, parameter.step) if has_step else (parameter.low, parameter.high)


def _narrowed(parameter: Parameter, parents: Mapping[str, Parameter]) -> Parameter | None:
    """Return a parameter with those values of its conditions that its parents still have; None where one has none left.

    With a range without a step, which hardly ever has a value exactly, it is searched always.
    """
    conditions = []
    for path, values in parameter.conditions:
        parent = parents.get(path)
        if parent is not None and parent.is_continuous:
            continue
        left = values if parent is None else tuple(value for value in values if parent.holds(value))
        if not left:
            return None
        conditions.append((path, left))
    return replace(parameter, conditions=tuple(conditions))


def _only_conditions(parameter: Parameter, placed: Mapping[str, Parameter], base: Config) -> Parameter:
    """Return a parameter with `Parameter.unless` as conditions: the other values that its parents have."""
    conditions = list(parameter.conditions)
    for path, values in parameter.unless:
        parent = placed.get(path)
        if parent is None:
            conditions.append((path, () if _configured(base, path) in values else (_configured(base, path),)))
        elif not parent.is_continuous:
            conditions.append((path, tuple(value for value in parent.every() if value not in values)))
    return replace(parameter, conditions=tuple(conditions), unless=())


def _is_possible(parameter: Parameter, placed: Mapping[str, Parameter], base: Config) -> bool:
    """Whether the conditions of a parameter can hold."""
    for path, values in parameter.conditions:
        if path in placed:
            if placed[path].is_continuous:
                raise ConfigError(
                    f"{parameter.path}: is searched when {path} has certain values, and it is a range without a step, "
                    f"{placed[path].describe()}; give it a step, or list its values"
                )
            wrong = next((value for value in values if not placed[path].holds(value)), None)
            if wrong is not None:
                allowed = placed[path].describe()
                raise ConfigError(f"{parameter.path}: when {path} is {wrong!r}, which it never is: {allowed}")
            if not values:
                return False
        elif _configured(base, path) not in values:
            return False
    return True


def _configured(config: Config, path: str) -> Any:
    """Return what a configuration has at a path; None where it has nothing."""
    section, _, name = path.partition(".")
    found = config.hyperparameters.get(name) if section == OWN else config.get(path)
    return ",".join(found) if isinstance(found, tuple) else found


def _current(config: Config, parameter: Parameter) -> Any:
    """Return the configuration's value where a parameter may take it, else what the user's function has as default."""
    value = _configured(config, parameter.path)
    if value is None:
        return parameter.default
    return parameter.plain(value) if parameter.holds(value) else None


def _check_own(layers: Sequence[Space], config: Config, facts: Facts) -> None:
    """Refuse hyperparameters that the user's function does not ask for."""
    given = [path for layer in layers for path in (*layer.paths, *layer.fixed, *layer.without)]
    named = [path for path in given if path.startswith(f"{OWN}.")]
    if not named:
        return
    from tuners.search.own import names

    asked = [f"{OWN}.{name}" for name in names(config, facts)]
    for path in named:
        if path not in asked:
            near = difflib.get_close_matches(path, asked, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it asks for {', '.join(asked) or 'none'}"
            raise ConfigError(f"{path}: {config.recipe_name} does not ask for it; {hint}")


def _declare(hp: Any, parameter: Parameter, grid: bool) -> None:
    """Add a parameter to KerasTuner's."""
    if parameter.kind == "bool":
        hp.Boolean(parameter.path, default=bool(parameter.default))
    elif not parameter.is_range or parameter.step is not None or grid:
        values = parameter.grid()
        hp.Choice(parameter.path, list(values), default=parameter.default if parameter.default in values else None)
    else:
        make = hp.Int if parameter.kind == "int" else hp.Float
        sampling = "linear" if not parameter.log else "reverse_log" if parameter.reverse else "log"
        make(parameter.path, parameter.low, parameter.high, sampling=sampling, default=parameter.default)
