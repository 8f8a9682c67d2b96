"""What else a careful reader of the curves may say of a faulty run without being wrong.

One rule for all runs, old and new, and no exception for any of them: an id is accepted where the logged curves show
what its name says, by limits looser than those at which `verify.py` asks for it. Only whether the run ended poorly
(which makes "underfitting" true) is taken from the hidden scores. No check of `diagnose` was read for these limits.
"""

from __future__ import annotations

import numpy as np

from benchmarks.faults.facts import Facts, ending, middle
from benchmarks.faults.verify import jump, logged_rise, longest_level, longest_run, roughness

SYNONYMS: dict[str, tuple[str, ...]] = {
    # The same thing in other words, or the cause that the curve itself names.
    "not-learning": ("underfitting",),
    "divergence": ("learning-rate-too-high",),
    "oscillating-loss": ("learning-rate-too-high",),
    "slow-convergence": ("learning-rate-too-low",),
    "learning-rate-too-low": ("slow-convergence",),
    "overfitting": ("generalization-gap",),
    "generalization-gap": ("overfitting",),
    "overtraining": ("overfitting", "generalization-gap"),
}
CAUSAL = {"learning-rate-too-high", "learning-rate-too-low"}
"""Ids that name what was injected rather than a shape: accepted where the cause says so."""


def accepted(f: Facts, symptoms: list[str]) -> set[str]:
    """Ids accepted beside the symptoms of a faulty run."""
    ids = {name for symptom in symptoms for name in SYNONYMS.get(symptom, ())}
    ids |= CAUSAL & set(f.cause.accepts)
    if len(f.column("loss")) >= 3:
        poor, apart = set() if "loss" in f.non_finite else _poor(f), _apart(f)
        if "underfitting" in poor:  # what has not even fitted the training rows has not overfitted them
            apart -= {"overfitting", "overtraining"}
        ids |= poor | apart | _moving(f)
    return ids | set(better(f))


def better(f: Facts) -> tuple[str, ...]:
    """Validation better than training, at the end or most of the time: a fact, whatever else is said."""
    loss, held = f.column("loss"), f.column("val_loss")
    if len(held) < 3:
        return ()
    mostly = len(held) == len(loss) and float(np.mean(held < loss)) > 0.5
    return ("validation-better-than-training",) if mostly or ending(held) < ending(loss) else ()


def _fall(values: np.ndarray, since: float = 0.0) -> float:
    """How far it fell since that share of the run, relative to where it was then."""
    start = values[min(len(values) - 1, int(since * len(values)))]
    return float((start - ending(values)) / max(abs(start), 1e-12))


def _poor(f: Facts) -> set[str]:
    """Names for a training score that ends poorly, as far as the curve looks like them."""
    loss, skill = f.column("loss"), f.final("train_skill")
    ids = set()
    seen = f.column(f.accuracy) if f.accuracy else np.array([])
    good = len(seen) > 0 and ending(seen) > 0.9 and ending(seen) - seen[0] > 0.03
    bad = not good and not skill >= max(0.6, f.twin.final("train_skill") - 0.2)
    begin, end = longest_level(middle(loss), max(0.03 * float(np.ptp(loss)), 0.01 * abs(float(np.median(loss)))))
    level = end - begin + 1 >= max(4, len(loss) / 4)
    if level and (bad or loss[begin] > ending(loss) + 0.4 * (loss[0] - ending(loss)) > ending(loss)):
        ids.add("plateau")
    if not bad:
        return ids
    ids.add("underfitting")
    if not skill > 0.15 or _fall(loss) < 0.1:
        ids.add("not-learning")
    rates = f.column("learning_rate")
    if _fall(loss, 0.75) > 0.01 or abs(_fall(loss)) < 0.15:
        ids |= {"slow-convergence", "learning-rate-too-low"}
    if len(rates) and rates[-1] < 0.01 * rates.max():
        ids.add("learning-rate-too-low")
    if loss[-1] > loss[0] or roughness(loss, 0.02 * f.span) > 0.04:
        ids.add("learning-rate-too-high")
    return ids


def _moving(f: Facts) -> set[str]:
    """Jumping, running away, standing still."""
    loss, held, ids = f.column("loss"), f.column("val_loss"), set()
    if roughness(loss, 0.02 * f.span) > 0.08:
        ids |= {"oscillating-loss", "learning-rate-too-high"}
    if loss.min() > 0 and ending(loss) > 1.5 * loss.min() and ending(loss) - loss.min() > 0.05 * f.span:
        ids |= {"divergence", "learning-rate-too-high"}
    noise = jump(held, 0.01 * f.span)
    if not f.signed and noise > 0.2 and noise > 2 * jump(loss, 0.01 * f.span):
        ids.add("noisy-validation")
    if f.accuracy and len(f.column(f.accuracy)):
        values = f.column(f.accuracy)
        begin, end = longest_run(values)
        if end - begin + 1 >= max(5, 0.5 * f.epochs) and values[begin] < 0.999:
            ids.add("metric-stuck")
    return ids


def _apart(f: Facts) -> set[str]:
    """Training and validation, or loss and metric, tell different stories."""
    loss, held, ids = f.column("loss"), f.column("val_loss"), set()
    if len(held) < 3:
        return ids
    risen, best = logged_rise(f) > 0.1, int(np.argmin(middle(held)))
    turn = min(len(loss) - 1, best * max(1, round(len(loss) / len(held))))
    if risen and ending(loss) < loss[turn]:
        ids.add("overfitting")
        arrived = loss[len(loss) // 2] <= ending(loss) + 0.1 * (loss[0] - ending(loss))
        if f.epochs >= 20 and best < len(held) / 2 and arrived:
            ids.add("overtraining")
    apart = ending(held) - ending(loss)
    scores = [f.column(name) for name in (f.accuracy, f"val_{f.accuracy}")] if f.accuracy else []
    if len(scores) == 2 and all(map(len, scores)):
        wide = apart > 0.3 * abs(ending(loss)) and ending(scores[0]) - ending(scores[1]) > 0.08
        shift = ending(scores[1]) - float(middle(scores[1])[min(best, len(scores[1]) - 1)])
        if (risen and shift > -0.005) or (_fall(loss) > 0.1 and ending(scores[0]) < scores[0][0] - 0.02):
            ids.add("loss-metric-disagreement")
    else:
        wide = apart > 0.15 * f.span if f.signed else apart > 0.5 * abs(ending(loss))
    return ids | ({"generalization-gap", "overfitting"} if wide else set())
