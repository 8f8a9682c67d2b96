"""What a model is worth on samples that it has not seen: scores with their intervals, confusion, scores by class.

Classes are told apart at 0.5 (one output) or by the largest output, as Keras' own metrics do. Every score comes with an
interval, for a test set is a sample too, and one without a mistake is no proof of perfection. The intervals are closed
formulas: a bootstrap sees no spread where nothing went wrong, and covered the truth less often in simulations.

* Shares (accuracy, precision, recall) have Wilson's interval for a proportion (Wilson 1927, JASA 22, 209-212).
* F1 is 2F/(1 + F) of the share F = TP / (TP + FP + FN) (Hand, Christen & Kirielle 2021, Machine Learning 110, 451-456),
  whose interval is Wilson's. Over the labels of multi-label, samples count as far as they are independent.
* Means over classes recover their variance from the limits of the classes (Zou & Donner 2008, Statistics in Medicine
  27, 1693-1702).
* The area under the ROC curve has Newcombe's interval, method 5 (2006, Statistics in Medicine 25, 559-573).
* Errors of regression, 1 - R² and the log loss have a t interval of their logarithm, its variance by the delta method.
  It is too narrow where a few errors outweigh all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit
from scipy.stats import rankdata

from recipes.errors import RecipeError
from recipes.task import Kind, Task

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOT_FINITE = "not finite"
UNDEFINED = "undefined"

_THRESHOLD = 0.5
#: By so much outputs in half precision may miss a sum of 1.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Score:
    """A score on the test samples.

    Parameters
    ----------
    metric
        ``accuracy``, ``f1_macro``, ``r2``, ``mae`` ...
    value
        NaN where `method` is ``not finite`` or ``undefined``.
    low, high
        Interval in which the score of all such samples lies with the probability `level`.
    method
        How the interval was found: ``wilson``, ``zou-donner``, ``newcombe``, ``log-t``, ``bootstrap`` (of
        detection); ``not finite`` where predictions are NaN or infinite, ``undefined`` where such samples have no such
        score.
    level
        Of the interval.
    """

    metric: str
    value: float
    low: float
    high: float
    method: str
    level: float = 0.95

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    def __str__(self) -> str:
        if not self.is_known:
            return f"{self.metric} {self.method}"
        return f"{self.metric} {self.value:.4g} ({100 * self.level:g} % interval {self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Detail:
    """Scores of one class, label or target."""

    name: str
    samples: int
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model is worth on the test samples.

    Parameters
    ----------
    kind
        Of the task.
    main
        The score to judge by: accuracy, or F1 where classes are imbalanced; F1 of multi-label; R² of regression.
    scores
        All scores, the main one first.
    samples
        So many were predicted.
    details
        Of each class, label or target.
    confusion
        (classes, classes) samples of the class in the row that were taken for the class in the column; None where
        a sample has not one class.
    notes
        What a person should know of the scores, a sentence each.
    """

    kind: Kind
    main: Score
    scores: tuple[Score, ...]
    samples: int
    details: tuple[Detail, ...] = ()
    confusion: IntArray | None = None
    notes: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Return metric -> value."""
        return {score.metric: score.value for score in self.scores}

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation ready for JSON; what is not known is null."""
        return {
            "task": str(self.kind),
            "samples": self.samples,
            "main": self.main.metric,
            "scores": [_score_dict(score) for score in self.scores],
            "details": [
                {"name": d.name, "samples": d.samples, **{name: _known(value) for name, value in d.values.items()}}
                for d in self.details
            ],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "notes": list(self.notes),
        }


