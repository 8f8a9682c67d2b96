"""Which layer faults verifiably appeared in a run, by what the observer saw, the twin and the hidden scores.

Every function returns what was measured, in words, or None. No check of `diagnose` and no statistic of Monitor is used.
The definitions are told in the README.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.faults.layers.facts import Facts

Verdict = str | None

BEHIND = 0.1
"""Skill behind the twin's from which a run has come to harm."""


def harm(f: Facts) -> str:
    """What became worse than in the twin; empty where nothing did."""
    if f.broken:
        return "no numbers left"
    own, twin = f.final("holdout_skill"), f.sound.final("holdout_skill")
    if twin - own > BEHIND:
        return f"holdout skill {own:.2f}, twin {twin:.2f}"
    excess = (f.final("train_loss") - f.sound.final("train_loss")) / abs(f.constant)
    if _same_loss(f) and excess > 0.25:
        return f"training loss {excess:.0%} of a constant's above the twin's"
    return ""


def _same_loss(f: Facts) -> bool:
    return math.isclose(f.constant, f.sound.constant, rel_tol=0.05)


def thirds(f: Facts) -> tuple[np.ndarray, np.ndarray]:
    """At every look: the decades from the last third of the layers down to the first; the gradient of the whole.

    Layers without any gradient are left out, unless all in front have none and the least of the others has faded away.
    """
    gradients = f.course("gradient")
    number = gradients.shape[1]
    third = max(1, math.ceil(number / 3))
    with np.errstate(all="ignore"):
        logs = np.where(gradients > 0, np.log10(gradients), np.nan)
        fall = np.nanmedian(logs[:, -third:], axis=1) - np.nanmedian(logs[:, :third], axis=1)
        vanished = np.isnan(logs[:, :third]).all(1) & (np.nanmin(logs, axis=1) < np.nanmax(logs, axis=1) - 12)
        total = np.sqrt(np.sum(gradients**2, axis=1))
    return np.where(vanished, 45.0, fall), total


def vanishing(f: Facts) -> Verdict:
    """Three decades from the last third to the first, at two thirds of the looks and at the last; and harm."""
    if len(f.seen["layers"]) < 3 or f.broken:
        return None
    fall, _ = thirds(f)
    holds = fall >= 3
    third = max(1, math.ceil(len(f.seen["layers"]) / 3))
    moved = float(np.nanmax(f.course("moved_since_start")[-1][:third]))
    done = harm(f) or (f"the first layers moved by {moved:.1e} in all" if moved < 1e-2 else "")
    if _mostly(holds, fall) and done:
        return (
            f"gradient falls by {np.nanmedian(fall[holds]):.1f} decades at {holds.sum()} of {len(fall)} looks; {done}"
        )
    return None


def _mostly(holds: np.ndarray, fall: np.ndarray) -> bool:
    """At two thirds of the looks after the start at which there was a gradient to see, and there at half of them."""
    known = ~np.isnan(fall[1:])
    return bool(known.mean() >= 0.5 and holds[1:][known].mean() >= 0.66)


def exploding(f: Facts) -> Verdict:
    """Growth over the epochs, or backwards over the layers, or beyond the twin's a thousandfold; and a bad end."""
    fall, total = thirds(f)
    loss = f.course("train_loss")
    done = harm(f)
    if not done:
        return None
    start, end = loss[0], loss[-1]
    far = f.broken or not math.isfinite(end) or end > 2 * min(start, abs(f.constant) * 1e9)
    lowest = np.fmin.accumulate(np.where(np.isfinite(total) & (total > 0), total, np.inf))
    growth = np.where(np.isfinite(total[1:]), total[1:] / lowest[:-1], np.inf)
    if growth.max() >= 100 and far:
        said = "without bound" if np.isinf(growth.max()) else f"{growth.max():.2g}-fold"
        return f"gradient grew {said} over the epochs, loss {start:.3g} -> {end:.3g}"
    if len(f.seen["layers"]) >= 3 and _mostly(fall <= -3, fall):
        return f"gradient grows by {-np.nanmedian(fall):.1f} decades towards the input; {done}"
    beyond = total[0] / thirds(f.sound)[1][0]
    if beyond >= 1e5 and _same_loss(f):
        return f"gradient at the start {beyond:.1e} times the twin's; {done}"
    return None


def dying(f: Facts) -> Verdict:
    """A ReLU layer of which nine in ten units are zero on all rows at the end; or seven in ten, and harm."""
    relu = [i for i, (_, activation) in enumerate(f.seen["points"]) if activation == "relu"]
    if not relu or f.broken:
        return None
    dead = f.course("dead")[-2:].min(0)[relu]
    worst = int(np.argmax(dead))
    name, done = f.seen["points"][relu[worst]][0], harm(f)
    if dead[worst] >= 0.9 or (dead[worst] >= 0.7 and done):
        return f"{dead[worst]:.0%} of {name} zero on all rows; {done or 'no harm'}"
    return None


