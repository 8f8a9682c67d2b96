"""MLflow's tracking servers, read by their REST interface."""

import base64
import json
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from diagnose.readers import ReadError, read
from diagnose.readers.mlflow import database, server
from tests.mlflow_stores import points
from tests.servers import Faulty, postgres, tracking_server

BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
FACTS = {"schema": "kerasdx-run/1", "classes": 10}


class Tracking:
    """What a tracking server of MLflow answers, in a few lines: for what a real one takes too long to start.

    Parameters
    ----------
    lacks
        Paths that it does not have.
    login
        ``name:password`` that it asks for; None: it asks nobody.
    most
        Values in one answer of the bulk endpoint.
    """

    def __init__(self, *, lacks=(), login=None, most=25_000):
        self.experiments = {"0": "Default"}
        self.runs = {}
        self.deleted = set()
        self.lacks, self.login, self.most = set(lacks), login, most
        self.counts = Counter()

    def run(self, metrics, *, id, name="", experiment="0", tags=None, params=None):
        self.runs[id] = (
            name,
            experiment,
            {key: points(curve) for key, curve in metrics.items()},
            tags or {},
            params or {},
        )

    def answer(self, path, query, body):
        """Return status and content."""
        self.counts[path] += 1
        if path in self.lacks:
            return 404, "<html>Not Found</html>"
        handler = {
            "/api/2.0/mlflow/experiments/search": self._experiments,
            "/api/2.0/mlflow/experiments/list": self._experiments,
            "/api/2.0/mlflow/experiments/get": self._experiment,
            "/api/2.0/mlflow/runs/search": self._search,
            "/api/2.0/mlflow/runs/get": self._run,
            BULK: self._bulk,
            "/api/2.0/mlflow/metrics/get-history": self._history,
            "/get-artifact": self._artifact,
        }.get(path)
        return handler(query, body) if handler else (404, "<html>Not Found</html>")

    def _experiments(self, query, body):
        token = 0 if body.get("page_token") == "again" else int(body.get("page_token") or 0)
        found = [self._experiment_of(id) for id in self.experiments]
        more = {"next_page_token": str(token + 1)} if token + 1 < len(found) else {}
        return 200, {"experiments": found[token : token + 1], **more} if "page_token" in body or more else {
            "experiments": found
        }

    def _experiment(self, query, body):
        return 200, {"experiment": self._experiment_of(query["experiment_id"][0])}

    def _experiment_of(self, id):
        stage = "deleted" if id in self.deleted else "active"
        return {"experiment_id": id, "name": self.experiments[id], "lifecycle_stage": stage}

    def _search(self, query, body):
        ids = [id for id, run in self.runs.items() if run[1] in body["experiment_ids"] and id not in self.deleted]
        ids = ids[::-1]  # as it is asked to: newest first
        start = 0 if body.get("page_token") == "again" else int(body.get("page_token") or 0)
        page, rest = ids[start : start + 2], ids[start + 2 :]
        return 200, {"runs": list(map(self._of, page)), **({"next_page_token": str(start + 2)} if rest else {})}

    def _run(self, query, body):
        id = query["run_id"][0]
        return (200, {"run": self._of(id)}) if id in self.runs else self._no(id)

    def _of(self, id):
        name, experiment, metrics, tags, params = self.runs[id]
        stage = "deleted" if id in self.deleted else "active"
        info = {
            "run_id": id,
            "run_name": name,
            "experiment_id": experiment,
            "status": "FINISHED",
            "lifecycle_stage": stage,
        }
        latest = [{"key": key, "value": curve[-1][2], "step": str(int(curve[-1][1]))} for key, curve in metrics.items()]
        pairs = [[{"key": key, "value": value} for key, value in each.items()] for each in (params, tags)]
        return {"info": info, "data": {"metrics": latest, "params": pairs[0], "tags": pairs[1]}}

    def _bulk(self, query, body):
        if any(id not in self.runs for id in query["run_id"]):
            return self._no("one")
        values = [{"run_id": id, **value} for id in query["run_id"] for value in self._values(id, query)]
        return 200, {"metrics": values[: self.most]}

    def _history(self, query, body):
        if query["run_id"][0] not in self.runs:
            return self._no("one")
        values = [{**v, "step": str(v["step"]), "value": v["value"]} for v in self._values(query["run_id"][0], query)]
        return 200, {"metrics": values}

    def _values(self, id, query):
        key = query["metric_key"][0]
        curve = self.runs[id][2].get(key, [])
        return [{"key": key, "timestamp": int(at), "step": int(step), "value": value} for at, step, value in curve]

    def _artifact(self, query, body):
        return 200, FACTS

    def _no(self, id):
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no run {id}"}


