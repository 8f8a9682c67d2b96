"""How a training goes on, for whoever waits for it: a bar in a terminal, a line now and then in a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Numbers that are shown, the most telling first; a terminal of 80 columns has room for two.
_SHOWN = ("val_loss", "val_accuracy", "val_f1", "val_r2", "val_mean_iou", "loss")
_ROOM = 2
#: Seconds between two lines in a pipe, and between two movements of a bar.
_PAUSE, _TICK = 2.0, 0.1


class Ticker(keras.callbacks.Callback):
    """Tells how far a training has come.

    Parameters
    ----------
    epochs
        At most, over all phases.
    console
        Where to; a terminal gets a bar, anything else lines.

    Notes
    -----
    To be used in a ``with`` statement, which takes the bar down whatever happens.
    """

    def __init__(self, epochs: int, console: Console) -> None:
        super().__init__()
        self.phase = "training"
        self._epochs = epochs
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._told_at = 0.0
        self._epoch = self._steps = 0
        self._last = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[numbers]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True),
            )  # fmt: skip
            self._bar = Progress(*columns, console=self._console, refresh_per_second=5, expand=True, transient=True)
            self._task = self._bar.add_task("starting", total=self._epochs, numbers="")
            self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._last:
            self._console.print(self._last, markup=False, highlight=False)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Name the epoch."""
        self._epoch = epoch
        self._steps = (self.params or {}).get("steps") or 0
        if self._bar is not None:
            text = f"{self.phase} {epoch + 1}/{self._epochs}"
            self._bar.update(self._task, description=text, completed=epoch, refresh=not self._last)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the bar within the epoch."""
        now = time.monotonic()
        if self._bar is not None and self._steps and now - self._told_at >= _TICK:
            self._told_at = now
            self._bar.update(self._task, completed=self._epoch + (batch + 1) / self._steps)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the epoch's numbers."""
        shown = [f"{name} {float(logs[name]):.4g}" for name in _SHOWN if logs and name in logs][:_ROOM]
        self._last = f"{self.phase}: epoch {epoch + 1}/{self._epochs}: {', '.join(shown)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch + 1, numbers=" ".join(shown))
        elif time.monotonic() - self._told_at >= _PAUSE:
            self._told_at = time.monotonic()
            self._console.print(self._last, markup=False, highlight=False)
            self._last = ""
