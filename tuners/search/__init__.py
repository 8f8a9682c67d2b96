"""Search for hyperparameters: KerasTuner proposes, `tuners.trial` trains, the findings end what is sick.

The path of a trial: `oracle` proposes values -> `driver` makes a `Candidate` of them -> an executor runs
`task.run_candidate` (`inline`: in this process; `cluster`: on Ray) -> epochs go back to the driver, where `pruning`
decides -> the `Outcome` is written to the `journal`, told to the oracle and shown by `table`. At the end `winner` makes
a model of the best one, and `leaderboard`, `importance` and `page` tell what was learned.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuners.search.driver import Search, search
    from tuners.search.settings import SearchSettings
    from tuners.search.space import Space

__all__ = ["Search", "SearchSettings", "Space", "search"]

_HOMES = {"Search": "driver", "search": "driver", "SearchSettings": "settings", "Space": "space"}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tuners.search.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
