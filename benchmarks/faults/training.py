"""Trains one planned run and leaves its log and its facts on disk."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.faults.configuration import Cause, Data, Net, Setup, Task
from benchmarks.faults.losses import resolve
from benchmarks.faults.networks import build
from benchmarks.faults.plan import Planned
from benchmarks.faults.probe import Probe
from benchmarks.faults.schedules import CALLBACKS, SCHEDULES
from benchmarks.faults.skill import constant_loss

COOLED = 12
"""Epochs trained on at a thirtieth of the rate, to see whether the rate was what held the run up."""


def record(planned: Planned, folder: Path) -> float:
    """Trains the run, writes `<name>.csv` and, last, `<name>.json`; returns the seconds that it took."""
    begin = time.perf_counter()
    task, cause, seed = planned.task, planned.cause, planned.seed
    setup = cause.apply(task.setup, task)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    data = prepare(task, setup, seed)
    model = compiled(setup, data)
    if setup.pretrained:
        pretrain(model, task, setup, seed)

    csv = folder / f"{planned.name}.csv"
    partial = csv.with_suffix(f".{os.getpid()}.part")
    probe = Probe(data, task.kind, setup.loss, setup.epochs)
    keras.utils.set_random_seed(seed + 1000)
    fit(model, setup, data, setup.epochs, [*_callbacks(setup), keras.callbacks.CSVLogger(str(partial)), probe])
    facts = describe(planned, setup, data, model)
    outputs = probe.predict(probe.inputs[:4])
    sample = {k: v.numpy() for k, v in outputs.items()} if isinstance(outputs, dict) else outputs.numpy()
    facts["constant_loss"] = _finite(constant_loss(task.kind, setup.loss, data.train[1], _stretch(sample, data)))
    facts["scores"] = probe.scores
    facts["final"] = probe.final
    facts["after"] = afterwards(cause, setup, data, model, probe)
    facts["seconds"] = round(time.perf_counter() - begin, 1)
    partial.replace(csv)
    csv.with_suffix(".json").write_text(json.dumps(_jsonable(facts), indent=None, separators=(",", ":")) + "\n")
    return facts["seconds"]


def prepare(task: Task, setup: Setup, seed: int) -> Data:
    """The task's data of this seed, with the setup's edits applied in turn."""
    data = task.load(seed)
    rng = np.random.default_rng(seed + 7)
    for edit in setup.edits:
        data = edit(data, rng)
    return data


def compiled(setup: Setup, data: Data) -> keras.Model:
    model = build(setup.net, data.train[0].shape[1:])
    rate: Any = setup.learning_rate
    if setup.step_schedule:
        name, arguments = setup.step_schedule
        made = getattr(keras.optimizers.schedules, name)
        rate = keras.optimizers.schedules.serialize(
            made(**arguments) if "values" in arguments else made(rate, **arguments)
        )
    model.compile(
        optimizer=keras.optimizers.get(
            {
                "class_name": setup.optimizer,
                "config": {"learning_rate": rate, **setup.optimizer_arguments},
            }
        ),
        loss=resolve(setup.loss),
        metrics=resolve(setup.metrics),
        jit_compile=False,
        steps_per_execution=math.ceil(len(data.train[0]) / setup.batch),  # one call an epoch: three times as fast
    )
    return model


def pretrain(model: keras.Model, task: Task, setup: Setup, seed: int) -> None:
    """Trains on other data of the same task first: what loading a checkpoint amounts to."""
    other = prepare(task, setup, seed + 500)
    rate = float(model.optimizer.learning_rate)
    model.optimizer.learning_rate.assign(rate * 5)
    fit(model, setup, other, setup.pretrained, [])
    model.optimizer.learning_rate.assign(rate)


def fit(model: keras.Model, setup: Setup, data: Data, epochs: int, callbacks: list[Any]) -> None:
    x, y = data.train
    validation = data.validation
    rows = tf.data.Dataset.from_tensor_slices((x, y, _weights(setup, x)) if setup.heavy_rows else (x, y))
    if setup.mixup:
        classes = model.output_shape[-1]
        rows = tf.data.Dataset.from_tensor_slices((x.astype("float32"), _hot(y, classes)))
        validation = (validation[0], _hot(validation[1], classes))
    if setup.shuffle:
        rows = rows.shuffle(len(x))
    rows = rows.batch(setup.batch)
    arguments: dict[str, Any] = {"x": _light(rows.map(_blend) if setup.mixup else rows), "shuffle": False}
    if setup.validated and callbacks:
        held = tf.data.Dataset.from_tensors(validation)
        if setup.validation_sample:
            held = tf.data.Dataset.from_tensor_slices(validation).shuffle(len(validation[0]))
            held = held.take(setup.validation_sample).batch(setup.validation_sample)
        arguments |= {
            "validation_data": _light(held),
            "validation_freq": setup.validation_every,
        }
    model.fit(**arguments, epochs=epochs, class_weight=setup.class_weight, callbacks=callbacks, verbose=0)


def _weights(setup: Setup, x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(len(x))
    share, weight = setup.heavy_rows or (0.0, 1.0)
    if share:
        return np.where(rng.random(len(x)) < share, weight, 1.0).astype("float32")
    return (weight ** rng.uniform(-1, 1, len(x))).astype("float32")


def _light(rows: tf.data.Dataset) -> tf.data.Dataset:
    """Without the graph optimizations: they are redone each epoch and cost more than these epochs themselves."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return rows.with_options(options)


