r"""Layers whose weights do not move.

What it detects
---------------
(a) Layers that are meant to be trained and do not move: a gradient arrives and the weights stay, or no
gradient ever arrives. (b) A network that moves nowhere: every layer frozen, or every step so small that it is
lost. (c) An output layer that is frozen while the layers before it are trained. (d) For information: layers
that are frozen by choice, as in transfer learning.

How it is detected
------------------
By the update ratio :math:`\|\Delta w\|/\|w\|` per step. A layer stands still where it is exactly 0 in every
sampled epoch. Without any sampled gradient the layer is not trainable: frozen by choice. With a gradient
above zero the update is lost; with a gradient of exactly zero nothing arrives. Where the layers do move, but
half of them never by more than 1e-7 per step, and none by more than ten times that, the learning rate is too
low: a weight would need a million steps to change by a tenth. (A schedule that ends at zero is none of this: the
largest ratio of the run counts.)

Layers that are frozen by choice are a fault where the run is poor for it: the output layer among them, or a run
that underfits (a score less than 0.6 of the way from guessing to perfect, and a loss that has lost less than
half of its opening level).

Why it matters
--------------
A layer that does not move keeps its random weights: what the network can learn then is what the others make
of them.

How to fix
----------
Set ``layer.trainable = True`` and compile again (it counts only from compile on); raise the learning rate;
look for operations without a gradient (rounding, argmax, ``stop_gradient``), dead layers, and constant zero
weights.

References
----------
Wardat et al., DeepDiagnosis, ICSE 2022 (unchanged weights; lr·‖∇‖/‖W‖ < 1e-5); Amazon SageMaker Debugger,
WeightUpdateRatio (1e-8) and UnchangedTensor; Keras guide, Transfer learning and fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import by_layer, layer_table, learned_share, listed
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.fix import Fix
from diagnose.measures.layer_profile import FloatArray, tail_median
from diagnose.measures.learning import best_skill
from diagnose.remedies import model, optimizer, transfer
from diagnose.run import LayerStatistic, Run

CHECK = Check(
    needs=Needs(statistics=("update_ratio",), min_epochs=2),
    explains=("not-learning", "underfitting", "plateau", "metric-stuck", "slow-convergence"),
    fault=Fault.UNITS,
)


@dataclass(frozen=True)
class Options:
    """Thresholds of frozen-weights."""

    least_update: float = threshold(
        1e-7,
        unit="per step",
        source="between SageMaker Debugger (1e-8) and DeepDiagnosis (1e-5)",
        help="largest update ratio of the run below which a layer does not count as trained",
    )
    held_back_skill: float = threshold(
        0.6,
        unit="skill",
        source="chosen on the tuning half of benchmarks/faults/layers: held back up to 0.55, healthy from 0.84 on",
        help="score below which frozen layers hold a run back that has lost little of its loss either",
    )
    held_back_fall: float = threshold(
        0.5,
        unit="share",
        source="chosen on the tuning half of benchmarks/faults/layers: held back up to 0.34, healthy from 0.75 on",
        help="share of its opening level that the loss of such a run has lost at most",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield findings on layers that stand still, or on the whole network where it does."""
    updates = run.layers["update_ratio"]
    finite = np.isfinite(updates.values)
    weights = by_layer(run, "weight_norm")
    # Weights that overflowed do not move either, but they are not frozen.
    sampled = [
        i
        for i, layer in enumerate(updates.layers)
        if finite[:, i].any() and np.isfinite(weights.get(layer, np.zeros(1))[-1])
    ]
    largest = np.where(finite, updates.values, 0.0).max(axis=0)
    still = [i for i in sampled if largest[i] == 0.0]
    moving = [i for i in sampled if largest[i] > 0.0]
    gradients = by_layer(run, "grad_norm")
    by_choice = [i for i in still if np.isnan(gradients.get(updates.layers[i], np.array([np.nan]))).all()]
    if not moving and still:
        yield _nothing_moves(run, updates, by_choice, still)
        return
    slow = moving and float(np.median(largest[moving])) < options.least_update
    if slow and float(np.max(largest[moving])) < 10 * options.least_update:
        yield _too_slow(run, updates, largest, moving, options)
        return
    stuck = [i for i in still if i not in by_choice]
    if stuck:
        yield _stuck(run, updates, stuck, gradients)
    if by_choice:
        yield _chosen(run, updates, by_choice, moving, options)


