"""`search`: from a configuration and a space to a leaderboard and a winner.

The driver is the one process that decides: it asks the oracle, hands trials to an executor, answers their reports,
writes the journal. Whatever it does is in the journal first, so it can be killed at any moment and go on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from diagnose import ReadError
from diagnose import console as texts
from diagnose.readers import read as read_log
from diagnose.tracking.machine import MachineLoad
from recipes.config import Config
from recipes.data import Data
from recipes.errors import RecipeError
from tuners import devices
from tuners import outcome as outcomes
from tuners.folder import folder_names, next_free
from tuners.quiet import warnings_to
from tuners.search import winner
from tuners.search.executor import Executor
from tuners.search.inline import InlineExecutor
from tuners.search.journal import Event, Journal, SearchFolder, Story, outcome_event, read
from tuners.search.oracle import Asked, Oracle, Proposal, Rest, Told
from tuners.search.parameter import OWN
from tuners.search.plan import Given, Plan, cautions
from tuners.search.pruning import Pruning
from tuners.search.records import Candidate, EpochReport, Outcome, SearchRecord, State, Stop, TrialRecord, logs, ranked
from tuners.search.settings import SearchSettings
from tuners.search.space import Space
from tuners.search.table import LiveTable
from tuners.search.tracking import Courier
from tuners.tracking import check_name
from tuners.training import Training

if TYPE_CHECKING:
    import pandas as pd

#: Of folders of searches.
PREFIX = "search-"
#: A trial in which the process of the search has died so often is not begun again.
ATTEMPTS = 3
#: Where so many trials fail before any has succeeded, and all for the same reason, no other one would succeed.
_ALL_ALIKE = 5


@dataclass(frozen=True)
class Search:
    """What a search has come to.

    Parameters
    ----------
    folder
        Where everything about it is.
    record
        All trials.
    winner
        The best one as a model, scored on the test samples; None where no trial has a score.
    """

    folder: Path
    record: SearchRecord
    winner: Training | None

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best score."""
        return next(iter(self.record.ranked()), None)

    def frame(self) -> pd.DataFrame:
        """Return a row for each trial."""
        from tuners.search.frame import frame

        return frame(self.record)


def search(
    config: Config,
    space: Given = None,
    settings: SearchSettings | None = None,
    *,
    folder: Path | str | None = None,
    data: Data | None = None,
    workers: int = 0,
    cluster: str | None = None,
    warm_start: Sequence[Path | str] = (),
    track: bool | str = True,
    register: str = "",
    console: Console | None = None,
) -> Search:
    """Search for the settings of a recipe that do best on data.

    Parameters
    ----------
    config
        What all trials have in common: recipe, data, epochs, and what is not searched.
    space
        What is searched: a `Space`, a mapping, a file, ``PATH=SPEC``, or several of these, see `Space.asked`; None: the
        recipe's default, or what the user's own function asks for.
    settings
        How, and for how long.
    folder
        Where to put what comes of it; None: below ``runs``. A search that was interrupted there goes on, if its
        settings are the same; one that is over is told of again, and goes on where its budget was raised.
    data
        Loaded already; None: what ``config.data`` names is loaded.
    workers
        So many trials at a time on this machine, on Ray; 0: one, in this process.
    cluster
        Address of a Ray cluster to run on.
    warm_start
        Folders of earlier searches whose trials are told to the oracle before the first one.
    track
        Whether to log the trials to MLflow, as for `tuners.train`.
    register
        Name under which the winner goes into MLflow's registry, as for `tuners.train`.
    console
        Where to tell how it goes; None: nowhere.

    Returns
    -------
    Search
        With all trials and the winner.

    Raises
    ------
    RecipeError
        Configuration, space, data, folder or devices do not allow it, it was begun with other settings, or all trials
        fail for the same reason; the message is one line.
    OSError
        There is no room to keep what it comes to.

    Notes
    -----
    On CPUs and with one trial at a time the same call makes the same trials, to the last bit, also when it was
    interrupted in between; unless its budget is one of time. With several at a time the oracle sees results in the
    order in which they come.

    Examples
    --------
    >>> from recipes import Config
    >>> from tuners.search import search
    >>> found = search(Config.of("mlp", {"data.source": "iris"}), folder="runs/search-iris")  # doctest: +SKIP
    >>> found.frame().sort_values("score")  # doctest: +SKIP
    """
    check_name(register)
    settings, console = settings or SearchSettings(), console or Console(quiet=True)
    console.file = console.file  # what trials print goes elsewhere, what is told of them stays here
    if not workers and cluster is None:
        devices.strategy(config.training)  # before anything is computed: afterwards it cannot be chosen
    plan = Plan.of(config.anchored(), space, settings, data)
    known, notes = _observations(plan, warm_start)
    content = plan.content(track, warm_start)
    place = SearchFolder(Path(folder)) if folder is not None else _place(plan.config, content)
    with place.held():
        plan = _with_budget(plan, place)
        executor = _executor(plan, workers, cluster)  # before anything is noted: it may refuse
        try:
            goes_on = place.begin({**content, "budget": plan.budget})
            console.print(_opening(plan, place, notes, goes_on=goes_on), markup=False, highlight=False)
            if not goes_on:
                begun = _shipped(plan.config) if cluster is not None else plan.config
                executor.audit(begun, partial(console.print, markup=False, highlight=False, soft_wrap=True))
            journal = Journal(place.journal)
            journal.open()
            if known and not journal.events:
                journal.append("warm", trials=known)
            return _Driver(
                plan, place, journal, executor, console, track, register, is_shipped=cluster is not None
            ).run()
        finally:
            executor.close()


