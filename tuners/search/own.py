"""The space of a function of the user's: what it asks KerasTuner for, found by building its model.

KerasTuner learns of hyperparameters in the trials, as they are asked for. Here they are known before the first: the
function is called with its defaults, then until each of its conditional scopes was entered, then with each value of
its lists and with the ends of its whole numbers. What is asked for with some values and not with others, as ``units_3``
in a loop over ``layers``, gets that as its condition. Where a name turns up so, all is varied once more from there: it
may depend on several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recipes.config import Config
from recipes.errors import RecipeError
from recipes.task import Facts
from tuners.search import defaults
from tuners.search.parameter import OWN, Condition, Parameter

#: So many models are built at most to learn what is asked for.
_MOST_BUILDS = 64


def parameters(config: Config, facts: Facts) -> tuple[Parameter, ...]:
    """Return what the function asks for, and what of data and optimizer can be searched beside it.

    A compiled model has its own optimizer. Where nothing is asked for, the rate and the kind of the optimizer are all
    that is left.

    Raises
    ------
    RecipeError
        The function fails, or asks for one name in two ways.
    """
    asked = _Asked(config, facts)
    asked.explore()
    found = _parameters(config, asked)
    beside: list[Parameter | None] = [defaults.batch_size(facts)]
    if not asked.is_compiled:
        beside.insert(0, defaults.log("optimizer.learning_rate", 1e-4, 3e-2))
        if not found:
            beside.append(defaults.choice("optimizer.name", "adam", "nesterov"))
    return (*found, *(parameter for parameter in beside if parameter is not None))


def names(config: Config, facts: Facts) -> tuple[str, ...]:
    """Return the names of the hyperparameters that the function asks for, those with a fixed value too."""
    asked = _Asked(config, facts)
    asked.explore()
    return tuple(dict.fromkeys(hp.name for hp in asked.found))


@dataclass
class _Asked:
    """What a function asks for, with which values.

    Parameters
    ----------
    config, facts
        Given to the function.
    found
        KerasTuner's hyperparameters, in the order in which they are asked for.
    needs
        Name -> name of another -> values which that one must have for it to be asked for at all.
    is_compiled
        Whether the function compiles its model.
    """

    config: Config
    facts: Facts
    found: list[Any] = field(default_factory=list)
    needs: dict[str, dict[str, tuple[Any, ...]]] = field(default_factory=dict)
    is_compiled: bool = False
    _builds: int = 0
    _known: dict[tuple[tuple[str, Any], ...], frozenset[str]] = field(default_factory=dict)

    def explore(self) -> None:
        """Call the function with different values until it is known what it asks for."""
        self._enter_scopes()
        met: set[str] = set()
        starts: list[dict[str, Any]] = [{}]
        for start in starts:  # it grows
            values, asked = self._enlarged(start)
            new = asked - met
            met |= asked
            if new:
                starts += self._varied(values, asked, new)

    def _enter_scopes(self) -> None:
        """Call it until every conditional scope was entered, as KerasTuner's tuners do before their first trial."""
        entered: list[Any] = []
        closed: list[Any] = []
        values: dict[str, Any] = {}
        while self._builds < _MOST_BUILDS:
            hp = self._build(values)
            entered += [scope for scope in hp.active_scopes if scope not in entered]
            closed = [scope for scope in (*closed, *hp.inactive_scopes) if scope not in entered]
            if not closed:
                return
            values = {condition.name: condition.values[0] for condition in closed[0]}

    def _enlarged(self, start: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """Return values with all other whole numbers at their largest, and the names that are asked for with them."""
        values = dict(start)
        while True:
            asked = self._names(values) or frozenset()
            largest = {hp.name: hp.max_value for hp in self.found if type(hp).__name__ == "Int"}
            if largest.keys() <= values.keys():
                return values, asked
            values = {**largest, **values}

    def _varied(
        self, values: Mapping[str, Any], asked: frozenset[str], new: frozenset[str]
    ) -> Iterator[dict[str, Any]]:
        """Note on what names depend, and yield values with which others are asked for.

        Parameters
        ----------
        values
            Where to begin; one after the other is varied.
        asked
            Names that are asked for with these values.
        new
            Those of them of which it is not known yet on what they depend.
        """
        late: set[str] = set()
        for hp in [one for one in self.found if one.name in asked]:
            seen = self._seen(hp, values)
            for name in dict.fromkeys(name for names in seen.values() for name in names):
                having = tuple(sorted(value for value, names in seen.items() if name in names))
                if len(having) < len(seen) and (name in new or name not in {*asked, *self.needs}):
                    self.needs.setdefault(name, {})[hp.name] = having
            for value, names in seen.items():
                if not names <= {*asked, *late}:
                    late |= names
                    yield {**values, hp.name: value}

    def _seen(self, hp: Any, values: Mapping[str, Any]) -> dict[Any, frozenset[str]]:
        """Return value -> names that are asked for, of a hyperparameter; nothing where that is not to be learned."""
        seen = {value: self._names({**values, hp.name: value}) for value in _ends(hp)}
        if type(hp).__name__ == "Int" and len(set(seen.values())) > 1:
            seen |= {value: self._names({**values, hp.name: value}) for value in hp.values if value not in seen}
        known = {value: names for value, names in seen.items() if names is not None}
        return known if len(known) == len(seen) else {}

    def _names(self, values: Mapping[str, Any]) -> frozenset[str] | None:
        """Return the names that are asked for with some values; None where too many models were built already."""
        key = tuple(sorted(values.items()))
        if key not in self._known:
            if self._builds >= _MOST_BUILDS:
                return None
            self._known[key] = frozenset(hp.name for hp in self._build(values).space)
        return self._known[key]

    def _build(self, values: Mapping[str, Any]) -> Any:
        """Call the function, and note what it asks for."""
        import keras
        import keras_tuner

        from recipes.user_model import call

        hp = keras_tuner.HyperParameters()
        hp.values = {**self.config.hyperparameters, **values}
        model = call(self.config, self.facts, hp)
        self.is_compiled = isinstance(model, keras.Model) and model.compiled
        self._builds += 1
        known = [(one.name, one.conditions) for one in self.found]
        self.found += [one for one in hp.space if (one.name, one.conditions) not in known]
        return hp


def _ends(hp: Any) -> Iterator[Any]:
    """Yield the values with which other things may be asked for."""
    kind = type(hp).__name__
    if kind == "Int":
        yield from dict.fromkeys((hp.min_value, hp.max_value))
    elif kind in ("Choice", "Boolean"):
        yield from hp.values


def _parameters(config: Config, asked: _Asked) -> tuple[Parameter, ...]:
    """Return KerasTuner's hyperparameters as ours; those with a single value are no parameters."""
    fixed = {hp.name: hp.value for hp in asked.found if type(hp).__name__ == "Fixed"}
    found: dict[str, Parameter] = {}
    for hp in asked.found:
        conditions = [(one.name, tuple(one.values)) for one in hp.conditions]
        scopes = {name for name, _ in conditions}
        conditions += [need for need in asked.needs.get(hp.name, {}).items() if need[0] not in scopes]
        if any(name in fixed and fixed[name] not in values for name, values in conditions):
            continue
        kept = tuple((f"{OWN}.{name}", values) for name, values in conditions if name not in fixed)
        made = _parameter(hp, kept)
        if made is None:
            continue
        found[made.path] = _either(config, found[made.path], made) if made.path in found else made
    return tuple(found.values())


def _parameter(hp: Any, conditions: tuple[Condition, ...]) -> Parameter | None:
    path, kind = f"{OWN}.{hp.name}", type(hp).__name__
    if kind == "Boolean":
        return Parameter(path, "bool", values=(False, True), default=hp.default, conditions=conditions)
    if kind == "Choice":
        values = tuple(dict.fromkeys(hp.values))
        made = Parameter(path, "choice", values=values, default=hp.default, conditions=conditions)
        return made if len(values) > 1 else None
    if kind not in ("Int", "Float") or hp.min_value == hp.max_value:
        return None
    is_log = hp.sampling != "linear"
    step = None if kind == "Int" and not is_log and hp.step == 1 else hp.step
    return Parameter(
        path,
        "int" if kind == "Int" else "float",
        hp.min_value,
        hp.max_value,
        step,
        log=is_log,
        reverse=hp.sampling == "reverse_log",
        default=hp.default,
        conditions=conditions,
    )


def _either(config: Config, one: Parameter, other: Parameter) -> Parameter:
    """Return a parameter that is asked for under two conditions on the same parent as one under both."""
    is_same = replace(one, conditions=(), default=None) == replace(other, conditions=(), default=None)
    if is_same and len(one.conditions) == len(other.conditions) == 1 and one.conditions[0][0] == other.conditions[0][0]:
        parent, values = one.conditions[0]
        return replace(one, conditions=((parent, tuple(dict.fromkeys((*values, *other.conditions[0][1])))),))
    raise RecipeError(
        f"{config.recipe_name} asks for {one.path.removeprefix(f'{OWN}.')!r} in two ways: {one.describe()}, and "
        f"{other.describe()}; give them two names"
    )
