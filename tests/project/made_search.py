"""A store with a search in it: twelve trials, healthy and sick ones, as `tune search` leaves them, made in seconds.

python -m tests.project.made_search FOLDER      # FOLDER/mlruns/mlflow.db
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diagnose import diagnose
from diagnose.tracking.health import health_of
from diagnose.tracking.record import curves_of, texts_of
from tests import training_logs

EXPERIMENT, SEARCH = "cnn digits", "search-cnn-digits-1"
OVERVIEW = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Overview</title>"
    "<h1>cnn on digits: 12 trials</h1><p id=found>3 of 3 diverged trials had learning_rate &gt; 0.05</p>"
)
#: Learning rate, dropout, width and batch size of each trial.
SETTINGS = (
    (0.0012, 0.31, 32, 32), (0.0031, 0.05, 64, 16), (0.21, 0.22, 32, 64), (0.0024, 0.42, 16, 32),
    (0.0008, 0.02, 64, 32), (0.0047, 0.25, 64, 64), (0.12, 0.11, 16, 16), (0.0019, 0.37, 32, 16),
    (0.0036, 0.08, 64, 64), (0.0062, 0.48, 32, 32), (0.088, 0.33, 64, 32), (0.0009, 0.28, 16, 64),
)  # fmt: skip


@dataclass
class MadeSearch:
    """What was made: ids, and which trials are of which kind."""

    uri: str
    experiment: str = ""
    parent: str = ""
    trials: dict[str, list[str]] = field(default_factory=lambda: {"healthy": [], "overfit": [], "diverged": []})


def make(folder: Path) -> MadeSearch:
    """Make a store below a folder."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    (folder / "mlruns").mkdir(parents=True)
    made = MadeSearch(f"sqlite:///{(folder / 'mlruns/mlflow.db').resolve()}")
    client = MlflowClient(tracking_uri=made.uri)
    artifacts = (folder / "mlruns" / "artifacts").resolve().as_uri()
    made.experiment = client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    now = int(time.time() * 1000)

    def run(name: str, kind: str, minute: int, tags: dict[str, str]) -> str:
        tags = {"kerasdx.kind": kind, **tags}
        started = now - 60_000 * (20 - minute)
        return str(client.create_run(made.experiment, start_time=started, run_name=name, tags=tags).info.run_id)

    made.parent = run(SEARCH, "search", 0, {})
    for number, (rate, dropout, width, batch) in enumerate(SETTINGS):
        kind = "diverged" if rate > 0.05 else "overfit" if dropout < 0.1 else "healthy"
        with contextlib.chdir(folder):
            report = diagnose(training_logs.write(Path(), "run.csv", _log(kind, number))).runs[0]
        health = health_of(report)
        run_id = run(f"{SEARCH}-{number:04d}", "trial", 1 + number, {"mlflow.parentRunId": made.parent})
        made.trials[kind].append(run_id)
        curves = curves_of(report.run)
        best = {"best_epoch": 11.0, "epochs_run": float(report.run.epochs)}
        if kind != "diverged":
            best["best_val_accuracy"] = max(value for _, value in curves["val_accuracy"])
        client.log_batch(
            run_id,
            [Metric(name, value, now, 0) for name, value in {**health.metrics, **best}.items()]
            + [Metric(name, value, now, int(e)) for name, curve in curves.items() for e, value in curve],
            [
                Param("data.batch_size", str(batch)),
                Param("model.width", str(width)),
                Param("optimizer.learning_rate", str(rate)),
                Param("optimizer.name", "adam"),
                Param("regularization.dropout", str(dropout)),
                Param("training.seed", str(number)),
            ],
            [RunTag(name, value) for name, value in health.tags.items()]
            + [
                RunTag("trial.state", "failed" if kind == "diverged" else "done"),
                RunTag("mlflow.note.content", health.note),
            ],
        )
        for name, text in texts_of(report).items():
            client.log_text(run_id, text, name)
        client.set_terminated(run_id, end_time=now - 60_000 * (19 - number) + 50_000)
    _conclude(client, made, now)
    return made


def _conclude(client: Any, made: MadeSearch, now: int) -> None:
    client.log_param(made.parent, "search.objective", "max:val_accuracy")
    client.log_metric(made.parent, "trials", len(SETTINGS), timestamp=now)
    client.set_tag(made.parent, "mlflow.note.content", "cnn on digits: 12 trials, **6 of them sick**")
    client.log_text(made.parent, OVERVIEW, "overview.html")
    client.set_terminated(made.parent)


def _log(kind: str, seed: int, epochs: int = 40) -> str:
    """Return the log of a training: loss, validation loss and validation accuracy by epoch."""
    noise = np.random.default_rng(seed).normal(0, 0.004, (epochs, 3))
    rows = []
    for e in range(epochs):
        loss, val = 0.1 + 0.9 * math.exp(-e / 8), 0.15 + 0.9 * math.exp(-e / 8)
        if kind == "overfit":
            loss, val = 0.02 + math.exp(-e / 6), 0.3 + 0.7 * math.exp(-e / 4) + 0.02 * max(e - 10, 0)
        if kind == "diverged":
            loss, val = (math.nan, math.nan) if e > 8 else (2.3 * 1.4**e, 2.4 * 1.5**e)
        accuracy = 0.1 if kind == "diverged" else 0.97 - 0.6 * math.exp(-e / 6) - 0.01 * (kind == "overfit")
        rows.append((e, loss + noise[e, 0], val + noise[e, 1], accuracy + noise[e, 2] / 4))
    return training_logs.csv(rows, "epoch,loss,val_loss,val_accuracy")


if __name__ == "__main__":
    print(make(Path(sys.argv[1])).uri)
