"""The server that fails as tests want it to: each way of failing is what a client sees of a real one."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.servers import Faulty

ASK = "POST /api/2.0/mlflow/runs/log-batch"


@pytest.fixture
def behind() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture
def server(behind: Faulty) -> Iterator[Faulty]:
    with Faulty(behind.uri) as server:
        yield server


def ask(server: Faulty, seconds: float = 5.0) -> str:
    request = urllib.request.Request(f"{server.uri}/api/2.0/mlflow/runs/log-batch?x=1", b'{"metrics": []}')
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=seconds) as answer:
        return str(answer.read().decode())


def test_it_passes_on_and_counts(server: Faulty, behind: Faulty) -> None:
    assert ask(server) == "{}"
    assert server.counts == behind.counts == {ASK: 1}
    assert (server.asked("log-batch"), server.asked("search")) == (1, 0)


def test_nobody_listens(server: Faulty, behind: Faulty) -> None:
    server.behave("refuse")
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(server)
    server.behave("pass")
    assert ask(server) == "{}"
    assert behind.asked() == 1


def test_it_never_answers(server: Faulty, behind: Faulty) -> None:
    server.behave("hang")
    with pytest.raises(TimeoutError):
        ask(server, seconds=0.2)
    assert (server.asked(), behind.asked()) == (1, 0)


def test_it_is_slow(server: Faulty) -> None:
    server.behave("slow", seconds=0.3)
    start = time.monotonic()
    assert ask(server) == "{}"
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize(("status", "code"), [(401, "UNAUTHENTICATED"), (500, "INTERNAL_ERROR")])
def test_it_answers_an_error_of_mlflow_s_form(server: Faulty, status: int, code: str) -> None:
    server.behave("error", status=status)
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(server)
    assert (caught.value.code, json.load(caught.value)["error_code"]) == (status, code)


def test_it_answers_a_page(server: Faulty) -> None:
    server.behave("html")
    assert ask(server).startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("behaviour", "error", "reached"),
    [
        ("lose", http.client.RemoteDisconnected, 0),
        ("swallow", http.client.RemoteDisconnected, 1),
        ("drop", http.client.IncompleteRead, 1),
    ],
)
def test_the_connection_breaks(
    server: Faulty, behind: Faulty, behaviour: str, error: type[Exception], reached: int
) -> None:
    server.behave(behaviour)  # type: ignore[arg-type]
    with pytest.raises(error):
        ask(server)
    assert behind.asked("log-batch") == reached


def test_it_fails_for_some_requests_only(server: Faulty) -> None:
    server.behave("html", only="search")
    assert ask(server) == "{}"
    server.behave("html", only="log-batch", times=1)
    assert [ask(server).startswith("<"), ask(server).startswith("<")] == [True, False]