@contextmanager
def listening(tracking):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            expected = tracking.login and f"Basic {base64.b64encode(tracking.login.encode()).decode()}"
            if expected and self.headers.get("Authorization") != expected:
                status, content = 401, "You are not authenticated."
            else:
                status, content = tracking.answer(parts.path, parse_qs(parts.query), json.loads(body or b"{}"))
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_address[1]}"
        listener.shutdown()


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    """No settings of the machine, and no waiting between tries."""
    for name in ("USERNAME", "PASSWORD", "TOKEN", "AUTH", "AWS_SIGV4"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("diagnose.readers.mlflow.http._PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def serve(monkeypatch, request):
    """Start a server and name it with MLFLOW_TRACKING_URI."""

    def start(**how):
        tracking = Tracking(**how)
        context = listening(tracking)
        uri = context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        tracking.uri = uri
        return tracking

    return start


class TestReading:
    def test_one_run(self, serve):
        tracking = serve()
        tracking.run({"loss": [1.0, 0.5], "best_loss": [0.5]}, id="abc", params={"optimizer.learning_rate": "0.1"})
        (run,) = read("mlflow:abc")
        assert run.get("loss").values.tolist() == [1.0, 0.5]
        assert run.config["learning_rate"] == 0.1
        place = {"store": tracking.uri, "run_id": "abc", "experiment": "Default", "status": "FINISHED"}
        assert dict(run.config["mlflow"]) == place

    def test_an_experiment_in_pages_by_when_they_began(self, serve):
        tracking = serve()
        tracking.experiments["7"] = "digits"
        for i in range(5):
            tracking.run({"loss": [1.0, i]}, id=f"id{i}", name=f"run {i}", experiment="7")
        tracking.run({"loss": [1.0, 9.0]}, id="other")
        for uri in ("mlflow:experiment/digits", "mlflow:experiment/7"):
            assert [run.get("loss").values[-1] for run in read(uri)] == [0, 1, 2, 3, 4]
        assert len(read("mlflow:")) == 6

    def test_a_metric_is_asked_for_of_all_runs_at_once(self, serve):
        tracking = serve()
        for i in range(20):
            tracking.run({"loss": [1.0, i], "val_loss": [1.0, i], "health/score": [9, 9]}, id=f"id{i}")
        read("mlflow:")
        assert tracking.counts[BULK] == 2
        assert not tracking.counts["/api/2.0/mlflow/metrics/get-history"]

    def test_nan_and_infinity(self, serve):
        tracking = serve()
        tracking.run({"loss": [1.0, float("nan"), 1.7976931348623157e308, -1.7976931348623157e308]}, id="abc")
        assert [str(v) for v in read("mlflow:abc")[0].get("loss").values] == ["1.0", "nan", "inf", "-inf"]

    @pytest.mark.parametrize("most", [1, 3, 7])
    def test_an_answer_that_is_cut_is_asked_for_again_in_parts(self, serve, monkeypatch, most):
        monkeypatch.setattr(server, "_BULK_VALUES", most)
        tracking = serve(most=most)
        for i in range(5):
            tracking.run({"loss": [1.0, 0.5, float(i)]}, id=f"id{i}")
        assert [run.get("loss").values.tolist() for run in read("mlflow:")] == [[1.0, 0.5, i] for i in range(5)]

    def test_a_server_without_the_bulk_endpoint_is_asked_run_by_run(self, serve):
        tracking = serve(lacks=[BULK])
        for i in range(3):
            tracking.run({"loss": [1.0, i]}, id=f"id{i}")
        assert [run.get("loss").values[-1] for run in read("mlflow:")] == [0, 1, 2]

    def test_an_old_server_lists_its_experiments(self, serve):
        tracking = serve(lacks=["/api/2.0/mlflow/experiments/search"])
        tracking.run({"loss": [1.0, 0.5]}, id="abc")
        assert len(read("mlflow:experiment/Default")) == 1

    def test_the_set_up_of_a_run_that_kerasdx_logged(self, serve):
        tracking = serve()
        tracking.run({"loss": [1.0, 0.5]}, id="ours", tags={"kerasdx.version": "1"})
        tracking.run({"loss": [1.0, 0.5]}, id="theirs")
        ours, theirs = read("mlflow:")
        assert (ours.config.get("classes"), theirs.config.get("classes")) == (10, None)
        assert tracking.counts["/get-artifact"] == 1

    def test_a_server_that_has_no_files_has_runs(self, serve):
        tracking = serve(lacks=["/get-artifact"])
        tracking.run({"loss": [1.0, 0.5]}, id="ours", tags={"kerasdx.version": "1"})
        assert len(read("mlflow:ours")) == 1

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            ("mlflow:none", "there is no run none in the MLflow store"),
            ("mlflow:gone", "run gone was deleted .*mlflow runs restore"),
            ("mlflow:experiment/Defaul", "no experiment 'Defaul' .*did you mean 'Default'"),
            ("mlflow:experiment/Default", "no run in the MLflow experiment 'Default' yet"),
        ],
    )
    def test_what_is_not_there(self, serve, uri, message):
        tracking = serve()
        tracking.run({"loss": [1.0, 0.5]}, id="gone")
        tracking.deleted.add("gone")
        with pytest.raises(ReadError, match=message):
            read(uri)


