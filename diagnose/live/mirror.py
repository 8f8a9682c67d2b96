"""The numbers of the log as TensorBoard events, for those who look at their trainings there."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any


class Mirror:
    """Writes each epoch's numbers as scalars, under the names that they have in the log.

    Parameters
    ----------
    folder
        Where the event file goes.

    Raises
    ------
    ModuleNotFoundError
        TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboard.summary import Writer
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("install it with: pip install 'kerasdx[tensorboard]'") from error
        self._writer = Writer(os.fspath(folder))

    def write(self, epoch: int, row: Mapping[str, Any]) -> None:
        """Write one epoch, so that it can be seen at once."""
        for name, value in row.items():
            if name != "epoch" and isinstance(value, float) and not math.isnan(value):
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Complete the event file."""
        self._writer.close()
