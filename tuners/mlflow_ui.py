"""MLflow's UI on the project's store, and links that open its searches as they are best read.

The server is a process with a group of its own, so that Ctrl-C ends it in order, with all that it has started.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from diagnose import console
from diagnose.readers.mlflow import database, environment, is_server
from diagnose.tracking import views
from diagnose.tracking.health import VERDICT
from diagnose.tracking.record import KIND
from diagnose.tracking.store import artifacts_of, connected, file_of, shown_uri, store_of, store_uri

#: Where MLflow listens when nobody says otherwise, and how many ports are tried from there.
_PORT, _TRIED_PORTS = 5000, 20
#: The server is there after some fifteen seconds; on a busy machine after a minute.
_START_SECONDS, _END_SECONDS, _PAUSE = 180.0, 10.0, 0.2
#: One process and half a gigabyte in place of eleven and one (MLflow runs jobs for language models); nothing is told to
#: MLflow's makers; an old store of files may be looked at.
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "PYTHONWARNINGS": "ignore",
}
_WILDCARDS = ("0.0.0.0", "::")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MOST_SEARCHES, _MOST_EXPERIMENTS, _MOST_TRIALS = 5, 5, 500
_VERDICTS = ("healthy", "info", "warning", "critical", "unknown")
#: Metrics that are no score, and those that every training has, whatever it is judged by.
_NO_SCORES, _LOSSES = ("best_epoch", "best_trial"), ("best_loss", "best_val_loss")
_LOG_LINE = re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?(INFO|WARNING|ERROR|CRITICAL)?:?\s*")


def show(store: str | None, host: str, port: int | None, *, opens: bool = False) -> None:
    """Show a store in MLflow's UI until Ctrl-C, and print links to its searches.

    Parameters
    ----------
    store
        URI or file of the store; None: that of the working directory. Where it is a server, only its links are printed.
    host, port
        Where to listen; no port: the first from 5000 on that is free.
    opens
        Whether the newest search is opened in a browser.

    Raises
    ------
    ClickException
        There is no store, the port is taken, or MLflow does not start.
    TrackingError
        The store does not answer.
    """
    uri = meant_store(store)
    if is_server(uri):
        shown = shown_uri(uri)
        _tell_links(uri, shown, heading=f"MLflow is at {shown}", opens=opens)
        return
    require_store(uri)
    _show(uri, host, free_port(host, port), opens=opens)


def _show(uri: str, host: str, port: int, *, opens: bool) -> None:
    """Run a server and tell where it is, until Ctrl-C."""
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with served(uri, host, port) as server:
            address = f"http://{_in_url(_reached(host))}:{port}"
            console.write_out(f"MLflow shows {shown_uri(uri)} at {address} (Ctrl-C ends it)")
            if host not in _LOOPBACK:
                console.complain(
                    "whoever reaches this machine can read and change the store without a password", "tune"
                )
            _tell_links(address, address, opens=opens)
            server.process.wait()
            raise click.ClickException(server.failure())
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupt(*_arguments: Any) -> None:
    raise KeyboardInterrupt


# --- The store --------------------------------------------------------------------------------------------------------


def meant_store(given: str | None) -> str:
    """Return the URI of the store that is meant; without one, ours, else MLflow's own default."""
    if given:
        return store_of(given)
    uri, other = store_uri(Path.cwd()), Path("mlflow.db")
    path = file_of(uri)
    if path is None or not other.is_file() or path == other.resolve():
        return uri
    if not path.exists():
        return store_of(str(other))
    console.complain("there is another store here, MLflow's own default: tune ui --store mlflow.db", "tune")
    return uri


def require_store(uri: str) -> None:
    """See that there is something to show: MLflow would make an empty store.

    Raises
    ------
    ClickException
        There is no store.
    """
    path = file_of(uri)
    if path is not None:
        if not path.is_file() or not path.stat().st_size:
            raise click.ClickException(
                f"{path}: there is no MLflow store yet; train or search here first (tune train, tune search), or name "
                "one with --store"
            )
        if not database.is_of_mlflow(path):
            raise click.ClickException(f"{path} is no store of MLflow's; name another one with --store")


# --- The server -------------------------------------------------------------------------------------------------------


