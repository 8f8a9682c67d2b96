r"""Sigmoid or tanh units that are pinned to their bounds.

What it detects
---------------
A hidden layer most of whose sigmoid or tanh outputs lie at 0 or 1, or at -1 or 1, to the end of the run.

How it is detected
------------------
The saturated fraction is the share of a layer's outputs on the probe samples that lie so near to a bound
that next to nothing of the gradient is left (pre-activation beyond ±5 for sigmoid, ±2.5 for tanh). A layer is
reported where it is at least one half from some epoch on to the end.

The output layer is left out: a sigmoid output near 0 and 1 is what training is for. A layer that saturated
in a run that has learned has learned to answer yes or no: that is for information only. A run has learned where
its score has gone half of the way from guessing to perfect; where no score says so, where the loss has lost
four fifths of its opening level. (A loss that blew up at first falls a long way without anything learned.)

Why it matters
--------------
The derivative of a sigmoid is a(1 - a), of tanh 1 - a²: both are nearly zero at the bounds, so such units, and
every layer before them, stop learning.

How to fix
----------
Scale the inputs, use Glorot initialization, batch normalization, or ReLU.

References
----------
Wardat et al., DeepDiagnosis, ICSE 2022 (more than 50 % of pre-activations beyond ±5); Amazon SageMaker
Debugger, TanhSaturation; Glorot and Bengio, AISTATS 2010.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import layer_table, learned_share, listed, when
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.layer_profile import lasts, onset, tail_median
from diagnose.measures.learning import best_skill
from diagnose.remedies import data, model
from diagnose.run import Run

CHECK = Check(
    needs=Needs(statistics=("saturated_fraction",), min_epochs=2),
    explains=(
        "vanishing-gradient", "not-learning", "plateau", "slow-convergence", "underfitting", "metric-stuck",
        "frozen-weights",
    ),
    fault=Fault.UNITS,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Thresholds of saturated-activation."""

    saturated: float = threshold(
        0.5,
        unit="share",
        source="DeepDiagnosis 2022",
        help="share of saturated outputs from which a layer is reported",
    )
    lost: float = threshold(
        0.9,
        unit="share",
        source="own trials",
        help="share of saturated outputs from which a layer lets no gradient pass",
    )
    harmless_skill: float = threshold(
        0.5,
        unit="skill",
        source="chosen on the tuning half of benchmarks/faults/layers: sick networks reached 0.4",
        help="how far from guessing to perfect a run must be to call it learned, not sick",
    )
    harmless_fall: float = threshold(
        0.8,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults/layers: sick networks lost up to 0.66",
        help="the same where there is no score: share of its opening level that the loss must have lost",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding with every hidden layer that is saturated."""
    saturated = run.layers["saturated_fraction"]
    output = _output_layer(run)
    began = {}
    for i, layer in enumerate(saturated.layers):
        sampled = np.flatnonzero(np.isfinite(saturated.values[:, i]))
        start = onset(saturated.values[sampled, i] >= options.saturated)
        if layer != output and start is not None and lasts(start, len(sampled)):
            began[i] = int(sampled[start])
    if not began:
        return
    level = tail_median(saturated.values)
    worst = max(began, key=lambda i: level[i])
    names = tuple(saturated.layers[i] for i in began)
    epoch = float(saturated.epochs[min(began.values())])
    start_words = when(run, epoch, float(saturated.epochs[0]))
    severity = Severity.WARNING
    if _learned(run, options):
        severity = Severity.INFO
    elif level[worst] >= options.lost:
        severity = Severity.CRITICAL
    yield Finding(
        severity=severity,
        confidence=_confidence(run, float(level[worst]) - options.saturated),
        summary=(
            f"{'Up to ' if len(names) > 1 else ''}{100 * (level[worst]):.0f} % of the outputs of {listed(names)} are "
            f"pinned to their bounds {start_words}"
            + ("; the loss fell all the same." if severity == Severity.INFO else ": their gradient is gone.")
        ),
        epoch=epoch,
        layers=names,
        evidence=(
            layer_table(
                saturated,
                level,
                "saturated outputs, median of the last epochs",
                threshold=options.saturated,
                unit="share",
            ),
            Interval(
                label=f"saturated outputs of {saturated.layers[worst]}",
                value=float(level[worst]),
                threshold=options.saturated,
                unit="share",
                series=f"saturated_fraction/{saturated.layers[worst]}",
                start=float(saturated.epochs[began[worst]]),
                end=float(saturated.epochs[-1]),
            ),
        ),
        fixes=(
            data.standardize_inputs(addresses="inputs of large scale"),
            model.initialize_glorot(addresses="weights that are too large"),
            model.add_batch_norm(addresses="pre-activations far from zero"),
            model.use_relu(addresses="an activation with two bounds"),
        ),
    )


def _confidence(run: Run, excess: float) -> float:
    """A run that has begun to learn may yet learn with units that answer yes or no."""
    lost = learned_share(run)
    begun = lost is not None and lost >= 0.1
    return min(0.98, 0.7 + 0.5 * max(0.0, excess)) * (0.8 if begun else 1.0)


def _learned(run: Run, options: Options) -> bool:
    skill = best_skill(run)
    if skill is not None:
        return skill >= options.harmless_skill
    lost = learned_share(run)
    return lost is not None and lost >= options.harmless_fall


def _output_layer(run: Run) -> str:
    """Return the name of the layer that ends the model, as far as the statistics of the weights tell."""
    for name in ("grad_norm", "update_ratio", "weight_norm"):
        statistic = run.layers.get(name)
        if statistic is not None and statistic.layers:
            return statistic.layers[-1]
    return ""
