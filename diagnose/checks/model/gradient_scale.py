"""The first gradients vanish or explode on their way back, or do not reach some layers.

What it detects
---------------
One batch backward through the freshly made network: trainable layers that get no gradient, gradients that are not
finite, and gradients of the first layers that are orders of magnitude smaller or larger than those of the last.

How it is detected
------------------
The norm of the gradient of the loss, penalties left out, is measured for each trainable layer. A layer from which no
way leads to the loss (an operation without a derivative between them, or a layer that is not used) is ``critical`` (a
``warning`` where not all of the graph is known), as are gradients that are not finite. A first layer whose gradient is
zero, and stays so over some steps, is a ``warning``. With `layers` trainable layers or more, the largest gradient of
the first quarter is compared with the largest of the last: below `vanishing` it vanishes; the smallest of the first
quarter above `exploding` times that, and above `large`, explodes. Only the ends are compared: branches within a network
may begin small on purpose.

Why it matters
--------------
What gets no gradient is never trained, without a word. Gradients of very different size want very different rates: one
rate leaves the first layers where they are, or throws them away.

How to fix
----------
ReLU instead of sigmoid, He or Glorot initialization, batch normalization, skip connections; clipping where they
explode; operations with a derivative between every layer and the loss.

References
----------
AutoTrainer (ICSE 2021): ratio of first to last gradient below 1e-3 vanishes, above 70 explodes; sound networks with
normalization have ratios of several hundred before training (Yang et al., A Mean Field Theory of Batch Normalization,
ICLR 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diagnose.blueprint import Blueprint, DryRun, LayerScale
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import with_more
from diagnose.finding import Finding, LayerTable, Severity
from diagnose.fix import Fix
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import Run

CHECK = Check(
    needs=Needs(before=("model", "dry_run")),
    fault=Fault.GRADIENT,
    explains=("one-batch-fit", "vanishing-gradient", "exploding-gradient", "frozen-weights", "not-learning"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of gradient-scale."""

    layers: float = threshold(
        4.0, unit="layers", source="fewer have no depth to speak of", help="trainable layers, to compare the ends"
    )
    vanishing: float = threshold(
        1e-4,
        unit="x",
        source="below AutoTrainer's 1e-3 (ICSE 2021), for sound networks come near that",
        help="largest gradient of the first quarter over that of the last",
    )
    exploding: float = threshold(
        1e5,
        unit="x",
        source="batch normalization alone gives up to 1e4 over 50 layers (Yang et al., ICLR 2019)",
        help="smallest gradient of the first quarter over the largest of the last",
    )
    large: float = threshold(
        1e3,
        unit="norm",
        source="a step of 0.01 times that moves the weights by more than they are",
        help="that explodes",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for layers that get no gradient, and one for the gradients' size."""
    blueprint, tried = run.model, run.dry_run
    if blueprint is None or tried is None or tried.initial_loss is None or not math.isfinite(tried.initial_loss):
        return
    trained = [scale for scale in tried.scales if scale.weight_norm is not None]
    yield from _unreached(blueprint, trained)
    reached = [(scale.layer, scale.grad_norm) for scale in trained if scale.grad_norm is not None]
    broken = [(name, norm) for name, norm in reached if not math.isfinite(norm)]
    if broken:
        yield _not_finite(tried, broken)
    elif reached and reached[0][1] == 0 and len(reached) > 1:
        yield _zero(tried, [(name, norm) for name, norm in reached if norm == 0])
    elif len(reached) >= options.layers:
        yield from _by_depth(reached, options)


def _unreached(blueprint: Blueprint, trained: Sequence[LayerScale]) -> Iterator[Finding]:
    judged = _leading_to_a_loss(blueprint)
    lost = [scale.layer for scale in trained if scale.grad_norm is None and (judged is None or scale.layer in judged)]
    if not lost or (judged is None and any(output.loss is None for output in blueprint.outputs)):
        return
    yield Finding(
        severity=Severity.CRITICAL if blueprint.is_whole else Severity.WARNING,
        confidence=0.95 if blueprint.is_whole else 0.8,
        summary=(
            f"{with_more(lost[0], len(lost))} of {len(trained)} trainable layers gets no gradient: no way with "
            "a derivative leads from it to the loss, and it will never be trained."
        ),
        layers=tuple(lost),
        evidence=(
            LayerTable(
                label="trainable layers that get no gradient",
                value=float(len(lost)),
                threshold=0.0,
                unit="layers",
                statistic="grad_norm",
                rows=tuple((name, 0.0) for name in lost),
            ),
        ),
        fixes=(training.reconnect(),),
    )


def _leading_to_a_loss(blueprint: Blueprint) -> set[str] | None:
    """Return the layers that outputs with a loss depend on; None where the graph is not known."""
    if not blueprint.is_whole:
        return None
    ends = [blueprint.by_name[o.layer] for o in blueprint.outputs if o.loss and o.layer in blueprint.by_name]
    return {each.name for end in ends for each in (end, *blueprint.upstream(end))}


def _not_finite(tried: DryRun, broken: Sequence[tuple[str, float]]) -> Finding:
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.95,
        summary=(
            f"The first gradient of {with_more(broken[0][0], len(broken))} is not finite though the loss "
            f"({tried.initial_loss:.3g}) is: one step would ruin the weights."
        ),
        layers=tuple(name for name, _ in broken),
        evidence=(_table("layers whose gradient is not finite", float(len(broken)), 0.0, broken, unit="layers"),),
        fixes=(training.check_numerics(), data.find_non_finite(), optimizer.clip_gradients()),
    )