def _blend(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup: a batch blended with its own reverse, by weights from a Beta(0.3, 0.3)."""
    n = tf.shape(a)[0]
    g = tf.random.gamma([2, n], 0.3) + 1e-6
    w = g[0] / (g[0] + g[1])
    wx, wy = tf.reshape(w, [n] + [1] * (len(a.shape) - 1)), tf.reshape(w, (n, 1))
    return wx * a + (1 - wx) * a[::-1], wy * b + (1 - wy) * b[::-1]


def _hot(y: np.ndarray, classes: int) -> np.ndarray:
    return keras.utils.to_categorical(y, classes).astype("float32")


def _callbacks(setup: Setup) -> list[Any]:
    made = []
    if setup.schedule:
        name, arguments = setup.schedule
        rate = SCHEDULES[name](setup.epochs, **arguments)
        base = setup.learning_rate
        made.append(keras.callbacks.LearningRateScheduler(lambda epoch, _: base * rate(epoch)))
    return made + [CALLBACKS[name](**arguments) for name, arguments in setup.callbacks]


def afterwards(cause: Cause, setup: Setup, data: Data, model: keras.Model, probe: Probe) -> dict[str, float]:
    """What further training does, where that settles the label.

    Training on with nothing changed tells a run that was cut short from one that has levelled off; training on at
    a thirtieth of the rate tells a rate that was too high from a model that can do no better.
    """
    wanted = set(cause.expects)
    if not math.isfinite(probe.final["train_loss"]):
        return {}
    if wanted & {"slow-convergence", "learning-rate-too-low", "underfitting"}:
        keras.utils.set_random_seed(99)
        fit(model, setup, data, min(setup.epochs, 60), [])
        return {"kind": "continued", "epochs": min(setup.epochs, 60), **probe.measure()}
    if wanted & {"learning-rate-too-high", "oscillating-loss"}:
        keras.utils.set_random_seed(99)
        model.optimizer.learning_rate = float(model.optimizer.learning_rate) / 30
        fit(model, setup, data, COOLED, [])
        return {"kind": "cooled", "epochs": COOLED, **probe.measure()}
    return {}


def describe(planned: Planned, setup: Setup, data: Data, model: keras.Model) -> dict[str, Any]:
    """The configuration as a reader of the benchmark wants to see it."""
    plain = {f.name: getattr(setup, f.name) for f in fields(Setup) if f.name not in {"net", "edits"}}
    net = {f.name: getattr(setup.net, f.name) for f in fields(Net)}
    default = {f.name: f.default for f in fields(Net)}
    x = data.train[0]
    return {
        "cause": planned.cause.name,
        "injected": planned.cause.injected,
        "task": planned.task.name,
        "seed": planned.seed,
        **plain,
        "net": {k: v for k, v in net.items() if k in {"family", "widths"} or v != default[k]},
        "edits": [getattr(edit, "__qualname__", type(edit).__name__) for edit in setup.edits],
        "input_shape": x.shape[1:],
        "input_scale": [_finite(np.min(x)), _finite(np.max(x))],
        "samples": {"train": len(x), "validation": len(data.validation[0]), "holdout": len(data.holdout[0])},
        "parameters": model.count_params(),
        "layers": [
            f"{type(layer).__name__} {tuple(layer.output.shape[1:])}"
            for layer in model.layers
            if hasattr(layer, "output") and not isinstance(layer.output, dict | list)
        ],
        "keras": keras.version(),
    }


def _stretch(sample: Any, data: Data) -> Any:
    """An array shaped like the predictions for all training rows."""
    n = len(data.train[0])
    if isinstance(sample, dict):
        return {name: np.zeros((n, *part.shape[1:])) for name, part in sample.items()}
    return np.zeros((n, *sample.shape[1:]))


def _finite(value: Any) -> float | None:
    return float(f"{float(value):.5g}") if math.isfinite(float(value)) else None


def _jsonable(value: Any) -> Any:
    """Strict JSON: non-finite numbers become their names."""
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, np.integer):
        return int(value)
    return value if isinstance(value, str | int | bool | None) else repr(value)
