"""The winner of a search as a model: with the weights of its trial, or trained anew on all but the test samples.

Either way it becomes a training as of `tuners.train`, in the folder ``winner``: scored once on the test samples, saved
with report, model card and a configuration that ``tune train --config`` repeats.
"""

from __future__ import annotations

import shutil

from rich.console import Console

from diagnose import console as texts
from diagnose.tracking.record import Within
from recipes.config import Config
from recipes.data import Data, load_data
from recipes.errors import RecipeError
from tuners import training
from tuners.checkpoint import Checkpoint
from tuners.folder import Folder
from tuners.search.journal import SearchFolder
from tuners.search.records import TrialRecord
from tuners.training import Training


def crown(
    best: TrialRecord,
    config: Config,
    place: SearchFolder,
    data: Data,
    *,
    is_restored: bool,
    track: bool | str,
    within: Within,
    register: str,
    console: Console,
) -> Training:
    """Make a model of the best trial; what is there of it from before an interruption is gone on from.

    Parameters
    ----------
    best, config
        The trial, and its configuration.
    place
        The search's folder.
    data
        What the trial was trained on.
    is_restored
        Whether it is given the weights of its trial; if not, it is trained anew.
    track, within, register
        Where it is logged, as what, and under which name as a model, as of `tuners.train`.
    console
        Where to tell how it goes.

    Raises
    ------
    RecipeError
        The weights of its trial are gone, or it cannot be trained anew on all samples.
    """
    for name in best.outcome.unasked if best.outcome else ():
        config = config.without_hyperparameter(name)
    if is_restored:
        config = _restored(best, config, place)
    else:
        config = everything(config, best)
        data = load_data(config)
        _clear_another(place.winner, config)
    return training.train(
        config,
        data=data,
        folder=place.winner.path,
        resume=place.winner.config.exists(),
        track=track,
        within=within,
        register=register,
        console=None if is_restored else console,
    )


def everything(config: Config, best: TrialRecord) -> Config:
    """Return the configuration that trains on validation samples too, for as many epochs as were best without them.

    Where there were several phases they are as long as they were: the one that was best is the one that it ends in.
    """
    changes: dict[str, object] = {"data.validation": 0.0, "data.folds": 1, "data.fold": 0}
    outcome = best.outcome
    if outcome is None or outcome.best_epoch is None:
        return config.replace(changes)
    if outcome.best_epoch + 1 < config.training.epochs:
        changes["training.stop_after"] = outcome.best_epoch + 1
    if outcome.phases and outcome.phases[0] <= outcome.best_epoch:
        changes["transfer.head_epochs"] = outcome.phases[0]
    return config.replace(changes)


def _restored(best: TrialRecord, config: Config, place: SearchFolder) -> Config:
    """Make of a trial's folder that of a training which is over, all at once; return its configuration.

    A trial that was ended before its time is repeated by one that ends then.
    """
    trial = Folder(place.trial(best.number))
    counters = Checkpoint(trial.checkpoint).counters()
    if counters is None:
        raise RecipeError(
            f"{trial.path}: the weights of the best trial are not there any more; "
            f"train it anew: tune search ... --final retrain --output {place.path}"
        )
    if counters.over != "trained":
        config = config.replace({"training.stop_after": counters.epoch})
    _clear_another(place.winner, config)
    if not place.winner.path.exists():
        copy = place.winner.path.with_name(".winner.new")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(trial.path, copy, ignore=shutil.ignore_patterns("output.txt", "error.txt", "*.lock"))
        texts.write_file(Folder(copy).config, config.to_yaml())
        copy.replace(place.winner.path)
    return config


def _clear_another(folder: Folder, config: Config) -> None:
    """Remove the winner of before, where the search has gone on and has another one, and what is left of one."""
    if not folder.config.exists() or folder.read_config() != config:
        shutil.rmtree(folder.path, ignore_errors=True)
