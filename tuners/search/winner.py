"""The winner of a search as a model: with the weights of its trial, or trained anew on all but the test samples.

Either way it becomes a training as of `tuners.train`, in the folder ``winner``: scored once on the test samples, saved
with report, model card and a configuration that ``tune train --config`` repeats.
"""

from __future__ import annotations

import shutil

from rich.console import Console

from diagnose import console as texts
from recipes.config import Config
from recipes.data import Data, load_data
from recipes.errors import RecipeError
from tuners import training
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
    parent: str,
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
    track, parent
        Where it is logged, as of `tuners.train`, and the run that it belongs to.
    console
        Where to tell how it goes.

    Raises
    ------
    RecipeError
        It cannot be trained anew on all samples.
    """
    if is_restored:
        _restore(best, config, place)
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
        parent=parent,
        name=f"{place.path.name}-winner",
        console=None if is_restored else console,
    )


def everything(config: Config, best: TrialRecord) -> Config:
    """Return the configuration that trains on validation samples too, for as many epochs as were best without them."""
    changes: dict[str, object] = {"data.validation": 0.0, "data.folds": 1, "data.fold": 0}
    best_epoch = best.outcome.best_epoch if best.outcome else None
    if best_epoch is not None and best_epoch + 1 < config.training.epochs:
        changes["training.stop_after"] = best_epoch + 1
    return config.replace(changes)


def _restore(best: TrialRecord, config: Config, place: SearchFolder) -> None:
    """Make of a trial's folder that of a training which is over, all at once: the configuration comes last."""
    trial, folder = Folder(place.trial(best.number)), place.winner
    if folder.config.exists() and folder.read_config() == config:
        return
    if not trial.checkpoint.exists():
        raise RecipeError(
            f"{trial.path}: the weights of the best trial are not there any more; "
            f"train it anew: tune search ... --final retrain --output {place.path}"
        )
    shutil.rmtree(folder.path, ignore_errors=True)
    shutil.copytree(trial.path, folder.path, ignore=shutil.ignore_patterns("output.txt", "error.txt"))
    texts.write_file(folder.config, config.to_yaml())


def _clear_another(folder: Folder, config: Config) -> None:
    """Remove the winner of before, where the search has gone on and has another one."""
    if folder.config.exists() and folder.read_config() != config:
        shutil.rmtree(folder.path)
