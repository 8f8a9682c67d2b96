"""The contract of a check, and how checks are discovered.

A check is one module of `diagnose.checks.<family>`: the file name is its id (``nan_loss.py`` is
``nan-loss``), the docstring its documentation. It holds ``CHECK`` (what it needs), ``Options`` (its
thresholds) and a pure function ``check(run, options)`` that yields findings.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from diagnose import discovery
from diagnose.finding import Finding
from diagnose.run import Run

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_HOW_TO_LOG = {
    "loss": "log the training loss of every epoch",
    "val_loss": "pass validation_data to fit, so that val_loss is logged",
    "metric": "compile with a metric, for example metrics=['accuracy']",
    "val_metric": "compile with a metric and pass validation_data to fit",
    "learning_rate": "log the learning rate (Keras logs it where a schedule or ReduceLROnPlateau changes it)",
}


@dataclass(frozen=True)
class Beforehand:
    """Something that a check can need and that is there before the training.

    Parameters
    ----------
    words
        What it is, as the documentation names it.
    is_known
        Whether it is known of a run.
    lack, how
        What is said where it is not, and how it is shown.
    """

    words: str
    is_known: Callable[[Run], bool]
    lack: str
    how: str


def _is_compiled(run: Run) -> bool:
    return run.model is not None and any(output.loss for output in run.model.outputs)


def _has_batch_size(run: Run) -> bool:
    model, data = run.model, run.data
    return any((model and model.batch_size, data and data.batch_size, run.config.get("batch_size")))


#: What `Needs.before` may name.
BEFOREHAND: Mapping[str, Beforehand] = {
    "model": Beforehand(
        "a model",
        lambda run: run.model is not None,
        "no model",
        "name it: diagnose MODEL, or --model MODEL beside --data",
    ),
    "compiled": Beforehand(
        "a compiled model", _is_compiled, "the model is not compiled", "compile it before it is saved or returned"
    ),
    "data": Beforehand("data", lambda run: run.data is not None, "no data", "name it: --data DATA"),
    "labels": Beforehand(
        "labels",
        lambda run: run.data is not None and bool(run.data.training.labels),
        "no labels in the data",
        "name them: --target COLUMN, or give (x, y)",
    ),
    "validation": Beforehand(
        "validation or test data",
        lambda run: run.data is not None and len(run.data.splits) > 1,
        "no validation data",
        "give a split of its own: x_val and y_val",
    ),
    "dry_run": Beforehand(
        "a dry run (--dry-run)",
        lambda run: run.dry_run is not None,
        "nothing was computed",
        "--dry-run does so, in seconds",
    ),
    "batch_size": Beforehand(
        "the batch size",
        _has_batch_size,
        "no batch size",
        "--batch-size N tells it, and so do data that come in batches (tf.data, PyDataset)",
    ),
}


@dataclass(frozen=True)
class Needs:
    """What a check must have to look at all.

    Parameters
    ----------
    any_of
        Alternatives; each is a tuple of roles (see `Run.get`) that must all have been logged.
    statistics
        Layer statistics that must have been logged.
    min_epochs
        The fewest epochs from which the check can say anything.
    before
        What must be known before the training, as `BEFOREHAND` names it.
    """

    any_of: tuple[tuple[str, ...], ...] = ()
    statistics: tuple[str, ...] = ()
    min_epochs: int = 1
    before: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.before) - set(BEFOREHAND)
        if unknown:
            raise ValueError(f"a check can need {', '.join(BEFOREHAND)}, and not {', '.join(sorted(unknown))}")

    def missing(self, run: Run) -> str:
        """Return what is missing and how to log it, or an empty string where nothing is."""
        for name in self.before:
            needed = BEFOREHAND[name]
            if not needed.is_known(run):
                return f"{needed.lack}; {needed.how}"
        absent = [s for s in self.statistics if s not in run.layers]
        if absent:
            how = 'the callback Monitor("run.csv") logs it (or log a column STATISTIC/LAYER of each layer)'
            return f"no {', '.join(absent)} in the log; {how}"
        if self.any_of:
            longest = 0
            for roles in self.any_of:
                longest = max(longest, self._shortest(run, roles))
                if longest >= self.min_epochs:
                    return ""
            if not longest:
                roles = self.any_of[0]
                lacking = [r for r in roles if not run.get(r)]
                how = "; ".join(_HOW_TO_LOG.get(r, f"log {r}") for r in lacking)
                return f"no {' and no '.join(lacking)} in the log; {how}"
            return f"needs {self.min_epochs} epochs, the log has {longest}"
        if self.statistics:
            length = min(len(run.layers[s].epochs) for s in self.statistics)
            if length < self.min_epochs:
                return f"needs {self.min_epochs} epochs of layer statistics, the log has {length}"
        return ""

    @staticmethod
    def _shortest(run: Run, roles: tuple[str, ...]) -> int:
        found = [run.get(role) for role in roles]
        return min((len(s) if s is not None else 0) for s in found)


class Fault(StrEnum):
    """What a finding is about, in the few words by which runs are sorted and compared."""

    #: The loss leaps, swings, or is not a number.
    UNSTABLE = "unstable"
    #: Nothing, or too little, is learned.
    STUCK = "stuck"
    #: What was learned does not hold for other data.
    OVERFIT = "overfit"
    #: Gradients are too small or too large for some layers.
    GRADIENT = "gradient"
    #: Units or weights that do no work.
    UNITS = "units"
    #: Data, splits, metrics or the log itself are not as they should be.
    DATA = "data"


@dataclass(frozen=True)
class Check:
    """What a check module declares as ``CHECK``.

    Parameters
    ----------
    needs
        Without these the outcome is ``not_applicable``.
    explains
        Ids of checks whose findings this one's finding explains.
    live
        Whether it may run on a training that has not ended.
    fault
        What its findings are about; None where it is none of these.
    """

    needs: Needs = Needs()
    explains: tuple[str, ...] = ()
    live: bool = True
    fault: Fault | None = None


def threshold(default: float, *, unit: str, source: str, help: str) -> Any:
    """Declare an option of a check: its default, unit, where the number comes from, and what it means."""
    return dataclasses.field(default=default, metadata={"unit": unit, "source": source, "help": help})


@dataclass(frozen=True)
class LoadedCheck:
    """A discovered check: its identity, declaration and function."""

    id: str
    family: str
    declaration: Check
    options_class: type
    function: Callable[[Run, Any], Iterable[Finding]]
    doc: str

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return self.doc.strip().partition("\n")[0].strip().rstrip(".")

    def options(self, overrides: Mapping[str, Any]) -> Any:
        """Return the options, with the settings' overrides; a wrong name or type raises ValueError."""
        if not overrides:
            return self._defaults
        known = {f.name: f for f in dataclasses.fields(self.options_class)}
        for name, value in overrides.items():
            if name not in known:
                others = ", ".join(known) or "none"
                raise ValueError(f"check {self.id} has no option {name!r}; it has {others}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"option {name} of check {self.id} must be a number, not {value!r}")
        return self.options_class(**overrides)

    @functools.cached_property
    def _defaults(self) -> Any:
        return self.options_class()


def load_checks(families: Sequence[str] | None = None) -> tuple[LoadedCheck, ...]:
    """Return every check of some families (None: of all), those that other distributions bring last.

    A log has no model to look at: the checks that would are not even imported for it.
    """
    wanted = discovery.FAMILIES if families is None else families
    built_in = (check for family in wanted for check in _built_in(family))
    return (*built_in, *_contributed())


@functools.cache
def _built_in(family: str) -> tuple[LoadedCheck, ...]:
    return tuple(
        _load(importlib.import_module(f"diagnose.checks.{family}.{name}"), family)
        for its_family, name in discovery.built_in()
        if its_family == family
    )


@functools.cache
def _contributed() -> tuple[LoadedCheck, ...]:
    return tuple(_load_contributed(entry) for entry in discovery.contributed())


def _load_contributed(entry: EntryPoint) -> LoadedCheck:
    """Load the check of another distribution; one that cannot be loaded ends as ``error`` on every run."""
    try:
        return _load(entry.load(), discovery.EXTRA_FAMILY, id=entry.name)
    except Exception as error:
        reason = f"the check cannot be loaded: {type(error).__name__}: {error}"

    def fail(_run: Run, _options: Any) -> Iterable[Finding]:
        raise ImportError(reason)

    return LoadedCheck(entry.name, discovery.EXTRA_FAMILY, Check(), _NoOptions, fail, doc=reason)


@dataclass(frozen=True)
class _NoOptions:
    """The options of a check that could not be loaded."""


def _load(module: ModuleType, family: str, id: str = "") -> LoadedCheck:
    return LoadedCheck(
        id=id or discovery.check_id(module.__name__),
        family=family,
        declaration=module.CHECK,
        options_class=module.Options,
        function=module.check,
        doc=module.__doc__ or "",
    )
