"""Trials of a few epochs in a row, and when each was over: how many a search does in a minute.

    python -m benchmarks.search.pace KIND TRIALS SEED CORE LIST FILE

KIND is ``kerastuner``, ``inline`` or ``unmonitored`` (ours in this process), or ``workers-N`` (ours on Ray). CORE is
the processor core that the process is kept to; ``-``: it may have all. LIST is a file with the values of each trial,
which KerasTuner is to go through: those that ours has drawn; else ``-``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.search.arm import confine
from benchmarks.search.problem import Choice, Number, Problem, Wide

if TYPE_CHECKING:
    from benchmarks.search.samples import Samples
    from recipes.config import Config
    from tuners.search.executor import Executor, OnReport, Say
    from tuners.search.records import Candidate, Outcome

EPOCHS = 5
#: All healthy and of like length: it is the cost around the epochs that is asked here.
SPACE: Wide = {
    "optimizer.learning_rate": Number(1e-4, 1e-2, log=True),
    "model.width": Number(16, 128, log=True),
    "model.depth": Number(1, 3),
    "model.activation": Choice(("relu", "tanh")),
    "regularization.dropout": Number(0.0, 0.5),
    "data.batch_size": Choice((32, 64)),
}


class Paced:
    """An executor that notes the values of each trial and when it was over."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self.values: list[dict[str, Any]] = []
        self.ends: list[float] = []
        self.states: list[str] = []

    @property
    def slots(self) -> int:
        return self._inner.slots

    def audit(self, config: Config, say: Say) -> None:
        self._inner.audit(config, say)

    def submit(self, candidate: Candidate) -> None:
        self.values.append(dict(candidate.values))
        self._inner.submit(candidate)

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        number, outcome = self._inner.next(on_report)
        self.ends.append(time.perf_counter())
        self.states.append(str(outcome.state))
        return number, outcome

    def close(self) -> None:
        self._inner.close()


def ours(problem: Problem, samples: Samples, trials: int, workers: int = 0) -> dict[str, Any]:
    """Run our search; the start of its workers belongs to the time until the first trial is over."""
    from benchmarks.search import ours as search

    paced: list[Paced] = []

    def wrap(inner: Executor) -> Executor:
        paced.append(Paced(inner))
        return paced[0]

    begun = time.perf_counter()
    search.search_trials(problem, samples, trials=trials, wrap=wrap, wide=SPACE, prune=False, workers=workers)
    (seen,) = paced
    return {"ends": [end - begun for end in seen.ends], "values": seen.values, "states": seen.states}


def kerastuner(problem: Problem, samples: Samples, values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Run KerasTuner's plain tuner through a list of trials, as `RandomSearch` goes through its draws."""
    import keras_tuner

    from benchmarks.search.rivals import Hypermodel

    class Listed(keras_tuner.Oracle):
        def populate_space(self, trial_id: str) -> dict[str, Any]:
            number = int(trial_id)
            if number >= len(values):
                return {"status": keras_tuner.engine.trial.TrialStatus.STOPPED, "values": None}
            return {"status": keras_tuner.engine.trial.TrialStatus.RUNNING, "values": values[number]}

    ends: list[float] = []

    class Tuner(keras_tuner.Tuner):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            ends.append(time.perf_counter())

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        oracle = Listed(objective=keras_tuner.Objective(samples.objective, "max"), max_trials=len(values))
        tuner = Tuner(oracle, Hypermodel(problem, samples, SPACE), directory=folder)
        tuner.search(*samples.train, epochs=problem.epochs, validation_data=samples.validation, verbose=0)
        states = [str(trial.status) for trial in oracle.trials.values()]
        drawn = [trial.hyperparameters.values for trial in oracle.trials.values()]
    return {"ends": [end - begun for end in ends], "values": drawn, "states": states}


def unmonitored() -> None:
    """Take Monitor out of the trials of this process: it stays, and is not called."""
    from diagnose import Monitor
    from tuners.search import task

    hooks = [name for name in vars(Monitor) if name.startswith("on_") and callable(getattr(Monitor, name))]
    task.Monitor = type("Absent", (Monitor,), dict.fromkeys(hooks, lambda *_arguments, **_more: None))


def run(kind: str, trials: int, seed: int, listed: str) -> dict[str, Any]:
    """Run the trials, and return when each was over."""
    from benchmarks.search.samples import Samples

    problem = Problem("mlp", "digits", seed, epochs=EPOCHS, patience=EPOCHS)
    samples = Samples.of(problem)
    if kind == "kerastuner":
        return kerastuner(problem, samples, json.loads(Path(listed).read_text()))
    if kind == "unmonitored":
        unmonitored()
    workers = int(kind.removeprefix("workers-")) if kind.startswith("workers-") else 0
    return ours(problem, samples, trials, workers)


def per_minute(ends: Sequence[float], skipped: int) -> float:
    """Return the trials a minute from the end of the first so many trials, at least one, to the last end."""
    return 60 * (len(ends) - skipped) / (ends[-1] - ends[skipped - 1])


def main() -> int:
    kind, trials, seed, core, listed, file = sys.argv[1:]
    if core != "-":
        confine(int(core))
    Path(file).write_text(json.dumps(run(kind, int(trials), int(seed), listed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
