"""What Monitor's ``run.json`` says of a training, as the parameters of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def settings_of(facts: Mapping[str, Any], planned: int | None = None) -> dict[str, Any]:
    """Return path -> value of the settings of a training, under the names that configurations have for them.

    Parameters
    ----------
    facts
        Of the training, the content of ``run.json``.
    planned
        Epochs that `fit` was asked for, where that is known.
    """
    optimizer = {**(facts.get("optimizer_config") or {})}
    if isinstance(schedule := optimizer.get("learning_rate"), Mapping):
        optimizer["schedule"] = schedule.get("class")
    optimizer.pop("name", None)  # Keras numbers it, adam_1, and the class is what is told
    optimizer["learning_rate"] = facts.get("learning_rate")
    numbers = {f"optimizer.{name}": value for name, value in optimizer.items() if isinstance(value, int | float | str)}
    known = {
        "optimizer.name": facts.get("optimizer"),
        **numbers,
        "model.name": (facts.get("model") or {}).get("name"),
        "model.loss": facts.get("loss"),
        "model.parameters": (facts.get("parameters") or {}).get("total"),
        "model.layers": facts.get("layers"),
        "data.batch_size": facts.get("batch_size"),
        "data.samples": facts.get("samples"),
        "data.classes": facts.get("classes"),
        "training.epochs": planned,
    }
    return {name: value for name, value in known.items() if value is not None}