def saturated(f: Facts) -> Verdict:
    """Half of the outputs of a hidden layer beyond the bounds, at the end and the look before; and harm."""
    if not f.seen["points"] or f.broken:
        return None
    share = f.course("saturated")[-2:].min(0)
    worst = int(np.argmax(share))
    done = harm(f)
    if share[worst] >= 0.5 and done:
        return f"{share[worst]:.0%} of the outputs of {f.seen['points'][worst][0]} pinned; {done}"
    return None


def symmetric(f: Facts) -> Verdict:
    """Half of a layer's units equal to another one, from the start to the end, and harm; or nine in ten."""
    if f.broken:
        return None
    lasting = np.nan_to_num(f.course("equal")).min(0)
    lasting[-1] = 0.0  # an output layer may start at zero
    worst = int(np.argmax(lasting))
    done = harm(f)
    if lasting[worst] >= 0.9 or (lasting[worst] >= 0.5 and done):
        return (
            f"{lasting[worst]:.0%} of the units of {f.seen['layers'][worst]} are copies throughout; {done or 'no harm'}"
        )
    return None


def frozen(f: Facts) -> Verdict:
    """A trainable layer that never moved; or, with harm, a frozen one, or no layer that moved by a thousandth."""
    if f.broken:
        return None
    moved = np.maximum(f.course("moved_since_start")[-1], f.course("moved").max(0))
    done = harm(f)
    if done and moved.max() < 1e-3:
        return f"no layer moved by more than {moved.max():.1e} of its weights in all; {done}"
    layers = zip(f.seen["layers"], f.seen["trained"], moved, strict=True)
    still = [name for name, trained, far in layers if far < 1e-7 and (trained or done)]
    return f"{', '.join(still)} never moved; {done or 'no harm'}" if still else None


FAULTS: dict[str, Callable[[Facts], Verdict]] = {
    "vanishing-gradient": vanishing,
    "exploding-gradient": exploding,
    "dying-relu": dying,
    "saturated-activation": saturated,
    "symmetric-weights": symmetric,
    "frozen-weights": frozen,
}


def unhealthy(f: Facts) -> list[str]:
    """Why a run cannot be signed as healthy; empty if it can."""
    if f.broken:
        return ["no numbers left"]
    reasons = []
    own, twin = f.final("holdout_skill"), f.sound.final("holdout_skill")
    floor = f.task.floor * f.cause.ceiling
    if own < floor:
        reasons.append(f"holdout skill {own:.2f} below {floor:.2f}")
    if own < 0.85 * f.cause.ceiling * twin:
        reasons.append(f"holdout skill {own:.2f}, twin {twin:.2f}")
    loss = f.course("train_loss")
    if loss[-1] > loss[1:].min() + 0.1 * abs(f.constant):
        reasons.append(f"training loss ends at {loss[-1]:.3g} after {loss[1:].min():.3g}")
    return reasons


def doubtful(f: Facts) -> list[str]:
    """What a run that does well shows of a fault all the same: too much to be called healthy without argument."""
    reasons = []
    if len(f.seen["layers"]) >= 3 and _mostly(thirds(f)[0] >= 3, thirds(f)[0]):
        reasons.append("gradient falls by three decades, without harm")
    if f.seen["points"]:
        dead, share = f.course("dead")[-1], f.course("saturated")[-1]
        if dead.max() >= 0.7:
            reasons.append(f"{dead.max():.0%} of a layer dead, without harm")
        if share.max() >= 0.5:
            reasons.append(f"{share.max():.0%} of a layer saturated, without harm")
    return reasons


def curve_faults(f: Facts) -> set[str]:
    """Names of faults of the curves that an expert may give a run whose layers are well, by the hidden scores."""
    found: set[str] = set()
    held = f.course("holdout_loss")[1:]
    gap = f.final("train_skill") - f.final("holdout_skill")
    if (
        gap > 0.1
        or held[-1] > 1.1 * held.min()
        or (f.final("holdout_loss") > 1.5 * f.final("train_loss") and gap > 0.03)
    ):
        found |= {"overfitting", "generalization-gap", "overtraining", "loss-metric-disagreement"}
    loss = f.course("train_loss")
    if len(loss) > 2 and loss[-2] - loss[-1] > 0.05 * abs(f.constant):
        found |= {"slow-convergence", "learning-rate-too-low", "underfitting"}
    if f.final("train_skill") < 0.6:
        found |= {"underfitting"}
    return found
