r"""The gradient grows by orders of magnitude, over the epochs or towards the input.

What it detects
---------------
(a) A gradient norm that grew a hundredfold and more over what the run had before, and does harm: the loss
rises or stops being finite, or the weights are thrown about. (b) A gradient norm that grows a thousandfold
from the last layers to the first. (c) Gradients that overflowed.

How it is detected
------------------
(a) The median over the layers of :math:`\log_{10}\|\nabla_l\|` (and of the largest sampled norm, where
logged) lies 2 decades above the lowest level (median of three epochs) before it. Growth alone is no fault:
gradients also grow when a network leaves a plateau and starts to learn. There must be harm with it: a
training loss that is not finite, or twice its best at the end; or steps of more than a tenth of the weights'
own norm (:math:`\|\Delta w\|/\|w\| > 0.1`) while the loss has not fallen.
(b) The resistant line over the layers (see vanishing-gradient), the other way round: 3 decades from the last
third to the first, in the larger part of the run, while gradients exceed the weights' own norm.
(c) An infinite norm of a gradient or of the weights; or steps of more than a tenth of the weights' own norm
with the harm of (a): what blew up within the first epoch has no earlier level to be held against. A run whose
norms were never finite may have non-finite data as well: nan-loss tells of it, this check does not.

Why it matters
--------------
One such step throws the weights so far that training starts anew from a bad place, or ends in NaN.

How to fix
----------
Clip the gradients by norm, lower the learning rate, initialize properly, normalize inputs and layers.

References
----------
Zhang et al., AutoTrainer, ICSE 2021 (ratio > 70 or NaN); Ben Braiek and Khomh, TheDeepChecker, TOSEM 2022
(updates above 1e-1); Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import by_layer, factor, layer_table, listed, when
from diagnose.finding import Finding, Interval, Severity
from diagnose.fix import Fix
from diagnose.measures.curve import curve_of
from diagnose.measures.layer_profile import (
    LEAST_TAIL,
    BoolArray,
    depth_drop,
    logarithms,
    nanmedian,
    rise_over_baseline,
)
from diagnose.remedies import data, model, optimizer
from diagnose.run import LayerStatistic, Run

CHECK = Check(
    needs=Needs(statistics=("grad_norm",)),
    explains=("nan-loss", "divergence", "oscillating-loss", "not-learning", "dying-relu"),
    fault=Fault.GRADIENT,
)


@dataclass(frozen=True)
class Options:
    """Thresholds of exploding-gradient."""

    growth: float = threshold(
        2.0,
        unit="decades",
        source="AutoTrainer 2021 (factor 70), rounded up",
        help="how far the gradient norm must rise above its lowest earlier level",
    )
    depth_growth: float = threshold(
        3.0,
        unit="decades",
        source="as for vanishing-gradient",
        help="how far the gradient norm must grow from the last layers to the first",
    )
    update_ratio: float = threshold(
        0.1,
        unit="per step",
        source="TheDeepChecker 2022, DeepDiagnosis 2022",
        help="step length, relative to the weights' norm, that throws the weights about",
    )
    loss_ratio: float = threshold(
        2.0,
        unit="x best",
        source="TheDeepChecker 2022",
        help="end of the training loss over its best from which the run counts as harmed",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding: growth over the epochs, else overflow, else a burst, else growth in depth."""
    gradients = run.layers["grad_norm"]
    yield from (
        _grown(run, gradients, options)
        or _overflow(run, gradients)
        or _burst(run, options)
        or _grown_backwards(run, gradients, options)
    )


def _overflow(run: Run, gradients: LayerStatistic) -> list[Finding]:
    overflowed = np.isinf(gradients.values)
    for name in ("grad_norm_max", "weight_norm"):
        other = run.layers.get(name)
        if other is not None and other.values.shape == overflowed.shape:
            overflowed |= np.isinf(other.values)
    if not overflowed.any():
        return []
    at = int(np.flatnonzero(overflowed.any(axis=1))[0])
    names = [gradients.layers[i] for i in np.flatnonzero(overflowed[at])]
    epoch = float(gradients.epochs[at])
    return [
        Finding(
            severity=Severity.CRITICAL,
            confidence=0.99,
            summary=f"Gradient or weights overflowed at {run.axis} {epoch:g}, in {listed(names)}.",
            epoch=epoch,
            layers=tuple(names),
            evidence=(layer_table(gradients, gradients.values[max(0, at - 1)], "gradient norm before it overflowed"),),
            fixes=_fixes(run),
        )
    ]


def _grown(run: Run, gradients: LayerStatistic, options: Options) -> list[Finding]:
    logs = logarithms(gradients.values)
    rise = rise_over_baseline(nanmedian(logs, axis=1))
    largest = run.layers.get("grad_norm_max")
    if largest is not None and len(largest.epochs) == len(rise):
        # A blow-up within an epoch shows in its largest norm first.
        rise = np.fmax(rise, rise_over_baseline(nanmedian(logarithms(largest.values), axis=1)))
    grown = np.flatnonzero(rise >= options.growth)
    if not len(grown):
        return []
    harm = _harm(run, options, float(gradients.epochs[grown[0]]))
    if not harm:
        return []
    at = int(grown[0])
    epoch, peak = float(gradients.epochs[at]), float(np.nanmax(rise))
    worst = int(np.nanargmax(rise))
    per_layer = np.array([float(np.nanmax(rise_over_baseline(column), initial=-np.inf)) for column in logs.T])
    names = tuple(n for n, r in zip(gradients.layers, per_layer, strict=True) if r >= options.growth)
    return [
        Finding(
            severity=Severity.CRITICAL,
            confidence=min(0.99, 0.8 + 0.05 * (peak - options.growth)),
            summary=f"The gradient norm grew {factor(peak)}-fold from {run.axis} {epoch:g} on, and {harm}.",
            epoch=epoch,
            layers=names,
            evidence=(
                Interval(
                    label="rise of the gradient norm (median of the layers) over its lowest level before",
                    value=peak,
                    threshold=options.growth,
                    unit="decades",
                    series="grad_norm",
                    start=epoch,
                    end=float(gradients.epochs[worst]),
                ),
                layer_table(gradients, gradients.values[worst], "gradient norm at its height"),
            ),
            fixes=_fixes(run),
        )
    ]


