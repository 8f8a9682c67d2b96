"""Every remedy, found by looking at the modules as the docs and the tuners would."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from diagnose.fix import Fix
from diagnose.remedies import architecture, data, model, optimizer, regularization, training, transfer

MODULES = (optimizer, model, architecture, regularization, data, training, transfer)

REMEDIES: dict[str, Callable[..., Fix]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": function
    for module in MODULES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}
