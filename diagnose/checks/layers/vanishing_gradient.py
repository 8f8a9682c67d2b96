r"""The gradient shrinks by orders of magnitude on its way to the first layers.

What it detects
---------------
A gradient norm that falls from the last layers to the first by a factor of 1000 or more, over the depth of
the network and not at a single odd layer, and goes on doing so to the end of the run.

How it is detected
------------------
In every epoch, through :math:`\log_{10}\|\nabla_l\|` over the layers *l*, the resistant line: its slope is
that between the medians of the first and of the last third of the layers. The fall over the whole depth must
be at least 3 decades, and the *largest* gradient of the first third must lie 1.5 decades below the median of
the last third. Both from some epoch on to the end of the run, or for `most_of_it`: a network that comes out of it
at last has lost that time.

Only ratios count, so a converged run, whose gradients are all tiny together, is no vanishing gradient. Layers
whose gradient is exactly zero are left out (see dying-relu), unless those next to them have faded away.

Where the first layers move as fast as the last ones, relative to their weights, and the loss falls, the
optimizer (Adam) makes up for it: that is for information only.

Why it matters
--------------
The first layers do not move: the network learns with its last layers on random features, or not at all.

How to fix
----------
ReLU family with He initialization (Glorot for what stays sigmoid or tanh), batch normalization, skip
connections. Leaky ReLU lessens dying, it does not cure vanishing gradients altogether.

References
----------
Zhang et al., AutoTrainer, ICSE 2021 (first/last < 1e-3); Wang et al., BTTackler, KDD 2024 (ratio of adjacent
layers < 1e-4); Glorot and Bengio, AISTATS 2010; He et al., ICCV 2015; Tukey, Exploratory Data Analysis, 1977.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import by_layer, factor, layer_table, learned_share, listed, when
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.layer_profile import (
    LEAST_TAIL,
    depth_drop,
    lasts,
    logarithms,
    nanmedian,
    onset,
    tail_length,
    tail_median,
)
from diagnose.remedies import model
from diagnose.run import FloatArray, Run

CHECK = Check(
    needs=Needs(statistics=("grad_norm",), min_epochs=3),
    explains=(
        "not-learning", "slow-convergence", "underfitting", "plateau", "metric-stuck",
        "learning-rate-too-low", "frozen-weights",
    ),
    fault=Fault.GRADIENT,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Thresholds of vanishing-gradient."""

    decades: float = threshold(
        3.0,
        unit="decades",
        source="AutoTrainer 2021: ratio below 1e-3",
        help="how far the gradient norm must fall over the depth of the network",
    )
    apart: float = threshold(
        1.5,
        unit="decades",
        source="half of it: keeps single odd layers out",
        help="how far the whole first third of the layers must lie below the last third",
    )
    most_of_it: float = threshold(
        0.7,
        unit="share",
        source="own trials: networks that get over a slow start do so sooner",
        help="share of the epochs for which the fault must have lasted where it has healed at the end",
    )
    harmless_fall: float = threshold(
        0.5,
        unit="share",
        source="own trials: sick networks lost at most 0.22",
        help="share of its opening level that the loss must have lost to call the fault made up for",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding where the gradient vanishes towards the input."""
    gradients = run.layers["grad_norm"]
    logs = logarithms(gradients.values)
    total, apart = depth_drop(logs)
    fades = (total >= options.decades) & (apart >= options.apart)
    start = onset(fades)
    last = len(total) - 1
    judged = slice(-tail_length(len(total)), None)
    if not lasts(start, len(total)):
        if fades.sum() < LEAST_TAIL or fades.mean() < options.most_of_it:
            return
        start, last = (int(i) for i in np.flatnonzero(fades)[[0, -1]])
        judged = slice(start, last + 1)
    assert start is not None
    drop = float(np.median(total[judged]))
    profile = nanmedian(logs[judged], axis=0)
    faded = _faded(profile, gradients.values[judged], options.apart)
    epoch = float(gradients.epochs[start])
    until = "" if last == len(total) - 1 else f" until {run.axis} {gradients.epochs[last]:g}"
    learned = learned_share(run)
    made_up_for = learned is not None and learned >= options.harmless_fall and _moves(run, faded)
    severity = Severity.WARNING
    if made_up_for:
        severity = Severity.INFO
    elif learned is not None and learned < 0.05:
        severity = Severity.CRITICAL
    names = tuple(gradients.layers[i] for i in faded)
    yield Finding(
        severity=severity,
        confidence=min(0.99, 0.75 + 0.08 * (drop - options.decades) + 0.1 * (severity == Severity.CRITICAL)),
        summary=(
            f"The gradient shrinks {factor(drop)}-fold from the last layers to the first, "
            f"{when(run, epoch, float(gradients.epochs[0]))}{until}: next to nothing reaches {listed(names)}"
            + ("; the optimizer makes up for it and the loss falls." if made_up_for else ".")
        ),
        epoch=epoch,
        layers=names,
        evidence=(
            Interval(
                label="fall of the gradient norm from the last layers to the first",
                value=drop,
                threshold=options.decades,
                unit="decades",
                series="grad_norm",
                start=epoch,
                end=float(gradients.epochs[last]),
            ),
            layer_table(
                gradients,
                nanmedian(gradients.values[judged], axis=0),
                "gradient norm, median of the epochs" if until else "gradient norm, median of the last epochs",
                worst=min,
            ),
        ),
        fixes=(
            model.use_relu(addresses="sigmoid or tanh in a deep stack"),
            model.initialize_he(addresses="small initialization of ReLU layers"),
            model.initialize_glorot(addresses="small initialization of sigmoid or tanh layers"),
            model.add_batch_norm(addresses="signals that shrink from layer to layer"),
            model.add_skip_connections(addresses="depth"),
        ),
    )


def _faded(profile: FloatArray, values: FloatArray, apart: float) -> list[int]:
    """Return the layers that hardly get a gradient: far below the last third, or zero in front of such."""
    sampled = np.flatnonzero(~np.isnan(profile))
    end = np.median(profile[sampled[-max(1, len(sampled) // 3) :]])
    low = {int(i) for i in sampled if profile[i] <= end - apart}
    zero = {int(i) for i in np.flatnonzero(values[-1] == 0) if i < max(low, default=0)}
    return sorted(low | zero)


def _moves(run: Run, faded: list[int]) -> bool:
    """Whether the faded layers move at least a tenth as fast as the others, relative to their weights."""
    names = {run.layers["grad_norm"].layers[i] for i in faded}
    ratios = {name: tail_median(u[:, None])[0] for name, u in by_layer(run, "update_ratio").items()}
    slow = [r for name, r in ratios.items() if name in names and np.isfinite(r)]
    rest = [r for name, r in ratios.items() if name not in names and np.isfinite(r)]
    return bool(slow and rest) and float(np.median(slow)) >= 0.1 * float(np.median(rest))
