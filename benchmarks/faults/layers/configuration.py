"""What describes a deep network, layer by layer, in the words that the causes change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.faults.configuration import Net, Setup, Task, change

if TYPE_CHECKING:
    from benchmarks.faults.layers.networks import Built

Surgery = Callable[["Built", np.random.Generator], None]
"""What is done to the weights of a network before it is trained."""


@dataclass(frozen=True)
class DeepNet(Net):
    """A network of several hidden layers; `family` is one of `networks.BODIES`.

    `widths` are those of the body, `head` those of dense layers behind it. The hidden layers are numbered from the
    input on, body and head together; a negative number counts from the last.
    """

    kernel: Any = None  # None: what fits the activation
    form: str = "argument"  # how activations are written: argument, layer, function
    head: tuple[int, ...] = ()
    pooled: tuple[int, ...] = (0, 1)  # convolutions that a pooling follows
    dense_after: str = "flatten"  # or average: what stands between convolutions and dense layers
    recurrent_kernel: Any = "orthogonal"
    bidirectional: bool = False
    skips: bool = True  # around the blocks of residual and attention families
    nested: bool = False  # the body is a model inside the model
    changed: tuple[tuple[int, tuple[tuple[str, Any], ...]], ...] = ()  # (number, fields) of single hidden layers
    factor: float = 1.0  # a Rescaling behind every hidden layer's weights
    blocked: tuple[int, str] | None = None  # behind this hidden layer: stop_gradient, round or sign
    beta: Any = "zeros"  # offset of batch normalizations
    activity_l1: float = 0.0
    pinned: bool = False  # constraints that put weights back to where they were
    freeze: str = ""  # one of `networks.FREEZES`
    frozen_embedding: bool = False
    new_head: bool = False  # the output layer is drawn anew after pretraining
    surgery: tuple[Surgery, ...] = ()
    policy: str = "float32"
    only_output_trained: bool = False  # by a train_step of one's own
    branch_kernel: Any = None  # of the last layer of each residual branch


@dataclass(frozen=True)
class DeepSetup(Setup):
    """A setup whose network is deep."""

    net: DeepNet
    steps_per_execution: int = 1
    loss_weight: float | None = None


def changed(*places: int, **fields: Any) -> tuple[tuple[int, tuple[tuple[str, Any], ...]], ...]:
    """Fields of the hidden layers at these places alone."""
    return tuple((place, tuple(fields.items())) for place in places)


def deeper(times: int, **net: Any) -> Callable[[Setup, Task], Setup]:
    """The body with so many hidden layers, all as wide as its last."""

    def apply(setup: Setup, task: Task) -> Setup:
        del task
        width = setup.net.widths[-1]
        return change(setup, {"widths": (width,) * times, **net})

    return apply


def both(*applied: Callable[[Setup, Task], Setup]) -> Callable[[Setup, Task], Setup]:
    """One change after the other."""

    def apply(setup: Setup, task: Task) -> Setup:
        for one in applied:
            setup = one(setup, task)
        return setup

    return apply


def with_layer(net: DeepNet, number: int, count: int) -> DeepNet:
    """The network as it is for the hidden layer of that number."""
    for place, fields in net.changed:
        if place in (number, number - count):
            net = replace(net, **dict(fields))
    return net
