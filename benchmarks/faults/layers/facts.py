"""What was observed of a run, beside its twin: the same data and seed with the sound set-up."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.configuration import Cause, Task


@dataclass(frozen=True)
class Facts:
    """One line of `facts.jsonl`."""

    seen: dict[str, Any]
    cause: Cause
    task: Task
    twin: Facts | None = None

    @property
    def sound(self) -> Facts:
        """The twin; a plain run is its own."""
        return self.twin or self

    @cached_property
    def looks(self) -> list[dict[str, Any]]:
        return self.seen["looks"]

    @cached_property
    def epochs(self) -> list[int]:
        return [look["epoch"] for look in self.looks]

    def course(self, name: str) -> np.ndarray:
        """A quantity at every look: shape (looks,) of a score, (looks, layers or points) of others."""
        return np.array([_numbers(look[name]) for look in self.looks])

    def final(self, name: str) -> float:
        return float(self.looks[-1][name])

    @cached_property
    def constant(self) -> float:
        """The loss of the best constant prediction."""
        return float(self.seen["constant_loss"])

    @cached_property
    def broken(self) -> bool:
        """Whether weights or loss ended as no numbers."""
        return not (math.isfinite(self.final("train_loss")) and np.isfinite(self.course("norm")[-1]).all())


def _numbers(value: Any) -> Any:
    """Numbers whose names JSON may hold (`nan`, `inf`), or none where nothing was to be measured."""
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return math.nan if value is None else float(value)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Run -> what was observed; the last line of a run counts."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {found["run"]: found for found in map(json.loads, lines)}


def jsonable(value: Any) -> Any:
    """Strict JSON: numbers that are none become their names."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    return int(value) if isinstance(value, np.integer) else value
