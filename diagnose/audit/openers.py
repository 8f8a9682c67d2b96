"""Who opens the data that a command line names: whatever is installed for it, found by its entry point.

`diagnose` knows no loader itself. The recipes of this project register theirs, and others can do the same: a function
``(source, settings) -> DataSample`` in the group ``kerasdx.data``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from diagnose.readers.base import ReadError
from diagnose.sample import DataSample

GROUP = "kerasdx.data"

Opener = Callable[[str, Mapping[str, Any]], DataSample]


def open_data(source: str, settings: Mapping[str, Any] = MappingProxyType({})) -> DataSample:
    """Return a sample of data that is named.

    Parameters
    ----------
    source
        A table, a folder of images, an ``.npz``, a built-in name, ``my_data.py:load``: what the opener knows.
    settings
        Path -> value, as ``{"data.target": "price"}``.

    Raises
    ------
    ReadError
        The data cannot be read, or nothing that opens data is installed.
    """
    return _opener()(source, settings)


def _opener() -> Opener:
    """Return the first opener by name that can be imported."""
    lost = ""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            return _loaded(entry)
        except ImportError as error:
            lost = lost or f": {error.name or error} is missing"
    raise ReadError(
        f"nothing is installed that opens data by its name{lost}", "install it: pip install 'kerasdx[tune]'"
    )


def _loaded(entry: EntryPoint) -> Opener:
    opener: Opener = entry.load()
    return opener