class TestLogin:
    SECRET = "c0rrect horse/@"

    @pytest.fixture
    def guarded(self, serve):
        tracking = serve(login=f"ann:{self.SECRET}")
        tracking.run({"loss": [1.0, 0.5]}, id="abc")
        return tracking

    def test_of_the_environment(self, guarded, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", self.SECRET)
        assert len(read("mlflow:abc")) == 1

    def test_of_the_address_is_never_shown(self, guarded, monkeypatch):
        place = guarded.uri.removeprefix("http://")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:c0rrect%20horse%2F%40@{place}")
        (run,) = read("mlflow:abc")
        assert run.config["mlflow"]["store"] == f"http://ann:***@{place}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:wr0ng@{place}")
        with pytest.raises(ReadError, match="refuses the password of 'ann'") as caught:
            read("mlflow:abc")
        assert "wr0ng" not in str(caught.value)

    def test_of_mlflow_s_file(self, guarded, tmp_path):
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            f"[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = {self.SECRET}\n"
        )
        assert len(read("mlflow:abc")) == 1

    def test_is_asked_for(self, guarded):
        with pytest.raises(ReadError, match="asks for a name and a password; set MLFLOW_TRACKING_USERNAME"):
            read("mlflow:abc")

    def test_by_a_token_is_refused(self, guarded, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
        with pytest.raises(ReadError, match="refuses the token") as caught:
            read("mlflow:abc")
        assert "t0ken" not in str(caught.value)


class TestFaults:
    @pytest.fixture
    def faulty(self, serve, monkeypatch):
        tracking = serve()
        for i in range(3):
            tracking.run({"loss": [1.0, 0.5]}, id=f"id{i}")
        with Faulty(tracking.uri) as faulty:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", faulty.uri)
            yield faulty

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"behaviour": "refuse"}, "refuses the connection; is MLFLOW_TRACKING_URI right"),
            ({"behaviour": "html"}, "answers with a web page, not as an MLflow tracking server"),
            ({"behaviour": "lose"}, "closes the connection before it has answered"),
            ({"behaviour": "drop"}, "closes the connection before it has answered"),
            ({"behaviour": "error", "status": 500}, "answers 500: status 500 as the test wants it"),
            ({"behaviour": "error", "status": 503}, "answers 503"),
            ({"behaviour": "error", "status": 401}, "asks for a name and a password"),
            ({"behaviour": "error", "status": 403}, "not allowed to read this"),
            ({"behaviour": "error", "status": 400}, "answers 400"),
        ],
    )
    @pytest.mark.parametrize("only", ["", "get-history"])
    def test_are_one_line(self, faulty, how, message, only):
        if only:
            if how["behaviour"] in ("refuse", "html") or how.get("status") in (400, 403):
                pytest.skip("of a closed port; or another endpoint is asked then")
            how = {**how, "only": only}
        faulty.behave(**how)
        with pytest.raises(ReadError, match=message) as caught:
            read("mlflow:")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("only", ["", "get-history"])
    def test_a_server_that_never_answers_is_given_up(self, faulty, monkeypatch, only):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        faulty.behave("hang", only=only)
        begun = time.monotonic()
        with pytest.raises(ReadError, match="does not answer within 1 seconds"):
            read("mlflow:")
        assert time.monotonic() - begun < 10

    @pytest.mark.parametrize("behaviour", ["lose", "drop"])
    def test_a_connection_that_is_lost_once_is_made_again(self, faulty, behaviour):
        faulty.behave(behaviour, times=2)
        assert len(read("mlflow:")) == 3

    def test_a_busy_server_is_asked_again(self, faulty):
        faulty.behave("error", status=503, times=2)
        assert len(read("mlflow:")) == 3

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            ("http://", "is no address"),
            ("http://[::1", "is no address"),
            ("http://127.0.0.1:99999", "is no address"),
            (f"http://{'a' * 70}.invalid", "name that cannot be one"),
            ("http://no-such-host.invalid", "name that is not known|cannot be reached"),
        ],
    )
    def test_addresses(self, monkeypatch, uri, message):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ReadError, match=message):
            read("mlflow:abc")

    def test_a_page_that_is_elsewhere(self, serve):
        tracking = serve()
        tracking.answer = lambda *_: (302, "")
        with pytest.raises(ReadError, match="sends on to"):
            read("mlflow:abc")

    def test_pages_that_turn_in_a_circle_end(self, serve):
        tracking = serve()
        tracking.run({"loss": [1.0, 0.5]}, id="abc")
        answer = tracking.answer

        def again(*asked):
            status, content = answer(*asked)
            return status, {**content, "next_page_token": "again"}

        tracking.answer = again
        assert len(read("mlflow:abc")) == 1
        assert read("mlflow:experiment/Default")

    def test_answers_that_no_server_gives(self, serve):
        tracking = serve()
        for content in ("[1]", "null", '{"run": 5}', '{"run": {"info": 7, "data": [1]}}', "[" * 100_000):
            tracking.answer = lambda *_, content=content: (200, content)
            with pytest.raises(ReadError):
                read("mlflow:abc")
            with pytest.raises(ReadError):
                read("mlflow:")


