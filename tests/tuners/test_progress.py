"""What is told while a training goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

pytestmark = pytest.mark.keras


def told(console: Console, epochs: int, fail: bool = False) -> str:
    from tuners.progress import Ticker

    try:
        with Ticker(epochs, console) as ticker:
            ticker.set_params({"steps": 2})
            ticker.phase = "head"
            for epoch in range(epochs):
                ticker.on_epoch_begin(epoch)
                for batch in range(2):
                    ticker.on_train_batch_end(batch)
                ticker.on_epoch_end(epoch, {"loss": 0.5, "val_loss": 0.25, "val_accuracy": 0.875, "extra": 1.0})
                if fail:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_lines_and_always_the_last_one() -> None:
    text = told(Console(file=io.StringIO(), width=100), epochs=300)
    assert text.splitlines()[0] == "head: epoch 1/300: val_loss 0.25, val_accuracy 0.875"
    assert text.splitlines()[-1] == "head: epoch 300/300: val_loss 0.25, val_accuracy 0.875"
    assert len(text.splitlines()) < 10  # short epochs do not flood a log
    assert "\x1b" not in text


@pytest.mark.parametrize("fail", [False, True], ids=["ends", "interrupted"])
def test_a_terminal_gets_a_bar_that_is_taken_down(fail: bool) -> None:
    text = told(Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False), 3, fail)
    assert "head 1/3" in text
    assert "\x1b[?25h" in text  # the cursor is back
    assert text.rstrip().splitlines()[-1].endswith("val_accuracy 0.875")


def test_quiet_is_quiet() -> None:
    assert told(Console(file=io.StringIO(), quiet=True), epochs=2) == ""
