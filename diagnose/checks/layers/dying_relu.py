r"""ReLU units that are zero for every sample.

What it detects
---------------
A layer in which most ReLU units put out zero for every probe sample, to the end of the run; or in which their
share grows fast and has passed one half.

How it is detected
------------------
The dead fraction of a layer is the share of its units that are zero for all probe samples. A layer is
reported where it is at least 0.7 from some epoch on to the end; or where it is at least 0.5 at the end, 0.3
above its lowest earlier level, and still rising (Kendall's rank correlation with the epoch at least 0.6). A
layer that is dead as a whole lets nothing pass, in either direction: that is critical.

A dead fraction of 10 to 40 % is healthy: ReLU networks are sparse, and units that answer to rare samples
look dead on a small probe. Layers behind one that is dead as a whole are not reported: they get nothing but zeros.
Layers that are frozen (no gradient, no update) are not reported: nothing can be
mended there by training.

Why it matters
--------------
The gradient of a dead unit is zero: it does not come back, and the layer has fewer units than the model says.

How to fix
----------
Leaky ReLU, PReLU, ELU or swish; a lower learning rate where units died in training; He initialization and
zero biases where they were dead from the start. Leaky ReLU lessens it, it does not cure vanishing gradients
altogether.

References
----------
Zhang et al., AutoTrainer, ICSE 2021 (zero-gradient share >= 0.7); Wardat et al., DeepDiagnosis, ICSE 2022 (70 %
of outputs <= 0); Amazon SageMaker Debugger, DeadRelu; Lu et al., Dying ReLU and initialization, CiCP 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import layer_table, listed, when
from diagnose.finding import Finding, Interval, Severity
from diagnose.fix import Fix
from diagnose.measures.curve import median
from diagnose.measures.layer_profile import FloatArray, lasts, nanmedian, onset, rank_trend, tail_length, tail_median
from diagnose.remedies import model, optimizer
from diagnose.run import Run

CHECK = Check(
    needs=Needs(statistics=("dead_fraction",), min_epochs=2),
    explains=(
        "not-learning", "plateau", "metric-stuck", "underfitting", "slow-convergence",
        "vanishing-gradient", "frozen-weights",
    ),
    fault=Fault.UNITS,
)  # fmt: skip

_WHOLE = 0.999


@dataclass(frozen=True)
class Options:
    """Thresholds of dying-relu."""

    dead: float = threshold(
        0.7,
        unit="share",
        source="AutoTrainer 2021, DeepDiagnosis 2022",
        help="share of dead units from which a layer is reported",
    )
    growing: float = threshold(
        0.5,
        unit="share",
        source="SageMaker Debugger, DeadRelu",
        help="share of dead units from which a layer is reported whose share grows",
    )
    growth: float = threshold(
        0.3,
        unit="share",
        source="own trials",
        help="how far the share must have risen above its lowest level to count as growing",
    )
    trend: float = threshold(
        0.6,
        unit="Kendall's tau",
        source="own trials",
        help="how steadily the share must rise with the epochs to count as growing",
    )
    long_step: float = threshold(
        0.03,
        unit="per step",
        source="own trials: below 0.02 in healthy networks, above 0.07 where steps killed units",
        help="median update ratio of the first epoch from which units dead in it count as killed by the steps",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding with every layer that is dying or dead."""
    dead = run.layers["dead_fraction"]
    frozen = _frozen(run)
    began = {
        i: start
        for i, layer in enumerate(dead.layers)
        if layer not in frozen and (start := _began(dead.values[:, i], options)) is not None
    }
    if not began:
        return
    level = tail_median(dead.values)
    began = _without_followers(began, [i for i in began if level[i] >= _WHOLE])
    worst = max(began, key=lambda i: level[i])
    names = tuple(dead.layers[i] for i in began)
    whole = [dead.layers[i] for i in began if level[i] >= _WHOLE]
    at = min(began.values())
    epoch = float(dead.epochs[at])
    since = when(run, epoch, float(dead.epochs[0]))
    if whole:
        summary = f"Every unit of {listed(whole)} is dead {since}: nothing passes, forwards or backwards."
    elif len(began) == 1:
        summary = f"{100 * (level[worst]):.0f} % of the ReLU units of {names[0]} are dead {since}."
    else:
        summary = f"Up to {100 * (level[worst]):.0f} % of the ReLU units of {listed(names)} are dead {since}."
    yield Finding(
        severity=Severity.CRITICAL if whole else Severity.WARNING,
        confidence=min(0.99, 0.7 + max(0.0, float(level[worst]) - options.dead)),
        summary=summary,
        epoch=epoch,
        layers=names,
        evidence=(
            layer_table(dead, level, "dead units, median of the last epochs", threshold=options.dead, unit="share"),
            Interval(
                label=f"dead units of {dead.layers[worst]}",
                value=float(level[worst]),
                threshold=options.dead if level[worst] >= options.dead else options.growing,
                unit="share",
                series=f"dead_fraction/{dead.layers[worst]}",
                start=float(dead.epochs[began[worst]]),
                end=float(dead.epochs[-1]),
            ),
        ),
        fixes=_fixes(run, died_in_training=at > 0 or _long_steps(run, options)),
    )


def _began(share: FloatArray, options: Options) -> int | None:
    """Return the index from which a layer is dead, or since when it is dying; None where it is well."""
    sampled = np.flatnonzero(np.isfinite(share))
    share = share[sampled]
    is_dead = share >= options.dead
    if len(share):  # a unit that answers in the last epoch alone makes no layer well
        is_dead[-1] |= float(np.median(share[-tail_length(len(share)) :])) >= options.dead
    start = onset(is_dead)
    if start is not None and lasts(start, len(share)):
        return int(sampled[start])
    if len(share) < 5:
        return None
    tail = share[-tail_length(len(share)) :]
    if tail.max() < options.growing:
        return None
    end, low = median(tail), float(share.min())
    if end < options.growing or end - low < options.growth or rank_trend(share) < options.trend:
        return None
    start = onset(share >= low + options.growth / 2)
    return None if start is None else int(sampled[start])


def _without_followers(began: dict[int, int], whole: list[int]) -> dict[int, int]:
    """Leave out layers behind one that is dead as a whole and that died no sooner: they get nothing but zeros."""
    if not whole:
        return began
    first = min(whole)
    return {i: start for i, start in began.items() if i <= first or start < began[first]}


def _long_steps(run: Run, options: Options) -> bool:
    """Whether the steps of the first epoch were so long that they can have killed units within it."""
    updates = run.layers.get("update_ratio")
    return updates is not None and float(nanmedian(updates.values[:1], axis=1)[0]) >= options.long_step


def _frozen(run: Run) -> set[str]:
    """Return the layers that are known not to be trained: sampled, but without gradient and update."""
    updates, gradients = run.layers.get("update_ratio"), run.layers.get("grad_norm")
    if updates is None or gradients is None:
        return set()
    moved = np.any(np.nan_to_num(updates.values) != 0, axis=0)
    sampled = np.any(np.isfinite(gradients.values), axis=0)
    still = {layer for layer, moves in zip(updates.layers, moved, strict=True) if not moves}
    return still - {layer for layer, ever in zip(gradients.layers, sampled, strict=True) if ever}


def _fixes(run: Run, *, died_in_training: bool) -> tuple[Fix, ...]:
    leaky = model.use_leaky_relu(addresses="no gradient below zero")
    slower = optimizer.lower_learning_rate(run, addresses="steps that push units below zero for good")
    initial = model.initialize_he(addresses="biases or weights that start below zero")
    return (leaky, slower, initial) if died_in_training else (initial, leaky, slower)
