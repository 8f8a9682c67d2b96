"""Trials as a search leaves them, made up: a log on disk, and the record that MLflow gets of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from diagnose import diagnose
from diagnose.tracking.record import TrainingRecord

EPOCHS = 12
SECONDS = 30.0
_START = 1_700_000_000.0
_HIDDEN = [f"hidden_{number}" for number in range(1, 6)]
_LAYERS = [*_HIDDEN, "output"]
_OF_LAYERS = {
    "grad_norm": _LAYERS,
    "grad_norm_max": _LAYERS,
    "weight_norm": _LAYERS,
    "update_ratio": _LAYERS,
    "dead_fraction": _HIDDEN,
    "duplicate_fraction": _LAYERS,
}
#: Settings that all trials share.
_FIXED = {
    "recipe": "mlp",
    "data.source": "digits",
    "data.validation": 0.2,
    "data.test": 0.2,
    "data.seed": 0,
    "model.normalization": "none",
    "model.initializer": "auto",
    "optimizer.name": "adam",
    "optimizer.clipnorm": None,
    "optimizer.weight_decay": 0.0,
    "optimizer.schedule": "constant",
    "optimizer.warmup": 0,
    "regularization.l1": 0.0,
    "training.epochs": EPOCHS,
    "training.early_stopping": 0,
    "training.seed": 0,
    "training.precision": "float32",
    "training.class_weights": False,
}


def written(folder: Path, number: int) -> Path:
    """Write the log of a trial, and return it: two in three healthy, the others overfit, stand still or turn NaN."""
    rng = np.random.default_rng(number)
    epoch = np.arange(EPOCHS)
    kind = ("fine", "fine", "fine", "fine", "overfit", "stuck")[number % 6] if number % 40 else "nan"
    pace = rng.uniform(1.5, 4.0) if kind != "stuck" else 1e6
    loss = rng.uniform(0.05, 0.2) + 2.2 * np.exp(-epoch / pace)
    gap = 0.05 * np.maximum(epoch - 3, 0) if kind == "overfit" else 0.02
    val_loss = loss + gap
    loss, val_loss = (np.abs(curve + rng.normal(0, 0.01, EPOCHS)) for curve in (loss, val_loss))
    if kind == "nan":
        loss[EPOCHS // 2 :] = val_loss[EPOCHS // 2 :] = np.nan
    columns = {
        "epoch": epoch, "accuracy": np.exp(-loss), "loss": loss, "val_accuracy": np.exp(-val_loss),
        "val_loss": val_loss, "learning_rate": np.full(EPOCHS, 1e-3), "grad_norm_global": rng.uniform(0.5, 2.0, EPOCHS),
    }  # fmt: skip
    for statistic, layers in _OF_LAYERS.items():
        high = {"dead_fraction": 0.1, "duplicate_fraction": 0.05, "update_ratio": 3e-3}.get(statistic, 2.0)
        columns |= {f"{statistic}/{layer}": rng.uniform(high / 4, high, EPOCHS) for layer in layers}
    path = folder / f"{number:04d}" / "run.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.column_stack([*columns.values()]), "%.9g", ",", header=",".join(columns), comments="")
    return path


def record(log: Path, number: int, experiment: str, parent: str, *, has_files: bool) -> TrainingRecord:
    """Return what MLflow is sent of a trial: parameters, curves, health, a description, and for some of them files."""
    rng = np.random.default_rng(number)
    searched = {
        "optimizer.learning_rate": float(10 ** rng.uniform(-5, -1)),
        "model.width": int(rng.integers(16, 257)),
        "model.depth": int(rng.integers(1, 6)),
        "model.activation": str(rng.choice(["relu", "tanh", "gelu"])),
        "regularization.dropout": round(float(rng.uniform(0, 0.6)), 3),
        "regularization.l2": float(10 ** rng.uniform(-7, -2)),
        "data.batch_size": int(rng.choice([16, 32, 64, 128])),
    }
    started = _START + number * SECONDS
    bare = TrainingRecord(
        experiment=experiment, run=f"search-{number:04d}", started=started, ended=started + SECONDS,
        parameters={**_FIXED, **searched}, metrics={"seconds": SECONDS},
        tags={"kerasdx.kind": "trial", "trial.state": "done"},
        artifacts=(log,) if has_files else (), parent=parent, key=f"{experiment}/{number}" if parent else "",
    )  # fmt: skip
    whole = bare.diagnosed(diagnose(log).runs[0])
    return whole if has_files else replace(whole, texts={})


def search_record(experiment: str) -> TrainingRecord:
    """Return what MLflow is sent of the search, before its trials."""
    return TrainingRecord(
        experiment=experiment, run="search", started=_START, ended=0.0, parameters={"search.strategy": "random"},
        tags={"kerasdx.kind": "search"}, key=experiment,
    )  # fmt: skip
