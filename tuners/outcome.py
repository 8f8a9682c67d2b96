"""What a training has come to, in the forms in which it is kept and told: JSON, MLflow, model card, terminal."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from diagnose import Report
from diagnose.readers.curves import facts_beside
from diagnose.tracking.record import TrainingRecord
from recipes.config import Config
from recipes.data import Data
from recipes.task import Facts
from tuners.card import CardFacts, write
from tuners.datasets import of_recipe_data
from tuners.folder import Folder
from tuners.objective import Objective
from tuners.score import Evaluation
from tuners.trial import BY_MONITOR, Trial

if TYPE_CHECKING:
    from tuners.training import Training

#: Of what versions are noted.
_PACKAGES = ("kerasdx", "keras", "tensorflow", "numpy", "scikit-learn", "albumentations")


def result(
    config: Config, data: Data, model: keras.Model, done: Trial, report: Report, evaluation: Evaluation
) -> dict[str, Any]:
    """Return what is to be kept of a training, ready for JSON."""
    run = report.runs[0]
    return {
        "schema": "kerasdx-training/1",
        "recipe": config.recipe_name,
        "data": data.facts.to_dict(),
        "epochs": done.counters.epoch,
        "best_epoch": done.counters.best_epoch,
        f"best_{monitored(config)}": _known(done.counters.best),
        "over": done.counters.over or "trained",
        "seconds": round(done.counters.seconds, 3),
        "device": done.device,
        "parameters": model.count_params(),
        "test": evaluation.to_dict(),
        "verdict": run.verdict,
        "findings": [{"check": f.check, "severity": str(f.severity), "summary": f.summary} for f in run.findings],
        "versions": versions(),
    }


def record(
    config: Config, folder: Folder, data: Data, evaluation: Evaluation, result: Mapping[str, Any]
) -> TrainingRecord:
    """Return what MLflow is to know of a training beside its log."""
    ended = time.time()
    metrics = {f"test_{score.metric}": score.value for score in evaluation.scores if score.is_known}
    metrics |= {"epochs_run": result["epochs"], "parameters": result["parameters"]}
    best = f"best_{monitored(config)}"
    if result[best] is not None:
        metrics |= {best: result[best], "best_epoch": result["best_epoch"]}
    files = (folder.config, folder.log, facts_beside(folder.log), folder.card, folder.picture, folder.model)
    return TrainingRecord(
        experiment=f"{config.recipe_name} {result['data']['name']}",
        run=folder.path.name,
        started=ended - result["seconds"],
        ended=ended,
        parameters=config.flat(),
        metrics=metrics,
        note=folder.card.read_text(encoding="utf-8").partition("---\n")[2].partition("---\n")[2],
        artifacts=tuple(path for path in files if path.exists()),
        datasets=of_recipe_data(data, config),
        is_failed=result["over"].startswith(BY_MONITOR),
    )


def monitored(config: Config) -> str:
    """Return the column that tells the best epoch of a training."""
    return Objective.of(config.training.monitor).name if config.data.validation or config.data.folds > 1 else "loss"


def versions() -> dict[str, str]:
    """Return the versions of what a training's numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_card(
    config: Config, data: Data, folder: Folder, report: Report, evaluation: Evaluation, result: Mapping[str, Any]
) -> None:
    """Write the model card."""
    run = report.runs[0]
    pictures = {folder.picture: "How the model errs on the test samples"}
    files = {path: about for path, about in _described(folder).items() if path not in (folder.card, folder.picture)}
    write(
        folder.card,
        CardFacts(
            name=folder.path.name,
            config=config,
            facts=data.facts,
            evaluation=evaluation,
            verdict=run.verdict,
            summary=run.summary,
            parameters=result["parameters"],
            epochs=result["epochs"],
            best_epoch=result["best_epoch"] if result["best_epoch"] >= 0 else None,
            seconds=result["seconds"],
            device=result["device"],
            findings=tuple(finding.summary for finding in run.findings),
            columns=data.columns,
            versions=result["versions"],
            model_file=folder.model.name,
            pictures={path.name: caption for path, caption in pictures.items() if path.exists()},
            files={path.name: about for path, about in files.items()},
        ),
    )


def _described(folder: Folder) -> dict[Path, str]:
    """Return file -> what it is, of those that a person looks for."""
    files = {
        folder.model: "the model; loads without kerasdx: keras.saving.load_model",
        folder.report: "the health report as a page",
        folder.card: "the model card",
        folder.picture: "how it errs on the test set",
        folder.log: "the log: diagnose run.csv",
        folder.config: "repeats the training: tune train --config",
    }
    return {path: about for path, about in files.items() if path.exists()}


def opening(config: Config, facts: Facts, notes: Sequence[str]) -> str:
    """Return what is trained on what, and what is to be said about that beside what the data says of itself."""
    counts = ", ".join(f"{count:,} {name}" for name, count in facts.samples.items())
    title = f"{config.recipe_name} on {facts.name}: {facts.task.kind}, {counts} samples"
    return "\n".join([title, *(f"  note: {text}" for text in (*facts.notes, *notes) if text)])


def summary(training: Training) -> str:
    """Return score and files as text."""
    result, place = training.result, training.folder
    lines = ["", f"Test set ({training.evaluation.samples:,} samples, never trained or chosen on):"]
    lines += [f"  {score}" for score in training.evaluation.scores]
    lines += [f"  {note}" for note in training.evaluation.notes]
    best = f"Best epoch {result['best_epoch'] + 1} of" if result["best_epoch"] >= 0 else "No best epoch:"
    lines += ["", f"{best} {result['epochs']}, {result['seconds']:.0f} s, {result['device']}"]
    files = _described(place)
    width = max(len(path.name) for path in files)
    lines += ["", f"In {place.path}:", *(f"  {path.name:<{width}}  {about}" for path, about in files.items())]
    if run_id := result.get("mlflow_run"):
        lines.append(f"MLflow run {run_id}")
    return "\n".join(lines)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
