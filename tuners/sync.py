"""`tune sync`: what a tracking store did not get while it was away, sent now. Nothing is sent twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diagnose.tracking import parcel
from diagnose.tracking.parcel import BusyError, Parcel
from diagnose.tracking.store import TrackingError, shown_uri, store_of, usable_uri
from recipes.errors import RecipeError, one_line
from tuners import tracking

#: What a search has in its folder.
_JOURNAL, _SETTINGS = "journal.jsonl", "search.json"


@dataclass(frozen=True)
class Tally:
    """What came of it.

    Parameters
    ----------
    sent, kept
        How many trainings and searches were sent, and could not be.
    """

    sent: int = 0
    kept: int = 0


def sync(folder: Path, store: str | None, tell: Callable[[str], object]) -> Tally:
    """Send what waits below a folder.

    Parameters
    ----------
    folder
        Is searched with all that is below; or the ``.mlflow.json`` of one training.
    store
        Where to; None: where each was meant to go.
    tell
        Is given a line for each training and search.

    Raises
    ------
    RecipeError
        There is no such folder.
    """
    if not folder.exists():
        raise RecipeError(f"{folder}: there is no such folder")
    store = store_of(store) if store else None
    sent = kept = 0
    waiting, broken = parcel.waiting(folder)
    for path, reason in broken.items():
        tell(f"{path}: {reason}")
    ended = (_catch_up(path, store) for path in _searches(folder))
    for done, line in itertools.chain(ended, (_send(box, store) for box in waiting)):
        if line:
            tell(line)
        sent, kept = sent + (done and bool(line)), kept + (not done)
    return Tally(sent, kept + len(broken))


def _send(box: Parcel, store: str | None) -> tuple[bool, str]:
    try:
        sent = tracking.deliver(box, store)
        sent.discard()
    except (TrackingError, BusyError) as error:
        return False, f"{box.log_path}: {error}"
    except Exception as error:  # of one training; the others are served
        return False, f"{box.log_path}: {type(error).__name__}: {one_line(error)}"
    return True, f"{box.log_path}: sent to {sent.store}, run {sent.run}"


def _searches(folder: Path) -> list[Path]:
    """Return the folders of searches."""
    found = folder.rglob(_JOURNAL) if folder.is_dir() else []
    return sorted(path.parent for path in found if path.with_name(_SETTINGS).is_file())


def _catch_up(path: Path, store: str | None) -> tuple[bool, str]:
    """Send the trials of a search that are missing; say nothing where none is."""
    from tuners.search.journal import SearchFolder
    from tuners.search.tracking import catch_up

    place = SearchFolder(path)
    try:
        noted = place.read_settings()["noted"]["mlflow"]
        if not (store or noted):  # it was asked not to
            return True, ""
        uri = store or usable_uri(noted)
        with place.held():
            missing, reason = catch_up(place, uri)
    except (RecipeError, TrackingError) as error:
        return False, f"{path}: {error}"
    except Exception as error:  # of one search; the others are served
        return False, f"{path}: {type(error).__name__}: {one_line(error)}"
    if reason:
        return False, f"{path}: {reason}"
    return True, f"{path}: {missing} trials sent to {shown_uri(uri)}" if missing else ""
