"""What is known of a search and of each of its trials: plain data, as it stands in the journal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from recipes.config import Config
from tuners.objective import Objective


class State(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"
    #: Trained to its end.
    DONE = "done"
    #: Ended because of a finding; keeps its best score.
    PRUNED = "pruned"
    #: Ended because the time of the search was up; keeps its best score.
    STOPPED = "stopped"
    #: Has no score that counts: it could not be built, ran out of memory, became NaN.
    FAILED = "failed"


@dataclass(frozen=True)
class Candidate:
    """A trial that is to be run.

    Parameters
    ----------
    number
        From 0, in the order in which they were proposed.
    config
        What to train, complete.
    values
        Path -> value of what was searched; stands in `config` too.
    folder
        Where its log goes.
    objective
        What it is judged by.
    executions, folds
        Trainings with seeds of their own, and folds of the cross-validation; the score is the mean over all of them.
    keep
        Whether the weights of its best epoch are kept: ``True``, ``False``, or where the score is better than this.
    parent, begins
        Folder of the trial that it goes on from, in a search by successive halving, and after how many epochs.
    """

    number: int
    config: Config
    values: Mapping[str, Any]
    folder: Path
    objective: Objective
    executions: int = 1
    folds: int = 1
    keep: bool | float = True
    parent: Path | None = None
    begins: int = 0


@dataclass(frozen=True)
class EpochReport:
    """The end of an epoch of a trial.

    Parameters
    ----------
    part, parts
        Number of the training within the trial, from 0, and how many there are (executions x folds).
    epoch, epochs
        Number of the epoch, from 0, and at most how many there are.
    logs
        Column -> value, as in the log.
    findings
        What Monitor has found and told so far in this training, as `Outcome.findings`; with ``lost``, which is True
        where Monitor sees no hope after it.
    """

    part: int
    parts: int
    epoch: int
    epochs: int
    logs: Mapping[str, float]
    findings: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Stop:
    """An answer to an `EpochReport`: the trial is to end.

    Parameters
    ----------
    state
        What it is then: `State.PRUNED` or `State.STOPPED`; `State.FAILED` where what it has reached is not to count.
    reason
        Why, for people: ``divergence at epoch 2``.
    """

    state: State
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What has become of a trial, as whoever ran it tells.

    Parameters
    ----------
    state
        How it ended.
    reason
        Why it ended early: ``divergence at epoch 2``, ``out of memory: ...``; empty where it did not.
    score
        Mean of the best values of the objective; None where the trial failed.
    scores, parts
        Of each training of the trial that came to a score, and how many trainings it was to have.
    epochs
        Trained, over all trainings; of a trial that went on from another only its own.
    best_epoch
        From 0; of several trainings the mean.
    phases
        Epochs of each phase of the first training that came to its end.
    seconds
        Spent, building and tracing included.
    verdict, findings
        Of the diagnosis: ``healthy``, ``info``, ``warning``, ``critical``, ``unknown``; and ``{"check", "severity",
        "epoch", "summary"}`` of each finding.
    device
        What it ran on, for people: ``2 CPU cores``; past one process with the name of the machine.
    memory
        Most resident memory of the process until then, in MB.
    unasked
        Names of hyperparameters that the user's function did not ask for this time.
    files
        Relative path -> content of what belongs into the trial's folder, where whoever ran it could not write there.
    """

    state: State
    reason: str = ""
    score: float | None = None
    scores: tuple[float, ...] = ()
    parts: int = 1
    epochs: int = 0
    best_epoch: int | None = None
    phases: tuple[int, ...] = ()
    seconds: float = 0.0
    verdict: str = "unknown"
    findings: tuple[Mapping[str, Any], ...] = ()
    device: str = ""
    memory: float = 0.0
    unasked: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """A trial as the journal has it: what was proposed, and what has become of it.

    Parameters
    ----------
    number
        From 0.
    values
        Path -> value of each hyperparameter that was searched.
    folder
        Relative to that of the search; ``run.csv`` is in it, or in ``part-1``, ``part-2`` ... below it.
    parent
        Number of the trial that it went on from; None: none.
    started
        Seconds since 1970.
    attempts
        How often it was begun: more than once where the process or the machine died.
    outcome
        None while it runs.
    """

    number: int
    values: Mapping[str, Any]
    folder: str
    parent: int | None = None
    started: float = 0.0
    attempts: int = 1
    outcome: Outcome | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        return State.RUNNING if self.outcome is None else self.outcome.state

    @property
    def score(self) -> float | None:
        """Score that counts; None where there is none."""
        return None if self.outcome is None or self.state is State.FAILED else self.outcome.score

    @property
    def is_whole(self) -> bool:
        """Whether all of its trainings came to a score: one fold of five is no cross-validation."""
        return self.outcome is not None and len(self.outcome.scores) == self.outcome.parts

    @property
    def reason(self) -> str:
        """Why it ended early, for people: ``PRUNED: divergence at epoch 2``; empty where it did not."""
        if self.outcome is None or not self.outcome.reason:
            return ""
        return f"{self.state.upper()}: {self.outcome.reason}"

    @property
    def is_sick(self) -> bool:
        """Whether it failed, was pruned, or has a finding that is critical."""
        outcome = self.outcome
        return outcome is not None and (outcome.state in (State.PRUNED, State.FAILED) or outcome.verdict == "critical")

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, without the files."""
        content = asdict(self)
        if self.outcome is not None:
            del content["outcome"]["files"]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made."""
        outcome = content.get("outcome")
        if outcome is not None:
            lists = {name: tuple(outcome.get(name, ())) for name in ("scores", "findings", "phases", "unasked")}
            outcome = Outcome(**{**outcome, **lists, "state": State(outcome["state"])})
        return cls(**{**content, "outcome": outcome})


