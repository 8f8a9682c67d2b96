"""A model's layers as a table of texts: what each gives, how large it is, what it sees, what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, Layer, Shape
from diagnose.renderers import wording

HEADS = ("layer", "kind", "output", "parameters", "sees", "FLOPs", "memory")
#: Columns of numbers, written to the right.
NUMBERS = frozenset({"parameters", "FLOPs", "memory"})

_THOUSANDS = ("", "k", "M", "G", "T", "P")
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Row:
    """One layer: its cells in the order of `HEADS`, and whether training changes it."""

    cells: tuple[str, ...]
    is_frozen: bool


def rows(model: Blueprint) -> list[Row]:
    """Return a row for each layer, in the order of the graph."""
    return [Row(_cells(layer), bool(layer.parameters) and not layer.trainable_parameters) for layer in model.layers]


def total(model: Blueprint) -> str:
    """Return what the whole model comes to: ``25,636,712 parameters, 53,120 of them fixed, 7.7 GFLOPs a sample``."""
    fixed = model.parameters - model.trainable_parameters
    parts = [wording.count(model.parameters, "parameter") + (f", {fixed:,} of them fixed" if fixed else "")]
    flops = sum(layer.flops or 0 for layer in model.layers)
    if flops:
        parts.append(f"{scaled(flops)}FLOPs a sample")
    memory = sum(layer.activation_bytes or 0 for layer in model.layers)
    if memory:
        parts.append(f"{size(memory)} of outputs a sample")
    return ", ".join(parts)


def folded(listed: Sequence[Row], most: int) -> tuple[Sequence[Row], int, Sequence[Row]]:
    """Return the first rows, how many are left out in the middle, and the last rows, `most` in all."""
    if len(listed) <= most:
        return listed, 0, ()
    first = math.ceil(most / 2)
    last = most - first
    return listed[:first], len(listed) - most, listed[len(listed) - last :]


def shape_text(shape: Shape) -> str:
    """Return a shape without its batch: ``28×28×32``; ``?`` for a size that is not fixed."""
    return "×".join("?" if size is None else str(size) for size in shape[1:]) or "1"


def scaled(value: float) -> str:
    """Return a large number in few characters: ``3.8 G``."""
    power = 0
    while abs(value) >= 1000 and power < len(_THOUSANDS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {_THOUSANDS[power]}"


def size(count: float) -> str:
    """Return a number of bytes in few characters: ``3.2 MB``."""
    power = 0
    while abs(count) >= 1000 and power < len(_BYTES) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {_BYTES[power]}"


def _cells(layer: Layer) -> tuple[str, ...]:
    return (
        layer.name,
        layer.kind,
        ", ".join(map(shape_text, layer.output_shapes)) or "?",
        f"{layer.parameters:,}",
        "" if layer.receptive_field is None else "×".join(map(str, layer.receptive_field)),
        "" if layer.flops is None else scaled(layer.flops).strip(),
        "" if layer.activation_bytes is None else size(layer.activation_bytes),
    )
