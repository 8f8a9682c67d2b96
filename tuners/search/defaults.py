"""The spaces that are searched when none is given, by recipe: few parameters, in ranges that can be defended.

Each parameter more asks for more trials before a search is better than chance, so what seldom matters is left out: a
line of a space file adds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from recipes.catalog import find
from recipes.config import Config
from recipes.task import Facts
from tuners.search.parameter import Parameter

#: Small batches generalize better than large ones (Masters and Luschi 2018: 32 and below); large ones are faster.
_BATCHES = (8, 16, 32, 64, 128)
#: An epoch has at least so many steps, and a search at most so many batch sizes.
_LEAST_STEPS, _MOST_BATCHES = 4, 4
#: Stages of a convolutional network beyond which small images gain nothing.
_MOST_STAGES = 5
#: Images with sides up to here are small: wide first stages are affordable.
_SMALL_IMAGE = 64


def parameters(config: Config, facts: Facts) -> tuple[Parameter, ...]:
    """Return the default space of a built-in recipe."""
    recipe = find(config.recipe)
    made: Sequence[Parameter | None] = _SPACES[recipe.name](config, facts)
    return tuple(parameter for parameter in made if parameter is not None)


def batch_size(facts: Facts, most: int = _BATCHES[-1]) -> Parameter | None:
    """Return the batch sizes that the training samples are enough for; None where there is no choice."""
    enough = [size for size in _BATCHES if size <= min(most, facts.samples["train"] // _LEAST_STEPS)]
    return choice("data.batch_size", *enough[-_MOST_BATCHES:]) if len(enough) > 1 else None


def log(path: str, low: float, high: float) -> Parameter:
    """Return a range on a log scale."""
    return Parameter(path, "float", low, high, log=True)


def linear(path: str, low: float, high: float, step: float | None = None) -> Parameter:
    """Return a range."""
    return Parameter(path, "float", low, high, step)


def choice(path: str, *values: Any) -> Parameter:
    """Return a list of values."""
    return Parameter(path, "choice", values=values)


def _dropout() -> Parameter:
    # Above a half more is lost than co-adaptation (Srivastava et al. 2014); finer steps are below the noise of a trial.
    return linear("regularization.dropout", 0.0, 0.5, 0.05)


def _rate(low: float, high: float) -> Parameter:
    return log("optimizer.learning_rate", low, high)


def _optimizer() -> Parameter:
    # One adaptive, one not: adamw without weight decay is adam, nadam hardly differs, ftrl is for sparse linear models.
    return choice("optimizer.name", "adam", "nesterov")


def _mlp(_config: Config, facts: Facts) -> list[Parameter | None]:
    return [
        # From where 150 epochs of Adam are too few to where it diverges; Nesterov's best rates are at the upper end.
        _rate(1e-4, 3e-2),
        batch_size(facts),
        _dropout(),
        # Upper ends: above, tables are underfitted whatever the rest; lower ends: no different from none.
        log("regularization.l1", 1e-6, 1e-3),
        log("regularization.l2", 1e-6, 1e-2),
        choice("model.width", 32, 64, 128, 256, 512),
        Parameter("model.depth", "int", 1, 4),
        choice("model.activation", "relu", "gelu", "tanh"),
        _optimizer(),
    ]


def _cnn(_config: Config, facts: Facts) -> list[Parameter | None]:
    side = max(facts.inputs.shape[:2])
    # A stage halves the side, from the second on; behind the last pixel there is nothing to halve (recipes/cnn.py).
    most = min(_MOST_STAGES, side.bit_length())
    widths = (8, 16, 32, 64) if side <= _SMALL_IMAGE else (8, 16, 32)  # the first stage runs at full resolution
    return [
        _rate(1e-4, 3e-2),
        batch_size(facts),
        _dropout(),
        log("regularization.l2", 1e-6, 1e-3),
        choice("model.width", *widths),
        Parameter("model.depth", "int", 2, most) if most > 2 else None,
        choice("model.activation", "relu", "gelu"),
        _optimizer(),
        choice("optimizer.schedule", "constant", "cosine"),
        linear("data.augmentation", 0.0, 1.0),
    ]


def _transfer(config: Config, facts: Facts) -> list[Parameter | None]:
    is_pretrained = config.transfer.weights != "none"
    # How much is frozen matters most after the rate: all of it is fastest, little of it needs many images.
    frozen = choice("transfer.freeze_depth", 0.25, 0.5, 0.75, 1.0)
    # 10 to 1000 times below the head's: above, what was pretrained is lost. Where all is frozen, nothing is tuned.
    is_frozen = (("transfer.freeze_depth", (1.0,)),)
    tuned = Parameter("transfer.fine_tune_rate", "float", 1e-6, 1e-3, log=True, unless=is_frozen)
    return [
        _rate(1e-4, 1e-2),  # of the head, a small network on good features
        frozen if is_pretrained else None,
        tuned if is_pretrained else None,
        batch_size(facts, most=64),  # activations of a large backbone fill the memory
        _dropout(),
        choice("transfer.head_units", 0, 64, 256),
        linear("data.augmentation", 0.0, 1.0),
    ]


def _detector(_config: Config, facts: Facts) -> list[Parameter | None]:
    return [
        _rate(3e-4, 1e-2),  # above, boxes and confidences run apart
        batch_size(facts, most=64),
        _dropout(),
        log("optimizer.weight_decay", 1e-4, 1e-1),  # of AdamW: times the rate of each step
        choice("model.width", 8, 16, 32),
        Parameter("model.depth", "int", 1, 3),
        linear("data.augmentation", 0.0, 1.0),
    ]


_SPACES: dict[str, Callable[[Config, Facts], list[Parameter | None]]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "transfer": _transfer,
    "detector": _detector,
}
