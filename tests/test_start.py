"""What a plain report may import: the start-up time itself is measured by benchmarks/startup.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diagnose import check, discovery
from diagnose.analyze import analyze
from diagnose.finding import OutcomeKind
from diagnose.readers import read
from tests import training_logs

ROOT = Path(__file__).parents[1]

#: Each costs 10 ms or more, and a plain report needs none of them.
SLOW = (
    "asyncio", "importlib.metadata", "jinja2", "multiprocessing", "numpy.ma",
    "pandas", "pygments", "rich.live", "rich.markdown",
    "rich.progress", "rich.syntax", "rich.traceback", "sqlite3", "tomllib", "unittest", "urllib.request",
)  # fmt: skip


def imported_by(*arguments: str, cwd: Path) -> set[str]:
    code = (
        "import sys\n"
        "from diagnose import cli\n"
        "try:\n"
        "    cli.command.main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return set(result.stderr.split())


def test_a_plain_report_imports_nothing_slow(tmp_path: Path) -> None:
    training_logs.write(tmp_path, "run.csv", training_logs.overfitting())
    imported = imported_by("run.csv", cwd=tmp_path)
    assert "diagnose.renderers.terminal" in imported
    assert sorted(imported & set(SLOW)) == []


@pytest.mark.parametrize("flag", ["--version", "--help", "--completion=zsh"])
def test_information_does_not_import_numpy(tmp_path: Path, flag: str) -> None:
    assert "numpy" not in imported_by(flag, cwd=tmp_path)


class TestDiscovery:
    def test_names_are_those_of_the_checks(self) -> None:
        loaded = check.load_checks()
        assert discovery.ids() == [c.id for c in loaded]
        assert set(discovery.names()) == {c.id for c in loaded} | set(discovery.FAMILIES)

    def test_a_distribution_brings_a_check(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_discovery: None
    ) -> None:
        install(tmp_path, "kerasdx_extra", "my-check = kerasdx_extra")
        (tmp_path / "kerasdx_extra.py").write_text(
            '"""Mine."""\n'
            "from dataclasses import dataclass\n"
            "from diagnose.check import Check\n"
            "CHECK = Check()\n"
            "@dataclass(frozen=True)\n"
            "class Options:\n"
            '    """None."""\n'
            "def check(run, options):\n"
            "    return []\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        assert discovery.names()[-1] == "my-check"
        assert "extra" in discovery.names()
        mine = check.load_checks()[-1]
        assert (mine.id, mine.family, mine.title) == ("my-check", "extra", "Mine")

    def test_a_check_that_cannot_be_loaded_ends_as_error_and_hides_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_discovery: None
    ) -> None:
        install(tmp_path, "kerasdx_broken", "broken = kerasdx_broken.nowhere")
        monkeypatch.syspath_prepend(str(tmp_path))
        (run,) = read(training_logs.write(tmp_path, "run.csv", training_logs.nan()))
        report = analyze(run)
        outcomes = {o.check: o for o in report.outcomes}
        assert outcomes["broken"].kind == OutcomeKind.ERROR
        assert "cannot be loaded" in outcomes["broken"].reason
        assert outcomes["nan-loss"].kind == OutcomeKind.FOUND

    def test_entry_points_are_parsed_only_where_one_is_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_discovery: None
    ) -> None:
        (tmp_path / "other-1.0.dist-info").mkdir()
        (tmp_path / "other-1.0.dist-info" / "entry_points.txt").write_text("[console_scripts]\nx = x:main\n")
        monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "nowhere"), ""])
        monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: pytest.fail("parsed"))
        assert discovery.contributed() == ()


@pytest.fixture
def fresh_discovery(monkeypatch: pytest.MonkeyPatch) -> object:
    """Forget what was discovered, before and after."""

    def forget() -> None:
        discovery.contributed.cache_clear()
        check._contributed.cache_clear()

    forget()
    yield
    monkeypatch.undo()
    forget()


def install(folder: Path, name: str, entry: str) -> None:
    """Lay down what pip leaves of a distribution."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{discovery.ENTRY_POINT_GROUP}]\n{entry}\n")
