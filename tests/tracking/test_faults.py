"""A tracking server that is away, slow, or cut off: trainings go on, and each is stored once in the end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("keras")
pytest.importorskip("mlflow")

import keras
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from diagnose import Monitor
from diagnose.tracking import live, parcel
from diagnose.tracking.parcel import Parcel, State
from diagnose.tracking.record import TrainingRecord
from recipes.config import Config
from tests import training_logs
from tests.servers import Faulty, TrackingServer
from tuners import train
from tuners.cli import command
from tuners.search import SearchSettings, search
from tuners.search.tracking import Courier
from tuners.sync import sync

pytestmark = [pytest.mark.slow, pytest.mark.keras]

ROOT = Path(__file__).parents[2]
X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
SETTINGS = {"data.source": "iris", "training.epochs": 2, "model.width": 8}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def way(server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """The way to the server, which is the store of a new working directory."""
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with Faulty(server.uri) as way:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", way.uri)
        yield way


@dataclass
class Store:
    """What the server has, asked without the way."""

    client: MlflowClient
    before: set[str] = field(default_factory=set)

    def runs(self) -> list[Run]:
        """The runs of a test, in the order of their trainings."""
        experiments = [each.experiment_id for each in self.client.search_experiments()]
        found = self.client.search_runs(experiments, order_by=["attributes.start_time"], max_results=1000)
        return [run for run in found if run.info.run_id not in self.before]

    def only(self) -> Run:
        (run,) = self.runs()
        return run

    def points(self, run: Run) -> dict[str, list[tuple[int, float]]]:
        """Metric -> (step, value) of all points."""
        return {
            name: sorted((p.step, p.value) for p in self.client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }

    def assert_no_point_is_there_twice(self, run: Run) -> None:
        for name, points in self.points(run).items():
            steps = [step for step, _ in points]
            assert len(steps) == len(set(steps)), f"{name}: {points}"

    def content(self, run: Run) -> dict[str, Any]:
        """All that makes two runs the same for whoever looks at them."""
        tags = {name: value for name, value in run.data.tags.items() if name not in ("kerasdx.key", "kerasdx.is_whole")}
        return {
            "status": run.info.status,
            "points": self.points(run),
            "params": run.data.params,
            "tags": tags,
            "files": sorted((file.path, file.file_size) for file in self.client.list_artifacts(run.info.run_id)),
            "datasets": [each.dataset.digest for each in run.inputs.dataset_inputs],
        }


@pytest.fixture
def store(server: TrackingServer) -> Store:
    store = Store(MlflowClient(server.uri))
    store.before = {run.info.run_id for run in store.runs()}
    return store


def config() -> Config:
    return Config.of("mlp", SETTINGS)


def fit(monitor: Monitor, epochs: int, *callbacks: keras.callbacks.Callback) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, epochs=epochs, batch_size=16, validation_split=0.25, verbose=0, callbacks=[monitor, *callbacks])


def tune_sync(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["sync", *map(str, arguments)])


def assert_nothing_waits(folder: Path) -> None:
    """All of it is sent, by the next `tune sync` at the latest, and the one after it has nothing to do."""
    first = tune_sync(folder)
    assert first.exit_code == 0, first.stdout + first.stderr
    assert tune_sync(folder).stdout == "0 sent, nothing waits\n"


def waits(folder: Path, uri: str, key: str) -> Parcel:
    """A training that is over and that the store has not."""
    folder.mkdir()
    log = training_logs.write(folder, "run.csv", training_logs.healthy())
    record = TrainingRecord(
        experiment="faults", run="run", started=1_700_000_000.0, ended=1_700_000_100.0,
        parameters={"optimizer.learning_rate": 0.1, "model.width": 8}, metrics={"test_accuracy": 0.9},
        tags={"kerasdx.kind": "training"}, artifacts=(log,), key=key,
    )  # fmt: skip
    box = Parcel(log.with_name(f"run{parcel.SUFFIX}"), log.name, uri, record, State.UNSENT)
    box.write()
    return box


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", 0) as filler:
        while True:
            filler.write(bytes(4096))


def eventually(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


class TestWhileTheTrainingGoesOn:
    def test_a_network_that_is_lost_comes_back_and_cuts_answers(
        self, way: Faulty, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(live, "_PAUSE", 0.05)
        attempt, was_taken = live.LiveRun._try, list[bool]()
        monkeypatch.setattr(live.LiveRun, "_try", lambda run: was_taken.append(attempt(run)) or was_taken[-1])

        class Network(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if epoch in (1, 5, 7, 9):  # something has been sent since, or tried
                    eventually(lambda: way.asked("log-batch") > self.seen)
                self.seen = way.asked("log-batch")
                if epoch == 1:
                    way.behave("refuse")
                elif epoch == 2:
                    eventually(lambda: False in was_taken)
                elif epoch == 3:
                    way.behave("pass")
                elif epoch == 5:
                    way.behave("drop", only="log-batch", times=1)
                elif epoch == 7:
                    way.behave("swallow", only="log-batch", times=2)

            seen = 0

        monitor = Monitor("run.csv", mlflow=way.uri)
        fit(monitor, 12, Network())
        assert monitor.flush()
        run = store.only()
        assert run.info.status == "FINISHED"
        points = store.points(run)
        for curve in ("loss", "val_loss", "accuracy", "grad_norm_global"):
            assert [step for step, _ in points[curve]] == list(range(12)), curve
        store.assert_no_point_is_there_twice(run)
        said = capsys.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if "the training goes on" in line]
        assert len(lines) == 1, said
        assert way.uri in lines[0]
        assert "and the log has everything" in lines[0]
        assert_nothing_waits(Path())
        assert store.content(store.only())["points"] == points

    # Answers that come too late are the worst: what was asked is done all the same, when nobody counts on it any more.
    @pytest.mark.parametrize("fault", ["hang", "slow"])
    def test_a_server_that_does_not_answer_in_time(self, way: Faulty, store: Store, tmp_path: Path, fault: Any) -> None:
        code = f"""
