"""What a search is asked for, beside the configuration and the space: how it searches, how long, with whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from recipes.config import first_error
from recipes.errors import ConfigError

Strategy = Literal["random", "bayesian", "hyperband", "grid"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(value: Any) -> Any:
    """Take ``90``, ``90s``, ``15m``, ``1.5h`` and ``2d`` for seconds."""
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], value[-1]) if value[-1:] in _UNITS else (value, "s")
    try:
        return float(number) * _UNITS[unit]
    except ValueError:
        raise ValueError("should be a time, as 90s, 15m or 2h") from None


class SearchSettings(BaseModel):
    """How to search.

    Examples
    --------
    >>> SearchSettings(strategy="hyperband", time="15m").time
    900.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    strategy: Strategy = Field("bayesian", description="how values are proposed")
    objective: str = Field("auto", description="a column of the log, as val_accuracy; min:COLUMN or max:COLUMN")
    trials: int = Field(0, ge=0, le=1_000_000, description="at most; 0: as many as time, grid or rounds allow, or 20")
    time: Annotated[float, BeforeValidator(_seconds)] = Field(
        0.0, ge=0, description="at most, as 90s, 15m, 2h; 0: no limit"
    )
    executions: int = Field(1, ge=1, le=100, description="trainings of each trial, each with a seed of its own")
    folds: int = Field(1, ge=1, le=100, description="of a cross-validation; 1: the validation samples are fixed")
    factor: int = Field(3, ge=2, le=10, description="hyperband: one of so many goes on to the next round")
    seed: int = Field(0, ge=0, lt=2**31, description="of what is proposed; training.seed is that of the trainings")
    prune: bool = Field(True, description="whether findings end sick trials")
    final: Literal["auto", "restore", "retrain"] = Field(
        "auto", description="the winner: with the weights of its trial, or trained anew on all but the test samples"
    )

    @classmethod
    def of(cls, **given: Any) -> SearchSettings:
        """Return the settings.

        Raises
        ------
        ConfigError
            A setting that it cannot have.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigError(first_error(error)) from None

    @property
    def most_trials(self) -> int | None:
        """How many trials at most; None where only the time or the strategy limits them."""
        if self.trials:
            return self.trials
        return None if self.time or self.strategy in ("hyperband", "grid") else 20
