"""What ``tune show DIR`` prints and draws: a search that is over, or one that goes on, from its folder."""

from __future__ import annotations

import itertools
import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from diagnose import __version__, console
from diagnose.tracking.store import shown_uri
from tuners.search import importance, sickness, wording
from tuners.search.leaderboard import leaderboard
from tuners.search.records import SearchRecord

Format = Literal["table", "csv", "json"]

SCHEMA = "kerasdx-search-report/1"


def show(folder: Path, format: Format = "table", width: int = 80, top: int = 10) -> str:
    """Return a search as text.

    Parameters
    ----------
    folder
        Of the search.
    format
        ``table``: `summary`; ``csv``: a row for each trial, see `tuners.search.frame`; ``json``: `document`.
    width
        Columns of the table.
    top
        How many of the best trials the table has; 0: all.

    Raises
    ------
    RecipeError
        There is no search in the folder, or it is damaged.
    """
    record = _read(folder)
    if format == "csv":
        from tuners.search.frame import frame

        return str(frame(record).to_csv(index=False)).rstrip("\n")
    if format == "json":
        return json.dumps(document(record), indent=1, ensure_ascii=False, allow_nan=False)
    return summary(record, width, top)


def html(folder: Path, path: Path) -> Path:
    """Draw a search as a page, and return the file.

    Raises
    ------
    RecipeError
        There is no search in the folder, or it is damaged.
    """
    from tuners.search import page

    console.write_file(path, page.render(_read(folder)))
    return path


def summary(record: SearchRecord, width: int = 80, top: int = 10) -> str:
    """Return what a person is told at the end: leaderboard, importance, what sick trials share, what to type next."""
    blocks = [leaderboard(record, width, top)]
    if any(trial.outcome is not None for trial in record.trials):
        found = importance.importance(record)
        title = (
            f"What mattered for {wording.one_line(record.objective.name)} (share of the ranks' variance, 95 % interval)"
        )
        blocks.append("\n".join([*wording.wrapped(title, width), importance.text(record, width, found)]))
    if any(trial.is_sick for trial in record.trials):
        blocks.append("What the sick trials share\n" + sickness.text(record, width))
    blocks.append("\n".join(["Next", *_told(next_commands(record), width)]))
    return "\n\n".join(blocks)


def document(record: SearchRecord) -> dict[str, Any]:
    """Return a search as strict JSON can hold it; what is not finite is null.

    Within a version of the schema fields may be added; none is removed, renamed or given another meaning.
    """
    ranked = [trial.number for trial in record.ranked()]
    found = {
        "schema": SCHEMA,
        "version": __version__,
        "recipe": record.recipe,
        "data": record.data,
        "objective": {"name": record.objective.name, "direction": record.objective.direction},
        "settings": record.settings,
        "space": record.space,
        "best": ranked[0] if ranked else None,
        "ranking": ranked,
        "trials": [{**trial.to_dict(), "state": trial.state, "sick": trial.is_sick} for trial in record.trials],
        "importance": [
            {
                "path": item.path, "share": item.share, "low": item.low, "high": item.high, "known": item.is_known,
                "best": item.best_range,
            }
            for item in importance.importance(record)
        ],
        "sickness": [
            {
                "kind": item.kind, "trials": item.trials, "others": item.others, "example": item.example,
                "separation": None if item.separation is None else {
                    "path": item.separation.path, "condition": item.separation.condition,
                    "sick": item.separation.sick, "others": item.separation.others, "p_value": item.separation.p_value,
                },
            }
            for item in sickness.sickness(record)
        ],
        "winner": record.winner,
    }  # fmt: skip
    strict = _strict(found)
    assert isinstance(strict, dict)
    return strict


def next_commands(record: SearchRecord) -> list[tuple[str, str]]:
    """Return commands that a person may want to type next, each with what it does."""
    folder = record.folder
    commands = [(_command("tune", "show", folder, "--html", "search.html"), "draw it: curves, parallel coordinates")]
    if record.winner is not None:
        commands.append(
            (_command("tune", "train", "--config", folder / "winner" / "config.yaml"), "train the winner again")
        )
    sick = ((trial, record.logs(trial)) for trial in record.trials if trial.is_sick)
    for trial, logs in itertools.islice((found for found in sick if found[1]), 1):
        commands.append((_command("diagnose", logs[0]), f"why trial {trial.number} is sick: {wording.sickness(trial)}"))
    if store := record.settings.get("mlflow"):
        where = [] if store == shown_uri() else ["--store", store]
        commands.append((_command("tune", "ui", *where), "compare the trials in MLflow"))
    return commands


def _command(*words: Any) -> str:
    return shlex.join(map(str, words))


def _told(commands: list[tuple[str, str]], width: int) -> list[str]:
    """Return lines with the commands, what each does beside it or, where there is no room, above it."""
    size = max(len(command) for command, _ in commands)
    if size + 4 + max(len(why) for _, why in commands) <= width:
        return [f"  {command:{size}}  {why}" for command, why in commands]
    return [line for command, why in commands for line in (f"  {why}:", f"    {command}")]


def _read(folder: Path) -> SearchRecord:
    from tuners.search import journal

    return journal.read(folder)


def _strict(value: Any) -> Any:
    """Return a value as strict JSON can hold it."""
    if isinstance(value, Mapping):
        return {_text(str(key)): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return _text(str(value))


def _text(text: str) -> str:
    """Return text that UTF-8 can hold: a name may carry bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
