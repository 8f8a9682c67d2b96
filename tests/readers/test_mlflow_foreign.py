"""Runs that others logged to MLflow: the layout of their metrics, and what is found in them.

Lightning: ``MLFlowLogger.log_metrics`` (lightning/pytorch/loggers/mlflow.py) sends one batch a call, all values at one
time, under the trainer's global step; the logger connector adds ``epoch`` to every call. A value logged with
``on_step=True, on_epoch=True`` has the suffixes ``_step`` (every ``log_every_n_steps``) and ``_epoch``.

Hugging Face: ``MLflowCallback.on_log`` (transformers/integrations/integration_utils.py) sends every number of the
Trainer's log under ``state.global_step``: ``loss``, ``grad_norm``, ``learning_rate`` and a fractional ``epoch`` every
``logging_steps``, ``eval_*`` after an evaluation, ``train_runtime``, ``total_flos``, ``train_loss`` ... at the end.

Keras: MLflow's own autolog, for real.
"""

import json
import math
import os
import random
import subprocess
import sys

import pytest

from diagnose import diagnose
from tests.mlflow_stores import Store

STEPS = 100


class Logger:
    """Collects calls of ``log_metrics(metrics, step)``."""

    def __init__(self):
        self.curves, self._at = {}, 1_700_000_000_000

    def log(self, step, **metrics):
        self._at += 1000
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append((self._at, step, value))


def losses(kind, epochs):
    """Return training and validation loss of each epoch."""
    rng = random.Random(1)
    for epoch in range(epochs):
        train = 0.2 + 2.1 * math.exp(-5 * (epoch + 1) / epochs)
        rise = max(0.0, epoch / epochs - 0.35) * 3 if kind == "overfitting" else 0.0
        yield train * rng.gauss(1, 0.01), (train + 0.05 + rise) * rng.gauss(1, 0.01)


def lightning(kind, *, on_epoch=True):
    logger, rng, step = Logger(), random.Random(2), 0
    for epoch, (train, val) in enumerate(losses(kind, 20)):
        for _ in range(STEPS):
            if (step + 1) % 10 == 0:
                name = "train_loss_step" if on_epoch else "train_loss"
                logger.log(step, **{name: train * rng.gauss(1, 0.2)}, epoch=epoch)
            step += 1
        logger.log(step - 1, val_loss=val, val_acc=1 - val / 4, epoch=epoch)
        if on_epoch:
            logger.log(step - 1, train_loss_epoch=train, epoch=epoch)
    return logger.curves


def hugging_face(kind):
    logger, rng, step, before, epochs = Logger(), random.Random(3), 0, 2.3, 10
    for epoch, (train, val) in enumerate(losses(kind, epochs)):
        for i in range(1, STEPS + 1):
            step += 1
            if step % 25 == 0:
                loss = (before + (train - before) * i / STEPS) * rng.gauss(1, 0.02)
                rate = 5e-5 * (1 - step / (epochs * STEPS))
                logger.log(step, loss=loss, grad_norm=2 + rng.random(), learning_rate=rate, epoch=step / STEPS)
        before = train
        logger.log(
            step, eval_loss=val, eval_accuracy=1 - val / 4, eval_runtime=1.2, eval_samples_per_second=800.0,
            eval_steps_per_second=50.0, epoch=epoch + 1.0,
        )  # fmt: skip
    logger.log(
        step, train_runtime=120.0, train_samples_per_second=10.0, train_steps_per_second=1.0, total_flos=1e12,
        train_loss=0.9, epoch=float(epochs),
    )  # fmt: skip
    return logger.curves


@pytest.fixture
def diagnosed(tmp_path, monkeypatch):
    """Store curves as a run and diagnose it."""

    def once(curves, **params):
        store = Store(tmp_path / "mlflow.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
        return diagnose(f"mlflow:{store.run(curves, params=params)}").runs[0]

    return once


class TestLightning:
    def test_a_healthy_run(self, diagnosed):
        report = diagnosed(lightning("healthy"))
        assert (report.verdict, report.findings) == ("healthy", ())
        assert (report.run.axis, report.run.epochs) == ("epoch", 20)

    def test_an_overfitting_one(self, diagnosed):
        report = diagnosed(lightning("overfitting"))
        assert report.findings[0].check == "overfitting"
        assert report.verdict == "critical"

    def test_values_of_steps_are_averaged_over_their_epoch(self, diagnosed):
        report = diagnosed(lightning("healthy", on_epoch=False))
        assert report.verdict == "healthy"
        loss = report.run.get("loss")
        expected = [train for train, _ in losses("healthy", 20)]
        assert len(loss) == 20
        assert loss.values == pytest.approx(expected, rel=0.25)


class TestHuggingFace:
    def test_a_healthy_run(self, diagnosed):
        report = diagnosed(hugging_face("healthy"), learning_rate="5e-05", per_device_train_batch_size="8")
        assert (report.verdict, report.findings) == ("healthy", ())
        assert (report.run.axis, report.run.epochs) == ("epoch", 10)
        assert (report.run.config["learning_rate"], report.run.config["batch_size"]) == (5e-5, 8)

    def test_an_overfitting_one(self, diagnosed):
        report = diagnosed(hugging_face("overfitting"))
        assert report.findings[0].check == "overfitting"
        assert report.verdict == "critical"

    def test_its_summary_is_no_curve(self, diagnosed):
        names = {series.name for series in diagnosed(hugging_face("healthy")).run.series}
        assert {"loss", "eval_loss", "eval_accuracy", "learning_rate"} <= names
        assert not names & {"train_loss", "total_flos", "epoch", "train_runtime"}


AUTOLOG = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, mlflow, numpy
keras.utils.set_random_seed(0)
x = numpy.random.default_rng(0).random((64, 4)).astype("float32")
y = (x[:, 0] > 0.5).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
told = []
for how in ({}, {"log_every_epoch": False, "log_every_n_steps": 3}):
    mlflow.keras.autolog(log_models=False, log_datasets=False, **how)
    told.append(model.fit(x, y, epochs=6, validation_split=0.25, batch_size=16, verbose=0).history)
import json
print(json.dumps(told))
"""


@pytest.mark.keras
@pytest.mark.long
def test_keras_autolog(tmp_path):
    """Both of its ways: by epoch, and by step, where evaluations have no step at all."""
    store = f"sqlite:///{tmp_path}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-c", AUTOLOG],
        cwd=tmp_path, env={**os.environ, "MLFLOW_TRACKING_URI": store}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    by_epoch, by_step = json.loads(done.stdout.splitlines()[-1])
    one, other = (report.run for report in diagnose(str(tmp_path / "mlflow.db")).runs)
    assert (one.axis, one.epochs) == ("epoch", 6)
    assert [series.name for series in one.series] == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert one.get("val_loss").values == pytest.approx(by_epoch["val_loss"])
    assert (one.config["batch_size"], one.config["learning_rate"]) == (16, pytest.approx(1e-3))
    assert other.axis == "step"
    assert other.get("val_loss").values == pytest.approx(by_step["val_loss"])
    assert all(step > 0 for step in other.get("val_loss").epochs)