import atexit, time
begun = time.monotonic()
def told():
    global begun
    took, begun = time.monotonic() - begun, time.monotonic()
    open("times", "a").write(f"{{took}} ")
atexit.register(told)  # the last thing
import keras, numpy as np
from diagnose import Monitor
from diagnose.tracking import live
live._PAUSE, live._AT_EXIT = 0.5, 5.0
def fit(epochs, monitor):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 4)), np.ones((64, 2))
    model.fit(x, y, epochs=epochs, validation_split=0.25, verbose=0, callbacks=[monitor])
fit(1, Monitor())
told()
fit(30, Monitor("alone/run.csv"))
told()
fit(30, Monitor("run.csv", mlflow={way.uri!r}))
told()
"""
        way.behave(fault, seconds=3.0)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=180
        )
        assert process.returncode == 0, process.stderr
        _, alone, tracked, end = map(float, Path("times").read_text().split())
        assert tracked < 3.0 * alone + 10.0  # to import MLflow takes a busy machine seconds
        assert end < 5.0 + 5.0
        error = process.stderr
        assert "it is kept: tune sync" in error.splitlines()[-1]
        assert "Traceback" not in error
        way.behave("pass")
        assert_nothing_waits(tmp_path)
        run = store.only()
        assert run.info.status == "FINISHED"
        assert [step for step, _ in store.points(run)["val_loss"]] == list(range(30))
        store.assert_no_point_is_there_twice(run)

    @pytest.mark.parametrize("fault", [401, 403, 404, 500, "html"])
    def test_one_line_tells_of_a_server_that_refuses(
        self, way: Faulty, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Any
    ) -> None:
        way.behave("html") if fault == "html" else way.behave("error", status=fault)
        monitor = Monitor("run.csv", mlflow=way.uri)
        fit(monitor, 2)
        assert monitor.flush()
        said = capsys.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if way.uri in line]
        # Once while the training goes on, once when it is over.
        assert [("the training goes on" in line, "it is kept: tune sync" in line) for line in lines] == [
            (True, False),
            (False, True),
        ], said
        assert all(len(line) < 600 for line in lines)
        assert "Traceback" not in said.out + said.err
        result = tune_sync(tmp_path)
        assert result.exit_code == 2
        assert len((result.stdout + result.stderr).splitlines()) == 2
        way.behave("pass")
        assert_nothing_waits(tmp_path)
        assert store.only().info.status == "FINISHED"


class TestFullDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        """A disk of 256 kB."""
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
        if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("needs the right to mount")
        yield disk
        subprocess.run(["umount", "-l", str(disk)], check=True)

    def test_of_the_log_and_the_store_has_all_of_it(self, way: Faulty, store: Store, disk: Path) -> None:
        class Fill(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if epoch == 1:
                    fill(disk)

        monitor = Monitor(disk / "run.csv", mlflow=way.uri)
        fit(monitor, 6, Fill())
        assert monitor.flush()
        run = store.only()
        assert run.info.status == "FINISHED"
        points = store.points(run)
        assert [step for step, _ in points["val_loss"]] == list(range(6))
        (disk / "filler").unlink()
        assert_nothing_waits(disk)
        assert store.points(store.only()) == points

    def test_of_the_server_and_what_it_did_not_take_waits(
        self, way: Faulty, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def no_room(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as full:
            full.setattr(Parcel, "write", no_room)  # neither has
            way.behave("error", status=500, only="artifacts")
            training = train(config(), folder=tmp_path / "run")
        assert training.result["mlflow_run"] is None
        assert not list(training.folder.path.glob(f"*{parcel.SUFFIX}"))
        way.behave("pass")
        train(config(), folder=tmp_path / "run", resume=True)
        assert_nothing_waits(tmp_path)
        assert [run.info.status for run in store.runs()] == ["FINISHED"] * len(store.runs())


class TestLater:
    def test_a_training_without_a_server(self, way: Faulty, store: Store, tmp_path: Path) -> None:
        way.behave("refuse")
        training = train(config(), folder=tmp_path / "run", register="faults-iris@champion")
        assert training.result["mlflow_run"] is None
        way.behave("pass")
        assert_nothing_waits(tmp_path)
        run = store.only()
        assert run.info.status == "FINISHED"
        assert run.data.params.keys() >= {"optimizer.learning_rate", "model.width"}
        assert run.data.metrics["test_accuracy"] == training.evaluation.main.value
        files = {file.path for file in store.client.list_artifacts(run.info.run_id)}
        assert files >= {"run.csv", "run.json", "report.html", "model.keras", "config.yaml"}
        (version,) = store.client.search_model_versions("name = 'faults-iris'")
        assert version.run_id == run.info.run_id

    def test_a_model_that_the_store_did_not_take(
        self, way: Faulty, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        way.behave("error", status=500, only="logged-models")
        training = train(config(), folder=tmp_path / "run", register="faults-model@champion")
        assert training.result["mlflow_run"] == store.only().info.run_id
        assert f"is kept: tune sync {tmp_path / 'run'}" in capsys.readouterr().err
        assert tune_sync(tmp_path).exit_code == 2
        way.behave("pass")
        assert_nothing_waits(tmp_path)
        (version,) = store.client.search_model_versions("name = 'faults-model'")
        assert version.run_id == store.only().info.run_id
        assert len(store.only().outputs.model_outputs) == 1

    @pytest.mark.parametrize("cut", ["drop", "swallow"])
    def test_whatever_answer_is_cut_nothing_is_there_twice(
        self, way: Faulty, store: Store, tmp_path: Path, cut: Any
    ) -> None:
        whole = waits(tmp_path / "99", way.uri, f"{cut} none").deliver()
        wanted = store.content(store.client.get_run(whole.run))
        endpoints = list(way.counts)
        assert any("runs/create" in name for name in endpoints)
        for number, endpoint in enumerate(endpoints):
            store.before = {run.info.run_id for run in store.runs()} | store.before
            folder = tmp_path / f"{number:02}"  # as long as that of the other: the report names it
            waits(folder, way.uri, f"{cut} {number}")
            way.behave(cut, only=endpoint, times=2)  # a client that tries again does so once
            tune_sync(folder)
            way.behave("pass")
            assert_nothing_waits(folder)
            assert store.content(store.only()) == wanted, endpoint

    def test_two_at_once(self, way: Faulty, store: Store, tmp_path: Path) -> None:
        for number in range(3):
            waits(tmp_path / str(number), way.uri, f"at once {number}")
        way.behave("slow", seconds=0.1)
        threads = [threading.Thread(target=sync, args=(tmp_path, None, lambda _line: None)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        way.behave("pass")
        assert_nothing_waits(tmp_path)
        assert len(store.runs()) == 3
        for run in store.runs():
            store.assert_no_point_is_there_twice(run)

    def test_a_process_that_is_killed_while_it_sends(self, way: Faulty, store: Store, tmp_path: Path) -> None:
        way.behave("hang", only="log-batch")
        folders = [tmp_path / "resumed first", tmp_path / "sent first"]
        given = ["mlp", "--data", "iris", "--epochs", "2", "--set", "model.width=8", "--quiet"]
        killed = [
            subprocess.Popen(
                [sys.executable, "-c", "from tuners.cli import main; main()", "train", *given, "--output", str(folder)],
                env={**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"},
            )
            for folder in folders
        ]
        try:
            eventually(
                lambda: way.asked("log-batch") == 2 or any(process.poll() is not None for process in killed), 120
            )
            assert way.asked("log-batch") == 2
        finally:
            for process in killed:
                process.send_signal(signal.SIGKILL)
                process.wait()
        way.behave("pass")
        first, second = folders
        resumed = train(config(), folder=first, resume=True)
        assert_nothing_waits(first)
        assert_nothing_waits(second)
        again = train(config(), folder=second, resume=True)
        runs = {run.info.run_id: run for run in store.runs()}
        assert runs.keys() == {resumed.result["mlflow_run"], again.result["mlflow_run"]}
        assert len(runs) == 2
        for run in runs.values():
            assert run.info.status == "FINISHED"
            store.assert_no_point_is_there_twice(run)
            assert [step for step, _ in store.points(run)["val_loss"]] == [0, 1]


class TestSearch:
    @pytest.mark.parametrize("away_from", [0, 1], ids=["from the beginning", "in the middle"])
    def test_the_store_is_away_until_there_is_a_winner(
        self, way: Faulty, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away_from: int
    ) -> None:
        log, within = Courier.log, Courier.within

        def log_and_lose(courier: Courier, trial: Any) -> None:
            log(courier, trial)
            if trial.number == 0 and away_from == 1:
                eventually(lambda: "FINISHED" in {run.info.status for run in store.runs()})
                way.behave("refuse")

        def come_back(courier: Courier, best: Any) -> Any:
            way.behave("pass")
            return within(courier, best)

        if away_from == 0:
            way.behave("refuse")
        space = {"optimizer.learning_rate": {"low": 1e-3, "high": 0.1, "log": True}}
        name = f"away-{away_from}"
        with monkeypatch.context() as network:
            network.setattr(Courier, "log", log_and_lose)
            network.setattr(Courier, "within", come_back)
            found = search(
                config(), space, SearchSettings(strategy="random", trials=3), folder=tmp_path / name,
                register=f"{name}@champion",
            )  # fmt: skip
        assert found.best is not None
        assert_nothing_waits(tmp_path)
        runs = {run.info.run_name: run for run in store.runs()}
        assert sorted(runs) == [name, *(f"{name}-{number:04}" for number in range(3)), f"{name}-winner"]
        assert len(store.runs()) == 5
        parent = runs.pop(name)
        assert parent.info.status == "FINISHED"
        assert parent.data.metrics["trials"] == 3
        assert "overview.html" in {file.path for file in store.client.list_artifacts(parent.info.run_id)}
        for run in runs.values():
            assert run.data.tags.get("mlflow.parentRunId") == parent.info.run_id, run.info.run_name
            store.assert_no_point_is_there_twice(run)
        assert len(store.client.search_model_versions(f"name = '{name}'")) == 1
