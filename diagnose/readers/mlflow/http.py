"""Requests to a tracking server: one connection, a bound on time and size, and one line for whatever goes wrong."""

from __future__ import annotations

import base64
import configparser
import http.client
import json
import os
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from diagnose.readers.base import ReadError
from diagnose.readers.mlflow.record import hidden, without_password

#: Seconds without a byte after which a server is given up, and seconds for a whole answer.
_WAIT_SECONDS = 20.0
_ANSWER_SECONDS = 120.0
_MOST_BYTES = 256 * 1024 * 1024
_CHUNK = 64 * 1024
#: What a busy server, or one that starts anew, says, and the pauses after which it is asked again.
_BUSY = frozenset({429, 502, 503, 504})
_PAUSES = (0.5, 1.0, 2.0)
#: Where MLflow's login is kept.
_CREDENTIALS = "~/.mlflow/credentials"

Query = Mapping[str, str] | Sequence[tuple[str, str]]


class UnansweredError(ReadError):
    """A request was not answered as a tracking server does.

    Parameters
    ----------
    status
        Of HTTP; 0 where there was no answer.
    code
        MLflow's own code for the error; empty where it was not MLflow that answered.
    """

    def __init__(self, what: str, mend: str = "", *, status: int = 0, code: str = "") -> None:
        super().__init__(what, mend)
        self.status = status
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether MLflow says that there is no such thing."""
        return self.code == "RESOURCE_DOES_NOT_EXIST"

    @property
    def is_lost(self) -> bool:
        """Whether the server did not answer at all."""
        return self.status == 0


@dataclass(frozen=True)
class Answer:
    """What a server answered, with a status that is none of an error."""

    server: Server
    content: bytes

    def json(self) -> dict[str, Any]:
        """Return the object in it.

        Raises
        ------
        UnansweredError
            It is none.
        """
        try:
            content = json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise self.server.strange(self.content) from error
        if not isinstance(content, dict):
            raise self.server.strange(self.content)
        return content


class Server:
    """A tracking server.

    Parameters
    ----------
    uri
        Its address, which may have a name and a password in it.

    Raises
    ------
    ReadError
        It is no address.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.shown = without_password(uri)
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host:
            raise ReadError(f"cannot be looked up: {self.shown} is no address", "mend MLFLOW_TRACKING_URI")
        self._parts, self._host = parts, host
        self._port = port or (443 if parts.scheme == "https" else 80)
        self._base = quote(parts.path.rstrip("/"), safe="/%")
        self._login = _login(parts)
        self._headers = {"Accept": "application/json", "User-Agent": "kerasdx", **_authorization(self._login)}
        if os.environ.get("MLFLOW_WORKSPACE"):
            self._headers["X-MLFLOW-WORKSPACE"] = os.environ["MLFLOW_WORKSPACE"]
        self._wait = _wait_seconds()
        self._connection: http.client.HTTPConnection | None = None
        self._prefix = ""

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, query: Query, *, most: int = _MOST_BYTES) -> Answer:
        """Return what is at a path; at most so many bytes.

        Raises
        ------
        UnansweredError
            There is no answer, or an error.
        """
        return self._ask(
            "GET", f"{path}?{urlencode([*(query.items() if isinstance(query, Mapping) else query)])}", most
        )

    def post(self, path: str, content: Mapping[str, Any]) -> Answer:
        """Return the answer to a search; nothing is changed by one.

        Raises
        ------
        UnansweredError
            There is no answer, or an error.
        """
        return self._ask("POST", path, _MOST_BYTES, json.dumps(content).encode())

    def strange(self, content: bytes = b"") -> UnansweredError:
        """Return the error for an answer that is not MLflow's."""
        kind = "a web page" if content.lstrip()[:1] == b"<" else "something else"
        return UnansweredError(
            f"cannot be read: {self.shown} answers with {kind}, not as an MLflow tracking server",
            "does it want a login, or is MLFLOW_TRACKING_URI another address?",
            status=200,
        )

    def _ask(self, method: str, target: str, most: int, body: bytes | None = None) -> Answer:
        for pause in (*_PAUSES, None):
            try:
                status, location, content = self._request(method, self._base + target, most, body)
            except http.client.HTTPException as error:
                # The connection was closed while it was idle, or the server was started anew.
                self.close()
                if pause is None:
                    raise self._lost("closes the connection before it has answered") from error
            except UnicodeError as error:
                raise self._lost("has a name that cannot be one") from error
            except OSError as error:
                self.close()
                if pause is None or not isinstance(error, ConnectionResetError | BrokenPipeError):
                    raise self._unreachable(error) from error
            else:
                if status not in _BUSY or pause is None:
                    return self._judged(status, location, content)
            time.sleep(pause)
        raise AssertionError("the last pause ends it")

    def _request(self, method: str, target: str, most: int, body: bytes | None) -> tuple[int, str, bytes]:
        """Return status, where it points to, and content."""
        if self._connection is None:
            self._connection, self._prefix = self._connect()
        headers = {**self._headers, **({"Content-Type": "application/json"} if body is not None else {})}
        self._connection.request(method, self._prefix + target, body, headers)
        answer = self._connection.getresponse()
        deadline = time.monotonic() + max(_ANSWER_SECONDS, self._wait)
        content = bytearray()
        while chunk := answer.read(_CHUNK):
            content += chunk
            if len(content) > most:
                self.close()  # what is left of the answer is not read
                return answer.status, "", bytes(content)
            if time.monotonic() > deadline:
                raise TimeoutError
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return answer.status, answer.headers.get("Location", ""), bytes(content)

    def _connect(self) -> tuple[http.client.HTTPConnection, str]:
        """Return a connection, and what goes before each path on it."""
        scheme = self._parts.scheme.lower()
        proxy = urllib.request.getproxies().get(scheme)
        here = self._host == "localhost" or self._host.startswith("127.") or self._host == "::1"
        if not proxy or here or urllib.request.proxy_bypass(f"{self._host}:{self._port}"):
            if scheme == "https":
                return http.client.HTTPSConnection(self._host, self._port, timeout=self._wait, context=_tls()), ""
            return http.client.HTTPConnection(self._host, self._port, timeout=self._wait), ""
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        login = _authorization((unquote(through.username or ""), unquote(through.password or ""), ""))
        permit = {f"Proxy-{name}": value for name, value in login.items()}
        at = through.hostname or "", through.port or 80
        if scheme == "https":
            tunnel = http.client.HTTPSConnection(*at, timeout=self._wait, context=_tls())
            tunnel.set_tunnel(self._host, self._port, permit)
            return tunnel, ""
        self._headers |= permit
        return http.client.HTTPConnection(*at, timeout=self._wait), f"http://{self._host}:{self._port}"

    def _judged(self, status: int, location: str, content: bytes) -> Answer:
        """Return the answer; raise where it is an error."""
        if 200 <= status < 300:
            return Answer(self, content)
        shown, name = self.shown, self._login[0]
        if 300 <= status < 400:
            raise UnansweredError(
                f"cannot be read: {shown} sends on to {hidden(location, self._uri)}",
                "write that address into MLFLOW_TRACKING_URI, if it is no login",
                status=status,
            )
        if status == 401:
            asks = "refuses the token" if self._login[2] else "asks for a name and a password"
            what = f"refuses the password of {name!r}" if name else asks
            raise UnansweredError(
                f"cannot be read: {shown} {what}",
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
                status=status,
            )
        code, said = _error_in(content)
        if status == 403:
            who = f"{name!r} is not allowed" if name else "it is not allowed"
            raise UnansweredError(
                f"cannot be read: {who} to read this at {shown}", "ask who runs it", status=status, code=code
            )
        if status == 404 and not code:
            raise UnansweredError(
                f"cannot be read: there is no MLflow tracking server at {shown}",
                "mend MLFLOW_TRACKING_URI: it is the address without /api and #",
                status=status,
            )
        said = hidden(said, self._uri)
        raise UnansweredError(
            f"cannot be read from MLflow at {shown}: it answers {status}{said and f': {said}'}",
            "" if status < 500 else "look into the log of the server",
            status=status,
            code=code,
        )

    def _lost(self, what: str, mend: str = "is MLFLOW_TRACKING_URI right, and does the server run?") -> UnansweredError:
        return UnansweredError(f"cannot be read from MLflow at {self.shown}: it {what}", mend)

    def _unreachable(self, error: OSError) -> UnansweredError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._lost(
                f"has a certificate that is not trusted: {error.verify_message}",
                "name the one that signed it with MLFLOW_TRACKING_SERVER_CERT_PATH",
            )
        if isinstance(error, TimeoutError):
            return self._lost(f"does not answer within {self._wait:g} seconds")
        if isinstance(error, ConnectionRefusedError):
            return self._lost("refuses the connection")
        if isinstance(error, socket.gaierror):
            return self._lost("has a name that is not known")
        return self._lost(f"cannot be reached: {hidden(error.strerror or str(error), self._uri).lower()}")


