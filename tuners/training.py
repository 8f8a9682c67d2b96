"""`train`: one training from configuration to model, watched, diagnosed, scored on held-out data, and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from diagnose import Monitor, ReadError, Report, diagnose
from diagnose import console as texts
from diagnose.renderers import html
from diagnose.report import RunReport
from diagnose.tracking.record import Within
from recipes import export
from recipes.catalog import find
from recipes.config import Config
from recipes.data import Data, load_data
from recipes.errors import RecipeError
from tuners import devices, outcome, tracking, trial
from tuners.audit import Audit
from tuners.folder import Folder, next_free
from tuners.judging import judge
from tuners.progress import Ticker
from tuners.score import Evaluation
from tuners.trial import Trial

#: A training for itself.
NOTHING = Within()


@dataclass(frozen=True)
class Training:
    """What a training has come to.

    Parameters
    ----------
    config
        What was trained.
    folder
        Where everything about it is.
    model
        Ready for use: raw inputs in, predictions out, no compilation needed.
    report
        The health report, from the training's log.
    evaluation
        Scores on the test set, with their confidence intervals.
    result
        The content of ``result.json``.
    """

    config: Config
    folder: Folder
    model: keras.Model
    report: Report
    evaluation: Evaluation
    result: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """``healthy``, ``info``, ``warning``, ``critical`` or ``unknown``."""
        return str(self.result["verdict"])


def train(
    config: Config,
    *,
    data: Data | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    track: bool | str = True,
    within: Within = NOTHING,
    register: str = "",
    on_finding: Any = "stop",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    console: Console | None = None,
) -> Training:
    """Train one model.

    Parameters
    ----------
    config
        What to train, on what, and how.
    data
        Loaded already; None: what ``config.data`` names is loaded.
    folder
        Where to put what comes of it; None: the next free one below ``runs``.
    resume
        Go on with an interrupted training in `folder`; its configuration must be the same. One that is complete is
        not trained again, but scored and reported anew.
    track
        Whether to log the training to MLflow: a tracking URI, or True for ``MLFLOW_TRACKING_URI``, else the store
        ``mlruns/mlflow.db`` of the working directory.
    within
        What it is part of, in MLflow.
    register
        Name under which the model goes into MLflow's registry, with an alias if there is one: ``digits@champion``.
    on_finding
        As of `diagnose.Monitor`.
    callbacks
        More Keras callbacks.
    console
        Where to tell how it goes; None: nowhere.

    Returns
    -------
    Training
        The model has the weights of the epoch with the least validation loss.

    Raises
    ------
    RecipeError
        The configuration, the data, the folder or the devices do not allow it; the message is one line.
    OSError
        There is no room to save what it has come to.

    Examples
    --------
    >>> from recipes import Config
    >>> from tuners import train
    >>> config = Config.of("mlp", {"data.source": "iris", "training.epochs": 20})
    >>> print(train(config).evaluation.main)  # doctest: +SKIP
    """
    tracking.check_name(register)
    config, console = config.anchored(), console or Console(quiet=True)
    place = Folder(Path(folder)) if folder is not None else next_free(config)
    strategy = devices.strategy(config.training)  # before anything is computed: afterwards it cannot be chosen
    with place.held():
        if data is None:
            data = load_data(config)
        find(config.recipe).check_data(data.facts)
        place.begin(config, resume=resume)
        note = devices.precision_note(config.training.precision, strategy)
        console.print(_opening(config, data, place, note), markup=False, highlight=False)
        audit = Audit(config, data, partial(console.print, markup=False, highlight=False, soft_wrap=True))
        try:
            with Ticker(config.training.epochs, console) as ticker:
                done = trial.run(
                    config,
                    data,
                    log=place.log,
                    checkpoint=place.checkpoint,
                    monitor=Monitor(place.log, on_finding=on_finding, audit=False),
                    callbacks=callbacks,
                    ticker=ticker,
                    check=partial(_check_saving, config, data, place),
                    look=audit.look,
                )
        except RecipeError:
            if not resume:
                place.withdraw()
            raise
        return _concluded(config, data, place, done, audit, _Tracking(track, within, register))


@dataclass(frozen=True)
class _Tracking:
    """Whether, as what and with which model a training goes to MLflow, as of `train`."""

    track: bool | str
    within: Within
    register: str


def _concluded(config: Config, data: Data, place: Folder, done: Trial, audit: Audit, wish: _Tracking) -> Training:
    """Score, save, diagnose and log a training that is over."""
    report = Report((audit.joined(_diagnosed(place, done)),))
    texts.write_file(place.report, html.render(report))
    evaluation = judge(done, config, data, place.picture)
    model = export.deployable(done.model, done.recipe, data)
    export.save(model, place.model)
    result = outcome.result(config, data, model, done, report, evaluation)
    before = place.read_result() or {}
    result["audit"] = audit.result() or before.get("audit")
    result["mlflow_run"] = before.get("mlflow_run")
    outcome.write_card(config, data, place, report, evaluation, result)
    place.conclude(result)
    if result["mlflow_run"] is None:
        record = outcome.record(config, place, data, evaluation, result)
        result["mlflow_run"] = tracking.log_training(
            record, report.runs[0], place.log, track=wish.track, within=wish.within, register=wish.register
        )
        place.conclude(result)
    if result["mlflow_run"] and wish.track and tracking.wants_model(wish.within.kind, wish.register):
        inputs = export.example(model, data)
        run = result["mlflow_run"]
        tracking.log_model(run, place, model, inputs, track=wish.track, register=wish.register)
    return Training(config, place, model, report, evaluation, result)


def _check_saving(config: Config, data: Data, place: Folder, model: keras.Model) -> None:
    """See that a model of the user's own can be saved, before it is trained."""
    if ":" in config.recipe:
        export.check_saving(export.deployable(model, find(config.recipe), data), place.model)


def _diagnosed(place: Folder, done: Trial) -> RunReport:
    """Return the diagnosis of the whole log; of what Monitor saw, where there is none."""
    try:
        return diagnose(place.log).runs[0]
    except ReadError:
        return done.monitor.report.runs[0]


def _opening(config: Config, data: Data, place: Folder, note: str) -> str:
    """Return what is about to happen."""
    lines = [
        outcome.opening(config, data.facts, (note,)),
        f"  into {place.path} (Ctrl-C, or worse: tune train --resume {place.path})",
    ]
    return "\n".join(lines)
