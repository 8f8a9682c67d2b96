from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from diagnose import __version__, api, call, cli, console, discovery
from tests import training_logs

ROOT = Path(__file__).parents[1]


@dataclass
class Result:
    code: int
    out: str
    err: str


Invoke = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one log of each kind and no settings, in a plain environment."""
    training_logs.write(tmp_path, "healthy.csv", training_logs.healthy())
    training_logs.write(tmp_path, "overfitting.csv", training_logs.overfitting())
    training_logs.write(tmp_path, "nan.csv", training_logs.nan())
    training_logs.write(tmp_path, "shopping.csv", "milk and bread\n")
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "KERASDX_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def diagnose(folder: Path, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Call the command in this process."""

    def invoke(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as left:
            cli.command.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Result(int(left.value.code or 0), out, err)

    return invoke


def process(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the command in a process of its own, its output going to pipes."""
    return subprocess.run(
        [sys.executable, "-m", "diagnose", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def on_terminal(*arguments: str, cwd: Path, **environment: str) -> bytes:
    """Call the command on a pseudo-terminal and return what it shows."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "diagnose", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
        stdin=its,
        stdout=its,
        stderr=its,
    ):
        os.close(its)
        shown = bytearray()
        with contextlib.suppress(OSError):  # Linux says so when the child has closed its side
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    return bytes(shown)


def assert_one_line_error(result: Result, *parts: str) -> None:
    assert result.code == 2
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("diagnose: ")
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err


class TestExitCode:
    def test_0_where_nothing_was_found(self, diagnose: Invoke) -> None:
        result = diagnose("healthy.csv")
        assert (result.code, result.err) == (0, "")
        assert "healthy.csv" in result.out

    @pytest.mark.parametrize("log", ["overfitting.csv", "nan.csv"])
    def test_1_where_a_warning_or_worse_was_found(self, diagnose: Invoke, log: str) -> None:
        assert diagnose(log).code == 1

    @pytest.mark.parametrize(
        ("log", "limit", "code"),
        [
            ("overfitting.csv", "info", 1),
            ("overfitting.csv", "warning", 1),
            ("overfitting.csv", "critical", 0),
            ("nan.csv", "critical", 1),
            ("nan.csv", "never", 0),
        ],
    )
    def test_follows_fail_on(self, diagnose: Invoke, log: str, limit: str, code: int) -> None:
        result = diagnose(log, "--fail-on", limit)
        assert result.code == code, result.out

    def test_1_where_one_of_several_runs_is_sick(self, diagnose: Invoke) -> None:
        assert diagnose("healthy.csv", "nan.csv").code == 1

    def test_2_where_a_source_cannot_be_read_whatever_the_limit(self, diagnose: Invoke) -> None:
        assert diagnose("healthy.csv", "missing.csv", "--fail-on", "never").code == 2

    @pytest.mark.parametrize("flag", ["--version", "-h", "--help", "--list-checks", "--completion=bash"])
    def test_0_for_information(self, diagnose: Invoke, flag: str) -> None:
        result = diagnose(flag)
        assert (result.code, result.err) == (0, "")
        assert result.out


class TestErrorsAreOneLine:
    @pytest.mark.parametrize(
        ("arguments", "parts"),
        [
            ([], ["name a log"]),
            ([""], ["empty name"]),
            (["missing.csv"], ["missing.csv", "does not exist"]),
            (["helthy.csv"], ["did you mean", "healthy.csv"]),
            (["shopping.csv"], ["shopping.csv"]),
            (["two\nlines.csv"], ["two lines.csv"]),
            (["--formt", "json", "nan.csv"], ["--formt", "--format"]),
            (["--format", "pdf", "nan.csv"], ["pdf", "terminal", "json"]),
            (["--select", "nan-los", "nan.csv"], ["--select", "nan-los", "did you mean nan-loss"]),
            (["--ignore", "curvs", "nan.csv"], ["--ignore", "curvs", "did you mean curves"]),
            (["--explain", "overfiting"], ["overfiting", "did you mean overfitting"]),
            (["--set", "overfitting", "nan.csv"], ["--set", "CHECK.OPTION=NUMBER"]),
            (["--set", "overfitting.rise=much", "nan.csv"], ["--set", "much"]),
            (["--set", "overfitting.rise=nan", "nan.csv"], ["--set", "rise=nan"]),
            (["--set", "overfitting.height=3", "nan.csv"], ["--set", "height", "rise"]),
            (["--role", "loss", "nan.csv"], ["--role", "COLUMN=ROLE"]),
            (["--role", "loss=a role", "nan.csv"], ["--role", "'loss'", "a role"]),
            (["--width", "3", "nan.csv"], ["--width"]),
            (["--output", "nowhere/report.html", "nan.csv"], ["nowhere", "folder"]),
            (["--output", ".", "nan.csv"], ["folder"]),
            (["--output", "nan.csv", "nan.csv"], ["nan.csv", "one of the logs"]),
            (["--watch", "-"], ["standard input"]),
            (["--watch", "--format", "json", "nan.csv"], ["--output"]),
        ],
    )
    def test_of_usage(self, diagnose: Invoke, arguments: list[str], parts: list[str]) -> None:
        result = diagnose(*arguments)
        assert_one_line_error(result, *parts)
        assert result.out == ""

    def test_of_an_empty_folder(self, diagnose: Invoke, folder: Path) -> None:
        (folder / "empty").mkdir()
        assert_one_line_error(diagnose("empty"), "empty")

    def test_of_a_defect_of_ours(self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api, "analyze", lambda *_, **__: 1 / 0)
        result = diagnose("nan.csv")
        assert_one_line_error(result, "nan.csv", "internal error", "ZeroDivisionError", "please report")

    def test_of_a_defect_in_rendering(self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(call.Call, "render", lambda *_: [].pop())
        assert_one_line_error(diagnose("nan.csv"), "internal error", "IndexError", "please report")

    def test_a_defect_shows_its_traceback_when_debugging(
        self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api, "analyze", lambda *_, **__: 1 / 0)
        monkeypatch.setenv("KERASDX_DEBUG", "1")
        result = diagnose("nan.csv")
        assert result.code == 2
        assert "Traceback" in result.err

    def test_ctrl_c_ends_without_a_word(self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(api, "analyze", interrupt)
        result = diagnose("nan.csv")
        assert (result.code, result.err.strip()) == (130, "")


class TestSeveralSources:
    def test_the_good_ones_are_reported_beside_an_unreadable_one(self, diagnose: Invoke) -> None:
        result = diagnose("healthy.csv", "missing.csv", "nan.csv", "--format", "json")
        assert_one_line_error(result, "missing.csv")
        report = json.loads(result.out)
        assert [run["source"] for run in report["runs"]] == ["healthy.csv", "nan.csv"]
        assert [error["source"] for error in report["errors"]] == ["missing.csv"]

    def test_machine_formats_are_whole_where_nothing_could_be_read(self, diagnose: Invoke) -> None:
        result = diagnose("missing.csv", "--format", "json")
        assert_one_line_error(result, "missing.csv")
        assert json.loads(result.out)["errors"][0]["source"] == "missing.csv"

    def test_a_file_named_twice_is_reported_once_in_the_order_named(self, diagnose: Invoke) -> None:
        result = diagnose("nan.csv", "./healthy.csv", "healthy.csv", "./nan.csv", "--format", "json")
        assert [run["source"] for run in json.loads(result.out)["runs"]] == ["nan.csv", "./healthy.csv"]

    def test_a_folder_is_searched(self, diagnose: Invoke, folder: Path) -> None:
        result = diagnose(folder, "--format", "json")
        names = [Path(run["source"]).name for run in json.loads(result.out)["runs"]]
        assert names == ["healthy.csv", "nan.csv", "overfitting.csv"]

    def test_the_report_of_an_earlier_call_is_no_log(self, diagnose: Invoke, folder: Path) -> None:
        for _ in range(2):
            result = diagnose(folder, "--output", folder / "report.json")
            assert (result.code, result.err) == (1, "")

    def test_a_long_read_says_on_a_terminal_how_far_it_is(
        self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stderr)
        monkeypatch.setattr(console.Progress, "PATIENCE", 0.0)
        result = diagnose("healthy.csv", "nan.csv")
        assert "reading 1 of 2: healthy.csv" in result.err
        assert result.err.endswith("\r\x1b[K")

    def test_a_long_read_says_nothing_into_a_pipe(self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(console.Progress, "PATIENCE", 0.0)
        assert diagnose("healthy.csv", "nan.csv").err == ""

    def test_standard_input_is_a_source(self, folder: Path) -> None:
        with (folder / "nan.csv").open() as log:
            result = subprocess.run(
                [sys.executable, "-m", "diagnose", "-"],
                cwd=ROOT, stdin=log, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
        assert result.returncode == 1
        assert "nan-loss" in result.stdout


class TestOutput:
    @pytest.mark.parametrize(
        ("name", "start"),
        [
            ("report.html", "<!doctype html"),
            ("report.json", "{"),
            ("report.md", "#"),
            ("report.HTML", "<!doctype html"),
        ],
    )
    def test_the_suffix_tells_the_format(self, diagnose: Invoke, folder: Path, name: str, start: str) -> None:
        result = diagnose("nan.csv", "--output", name)
        assert (result.code, result.out) == (1, f"wrote {name}: 1 run: 1 critical\n")
        assert (folder / name).read_text().lower().startswith(start)

    def test_the_format_named_wins_over_the_suffix(self, diagnose: Invoke, folder: Path) -> None:
        diagnose("nan.csv", "--output", "report.html", "--format", "json")
        assert json.loads((folder / "report.html").read_text())["schema"] == "kerasdx/1"

    def test_a_dash_is_standard_output(self, diagnose: Invoke, folder: Path) -> None:
        assert diagnose("nan.csv", "--output", "-").out == diagnose("nan.csv").out
        assert not (folder / "-").exists()

    def test_a_text_file_has_no_colours(self, diagnose: Invoke, folder: Path) -> None:
        diagnose("nan.csv", "--output", "report.txt")
        assert "nan-loss" in (folder / "report.txt").read_text()
        assert "\x1b" not in (folder / "report.txt").read_text()

    def test_a_failed_write_leaves_the_old_file_and_no_other(
        self, diagnose: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "report.json").write_text("old")
        before = sorted(folder.iterdir())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        assert_one_line_error(diagnose("nan.csv", "--output", "report.json"), "report.json", "No space left")
        assert sorted(folder.iterdir()) == before
        assert (folder / "report.json").read_text() == "old"

    def test_an_existing_file_keeps_its_mode_and_a_link_its_target(self, diagnose: Invoke, folder: Path) -> None:
        real = folder / "real.json"
        real.write_text("old")
        real.chmod(0o640)
        (folder / "link.json").symlink_to(real)
        diagnose("nan.csv", "--output", "link.json")
        assert (folder / "link.json").is_symlink()
        assert real.stat().st_mode & 0o777 == 0o640
        assert json.loads(real.read_text())

    def test_a_device_is_written_to_and_not_replaced(self, diagnose: Invoke) -> None:
        assert diagnose("nan.csv", "--output", os.devnull).code == 1
        assert Path(os.devnull).is_char_device()


class TestSelection:
    @staticmethod
    def outcomes(result: Result) -> dict[str, str]:
        return {o["check"]: o["outcome"] for o in json.loads(result.out)["runs"][0]["outcomes"]}

    def test_select_takes_ids_and_families_in_lists(self, diagnose: Invoke) -> None:
        outcomes = self.outcomes(
            diagnose("overfitting.csv", "--format", "json", "--select", "nan-loss,overfitting", "-s", "divergence")
        )
        looked = {check for check, outcome in outcomes.items() if outcome != "ignored"}
        assert looked == {"nan-loss", "overfitting", "divergence"}

    def test_ignore_wins_over_select(self, diagnose: Invoke) -> None:
        result = diagnose("nan.csv", "-f", "json", "--select", "curves", "--ignore", "nan-loss")
        assert self.outcomes(result)["nan-loss"] == "ignored"

    def test_set_changes_a_threshold(self, diagnose: Invoke) -> None:
        arguments = ("overfitting.csv", "--select", "overfitting", "--format", "json")
        assert self.outcomes(diagnose(*arguments))["overfitting"] == "found"
        raised = diagnose(*arguments, "--set", "overfitting.rise=100")
        assert self.outcomes(raised)["overfitting"] == "passed"

    def test_role_names_a_column(self, diagnose: Invoke, folder: Path) -> None:
        text = training_logs.overfitting().replace("val_loss", "zeta")
        training_logs.write(folder, "odd.csv", text)
        arguments = ("odd.csv", "--select", "overfitting", "--format", "json")
        assert self.outcomes(diagnose(*arguments))["overfitting"] == "not_applicable"
        named = diagnose(*arguments, "--role", "zeta=val_loss")
        assert self.outcomes(named)["overfitting"] == "found"


class TestSettings:
    def test_hold_where_the_command_line_is_silent(self, diagnose: Invoke, folder: Path) -> None:
        (folder / "kerasdx.toml").write_text('fail-on = "never"\nformat = "json"\nignore = ["nan-loss"]\n')
        result = diagnose("nan.csv")
        assert result.code == 0
        assert TestSelection.outcomes(result)["nan-loss"] == "ignored"

    def test_yield_to_the_command_line(self, diagnose: Invoke, folder: Path) -> None:
        (folder / "kerasdx.toml").write_text('fail-on = "never"\nformat = "json"\n')
        result = diagnose("nan.csv", "--fail-on", "warning", "--format", "markdown")
        assert result.code == 1
        assert not result.out.startswith("{")

    def test_a_suffix_is_of_the_command_line(self, diagnose: Invoke, folder: Path) -> None:
        (folder / "kerasdx.toml").write_text('format = "json"\n')
        diagnose("nan.csv", "--output", "report.md")
        assert (folder / "report.md").read_text().startswith("#")

    def test_thresholds_and_roles_hold(self, diagnose: Invoke, folder: Path) -> None:
        text = training_logs.overfitting().replace("val_loss", "zeta")
        training_logs.write(folder, "odd.csv", text)
        (folder / "kerasdx.toml").write_text('[roles]\nzeta = "val_loss"\n[options.overfitting]\nrise = 100.0\n')
        arguments = ("odd.csv", "--select", "overfitting", "--format", "json")
        assert TestSelection.outcomes(diagnose(*arguments))["overfitting"] == "passed"
        nearer = diagnose(*arguments, "--set", "overfitting.rise=0.05")
        assert TestSelection.outcomes(nearer)["overfitting"] == "found"

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ('select = ["nan-los"]', ["select", "did you mean nan-loss"]),
            ("[options.nan-los]\nx = 1", ["options", "did you mean nan-loss"]),
            ("[options.overfitting]\nheight = 1", ["options", "height"]),
            ('[roles]\nx = "a role"', ["roles", "'x'"]),
            ("fail_on = 'never'", ["fail_on", "fail-on"]),
        ],
    )
    def test_an_error_names_file_and_key(self, diagnose: Invoke, folder: Path, text: str, parts: list[str]) -> None:
        (folder / "kerasdx.toml").write_text(text)
        assert_one_line_error(diagnose("nan.csv"), "kerasdx.toml", *parts)

    def test_no_settings_heeds_none(self, diagnose: Invoke, folder: Path) -> None:
        (folder / "kerasdx.toml").write_text("this is no TOML")
        assert_one_line_error(diagnose("healthy.csv"), "kerasdx.toml")
        assert diagnose("healthy.csv", "--no-settings").code == 0


class TestColour:
    @pytest.mark.parametrize(
        ("arguments", "environment", "coloured"),
        [
            ([], {}, False),  # a pipe
            ([], {"FORCE_COLOR": "1"}, True),
            ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
            (["--color", "always"], {"NO_COLOR": "1"}, True),
            (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ],
    )
    def test_into_a_pipe(
        self,
        diagnose: Invoke,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        environment: dict[str, str],
        coloured: bool,
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert ("\x1b[" in diagnose("nan.csv", *arguments).out) is coloured

    @pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_on_a_terminal(self, folder: Path, environment: dict[str, str], coloured: bool) -> None:
        shown = on_terminal("nan.csv", cwd=folder, **environment)
        assert b"nan-loss" in shown
        assert (b"\x1b[" in shown) is coloured

    def test_explanations_follow_the_same_rules(self, diagnose: Invoke) -> None:
        assert "\x1b[" not in diagnose("--explain", "nan-loss").out
        assert "\x1b[" in diagnose("--explain", "nan-loss", "--color", "always").out


class TestPipes:
    def test_the_report_is_80_columns_wide(self, diagnose: Invoke) -> None:
        assert max(map(len, diagnose("healthy.csv", "--verbose").out.splitlines())) <= 80

    def test_columns_and_width_set_the_width(self, diagnose: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        report = diagnose("healthy.csv", "--verbose", "--width", "50").out
        assert max(map(len, report.splitlines())) <= 50
        monkeypatch.setenv("COLUMNS", "60")
        assert max(map(len, diagnose("healthy.csv", "--verbose").out.splitlines())) <= 60

    def test_a_reader_that_leaves_is_no_error(self, folder: Path) -> None:
        names = " ".join(["nan.csv", "overfitting.csv"])
        result = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m diagnose {names} | true; echo ${{PIPESTATUS[0]}}"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert result.stderr == ""
        assert result.stdout == "1\n"

    @pytest.mark.parametrize(("closed", "left"), [(">&-", "stderr"), ("2>&-", "stdout")])
    def test_a_closed_stream_is_no_error(self, folder: Path, closed: str, left: str) -> None:
        result = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m diagnose nan.csv missing.csv {closed}"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert result.returncode == 2
        assert "internal error" not in getattr(result, left)
        assert "diagnose: missing.csv" not in result.stdout

    def test_an_encoding_without_boxes_gets_ascii(self, folder: Path) -> None:
        result = process("nan.csv", cwd=folder, PYTHONIOENCODING="ascii")
        assert (result.returncode, result.stderr) == (1, "")
        assert result.stdout.isascii()


class TestInformation:
    def test_version(self, diagnose: Invoke) -> None:
        assert diagnose("--version").out == f"kerasdx {__version__}\n"

    def test_list_checks_lists_every_check(self, diagnose: Invoke) -> None:
        listed = diagnose("--list-checks").out
        assert all(f" {id} " in listed for id in discovery.ids())

    def test_explain_shows_the_documentation(self, diagnose: Invoke) -> None:
        page = diagnose("--explain", "overfitting").out
        assert "How it is detected" in page
        assert "rise = 0.05" in page


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_prints_a_script(self, diagnose: Invoke, shell: str) -> None:
        script = diagnose("--completion", shell).out
        assert f"_DIAGNOSE_COMPLETE={shell}_complete" in script

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("diagnose --explain nan-", ["nan-loss"]),
            ("diagnose --select nan-loss,overf", ["nan-loss,overfitting"]),
            ("diagnose --ignore layer", ["layers"]),
            ("diagnose --fail-on cri", ["critical"]),
        ],
    )
    def test_completes_names_without_numpy(self, folder: Path, tmp_path: Path, words: str, expected: list[str]) -> None:
        (tmp_path / "traps").mkdir()
        training_logs.write(tmp_path / "traps", "numpy.py", "raise ImportError('slow')\n")
        result = process(
            cwd=folder,
            PYTHONPATH=f"{tmp_path / 'traps'}:{ROOT}",
            _DIAGNOSE_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split()) - 1),
        )
        assert [line.partition(",")[2] for line in result.stdout.split()] == expected, result.stderr