def _burst(run: Run, options: Options) -> list[Finding]:
    """Find steps far too long for the weights, where growth had no epoch to show in."""
    updates = run.layers.get("update_ratio")
    if updates is None:
        return []
    typical = nanmedian(np.where(np.isinf(updates.values), np.nan, updates.values), axis=1)
    beyond = np.flatnonzero(typical > options.update_ratio)
    if not len(beyond):
        return []
    at = int(beyond[0])
    epoch = float(updates.epochs[at])
    harm = _harm(run, options, epoch)
    if not harm:
        return []
    return [
        Finding(
            severity=Severity.CRITICAL,
            confidence=0.85,
            summary=f"At {run.axis} {epoch:g} a step was {typical[at]:.2g} times as long as the weights, and {harm}.",
            epoch=epoch,
            layers=tuple(
                n for n, u in zip(updates.layers, updates.values[at], strict=True) if u > options.update_ratio
            ),
            evidence=(
                layer_table(
                    updates,
                    updates.values[at],
                    "length of a step relative to the weights",
                    threshold=options.update_ratio,
                    unit="per step",
                ),
            ),
            fixes=_fixes(run),
        )
    ]


def _harm(run: Run, options: Options, epoch: float) -> str:
    """Return what the growth did to the run, in words; empty where it did no harm."""
    loss = run.get("loss")
    if loss is not None:
        if not np.isfinite(loss.values[loss.epochs >= epoch]).all():
            return "the loss is not finite"
        curve = curve_of(loss)
        if len(curve) < LEAST_TAIL:
            return ""
        if curve.end - curve.best >= 0.25 * curve.descent and (
            curve.best <= 0 or curve.end >= options.loss_ratio * curve.best
        ):
            return f"the loss ends at {curve.end:.3g} after a best of {curve.best:.3g}"
        if curve.descent > 0.05 * abs(curve.start):
            return ""
    updates = run.layers.get("update_ratio")
    if updates is None or len(updates.epochs) < LEAST_TAIL:
        return ""
    ratio = float(nanmedian(updates.values[updates.epochs >= epoch].reshape(-1, 1), axis=0)[0])
    return f"each step moves the weights by {ratio:.2g} of their own norm" if ratio > options.update_ratio else ""


def _grown_backwards(run: Run, gradients: LayerStatistic, options: Options) -> list[Finding]:
    logs = logarithms(gradients.values)
    total, apart = depth_drop(logs)
    holds = (total <= -options.depth_growth) & (apart >= options.depth_growth / 2)
    if holds.sum() < LEAST_TAIL or holds.mean() <= 0.5:
        return []
    # The median of the epochs that show it, not of the end: a fault of the start may heal or kill the net.
    norms = nanmedian(gradients.values[holds], axis=0)
    growth = -float(np.median(total[holds]))
    names = tuple(n for n, g in zip(gradients.layers, norms, strict=True) if g > _weight(run, n, holds))
    if not names:
        return []
    epoch = float(gradients.epochs[np.flatnonzero(holds)[0]])
    start = when(run, epoch, float(gradients.epochs[0]))
    return [
        Finding(
            severity=Severity.WARNING,
            confidence=min(0.95, 0.75 + 0.05 * (growth - options.depth_growth)),
            summary=(
                f"The gradient grows {factor(growth)}-fold from the last layers to the first, {start}: in "
                f"{listed(names)} it is larger than the weights themselves."
            ),
            epoch=epoch,
            layers=names,
            evidence=(
                Interval(
                    label="growth of the gradient norm from the last layers to the first",
                    value=growth,
                    threshold=options.depth_growth,
                    unit="decades",
                    series="grad_norm",
                    start=epoch,
                    end=float(gradients.epochs[np.flatnonzero(holds)[-1]]),
                ),
                layer_table(gradients, norms, "gradient norm, median of the epochs"),
            ),
            fixes=_fixes(run, at_start=True),
        )
    ]


def _weight(run: Run, layer: str, epochs: BoolArray) -> float:
    """Return the norm of a layer's weights over some epochs; 1 where it was not logged."""
    norms = by_layer(run, "weight_norm").get(layer)
    if norms is None or len(norms) != len(epochs):
        return 1.0
    weight = float(nanmedian(norms[epochs][:, None], axis=0)[0])
    return weight if np.isfinite(weight) else 1.0


def _fixes(run: Run, at_start: bool = False) -> tuple[Fix, ...]:
    initialization = (
        model.initialize_he(addresses="large initialization of ReLU layers"),
        model.initialize_glorot(addresses="large initialization of sigmoid or tanh layers"),
    )
    step = (
        optimizer.clip_gradients(addresses="single large gradients"),
        optimizer.lower_learning_rate(run, addresses="a step that is too large"),
    )
    scale = (
        data.standardize_inputs(addresses="inputs of large scale"),
        model.add_batch_norm(addresses="signals that grow from layer to layer"),
    )
    return (*initialization, *step, *scale) if at_start else (*step, *initialization, *scale)
