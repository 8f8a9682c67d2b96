"""Trains one planned run: Monitor writes its log, the observer finds out what went wrong in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.faults.configuration import Data, Task
from benchmarks.faults.layers.configuration import DeepSetup
from benchmarks.faults.layers.networks import Built, build, freeze
from benchmarks.faults.layers.observer import Observer
from benchmarks.faults.losses import resolve
from benchmarks.faults.plan import Planned
from benchmarks.faults.schedules import CALLBACKS, SCHEDULES
from benchmarks.faults.skill import constant_loss
from benchmarks.faults.training import fit, prepare


def record(planned: Planned, folder: Path | None) -> dict[str, Any]:
    """Trains the run and returns what was observed; the log goes to `folder`, unless that is None."""
    begin = time.perf_counter()
    task, cause, seed = planned.task, planned.cause, planned.seed
    setup = cause.apply(task.setup, task)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(setup.net.policy)
    data = prepare(task, setup, seed)
    built = prepared(task, setup, data, seed)
    observer = Observer(built, data, task.kind, setup.loss, setup.epochs)
    keras.utils.set_random_seed(seed + 1000)
    trained = time.perf_counter()
    fit(built.model, setup, data, setup.epochs, [*_callbacks(setup), *_monitor(planned.name, folder), observer])
    keras.config.set_dtype_policy("float32")
    if folder is not None:
        (folder / f".{planned.name}.csv.lock").unlink(missing_ok=True)
    return {
        "run": planned.name,
        "constant_loss": _constant(task, setup, data, built.model),
        "epochs": setup.epochs,
        "parameters": built.model.count_params(),
        **observer.facts(),
        "seconds": round(time.perf_counter() - begin, 1),
        "fit_seconds": round(time.perf_counter() - trained, 1),
    }


def prepared(task: Task, setup: DeepSetup, data: Data, seed: int) -> Built:
    """The network, pretrained, operated on, frozen and compiled as the setup says."""
    built = build(setup.net, data.train[0].shape[1:])
    if setup.pretrained:
        _compile(built, setup)
        fit(built.model, setup, prepare(task, setup, seed + 500), setup.pretrained, [])
        if setup.net.new_head:
            _drawn_anew(built.weighted[-1])
    rng = np.random.default_rng(seed)
    for operation in setup.net.surgery:
        operation(built, rng)
    freeze(built, setup.net.freeze)
    _compile(built, setup)
    return built


def _compile(built: Built, setup: DeepSetup) -> None:
    rate: Any = setup.learning_rate
    if setup.step_schedule:
        name, arguments = setup.step_schedule
        rate = keras.optimizers.schedules.serialize(getattr(keras.optimizers.schedules, name)(**arguments))
    built.model.compile(
        optimizer=keras.optimizers.get(
            {"class_name": setup.optimizer, "config": {"learning_rate": rate, **setup.optimizer_arguments}}
        ),
        loss=resolve(setup.loss),
        loss_weights=setup.loss_weight,
        metrics=resolve(setup.metrics),
        jit_compile=False,
        steps_per_execution=setup.steps_per_execution,
    )


def _drawn_anew(layer: keras.Layer) -> None:
    layer.set_weights([layer.kernel_initializer.clone()(layer.kernel.shape), np.zeros(layer.bias.shape)])


def _callbacks(setup: DeepSetup) -> list[Any]:
    made = [CALLBACKS[name](**arguments) for name, arguments in setup.callbacks]
    if not setup.schedule:
        return made
    name, arguments = setup.schedule
    rate, base = SCHEDULES[name](setup.epochs, **arguments), setup.learning_rate
    return [keras.callbacks.LearningRateScheduler(lambda epoch, _: base * rate(epoch)), *made]


def _monitor(name: str, folder: Path | None) -> list[Any]:
    """A new log, in silence."""
    if folder is None:
        return []
    from diagnose.live.monitor import Monitor

    path = folder / f"{name}.csv"
    for old in (path, path.with_suffix(".json")):
        old.unlink(missing_ok=True)
    return [Monitor(path, on_finding=lambda _: None)]


def _constant(task: Task, setup: DeepSetup, data: Data, model: keras.Model) -> float:
    """The loss of the best constant prediction."""
    outputs, rows = model.output, len(data.train[0])
    if isinstance(outputs, dict):
        shaped: Any = {name: np.zeros((rows, *part.shape[1:])) for name, part in outputs.items()}
    else:
        shaped = np.zeros((rows, *outputs.shape[1:]))
    return float(f"{constant_loss(task.kind, setup.loss, data.train[1], shaped):.5g}")