def _table(updates: LayerStatistic, label: str, threshold: float | None = None) -> LayerTable:
    return layer_table(updates, tail_median(updates.values), label, worst=min, threshold=threshold, unit="per step")


def _names(updates: LayerStatistic, indices: list[int]) -> tuple[str, ...]:
    return tuple(updates.layers[i] for i in indices)


def _nothing_moves(run: Run, updates: LayerStatistic, by_choice: list[int], still: list[int]) -> Finding:
    chosen = len(by_choice) == len(still)
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.97,
        summary=(
            "No layer is trained: every one is frozen."
            if chosen and "grad_norm" in run.layers
            else "No weight of the network moves in any step."
        ),
        epoch=float(updates.epochs[0]),
        layers=_names(updates, still),
        evidence=(_table(updates, "length of a step relative to the weights"),),
        fixes=(
            transfer.unfreeze(addresses="layers that are not trainable"),
            optimizer.raise_learning_rate(run, addresses="a learning rate of zero, or lost in rounding"),
        ),
    )


def _too_slow(run: Run, updates: LayerStatistic, largest: FloatArray, moving: list[int], options: Options) -> Finding:
    most = float(np.max(largest[moving]))
    return Finding(
        severity=Severity.WARNING,
        confidence=0.95,
        summary=f"No layer ever moves by more than {most:.1e} of its weights per step: the learning rate is too low.",
        epoch=float(updates.epochs[0]),
        layers=_names(updates, moving),
        evidence=(_table(updates, "length of a step relative to the weights", options.least_update),),
        fixes=(
            optimizer.raise_learning_rate(run, 100.0, addresses="steps that are too small"),
            optimizer.use_adam(addresses="gradients that are too small"),
        ),
    )


def _stuck(run: Run, updates: LayerStatistic, stuck: list[int], gradients: dict[str, FloatArray]) -> Finding:
    names = _names(updates, stuck)
    reached = [name for name in names if np.nan_to_num(gradients[name]).any()]
    if reached:
        names = tuple(reached)
        summary = f"A gradient arrives at {listed(names)}, but the weights there never move: it is not applied."
        fixes: tuple[Fix, ...] = (
            transfer.unfreeze(addresses="layers frozen, or added, after compile"),
            optimizer.raise_learning_rate(run, addresses="steps lost in rounding"),
        )
    else:
        summary = f"No gradient ever reaches {listed(names)}: their weights stay as they were initialized."
        fixes = (
            model.initialize_he(addresses="weights of zero behind them"),
            model.use_leaky_relu(addresses="dead layers behind them"),
            model.add_skip_connections(addresses="an operation without a gradient behind them"),
        )
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=summary,
        epoch=float(updates.epochs[0]),
        layers=names,
        evidence=(_table(updates, "length of a step relative to the weights"),),
        fixes=fixes,
    )


def _chosen(run: Run, updates: LayerStatistic, by_choice: list[int], moving: list[int], options: Options) -> Finding:
    names = _names(updates, by_choice)
    frozen = f"{len(names)} of {len(names) + len(moving)} layers are frozen"
    severity, confidence = Severity.WARNING, 0.8
    if by_choice[-1] > max(moving):
        summary = f"The output layer {names[-1]} is frozen while layers before it are trained."
        names = names[-1:]
    elif _is_held_back(run, options):
        summary = f"{frozen} ({listed(names)}), and the others cannot make up for it: the run underfits."
        confidence = 0.75
    else:
        summary = f"{frozen}, as in transfer learning."
        severity, confidence = Severity.INFO, 0.95
    return Finding(
        severity=severity,
        confidence=confidence,
        summary=summary,
        epoch=float(updates.epochs[0]),
        layers=names,
        evidence=(_table(updates, "length of a step relative to the weights"),),
        fixes=(
            transfer.unfreeze(addresses="layers that are not trainable"),
            transfer.fine_tune_lower(run, addresses="fine-tuning once they are unfrozen"),
        )
        if severity == Severity.WARNING
        else (),
    )


def _is_held_back(run: Run, options: Options) -> bool:
    skill, lost = best_skill(run), learned_share(run)
    poor = skill is None or skill < options.held_back_skill
    return poor and lost is not None and lost < options.held_back_fall
