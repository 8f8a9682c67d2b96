"""The state of a training on disk: enough to go on from the last epoch as if nothing had happened.

One file holds it all (weights, optimizer, the state of random layers, counters), written beside the old one and put in
its place in one step: whoever kills the process leaves the old state or the new one, never half of one.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from recipes.errors import RecipeError

Array = NDArray[Any]

#: Of the file of the last epoch.
STATE_FILE = "state.npz"
#: What reading an archive raises where bytes are missing or changed, or another version wrote it.
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
_COUNTERS, _MODEL, _OPTIMIZER = "counters", "model", "optimizer"


@dataclass
class Counters:
    """What is counted beside the weights.

    Parameters
    ----------
    phase
        Number of the phase that the next epoch belongs to.
    phase_start
        The epoch at which it began.
    phases
        Epochs of each phase that has come to its end.
    epoch
        Epochs that are done.
    best, best_epoch
        Least validation loss so far, and its epoch, from 0; -1 before there is one.
    waited
        Epochs since then, in this phase.
    callbacks
        Name of a Keras callback -> its attributes that change.
    fingerprint
        Of the data that is trained on.
    seconds
        Spent so far.
    over
        Why the training is over; empty while it goes on.
    """

    phase: int = 0
    phase_start: int = 0
    phases: list[int] = field(default_factory=list)
    epoch: int = 0
    best: float = float("inf")
    best_epoch: int = -1
    waited: int = 0
    callbacks: dict[str, dict[str, float]] = field(default_factory=dict)
    fingerprint: str = ""
    seconds: float = 0.0
    over: str = ""

    @property
    def is_within_phase(self) -> bool:
        """Whether the phase has begun: the next one gets an optimizer of its own."""
        return self.epoch > self.phase_start


@dataclass(frozen=True)
class State:
    """A training at the end of an epoch.

    Parameters
    ----------
    counters
        Where it stands.
    model, optimizer
        Values of all variables; of the optimizer none between two phases.
    """

    counters: Counters
    model: Sequence[Array]
    optimizer: Sequence[Array] = ()

    @classmethod
    def of(cls, model: keras.Model, counters: Counters) -> State:
        """Return copies of everything as it is now."""
        optimizer = model.optimizer.variables if counters.is_within_phase else ()
        return cls(copy.deepcopy(counters), values(model.variables), values(optimizer))


class Checkpoint:
    """A folder with the state of the last epoch, and the weights of the best one.

    Parameters
    ----------
    folder
        Where; made when it is first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: State, best: Sequence[Array] | None) -> None:
        """Write the state of the last epoch.

        Parameters
        ----------
        state
            Of the last epoch.
        best
            Values of the model's variables after the best epoch, where they are not on disk yet.

        Raises
        ------
        OSError
            It could not be written; the state before is still there.
        """
        epoch = state.counters.best_epoch
        if best is not None:
            _write(self._best(epoch), _numbered(best))
        content = {_COUNTERS: np.frombuffer(json.dumps(asdict(state.counters)).encode(), dtype=np.uint8)}
        content |= _numbered(state.model) | _numbered(state.optimizer, _OPTIMIZER)
        _write(self.folder / STATE_FILE, content)
        for path in self.folder.glob("best-*.npz"):  # of an epoch that has been surpassed
            if path != self._best(epoch):
                path.unlink(missing_ok=True)

    def counters(self) -> Counters | None:
        """Return the counters of the last epoch that was saved; None where there is none.

        Raises
        ------
        RecipeError
            The file is damaged.
        """
        if not (self.folder / STATE_FILE).exists():
            return None
        with _opened(self.folder / STATE_FILE) as content:
            return Counters(**json.loads(content[_COUNTERS].tobytes()))

    def restore(self, model: keras.Model, counters: Counters) -> None:
        """Set a model that is built and compiled to the state of the last epoch.

        Raises
        ------
        RecipeError
            The file is damaged, or of another model.
        """
        self._assign(self.folder / STATE_FILE, model.variables)
        if counters.is_within_phase:
            model.optimizer.build(model.trainable_variables)
            self._assign(self.folder / STATE_FILE, model.optimizer.variables, _OPTIMIZER)

    def restore_best(self, model: keras.Model, epoch: int) -> None:
        """Set a model to the weights of the best epoch.

        Raises
        ------
        RecipeError
            The file is missing, damaged, or of another model.
        """
        self._assign(self._best(epoch), model.variables)

    def remove(self) -> None:
        """Remove what was saved."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}.npz"

    def _assign(self, path: Path, variables: Sequence[keras.Variable], kind: str = _MODEL) -> None:
        with _opened(path) as content:
            names = [name for name in content.files if name.startswith(kind)]
            if [content[name].shape for name in names] != [tuple(variable.shape) for variable in variables]:
                raise RecipeError(f"{path}: holds another model ({len(names)} variables, not {len(variables)})")
            for name, variable in zip(names, variables, strict=True):
                variable.assign(content[name])


def values(variables: Iterable[keras.Variable]) -> list[Array]:
    """Return copies of the values of variables."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def _numbered(arrays: Sequence[Array], kind: str = _MODEL) -> dict[str, Array]:
    return {f"{kind}_{i:06d}": array for i, array in enumerate(arrays)}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        with unfinished.open("wb") as stream:
            np.savez(stream, **content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file of ours; whatever is wrong with it is told in a line, also where it shows as it is read."""
    try:
        with np.load(path, allow_pickle=False) as content:
            yield content
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: cannot be read ({reason}); start the training anew in another folder") from None
