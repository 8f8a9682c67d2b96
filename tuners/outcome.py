"""What a training has come to: predictions of the test set, their scores and picture, the result, and how it is told."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from diagnose import Report
from recipes.catalog import find
from recipes.config import Config
from recipes.data.base import Data
from recipes.data.pipeline import evaluation_batches
from recipes.export import in_units
from recipes.task import Kind
from tuners import figures
from tuners.folder import Folder
from tuners.score import Evaluation, Score, evaluate
from tuners.trial import Trial

if TYPE_CHECKING:
    from tuners.training import Training

#: Images of the test set that are drawn with their boxes.
_DRAWN = 12
#: Of what versions are noted.
_PACKAGES = ("kerasdx", "keras", "tensorflow", "numpy", "scikit-learn", "albumentations")


def judge(model: keras.Model, config: Config, data: Data, folder: Folder) -> Evaluation:
    """Score a trained network on the test set, and draw how it errs.

    Parameters
    ----------
    model
        As `recipes.build` makes it, trained.
    config, data
        What it was trained by, and on.
    folder
        Where the picture goes.
    """
    predicted = predictions(model, config, data)
    task = data.facts.task
    if task.kind is Kind.DETECTION:
        return _judge_boxes(predicted, config, data, folder.picture)
    evaluation = evaluate(predicted, data.test.y, task)
    if evaluation.confusion is not None:
        figures.confusion_matrix(evaluation, task.names, folder.picture)
    elif task.kind is Kind.REGRESSION:
        figures.residuals(predicted, data.test.y, task.names, folder.picture)
    return evaluation


def predictions(model: keras.Model, config: Config, data: Data) -> NDArray[Any]:
    """Return what a trained network predicts for the test set, (n, units), in the targets' own units."""
    inputs = evaluation_batches(data.test, config, data.facts).map(lambda x, _y: x)
    return np.asarray(in_units(model, config, data).predict(inputs, verbose=0))


def _judge_boxes(outputs: NDArray[Any], config: Config, data: Data, picture: Path) -> Evaluation:
    """Score a detector by its mean average precision, and draw what it finds."""
    from recipes.detection import grid, pictures
    from recipes.detection.precision import COCO_OVERLAPS, average_precision

    truth, facts = data.test.y, data.facts
    found = grid.decode(outputs, config.detector, grid.LEAST_SCORE)
    scores = []
    for name, overlaps in (("map_50", 0.5), ("map_50_95", COCO_OVERLAPS)):
        precision = average_precision(truth, found, overlaps)
        scores.append(Score(name, precision.mean, *precision.interval(), "bootstrap"))
    some = np.arange(min(_DRAWN, len(truth)))
    shown = grid.decode(outputs[some], config.detector)
    limits = (facts.inputs.low, facts.inputs.high)
    pictures.picture(data.test.inputs(some), truth[some], shown, facts.task.names, picture, limits)
    return Evaluation(facts.task.kind, scores[0], tuple(scores), len(truth))


def result(
    config: Config, data: Data, model: keras.Model, done: Trial, report: Report, evaluation: Evaluation
) -> dict[str, Any]:
    """Return what is to be kept of a training, ready for JSON."""
    run = report.runs[0]
    return {
        "schema": "kerasdx-training/1",
        "recipe": config.recipe,
        "data": data.facts.to_dict(),
        "epochs": done.counters.epoch,
        "best_epoch": done.counters.best_epoch,
        "best_val_loss": _known(done.counters.best),
        "over": done.counters.over,
        "seconds": round(done.counters.seconds, 3),
        "device": done.device,
        "parameters": model.count_params(),
        "test": evaluation.to_dict(),
        "verdict": run.verdict,
        "findings": [{"check": f.check, "severity": str(f.severity), "summary": f.summary} for f in run.findings],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what a training's numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def summary(training: Training) -> str:
    """Return score and files as text."""
    result, place = training.result, training.folder
    lines = [f"Test set ({training.evaluation.samples:,} samples, never trained or chosen on):"]
    lines += [f"  {score}" for score in training.evaluation.scores]
    lines += [f"  {note}" for note in training.evaluation.notes]
    lines += ["", f"Best epoch {result['best_epoch'] + 1} of {result['epochs']}, {result['seconds']:.0f} s, on {result['device']}"]
    files = [
        (place.model, "the model; loads without kerasdx: keras.saving.load_model"),
        (place.report, "the health report as a page"),
        (place.card, "the model card"),
        (place.picture, "how it errs on the test set"),
        (place.config, "repeat it: tune train --config"),
    ]
    width = max(len(str(path)) for path, _ in files)
    lines += [f"  {path!s:<{width}}  {about}" for path, about in files if path.exists()]
    if run_id := result.get("mlflow_run"):
        lines.append(f"MLflow run {run_id}")
    return "\n".join(lines)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
