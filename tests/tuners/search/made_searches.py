"""Made-up searches: whatever a test needs, without a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuners.objective import Objective
from tuners.search.records import Outcome, SearchRecord, State, TrialRecord

ACCURACY = Objective("val_accuracy", "max")
LOSS = Objective("val_loss", "min")

SPACE: dict[str, dict[str, Any]] = {
    "optimizer.learning_rate": {"kind": "float", "text": "0.0001 .. 1, log", "low": 1e-4, "high": 1.0, "log": True},
    "regularization.dropout": {"kind": "float", "text": "0 .. 0.6", "low": 0.0, "high": 0.6},
    "optimizer.name": {"kind": "choice", "text": "adam | sgd | rmsprop", "values": ["adam", "sgd", "rmsprop"]},
    "data.batch_size": {"kind": "choice", "text": "16 | 32 | 64", "values": [16, 32, 64]},
}


def trial(
    number: int,
    values: Mapping[str, Any] | None = None,
    *,
    state: State | str = State.DONE,
    score: float | None = 0.9,
    epochs: int = 10,
    seconds: float = 4.2,
    reason: str = "",
    verdict: str = "healthy",
    findings: Sequence[Mapping[str, Any]] = (),
    parent: int | None = None,
    attempts: int = 1,
) -> TrialRecord:
    """One trial; ``state="running"`` has no outcome yet."""
    outcome = None
    if state != State.RUNNING:
        outcome = Outcome(
            state=State(state), reason=reason, score=score, scores=() if score is None else (score,), epochs=epochs,
            best_epoch=epochs - 1 if score is not None else None, seconds=seconds, verdict=verdict,
            findings=tuple(findings), device="2 CPU cores", memory=512.0,
        )  # fmt: skip
    values = {"optimizer.learning_rate": 0.01} if values is None else values
    return TrialRecord(number, values, f"trials/{number:04}", parent, 1000.0 + number, attempts, outcome)


def diverged(number: int, values: Mapping[str, Any], score: float | None = 0.2) -> TrialRecord:
    """A trial that was ended because it diverged."""
    finding = {"check": "divergence", "severity": "critical", "epoch": 2, "summary": "The loss rose and stayed there."}
    return trial(
        number, values, state="pruned", score=score, epochs=3, reason="divergence at epoch 2", verdict="critical",
        findings=[finding],
    )  # fmt: skip


def failed(number: int, values: Mapping[str, Any], reason: str = "out of memory: 4.1 GB asked for") -> TrialRecord:
    """A trial without a score."""
    return trial(number, values, state="failed", score=None, epochs=0, seconds=0.7, reason=reason, verdict="unknown")


def search(
    trials: Sequence[TrialRecord],
    *,
    folder: Path = Path("searches/cnn-digits-1"),
    objective: Objective = ACCURACY,
    space: Mapping[str, Mapping[str, Any]] = SPACE,
    winner: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> SearchRecord:
    """A search with these trials."""
    settings = {"strategy": "bayesian", "trials": 50, "time": 0.0, "seed": 0} if settings is None else settings
    return SearchRecord(folder, "cnn", "digits", objective, settings, space, tuple(trials), winner)


def lifelike(count: int = 40, seed: int = 0, *, folder: Path = Path("searches/cnn-digits-1")) -> SearchRecord:
    """A search where the learning rate decides, dropout helps a little, and rates above 0.1 diverge."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        values = drawn(rng)
        rate = values["optimizer.learning_rate"]
        if rate > 0.1 and rng.random() < 0.9:
            trials.append(diverged(number, values, score=round(rng.uniform(0.1, 0.3), 4)))
        elif values["data.batch_size"] == 64 and rng.random() < 0.15:
            trials.append(failed(number, values))
        else:
            score = 0.98 - 0.05 * (math.log10(rate) + 2.3) ** 2 - 0.1 * abs(values["regularization.dropout"] - 0.25)
            finding = {"check": "overfitting", "severity": "warning", "epoch": 9, "summary": "val_loss rises."}
            is_worse = rng.random() < 0.25
            trials.append(
                trial(
                    number, values, score=round(score + rng.normal(0, 0.005), 4), epochs=int(rng.integers(8, 30)),
                    seconds=round(rng.uniform(2, 20), 1), verdict="warning" if is_worse else "healthy",
                    findings=[finding] if is_worse else (),
                )
            )  # fmt: skip
    return search(trials, folder=folder)


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Values of the four hyperparameters of `SPACE`."""
    return {
        "optimizer.learning_rate": float(10 ** rng.uniform(-4, 0)),
        "regularization.dropout": float(rng.uniform(0, 0.6)),
        "optimizer.name": str(rng.choice(["adam", "sgd", "rmsprop"])),
        "data.batch_size": int(rng.choice([16, 32, 64])),
    }


def write_logs(record: SearchRecord, seed: int = 0) -> None:
    """Write a log of each trial into the folder of the search, as Monitor does."""
    rng = np.random.default_rng(seed)
    for each in record.trials:
        if each.outcome is None or not each.outcome.epochs:
            continue
        folder = record.folder / each.folder
        folder.mkdir(parents=True)
        lines, best = ["epoch,loss,accuracy,val_loss,val_accuracy"], each.score or 0.5
        for epoch in range(each.outcome.epochs):
            if each.state is State.PRUNED:
                loss, accuracy = 2.0 * 3.0**epoch, max(0.05, best - 0.04 * epoch)
            else:
                accuracy = best - 0.6 * math.exp(-epoch / 3) + rng.normal(0, 0.006)
                loss = 2.3 * math.exp(-epoch / 4) + 0.05 + abs(rng.normal(0, 0.02))
            lines.append(f"{epoch},{loss:.5f},{accuracy:.5f},{loss * 1.2:.5f},{accuracy - 0.01:.5f}")
        (folder / "run.csv").write_text("\n".join(lines) + "\n")