USER = ("admin", "correct-horse-battery")
RUNS = 10


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def real(request, tmp_path_factory):
    """MLflow's own server: its URI, the last run that was logged through it, and its database."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("MLFLOW_TRACKING_USERNAME", USER[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", USER[1])
        backend = stack.enter_context(postgres(folder)) if request.param == "postgresql" else None
        uri = stack.enter_context(tracking_server(folder, backend=backend, auth=None if backend else USER))
        yield uri, logged(uri, folder), backend


def logged(uri, folder):
    """Log some runs as kerasdx does and return the id of the last one."""
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("digits")
    (folder / "run.json").write_text(json.dumps(FACTS))
    for i in range(RUNS):
        run = client.create_run(experiment, run_name=f"run {i}", start_time=1 + i, tags={"kerasdx.version": "1"})
        losses = [Metric("loss", value, 1000 + e, e) for e, value in enumerate([i, 0.5, float("nan"), float("inf")])]
        more = [Metric(name, 1.0, 1000 + e, e) for e in range(4) for name in ("val_loss", "health/score")]
        client.log_batch(run.info.run_id, metrics=losses + more, params=[Param("data.batch_size", "32")])
    client.log_artifact(run.info.run_id, str(folder / "run.json"))
    client.set_terminated(run.info.run_id)
    return run.info.run_id


@pytest.mark.slow
class TestRealServers:
    def test_are_read(self, real, monkeypatch):
        uri, id, backend = real
        monkeypatch.setattr(server, "_PAGE_RUNS", 4)
        for store in filter(None, (uri, backend)):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
            if not backend:
                monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER[0])
                monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", USER[1])
            runs = read("mlflow:experiment/digits")
            assert [run.get("loss").values[0] for run in runs] == list(range(RUNS))
            assert [str(v) for v in runs[0].get("loss").values[1:]] == ["0.5", "nan", "inf"]
            assert len(read("mlflow:")) == RUNS
            (one,) = read(f"mlflow:{id}")
            assert {series.name for series in one.series} == {"loss", "val_loss"}
            assert one.config["batch_size"] == 32
            assert one.config["mlflow"]["status"] == "FINISHED"
            if store == uri:  # of its database alone the files are not known
                assert one.config["classes"] == 10
            with pytest.raises(ReadError, match="there is no run 0000"):
                read("mlflow:0000")

    def test_refuse_a_wrong_password(self, real, monkeypatch):
        uri, id, backend = real
        secret = "wr0ng-passw0rd"
        if backend:
            user, place = backend.removeprefix("postgresql://").split(":", 1)[0], backend.rpartition("@")[2]
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://{user}:{secret}@{place}")
        else:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("://", f"://admin:{secret}@"))
        with pytest.raises(ReadError, match="password") as caught:
            read(f"mlflow:{id}")
        assert secret not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_keep_what_is_read_as_it_is(self, real, monkeypatch):
        """Whoever reads a database writes nothing, whatever is asked."""
        _uri, _id, backend = real
        if not backend:
            pytest.skip("there is no database but the server's own")
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        with (
            database._connected(database._engine(backend)) as connection,
            pytest.raises(SQLAlchemyError, match="read-only transaction"),
        ):
            connection.execute(text("DELETE FROM metrics"))
