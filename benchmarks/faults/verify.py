"""Does a symptom verifiably appear in a run?

Each function answers with the numbers that prove it, or None. They lean on what no reader of the log has: scores on
a large hidden set and clean scores on the training rows, a twin (the same data and seed, trained well), the loss of
the best constant, what further training does, and what was injected. Where a symptom is proved but the log alone
cannot show it, it is not claimed: nobody could be blamed for missing it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.faults.facts import Facts, ending, middle

Verdict = str | None


def nan_loss(f: Facts) -> Verdict:
    if not f.non_finite:
        return None
    return "; ".join(f"{column} non-finite from epoch {epoch}" for column, epoch in f.non_finite.items())


def divergence(f: Facts) -> Verdict:
    """The loss on the training rows ends far above what it had been, and worse than a constant."""
    clean, logged = f.score("train_loss"), f.column("loss")
    if f.described["loss"] == "climbing" or len(logged) < 3:
        return None
    if "loss" in f.non_finite:
        if f.non_finite["loss"] > 2 and logged[-1] > 3 * max(logged.min(), 1e-12) and logged[-1] > 1.2 * f.chance:
            return f"training loss {logged.min():.3g} -> {logged[-1]:.3g} -> non-finite"
        return None
    best, end = float(np.nanmin(clean)), ending(clean)
    if end > max(2 * best, 1.2 * f.chance) and ending(logged) > 1.5 * logged.min():
        return f"clean training loss {best:.3g} -> {end:.3g}, constant {f.chance:.3g}"
    return None


def not_learning(f: Facts) -> Verdict:
    """No better than a constant on the very rows it trained on, where the twin learns."""
    skill, twin = f.final("train_skill"), f.twin.final("train_skill")
    if "loss" in f.non_finite or not (skill < 0.06 and twin > 0.3):
        return None
    loss = f.column("loss")
    fell = (loss[0] - ending(loss)) / (abs(loss[0]) + 1e-12)
    # A regression whose loss first falls to the variance of the targets looks like any other that has converged.
    if f.accuracy is None and fell > 0.1:
        return None
    return f"train skill {skill:.2f} (twin {twin:.2f}), logged loss fell {fell:.0%} after epoch 1"


def underfitting(f: Facts) -> Verdict:
    """Much worse than the twin on the training rows, about as bad on the holdout, and levelled off."""
    skill, held = f.final("train_skill"), f.final("holdout_skill")
    twin = f.twin.final("train_skill") * f.cause.ceiling
    if "loss" in f.non_finite or not (skill < twin - 0.2 and skill - held < 0.12):
        return None
    loss, clean = f.column("loss"), f.score("train_loss")
    fell = (loss[0] - ending(loss)) / (abs(loss[0]) + 1e-12)
    visible = skill < 0.6 if f.accuracy else fell < 0.3
    more = f.after("continued", "train_skill") - skill
    if math.isnan(more):
        quarter = max(1, len(clean) // 4)
        more = (ending(clean[:-quarter]) - ending(clean)) / f.span
    if not visible or more > 0.1:
        return None
    return f"train skill {skill:.2f} (twin {twin:.2f}), holdout {held:.2f}, gain from going on {more:.2f}"


def _rise(f: Facts, name: str) -> tuple[float, float, int]:
    """(rise from the best to the end relative to the best, the same relative to the span, scoring of the best)."""
    loss = f.score(name)[1:]
    smooth = middle(loss)
    best = int(np.argmin(smooth))
    rise = ending(loss) - smooth[best]
    return rise / max(abs(smooth[best]), 1e-12), rise / f.span, best + 1


def logged_rise(f: Facts) -> float:
    """Rise of the logged validation loss from its best to its end, relative to the best."""
    loss = f.column("val_loss")
    if len(loss) < 4:
        return 0.0
    smooth = middle(loss)
    return float((ending(loss) - smooth.min()) / max(abs(smooth.min()), 1e-12))


def overfitting(f: Facts) -> Verdict:
    """The holdout's loss ends clearly above its best while the training rows' went on falling."""
    if "loss" in f.non_finite or not np.isfinite(f.score("holdout_loss")).all():
        return None
    relative, absolute, best = _rise(f, "holdout_loss")
    train = f.score("train_loss")
    enough = absolute > 0.05 if f.signed else (relative > 0.1 and absolute > 0.02)
    learnt = train[best] < train[0] and ending(train) < train[best]
    if enough and learnt and best < 0.8 * len(train) and logged_rise(f) > 0.05:
        return (
            f"holdout loss +{relative:.0%} since epoch {f.at[best]:.0f} of {f.at[-1]:.0f}, "
            f"train {train[best]:.3g} -> {ending(train):.3g}"
        )
    return None


def generalization_gap(f: Facts) -> Verdict:
    """Far better on the training rows than on the validation rows, beyond what the twin shows."""
    if f.non_finite:
        return None
    train, held = f.final("train_skill"), f.final("validation_skill")
    twin = f.twin.final("train_skill") - f.twin.final("validation_skill")
    worse = f.final("validation_loss") - f.final("train_loss")
    logged = ending(f.column("val_loss")) > 1.3 * ending(f.column("loss")) if "val_loss" in f.log else False
    if train > 0.4 and train - held > max(0.2, twin + 0.12) and worse > 0.15 * f.span and (logged or f.signed):
        return f"train skill {train:.2f}, validation {held:.2f} (twin's gap {twin:.2f})"
    return None


def slow_convergence(f: Facts) -> Verdict:
    """Worse than the twin on the training rows, still falling at the end, and better when trained on."""
    clean, twin = f.score("train_loss"), f.twin.final("train_loss")
    end, more = ending(clean), f.after("continued", "train_loss")
    if math.isnan(more) or f.described["loss"] != f.twin.described["loss"]:
        return None
    behind = f.final("train_skill") < f.twin.final("train_skill") - 0.08 or end > 1.5 * twin + 0.05 * f.span
    gain = (end - more) / max(end - twin, 1e-12)
    last = (np.interp(0.75 * f.at[-1], f.at, clean) - clean[-1]) / max(abs(clean[-1]), 1e-12)
    if behind and end > twin and gain > 0.05 and last > 0.01:
        return (
            f"train loss {end:.3g} (twin {twin:.3g}), last quarter -{last:.0%}, "
            f"{more:.3g} after {f.described['after']['epochs']} more epochs"
        )
    return None


def rate_too_low(f: Facts) -> Verdict:
    """Slow convergence by an injected low rate; or a schedule that killed the rate before the run had learnt."""
    if "learning-rate-too-low" not in f.cause.expects:
        return None
    slow = slow_convergence(f)
    if slow:
        return slow
    rates = f.column("learning_rate")
    behind = f.twin.final("train_skill") - f.final("train_skill")
    if len(rates) and rates[-1] < 0.01 * rates[0] and behind > 0.1:
        return f"rate {rates[0]:.2g} -> {rates[-1]:.2g}, train skill {behind:.2f} behind the twin"
    return None


def _level(f: Facts) -> float:
    clean = f.score("train_loss")
    return float(np.median(clean[-max(3, len(clean) // 3) :]))


def rate_too_high(f: Facts) -> Verdict:
    """A thirtieth of the rate at once does much better; or the injected rate leaves the model far behind its twin."""
    if not {"learning-rate-too-high", "oscillating-loss"} & set(f.cause.expects):
        return None
    if not math.isfinite(f.final("train_loss")):
        return "the injected rate ended in non-finite weights" if "loss" in f.non_finite else None
    level, cooled = _level(f), f.after("cooled", "train_loss")
    twin = f.twin.final("train_skill")
    behind = twin - f.final("train_skill")
    if (level - cooled) / f.span > 0.05 and cooled < 0.8 * level and level > f.twin.final("train_loss"):
        return f"train loss {level:.3g}, {cooled:.3g} after 12 epochs at a thirtieth of the rate"
    faster = f.described["learning_rate"] / f.twin.described["learning_rate"]
    if behind > 0.25 and (faster >= 10 or f.described["optimizer"] == "sgd"):
        return f"train skill {f.final('train_skill'):.2f} (twin {twin:.2f}) at {faster:.0f} times the twin's rate"
    return None


def roughness(values: np.ndarray, floor: float) -> float:
    """Typical change from one scoring to the next against its neighbours' median, relative to the level."""
    values = values[len(values) // 3 :]
    if len(values) < 5:
        return 0.0
    around = middle(values, 5)
    return float(np.mean(np.abs(values - around) / (np.abs(around) + floor)))


def oscillating_loss(f: Facts) -> Verdict:
    """The training rows' loss keeps jumping, many times more than the twin's, in the log as well."""
    clean, logged = f.score("train_loss")[1:], f.column("loss")
    if not np.isfinite(clean).all() or len(logged) < 8:
        return None
    floor = 0.02 * f.span
    own, twin = roughness(clean, floor), roughness(f.twin.score("train_loss")[1:], 0.02 * f.twin.span)
    seen = roughness(logged, floor)
    if own > 0.12 and own > 2.5 * twin and seen > 0.08 and ending(clean) > 0.01 * f.span:
        return f"roughness of the clean training loss {own:.2f} (twin {twin:.2f}), of the logged one {seen:.2f}"
    return None


def plateau(f: Facts) -> Verdict:
    """Level for a quarter of the run at a bad value, and then better; or level to the end where that was injected.

    Without a later drop a level at a bad value is what every weak model ends in, and is called underfitting.
    """
    clean, at = f.score("train_loss")[1:], f.at[1:]
    if not np.isfinite(clean).all() or "loss" in f.non_finite or f.epochs < 12 or f.signed:
        return None
    begin, end = longest_level(clean, 0.03 * f.span)
    stretch = float(np.median(clean[begin : end + 1]))
    length = at[end] - at[begin]
    bad = stretch - f.twin.final("train_loss") > 0.3 * f.span and stretch > 0.3 * f.span
    before, later = clean[0] - stretch, stretch - clean[-1]
    logged = f.column("loss")
    fell = (logged[0] - logged[-1]) / max(abs(logged[0]), 1e-12)
    moved = later > 0.15 * f.span or ("plateau" in f.cause.expects and before > 0.15 * f.span)
    if length >= max(5, 0.25 * f.epochs) and bad and moved and fell > 0.1:
        return f"train loss level at {stretch:.3g} in epochs {at[begin]:.0f}-{at[end]:.0f}, then {clean[-1]:.3g}"
    return None


def longest_level(values: np.ndarray, width: float) -> tuple[int, int]:
    """First and last place of the longest stretch whose values lie within the width."""
    best = (0, 0)
    for begin in range(len(values)):
        low = np.minimum.accumulate(values[begin:])
        high = np.maximum.accumulate(values[begin:])
        end = begin + int(np.flatnonzero(high - low <= width)[-1])
        if end - begin > best[1] - best[0]:
            best = (begin, end)
    return best


def overtraining(f: Facts) -> Verdict:
    """A hundred epochs or more after the best, training loss about zero, holdout no better and validation worse."""
    held, train = f.score("holdout_loss")[1:], f.score("train_loss")[1:]
    if f.epochs < 100 or f.signed or not np.isfinite(held).all():
        return None
    smooth = middle(held)
    best = f.at[1:][int(np.argmax(smooth <= smooth.min() + 0.01 * f.span))]
    relative, absolute, _ = _rise(f, "holdout_loss")
    memorized = float(np.mean(train < 0.05 * f.span))
    if f.epochs - best >= 100 and relative > 0.05 and absolute > 0.01 and memorized > 0.5 and logged_rise(f) > 0.03:
        return (
            f"best holdout at epoch {best:.0f} of {f.epochs}, +{relative:.0%} since; "
            f"train loss below 5 % of a constant's for {memorized:.0%} of the run"
        )
    return None


def jump(values: np.ndarray, floor: float) -> float:
    """The ninth decile of the factor between successive values, as a logarithm."""
    values = np.maximum(values[len(values) // 4 :], 0) + floor
    return float(np.quantile(np.abs(np.diff(np.log(values))), 0.9)) if len(values) > 5 else 0.0


def noisy_validation(f: Facts) -> Verdict:
    """Validation loss jumps by a third and more from epoch to epoch while the training loss is smooth."""
    held, train = f.column("val_loss"), f.column("loss")
    if f.non_finite or len(held) < 8 or f.signed:
        return None
    floor = 0.01 * f.span
    own, smooth, twin = jump(held, floor), jump(train, floor), jump(f.twin.column("val_loss"), floor)
    if own > 0.3 and own > 3 * smooth and own > 2 * twin:
        return f"validation loss jumps by {math.exp(own) - 1:.0%}, training by {math.exp(smooth) - 1:.0%}"
    return None


def metric_stuck(f: Facts) -> Verdict:
    """Accuracy identical for half of the run, not perfect, while the loss falls."""
    if f.accuracy is None or "loss" in f.non_finite:
        return None
    values, loss = f.column(f.accuracy), f.column("loss")
    held = f.column(f"val_{f.accuracy}")
    stretch = longest_run(values)
    begin, end = stretch
    length = end - begin + 1
    fell = (loss[begin] - loss[end]) / max(abs(loss[begin]), 1e-12)
    same = held[begin : end + 1] if len(held) == len(values) else held
    stuck = not len(same) or np.ptp(same) < 1e-9
    if length >= max(5, 0.5 * f.epochs) and values[begin] < 0.999 and stuck and fell > 0.1:
        return f"{f.accuracy} {values[begin]:.4f} in {length} of {f.epochs} epochs while the loss fell {fell:.0%}"
    return None


def longest_run(values: np.ndarray) -> tuple[int, int]:
    best, begin = (0, 0), 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[begin]:
            if i - 1 - begin > best[1] - best[0]:
                best = (begin, i - 1)
            begin = i
    return best


def impossible_loss(f: Facts) -> Verdict:
    """A negative loss where accuracy is logged, of a loss function that cannot be negative for valid targets."""
    if f.signed or f.accuracy is None or "loss" in f.non_finite:
        return None
    low = min((f.column(name).min(initial=0.0) for name in ("loss", "val_loss")), default=0.0)
    return f"loss down to {low:.3g} under {f.described['loss']}" if low < 0 else None


def disagreement(f: Facts) -> Verdict:
    """Holdout loss rises while holdout skill gains; or the loss falls while the skill is lost."""
    if f.non_finite or not np.isfinite(f.score("holdout_loss")).all():
        return None
    skill = f.score("holdout_skill")[1:]
    relative, absolute, best = _rise(f, "holdout_loss")
    gain = ending(skill) - float(middle(skill)[best - 1])
    least = 0.01 if "loss-metric-disagreement" in f.cause.expects else 0.03
    if relative > 0.15 and absolute > 0.02 and gain > least and logged_rise(f) > 0.1:
        return f"holdout loss +{relative:.0%} since epoch {f.at[best]:.0f} while skill gained {gain:.3f}"
    if "loss-metric-disagreement" not in f.cause.expects:  # a wild run loses skill now and then
        return None
    loss, own = f.column("loss"), f.score("train_skill")
    lost = float(middle(own).max() - ending(own))
    fell = (loss[0] - ending(loss)) / max(abs(loss[0]), 1e-12)
    others = [name for name in (f.accuracy, "mae") if name in f.log]
    if others and lost > 0.1 and fell > 0.1 and _worsened(f, others[0]):
        return f"loss fell {fell:.0%} while the skill on the same rows fell by {lost:.2f}"
    return None


def _worsened(f: Facts, name: str) -> bool:
    values = f.column(name)
    change = ending(values) - values[0]
    return change > 0.05 * abs(values[0]) if name == "mae" else change < -0.02


SYMPTOMS: dict[str, Callable[[Facts], Verdict]] = {
    "nan-loss": nan_loss,
    "divergence": divergence,
    "not-learning": not_learning,
    "underfitting": underfitting,
    "overfitting": overfitting,
    "generalization-gap": generalization_gap,
    "slow-convergence": slow_convergence,
    "learning-rate-too-low": rate_too_low,
    "learning-rate-too-high": rate_too_high,
    "oscillating-loss": oscillating_loss,
    "plateau": plateau,
    "overtraining": overtraining,
    "noisy-validation": noisy_validation,
    "metric-stuck": metric_stuck,
    "impossible-loss": impossible_loss,
    "loss-metric-disagreement": disagreement,
}


def unhealthy(f: Facts) -> list[str]:
    """Why a run cannot be signed as healthy; empty if it can."""
    reasons = []
    if f.non_finite:
        return ["non-finite loss"]
    held, train = f.final("holdout_skill"), f.final("train_skill")
    floor = f.task.floor * f.cause.ceiling
    if held < floor:
        reasons.append(f"holdout skill {held:.2f} below {floor:.2f}")
    if held < 0.85 * f.cause.ceiling * f.twin.final("holdout_skill"):
        reasons.append(f"holdout skill {held:.2f}, twin {f.twin.final('holdout_skill'):.2f}")
    best = middle(f.score("holdout_loss")[1:]).min()
    rise = f.final("holdout_loss") - best
    if rise > (0.03 * f.span if f.signed else max(0.06 * abs(best), 0.015 * f.span)):
        reasons.append(f"holdout loss +{rise / abs(best):.0%} since its best")
    if train - held > 0.13:
        reasons.append(f"skill gap {train - held:.2f}")
    gap = f.final("holdout_loss") - f.final("train_loss")
    if gap > 0.12 * f.span and gap > 0.5 * abs(f.final("train_loss")):
        reasons.append(f"loss gap {gap / f.span:.0%} of a constant's loss")
    if f.epochs >= 8 and logged_rise(f) > 0.12:
        seen = logged_rise(f) * abs(middle(f.column("val_loss")).min())
        if seen > 0.015 * f.span:
            reasons.append(f"logged validation loss +{logged_rise(f):.0%} since its best")
    clean = f.score("train_loss")[1:]
    if len(clean) > 12 and ending(clean) > 0.02 * f.span and roughness(clean, 0.02 * f.span) > 0.12:
        reasons.append("training loss too rough to sign")
    return reasons


def healthy_text(f: Facts) -> str:
    best = middle(f.score("holdout_loss")[1:]).min()
    return (
        f"holdout skill {f.final('holdout_skill'):.2f} (train {f.final('train_skill'):.2f}, "
        f"twin {f.twin.final('holdout_skill'):.2f}); holdout loss {f.final('holdout_loss'):.3g}, best {best:.3g}"
    )
