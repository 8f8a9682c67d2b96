"""Tracking servers, a database, and a network that fails, for tests: all on the loopback, all gone afterwards.

`tracking_server` is MLflow's own, in a process; it takes some fifteen seconds to start, so share it among tests.
`postgres` is a private cluster of PostgreSQL. `Faulty` is a small server that can fail in every way there is, alone or
in front of a real one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import pytest

_START_SECONDS = 120.0
_END_SECONDS = 20.0
_SHOWN = 3000


def free_port() -> int:
    """Return a port of the loopback that nobody listens on at this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- MLflow -----------------------------------------------------------------------------------------------------------


class TrackingServer:
    """`mlflow server` in a process: what it keeps stays in its folder, so that it can be stopped and started again.

    Parameters
    ----------
    folder
        Where its log, its artifacts and, unless there is another backend, its database lie.
    backend
        URI of its database; None: a file of the folder.
    auth
        Name and password of its administrator (at least 12 characters); None: it asks nobody who they are.
    port
        None: a free one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        backend: str | None = None,
        auth: tuple[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self._auth = folder.resolve(), port or free_port(), auth
        self._backend = backend or f"sqlite:///{self.folder}/mlflow.db"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it answers."""
        assert self._process is None, "it is running"
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--backend-store-uri", self._backend),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        if self._auth is not None:
            command += ["--app-name", "basic-auth"]
            settings |= self._authentication(*self._auth)
        # What the tests set for clients is not for the server.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self._process = _started(command, self.folder / "server.log", cwd=self.folder, env={**kept, **settings})
        _wait(self._process, self.folder / "server.log", lambda: answers(f"{self.uri}/health"))

    def stop(self) -> None:
        """End it at once, as a machine that is lost does."""
        if self._process is not None:
            _kill(self._process)
            self._process = None

    def _authentication(self, name: str, password: str) -> dict[str, str]:
        config = self.folder / "auth.ini"
        config.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # to check a password takes a good part of a second
        )
        secret = self.folder / "secret"
        if not secret.exists():
            secret.write_text(secrets.token_hex())
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_USERNAME": name,
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secret.read_text(),
        }


@contextmanager
def tracking_server(
    folder: Path, *, backend: str | None = None, auth: tuple[str, str] | None = None, port: int | None = None
) -> Iterator[str]:
    """Yield the URI of an MLflow server, as of `TrackingServer`, that runs meanwhile."""
    server = TrackingServer(folder, backend=backend, auth=auth, port=port)
    try:
        server.start()
        yield server.uri
    finally:
        server.stop()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, of the newest version there is; None where it is not installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Yield the URI (``postgresql://...``) of an empty database of a cluster of its own, which ends with the block.

    Its log is ``postgres.log`` of the folder. Its files lie elsewhere, for it does not run as root, and the tests'
    folders are root's alone. Where PostgreSQL is not installed the test is skipped; in CI it fails.
    """
    programs = postgres_programs()
    if programs is None:
        missing = "PostgreSQL is not installed (Debian and Ubuntu: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    folder.mkdir(parents=True, exist_ok=True)
    # Sockets have names of at most 107 bytes: a short folder.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    runner = _runner(home)
    password, port, log = secrets.token_hex(16), free_port(), folder / "postgres.log"
    secret = home / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if "user" in runner:
        os.chown(secret, runner["user"], runner["group"])
    process = None
    try:
        access = ("-U", "kerasdx", "--auth=scram-sha-256", "--pwfile", str(secret))
        initdb = [str(programs / "initdb"), "-D", str(home / "data"), *access]
        made = subprocess.run([*initdb, "-E", "UTF8", "--no-locale"], capture_output=True, text=True, **runner)
        assert made.returncode == 0, made.stderr
        at = ("-k", str(home), "-h", "127.0.0.1", "-p", str(port))
        serve = [str(programs / "postgres"), "-D", str(home / "data"), *at]
        process = _started(serve, log, **runner)
        ready = [str(programs / "pg_isready"), "-q", *at[2:]]
        _wait(process, log, lambda: subprocess.run(ready).returncode == 0)
        yield f"postgresql://kerasdx:{password}@127.0.0.1:{port}/postgres"
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # at once, and its shared memory is given back
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            _kill(process)
        shutil.rmtree(home, ignore_errors=True)


def _runner(home: Path) -> dict[str, Any]:
    """Return who the cluster runs as: this user, but root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    os.chown(home, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": home}


# --- A network that fails ---------------------------------------------------------------------------------------------

#: What `Faulty` does with a request.
#:
#: - pass: hand it on and answer as the target does; without a target an empty JSON object
#: - refuse: nobody listens
#: - hang: take the connection and the request, and never answer
#: - slow: as pass, after some seconds
#: - error: answer a status, with an error of MLflow's form
#: - html: answer 200 with a page, as a proxy or a login form does
#: - lose: take the request, hand nothing on, close the connection
#: - drop: as pass, but the connection is closed in the middle of the answer: what was asked has been done
#: - swallow: as drop, but before the answer begins; clients that try again by themselves do so here
Behaviour = Literal["pass", "refuse", "hang", "slow", "error", "html", "lose", "drop", "swallow"]

_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
}
_OF_ONE_CONNECTION = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"}
)
_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"


