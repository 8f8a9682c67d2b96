"""The server of docs/mlflow-server.md, set up by the commands that stand there, used as that page says."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("mlflow")

from diagnose.tracking.record import TrainingRecord
from diagnose.tracking.sending import send
from diagnose.tracking.store import TrackingError
from tests.servers import answers, free_port, postgres, postgres_programs, running

PAGE = (Path(__file__).parents[2] / "docs" / "mlflow-server.md").read_text(encoding="utf-8")
COMMANDS = dict(re.findall(r"<!-- tested: (\S+) -->\n```bash\n(.*?)```", PAGE, re.DOTALL))
RECORD = TrainingRecord(
    experiment="mlp digits",
    run="mlp, seed 0",
    started=1_700_000_000.0,
    ended=1_700_000_012.5,
    parameters={"optimizer.learning_rate": 0.001},
    curves={
        "loss": [(epoch, 1 / (1 + epoch)) for epoch in range(20)],
        "val_loss": [(epoch, 0.5 + abs(epoch - 5) / 10) for epoch in range(20)],
    },
)


def test_every_command_of_the_page_is_run() -> None:
    assert PAGE.count("```bash") == len(COMMANDS)
    steps = ("settings", "passwords", "databases", "permissions", "start", "member", "backup", "restore", "upgrade")
    assert tuple(COMMANDS) == steps


class Machine:
    """The machine of the page: a folder, two ports, and what the page lets one set."""

    def __init__(self, folder: Path, database: str) -> None:
        parts = urlsplit(database)
        self.home, self.port = folder / "server", free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        programs = f"{Path(sys.executable).parent}:{postgres_programs()}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PG"))}
        self._environment = {
            **kept, "PATH": programs, "PGHOST": str(parts.hostname), "PGPORT": str(parts.port),
            "SERVER_HOME": str(self.home), "SERVER_PORT": str(self.port), "BACKUP": str(folder / "backup"),
            "PSQL": f"env PGPASSWORD={parts.password} psql --username {parts.username} postgres",
        }  # fmt: skip

    def run(self, step: str, **more: str) -> str:
        """Run a step of the page in a shell of its own, and return what it prints."""
        done = subprocess.run(
            self._command(step), env={**self._environment, **more}, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serving(self) -> AbstractContextManager[int]:
        """Have the server run for the time of a block."""
        log = self.home.with_suffix(".log")
        return running(self._command("start"), log, lambda: answers(f"{self.uri}/health"), env=self._environment)

    @staticmethod
    def _command(step: str) -> list[str]:
        return ["bash", "-euo", "pipefail", "-c", COMMANDS["settings"] + COMMANDS[step]]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """What is there after the third step."""
    folder = tmp_path_factory.mktemp("team")
    with postgres(folder) as database:
        made = Machine(folder, database)
        for step in ("passwords", "databases", "permissions"):
            made.run(step)
        yield made


@pytest.fixture
def member(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who has not got a name yet, with the address set."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", machine.uri)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_lines() -> str:
    """Return those of all processes, as every account of the machine can see them."""
    shown = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(shown)


@pytest.mark.slow
# It starts MLflow ten times; each takes seconds of a processor.
@pytest.mark.timeout(600)
def test_from_the_first_command_to_a_back_up_that_is_played_back(
    machine: Machine, member: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    (member / "report.html").write_text("<p>fine</p>")
    record = replace(RECORD, artifacts=(member / "report.html",))
    with machine.serving():
        # Without a name: one line, and nothing is stored.
        with pytest.raises(TrackingError, match="asks for a name and a password") as refused:
            send(record)
        assert "\n" not in str(refused.value)

        # The administrator begins an experiment, and a member adds a run to it.
        administrator = (machine.home / "secrets" / "admin").read_text().strip()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", administrator)
        first_id = send(record)
        monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
        monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
        (member / ".mlflow").mkdir()
        (member / ".mlflow" / "credentials").write_text(machine.run("member"))
        run_id = send(record)
        client = MlflowClient(tracking_uri=machine.uri)
        experiment = client.get_run(run_id).info.experiment_id
        assert {run.info.run_id for run in client.search_runs([experiment])} == {first_id, run_id}

        # What was sent lies in the server's folder, and comes back.
        (stored,) = machine.home.glob(f"artifacts/*/{run_id}/artifacts/report.html")
        assert stored.read_text() == "<p>fine</p>"
        got = client.download_artifacts(run_id, "report.html", str(member))
        assert Path(got).read_text() == "<p>fine</p>"

        # It is read by the command, as any other.
        told = subprocess.run(
            [sys.executable, "-m", "diagnose", f"mlflow:{run_id}", "--format", "json", "--fail-on", "never"],
            capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert '"overfitting"' in told.stdout

        # No password can be seen by other accounts.
        secrets = [path.read_text().strip().rpartition(":")[2] for path in (machine.home / "secrets").iterdir()]
        assert len(secrets) == 3
        shown = command_lines()
        assert "mlflow.server" in shown
        assert not [secret for secret in secrets if secret in shown]
        assert stat.S_IMODE((machine.home / "secrets").stat().st_mode) == 0o700

        machine.run("backup")
        client.set_tag(run_id, "mlflow.note.content", "spoilt")
        stored.unlink()

    machine.run("restore")
    machine.run("upgrade")
    with machine.serving():
        assert "mlflow.note.content" not in client.get_run(run_id).data.tags
        assert Path(client.download_artifacts(run_id, "report.html", str(member))).read_text() == "<p>fine</p>"
