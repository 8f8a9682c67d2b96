"""Recipes that build Keras models from one configuration, and the data that they are trained on.

``recipes.build(config)`` is the model, ``recipes.load_data(config)`` the data, ``recipes.Config.of("cnn", {...})`` the
configuration. Keras is imported with the first of them that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipes.building import build
    from recipes.config import Config
    from recipes.data import load_data
    from recipes.errors import ConfigError, DataError, RecipeError

__all__ = ["Config", "ConfigError", "DataError", "RecipeError", "build", "load_data"]

_HOMES = {
    "Config": "recipes.config",
    "ConfigError": "recipes.errors",
    "DataError": "recipes.errors",
    "RecipeError": "recipes.errors",
    "build": "recipes.building",
    "load_data": "recipes.data",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
