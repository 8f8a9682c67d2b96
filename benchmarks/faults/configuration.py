"""What describes one training: the network, the optimizer, the data and what was done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, Any]
"""Inputs and targets; the targets of a model with several outputs are a dict of arrays."""


@dataclass(frozen=True)
class Data:
    """The three sets of one task. `holdout` is never seen by training and never logged: only verification reads it."""

    train: Arrays
    validation: Arrays
    holdout: Arrays


@dataclass(frozen=True)
class Net:
    """A network in the words that the causes change."""

    family: str = "dense"  # dense, image, mask, recurrent, signal, heads, or one of `bodies.py`
    widths: tuple[int, ...] = (32,)
    activation: str = "relu"
    units: int = 1
    output_activation: str | None = None
    output_scale: tuple[float, float] | None = None  # (scale, offset), for targets in raw units
    dropout: float = 0.0
    input_noise: float = 0.0
    l2: float = 0.0
    batch_norm: bool = False
    batch_norm_momentum: float = 0.99
    layer_norm: bool = False
    kernel: Any = "glorot_uniform"  # a name, or (initializer class, its arguments)
    bias: Any = "zeros"
    output_kernel: Any = "glorot_uniform"
    cell: str = "gru"
    cell_activation: str = "tanh"
    vocabulary: int = 0  # above 0: the inputs are tokens and an embedding comes first
    trainable: bool = True
    frozen: bool = False  # everything but the output layer
    l1: float = 0.0
    max_norm: float = 0.0
    dropout_kind: str = "plain"  # plain, alpha, gaussian, spatial, always (in validation, too)
    survival: float = 1.0  # of a residual block, while training


Edit = Callable[[Data, np.random.Generator], Data]


@dataclass(frozen=True)
class Setup:
    """Everything that decides a run, besides the task's data and the seed."""

    net: Net
    loss: Any
    metrics: Any
    epochs: int
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    optimizer_arguments: dict[str, Any] = field(default_factory=dict)
    batch: int = 32
    schedule: tuple[str, dict[str, Any]] | None = None
    callbacks: tuple[tuple[str, dict[str, Any]], ...] = ()
    edits: tuple[Edit, ...] = ()
    shuffle: bool = True
    class_weight: dict[int, float] | None = None
    mixup: bool = False
    pretrained: int = 0  # epochs trained on other data of the task before the recording starts
    validated: bool = True
    validation_every: int = 1
    validation_sample: int = 0  # above 0: so many validation rows, drawn anew each epoch
    step_schedule: tuple[str, dict[str, Any]] | None = None  # a Keras schedule over steps, inside the optimizer
    heavy_rows: tuple[float, float] | None = None  # (share, weight): sample weights; (0, w): uniform in 1/w..w


def change(setup: Setup, net: dict[str, Any] | None = None, **fields: Any) -> Setup:
    """A copy of the setup with other fields, and other fields of its network."""
    if net:
        fields["net"] = replace(setup.net, **net)
    return replace(setup, **fields)


@dataclass(frozen=True)
class Task:
    """A data set with a setup that trains well on it."""

    name: str
    kind: str  # binary, classes, labels, regression, density, mask, heads: decides how skill is measured
    load: Callable[[int], Data]
    setup: Setup
    floor: float  # skill (0 chance, 1 perfect) below which a run on this task has not learnt enough


@dataclass(frozen=True)
class Cause:
    """One named way to train.

    `expects` are the symptoms that may follow from it, the most typical first; a run is labelled with those that
    verification finds. `accepts` are further ids that an expert would not call wrong on such a run. A cause that
    expects nothing is healthy.
    """

    name: str
    injected: str
    apply: Callable[[Setup, Task], Setup]
    tasks: tuple[str, ...]
    expects: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1, 2)
    ceiling: float = 1.0  # the skill that the noise put into all sets leaves possible, as a share

    @property
    def healthy(self) -> bool:
        return not self.expects


def setting(net: dict[str, Any] | None = None, **fields: Any) -> Callable[[Setup, Task], Setup]:
    """The change that sets these fields, whatever the task."""
    return lambda setup, _: change(setup, net, **fields)


def longer(factor: float, net: dict[str, Any] | None = None, **fields: Any) -> Callable[[Setup, Task], Setup]:
    """The same, for so many times the task's usual epochs."""
    return lambda setup, _: change(setup, net, epochs=max(3, round(setup.epochs * factor)), **fields)


def at_rate(factor: float, net: dict[str, Any] | None = None, **fields: Any) -> Callable[[Setup, Task], Setup]:
    """The same, at so many times the task's usual learning rate."""
    return lambda setup, _: change(setup, net, learning_rate=setup.learning_rate * factor, **fields)
