"""Facts about data that does not exist, and samples that fit them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from recipes.task import Facts, Inputs, Kind, Task

TASKS = {
    Kind.BINARY: Task(Kind.BINARY, ("no", "yes"), (12, 12)),
    Kind.MULTICLASS: Task(Kind.MULTICLASS, ("a", "b", "c"), (8, 8, 8)),
    Kind.MULTILABEL: Task(Kind.MULTILABEL, ("a", "b", "c", "d"), (6, 6, 6, 6)),
    Kind.REGRESSION: Task(Kind.REGRESSION, ("price", "size"), (), (150.0, -2.0), (77.0, 0.5)),
    Kind.DETECTION: Task(Kind.DETECTION, ("disc", "square"), (20, 20), sizes=((0.2, 0.2), (0.4, 0.3))),
}
IMBALANCED = {
    Kind.BINARY: replace(TASKS[Kind.BINARY], counts=(20, 4)),
    Kind.MULTICLASS: replace(TASKS[Kind.MULTICLASS], counts=(18, 3, 3)),
}
VECTOR = Inputs("vector", (5,), -3.0, 3.0, (0.0,) * 5, (1.0,) * 5)


def image(height: int = 8, width: int = 8, channels: int = 1) -> Inputs:
    return Inputs("image", (height, width, channels), 0.0, 255.0, (100.0,) * channels, (900.0,) * channels)


def facts(kind: Kind | Task = Kind.MULTICLASS, inputs: Inputs = VECTOR) -> Facts:
    task = kind if isinstance(kind, Task) else TASKS[kind]
    return Facts("made", inputs, task, {"train": 24, "validation": 8, "test": 8})


def samples(facts: Facts, count: int = 24, seed: int = 0) -> tuple[Any, Any]:
    """Return inputs and targets as `Facts` describes them, at random."""
    draw = np.random.default_rng(seed)
    inputs, task = facts.inputs, facts.task
    x = np.asarray(inputs.mean) + np.sqrt(inputs.variance) * draw.normal(size=(count, *inputs.shape))
    return x.astype(np.float32), _targets(task, count, draw)


def _targets(task: Task, count: int, draw: np.random.Generator) -> Any:
    match task.kind:
        case Kind.BINARY:
            return draw.integers(0, 2, count).astype(np.float32)
        case Kind.MULTICLASS:
            return draw.integers(0, len(task.names), count).astype(np.int32)
        case Kind.MULTILABEL:
            return draw.integers(0, 2, (count, len(task.names))).astype(np.float32)
        case Kind.REGRESSION:
            return draw.normal(task.means, task.deviations, (count, len(task.names))).astype(np.float32)
    boxes = draw.uniform(0.1, 0.4, (count, 2, 4))
    classes = draw.integers(0, len(task.names), (count, 2, 1))
    return np.concatenate([boxes, classes], axis=-1).astype(np.float32)