def _place(config: Config, content: Mapping[str, Any]) -> SearchFolder:
    """Return the folder of the last search that is the same and not over; else the next free one."""
    found = [SearchFolder(path) for path in folder_names(config, PREFIX) if SearchFolder(path).is_unfinished(content)]
    return found[-1] if found else SearchFolder(next_free(config, prefix=PREFIX).path)


def _with_budget(plan: Plan, place: SearchFolder) -> Plan:
    """Return the plan with the budget that the search was begun with, where no other one is asked for."""
    if plan.settings.trials or plan.settings.time or not place.settings.exists():
        return plan
    before = place.read_settings()["budget"]
    return replace(plan, settings=plan.settings.model_copy(update={name: before[name] for name in ("trials", "time")}))


def _opening(plan: Plan, place: SearchFolder, notes: Sequence[str], *, goes_on: bool) -> str:
    """Return what is about to happen."""
    settings = plan.settings
    many = [f"{settings.executions} executions"] if settings.executions > 1 else []
    many += [f"{settings.folds} folds"] if settings.folds > 1 else []
    how = f" ({', '.join(many)})" if many else ""
    lines = [
        outcomes.opening(plan.config, plan.datasets.first.facts, (*cautions(plan), *notes)),
        f"  {settings.strategy} search for {plan.objective}{how}, up to {plan.config.training.epochs} epochs a trial:",
        *(f"    {parameter.path}: {parameter.describe()}" for parameter in plan.space),
        f"  {'going on in' if goes_on else 'into'} {place.path} (Ctrl-C, or worse: the same command goes on)",
    ]
    return "\n".join(lines)