@dataclass(frozen=True)
class _Fault:
    behaviour: Behaviour = "pass"
    seconds: float = 0.0
    status: int = 500
    only: str = ""


class Faulty:
    """A server that fails as it is told to, also in the middle of what is asked of it.

    Use it in a ``with`` block. It passes requests on until `behave` says otherwise.

    Parameters
    ----------
    target
        URI of the server behind it; None: there is none.

    Attributes
    ----------
    counts
        How often each endpoint (``"POST /api/2.0/mlflow/runs/log-batch"``) was asked for, whatever came of it.
    """

    def __init__(self, target: str | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._target = urlsplit(target) if target else None
        self._lock = threading.Lock()
        self._fault, self._left = _Fault(), 0
        self._changed = threading.Event()
        self._port = 0
        self._server: _Listener | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._changed.set()
        self._close()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def behave(
        self,
        behaviour: Behaviour,
        *,
        seconds: float = 1.0,
        status: int = 500,
        only: str = "",
        times: int | None = None,
    ) -> None:
        """Do so from now on; whoever hangs from before is let go, without an answer.

        Parameters
        ----------
        behaviour
            As of `Behaviour`.
        seconds
            Of ``slow``.
        status
            Of ``error``.
        only
            For requests whose method and path have this in them (``"log-batch"``); others are passed on.
        times
            So many requests, then all are passed on; None: until it is told otherwise.
        """
        with self._lock:
            self._fault = _Fault(behaviour, seconds, status, only)
            self._left = -1 if times is None else times
            self._changed.set()
            self._changed = threading.Event()
        if behaviour == "refuse":
            assert (only, times) == ("", None), "a closed port does not know what is asked of it"
            self._close()
        elif self._server is None:
            self._listen()

    def asked(self, endpoint: str = "") -> int:
        """Return how many requests had this in their method and path."""
        return sum(count for name, count in self.counts.items() if endpoint in name)

    def _listen(self) -> None:
        server = _Listener(("127.0.0.1", self._port), _Handler)
        server.faulty = self
        self._port = int(server.server_address[1])
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def _next(self, endpoint: str) -> tuple[_Fault, threading.Event]:
        """Count a request, and return what is to be done with it, and what is set when that changes."""
        with self._lock:
            self.counts[endpoint] += 1
            if self._fault.only not in endpoint or self._left == 0:
                return _Fault(), self._changed
            self._left -= self._left > 0
            return self._fault, self._changed

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the target's answer."""
        if self._target is None:
            return 200, {"Content-Type": "application/json"}, b"{}"
        passed = {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        connection = http.client.HTTPConnection(self._target.netloc, timeout=60)
        try:
            connection.request(method, path, body, passed)
            answer = connection.getresponse()
            back = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
            return answer.status, back, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 502, {"Content-Type": "text/plain"}, f"no answer from the server: {error}".encode()
        finally:
            connection.close()


class _Listener(ThreadingHTTPServer):
    """Knows its connections, so that they can be closed at once."""

    faulty: Faulty
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._guard:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, *arguments: Any) -> None:
        pass

    def handle_request(self) -> None:
        faulty, body = self.server.faulty, self._body()
        fault, changed = faulty._next(f"{self.command} {urlsplit(self.path).path}")
        if fault.behaviour == "hang":
            changed.wait()
        if fault.behaviour in ("hang", "lose", "refuse"):
            self.close_connection = True
            return
        if fault.behaviour == "slow":
            changed.wait(fault.seconds)
        if fault.behaviour == "html":
            self._answer(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE)
        elif fault.behaviour == "error":
            code = _CODES.get(fault.status, "INTERNAL_ERROR")
            said = f'{{"error_code": "{code}", "message": "status {fault.status} as the test wants it"}}'
            self._answer(fault.status, {"Content-Type": "application/json"}, said.encode())
        else:
            status, headers, content = faulty._ask(self.command, self.path, dict(self.headers), body)
            if fault.behaviour == "swallow":
                self.close_connection = True
                return
            self._answer(status, headers, content, is_cut=fault.behaviour == "drop")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_request  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes, *, is_cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        # An empty answer could not be cut.
        self.send_header("Content-Length", str(len(content) + is_cut))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.close_connection = True


# --- Processes --------------------------------------------------------------------------------------------------------


@contextmanager
def running(command: list[str], log: Path, is_ready: Callable[[], bool], **more: Any) -> Iterator[int]:
    """Yield the id of a process that is ready; it ends with the block, and all that it has started too.

    Parameters
    ----------
    command, more
        As of `subprocess.Popen`.
    log
        File that gets what it says.
    is_ready
        Asked until it is, or the process has ended, or two minutes are over.
    """
    process = _started(command, log, **more)
    try:
        _wait(process, log, is_ready)
        yield process.pid
    finally:
        _kill(process)


def _started(command: list[str], log: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start a process, the first of a group of its own, that writes what it says to a file."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, **more
        )


def _wait(process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-_SHOWN:]
            raise AssertionError(f"{process.args!r} did not start (exit code {process.returncode}):\n{said}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether something at a URL says that all is well."""
    # Whatever proxy the machine has is not for the loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
