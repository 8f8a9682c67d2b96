"""What is told while a search goes on."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.tuners.search import made_searches as made
from tuners.search import table
from tuners.search.records import EpochReport
from tuners.search.table import LiveTable

SETTINGS = {"optimizer.learning_rate": 0.003, "optimizer.name": "adam"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(table.time, "monotonic", clock.monotonic)
    return clock


def terminal(width: int = 80, height: int = 24, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    return Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False, _environ={}
    )  # fmt: skip


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def printed(console: Console) -> str:
    if isinstance(console.file, io.StringIO):
        return console.file.getvalue()
    console.file.flush()
    return console.file.buffer.getvalue().decode(console.file.encoding)  # type: ignore[attr-defined]


def last_state(console: Console) -> list[str]:
    """The lines of the table as it is left."""
    return re.sub(r"\x1b\[[?\d]*\w|\r", "", printed(console).split("\x1b[2K")[-1]).splitlines()


def report(epoch: int, epochs: int = 30, value: float = 0.5, **more: Any) -> EpochReport:
    return EpochReport(more.pop("part", 0), more.pop("parts", 1), epoch, epochs, {"val_accuracy": value}, **more)


def live(console: Console, told: Callable[[LiveTable], object]) -> str:
    with LiveTable(console, made.ACCURACY, made.SPACE, trials=20) as shown:
        told(shown)
    return printed(console)


def test_a_pipe_gets_a_line_for_each_trial_that_is_over(clock: Clock) -> None:
    def told(shown: LiveTable) -> None:
        shown.started(7, SETTINGS)
        shown.ended(made.trial(7, SETTINGS, score=0.981, epochs=23, seconds=4.2))
        shown.started(8, SETTINGS)
        shown.ended(made.diverged(8, SETTINGS))
        shown.started(9, SETTINGS)
        shown.ended(made.failed(9, SETTINGS))

    assert live(pipe(), told).splitlines() == [
        "trial 7: val_accuracy 0.981, 23 epochs, 4.2 s; learning_rate 0.003, optimizer adam",
        "trial 8: PRUNED: divergence at epoch 2; val_accuracy 0.2, 3 epochs, 4.2 s; "
        "learning_rate 0.003, optimizer adam",
        "trial 9: FAILED: out of memory: 4.1 GB asked for; 0 epochs, 0.7 s; learning_rate 0.003, optimizer adam",
        "3 of 20 trials, best val_accuracy 0.981 (trial 7), 0.0 s",
    ]


def test_long_trials_say_now_and_then_how_far_they_are(clock: Clock) -> None:
    def told(shown: LiveTable) -> None:
        shown.started(0, SETTINGS)
        for epoch in range(60):
            clock.now += 1.0
            shown.epoch(0, report(epoch, 60, 0.5 + epoch / 1000))

    lines = live(pipe(), told).splitlines()
    assert lines[0] == "trial 0: epoch 10/60, val_accuracy 0.509"
    assert len(lines) == 6 + 1


def test_short_trials_are_not_told_before_they_are_over(clock: Clock) -> None:
    def told(shown: LiveTable) -> None:
        for number in range(40):
            shown.started(number, SETTINGS)
            clock.now += 3.0
            shown.epoch(number, report(0))
            shown.ended(made.trial(number, SETTINGS))

    assert "epoch 1/30" not in live(pipe(), told)


def test_a_terminal_gets_a_table_whose_last_state_stays(clock: Clock) -> None:
    console = terminal()

    def told(shown: LiveTable) -> None:
        for number, score in enumerate((0.7, 0.9, 0.8)):
            shown.started(number, SETTINGS)
            shown.ended(made.trial(number, SETTINGS, score=score))
        shown.started(3, SETTINGS)
        shown.ended(made.diverged(3, SETTINGS))

    live(console, told)
    lines = last_state(console)
    assert lines[0] == "4 of 20 trials, best val_accuracy 0.9 (trial 1), 0.0 s"
    assert [line.split()[:2] for line in lines[2:6]] == [["1", "done"], ["2", "done"], ["0", "done"], ["3", "pruned"]]
    assert lines[6] == "sick: 1 divergence"


def test_a_trial_that_runs_has_state_epoch_score_diagnosis_and_time_left(clock: Clock) -> None:
    shown = LiveTable(terminal(), made.ACCURACY, made.SPACE, trials=20)
    shown.started(3, SETTINGS)
    shown.epoch(3, report(0, 20, 0.75))
    clock.now += 8.0
    shown.epoch(3, report(3, 20, float("nan"), findings=({"check": "overfitting"}, {"check": "noisy"})))

    row = list(shown._table(100))[2].split()
    assert row[:5] == ["3", "running", "4/20", "0.75", "overfitting"]
    assert row[5:8] == ["+1", "32", "s"]


def test_of_several_trainings_the_time_left_is_that_of_all(clock: Clock) -> None:
    shown = LiveTable(terminal(), made.ACCURACY, made.SPACE)
    shown.started(0, SETTINGS)
    shown.epoch(0, report(0, 10, part=0, parts=3))
    clock.now += 6.0
    shown.epoch(0, report(4, 10, part=1, parts=3))
    row = list(shown._table(100))[2].split()
    assert row[:6] == ["0", "running", "2:", "5/10", "0.5", "6.0"]


def test_what_was_trained_before_a_trial_went_on_took_none_of_its_time(clock: Clock) -> None:
    shown = LiveTable(terminal(), made.ACCURACY, made.SPACE)
    shown.started(0, SETTINGS)
    clock.now += 2.0
    shown.epoch(0, report(10, 30))
    row = list(shown._table(100))[2].split()
    assert row[:6] == ["0", "running", "11/30", "0.5", "38", "s"]  # 19 epochs of 2 s each


@pytest.mark.parametrize(
    ("trials", "seconds", "left"),
    [(10, None, "about 40 s left"), (None, 60.0, "about 50 s left"), (10, 30.0, "about 20 s left"), (None, None, "")],
    ids=["trials", "time", "time-first", "no-limit"],
)
def test_the_time_left_is_that_of_the_budget_that_ends_first(
    clock: Clock, trials: int | None, seconds: float | None, left: str
) -> None:
    shown = LiveTable(terminal(), made.ACCURACY, made.SPACE, trials=trials, seconds=seconds)
    for number in range(2):
        shown.started(number, SETTINGS)
        clock.now += 5.0
        shown.ended(made.trial(number, SETTINGS, seconds=5.0))
    shown.started(2, SETTINGS)

    headline = shown._headline()
    assert headline.endswith(left) if left else "left" not in headline


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("height", [6, 40])
def test_it_fits_the_terminal(clock: Clock, width: int, height: int) -> None:
    console = terminal(width, height)
    record = made.lifelike(60)

    def told(shown: LiveTable) -> None:
        shown.resumed(record.trials[:50])
        for trial in record.trials[50:]:
            shown.started(trial.number, trial.values)
            shown.epoch(trial.number, report(3, findings=({"check": "a-check-with-a-very-long-name-indeed"},)))

    live(console, told)
    lines = last_state(console)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= height


def test_resumed_trials_count_and_are_not_told_one_by_one(clock: Clock) -> None:
    text = live(pipe(), lambda shown: shown.resumed(made.lifelike(30).trials))
    assert text.splitlines()[0] == "going on after 30 trials"
    assert text.splitlines()[1].startswith("30 of 20 trials, best val_accuracy")
    assert live(pipe(), lambda shown: shown.resumed([])).splitlines() == ["0 of 20 trials, 0.0 s"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_it_is_taken_down_whatever_happens(clock: Clock, error: type[BaseException]) -> None:
    console = terminal()

    def told(shown: LiveTable) -> None:
        shown.started(0, SETTINGS)
        raise error

    with pytest.raises(error):
        live(console, told)
    assert printed(console).rstrip().endswith("\x1b[?25h")  # the cursor is back
    assert "interrupted" in "\n".join(last_state(console))


def test_an_ascii_terminal_gets_ascii(clock: Clock) -> None:
    console = terminal(encoding="ascii")

    def told(shown: LiveTable) -> None:
        shown.started(0, {"größe": "…"})
        shown.ended(made.trial(0, {"größe": "…"}, findings=[{"check": "x" * 40}]))
        shown.note("größe")

    live(console, told)
    assert printed(console).isascii()


def test_names_are_no_markup_and_cannot_steer_a_terminal(clock: Clock) -> None:
    def told(shown: LiveTable) -> None:
        shown.ended(made.trial(0, {"[red]x": "[/]\x1b[2J:smile:"}))
        shown.note("[bold]note[/bold]")

    text = live(pipe(), told)
    assert "[red]x [/]" in text
    assert ":smile:" in text
    assert "[bold]note[/bold]" in text
    assert "\x1b" not in text


def test_a_trial_that_is_begun_again_is_told(clock: Clock) -> None:
    assert "trial 4: attempt 2" in live(pipe(), lambda shown: shown.started(4, SETTINGS, attempt=2))


def test_many_epochs_do_not_flood_a_terminal(clock: Clock) -> None:
    console = terminal()

    def told(shown: LiveTable) -> None:
        shown.started(0, SETTINGS)
        for epoch in range(2000):
            shown.epoch(0, report(epoch, 2000))

    assert len(live(console, told)) < 20_000


def test_quiet_is_quiet(clock: Clock) -> None:
    assert live(Console(file=io.StringIO(), quiet=True), lambda shown: shown.ended(made.trial(0))) == ""