def evaluate(predicted: NDArray[Any], y: NDArray[Any], task: Task, *, level: float = 0.95) -> Evaluation:
    """Score predictions against the truth.

    Parameters
    ----------
    predicted
        Outputs of the model, (n, units): probabilities of classification, targets in their own units of regression.
    y
        Targets as `recipes.task.Task` describes them, n of them; classes may be one-hot.
    task
        What was to be predicted.
    level
        Of the intervals, between 0 and 1.

    Returns
    -------
    Evaluation
        Where a prediction is NaN or infinite no score has a value, and a note says how many are.

    Raises
    ------
    RecipeError
        The predictions do not fit the targets, or there are none.
    """
    predicted = np.asarray(predicted)
    if predicted.ndim == 1:
        predicted = predicted[:, None]
    y = _targets(np.asarray(y), task)
    _check(predicted, y, task)
    bad = len(predicted) - int(np.isfinite(predicted).all(axis=1).sum())
    if bad:
        return _not_finite(bad, len(y), task, level)
    intervals = _Intervals(level)
    if task.kind is Kind.REGRESSION:
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large to be squared is not finite
            return _regression(predicted.astype(np.float64), y, task, intervals)
    if task.kind is Kind.MULTILABEL:
        return _multilabel(predicted, y, task, intervals)
    return _classification(predicted, y, task, intervals)


def main_metric(task: Task) -> str:
    """Return the metric that a task is judged by."""
    if task.kind is Kind.REGRESSION:
        return "r2"
    if task.kind is Kind.MULTILABEL:
        return "f1_macro"
    if not task.is_imbalanced:
        return "accuracy"
    return "f1" if task.kind is Kind.BINARY else "f1_macro"


def decided(predicted: NDArray[Any], task: Task) -> IntArray:
    """Return the class of each sample (n,), or of multi-label 0 or 1 for each label (n, labels), by the outputs."""
    if task.kind is Kind.MULTILABEL:
        return (predicted > _THRESHOLD).astype(np.int64)
    if predicted.shape[1] == 1:
        return (predicted[:, 0] > _THRESHOLD).astype(np.int64)
    return predicted.argmax(axis=1)


def _targets(y: NDArray[Any], task: Task) -> NDArray[Any]:
    """Return targets in one form: classes (n,), labels and values (n, units)."""
    if not task.kind.is_classification:
        return y.reshape(len(y), -1).astype(np.float64)
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1)
    return y.reshape(len(y)).astype(np.int64)


def _check(predicted: NDArray[Any], y: NDArray[Any], task: Task) -> None:
    if task.kind is Kind.DETECTION:
        raise RecipeError("objects in images are not scored sample by sample; use recipes.detection")
    if not len(y):
        raise RecipeError("there are no test samples to score the model on; raise data.test")
    units = {1, 2} if task.kind is Kind.BINARY else {task.units}
    if predicted.ndim != 2 or len(predicted) != len(y) or predicted.shape[1] not in units:
        raise RecipeError(
            f"the model's output has the shape {predicted.shape}, and {len(y)} samples of {task.kind} "
            f"need {(len(y), task.units)}; give its last layer {task.units} unit{'s' * (task.units != 1)}"
        )


def _not_finite(bad: int, samples: int, task: Task, level: float) -> Evaluation:
    nothing = _Intervals(level).unknown(main_metric(task), NOT_FINITE)
    note = f"{bad} of {samples} predictions are NaN or infinite: the model has no score"
    return Evaluation(task.kind, nothing, (nothing,), samples, notes=(note,))


def _classification(predicted: NDArray[Any], y: IntArray, task: Task, intervals: _Intervals) -> Evaluation:
    classes = len(task.names)
    confusion = np.bincount(y * classes + decided(predicted, task), minlength=classes**2).reshape(classes, classes)
    counts = _Counts(confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1))
    scores = [intervals.share("accuracy", int(counts.right.sum()), len(y))]
    if task.kind is Kind.BINARY:
        scores += intervals.of_class(counts, 1)
    else:
        scores += intervals.of_classes(counts, _shared_mistakes(confusion))
    notes = []
    if _are_probabilities(predicted):
        losses = _log_loss(predicted, y)
        scores.append(intervals.error("log_loss", losses.mean(keepdims=True), (losses - losses.mean())[:, None]))
    else:
        notes.append("the outputs are no probabilities: there is no log loss")
    if task.kind is Kind.BINARY:
        scores.append(intervals.auc(predicted[:, -1].astype(np.float64), y))
    return _evaluation(task, scores, len(y), _class_details(counts, task), confusion, tuple(notes))


