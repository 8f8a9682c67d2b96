"""A search in MLflow: a run for each trial, in one batch at its end, below one run for the search.

A thread of its own sends them, so that no trial waits for a store. While a store is away trials wait for it; the
journal knows which ones are stored, and what has stayed behind is sent when the search goes on, or by `tune sync`.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from diagnose import ReadError, __version__, diagnose
from diagnose import console as texts
from diagnose.readers.curves import facts_beside
from diagnose.renderers.markdown import code_span, escape
from diagnose.tracking.dataset import DatasetRecord
from diagnose.tracking.health import FAILED, SCORE, VERDICT
from diagnose.tracking.machine import MachineLoad
from diagnose.tracking.record import KIND, TrainingRecord, Within
from diagnose.tracking.sending import send
from diagnose.tracking.store import TrackingError, shown_uri, sync_command
from recipes.config import Config
from recipes.errors import one_line
from tuners.search import page, show, sickness, wording
from tuners.search.columns import columns
from tuners.search.journal import SEARCH, SEARCH_ENDED, Journal, SearchFolder, Story, read
from tuners.search.leaderboard import headline
from tuners.search.records import SearchRecord, State, TrialRecord, logs
from tuners.search.space import Space

#: After an error a store is asked again, ever more rarely, in seconds.
_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
#: How long the end of a search may wait for a store that is slow, in seconds.
_AT_END = 300.0
_OVERVIEW, _REPORT = "overview.html", "search-report.json"
_TOLD_TRIALS = 3


class Courier:
    """Sends trials to MLflow while others are trained.

    Parameters
    ----------
    place
        The search's folder.
    logged
        Store and number -> run of what is stored already; another store has none of it.
    note
        Called, in the driver's thread, with ``logged``, store, number and run of what has been stored.
    track
        As of `tuners.train`.
    load
        Watches the machine while the search goes on.
    is_told
        Whether what goes wrong is told on the terminal.
    """

    def __init__(
        self,
        place: SearchFolder,
        logged: Mapping[tuple[str, int], str],
        note: Callable[..., None],
        track: bool | str,
        load: MachineLoad | None = None,
        *,
        is_told: bool = True,
    ) -> None:
        self._place, self._note = place, note
        self._content = place.read_settings()
        self._is_on = bool(track)
        self._uri = None if track is True else str(track)
        self.store = shown_uri(self._uri) if track else ""
        self._logged = {number: run for (store, number), run in logged.items() if store == self.store}
        self._config = Config.from_dict(self._content["config"])
        self._space = Space.from_dict(self._content["space"])
        self._tasks: queue.SimpleQueue[TrialRecord | None] = queue.SimpleQueue()
        self._stored: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._waiting: deque[TrialRecord] = deque()
        self._thread: threading.Thread | None = None
        self._load, self._is_told = load, is_told
        self._error = self._unsendable = ""
        self._has_told = False

    def __enter__(self) -> Self:
        if self._is_on:
            if self._load is not None:
                self._load.start()
            self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Send what waits; after an interruption the journal knows what was not sent."""
        if self._thread is None:
            return
        self._tasks.put(None)
        if kind is None:
            self._thread.join(_AT_END)
            if self._thread.is_alive():
                self._error = self._error or f"{self.store} takes too long"
        self._collect()
        self._tell()

    def catch_up(self, trials: Iterable[TrialRecord]) -> int:
        """Send trials that ended in a process before this one, and were not stored; return how many there are."""
        missing = [trial for trial in trials if trial.outcome is not None and trial.number not in self._logged]
        for trial in missing:
            self.log(trial)
        return len(missing)

    def log(self, trial: TrialRecord) -> None:
        """Send a trial that has ended."""
        if self._is_on:
            self._collect()
            self._tasks.put(trial)

    def conclude(self, record: SearchRecord, *, is_failed: bool = False) -> bool:
        """End the run of the search, with what it has come to, and return whether the store has that."""
        if not self._is_on:
            return True
        try:
            ended = replace(self._ended(record), is_failed=is_failed)
            run = send(ended, self._uri, run=self._logged.get(SEARCH, ""), again=True)
        except Exception as error:  # the search is over, whatever MLflow has of it
            is_known = isinstance(error, TrackingError)
            self._error = str(error) if is_known else f"{type(error).__name__}: {one_line(error)}"
            self._tell()
            return False
        self._note("logged", store=self.store, number=SEARCH_ENDED, run=run)
        return True

    def within(self, best: TrialRecord) -> Within:
        """Return what the winner is in the store, which needs the run of the search before it."""
        if self._is_on:
            with suppress(TrackingError):  # then it waits
                self._parent()
        return Within(self._key, f"{self._place.path.name}-winner", f"{self._key}/winner/{best.number}", "winner")

    @property
    def reason(self) -> str:
        """Why something waits; empty where nothing does."""
        return self._error or self._unsendable

    def _collect(self) -> None:
        """Note what the thread has stored."""
        while not self._stored.empty():
            number, run = self._stored.get()
            self._logged[number] = run
            self._note("logged", store=self.store, number=number, run=run)

    def _tell(self) -> None:
        if self.reason and self._is_told and not self._has_told:
            self._has_told = True
            texts.complain(f"{self.reason}; it is kept: {sync_command(self._place.path, self.store)}", "tune")

    def _send_all(self) -> None:
        """Send trials until there are no more; what a store does not take waits, for it or for `tune sync`."""
        pause, due, is_closing = _PAUSE, 0.0, False
        while not is_closing or self._waiting:
            try:
                timeout = max(0.0, due - time.monotonic()) if self._waiting else None
                trial = None if is_closing else self._tasks.get(timeout=timeout)
                is_closing = trial is None
                if trial is not None:
                    self._waiting.append(trial)
            except queue.Empty:
                pass
            if not self._waiting or (time.monotonic() < due and not is_closing):
                continue
            try:
                self._send(self._waiting[0])
            except TrackingError as error:
                self._error = str(error)
                if is_closing:
                    return
                due, pause = time.monotonic() + pause, min(2 * pause, _LONGEST_PAUSE)
            except Exception as error:  # a thread that dies would do so unseen
                number = self._waiting.popleft().number
                self._unsendable = f"trial {number} is not in MLflow: {type(error).__name__}: {one_line(error)}"
            else:
                self._waiting.popleft()
                self._error, pause, due = "", _PAUSE, 0.0

    def _send(self, trial: TrialRecord) -> None:
        self._stored.put((trial.number, send(self._record(trial, self._parent()), self._uri)))

    def _parent(self) -> str:
        """Return the run of the search, which is made where there is none."""
        if SEARCH not in self._logged:
            self._logged[SEARCH] = send(self._search(), self._uri)
            self._stored.put((SEARCH, self._logged[SEARCH]))
        return self._logged[SEARCH]

    def _search(self) -> TrainingRecord:
        """Return what MLflow is to know of a search that goes on."""
        settings = {**self._content["settings"], **self._content["budget"], "objective": self._content["objective"]}
        return TrainingRecord(
            experiment=self._experiment,
            run=self._place.path.name,
            started=self._content["noted"]["started"],
            ended=0.0,
            parameters={f"search.{name}": value for name, value in settings.items()},
            tags={"kerasdx.version": __version__, KIND: "search", "search.objective": self._content["objective"]},
            datasets=self._datasets,
            key=self._key,
        )

    def _ended(self, record: SearchRecord) -> TrainingRecord:
        """Return what MLflow is to know of a search that has ended, or does so for now."""
        best = next(iter(record.ranked()), None)
        metrics: dict[str, float] = {
            "trials": len(record.trials),
            "sick_trials": sum(trial.is_sick for trial in record.trials),
        }
        if best is not None and best.score is not None:
            metrics |= {f"best_{record.objective.name}": best.score, "best_trial": best.number}
        for score in ((record.winner or {}).get("test") or {}).get("scores", ()):
            if score.get("value") is not None:
                metrics[f"test_{score['metric']}"] = score["value"]
        return replace(
            self._search(),
            ended=time.time(),
            machine=self._load.stop() if self._load else {},
            metrics=metrics,
            note=_note(record),
            # The journal is not among them: a folder that has one is a search.
            texts={_OVERVIEW: page.render(record), _REPORT: json.dumps(show.document(record), indent=1)},
        )

    def _record(self, trial: TrialRecord, parent: str) -> TrainingRecord:
        """Return what MLflow is to know of a trial."""
        assert trial.outcome is not None
        outcome, objective = trial.outcome, self._content["objective"].partition(":")[2]
        log = next(iter(logs(self._place.trial(trial.number))), None)
        metrics: dict[str, float] = {"epochs_run": outcome.epochs, "seconds": outcome.seconds}
        if outcome.state is State.FAILED:
            metrics[SCORE] = 0.0  # whatever its curves look like until then
        if trial.score is not None:
            metrics[f"best_{objective}"] = trial.score
        if outcome.best_epoch is not None:
            metrics["best_epoch"] = outcome.best_epoch
        record = TrainingRecord(
            experiment=self._experiment,
            run=f"{self._place.path.name}-{trial.number:04d}",
            started=trial.started,
            ended=trial.started + outcome.seconds,
            parameters=self._space.apply(self._config, trial.values).flat(),
            metrics=metrics,
            tags={
                "kerasdx.version": __version__,
                KIND: "trial",
                "trial.state": str(outcome.state),
                **({"trial.reason": trial.reason} if trial.reason else {}),
                VERDICT: outcome.verdict or "unknown",
            },
            note=escape(trial.reason) if trial.is_sick else "",
            artifacts=tuple(path for path in (log, facts_beside(log)) if path.exists()) if log else (),
            datasets=self._datasets,
            is_failed=outcome.state is State.FAILED,
            parent=parent,
            key=f"{self._key}/{trial.number}",
        )
        try:
            if log is not None:
                return record.diagnosed(diagnose(log).runs[0])
        except (ReadError, IndexError):
            record = replace(record, artifacts=())
        # All columns in all runs: plots leave out those that lack one.
        return replace(record, metrics={**FAILED, **metrics} if outcome.state is State.FAILED else metrics)

    @property
    def _experiment(self) -> str:
        noted = self._content["noted"]
        return f"{noted['recipe']} {noted['data']}"

    @property
    def _datasets(self) -> tuple[DatasetRecord, ...]:
        return tuple(DatasetRecord(**dataset) for dataset in self._content["noted"].get("datasets", ()))

    @property
    def _key(self) -> str:
        """What the search is told by, wherever its folder is moved to."""
        noted = self._content["noted"]
        return str(noted.get("key") or noted["started"])