def _wait_seconds() -> float:
    try:
        return max(1.0, float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    except (KeyError, ValueError):
        return _WAIT_SECONDS


def _login(parts: SplitResult) -> tuple[str, str, str]:
    """Return name, password and token: those of the environment go before MLflow's file and the address."""
    kept = configparser.ConfigParser(interpolation=None)
    with suppress(OSError, UnicodeDecodeError, configparser.Error, RuntimeError):
        kept.read(Path(_CREDENTIALS).expanduser(), encoding="utf-8")

    def told(name: str) -> str:
        return os.environ.get(name) or str(kept.get("mlflow", name.lower(), fallback=""))

    name, password = told("MLFLOW_TRACKING_USERNAME"), told("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "").strip()
    if not (name and password) and not token:
        name, password = unquote(parts.username or ""), unquote(parts.password or "")
    return name, password, token


def _authorization(login: tuple[str, str, str]) -> dict[str, str]:
    name, password, token = login
    if name and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls() -> ssl.SSLContext:
    """Return how certificates are looked at, by MLflow's switches."""
    context = ssl.create_default_context()
    with suppress(ImportError):  # where the system has no certificates
        import certifi

        context.load_verify_locations(certifi.where())
    trusted = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or os.environ.get("REQUESTS_CA_BUNDLE")
    own = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    try:
        if trusted:
            folder = os.path.isdir(trusted)
            context.load_verify_locations(None if folder else trusted, trusted if folder else None)
        if own:
            context.load_cert_chain(own)
    except (OSError, ssl.SSLError) as error:
        raise ReadError(f"cannot be looked up: a certificate cannot be read: {error}") from error
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _error_in(content: bytes) -> tuple[str, str]:
    """Return MLflow's code and message; empty where the answer is not MLflow's."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(said, dict) or "error_code" not in said:
        return "", ""
    return str(said["error_code"]), str(said.get("message", ""))
