"""What a training is judged by: a column of its log, and whether more of it is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from recipes.errors import ConfigError

Direction = Literal["min", "max"]

#: Parts of names of metrics of which more is better; of losses and errors less is.
_MORE_IS_BETTER = (
    "accuracy", "acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "iou", "map", "dice", "cosine_similarity",
    "kappa",
)  # fmt: skip
_LESS_IS_BETTER = (
    "loss", "crossentropy", "mse", "mae", "rmse", "error", "mape", "msle", "huber", "log_cosh", "divergence", "hinge",
    "poisson",
)  # fmt: skip


@dataclass(frozen=True)
class Objective:
    """A column of the log, as ``val_accuracy``, and its direction.

    Parameters
    ----------
    name
        Column of the log.
    direction
        ``max`` where more is better.
    """

    name: str
    direction: Direction

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what ``val_accuracy`` or, where the name does not tell the direction, ``max:val_gain`` says.

        Raises
        ------
        ConfigError
            The direction cannot be told.
        """
        head, colon, name = text.partition(":")
        if colon and head in ("min", "max") and name:
            return cls(name, "max" if head == "max" else "min")
        if colon or not text.strip():
            raise ConfigError(f"objective {text!r}: write a column of the log, or min:COLUMN or max:COLUMN")
        words = text.removeprefix("val_")
        if any(part in words for part in _LESS_IS_BETTER):
            return cls(text, "min")
        if any(part in words for part in _MORE_IS_BETTER):
            return cls(text, "max")
        raise ConfigError(f"objective {text!r}: is more better, or less? Write max:{text} or min:{text}")

    @property
    def worst(self) -> float:
        """What everything is better than."""
        return -math.inf if self.direction == "max" else math.inf

    def is_better(self, value: float | None, other: float | None) -> bool:
        """Whether a value is better than another one; what is not finite is not better than anything."""
        if value is None or not math.isfinite(value):
            return False
        if other is None or math.isnan(other):
            return True
        return value > other if self.direction == "max" else value < other

    def cost(self, value: float) -> float:
        """Return the value turned so that less is better."""
        return -value if self.direction == "max" else value

    def __str__(self) -> str:
        return f"{self.direction}:{self.name}"