class _Driver:
    """The state of one call of `search`."""

    def __init__(
        self,
        plan: Plan,
        place: SearchFolder,
        journal: Journal,
        executor: Executor,
        console: Console,
        track: bool | str,
        register: str,
        *,
        is_shipped: bool,
    ) -> None:
        self._is_shipped = is_shipped
        self._plan, self._place, self._journal, self._executor = plan, place, journal, executor
        self._story = Story.of(journal.events)
        self._oracle = _oracle(plan, journal.events)
        self._pruning = Pruning(plan.objective, is_on=plan.settings.prune)
        self._console = console
        self._track, self._register = track, register
        self._courier = Courier(place, self._story.logged, self._take, track, MachineLoad())
        self._running: set[int] = set()
        self._is_over = False
        self._why_hopeless = ""
        self._begun = time.monotonic()
        self._spent = self._story.seconds
        self._table = LiveTable(
            console,
            plan.objective,
            plan.space.to_dict(),
            trials=plan.settings.most_trials,
            seconds=max(0.0, plan.settings.time - self._spent) if plan.settings.time else None,
        )

    def run(self) -> Search:
        """Go through the trials, and make a model of the best one."""
        self._take("opened")
        self._learn_from_logs()
        with self._courier, self._table, warnings_to(self._table.note):
            self._table.resumed([each for each in self._story.trials.values() if each.outcome is not None])
            self._courier.catch_up(self._story.trials.values())
            for interrupted in self._story.open_trials():
                self._submit(interrupted)
            self._fill()
            try:
                while self._running:
                    self._ended(*self._executor.next(self._on_report))
                    self._fill()
            except KeyboardInterrupt:
                for number in sorted(self._running):  # no trial is to blame for that
                    self._take("interrupted", number=number)
                raise
            self._executor.close()  # the winner is trained in this process
            if not self._story.is_finished and not self._why_hopeless:
                self._take("finished")
            self._tidy(*self._story.trials.values())
        if self._why_hopeless:
            self._courier.conclude(read(self._place.path), is_failed=True)
            raise RecipeError(self._why_hopeless)
        training = self._crown()
        record = read(self._place.path)
        self._courier.conclude(record)
        return Search(self._place.path, record, training)

    def _take(self, event: str, **content: Any) -> None:
        """Note an event, and draw the conclusion."""
        self._journal.append(event, **content)
        self._story.take(self._journal.events[-1])

    def _fill(self) -> None:
        """Begin trials as long as there are free places, and the budget allows."""
        while not self._is_over and len(self._running) < self._executor.slots:
            if self._is_spent():
                return
            proposal = self._oracle.ask()
            if isinstance(proposal, Rest):
                self._is_over = proposal is Rest.OVER or not self._running
                return
            self._take(
                "asked",
                number=proposal.number,
                values=proposal.values,
                epochs=proposal.epochs,
                parent=proposal.parent,
            )
            self._submit(self._story.trials[proposal.number])

    def _is_spent(self) -> bool:
        most = self._plan.settings.most_trials
        return (most is not None and len(self._story.trials) >= most) or self._is_late()

    def _is_late(self) -> bool:
        limit = self._plan.settings.time
        return bool(limit) and self._spent + time.monotonic() - self._begun >= limit

    def _submit(self, asked: TrialRecord) -> None:
        """Begin a trial, or end one that has killed its process again and again."""
        number = asked.number
        self._running.add(number)
        if asked.attempts >= ATTEMPTS:
            reason = f"the process of the search died in it {asked.attempts} times: out of memory?"
            self._ended(number, Outcome(State.FAILED, reason))
            return
        self._take("begun", number=number)
        self._pruning.forget(number)
        self._recall(number, number if asked.parent is None else asked.parent)
        self._table.started(number, asked.values, asked.attempts + 1)
        self._executor.submit(self._candidate(asked))

    def _candidate(self, asked: TrialRecord) -> Candidate:
        plan, epochs = self._plan, self._story.epochs[asked.number]
        config = plan.config_of(asked.values)
        if epochs < plan.config.training.epochs:
            config = config.replace({"training.stop_after": epochs})
        if self._is_shipped:
            config = _shipped(config)
        return Candidate(
            number=asked.number,
            config=config,
            values=asked.values,
            folder=self._place.trial(asked.number),
            objective=plan.objective,
            executions=plan.settings.executions,
            folds=plan.settings.folds,
            keep=self._keep(),
            parent=None if asked.parent is None else self._place.trial(asked.parent),
            begins=0 if asked.parent is None else self._story.epochs[asked.parent],
        )

    def _keep(self) -> bool | float:
        """Return which weights are worth a file: where others go on from them, and where they may be the winner's."""
        if self._plan.settings.strategy == "hyperband":
            return True
        best = self._best()
        return self._plan.is_kept and (True if best is None or best.score is None else best.score)

    def _best(self) -> TrialRecord | None:
        return next(iter(ranked(self._story.trials.values(), self._plan.objective)), None)

    def _on_report(self, number: int, report: EpochReport) -> Stop | None:
        """Answer the end of an epoch of a trial."""
        if number not in self._running:
            return None
        self._table.epoch(number, report)
        stop = self._pruning.report(number, report)
        if stop is None and self._is_late():
            stop = Stop(State.STOPPED, f"the time is up at epoch {report.epoch}")
        return stop

    def _ended(self, number: int, outcome: Outcome) -> None:
        """Keep what has become of a trial, tell whoever wants to know."""
        for name, content in outcome.files.items():
            path = self._place.trial(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            texts.write_file(path, content)
        before = self._best()
        self._take("ended", **outcome_event(number, outcome))
        self._running.discard(number)
        ended = self._story.trials[number]
        self._oracle.tell(number, ended.score)
        self._table.ended(ended)
        self._courier.log(ended)
        self._tidy(ended, *([before] if before else []))
        self._check_hope()

    def _check_hope(self) -> None:
        """Begin no more trials where every one fails for the same reason."""
        ended = [each for each in self._story.trials.values() if each.outcome is not None]
        reasons = {each.outcome.reason for each in ended if each.outcome is not None}
        if len(ended) >= _ALL_ALIKE and len(reasons) == 1 and all(each.state is State.FAILED for each in ended):
            self._is_over = True
            self._why_hopeless = f"all {len(ended)} trials so far fail alike: {reasons.pop()}"

    def _tidy(self, *ended: TrialRecord) -> None:
        """Remove the weights of trials that ended, where nobody needs them any more."""
        if self._plan.settings.strategy == "hyperband" and not self._story.is_finished:
            return  # any of them may be promoted
        best = self._best()
        for each in ended:
            if not (self._plan.is_kept and best is not None and each.number == best.number):
                for checkpoint in self._place.trial(each.number).glob("**/checkpoint"):
                    shutil.rmtree(checkpoint, ignore_errors=True)

    def _learn_from_logs(self) -> None:
        """Tell the pruning of the trials that ended before this process began."""
        for each in self._story.trials.values():
            if each.outcome is not None:
                self._recall(each.number, each.number)

    def _recall(self, number: int, source: int) -> None:
        """Tell the pruning how far a trial had come, by its own log or by that of the one that it goes on from."""
        for part, log in enumerate(logs(self._place.trial(source))):
            with suppress(ReadError):
                self._pruning.recall(number, part, read_log(log)[0].series)

    def _crown(self) -> Training | None:
        """Make a model of the best trial."""
        best = self._best()
        if best is None:
            return None
        return winner.crown(
            best,
            self._plan.config_of(best.values),
            self._place,
            self._plan.data_of(best.values),
            is_restored=self._plan.is_kept,
            track=self._track,
            within=self._courier.within(best),
            register=self._register,
            console=self._console,
        )


def _oracle(plan: Plan, events: Sequence[Event]) -> Oracle:
    """Return the oracle as it stands after what has happened so far."""
    asked = sum(event["event"] == "asked" for event in events)
    settings = plan.settings
    if settings.trials:  # where there are to be fewer than there are already, these are still its trials
        settings = settings.model_copy(update={"trials": max(settings.trials, asked)})
    oracle = Oracle(plan.space, settings, plan.objective, plan.config.training.epochs)
    for event in events:
        if event["event"] == "warm":
            oracle.warm([(values, score) for values, score in event["trials"]])
    oracle.replay(_retold(events))
    return oracle


def _retold(events: Sequence[Event]) -> Iterator[Asked | Told]:
    """Yield the events of the journal that concern the oracle."""
    for event in events:
        if event["event"] == "asked":
            yield Asked(Proposal(event["number"], event["values"], event["epochs"], event["parent"]))
        elif event["event"] == "ended":
            outcome = event["outcome"]
            yield Told(event["number"], None if outcome["state"] == State.FAILED else outcome["score"])


def _fixed_then(config: Config, space: Space, record: SearchRecord) -> dict[str, Any]:
    """Return what an earlier search had set of that which is searched now."""
    paths = [path for path in space.paths if path not in record.space]
    return {path: config.get(path) for path in paths if not path.startswith(f"{OWN}.")}


def _executor(plan: Plan, workers: int, cluster: str | None) -> Executor:
    if not workers and cluster is None:
        return InlineExecutor(plan.datasets)
    from tuners.search.cluster import RayExecutor

    files = [] if cluster is None else _own_files(plan.config.recipe)
    training = plan.config.training
    gpus = 0.0 if training.accelerator == "cpu" else float(training.devices) or None
    return RayExecutor(
        plan.datasets,
        workers=workers or None,
        address=cluster,
        gpus_per_trial=gpus,
        needs_gpu=training.accelerator == "gpu",
        files=files,
    )


def _own_files(recipe: str) -> list[Path]:
    """Return the file of the user's own function, relative to the current folder, where it is below it."""
    if ":" not in recipe:
        return []
    module = recipe.rpartition(":")[0]
    path = Path(module) if module.endswith(".py") else Path(*module.split(".")).with_suffix(".py")
    path = Path.cwd() / path
    return [path.relative_to(Path.cwd())] if path.is_file() and path.is_relative_to(Path.cwd()) else []


def _shipped(config: Config) -> Config:
    """Return the configuration as it means the same in the folder of a worker on another machine."""
    module, _, function = config.recipe.rpartition(":")
    files = _own_files(config.recipe) if module.endswith(".py") else []
    return config.model_copy(update={"recipe": f"{files[0].as_posix()}:{function}"}) if files else config


def _observations(
    plan: Plan, folders: Sequence[Path | str]
) -> tuple[list[tuple[Mapping[str, Any], float | None]], list[str]]:
    """Return values and scores of the trials of earlier searches, for the oracle to know, and what is to be told."""
    oracle = Oracle(plan.space, plan.settings, plan.objective, plan.config.training.epochs)
    found: list[tuple[Mapping[str, Any], float | None]] = []
    notes = []
    for folder in folders:
        record = read(Path(folder))
        if record.objective != plan.objective:
            raise RecipeError(f"{folder}: was judged by {record.objective}, and this search is by {plan.objective}")
        fixed = _fixed_then(SearchFolder(Path(folder)).config(), plan.space, record)
        known = [({**fixed, **each.values}, each.score) for each in record.trials if each.outcome is not None]
        left_out = oracle.warm(known)
        told = f"the oracle knows {len(known) - left_out} trials of {folder}"
        notes.append(f"{told}; {left_out} are not of this space" if left_out else told)
        found += known
    return found, notes