def _multilabel(predicted: NDArray[Any], y: FloatArray, task: Task, intervals: _Intervals) -> Evaluation:
    truth, found = y > _THRESHOLD, decided(predicted, task).astype(bool)
    right, mistaken = truth & found, truth != found
    counts = _Counts(*(hits.sum(axis=0) for hits in (right, found, truth)))
    mistakes = mistaken.astype(np.float32)
    scores = intervals.of_classes(counts, _correlations(mistakes.T @ mistakes, len(y)))
    scores.append(intervals.micro_f1(right.sum(axis=1), (found | truth).sum(axis=1)))
    scores.append(intervals.share("exact_match", int((~mistaken).all(axis=1).sum()), len(y)))
    return _evaluation(task, scores, len(y), _class_details(counts, task), None, ())


def _regression(predicted: FloatArray, y: FloatArray, task: Task, intervals: _Intervals) -> Evaluation:
    errors = _Errors.of(predicted, y)
    varies = errors.varies
    scores = [
        intervals.error("mae", errors.mae, errors.mae_influence),
        intervals.error("rmse", errors.rmse, errors.rmse_influence),
        intervals.r2(1 - errors.r2[varies], errors.r2_influence[:, varies]),
    ]
    notes = ["the scores are means over the targets, each in its own units"] if task.units > 1 else []
    constant = [name for name, is_varying in zip(task.names, varies, strict=True) if not is_varying]
    if constant:
        notes.append(f"has no R², for it does not vary over the test samples: {', '.join(constant)}")
    details = tuple(
        Detail(name, len(y), {"r2": float(r2), "mae": float(mae), "rmse": float(rmse)})
        for name, r2, mae, rmse in zip(task.names, errors.r2, errors.mae, errors.rmse, strict=True)
    )
    return _evaluation(task, scores, len(y), details, None, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Errors:
    """Errors of each target (targets,), and what each sample adds to them (n, targets)."""

    mae: FloatArray
    rmse: FloatArray
    r2: FloatArray
    varies: NDArray[np.bool_]
    mae_influence: FloatArray
    rmse_influence: FloatArray
    r2_influence: FloatArray

    @classmethod
    def of(cls, predicted: FloatArray, y: FloatArray) -> _Errors:
        absolute, squared = np.abs(predicted - y), (predicted - y) ** 2
        deviation = (y - y.mean(axis=0)) ** 2
        mae, mse, variance = absolute.mean(axis=0), squared.mean(axis=0), deviation.mean(axis=0)
        rmse, varies = np.sqrt(mse), y.max(axis=0) > y.min(axis=0)
        unexplained = np.divide(mse, variance, out=np.full(len(mse), np.nan), where=varies)
        return cls(
            mae, rmse, 1 - unexplained, varies, absolute - mae,
            (squared - mse) / np.where(rmse > 0, 2 * rmse, 1),
            (squared - unexplained * deviation) / np.where(varies, variance, 1),
        )  # fmt: skip


def _evaluation(
    task: Task, scores: list[Score], samples: int, details: tuple[Detail, ...], confusion: IntArray | None,
    notes: tuple[str, ...],
) -> Evaluation:  # fmt: skip
    name = main_metric(task)
    ordered = sorted(scores, key=lambda score: score.metric != name)
    return Evaluation(task.kind, ordered[0], tuple(ordered), samples, details, confusion, notes)


def _class_details(counts: _Counts, task: Task) -> tuple[Detail, ...]:
    values = {name: share.tolist() for name, share in counts.shares().items()}
    return tuple(
        Detail(name, int(counts.true[i]), {metric: shares[i] for metric, shares in values.items()})
        for i, name in enumerate(task.names)
    )


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of each class the samples that were rightly taken for it, taken for it, and of it; (classes,) each."""

    right: NDArray[Any]
    taken: NDArray[Any]
    true: NDArray[Any]

    @property
    def wholes(self) -> Mapping[str, NDArray[Any]]:
        """Score -> the samples of which `right` is a share; of F1 the share is F (see the top)."""
        return {"f1": self.taken + self.true - self.right, "precision": self.taken, "recall": self.true}

    def shares(self) -> Mapping[str, FloatArray]:
        """Return F1, precision and recall; 0 where they are 0/0, as scikit-learn has it."""
        shares = {name: _divided(self.right, whole) for name, whole in self.wholes.items()}
        return {**shares, "f1": _f1(shares["f1"])}


def _f1(share: FloatArray) -> FloatArray:
    return 2 * share / (1 + share)


def _divided(a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)


def _shared_mistakes(confusion: IntArray) -> FloatArray:
    """Return how the mistakes of classes go together: a sample of one that is taken for another counts in both."""
    both = (confusion + confusion.T).astype(np.float64)
    np.fill_diagonal(both, confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * confusion.diagonal())
    return _correlations(both, int(confusion.sum()))


def _correlations(both: NDArray[Any], samples: int) -> FloatArray:
    """Return the correlations of yes-or-no facts from how often two hold for one sample, those below 0 as 0."""
    share = both.diagonal() / samples
    deviation = np.sqrt(share * (1 - share))
    found = _divided(both / samples - np.outer(share, share), np.outer(deviation, deviation))
    np.fill_diagonal(found, 1.0)
    return np.maximum(found, 0.0)


def _in_unit_range(predicted: NDArray[Any]) -> bool:
    return bool((predicted >= 0).all() and (predicted <= 1).all())


def _are_probabilities(predicted: NDArray[Any]) -> bool:
    if not _in_unit_range(predicted):
        return False
    return predicted.shape[1] == 1 or bool(np.allclose(predicted.sum(axis=1, dtype=np.float64), 1, atol=_TOLERANCE))


def _log_loss(predicted: NDArray[Any], y: IntArray) -> FloatArray:
    """Return the loss of each sample; certainty is that of the outputs' type, as scikit-learn has it."""
    epsilon = np.finfo(predicted.dtype).eps if predicted.dtype.kind == "f" else np.finfo(float).eps
    p = predicted.astype(np.float64)
    if p.shape[1] == 1:
        p = np.concatenate([1 - p, p], axis=1)
    return -np.log(np.clip(p[np.arange(len(y)), y], epsilon, 1 - epsilon))


class _Intervals:
    """Makes scores with intervals of one level."""

    def __init__(self, level: float) -> None:
        self._level = level
        self._z = float(ndtri((1 + level) / 2))

    def share(self, metric: str, count: int, samples: int) -> Score:
        (low,), (high,) = self._wilson(np.array([count / samples]), np.array([samples]))
        return self._score(metric, count / samples, low, high, "wilson")

    def of_class(self, counts: _Counts, index: int) -> list[Score]:
        """Return F1, precision and recall of a class."""
        limits = self._limits(counts)
        return [
            self._score(name, share[index], limits[name][0][index], limits[name][1][index], "wilson")
            for name, share in counts.shares().items()
        ]

    def of_classes(self, counts: _Counts, mistakes: FloatArray) -> list[Score]:
        """Return the means over the classes that there are.

        Parameters
        ----------
        mistakes
            (classes, classes) correlations of the classes' mistakes.
        """
        there = (counts.taken + counts.true) > 0
        if not there.any():
            return [self.unknown(f"{name}_macro") for name in counts.wholes]
        limits, scores = self._limits(counts), []
        for name, share in counts.shares().items():
            below, above = share - limits[name][0], limits[name][1] - share
            low, high = (
                float(np.sqrt(max(0.0, far[there] @ mistakes[np.ix_(there, there)] @ far[there]))) / int(there.sum())
                for far in (below, above)
            )
            mean = float(share[there].mean())
            scores.append(self._score(f"{name}_macro", mean, max(0.0, mean - low), min(1.0, mean + high), "zou-donner"))
        return scores

    def micro_f1(self, right: IntArray, whole: IntArray) -> Score:
        """Return F1 over all labels of all samples, from counts of each sample (n,)."""
        total, samples = int(whole.sum()), int((whole > 0).sum())
        if not total:
            return self.unknown("f1_micro")
        share = right.sum() / total
        # As many independent samples as would scatter as much (Kish's design effect); of the variance of a ratio.
        scatter = float(((right - share * whole) ** 2).sum()) / total**2
        effective = np.clip(share * (1 - share) / scatter, samples, total) if scatter else samples
        (low,), (high,) = self._wilson(np.array([share]), np.array([effective]))
        return self._score("f1_micro", _f1(share), _f1(low), _f1(high), "wilson")

    def _limits(self, counts: _Counts) -> Mapping[str, tuple[FloatArray, FloatArray]]:
        limits = {n: self._wilson(_divided(counts.right, whole), whole) for n, whole in counts.wholes.items()}
        low, high = limits["f1"]
        return {**limits, "f1": (_f1(low), _f1(high))}

    def _wilson(self, share: FloatArray, samples: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return the limits of shares; a share of nothing may be anything."""
        z2 = self._z**2
        n = np.maximum(samples, 1)
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        width = self._z / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
        low, high = np.minimum(centre - width, share), np.maximum(centre + width, share)
        return np.where(samples > 0, np.maximum(low, 0), 0.0), np.where(samples > 0, np.minimum(high, 1), 1.0)

    def auc(self, outputs: FloatArray, y: IntArray) -> Score:
        """Return the area under the ROC curve: the chance that a positive sample is placed above a negative one."""
        positive = int(y.sum())
        negative = len(y) - positive
        if not (positive and negative):
            return self.unknown("roc_auc")
        ranks = float(rankdata(outputs)[y == 1].sum())
        area = (ranks - positive * (positive + 1) / 2) / (positive * negative)
        return self._score("roc_auc", area, *_newcombe(area, positive, negative, self._z), "newcombe")

    def error(self, metric: str, values: FloatArray, influence: FloatArray) -> Score:
        """Return the mean of values that are not negative, (k,), of which each sample has an influence (n, k)."""
        return self._score(metric, *self._logarithmic(values, influence), "log-t")

    def r2(self, unexplained: FloatArray, influence: FloatArray) -> Score:
        """Return the mean of R² from shares of the variance that are not explained."""
        if not len(unexplained):
            return self.unknown("r2")
        value, low, high = self._logarithmic(unexplained, influence)
        return self._score("r2", 1 - value, 1 - high, 1 - low, "log-t")

    def _logarithmic(self, values: FloatArray, influence: FloatArray) -> tuple[float, float, float]:
        value, n = float(values.mean()), len(influence)
        if n < 2:
            return value, 0.0, math.inf
        deviation = float(influence.mean(axis=1).std(ddof=1)) / math.sqrt(n)
        with np.errstate(over="ignore"):
            factor = float(np.exp(stdtrit(n - 1, (1 + self._level) / 2) * deviation / value)) if value else 1.0
        return value, value / factor, value * factor

    def _score(self, metric: str, value: Any, low: Any, high: Any, method: str) -> Score:
        if not math.isfinite(value):
            return self.unknown(metric, NOT_FINITE)
        return Score(metric, float(value), float(low), float(high), method, self._level)

    def unknown(self, metric: str, why: str = UNDEFINED) -> Score:
        return Score(metric, math.nan, math.nan, math.nan, why, self._level)


def _newcombe(area: float, positive: int, negative: int, z: float) -> tuple[float, float]:
    """Return the areas whose distance from the one seen is z deviations, were they the true ones."""
    extra = (positive + negative) / 2 - 1
    edge = 1e-9

    def excess(true: float) -> float:
        spread = 1 + extra * ((1 - true) / (2 - true) + true / (1 + true))
        return (true - area) ** 2 - z**2 * true * (1 - true) * spread / (positive * negative)

    # 0 and 1 are roots where they are the area itself, and not those looked for.
    return (
        0.0 if area < edge else float(brentq(excess, 0.0, min(area, 1 - edge))),
        1.0 if area > 1 - edge else float(brentq(excess, max(area, edge), 1.0)),
    )


def _score_dict(score: Score) -> dict[str, Any]:
    return {
        "metric": score.metric,
        "value": _known(score.value),
        "low": _known(score.low),
        "high": _known(score.high),
        "level": score.level,
        "method": score.method,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
