"""Scores the model on sets that the log does not show, so that the labels need not be read off the log."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.faults.configuration import Data
from benchmarks.faults.skill import mean_loss, skill
from benchmarks.faults.tasks.splitting import take

SCORINGS = 60
"""At most about this many scorings a run: long runs are scored every few epochs."""
ROWS = 1200


class Probe(keras.callbacks.Callback):
    """Clean loss (no dropout, noise, regularization) and skill on train, validation and holdout rows."""

    def __init__(self, data: Data, kind: str, loss: Any, epochs: int):
        super().__init__()
        self.kind, self.loss = kind, loss
        self.sets = {
            "train": take(data.train, slice(ROWS // 2)),
            "validation": take(data.validation, slice(ROWS // 2)),
            "holdout": take(data.holdout, slice(ROWS)),
        }
        self.inputs = np.concatenate([x for x, _ in self.sets.values()])
        self.every = max(1, math.ceil(epochs / SCORINGS))
        self.epochs = epochs
        self.scores: dict[str, list[float]] = {}
        self.seconds = 0.0

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self.predict = tf.function(lambda x: model(x, training=False))

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self.score(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.epochs:
            self.score(epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Scores again: early stopping may have restored other weights than the last epoch's."""
        self.final = self.measure()

    def score(self, epoch: int) -> None:
        for name, value in {"epoch": epoch, **self.measure()}.items():
            self.scores.setdefault(name, []).append(value)

    def measure(self) -> dict[str, float]:
        begin = time.perf_counter()
        outputs = self.predict(self.inputs)
        facts: dict[str, float] = {}
        start = 0
        for name, (x, y) in self.sets.items():
            part = _rows(outputs, slice(start, start + len(x)))
            start += len(x)
            facts[f"{name}_loss"] = _short(mean_loss(self.loss, y, part))
            facts[f"{name}_skill"] = _short(skill(self.kind, y, part))
        self.seconds += time.perf_counter() - begin
        return facts


def _rows(outputs: Any, rows: slice) -> Any:
    if isinstance(outputs, dict):
        return {name: part[rows].numpy() for name, part in outputs.items()}
    return outputs[rows].numpy()


def _short(value: float) -> float:
    return float(f"{value:.4g}")
