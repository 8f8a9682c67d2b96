"""The loss, or the weights behind it, became NaN or infinite.

What it detects
---------------
A training or validation loss that is NaN or infinite. (A metric may be: F1 without any positive is 0/0.) Where
layer statistics were logged, also weights that are NaN behind a loss that is not.

How it is detected
------------------
The first epoch at which a loss is not finite. An absent value (``NA``, an empty cell) is not one: Keras'
CSVLogger writes ``NA`` for what was not measured and ``nan`` for what diverged. Where only the
validation loss is not finite the data or the metric on the validation side is at fault, not the step
size.

Weights are NaN where the norm of a layer's weights is not a number, to the end, while that of other layers is
one. The loss need not show it: ReLU may make zeros of NaN, and what comes after learns from nothing.

Why it matters
--------------
From a NaN loss on every gradient, and one step later every weight, is NaN: nothing after that epoch
counts, and the best weights are those before it.

How to fix
----------
Look for non-finite inputs and labels first, then lower the learning rate, clip the gradients, and scale
the inputs. In the validation loss alone: look for NaN in the validation data and for a logarithm of
zero.

References
----------
Zhang et al., AutoTrainer, ICSE 2021 (exploding gradient, NaN loss); Keras ``TerminateOnNaN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs
from diagnose.finding import Finding, Point, Severity
from diagnose.fix import Fix
from diagnose.measures.layer_profile import onset
from diagnose.remedies import data, optimizer, training
from diagnose.run import Run, Series, Split

CHECK = Check(
    needs=Needs(any_of=(("loss",), ("val_loss",), ("metric",), ("val_metric",))),
    explains=(
        "metric-stuck", "not-learning", "plateau", "underfitting", "generalization-gap", "learning-rate-too-low",
        "dying-relu", "vanishing-gradient",
    ),
    fault=Fault.UNSTABLE,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """No thresholds: a value is finite or it is not."""


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield one finding at the first epoch with a loss that is not finite."""
    broken = [s for s in run.series if s.is_loss and not np.isfinite(s.values).all()]
    if not broken:
        yield from _broken_weights(run)
        return
    first = min(broken, key=_first_epoch)
    epoch = _first_epoch(first)
    at = int(np.flatnonzero(~np.isfinite(first.values))[0])
    only_validation = all(s.split != Split.TRAIN for s in broken)
    fixes: tuple[Fix, ...]
    word = "infinite" if np.isinf(first.values[at]) else "NaN"
    if only_validation:
        summary = (
            f"{first.name} is {word} from {run.axis} {epoch:g} on while the training loss stays finite: "
            "look at the validation data and at logarithms of zero."
        )
        fixes = (data.find_non_finite(split="validation"), training.check_numerics())
    else:
        when = "from the first epoch on" if at == 0 else f"at {run.axis} {epoch:g}"
        summary = f"{first.name} became {word} {when}; nothing trained after that counts."
        fixes = (
            data.find_non_finite(),
            optimizer.lower_learning_rate(run),
            optimizer.clip_gradients(),
            data.standardize_inputs(),
        )
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=1.0,
        summary=summary,
        epoch=epoch,
        evidence=(
            Point(
                label=f"values of {first.name} that are not finite",
                value=float((~np.isfinite(first.values)).sum()),
                threshold=0.0,
                unit=f"{run.axis}s",
                series=first.name,
                epoch=epoch,
            ),
        ),
        fixes=fixes,
    )


def _broken_weights(run: Run) -> Iterator[Finding]:
    """Yield one finding with the layers whose weights are NaN while those of others are not."""
    norms = run.layers.get("weight_norm")
    if norms is None:
        return
    sampled = ~np.isnan(norms.values).all(axis=1)
    since = {i: onset(np.isnan(norms.values[sampled, i]), misses=0.0) for i in range(len(norms.layers))}
    began = {i: start for i, start in since.items() if start is not None}
    if not began:
        return
    epoch = float(norms.epochs[sampled][min(began.values())])
    layers = tuple(norms.layers[i] for i in began)
    loss = run.get("loss")
    yield Finding(
        severity=Severity.CRITICAL,
        confidence=0.99,
        summary=(
            f"Weights of {', '.join(layers[:3])} are NaN from {run.axis} {epoch:g} on, while the loss is finite: what "
            "comes after learns from nothing."
        ),
        epoch=epoch,
        layers=layers,
        evidence=(
            Point(
                label="layers with weights that are NaN",
                value=float(len(layers)),
                threshold=0.0,
                unit="layers",
                series=loss.name if loss is not None else "weight_norm",
                epoch=epoch,
            ),
        ),
        fixes=(data.find_non_finite(), optimizer.lower_learning_rate(run), optimizer.clip_gradients()),
    )


def _first_epoch(series: Series) -> float:
    return float(series.epochs[np.flatnonzero(~np.isfinite(series.values))[0]])
