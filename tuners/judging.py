"""What a trained network is worth on the test set: its predictions, their scores, a picture of how it errs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.config import Config
from recipes.data import Data
from recipes.data.pipeline import evaluation_batches, told_plainly
from recipes.export import in_units
from recipes.task import Kind
from tuners import figures
from tuners.score import Evaluation, Score, evaluate
from tuners.trial import Trial

#: Images of the test set that are drawn with their boxes.
_DRAWN = 12


def judge(done: Trial, config: Config, data: Data, picture: Path) -> Evaluation:
    """Score a trained network on the test set, and draw how it errs.

    Parameters
    ----------
    done
        The training.
    config, data
        What was trained by, and on.
    picture
        Where the picture goes (PNG): confusion matrix, residuals, or found boxes; of multi-label tasks there is none.
    """
    predicted = predictions(done, config, data)
    task = data.facts.task
    if task.kind is Kind.DETECTION:
        return _judge_boxes(predicted, config, data, picture)
    evaluation = evaluate(predicted, data.test.y, task)
    if evaluation.confusion is not None:
        figures.confusion_matrix(evaluation, task.names, picture)
    elif task.kind is Kind.REGRESSION:
        figures.residuals(predicted, data.test.y, task.names, picture)
    return evaluation


def predictions(done: Trial, config: Config, data: Data) -> NDArray[Any]:
    """Return what a trained network predicts for the test set, (n, units), in the targets' own units."""
    with told_plainly(data.test) as (test,):
        inputs = evaluation_batches(test, config, data.facts).map(lambda x, _y: x)
        return np.asarray(in_units(done.model, done.recipe, data).predict(inputs, verbose=0))


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
