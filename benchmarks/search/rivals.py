"""The searches of KerasTuner and Optuna, as their documentation has one write them."""

from __future__ import annotations

import gc
import math
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import keras
import keras_tuner
import optuna

from benchmarks.search.problem import ENDLESS, Choice, Number, Problem, Wide
from benchmarks.search.samples import Samples
from recipes import build


class Hypermodel(keras_tuner.HyperModel):
    """The problem for KerasTuner; batch size is a hyperparameter, too."""

    def __init__(self, problem: Problem, samples: Samples, space: Wide) -> None:
        super().__init__()
        self._problem, self._samples, self._space = problem, samples, space

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return build(self._problem.config(_asked(hp, self._space)), self._samples.data)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *arguments: Any, **more: Any) -> Any:
        return model.fit(*arguments, batch_size=hp.get("data.batch_size"), **more)


def _asked(hp: keras_tuner.HyperParameters, space: Wide) -> dict[str, Any]:
    values = {}
    for path, parameter in space.items():
        if isinstance(parameter, Choice):
            values[path] = hp.Choice(path, list(parameter.values))
        else:
            ask = hp.Int if parameter.is_whole else hp.Float
            sampling = "log" if parameter.log else "linear"
            values[path] = ask(path, parameter.low, parameter.high, sampling=sampling)
    return values


def kerastuner(strategy: str, problem: Problem, samples: Samples, trials: int = ENDLESS) -> None:
    """Search with a tuner of KerasTuner until all trials are done."""
    make: Callable[..., keras_tuner.Tuner] = {
        "random": keras_tuner.RandomSearch,
        "bayesian": keras_tuner.BayesianOptimization,
        "hyperband": keras_tuner.Hyperband,
    }[strategy]
    limits: dict[str, Any] = {"max_trials": trials}
    if strategy == "hyperband":
        limits = {"max_epochs": problem.epochs, "factor": 3, "hyperband_iterations": ENDLESS}
    with tempfile.TemporaryDirectory() as folder:
        tuner = make(
            Hypermodel(problem, samples, problem.space),
            objective=keras_tuner.Objective(samples.objective, "max"),
            seed=problem.seed + 1,  # 0 would be a seed drawn at random
            directory=folder,
            max_consecutive_failed_trials=ENDLESS,  # the default, 3, ends the search in a space as wide as this
            **limits,
        )
        tuner.search(
            *samples.train,
            epochs=problem.epochs,
            validation_data=samples.validation,
            callbacks=[_early_stopping(problem, samples)],
            verbose=0,
        )


def _early_stopping(problem: Problem, samples: Samples) -> keras.callbacks.EarlyStopping:
    """Return the rule that ends trainings of ours, too: the objective has not become better for some epochs."""
    return keras.callbacks.EarlyStopping(samples.objective, mode="max", patience=problem.patience)


class _Reports(keras.callbacks.Callback):
    """Tells Optuna of each epoch, and ends a trial that it gives up."""

    def __init__(self, trial: optuna.Trial, objective: str) -> None:
        super().__init__()
        self._trial, self._objective = trial, objective
        self.is_pruned = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._trial.report(float(logs[self._objective]), epoch)
        if self._trial.should_prune():
            self.is_pruned = self.model.stop_training = True


def optuna_tpe(problem: Problem, samples: Samples, *, prune: bool, trials: int = ENDLESS) -> None:
    """Search with Optuna's TPE, and with successive halving (ASHA) where `prune` is set."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        keras.backend.clear_session()
        gc.collect()
        values = {path: _suggested(trial, path, parameter) for path, parameter in problem.space.items()}
        model = build(problem.config(values), samples.data)
        reports = _Reports(trial, samples.objective)
        history = model.fit(
            *samples.train,
            batch_size=values["data.batch_size"],
            epochs=problem.epochs,
            validation_data=samples.validation,
            callbacks=[_early_stopping(problem, samples), reports],
            verbose=0,
        )
        if reports.is_pruned:
            raise optuna.TrialPruned
        return best(history.history[samples.objective])

    pruner = optuna.pruners.SuccessiveHalvingPruner() if prune else optuna.pruners.NopPruner()
    sampler = optuna.samplers.TPESampler(seed=problem.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=trials, catch=(Exception,))


def best(values: Iterable[float]) -> float:
    """Return the largest finite value; NaN, which fails a trial of Optuna's, only where there is none."""
    return max(filter(math.isfinite, values), default=math.nan)


def _suggested(trial: optuna.Trial, path: str, parameter: Number | Choice) -> Any:
    if isinstance(parameter, Choice):
        return trial.suggest_categorical(path, parameter.values)
    suggest = trial.suggest_int if parameter.is_whole else trial.suggest_float
    return suggest(path, parameter.low, parameter.high, log=parameter.log)
