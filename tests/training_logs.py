"""Training logs to read: a healthy one and sick ones, as a CSVLogger would have written them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def csv(rows: Iterable[Iterable[float]], header: str = "epoch,loss,val_loss") -> str:
    lines = [",".join(f"{value:.6g}" for value in row) for row in rows]
    return "\n".join([header, *lines]) + "\n"


def healthy(epochs: int = 40, seed: int = 0) -> str:
    noise = np.random.default_rng(seed).normal(0, 0.004, (epochs, 2))
    return csv(
        (e, 0.2 + 0.9 * math.exp(-e / 8) + noise[e, 0], 0.25 + 0.9 * math.exp(-e / 8) + noise[e, 1])
        for e in range(epochs)
    )


def overfitting(epochs: int = 60, seed: int = 0) -> str:
    """A warning: the validation loss turns at epoch 15 and rises while the training loss falls."""
    noise = np.random.default_rng(seed).normal(0, 0.004, (epochs, 2))
    return csv(
        (
            e,
            0.05 + math.exp(-e / 10) + noise[e, 0],
            0.45 + 0.6 * math.exp(-e / 5) + 0.012 * max(e - 15, 0) + noise[e, 1],
        )
        for e in range(epochs)
    )


def nan(epochs: int = 20, at: int = 10) -> str:
    """Critical: the loss is NaN from an epoch on."""
    rows = [(e, 0.3 + math.exp(-e / 8), 0.35 + math.exp(-e / 8)) for e in range(at)]
    return csv(rows + [(e, math.nan, math.nan) for e in range(at, epochs)])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path
