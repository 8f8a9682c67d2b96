"""A hyperparameter: which setting is searched, and which values it may take. No Keras and no KerasTuner here."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from recipes.config import Config, choices, paths, unknown_path
from recipes.errors import ConfigError

Kind = Literal["float", "int", "choice", "bool"]
#: Path of the setting that another one depends on, and the values with which it is searched.
Condition = tuple[str, tuple[Any, ...]]

#: Section of the configuration for what a function of the user's asks for.
OWN = "hyperparameters"
#: Digits that a float keeps: enough for every setting, and a configuration stays readable.
DIGITS = 6
#: Values of a grid in a range that has no step.
GRID = 5
#: Whole numbers of a range that a grid goes through one by one.
_FEW = 10

_KEYS = ("low", "high", "step", "log", "values", "when")


@dataclass(frozen=True)
class Parameter:
    """A setting that is searched.

    Parameters
    ----------
    path
        Of the setting, as ``optimizer.learning_rate``, or ``hyperparameters.NAME``.
    kind
        ``float`` and ``int`` are ranges, ``choice`` and ``bool`` lists.
    low, high
        Ends of a range, both included.
    step
        Between neighbours of a range; on a log scale the factor between them. None: any value.
    log
        Whether each factor, and not each distance, is as likely as the other.
    reverse
        Whether the log scale is dense at `high` and not at `low`, KerasTuner's ``reverse_log``.
    values
        Of a list.
    default
        What the configuration has, where that is one of its values; None otherwise.
    conditions
        All must hold for it to be searched; what it depends on stands before it in the space.
    unless
        The other way round: values with which it is not searched, whatever else the setting may become. `Space.settled`
        turns them into `conditions`.
    """

    path: str
    kind: Kind
    low: Any = None
    high: Any = None
    step: Any = None
    log: bool = False
    reverse: bool = False
    values: tuple[Any, ...] = ()
    default: Any = None
    conditions: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    @property
    def is_continuous(self) -> bool:
        """Whether it is a range of which no value is met twice: one of floats, without a step."""
        return self.kind == "float" and self.step is None

    @property
    def is_range(self) -> bool:
        """Whether it has ends, and not a list of values."""
        return self.kind in ("float", "int")

    def describe(self) -> str:
        """Return its values for people: ``1e-05 .. 0.1, log``, ``relu | gelu``."""
        if not self.is_range:
            return " | ".join(_told(value) for value in self.values)
        parts = [f"{_told(self.low)} .. {_told(self.high)}"]
        if self.log:
            parts.append("log")
        if self.reverse:
            parts.append("dense at the end")
        if self.step is not None:
            parts.append(f"step {'×' if self.log else ''}{_told(self.step)}")
        return ", ".join(parts)

    def at(self, share: float) -> Any:
        """Return the value at a share of the way from `low` to `high`, 0 to 1, on its scale; of a list by its order."""
        if not self.is_range or self.step is not None:
            listed = self.grid()
            return listed[min(int(share * len(listed)), len(listed) - 1)]
        if not self.log:
            return self.plain(self.low + share * (self.high - self.low))
        if self.reverse:
            return self.plain(self.high + self.low - self.low * (self.high / self.low) ** (1 - share))
        return self.plain(self.low * (self.high / self.low) ** share)

    def grid(self) -> tuple[Any, ...]:
        """Return the values that a grid search goes through: all, but of a long range without a step `GRID`."""
        if not self.is_range:
            return self.values
        if self.kind == "int" and self.step is None and self.high - self.low < _FEW:
            return tuple(range(self.low, self.high + 1))
        if self.step is None:
            return tuple(dict.fromkeys(self.at(i / (GRID - 1)) for i in range(GRID)))
        span = math.log(self.high / self.low, self.step) if self.log else (self.high - self.low) / self.step
        steps = range(int(span + 1e-8) + 1)
        if not self.log:
            return tuple(self.plain(self.low + i * self.step) for i in steps)
        found = dict.fromkeys(self.plain(self.low * self.step**i) for i in steps)
        if self.reverse:
            return tuple(self.plain(self.low + self.high - value) for value in reversed(found))
        return tuple(found)

    def every(self) -> Sequence[Any]:
        """Return all values of a list, of a range of whole numbers, or of one with a step."""
        return range(self.low, self.high + 1) if self.kind == "int" and self.step is None else self.grid()

    def plain(self, value: Any) -> Any:
        """Return a value as it goes into a configuration: Python's own type, of a float `DIGITS` digits."""
        if hasattr(value, "item"):  # of NumPy
            value = value.item()
        if self.kind == "int":
            return min(max(round(value), self.low), self.high)
        if self.kind == "float":
            return min(max(rounded(value), self.low), self.high)
        return value

    def holds(self, value: Any) -> bool:
        """Whether it may take a value."""
        if not self.is_range or self.step is not None:
            return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in self.grid())
        is_number = isinstance(value, int if self.kind == "int" else int | float) and not isinstance(value, bool)
        return is_number and bool(self.low <= value <= self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, with ``text`` for people."""
        content: dict[str, Any] = {"kind": self.kind, "text": self.describe()}
        for name in ("low", "high", "step", "default"):
            if getattr(self, name) is not None:
                content[name] = getattr(self, name)
        content |= {name: True for name in ("log", "reverse") if getattr(self, name)}
        if self.values:
            content["values"] = list(self.values)
        if self.conditions:
            content["conditions"] = [[path, list(values)] for path, values in self.conditions]
        return content

    @classmethod
    def from_dict(cls, path: str, content: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made."""
        known = {name: value for name, value in content.items() if name != "text"}
        known["values"] = tuple(known.get("values", ()))
        known["conditions"] = tuple((parent, tuple(values)) for parent, values in known.get("conditions", ()))
        return cls(path, **known)


def rounded(value: float) -> float:
    """Return a float with `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def described(path: str, content: Mapping[str, Any] | Sequence[Any]) -> Parameter:
    """Return the parameter that a mapping (of a range: ``low`` and ``high``) or a list of values describes.

    Raises
    ------
    ConfigError
        A value that the setting cannot have, a range that is none, a key that is not known.
    """
    if not isinstance(content, Mapping):
        return _listed(path, content, ())
    unknown = next((key for key in content if key not in _KEYS), None)
    if unknown is not None:
        near = difflib.get_close_matches(str(unknown), _KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(_KEYS)}"
        raise ConfigError(f"{path}: what is {unknown!r}? {hint}")
    conditions = _conditions(path, content.get("when"))
    if "values" in content:
        extra = next((key for key in content if key not in ("values", "when")), None)
        if extra:
            raise ConfigError(f"{path}: takes either values, or low and high, not both")
        if not isinstance(content["values"], list | tuple):
            raise ConfigError(f"{path}: values is a list, as [16, 32, 64]")
        return _listed(path, content["values"], conditions)
    return _range(path, content, conditions)


def setting(path: str, value: Any) -> Any:
    """Return a value as the configuration takes it: ``light`` as 0.333, ``16`` as 16.

    Raises
    ------
    ConfigError
        There is no such setting, or it cannot have the value; with the nearest one that there is.
    """
    if path.startswith(f"{OWN}."):
        if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise ConfigError(f"{path}: must be a number, a text, true or false, not {value!r}")
    if path not in paths():
        raise ConfigError(unknown_path(path))
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    try:
        found = Config().replace({path: value}).get(path)
    except ConfigError as error:
        near = difflib.get_close_matches(str(value), choices(path), n=1)
        raise ConfigError(f"{error}; did you mean {near[0]}?" if near else str(error)) from None
    if isinstance(found, tuple):
        return ",".join(found)
    return rounded(found) if isinstance(found, float) else found


def _range(path: str, content: Mapping[str, Any], conditions: tuple[Condition, ...]) -> Parameter:
    if content.get("low") is None or content.get("high") is None:
        raise ConfigError(f"{path}: a range needs low and high, as {{low: 0.001, high: 0.1, log: true}}")
    kind = _kind_of_range(path, content)
    low, high = (_number(path, content[end]) for end in ("low", "high"))
    step, log = content.get("step"), content.get("log", False)
    if kind == "float":
        low, high = float(low), float(high)
    if low >= high:
        raise ConfigError(f"{path}: low must be below high, not {_told(low)} .. {_told(high)}")
    if not isinstance(log, bool):
        raise ConfigError(f"{path}: log is true or false, not {log!r}")
    if log and low <= 0:
        raise ConfigError(f"{path}: a log scale begins above 0, not at {_told(low)}")
    if step is not None:
        step = _step(path, step, kind, log, high - low)
    return Parameter(path, kind, low, high, step, log, conditions=conditions)


def _kind_of_range(path: str, content: Mapping[str, Any]) -> Kind:
    if path.startswith(f"{OWN}."):
        given = [content.get(name) for name in ("low", "high", "step")]
        is_whole = all(isinstance(value, int) and not isinstance(value, bool) for value in given if value is not None)
        return "int" if is_whole else "float"
    if path not in paths():
        raise ConfigError(unknown_path(path))
    annotation = paths()[path].annotation
    if annotation not in (int, float):
        named = choices(path) or (("true", "false") if annotation is bool else ("A", "B"))
        raise ConfigError(f"{path}: is no number and has no range; list its values: [{', '.join(named[:4])}]")
    return "int" if annotation is int else "float"


def _number(path: str, value: Any) -> Any:
    """Return an end of a range, which the configuration must allow."""
    found = setting(path, value)
    if isinstance(value, bool | str) or isinstance(found, bool | str):
        raise ConfigError(f"{path}: an end of a range is a number, not {value!r}")
    return found


def _step(path: str, step: Any, kind: Kind, log: bool, span: float) -> Any:
    wanted = int if kind == "int" and not log else int | float
    least = 1 if log else 0
    if not isinstance(step, wanted) or isinstance(step, bool) or not least < step < math.inf:
        what = "a factor above 1" if log else ("a whole number above 0" if kind == "int" else "a number above 0")
        raise ConfigError(f"{path}: step must be {what}, not {step!r}")
    if not log and step > span:
        raise ConfigError(f"{path}: the step {_told(step)} is longer than the range")
    return step


def _listed(path: str, values: Sequence[Any], conditions: tuple[Condition, ...]) -> Parameter:
    found = tuple(dict.fromkeys((type(made), made) for made in (setting(path, value) for value in values)))
    known = tuple(value for _, value in found)
    if not known:
        raise ConfigError(f"{path}: has no values; list some, or write null to leave it out")
    kinds = {kind for kind, _ in found}
    if kinds == {int, float}:
        known = tuple(dict.fromkeys(map(float, known)))
    elif len(kinds) > 1:
        raise ConfigError(f"{path}: its values must be of one kind, not {', '.join(map(repr, known[:6]))}")
    return Parameter(path, "bool" if kinds == {bool} else "choice", values=known, conditions=conditions)


def _conditions(path: str, content: Any) -> tuple[Condition, ...]:
    if content is None:
        return ()
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: when is a mapping, as {{optimizer.name: [sgd, nesterov]}}")
    found = []
    for parent, values in content.items():
        several = values if isinstance(values, list | tuple) else [values]
        if not several:
            raise ConfigError(f"{path}: when {parent} is what? List values")
        found.append((str(parent), tuple(setting(str(parent), value) for value in several)))
    return tuple(found)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