class _Server:
    """A server that has been started, and the file that it writes what it says to."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, uri: str) -> None:
        self.process, self._log, self._uri = process, log, uri

    def failure(self) -> str:
        """Return why it has ended, in a line."""
        said = self._log.read_text(encoding="utf-8", errors="replace")
        shown = shown_uri(self._uri)
        if "out-of-date database schema" in said or "Can't locate revision" in said:
            self._log.unlink()  # it has no more to say
            return (
                f"{shown} is the store of another version of MLflow: make a copy of it, then run: "
                f"mlflow db upgrade {shown} (where it is newer than the MLflow here: pip install --upgrade mlflow)"
            )
        lines = [_LOG_LINE.sub("", line).strip() for line in said.splitlines() if line.strip()]
        last = lines[-1] if lines else "it said nothing"
        return f"MLflow has ended (exit code {self.process.poll()}): {last}; all that it said is in {self._log}"

    def end(self) -> None:
        """End it and all that it has started, and wait for that."""
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, number)
                else:
                    self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_SECONDS)


@contextmanager
def served(uri: str, host: str, port: int) -> Iterator[_Server]:
    """Yield a server that answers; it ends with the block. What it says is kept where it fails.

    Raises
    ------
    ClickException
        It does not start.
    """
    descriptor, name = tempfile.mkstemp(prefix="mlflow-ui-", suffix=".log")
    log = Path(name)
    settings = {**_ENVIRONMENT, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
    with os.fdopen(descriptor, "wb") as stream:
        process = subprocess.Popen(
            _command(uri, host, port),
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = _Server(process, log, uri)
    try:
        _wait(server, f"http://{_in_url(_reached(host))}:{port}/health")
        yield server
    except BaseException as error:
        server.end()
        if not isinstance(error, click.ClickException):
            log.unlink(missing_ok=True)
        raise
    server.end()
    log.unlink(missing_ok=True)


def _command(uri: str, host: str, port: int) -> list[str]:
    """Return how the server is started. The store's URI, which may have a password, is not in it."""
    artifacts = artifacts_of(uri)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", host, "--port", str(port)]
    command += ["--artifacts-destination", artifacts] if artifacts else []
    if host in _LOOPBACK:
        return command
    # MLflow answers whom it knows by name only, and lets only its own pages change anything.
    names = _own_names() if host in _WILDCARDS else (host,)
    hosts = [spelled for name in (*_LOOPBACK, *names) for spelled in (_in_url(name), f"{_in_url(name)}:{port}")]
    origins = [f"http://{_in_url(name)}:{port}" for name in names]
    return [*command, "--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins)]


def _own_names() -> tuple[str, ...]:
    """Return the names and addresses that this machine knows itself by."""
    name = socket.gethostname()
    names = {name, socket.getfqdn()}
    with contextlib.suppress(OSError):
        names |= {str(address[0]).partition("%")[0] for *_, address in socket.getaddrinfo(name, None)}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: asks which of its addresses others see
        names.add(probe.getsockname()[0])
    return tuple(sorted(names))


def _reached(host: str) -> str:
    """Return where this machine reaches what listens there."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def free_port(host: str, given: int | None) -> int:
    """Return the port that is asked for, else the first from 5000 on that is free.

    Raises
    ------
    ClickException
        It is taken, or nobody can listen at the host.
    """
    for port in [given] if given else range(_PORT, _PORT + _TRIED_PORTS):
        try:
            if not _is_taken(host, port):
                return port
        except OSError as error:
            raise click.ClickException(f"cannot listen at {host}: {error.strerror or error}") from None
    if given:
        raise click.ClickException(f"port {given} of {host} is taken by another program; name another with --port")
    raise click.ClickException(
        f"the ports {_PORT} to {_PORT + _TRIED_PORTS - 1} of {host} are taken by other programs; name a free one with "
        "--port"
    )


def _is_taken(host: str, port: int) -> bool:
    import errno

    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as tried:
        if os.name == "posix":  # what waits to be over after a server has ended is no obstacle
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(address)
            tried.listen()
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False


def _wait(server: _Server, url: str) -> None:
    """Return when the server answers, and say meanwhile what is waited for."""
    from rich.console import Console

    shown = Console(stderr=True)
    begun = time.monotonic()
    # Whatever proxy the machine has is not for its own servers.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with shown.status("starting MLflow ...") as status:
        while server.process.poll() is None:
            with contextlib.suppress(OSError), opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
            seconds = time.monotonic() - begun
            if seconds > _START_SECONDS:
                server.end()
                break
            status.update(f"starting MLflow ... {seconds:.0f} s")
            time.sleep(_PAUSE)
    raise click.ClickException(server.failure())


# --- The links --------------------------------------------------------------------------------------------------------


def _tell_links(uri: str, address: str, *, opens: bool, heading: str = "") -> None:
    """Print the links of the newest searches and of experiments, under a heading where there is one."""
    direct = {"NO_PROXY": "127.0.0.1,localhost,::1"}
    with environment({**direct, "no_proxy": direct["NO_PROXY"]}), connected(uri) as (client, _):
        if heading:
            console.write_out(heading)
        experiments = {
            str(experiment.experiment_id): str(experiment.name)
            for experiment in client.search_experiments(max_results=1000, order_by=["last_update_time DESC"])
        }
        searches = client.search_runs(
            list(experiments),
            f"tags.`{KIND}` = 'search'",
            max_results=_MOST_SEARCHES,
            order_by=["attributes.start_time DESC"],
        )
        first = ""
        for search in searches:
            blocks = links_of(client, address, search, experiments[search.info.experiment_id])
            first = first or blocks["compare"]
            _tell(blocks)
        for experiment in _with_runs(client, experiments, [run.info.experiment_id for run in searches]):
            url = _stored(client, address, experiment, views.health_view())
            first = first or url
            _tell({"": f"all runs of {experiments[experiment]!r}", "by health": url})
        if not first:
            console.write_out("it has no runs yet")
    if opens and first:
        import webbrowser

        webbrowser.open(first)


def _tell(block: Mapping[str, str]) -> None:
    width = max(map(len, block))
    lines = [f"  {name:<{width}}  {text}" if name else console.one_line(text) for name, text in block.items()]
    console.write_out("\n".join(("", *lines)))


def links_of(client: Any, address: str, search: Any, experiment: str) -> dict[str, str]:
    """Return what is told of a search: its name and its links."""
    run_id, experiment_id = search.info.run_id, search.info.experiment_id
    trials = client.search_runs([experiment_id], views.trials_of(run_id), max_results=_MOST_TRIALS)
    name = search.info.run_name or run_id
    table, comparison = views.search_views(
        run_id,
        name,
        _objective(search, trials),
        views.varying(trial.data.params for trial in trials),
        views.found_faults(trial.data.metrics for trial in trials),
    )
    verdicts = Counter(trial.data.tags.get(VERDICT, "unknown") for trial in trials)
    told = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in _VERDICTS if verdicts[verdict])
    count = f"{len(trials)}{' or more' * (len(trials) == _MOST_TRIALS)} trials"
    block = {
        "": f"{name} in {experiment!r}: {count}" + (f" ({told})" if told else ""),
        "compare": _stored(client, address, experiment_id, comparison),
        "by health": _stored(client, address, experiment_id, table),
    }
    if any(file.path == "overview.html" for file in client.list_artifacts(run_id)):
        block["overview"] = views.run_url(address, experiment_id, run_id, "overview.html")
    return block


def _objective(search: Any, trials: list[Any]) -> str:
    """Return the metric with a trial's score; empty where there is none."""
    asked = str(search.data.params.get("search.objective", "")).rpartition(":")[2]
    names = [name for run in (search, *trials) for name in sorted(run.data.metrics)]
    if asked and f"best_{asked}" in names:
        return f"best_{asked}"
    bests = [name for name in names if name.startswith("best_") and name not in _NO_SCORES]
    return next((name for name in bests if name not in _LOSSES), next(iter(bests), ""))


def _with_runs(client: Any, experiments: Mapping[str, str], first: list[str]) -> list[str]:
    """Return the experiments that have runs, those of searches first."""
    found: list[str] = []
    for experiment in dict.fromkeys((*first, *experiments)):
        if len(found) == _MOST_EXPERIMENTS:
            break
        if client.search_runs([experiment], max_results=1):
            found.append(experiment)
    return found


def _stored(client: Any, address: str, experiment: str, view: views.View) -> str:
    """Return the link to a view; where it cannot be kept (who may only read), to the runs in its order."""
    from mlflow.exceptions import MlflowException

    is_drawn = bool(view.charts)
    try:
        key = views.store_view(client, experiment, view, int(time.time() * 1000))
    except MlflowException:
        return views.runs_url(
            address, experiment, charts=is_drawn, order=view.order, ascending=view.ascending, where=view.where
        )
    return views.runs_url(address, experiment, key=key, charts=is_drawn)
