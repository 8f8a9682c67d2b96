from __future__ import annotations

import contextlib
import dataclasses
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diagnose import watch
from diagnose.finding import Finding, Point, Severity
from diagnose.report import Report, RunReport, SourceError, merge
from diagnose.run import Run, Series, Split
from tests import training_logs

ROOT = Path(__file__).parents[1]


def finding(check: str, severity: Severity = Severity.WARNING) -> Finding:
    evidence = Point(label="x", value=1.0, series="loss", epoch=1.0)
    return Finding(severity=severity, confidence=1.0, summary=f"{check} seen.", evidence=(evidence,), check=check)


def report(epochs: int, *findings: Finding, source: str = "run.csv") -> Report:
    values = np.arange(float(epochs))
    run = Run(source, "keras-csv", (Series("loss", "loss", Split.TRAIN, values, values),))
    return Report((RunReport(run, "healthy", "", None, findings, ()),))


class CountingReader:
    """Stands for reading and analysing: a run with as many epochs as the log has whole lines below its header."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, source: str) -> Report:
        self.calls += 1
        epochs = Path(source).read_text().count("\n") - 1
        if epochs < 1:
            return Report(runs=(), errors=(SourceError(source, "is empty"),))
        return report(epochs, source=source)


@pytest.fixture
def reader() -> CountingReader:
    return CountingReader()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "run.csv"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def epochs(watched: watch.Watch) -> list[int]:
    return [r.run.epochs for r in watched.report().runs]


class TestPoll:
    def test_reads_only_what_changed(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n")
        watched = watch.Watch([str(log)], reader)
        assert watched.poll()
        assert not watched.poll()
        append(log, "1,0.5\n")
        assert watched.poll()
        assert epochs(watched) == [2]
        assert reader.calls == 2

    def test_waits_for_a_file_that_is_not_there(self, log: Path, reader: CountingReader) -> None:
        watched = watch.Watch([str(log)], reader)
        assert watched.poll()
        assert not watched.poll()
        (error,) = watched.report().errors
        assert (error.source, reader.calls) == (str(log), 0)
        log.write_text("epoch,loss\n0,1\n")
        assert watched.poll()
        assert watched.report().errors == ()

    def test_leaves_half_a_line_to_be_completed(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n")
        watched = watch.Watch([str(log)], reader)
        watched.poll()
        append(log, "1,0.")
        assert not watched.poll()
        append(log, "5\n")
        assert watched.poll()
        assert (epochs(watched), reader.calls) == ([2], 2)

    def test_takes_half_a_line_that_stays(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n1,0.5")
        watched = watch.Watch([str(log)], reader)
        watched.poll()
        assert reader.calls == 0
        watched.poll()
        assert reader.calls == 1

    def test_reads_now_and_then_what_never_ends_a_line(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n")
        watched = watch.Watch([str(log)], reader)
        for _ in range(20):
            append(log, "=")
            watched.poll()
        assert reader.calls == 20 // (watch.PATIENCE + 1)

    def test_takes_everything_at_the_end(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n1,0.5")
        watched = watch.Watch([str(log)], reader)
        watched.poll(final=True)
        assert reader.calls == 1

    def test_follows_a_log_that_starts_anew(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n1,0.5\n")
        watched = watch.Watch([str(log)], reader)
        watched.poll()
        log.write_text("epoch,loss\n0,2\n")  # cut short
        assert watched.poll()
        assert epochs(watched) == [1]
        other = log.with_name("other")
        other.write_text("epoch,loss\n0,2\n1,2\n2,2\n")
        os.replace(other, log)
        assert watched.poll()
        assert epochs(watched) == [3]

    def test_keeps_the_last_report_of_a_log_that_is_emptied_or_removed(self, log: Path, reader: CountingReader) -> None:
        log.write_text("epoch,loss\n0,1\n")
        watched = watch.Watch([str(log)], reader)
        watched.poll()
        log.write_text("")
        watched.poll()
        assert epochs(watched) == [1]
        log.unlink()
        watched.poll()
        assert epochs(watched) == [1]

    def test_finds_new_logs_in_a_folder(
        self, tmp_path: Path, reader: CountingReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched = watch.Watch([str(tmp_path)], reader)
        watched.poll()
        assert watched.report().runs == ()
        monkeypatch.setattr(watch, "RESCAN", 0.0)
        watched = watch.Watch([str(tmp_path)], reader)
        for name in ("a.csv", "b.csv"):
            training_logs.write(tmp_path, name, training_logs.healthy(3))
            watched.poll()
        assert epochs(watched) == [3, 3]


class TestLines:
    @pytest.fixture
    def lines(self) -> watch.Lines:
        return watch.Lines(lambda _: None, lambda _: None)

    def test_a_finding_is_said_once_and_again_when_it_gets_worse(
        self, lines: watch.Lines, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines.show(report(3))
        lines.show(report(4, finding("plateau")))
        lines.show(report(5, finding("plateau")))
        lines.show(report(6, finding("plateau", Severity.CRITICAL), finding("noise")))
        assert capsys.readouterr().out.splitlines() == [
            "run.csv: epoch 3: warning: plateau: plateau seen.",
            "run.csv: epoch 5: critical: plateau: plateau seen.",
            "run.csv: epoch 5: warning: noise: noise seen.",
        ]

    def test_a_new_training_is_told_of_anew(self, lines: watch.Lines, capsys: pytest.CaptureFixture[str]) -> None:
        for count in (4, 2):
            lines.show(report(count, finding("plateau")))
        assert len(capsys.readouterr().out.splitlines()) == 2

    def test_what_may_go_away_again_is_not_said_yet(
        self, lines: watch.Lines, capsys: pytest.CaptureFixture[str]
    ) -> None:
        doubtful = dataclasses.replace(finding("plateau"), confidence=0.8)
        for count in (2, 3):
            lines.show(report(count, doubtful))
        assert capsys.readouterr().out == ""
        lines.show(report(4, doubtful))
        assert capsys.readouterr().out == "run.csv: epoch 3: warning: plateau: plateau seen.\n"

    def test_trainings_of_several_logs_are_told_apart(
        self, lines: watch.Lines, capsys: pytest.CaptureFixture[str]
    ) -> None:
        both = merge([report(3, finding("plateau"), source=name) for name in ("a.csv", "b.csv")])
        for _ in range(2):
            lines.show(both)
        assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["a.csv", "b.csv"]

    def test_what_is_waited_for_is_said_once_on_standard_error(
        self, lines: watch.Lines, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(2):
            lines.show(Report(runs=(), errors=(SourceError("run.csv", "no log here yet"),)))
        assert capsys.readouterr().err == "diagnose: waiting for run.csv: no log here yet\n"

    def test_every_change_is_saved_and_the_last_delivered(self) -> None:
        saved, delivered = [], []
        lines = watch.Lines(delivered.append, saved.append)
        first, last = report(1), report(2)
        lines.show(first)
        lines.end(last)
        assert (saved, delivered) == ([first], [last])


class TestScreen:
    @staticmethod
    def screen(lines: int) -> watch.Screen:
        return watch.Screen(lambda r: "\n".join(f"line {i}" for i in range(lines)), lambda: (45, 10))

    @staticmethod
    def plain(text: str) -> list[str]:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()

    def test_draws_the_report_and_what_is_watched(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.screen(2).show(report(7))
        shown = capsys.readouterr().out
        assert shown.endswith("\x1b[J")
        what_stood_there, drawn = shown.split("\x1b[H")
        assert what_stood_there == "\n" * 9
        assert self.plain(drawn) == ["line 0", "line 1", "Ctrl-C ends; watching 7 epochs of run.csv"]

    def test_draws_no_more_than_fits(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.screen(30).show(report(7))
        shown = self.plain(capsys.readouterr().out.partition("\x1b[H")[2])
        assert len(shown) < 10
        assert all(len(line) < 45 for line in shown)
        assert shown[-1].startswith("Ctrl-C ends; 22 more lines; watching 7")

    def test_says_what_it_waits_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.screen(0).show(Report(runs=(), errors=(SourceError("a\x1b[31m.csv", "not yet"),)))
        assert "waiting for a\\x1b[31m.csv" in capsys.readouterr().out

    def test_leaves_the_whole_report(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.screen(30).end(report(7))
        assert len(self.plain(capsys.readouterr().out.partition("\x1b[H")[2])) == 30


class TestFollow:
    def test_sees_what_a_training_appends_until_ctrl_c(self, log: Path, reader: CountingReader) -> None:
        def train() -> None:
            log.write_text("epoch,loss\n")
            for epoch in range(10):
                append(log, f"{epoch},")
                time.sleep(0.005)
                append(log, f"{1 / (epoch + 1)}\n")

        training = threading.Thread(target=train)
        shown: list[int] = []

        class Shown:
            def show(self, report: Report) -> bool:
                shown.extend(r.run.epochs for r in report.runs)
                return True

            def end(self, report: Report) -> None:
                self.last = report

        def pause(_: float) -> None:
            time.sleep(0.002)
            if not training.is_alive():
                raise KeyboardInterrupt

        display = Shown()
        training.start()
        last = watch.follow(watch.Watch([str(log)], reader), display, 0.01, pause)
        training.join()
        assert last is display.last
        assert [r.run.epochs for r in last.runs] == [10]
        assert shown == sorted(shown)

    def test_ends_when_nobody_looks_any_more(self, log: Path, reader: CountingReader) -> None:
        class Gone:
            def show(self, report: Report) -> bool:
                return False

            def end(self, report: Report) -> None:
                pass

        log.write_text("epoch,loss\n0,1\n")
        paused: list[float] = []
        watch.follow(watch.Watch([str(log)], reader), Gone(), 0.01, paused.append)
        assert len(paused) <= 1


def interruptible() -> None:
    """Let the child hear of SIGINT, whatever it was started from: a shell's background jobs do not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def watching(log: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """``diagnose --watch`` in a process of its own, which ends with the test however that ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diagnose", "--watch", "--interval", "0.05", log.name],
        cwd=log.parent, preexec_fn=interruptible,
        **{"env": {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}, **options},
    )  # fmt: skip
    try:
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
    finally:
        process.kill()


