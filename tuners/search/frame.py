"""A search as a pandas frame: a row for each trial."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuners.search.records import SearchRecord, TrialRecord

if TYPE_CHECKING:
    import pandas as pd

#: Columns before those of the hyperparameters.
COLUMNS = (
    "number", "state", "score", "epochs", "best_epoch", "seconds", "verdict", "findings", "reason", "parent",
    "attempts", "memory", "device",
)  # fmt: skip
_WHOLE = ("number", "epochs", "best_epoch", "parent", "attempts")


def frame(record: SearchRecord) -> pd.DataFrame:
    """Return one row for each trial, in their order.

    Returns
    -------
    pandas.DataFrame
        The columns `COLUMNS`, then one for each hyperparameter under its path. ``findings`` are checks, joined by
        commas; ``memory`` is in MB. What a trial does not have is missing (NA, NaN); whole numbers are of pandas'
        ``Int64``, which knows missing ones.
    """
    import pandas as pd

    paths = list(dict.fromkeys([*record.space, *(path for trial in record.trials for path in trial.values)]))
    rows = [_row(trial, paths) for trial in record.trials]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *(path for path in paths if path not in COLUMNS)])
    numbers = dict.fromkeys(("score", "seconds", "memory"), "float64")
    return table.astype({**dict.fromkeys(_WHOLE, "Int64"), **numbers})


def _row(trial: TrialRecord, paths: list[str]) -> dict[str, Any]:
    outcome = trial.outcome
    known: dict[str, Any] = {} if outcome is None else {
        "epochs": outcome.epochs,
        "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds,
        "verdict": outcome.verdict,
        "findings": ",".join(str(finding.get("check", "")) for finding in outcome.findings),
        "memory": outcome.memory,
        "device": outcome.device,
    }  # fmt: skip
    own = {path: _cell(trial.values.get(path)) for path in paths}
    return {
        **own, **known, "number": trial.number, "state": str(trial.state), "score": trial.score, "reason": trial.reason,
        "parent": trial.parent, "attempts": trial.attempts,
    }  # fmt: skip


def _cell(value: Any) -> Any:
    """Return a value that fits into one cell."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else value
