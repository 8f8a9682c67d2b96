"""`tune ui`: which store, which port, how the server is started and ended, and what is told of it."""

from __future__ import annotations

import http.client
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from diagnose.command_line import OneLineGroup
from diagnose.tracking import views
from tuners import mlflow_ui
from tuners.ui import ui

#: A server that answers, and has started a process of its own, whose id it writes.
ANSWERS = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"OK")
        if self.path == "/end": raise SystemExit
    def log_message(self, *arguments): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SILENT = "import time; print('still busy', flush=True); time.sleep(600)"
OLD_STORE = "raise SystemExit('Detected out-of-date database schema (found version 1, but expected version 2)')"


def tune(*arguments: str) -> int:
    """Return the exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        OneLineGroup("tune", commands=[ui]).main(["ui", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a store, as far as `tune ui` looks by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = tmp_path / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:  # as far as anybody looks who only starts MLflow on it
        for table in ("experiments", "runs", "metrics", "params", "tags"):
            connection.execute(f"CREATE TABLE {table} (id)")
    return path


def serve(monkeypatch: pytest.MonkeyPatch, program: str, note: Path | str = "") -> None:
    """Let a program be the server."""
    monkeypatch.setattr(
        mlflow_ui, "_command", lambda _uri, _host, port: [sys.executable, "-c", program, str(port), str(note)]
    )


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ends(process: int) -> bool:
    """Whether a process is gone within seconds: a signal takes its time."""
    deadline = time.monotonic() + 5
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(process)


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


# --- The store --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [(), ("--store", "elsewhere.db"), ("--store", "sqlite:///elsewhere.db")])
def test_where_nothing_was_logged_yet_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    assert tune(*given) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no MLflow store yet; train or search here first" in said
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_bytes(b"")

    assert tune() == 2
    assert "there is no MLflow store yet" in capsys.readouterr().err


def test_a_store_may_be_named_as_a_file_a_folder_or_a_uri(store: Path) -> None:
    uri = f"sqlite:///{store}"

    assert [mlflow_ui.meant_store(given) for given in (None, str(store), "mlruns", uri)] == [uri] * 4


def test_a_folder_without_a_database_is_a_store_of_files(tmp_path: Path) -> None:
    assert mlflow_ui.meant_store(str(tmp_path)) == tmp_path.as_uri()


def test_of_a_server_the_links_are_told_and_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.org")
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(mlflow_ui, "_tell_links", lambda uri, address, **_more: told.append((uri, address)))
    monkeypatch.setattr(subprocess, "Popen", lambda *_a, **_k: pytest.fail("a server was started"))

    assert tune() == 0
    (uri, address), = told  # fmt: skip
    assert "secret" in uri
    assert "secret" not in address


# --- The port ---------------------------------------------------------------------------------------------------------


def test_a_port_that_is_asked_for_and_taken_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with taken_port() as port:
        assert tune("--port", str(port)) == 2

    assert f"port {port} of 127.0.0.1 is taken by another program; name another with --port" in capsys.readouterr().err


def test_the_next_port_is_taken_where_the_usual_one_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as port:
        monkeypatch.setattr(mlflow_ui, "_PORT", port)
        assert port < mlflow_ui.free_port("127.0.0.1", None) < port + 20


def test_where_all_ports_are_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_ui, "_is_taken", lambda _host, _port: True)

    with pytest.raises(click.ClickException, match=r"the ports 5000 to 5019 of 127\.0\.0\.1 are taken"):
        mlflow_ui.free_port("127.0.0.1", None)


def test_an_address_that_is_not_of_this_machine_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune("--host", "192.0.2.7") == 2
    assert "cannot listen at 192.0.2.7" in capsys.readouterr().err


# --- The server -------------------------------------------------------------------------------------------------------


def test_the_command_has_no_password_in_it_for_everybody_can_read_it() -> None:
    assert not any("secret" in word for word in mlflow_ui._command("postgresql://me:secret@h/d", "127.0.0.1", 5000))


def test_artifacts_that_come_in_through_it_lie_beside_the_store() -> None:
    command = mlflow_ui._command("sqlite:////data/mlruns/mlflow.db", "127.0.0.1", 5000)

    assert command[command.index("--artifacts-destination") + 1] == "file:///data/mlruns/artifacts"


def test_by_default_only_this_machine_is_answered() -> None:
    command = mlflow_ui._command("sqlite:////m.db", "127.0.0.1", 5000)

    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "--allowed-hosts" not in command  # MLflow's own: this machine
    assert "--disable-security-middleware" not in command


def test_for_other_machines_it_answers_to_its_own_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_ui, "_own_names", lambda: ("10.1.2.3", "lab"))
    command = mlflow_ui._command("sqlite:////m.db", "0.0.0.0", 5000)

    hosts = command[command.index("--allowed-hosts") + 1].split(",")
    assert {"lab", "lab:5000", "10.1.2.3:5000", "localhost:5000"} < set(hosts)
    assert not any("*" in host for host in hosts)
    assert command[command.index("--cors-allowed-origins") + 1] == "http://10.1.2.3:5000,http://lab:5000"


def test_ctrl_c_ends_the_server_with_all_that_it_started(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, ANSWERS, tmp_path / "child")

    def interrupted(*_arguments: Any, **_more: Any) -> None:
        assert is_alive(int((tmp_path / "child").read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_ui, "_tell_links", interrupted)

    assert tune() == 0
    said = capsys.readouterr()
    assert f"MLflow shows sqlite:///{store} at http://127.0.0.1:" in said.out
    assert said.err.count("tune:") == 0
    assert ends(int((tmp_path / "child").read_text()))
    assert list(tmp_path.glob("mlflow-ui-*.log")) == []


def test_where_the_server_does_not_start_its_last_words_and_its_log_are_told(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, "print('a lot of noise'); raise SystemExit('2026/11/25 20:17:32 ERROR: no space is left')")

    assert tune() == 2
    (log,) = tmp_path.glob("mlflow-ui-*.log")
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said == f"tune: MLflow has ended (exit code 1): no space is left; all that it said is in {log}"
    assert "a lot of noise" in log.read_text()


def test_a_store_of_another_version_says_how_to_take_it_over(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, OLD_STORE)

    assert tune() == 2
    assert f"make a copy of it, then run: mlflow db upgrade sqlite:///{store}" in capsys.readouterr().err
    assert list(store.parents[1].glob("*.log")) == []


def test_a_server_that_does_not_answer_is_given_up_and_ended(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, SILENT)
    monkeypatch.setattr(mlflow_ui, "_START_SECONDS", 1.0)

    assert tune() == 2
    assert "still busy; all that it said is in" in capsys.readouterr().err


def test_a_server_that_ends_by_itself_is_told(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, ANSWERS, tmp_path / "child")

    def end(_uri: str, address: str, **_more: Any) -> None:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)
        connection.request("GET", "/end")
        connection.getresponse().read()

    monkeypatch.setattr(mlflow_ui, "_tell_links", end)

    assert tune() == 2
    assert "MLflow has ended" in capsys.readouterr().err
    assert ends(int((tmp_path / "child").read_text()))


# --- The links --------------------------------------------------------------------------------------------------------


def run(name: str, metrics: dict[str, float], params: dict[str, str], **tags: str) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(run_id=f"id-of-{name}", run_name=name, experiment_id="1"),
        data=SimpleNamespace(metrics=metrics, params=params, tags=tags),
    )


class FakeClient:
    """A store with searches in one experiment."""

    def __init__(self, searches: list[SimpleNamespace], trials: list[SimpleNamespace], *, is_read_only: bool = False):
        self.searches, self.trials, self.is_read_only = searches, trials, is_read_only
        self.tags: dict[str, str] = {}

    def search_experiments(self, **_more: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(experiment_id="1", name="cnn digits")]

    def search_runs(self, _ids: list[str], where: str = "", **more: Any) -> list[SimpleNamespace]:
        found = self.searches if "'search'" in where else self.trials if "'trial'" in where else self.searches
        return found[: more.get("max_results", len(found))]

    def list_artifacts(self, _run: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(path="overview.html")]

    def get_experiment(self, _id: str) -> SimpleNamespace:
        return SimpleNamespace(tags=self.tags)

    def set_experiment_tag(self, _id: str, key: str, value: str) -> None:
        from mlflow.exceptions import MlflowException

        if self.is_read_only:
            raise MlflowException("PERMISSION_DENIED")
        self.tags[key] = value


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], client: FakeClient) -> str:
    @contextmanager
    def connected(uri: str) -> Iterator[tuple[Any, str]]:
        yield client, uri

    monkeypatch.setattr(mlflow_ui, "connected", connected)
    mlflow_ui._tell_links("http://h:1", "http://h:1", opens=False)
    return capsys.readouterr().out


TRIALS = [
    run("t0", {"best_val_accuracy": 0.9, "health/overfit": 2.0}, {"rate": "0.1"}, **{"diagnosis.verdict": "warning"}),
    run("t1", {"best_val_accuracy": 0.8, "health/overfit": 0.0}, {"rate": "0.2"}, **{"diagnosis.verdict": "healthy"}),
]


def test_a_search_has_links_to_its_comparison_its_table_and_its_overview(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = FakeClient([run("s1", {}, {"search.objective": "max:val_accuracy"})], TRIALS)
    out = told(monkeypatch, capsys, client)

    assert "s1 in 'cnn digits': 2 trials (1 healthy, 1 warning)" in out
    assert "viewStateShareKey=kerasdx-id-of-s1-compare" in out
    assert "viewStateShareKey=kerasdx-id-of-s1-health" in out
    assert "/runs/id-of-s1/artifacts/overview.html" in out
    assert "viewStateShareKey=kerasdx-health" in out
    comparison = views.decoded(client.tags["mlflow.sharedViewState.kerasdx-id-of-s1-compare"])
    assert [chart["selectedParams"] for chart in comparison["compareRunCharts"]] == [["rate"], ["rate"]]
    assert comparison["compareRunCharts"][0]["selectedMetrics"] == ["health/overfit", "health/findings"]
    assert comparison["compareRunCharts"][1]["selectedMetrics"] == ["health/score", "best_val_accuracy"]


@pytest.mark.parametrize(
    ("params", "metrics", "objective"),
    [
        ({"search.objective": "min:val_loss"}, {"best_val_loss": 1.0, "best_val_f1": 0.5}, "best_val_loss"),
        ({}, {"best_epoch": 3.0, "best_val_loss": 1.0, "best_val_f1": 0.5}, "best_val_f1"),
        ({}, {"best_epoch": 3.0, "best_val_loss": 1.0}, "best_val_loss"),
        ({}, {"best_epoch": 3.0, "loss": 1.0}, ""),
    ],
)
def test_the_objective_is_what_the_search_says_else_the_best_of_what_is_no_loss(
    params: dict[str, str], metrics: dict[str, float], objective: str
) -> None:
    assert mlflow_ui._objective(run("s", {}, params), [run("t", metrics, {})]) == objective


def test_five_searches_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(monkeypatch, capsys, FakeClient([run(f"s{n}", {}, {}) for n in range(7)], TRIALS))

    assert out.count("compare ") == 5


def test_a_search_without_trials_has_links_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "s1 in 'cnn digits': 0 trials\n" in told(monkeypatch, capsys, FakeClient([run("s1", {}, {})], []))


def test_who_may_only_read_gets_a_sorted_table_in_place_of_a_view(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(monkeypatch, capsys, FakeClient([run("s1", {}, {})], TRIALS, is_read_only=True))

    assert "viewStateShareKey" not in out
    assert "orderByKey=metrics.%60health%2Fscore%60&orderByAsc=true" in out


def test_names_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(monkeypatch, capsys, FakeClient([run("s\x1b[2J\nevil", {}, {})], []))

    assert "\x1b" not in out
    assert "s\\x1b[2J evil in" in out


def test_an_empty_store_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(monkeypatch, capsys, FakeClient([], [])) == "it has no runs yet\n"


def test_the_newest_comparison_is_opened_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    @contextmanager
    def connected(uri: str) -> Iterator[tuple[Any, str]]:
        yield FakeClient([run("new", {}, {}), run("old", {}, {})], []), uri

    monkeypatch.setattr(mlflow_ui, "connected", connected)
    mlflow_ui._tell_links("http://h:1", "http://h:1", opens=True)

    assert len(opened) == 1
    assert "id-of-new-compare" in opened[0]


def test_the_command_imports_nothing_heavy() -> None:
    code = "import sys, tuners.ui; print([m for m in ('mlflow', 'numpy', 'diagnose.tracking') if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
