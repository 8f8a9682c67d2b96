"""The loss of the first batch is far from that of a model that knows nothing.

What it detects
---------------
A loss that is NaN, infinite, or many times too high before the first step; an output bias that has been set to what the
labels are not; and a loss that is too low to be that of an untrained model.

How it is detected
------------------
K classes of equal probability have a cross-entropy of ln K, two have ln 2; for MSE, MAE and Huber it is the loss of an
output of zero. Random weights scatter around that. A cross-entropy of `excess` times as much, less twice its standard
error over the samples, is no scatter: outputs are far too large. A distance may be `distance_excess` times as much, for
its scale is arbitrary. The bias of the last layer, where it is not zero, must not by itself make a cross-entropy
`bias_excess` times that of equal probabilities: it is set to the frequencies of the classes, which makes it lower. A
loss that is not finite is ``critical``. On real data a cross-entropy below `share` of what
the frequencies of the labels alone allow (their entropy), with three standard errors to spare, is an ``info``: the
model has been trained before, or the inputs give the label away. Losses of one's own have no such number and are left
alone.

Why it matters
--------------
The first epochs go into undoing the outputs' size; saturated outputs have no gradient at all. What is not finite stays
so.

How to fix
----------
Scale the inputs, initialize to the activation (He, Glorot), normalize between layers, let output and loss fit.

References
----------
Karpathy, A Recipe for Training Neural Networks (2019): verify loss at init. He et al., Delving Deep into Rectifiers,
ICCV 2015.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import DryRun
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.first_batch import label_entropy, loudest, trained_by
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("dry_run",)), fault=Fault.UNSTABLE, explains=("one-batch-fit",))

_CROSS_ENTROPIES = frozenset(("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"))
_DISTANCES = frozenset(("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"))


@dataclass(frozen=True)
class Options:
    """Thresholds of initial-loss."""

    excess: float = threshold(
        4.0,
        unit="x",
        source="random logits of deviation 2 give 1.6 times ln 10; of inputs from 0 to 255 ten times and more",
        help="cross-entropy over that of equal probabilities",
    )
    distance_excess: float = threshold(
        1e4,
        unit="x",
        source="outputs a hundred times as large as the targets",
        help="MSE, MAE or Huber over that of an output of zero",
    )
    bias_excess: float = threshold(
        1.5,
        unit="x",
        source="log odds of classes of 25 and 75 % with the wrong sign give 1.6, of 12 and 88 % 2.7",
        help="cross-entropy of the output bias alone over that of equal probabilities",
    )
    share: float = threshold(
        0.5,
        unit="share",
        source="an output bias set to the frequencies of the classes gives 1",
        help="cross-entropy over the entropy of the labels, below which an untrained model does not come",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    tried = run.dry_run
    if tried is None or tried.initial_loss is None:
        return
    if not math.isfinite(tried.initial_loss):
        yield _not_finite(tried)
        return
    expected, losses = tried.expected_loss, trained_by(run.model)
    if expected is None or not math.isfinite(expected) or expected <= 0:
        return
    is_probability = bool(losses) and losses <= _CROSS_ENTROPIES
    spread = tried.spread if tried.spread is not None and math.isfinite(tried.spread) else 0.0
    limit = options.excess if is_probability else options.distance_excess if losses <= _DISTANCES else math.inf
    if losses and (tried.initial_loss - 2 * spread) / expected >= limit:
        yield _too_high(tried, expected, limit)
    elif is_probability and tried.bias_loss is not None and tried.bias_loss >= options.bias_excess * expected:
        yield _wrong_bias(tried, tried.bias_loss, expected, options)
    elif is_probability and not tried.is_made_up:
        reachable = label_entropy(run.data)
        if reachable is not None and tried.initial_loss + 3 * spread < options.share * min(reachable, expected):
            yield _too_low(tried, min(reachable, expected), options)


def _not_finite(tried: DryRun) -> Finding:
    value = tried.initial_loss
    assert value is not None
    told = "not a number (NaN)" if math.isnan(value) else "infinite"
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.99 if not tried.is_made_up else 0.8,
        summary=f"The loss of the first {tried.samples} samples{_source(tried)} is {told} before any training.",
        evidence=(
            Comparison(
                label="losses of the first batch that are not finite",
                value=1.0,
                threshold=0.0,
                left_name="looked at",
                left=1.0,
                right_name="finite",
                right=0.0,
            ),
        ),
        fixes=(data.find_non_finite(), training.check_numerics(), data.standardize_inputs(), model.initialize_he()),
    )


def _too_high(tried: DryRun, expected: float, limit: float) -> Finding:
    assert tried.initial_loss is not None
    ratio = tried.initial_loss / expected
    layers = loudest(tried)
    where = f"; {layers[0].layer} puts out values of a deviation of {layers[0].output_std:.3g}" if layers else ""
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85 if not tried.is_made_up else 0.7,
        summary=(
            f"The loss of the first {tried.samples} samples{_source(tried)} is {tried.initial_loss:.3g}, "
            f"{ratio:.3g} times the {expected:.3g} of a model that knows nothing{where}."
        ),
        layers=tuple(scale.layer for scale in layers[:1]),
        evidence=(_comparison("initial loss over that of knowing nothing", ratio, limit, tried, expected),),
        fixes=(
            data.standardize_inputs(), model.initialize_he(), model.initialize_glorot(), model.add_batch_norm(),
            model.match_output_to_loss(), optimizer.warm_up(),
        ),
    )  # fmt: skip


def _wrong_bias(tried: DryRun, loss: float, expected: float, options: Options) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=(
            f"The bias that the last layer begins with makes a loss of {loss:.3g} by itself on the first "
            f"{tried.samples} samples, where equal probabilities have {expected:.3g}: it says the opposite of what the "
            "labels are."
        ),
        evidence=(
            Comparison(
                label="loss of the output bias alone over that of knowing nothing",
                value=loss / expected,
                threshold=options.bias_excess,
                unit="x",
                left_name="of the bias",
                left=loss,
                right_name="of knowing nothing",
                right=expected,
            ),
        ),
        fixes=(model.fit_output_bias(), data.check_labels()),
    )


def _too_low(tried: DryRun, reachable: float, options: Options) -> Finding:
    assert tried.initial_loss is not None
    return Finding(
        severity=Severity.INFO,
        confidence=0.6,
        summary=(
            f"The loss of the first {tried.samples} samples is {tried.initial_loss:.3g}, and the frequencies of the "
            f"labels alone allow no less than {reachable:.3g}: the model has been trained before, or its inputs give "
            "the label away."
        ),
        evidence=(
            _comparison(
                "initial loss over that of the label frequencies",
                tried.initial_loss / reachable,
                options.share,
                tried,
                reachable,
            ),
        ),
        fixes=(data.check_labels(), data.check_duplicates()),
    )


def _comparison(label: str, value: float, limit: float, tried: DryRun, other: float) -> Comparison:
    return Comparison(
        label=label,
        value=value,
        threshold=limit,
        unit="x",
        left_name="initial loss",
        left=tried.initial_loss or 0.0,
        right_name="of knowing nothing",
        right=other,
    )


def _source(tried: DryRun) -> str:
    return " (made up)" if tried.is_made_up else ""
