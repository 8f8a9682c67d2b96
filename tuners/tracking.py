"""A training in MLflow: sent when it is over, kept beside its log until the store has it; its model, where wanted."""

from __future__ import annotations

import uuid
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnose import console as texts
from diagnose.report import RunReport
from diagnose.tracking import parcel
from diagnose.tracking.parcel import BusyError, Parcel, State
from diagnose.tracking.record import KIND, TrainingRecord, Within
from diagnose.tracking.store import TrackingError, shown_uri, store_uri, sync_command, usable_uri
from recipes.errors import RecipeError
from tuners.folder import Folder

if TYPE_CHECKING:
    import keras

_REGISTER = "kerasdx.register"
_WINNER = "winner"
_MISSING = "its model is not sent yet"


def log_training(
    record: TrainingRecord, report: RunReport, log: Path, *, track: bool | str, within: Within, register: str
) -> str | None:
    """Send a training to a store, and return its run; what a store does not take waits beside the log.

    Parameters
    ----------
    record, report
        The training, and its diagnosis.
    log
        Its log.
    track, within, register
        As of `tuners.train`.
    """
    if not track:
        return None
    uri = None if track is True else str(track)
    before = next(iter(parcel.of_log(log)), None)
    tags = {**record.tags, KIND: within.kind, **({_REGISTER: register} if register else {})}
    name, key = within.name or record.run, within.key or (before.record.key if before else "") or uuid.uuid4().hex
    record = replace(record, parent_key=within.parent_key, run=name, key=key, tags=tags)
    store = ""
    try:
        store = shown_uri(uri)
        if before is not None and before.record.key == key:  # an earlier try
            box = replace(before, record=record, store=store, state=State.UNSENT)
        else:
            box = parcel.begun(log, record, store, State.UNSENT)
        run = box.deliver(record.diagnosed(report), uri=uri or store_uri(Path.cwd()), missing=_missing(record)).run
    except (TrackingError, BusyError) as error:
        texts.complain(f"{error}; it is kept: {sync_command(log.parent, store)}", "tune")
        return None
    return run


def log_model(run: str, folder: Folder, model: keras.Model, example: Any, *, track: bool | str, register: str) -> None:
    """Log the model in a training's folder to its run, and register it where that is asked for.

    Errors are told, and the training waits on for `tune sync`.

    Parameters
    ----------
    run
        Id of the run.
    folder
        Of the training.
    model
        What is in it, loaded.
    example
        Raw inputs; None: made up.
    track, register
        As of `tuners.train`.
    """
    uri = track if isinstance(track, str) else store_uri(Path.cwd())
    box = next(iter(parcel.of_log(folder.log)), None)
    try:
        _log_model(run, folder, model, example, uri, register, box)
    except (TrackingError, BusyError) as error:
        kept = f"the model is {folder.model}" if box is None else f"it is kept: {sync_command(folder.path, box.store)}"
        texts.complain(f"{error}; {kept}", "tune")


def _log_model(
    run: str, folder: Folder, model: keras.Model, example: Any, uri: str, register: str, box: Parcel | None
) -> None:
    """Log a model, and note with its training whether that is done."""
    from recipes import export
    from tuners import registry

    name, _, alias = register.partition("@")
    inputs = export.example(model) if example is None else example
    with nullcontext() if box is None else box.held():
        state, reason = State.UNSENT, _MISSING
        try:
            registry.log_model(run, folder.model, inputs, uri=uri, register=name, alias=alias)
            state, reason = State.SENT, ""
        except TrackingError as error:
            reason = str(error)
            raise
        finally:
            if box is not None:
                with suppress(OSError):  # it will be sent again, and found there
                    replace(box, state=state, reason=reason).write()


def check_name(register: str) -> None:
    """Refuse what is no name of a model, before anything is trained.

    Raises
    ------
    RecipeError
        It is not NAME or NAME@ALIAS.
    """
    name, at, alias = register.partition("@")
    if register and (not name or (at and not alias) or set("/:.%\"'@") & set(name + alias)):
        raise RecipeError(f"register: {register!r} is not NAME or NAME@ALIAS, for example digits@champion")


def wants_model(kind: str, register: str) -> bool:
    """Whether a training is logged as a model too: that takes seconds."""
    return kind == _WINNER or bool(register)


def deliver(box: Parcel, store: str | None) -> Parcel:
    """Send a training that has stayed behind, with its model where that is wanted.

    Raises
    ------
    TrackingError, BusyError
        As `Parcel.deliver`.
    """
    folder = Folder(box.path.parent)
    missing = _missing(box.record) if folder.model.exists() else ""
    sent = box.deliver(uri=store, missing=missing)
    if missing:
        import keras

        model = keras.saving.load_model(folder.model, safe_mode=True, compile=False)
        register = box.record.tags.get(_REGISTER, "")
        _log_model(sent.run, folder, model, None, store or usable_uri(sent.store), register, sent)
    return sent


def _missing(record: TrainingRecord) -> str:
    """Return what is to follow when the run of a training is sent."""
    return _MISSING if wants_model(record.tags.get(KIND, ""), record.tags.get(_REGISTER, "")) else ""