@dataclass(frozen=True)
class SearchRecord:
    """A search: what was asked for, and all trials so far.

    Parameters
    ----------
    folder
        Where it lies.
    recipe, data
        Names for people: ``cnn``, ``digits``.
    objective
        What trials are judged by.
    settings
        Path or option -> value of what the search was begun with, for people.
    space
        Path -> description of each searched hyperparameter, as `tuners.search.space.Space.to_dict` gives it.
    trials
        In their order.
    winner
        ``result.json`` of the winner's training; None before there is one.
    """

    folder: Path
    recipe: str
    data: str
    objective: Objective
    settings: Mapping[str, Any]
    space: Mapping[str, Mapping[str, Any]]
    trials: Sequence[TrialRecord]
    winner: Mapping[str, Any] | None = None

    def ranked(self) -> list[TrialRecord]:
        """Return the trials that have a score, the best first; of equal ones the earlier."""
        return ranked(self.trials, self.objective)

    def log(self, trial: TrialRecord) -> Path:
        """Return the log of a trial's first training; where there is none, where it would be."""
        return next(iter(self.logs(trial)), self.folder / trial.folder / "run.csv")

    def logs(self, trial: TrialRecord) -> list[Path]:
        """Return the logs of a trial's trainings, those that are there, in their order."""
        return logs(self.folder / trial.folder)


def logs(folder: Path) -> list[Path]:
    """Return the logs of the trainings in a trial's folder, in their order."""
    parts = sorted(folder.glob("part-*/run.csv"), key=lambda path: int(path.parent.name.removeprefix("part-")))
    return [path for path in (folder / "run.csv", *parts) if path.exists()]


def ranked(trials: Iterable[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Return the trials that have a score, the best first; of equal ones the earlier.

    Those of which not all trainings came to a score are behind the others. A trial that another one went on from is
    left out once that one has ended: it is the same training, and its best is as good.
    """
    trials = list(trials)
    gone_on_from = {trial.parent for trial in trials if trial.score is not None}
    known = [
        trial
        for trial in trials
        if trial.score is not None and math.isfinite(trial.score) and trial.number not in gone_on_from
    ]
    return sorted(known, key=lambda each: (not each.is_whole, objective.cost(each.score or 0.0), each.number))