def _zero(tried: DryRun, zero: Sequence[tuple[str, float]]) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=(
            f"The gradient of {with_more(zero[0][0], len(zero))} is exactly zero on {tried.samples} samples, and "
            "stays zero over the first steps: what is behind it lets nothing back."
        ),
        layers=tuple(name for name, _ in zero),
        evidence=(_table("layers whose gradient is zero", float(len(zero)), 0.0, zero, unit="layers"),),
        fixes=(model.initialize_he(), model.use_leaky_relu(), data.standardize_inputs(), training.reconnect()),
    )


def _by_depth(reached: Sequence[tuple[str, float]], options: Options) -> Iterator[Finding]:
    quarter = max(1, len(reached) // 4)
    first, last = reached[:quarter], reached[-quarter:]
    end = max(norm for _, norm in last)
    if end <= 0:
        return
    shrunk, grown = max(norm for _, norm in first) / end, min(norm for _, norm in first) / end
    if shrunk < options.vanishing:
        yield _sized("vanish", shrunk, options.vanishing, reached, _against_vanishing())
    elif grown > options.exploding and min(norm for _, norm in first) > options.large:
        yield _sized("explode", grown, options.exploding, reached, _against_exploding())


def _sized(
    verb: str, ratio: float, limit: float, reached: Sequence[tuple[str, float]], fixes: tuple[Fix, ...]
) -> Finding:
    (first, norm), (last, other) = reached[0], reached[-1]
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=(
            f"Gradients {verb} on their way back before any training: the norm is {other:.2g} at {last} and {norm:.2g} "
            f"at {first}, {len(reached)} trainable layers apart."
        ),
        layers=(first, last),
        evidence=(_table("gradient of the first layers over that of the last", ratio, limit, reached, unit="x"),),
        fixes=fixes,
    )


def _against_vanishing() -> tuple[Fix, ...]:
    return model.use_relu(), model.initialize_he(), model.add_batch_norm(), model.add_skip_connections()


def _against_exploding() -> tuple[Fix, ...]:
    return optimizer.clip_gradients(), model.initialize_he(), model.add_batch_norm(), data.standardize_inputs()


def _table(label: str, value: float, limit: float, rows: Sequence[tuple[str, float]], *, unit: str) -> LayerTable:
    return LayerTable(label=label, value=value, threshold=limit, unit=unit, statistic="grad_norm", rows=tuple(rows))
