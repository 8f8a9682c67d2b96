"""What every search is given: the same networks, the same wide space, the same end of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipes.config import Config


@dataclass(frozen=True)
class Number:
    """A hyperparameter between two numbers; on a logarithmic scale where `log` is set."""

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int)


@dataclass(frozen=True)
class Choice:
    """A hyperparameter with named values."""

    values: tuple[Any, ...]


Wide = Mapping[str, Number | Choice]

#: Deliberately wide: most of it is bad, as where somebody does not know yet what is good.
_COMMON: Wide = {
    "optimizer.learning_rate": Number(1e-6, 3.0, log=True),
    "optimizer.name": Choice(("adam", "adamw", "sgd", "nesterov", "rmsprop", "adagrad", "lion")),
    "optimizer.momentum": Number(0.0, 0.99),
    "data.batch_size": Choice((8, 16, 32, 64, 128, 256)),
    "model.activation": Choice(("relu", "elu", "selu", "gelu", "swish", "softplus", "tanh", "sigmoid", "linear")),
    "model.kernel_initializer": Choice(("auto", "glorot_uniform", "orthogonal", "random_normal", "zeros", "ones")),
    "model.batch_norm": Choice((False, True)),
    "regularization.dropout": Number(0.0, 0.8),
    "regularization.l1": Number(1e-7, 0.1, log=True),
    "regularization.l2": Number(1e-7, 0.1, log=True),
}
#: Of a size that one processor core trains in seconds.
_SIZES: Mapping[str, Wide] = {
    "mlp": {"model.width": Number(4, 512, log=True), "model.depth": Number(1, 6)},
    "cnn": {"model.width": Number(4, 32, log=True), "model.depth": Number(1, 3)},
}

#: Trials, or seconds, that no search reaches: `watch` ends them all.
ENDLESS = 1_000_000
#: The same end of a training for everybody.
EPOCHS = 30
PATIENCE = 8


@dataclass(frozen=True)
class Problem:
    """A recipe on a data set.

    Parameters
    ----------
    recipe, source
        Names.
    seed
        Splits the data, and is that of the trainings.
    epochs, patience
        When a training ends.
    """

    recipe: str
    source: str
    seed: int
    epochs: int = EPOCHS
    patience: int = PATIENCE

    @property
    def name(self) -> str:
        return f"{self.recipe}/{self.source}"

    @property
    def space(self) -> Wide:
        """Path -> hyperparameter."""
        return {**_COMMON, **_SIZES[self.recipe]}

    def config(self, values: Mapping[str, Any] | None = None) -> Config:
        """Return the configuration with such values of the hyperparameters."""
        fixed = {
            "data.source": self.source,
            "data.split_seed": self.seed,
            "training.seed": self.seed,
            "training.epochs": self.epochs,
            "training.early_stopping": self.patience,
            "training.accelerator": "cpu",
        }
        return Config.of(self.recipe, fixed, values or {})


#: Recipe, data.
PAIRS = (("mlp", "digits"), ("cnn", "digits"), ("mlp", "breast_cancer"), ("mlp", "wine"), ("mlp", "diabetes"))


def named(name: str, seed: int) -> Problem:
    """Return the problem of a name as ``mlp/wine``."""
    recipe, source = name.split("/")
    return Problem(recipe, source, seed)