class TestCommand:
    """``diagnose --watch`` in a process of its own."""

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_into_a_pipe(self, log: Path, how: signal.Signals) -> None:
        with watching(log, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stderr
            assert process.stderr.readline().startswith("diagnose: waiting for run.csv")
            sick = training_logs.nan(epochs=11).splitlines(keepends=True)
            log.write_text("".join(sick[:5]))
            for line in sick[5:]:
                append(log, line[:4])
                append(log, line[4:])
            assert process.stdout.readline().startswith("run.csv: epoch 10: critical: nan-loss: ")
            process.send_signal(how)
            rest, errors = process.communicate(timeout=30)
        assert "nan-loss" in rest  # the whole report
        assert (process.returncode, errors) == (1, "")

    def test_exit_code_2_where_nothing_ever_came(self, log: Path) -> None:
        with watching(log, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
        assert (process.returncode, out) == (2, "")
        assert errors.count("\n") == 1

    def test_on_a_terminal(self, log: Path) -> None:
        log.write_text(training_logs.healthy(20))
        ours, its = pty.openpty()
        with watching(log, stdin=its, stdout=its, stderr=its, start_new_session=True) as process:
            os.close(its)
            shown = Shown(ours)
            shown.wait_for("20 epochs")
            append(log, training_logs.healthy(21).splitlines(keepends=True)[-1])
            shown.wait_for("21 epochs")
            process.send_signal(signal.SIGINT)
            shown.read_on()
        os.close(ours)
        assert process.returncode == 0
        assert shown.text.count("\x1b[H") >= 3
        assert "Traceback" not in shown.text


class Shown:
    """What a pseudo-terminal shows."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.text = ""

    def _parts(self) -> Iterator[str]:
        try:
            while part := os.read(self._terminal, 65536):
                yield part.decode("utf-8", "replace")
        except OSError:  # Linux says so when the child has closed its side
            return

    def wait_for(self, text: str) -> None:
        self.read_on(lambda: text in self.text)
        assert text in self.text

    def read_on(self, enough: Callable[[], bool] = lambda: False) -> None:
        for part in self._parts():
            self.text += part
            if enough():
                return
