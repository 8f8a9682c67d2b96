"""What is known of a recorded run: its log, and what only the recorder knew."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.configuration import Cause, Task

SIGNED = {"gaussian_nll", "poisson", "climbing", "lifetime_nll", "cosine_similarity", "poisson_unguarded"}
"""Losses that may be negative without anything being wrong."""
ACCURACIES = ("accuracy", "binary_accuracy", "kind_accuracy")


def read_log(path: Path) -> dict[str, np.ndarray]:
    """The columns of a Keras log; `NA` is absent (NaN here, but see `Facts.non_finite`)."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([_number(row[name]) for row in rows]) for name in rows[0]}


def _number(text: str) -> float:
    return float("nan") if text in {"", "NA"} else float(text)


def middle(values: np.ndarray, width: int = 3) -> np.ndarray:
    """Running median: one odd epoch is neither a best nor an end."""
    half = width // 2
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def ending(values: np.ndarray) -> float:
    """The level at the end: the median of the last tenth, of three values at least."""
    return float(np.median(values[-max(3, len(values) // 10) :]))


@dataclass(frozen=True)
class Facts:
    """A run's log, its scores on the hidden sets and its description."""

    name: str
    cause: Cause
    task: Task
    log: dict[str, np.ndarray]
    raw: str
    described: dict[str, Any]
    twin: Facts | None = None

    @classmethod
    def load(cls, folder: Path, name: str, cause: Cause, task: Task, twin: Facts | None = None) -> Facts:
        path = folder / f"{name}.csv"
        described = json.loads(path.with_suffix(".json").read_text())
        return cls(name, cause, task, read_log(path), path.read_text(), described, twin)

    def score(self, name: str) -> np.ndarray:
        """A score over the scorings; the first is before training."""
        return np.array([float(v) for v in self.described["scores"][name]])

    def final(self, name: str) -> float:
        """A score of the weights that training left."""
        return float(self.described["final"][name])

    def after(self, kind: str, name: str) -> float:
        """A score after further training of that kind; NaN where there was none."""
        after = self.described["after"]
        return float(after[name]) if after.get("kind") == kind else math.nan

    @cached_property
    def epochs(self) -> int:
        return len(self.log["epoch"])

    @cached_property
    def at(self) -> np.ndarray:
        """The epochs of the scorings."""
        return self.score("epoch")

    @cached_property
    def chance(self) -> float:
        """The loss of the best constant prediction."""
        value = self.described["constant_loss"]
        return math.nan if value is None else float(value)

    @cached_property
    def signed(self) -> bool:
        return str(self.described["loss"]) in SIGNED

    @cached_property
    def span(self) -> float:
        """What there is to learn: from the constant's loss down to the least known for this task's data, or zero."""
        least = min(np.nanmin(self.score("train_loss")), np.nanmin(self.score("holdout_loss")))
        return max(abs(self.chance - least) if self.signed else abs(self.chance), 1e-12)

    @cached_property
    def non_finite(self) -> dict[str, int]:
        """Column -> first epoch (from 1) at which the log itself says nan or inf."""
        rows = list(csv.DictReader(self.raw.splitlines()))
        found: dict[str, int] = {}
        for epoch, row in enumerate(rows, 1):
            for column, text in row.items():
                if "loss" in column and text.lstrip("-").lower() in {"nan", "inf"}:
                    found.setdefault(column, epoch)
        return found

    def column(self, name: str) -> np.ndarray:
        """A column of the log without absent or non-finite values; empty if there is none."""
        values = self.log.get(name, np.array([]))
        return values[np.isfinite(values)]

    @cached_property
    def accuracy(self) -> str | None:
        return next((name for name in ACCURACIES if name in self.log), None)
