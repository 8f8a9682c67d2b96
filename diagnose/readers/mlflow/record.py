"""What every store tells of a run, and which of its runs are wanted."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from diagnose.readers.base import ReadError
from diagnose.readers.curves import MAX_CONFIG_BYTES, is_facts

#: Milliseconds since 1970, step, value.
Point = tuple[float, float, float]

#: Of a larger store the newest runs are read.
MOST_RUNS = 10_000
#: Metrics under these names are of the machine, and of an earlier diagnosis.
NO_CURVES = ("system/", "health/")
#: Where a training that kerasdx logged keeps its set-up.
SETUP_FILE = "run.json"
#: The tag that tells that kerasdx logged it.
OWN_TAG = "kerasdx.version"
NAME_TAG = "mlflow.runName"

#: An infinity is stored as the largest double.
LARGEST = 1.7976931348623157e308
_EXPERIMENT = "experiment/"


@dataclass
class Record:
    """A run as a store keeps it.

    Parameters
    ----------
    id, name, experiment
        The run's id, its name for people, and the name of its experiment.
    store
        URI of the store, absolute, without a password.
    status
        ``RUNNING``, ``FINISHED`` ...; empty where it is not known.
    params, metrics
        As logged; the points of a metric in any order.
    setup
        What Monitor wrote to ``run.json``, where the run has it.
    notes
        What could not be read.
    """

    id: str
    name: str = ""
    experiment: str = ""
    store: str = ""
    status: str = ""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[Point]] = field(default_factory=dict)
    setup: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Which runs of a store: one by its id, those of an experiment, or all."""

    run_id: str = ""
    experiment: str = ""

    @classmethod
    def of(cls, name: str) -> Wanted:
        """Return what stands behind ``mlflow:``."""
        if not name.startswith(_EXPERIMENT):
            return cls(run_id=name)
        experiment = name.removeprefix(_EXPERIMENT)
        if not experiment:
            raise ReadError("names no experiment", "write mlflow:experiment/NAME, or mlflow: for all")
        return cls(experiment=experiment)

    def among(self, experiments: Mapping[str, str], deleted: Iterable[str] = ()) -> list[str]:
        """Return the ids of the experiments to look in; all where none is named.

        Parameters
        ----------
        experiments
            Id -> name.
        deleted
            Names of those that were deleted.

        Raises
        ------
        ReadError
            There is none of that name or id.
        """
        if not self.experiment:
            return [*experiments]
        named = [id for id, name in experiments.items() if name == self.experiment]
        if named or self.experiment in experiments:
            return named or [self.experiment]
        if self.experiment in deleted:
            raise ReadError(
                f"the experiment {self.experiment!r} was deleted in the MLflow store",
                "bring it back with: mlflow experiments restore",
            )
        near = difflib.get_close_matches(self.experiment, experiments.values(), n=1)
        raise ReadError(
            f"there is no experiment {self.experiment!r} in the MLflow store",
            f"did you mean {near[0]!r}?" if near else "",
        )

    def missing(self) -> ReadError:
        """Return the error for a store that has none of these runs."""
        if self.run_id:
            return ReadError(
                f"there is no run {self.run_id} in the MLflow store", "is MLFLOW_TRACKING_URI another one?"
            )
        if self.experiment:
            return ReadError(f"there is no run in the MLflow experiment {self.experiment!r} yet")
        return ReadError("there is no run in the MLflow store yet")

    def deleted(self) -> ReadError:
        """Return the error for a run that was deleted."""
        return ReadError(
            f"the run {self.run_id} was deleted in the MLflow store",
            f"bring it back with: mlflow runs restore --run-id {self.run_id}",
        )


def is_curve_name(name: str) -> bool:
    """Whether a metric of this name can be a curve of the training."""
    return not name.startswith(NO_CURVES)


def newest(count: int) -> tuple[str, ...]:
    """Return the note for a store with so many runs; none where all are read."""
    if count <= MOST_RUNS:
        return ()
    return (f"one of the newest {MOST_RUNS:,} runs of the store: the older ones are not read",)


def setup_of(content: bytes) -> Mapping[str, Any]:
    """Return what Monitor wrote to ``run.json``; empty where it is too long, broken or something else."""
    if len(content) > MAX_CONFIG_BYTES:
        return {}
    try:
        setup = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return setup if isinstance(setup, dict) and is_facts(setup) else {}


def without_password(uri: str) -> str:
    """Return a URI as it may be shown."""
    shown = _SECRETS.sub(r"\1***", uri)
    scheme, separator, rest = shown.partition("://")
    # A password may have any character in it; of a server it ends before the path, where an @ may stand too.
    authority = rest.partition("/")[0] if scheme.startswith("http") else rest.partition("?")[0]
    user, at, _ = authority.rpartition("@")
    name, colon, password = user.partition(":")
    if not (separator and at and colon and password):
        return shown
    return f"{scheme}://{name}:***{rest[len(user) :]}"


def hidden(text: str, uri: str) -> str:
    """Return the first line of what was said of a store, without its password."""
    line = " ".join((text.strip().splitlines() or [""])[0].split()).replace(uri, without_password(uri))
    for secret in sorted(_secrets_of(uri), key=len, reverse=True):
        line = line.replace(secret, "***")
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]}…"


def _secrets_of(uri: str) -> set[str]:
    """Return what is hidden in a URI, as it stands there and as it is meant."""
    found = {value for _, value in _SECRETS.findall(uri)}
    shown = without_password(uri)
    if ":***@" in shown and ":***@" not in uri:
        before, _, after = shown.partition(":***@")
        unmasked = _SECRETS.sub(r"\1***", uri)
        found.add(unmasked[len(before) + 1 : len(unmasked) - len(after) - 1])
    return {secret for each in found for secret in (each, unquote(each))} - {""}


#: Of a query; the name, and what is hidden.
_SECRETS = re.compile(r"([?&](?:password|passwd|pwd|token|secret)=)([^&]*)", re.IGNORECASE)
_MOST_SAID = 300
