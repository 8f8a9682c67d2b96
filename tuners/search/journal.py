"""The folder of a search: what it was begun with, and a journal of what has happened since.

``search.json``    configuration, space and settings; written once, in one step
``journal.jsonl``  a line for each event; appended and forced to the disk before anything builds on it
``trials/0007``    of each trial: Monitor's log, what its code printed, weights where they are needed
``winner``         the winner, in the form of a training's folder

Whoever kills the search at any moment leaves at most half a line at the end of the journal, which is taken off when it
goes on. Everything else (the oracle, the leaderboard) is made from the events anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diagnose import console
from recipes.config import Config
from recipes.errors import RecipeError
from tuners.folder import Folder, held
from tuners.objective import Objective
from tuners.search.records import Outcome, SearchRecord, State, TrialRecord

SCHEMA = "kerasdx-search/1"

Event = Mapping[str, Any]


@dataclass(frozen=True)
class SearchFolder:
    """Names of what a search leaves.

    Parameters
    ----------
    path
        The folder.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """What the search was begun with."""
        return self.path / "search.json"

    @property
    def journal(self) -> Path:
        """What has happened since."""
        return self.path / "journal.jsonl"

    @property
    def winner(self) -> Folder:
        """Model, card, report and configuration of the winner."""
        return Folder(self.path / "winner")

    def trial(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.path / self.name(number)

    @staticmethod
    def name(number: int) -> str:
        """Return the folder of a trial relative to that of the search."""
        return f"trials/{number:04d}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder.

        Raises
        ------
        RecipeError
            Another one is in it, or it cannot be made.
        """
        with held(self.path, "searching", self.settings):
            yield

    def begin(self, content: Mapping[str, Any]) -> bool:
        """Note what the search is begun with, or see that it is what it was begun with; return whether it goes on.

        Parameters
        ----------
        content
            Ready for JSON. ``budget`` and ``noted`` may differ: they change no trial.

        Raises
        ------
        RecipeError
            It was begun with other settings, which are named.
        """
        content = {"schema": SCHEMA, **content}
        if not self.settings.exists():
            if self.journal.exists() or (self.path / "trials").exists():
                raise RecipeError(
                    f"{self.path}: holds trials, and no search.json that says of what; name another --output"
                )
            console.write_file(self.settings, _json(content, indent=1))
            return False
        before = self.read_settings()
        content["noted"] = before["noted"]
        if changed := list(_differences(_fixed(before), _fixed(json.loads(_json(content))))):
            listed = "; ".join(changed[:5]) + ("; ..." if len(changed) > 5 else "")
            raise RecipeError(f"{self.path}: was begun with other settings ({listed}); name another --output")
        if before != content:
            console.write_file(self.settings, _json(content, indent=1))
        return True

    def is_unfinished(self, content: Mapping[str, Any]) -> bool:
        """Whether a search was begun here with these settings, and has not come to its end."""
        try:
            before = self.read_settings()
            story = Story.of(_events(self.journal)[0])
        except RecipeError:
            return False
        is_same = _fixed(before) == _fixed(json.loads(_json({"schema": SCHEMA, **content})))
        has_winner = self.winner.read_result() is not None
        is_over = story.is_finished and (has_winner or all(each.score is None for each in story.trials.values()))
        return is_same and not is_over

    def read_settings(self) -> dict[str, Any]:
        """Return what the search was begun with.

        Raises
        ------
        RecipeError
            There is no search, or the file is damaged.
        """
        try:
            content = json.loads(self.settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecipeError(f"{self.path}: holds no search (there is no search.json)") from None
        except (OSError, ValueError) as error:
            raise RecipeError(f"{self.settings}: cannot be read: {error}") from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise RecipeError(f"{self.settings}: is no {SCHEMA} file; another version of kerasdx wrote it")
        return content

    def config(self) -> Config:
        """Return what is common to all trials."""
        return Config.from_dict(self.read_settings()["config"], str(self.settings))


class Journal:
    """The events of a search, on disk.

    Parameters
    ----------
    path
        The file; made with the first event.

    Attributes
    ----------
    events
        All so far, in their order.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.events: list[Event] = []

    def open(self) -> None:
        """Read what there is, and take half a line off its end.

        Raises
        ------
        RecipeError
            A line in the middle is damaged.
        """
        self.events, whole = _events(self._path)
        if self._path.exists() and self._path.stat().st_size > whole:
            os.truncate(self._path, whole)

    def append(self, event: str, **content: Any) -> None:
        """Write an event; when this returns, it is on the disk.

        Raises
        ------
        OSError
            There is no room.
        """
        entry = {"event": event, "time": round(time.time(), 3), **content}
        line = (_json(entry) + "\n").encode("utf-8", errors="backslashreplace")
        with self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(28, "No space left on device", str(self._path))
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(before)
                raise
        self.events.append(json.loads(line))  # as it will be read


#: Numbers of the search itself among those of its trials, in what is logged of it.
SEARCH, SEARCH_ENDED = -1, -2


@dataclass
class Story:
    """What the events of a search come to.

    Parameters
    ----------
    trials
        Number -> trial, in the order in which they were proposed.
    epochs
        Number -> the epochs that were proposed for it.
    logged
        Store and number -> id of the MLflow run; of the whole search by `SEARCH`, and by `SEARCH_ENDED` as soon as that
        is told how it ended.
    seconds
        Spent by all processes that have worked on it.
    is_finished
        Whether the search has come to its end.
    """

    trials: dict[int, TrialRecord] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    logged: dict[tuple[str, int], str] = field(default_factory=dict)
    seconds: float = 0.0
    is_finished: bool = False
    _last: float | None = None

    @classmethod
    def of(cls, events: Sequence[Event]) -> Story:
        """Return what events come to."""
        story = cls()
        for number, event in enumerate(events, 1):
            try:
                story.take(event)
            except (KeyError, TypeError, ValueError) as error:
                raise RecipeError(
                    f"line {number} of the journal is not as this version writes it ({type(error).__name__}: {error}); "
                    "begin anew with another --output"
                ) from None
        return story

    def take(self, event: Event) -> None:
        """Take the next event."""
        kind, now = event["event"], event["time"]
        if kind != "opened" and self._last is not None:
            self.seconds += max(0.0, now - self._last)
        self._last = now
        if kind == "asked":
            number = int(event["number"])
            self.trials[number] = TrialRecord(
                number, event["values"], SearchFolder.name(number), event["parent"], attempts=0
            )
            self.epochs[number] = int(event["epochs"])
            self.is_finished = False
        elif kind == "begun":
            trial = self.trials[event["number"]]
            self.trials[trial.number] = replace(trial, started=event["time"], attempts=trial.attempts + 1)
        elif kind == "interrupted":
            trial = self.trials[event["number"]]
            self.trials[trial.number] = replace(trial, attempts=trial.attempts - 1)
        elif kind == "ended":
            trial = self.trials[event["number"]]
            outcome = outcome_of(event["outcome"])
            self.trials[trial.number] = replace(trial, outcome=outcome)
        elif kind == "logged":
            if event["number"] >= 0:  # what is told of the search as a whole is not the last word any more
                self.logged.pop((event["store"], SEARCH_ENDED), None)
            self.logged[event["store"], event["number"]] = event["run"]
        elif kind == "finished":
            self.is_finished = True

    def open_trials(self) -> list[TrialRecord]:
        """Return the trials that were proposed and have not ended."""
        return [trial for trial in self.trials.values() if trial.outcome is None]


def read(path: Path) -> SearchRecord:
    """Return a search as it stands; also of one that is running.

    Raises
    ------
    RecipeError
        There is none in the folder, or its files are damaged.
    """
    folder = SearchFolder(path)
    content = folder.read_settings()
    story = Story.of(_events(folder.journal)[0])
    return SearchRecord(
        folder=path,
        recipe=content["noted"]["recipe"],
        data=content["noted"]["data"],
        objective=Objective.of(content["objective"]),
        settings={
            **content["settings"],
            **content["budget"],
            "epochs": content["config"]["training"]["epochs"],
            "mlflow": content["noted"]["mlflow"],
        },
        space=content["space"],
        trials=tuple(story.trials.values()),
        winner=folder.winner.read_result(),
    )


def outcome_of(content: Mapping[str, Any]) -> Outcome:
    """Return an outcome as it stands in the journal."""
    outcome = TrialRecord.from_dict({"number": 0, "values": {}, "folder": "", "outcome": content}).outcome
    assert outcome is not None
    return outcome


def outcome_event(number: int, outcome: Outcome) -> dict[str, Any]:
    """Return how the end of a trial stands in the journal."""
    return {"number": number, "outcome": TrialRecord(number, {}, "", outcome=outcome).to_dict()["outcome"]}


def _events(path: Path) -> tuple[list[Event], int]:
    """Return the events of a journal, and how many bytes they take; half a line at the end is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from None
    whole = content.rfind(b"\n") + 1
    lines = content[:whole].splitlines()
    try:
        return [json.loads(line) for line in lines], whole
    except ValueError:
        number = next(i for i, line in enumerate(lines, 1) if not _is_json(line))
        raise RecipeError(
            f"{path}: line {number} is damaged; restore the file from a copy, or name another --output"
        ) from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _json(content: Any, indent: int | None = None) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    """Make JSON of what NumPy counts with, and of paths."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, State | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")


def _fixed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in ("budget", "noted")}


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield each setting that differs: ``optimizer.learning_rate: 0.01, now 0.1``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = name if path in ("", "config", "settings") else f"{path}.{name}"
            yield from _differences(before.get(name), after.get(name), inner)
    elif before != after:
        yield f"{path}: {_shown(before)}, now {_shown(after)}"


def _shown(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
