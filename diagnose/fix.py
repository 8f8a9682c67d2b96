"""A fix is data: changes in one vocabulary of paths, and Keras 3 code for a person.

Nothing here applies a change; the tuners interpret them in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Change paths. Hyperparameters of recipes and searches have the same names.
PATHS = frozenset(
    (
        "optimizer.name",
        "optimizer.learning_rate",
        "optimizer.momentum",
        "optimizer.clipnorm",
        "optimizer.schedule",
        "model.activation",
        "model.kernel_initializer",
        "model.batch_norm",
        "model.skip_connections",
        "model.width",
        "model.depth",
        "model.output_activation",
        "model.loss",
        "regularization.dropout",
        "regularization.l1",
        "regularization.l2",
        "data.batch_size",
        "data.augmentation",
        "data.standardize",
        "data.class_weight",
        "data.shuffle",
        "training.epochs",
        "training.early_stopping",
        "transfer.backbone",
        "transfer.freeze_depth",
        "transfer.fine_tune_rate",
    )
)

OPERATIONS = frozenset({"set", "multiply", "add"})


class Applicability(StrEnum):
    """Who may apply a fix: a tuner by itself, a tuner when told to, or a person."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    MANUAL = "manual"


@dataclass(frozen=True)
class Change:
    """One change of one setting: ``set`` it to, ``multiply`` it by, or ``add`` to it `value`.

    `low` and `high` bound the outcome (for ``set``: the range worth searching around `value`).
    """

    path: str
    op: str
    value: float | str | bool
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise ValueError(f"unknown change path {self.path!r}; the paths are in diagnose.fix.PATHS")
        if self.op not in OPERATIONS:
            raise ValueError(f"unknown operation {self.op!r}; one of {sorted(OPERATIONS)}")


@dataclass(frozen=True)
class Edit:
    """A change of one layer of a model that is there, or of how it is compiled; `diagnose.audit.fixing` makes it.

    Parameters
    ----------
    layer
        The layer's name in the blueprint; empty: the compilation.
    setting
        As its Keras configuration has it (``activation``, ``kernel_initializer``, ``use_bias``, ``units``,
        ``padding``); of the compilation ``loss``, ``optimizer``, ``learning_rate``, ``clipnorm``. Empty with
        ``remove``.
    value
        What it becomes; an initializer or an activation by its Keras name.
    op
        ``set``; ``remove`` takes the layer out, and what it was given goes on to those behind it.
    """

    layer: str
    setting: str = ""
    value: float | str | bool | None = None
    op: str = "set"

    def __post_init__(self) -> None:
        if self.op not in ("set", "remove"):
            raise ValueError(f"unknown operation {self.op!r}; set or remove")
        if (self.op == "set") != bool(self.setting):
            raise ValueError("set needs a setting, and remove takes none")


@dataclass(frozen=True)
class Fix:
    """A remedy.

    Parameters
    ----------
    id
        Stable name, for example ``lower-learning-rate``.
    title
        What to do, in the imperative, one line.
    why
        Why it should work.
    cost
        What it costs: time, memory, accuracy, work.
    applicability
        Whether a tuner may apply it.
    changes
        The same as data; empty for ``manual`` fixes.
    code
        Keras 3 code that runs where ``model``, ``x_train``, ``y_train``, ``x_val``, ``y_val`` exist.
    addresses
        The candidate cause that it treats, where the finding cannot tell the cause.
    edits
        The same for the very model that was looked at, where it is mechanical: ``diagnose MODEL --fix`` makes those of
        ``safe`` fixes.
    """

    id: str
    title: str
    why: str
    cost: str
    applicability: Applicability = Applicability.UNSAFE
    changes: tuple[Change, ...] = ()
    code: str = ""
    addresses: str = ""
    edits: tuple[Edit, ...] = ()
