"""Finds out why a Keras training run went wrong, with evidence and a fix.

``from diagnose import diagnose`` is the Python interface, ``diagnose run.csv`` the command. Both stand behind
lazy imports, so that a callback or a tuner that needs one type does not pay for the rest.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diagnose.api import diagnose
    from diagnose.live.monitor import Monitor
    from diagnose.readers.base import ReadError
    from diagnose.report import Report
    from diagnose.run import Run

__version__ = "0.1.0"

__all__ = ["Monitor", "ReadError", "Report", "Run", "__version__", "diagnose"]

_HOMES = {
    "Monitor": "diagnose.live.monitor",
    "diagnose": "diagnose.api",
    "ReadError": "diagnose.readers.base",
    "Report": "diagnose.report",
    "Run": "diagnose.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name in _HOMES:
        value = getattr(_home(name), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _home(name: str) -> ModuleType:
    try:
        return importlib.import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name in ("keras", "tensorflow"):
            what = f"{name} needs Keras and TensorFlow: pip install 'kerasdx[tune]' (no module {error.name!r})"
            raise ImportError(what, name=error.name) from None
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
