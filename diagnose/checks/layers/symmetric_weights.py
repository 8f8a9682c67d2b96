r"""Units of a layer that are copies of each other.

What it detects
---------------
A layer in which at least half of the units have the very same incoming weights as another unit of the layer,
from the first epoch to the last.

How it is detected
------------------
The duplicate fraction is the share of units whose incoming weights equal those of another unit. Random
initialization makes it 0, constant initialization (all zeros, all ones) 1. It must be at least one half in the
first sampled epoch and stay so to the end: an output layer that starts at zero is no fault, for its units get
different gradients and part in the first step; and units that become equal late, because a penalty drove
their weights to zero, are sparse, not symmetric.

Why it matters
--------------
Equal units get equal gradients and stay equal for ever: the layer computes one feature, however wide it is.

How to fix
----------
Random initialization: He for the ReLU family, Glorot (Xavier) for sigmoid and tanh. Biases may start at zero.

References
----------
Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.4 (breaking symmetry); Ben Braiek and Khomh,
TheDeepChecker, TOSEM 2022 (unbroken symmetry).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import layer_table, listed
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.layer_profile import onset, tail_median
from diagnose.remedies import model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(statistics=("duplicate_fraction",), min_epochs=2),
    explains=(
        "not-learning", "underfitting", "plateau", "slow-convergence", "metric-stuck", "frozen-weights",
        "vanishing-gradient", "saturated-activation", "dying-relu", "learning-rate-too-low",
    ),
    fault=Fault.UNITS,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Thresholds of symmetric-weights."""

    duplicates: float = threshold(
        0.5,
        unit="share",
        source="random weights give 0, constant ones 1",
        help="share of units that equal another one from which a layer is reported",
    )
    lost: float = threshold(
        0.9,
        unit="share",
        source="the layer has a tenth of its units, or fewer",
        help="share from which the layer counts as a single unit",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding with every layer whose units have been equal from the start."""
    duplicates = run.layers["duplicate_fraction"]
    equal = []
    for i in range(len(duplicates.layers)):
        share = duplicates.values[:, i]
        if onset(share[np.isfinite(share)] >= options.duplicates, misses=0.0) == 0:
            equal.append(i)
    if not equal:
        return
    level = tail_median(duplicates.values)
    worst = max(equal, key=lambda i: level[i])
    names = tuple(duplicates.layers[i] for i in equal)
    yield Finding(
        severity=Severity.CRITICAL if level[worst] >= options.lost else Severity.WARNING,
        confidence=min(0.99, 0.8 + 0.4 * max(0.0, float(level[worst]) - options.duplicates)),
        summary=(
            f"{100 * (level[worst]):.0f} % of the units of {listed(names)} are copies of each other from the start: "
            "constant initialization leaves them no way to part."
        ),
        epoch=float(duplicates.epochs[0]),
        layers=names,
        evidence=(
            layer_table(
                duplicates,
                level,
                "units that equal another one, median of the last epochs",
                threshold=options.duplicates,
                unit="share",
            ),
            Interval(
                label=f"units of {duplicates.layers[worst]} that equal another one",
                value=float(level[worst]),
                threshold=options.duplicates,
                unit="share",
                series=f"duplicate_fraction/{duplicates.layers[worst]}",
                start=float(duplicates.epochs[0]),
                end=float(duplicates.epochs[-1]),
            ),
        ),
        fixes=(
            model.initialize_he(addresses="constant weights of ReLU layers"),
            model.initialize_glorot(addresses="constant weights of sigmoid or tanh layers"),
        ),
    )
