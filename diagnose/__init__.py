"""Finds out why a Keras training run went wrong, with evidence and a fix.

``from diagnose import diagnose`` is the Python interface, ``diagnose run.csv`` the command. Both stand behind
lazy imports, so that a callback or a tuner that needs one type does not pay for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diagnose.api import diagnose
    from diagnose.readers.base import ReadError
    from diagnose.report import Report
    from diagnose.run import Run

__version__ = "0.1.0"

__all__ = ["ReadError", "Report", "Run", "__version__", "diagnose"]

_HOMES = {
    "diagnose": "diagnose.api",
    "ReadError": "diagnose.readers.base",
    "Report": "diagnose.report",
    "Run": "diagnose.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name in _HOMES:
        import importlib

        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name == "Monitor":
        what = f"Monitor, the callback, is not part of kerasdx {__version__}; it comes with the next release"
        raise ImportError(what, name=__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