def _note(record: SearchRecord) -> str:
    """Return the description of a search's run: how it went, the best trials, what the sick ones share."""
    names = {column.path: column.name for column in columns(record, record.trials)}
    lines = [f"**{escape(headline(record))}**", ""]
    lines += [
        f"{place}. trial {trial.number}: {wording.score(trial.score)}, {escape(wording.diagnosis(trial))}; "
        + code_span(wording.settings(trial.values, names))
        for place, trial in enumerate(record.ranked()[:_TOLD_TRIALS], 1)
    ]
    if told := sickness.sentences(sickness.sickness(record)):
        lines += ["", *(f"- {escape(sentence)}" for sentence in told)]
    return "\n".join([*lines, "", f"All trials, with their curves: {_OVERVIEW} among the artifacts."])


def catch_up(place: SearchFolder, uri: str) -> tuple[int, str]:
    """Send what a store does not have of a search that nobody works on.

    Parameters
    ----------
    place
        The search's folder, held.
    uri
        The store.

    Returns
    -------
    tuple
        How many trials were missing, and why the store has not everything now; empty where it has.

    Raises
    ------
    RecipeError
        The search is damaged.
    """
    journal = Journal(place.journal)
    journal.open()
    story = Story.of(journal.events)
    courier = Courier(place, story.logged, journal.append, uri, is_told=False)
    with courier:
        missing = courier.catch_up(story.trials.values())
    is_told = (courier.store, SEARCH_ENDED) in Story.of(journal.events).logged
    if not courier.reason and story.is_finished and (missing or not is_told):  # one that was interrupted may go on
        courier.conclude(read(place.path))
    return missing, courier.reason
