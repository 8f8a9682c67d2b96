"""The configurations of Keras objects as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: What every configuration has, and a blueprint tells elsewhere.
_TOLD_ELSEWHERE = frozenset(("name", "trainable", "build_config"))


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what cannot be told plainly.

    Numbers, texts, sequences and mappings of them stay; an object that Keras has serialized becomes its class' name
    with its settings, ``{"name": "L2", "l2": 0.01}``, and a function or a precision its name.
    """
    return {str(key): plain(value) for key, value in config.items() if key not in _TOLD_ELSEWHERE}


def plain(value: Any) -> Any:
    """Return a value as numbers, texts, tuples and mappings; of anything else the name of its type."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return _object(value) if "class_name" in value else {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(one) for one in value)
    return str(getattr(value, "__name__", type(value).__name__))


def _object(serialized: Mapping[str, Any]) -> Any:
    name, config = serialized["class_name"], serialized.get("config")
    if name == "function" and isinstance(config, str):
        return config
    if name == "DTypePolicy" and isinstance(config, Mapping):
        return config.get("name")
    return {"name": str(name), **(plain_settings(config) if isinstance(config, Mapping) else {})}
