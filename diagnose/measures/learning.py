r"""How much a run has learned: its skill over chance, and what is left to gain.

Skill is (value - chance) / (1 - chance): 0 at chance level, 1 for a perfect score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diagnose.measures.chance import classes_of
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.memo import once_per_object
from diagnose.run import FloatArray, Run, Series

#: Scores whose level means the same everywhere: what chance gives is known. (An mAP of 0.3 can be excellent.)
JUDGED = frozenset({"accuracy", "balanced_accuracy", "auc", "r2"})
#: Scores between 0 and 1 in which a distance between two splits means the same everywhere.
BOUNDED = JUDGED | {
    "f1", "precision", "recall", "dice", "iou", "map", "map50", "map50_95", "top1_accuracy", "mcc", "kappa",
}  # fmt: skip

#: What counts as good in a bounded score whose chance level is not known (mAP, dice, IoU).
GOOD_SCORE = 0.7

#: So many epochs must have passed before a score that stands still is taken for the share of a class, and
#: one that is nearly perfect is not.
_STANDING_STILL = 8
_PERFECT = 0.97

_EXPONENTS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


def chance_accuracy(config: Mapping[str, Any], loss: Curve | None) -> float:
    """Return the accuracy of guessing: 1/K with the K of run.json, else with K estimated from the first loss.

    The cross-entropy of an untrained K-class model is ln K, so exp(first loss) is about K (an underestimate
    where the first epoch already learned). Without either, 1/2.
    """
    classes = classes_of(config)
    if classes is None:
        classes = 2
        if loss is not None and len(loss) and 0 < loss.start < math.log(1000):
            classes = max(2, round(math.exp(loss.start)))
    return 1.0 / classes


def skill(series: Series, chance: float) -> float | None:
    """Return the skill at the end of an accuracy, AUC or R2 curve, None for other quantities.

    An accuracy that has not moved for most of the run shows no skill: one class is always predicted.
    """
    if series.quantity not in JUDGED or not len(curve_of(series)):
        return None
    value = -curve_of(series).end
    if series.quantity == "r2":
        return value
    if _stands_still(curve_of(series)):
        return 0.0
    if series.quantity == "auc":
        chance = 0.5
    return (value - chance) / (1 - chance)


def _stands_still(curve: Curve) -> bool:
    """Whether a score has been the same, digit for digit, for most of the run: the share of the commonest class."""
    if len(curve) < _STANDING_STILL or curve.end <= -_PERFECT:
        return False
    last = curve.values[int(0.2 * len(curve)) :]
    return bool(np.abs(last - last[-1]).max() < 1e-6)


@once_per_object
def best_skill(run: Run) -> float | None:
    """Return the larger of the skills on training and validation data at the end of the run, or None.

    The larger, because dropout and augmentation hold the training score down.
    """
    loss = run.get("loss") or run.get("val_loss")
    chance = chance_accuracy(run.config, curve_of(loss) if loss is not None else None)
    skills = [
        value
        for role in ("metric", "val_metric")
        if (series := run.get(role)) is not None and (value := skill(series, chance)) is not None
    ]
    return max(skills, default=None)


def is_good(run: Run, limit: float) -> bool:
    """Whether the run ends at a score that is good by itself.

    That is a skill of `limit` or more, or another bounded score of `GOOD_SCORE` or more.
    """
    value = best_skill(run)
    if value is not None:
        return value >= limit
    scores = [s for role in ("metric", "val_metric") if (s := run.get(role)) is not None and s.quantity in BOUNDED]
    return any(-curve_of(s).end >= GOOD_SCORE for s in scores if len(curve_of(s)))


def explained(curve: Curve) -> float:
    """Return the share of its opening level that a positive loss has lost; 1 where it crossed zero."""
    if float(curve.values.min()) <= 0 or curve.start <= 0:
        return 1.0
    return 1.0 - curve.end / curve.start


def late_share(curve: Curve, part: float = 1 / 3) -> float:
    """Return which share of the whole fall the last `part` of the run brought: `part` for a straight descent."""
    fall = float(curve.smooth[0] - curve.smooth[-1])
    if fall <= 0:
        return 0.0
    at = min(len(curve) - 1, int(len(curve) * (1 - part)))
    return max(0.0, float(curve.smooth[at] - curve.smooth[-1]) / fall)


@once_per_object
def gain_left(curve: Curve) -> float:
    r"""Return what training twice as long would still gain, as a share of the fall so far.

    By the best least-squares fit of :math:`a + b\,t^{-c}` over a few exponents c to the last two thirds of the
    smoothed curve (its start follows another law); 0 where nothing fits a descent.
    """
    values, t = _sampled(curve)
    fall = float(curve.smooth[0] - curve.smooth[-1])
    if len(values) < 4 or fall <= 0:
        return 0.0
    best_error, gain = math.inf, 0.0
    centred = values - values.mean()
    for c in _EXPONENTS:
        x = t**-c
        dx = x - x.mean()
        b = float(dx @ centred) / float(dx @ dx)
        residual = centred - b * dx
        error = float(residual @ residual)
        if error < best_error:
            best_error = error
            gain = b * float(t[-1] ** -c - (2 * t[-1]) ** -c)
    return max(0.0, gain) / fall


def _sampled(curve: Curve, most: int = 64) -> tuple[FloatArray, FloatArray]:
    """Return up to `most` points of the last two thirds of the smoothed curve, and their position from 1."""
    first, last = len(curve) // 3, len(curve) - 1
    at = np.linspace(first, last, min(most, last - first + 1)).astype(int)
    return curve.smooth[at], at.astype(float) + 1.0


def arrived_at(curve: Curve, tolerance: float) -> int:
    """Return the index from which the smoothed curve stays within `tolerance` of its final level."""
    final = curve.smooth[-1]
    away = np.flatnonzero(np.abs(curve.smooth - final) > tolerance)
    return int(away[-1]) + 1 if len(away) else 0


def longest_level(curve: Curve, band: float, until: int) -> tuple[int, int]:
    """Return the first and last index of the longest stretch before `until` in which the smoothed curve spans `band`.

    Greedy: a new stretch begins where the value leaves the last one's band.
    """
    best = (0, 0)
    first, low, high = 0, math.inf, -math.inf
    for i, value in enumerate(curve.smooth[:until].tolist()):
        low, high = min(low, value), max(high, value)
        if high - low > band:
            first, low, high = i, value, value
        if i - first > best[1] - best[0]:
            best = (first, i)
    return best
