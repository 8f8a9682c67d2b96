"""The same samples for every search, and the score that is held against the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.search.problem import Problem
from recipes import load_data
from recipes.catalog import find
from recipes.data.base import Data, Split
from recipes.data.pipeline import Encode
from recipes.task import Kind


@dataclass(frozen=True)
class Samples:
    """A problem's data as arrays, for those who are not given `Data`.

    Parameters
    ----------
    data
        As the recipes have it.
    train, validation, test
        Inputs, and targets as the loss takes them.
    objective
        Column of the log that is to be as large as possible.
    """

    data: Data
    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    objective: str

    @classmethod
    def of(cls, problem: Problem) -> Samples:
        config = problem.config()
        data = load_data(config)
        recipe = find(config.recipe)
        encode = recipe.encode(config, data.facts) if recipe.encode else None
        is_regression = data.facts.task.kind is Kind.REGRESSION
        splits = (_arrays(split, encode) for split in (data.train, data.validation, data.test))
        return cls(data, *splits, "val_r2" if is_regression else "val_accuracy")

    def score(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """Return accuracy or R² of a model's outputs, (n, units)."""
        if self.objective == "val_r2":
            residual = float(((targets - outputs) ** 2).sum())
            return 1 - residual / float(((targets - targets.mean(axis=0)) ** 2).sum())
        found = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return float((found == np.ravel(targets)).mean())

    def chance(self, targets: np.ndarray) -> float:
        """Return the score of what always answers the most frequent class of training, or the mean."""
        if self.objective == "val_r2":
            return 0.0
        classes, counts = np.unique(self.train[1], return_counts=True)
        return float((np.ravel(targets) == classes[counts.argmax()]).mean())


def _arrays(split: Split, encode: Encode | None) -> tuple[np.ndarray, np.ndarray]:
    x = split.inputs(np.arange(len(split)))
    return x, np.asarray(split.y if encode is None else encode(split.y))
