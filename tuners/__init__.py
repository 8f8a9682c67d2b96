"""Trainings of recipes, watched and diagnosed: one with `train`, many with the search that is to come.

It may import `diagnose` and `recipes`; neither imports it. Keras is imported with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuners.training import Training, train

__all__ = ["Training", "train"]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tuners.training"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
