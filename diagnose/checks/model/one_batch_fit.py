"""The model cannot learn even one batch by heart.

What it detects
---------------
Trained on one small batch again and again, the loss hardly falls, rises, or becomes NaN.

How it is detected
------------------
The model is trained on one batch with its own optimizer, for some dozens of steps, `steps` at least. The loss at the
end (median of the last fifth) has used up less than `fall` of the way from its start to the least that the batch allows
(labels may be soft), and the noise of dropout is too small to hide more: a ``warning``. It is ``critical`` where the
loss becomes NaN or infinite, or is `rise` times what it began with. Nothing is said of low rates at which it could not
be otherwise: Adam and its kin below `adaptive_rate` (fine-tuning), plain gradient descent where rate times squared
gradient promises no visible fall. But a rate at which nothing will ever move is a ``warning``: Adam and its kin below
`least_rate`; gradient descent whose step, momentum included, is below `least_update` of the weights. There gradients
count as a thousandth of the weights at least, as smaller ones are the fault of something else. Schedules begin as low
as they like. A batch that was made up is not trained on.

Why it matters
--------------
A network that cannot learn thirty samples by heart will not learn from thousands: something between inputs, weights and
loss is broken, and more data, time or tuning will not mend it.

How to fix
----------
Look at output and loss, at the scale of inputs and targets, at dead or saturated layers; then at the learning rate.

References
----------
Karpathy, A Recipe for Training Neural Networks (2019): overfit one batch. Goodfellow, Bengio, Courville, Deep Learning
(2016), section 11.5: fit a tiny dataset. Amazon SageMaker Debugger, rule ``WeightUpdateRatio``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from diagnose.blueprint import DryRun, Optimizer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Edit, Fix
from diagnose.remedies import data, model, optimizer, training
from diagnose.run import FloatArray, Run

CHECK = Check(
    needs=Needs(before=("model", "dry_run")),
    fault=Fault.STUCK,
    explains=("not-learning", "underfitting", "learning-rate-too-high", "learning-rate-too-low"),
)

#: Each of their steps moves a weight by about the rate.
_STEP_IS_RATE = frozenset(("adam", "adamw", "nadam", "adamax", "rmsprop", "lion"))
#: Over the weights; smaller gradients have vanished, and no rate is to blame.
_LEAST_GRADIENT = 1e-3
#: Keras' defaults.
_USUAL_RATE, _USUAL_SGD_RATE = 1e-3, 1e-2

#: Their first steps are small whatever the rate: sums of squared gradients, or of squared steps, must build up.
_SLOW_TO_BEGIN = frozenset(("adadelta", "adagrad", "ftrl"))


@dataclass(frozen=True)
class Options:
    """Thresholds of one-batch-fit."""

    steps: float = threshold(
        20.0,
        unit="steps",
        source="Adam at 1e-3 moves each weight by 0.02 in them",
        help="fewest steps that say anything",
    )
    fall: float = threshold(
        0.03,
        unit="share",
        source="sound networks of tests/audit use up 0.2 and more in 30 steps",
        help="way from the first loss to the least possible one",
    )
    rise: float = threshold(
        10.0,
        unit="x",
        source="far beyond what the first steps of a sound training overshoot",
        help="last over first loss",
    )
    adaptive_rate: float = threshold(
        2e-4, unit="rate", source="fine-tuning is done at 1e-5 to 1e-4", help="of Adam and its kin, to be judged from"
    )
    least_rate: float = threshold(
        1e-7,
        unit="rate",
        source="10,000 steps of Adam move a weight by 0.001 at most; a hundredth of 1e-5, for fine-tuning",
        help="of Adam and its kin, at which anything moves",
    )
    least_update: float = threshold(
        1e-8,
        unit="x",
        source="SageMaker Debugger, WeightUpdateRatio; single precision resolves 6e-8 of a weight",
        help="step of gradient descent over the weights, at which anything moves",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    tried = run.dry_run
    if tried is None or tried.is_made_up or len(tried.losses) < 2 or not math.isfinite(tried.losses[0]):
        return
    losses = np.asarray(tried.losses, dtype=np.float64)
    if not np.isfinite(losses).all():
        yield _breaks(run, tried)
        return
    first, last = float(losses[0]), _end(losses)
    room = first - tried.floor
    if len(losses) <= options.steps or room <= 0:
        return
    if last - tried.floor >= options.rise * room:
        yield _rises(run, tried, first, last, options)
        return
    share = (first - last) / room
    if share >= options.fall or _noise(losses) >= options.fall * room:
        return
    if _could_fall(run, tried, room, options):
        yield _stands(run, tried, first, last, share, options)
    elif run.model is not None and run.model.optimizer is not None:
        yield from _creeps(run, tried, run.model.optimizer, options)


def _end(losses: FloatArray) -> float:
    """Return the median of the last fifth."""
    return float(np.median(losses[-max(1, len(losses) // 5) :]))


def _noise(losses: FloatArray) -> float:
    """Return the deviation of a median of a fifth of the losses, by how much neighbours differ."""
    steps = np.diff(losses)
    sigma = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2)
    return 1.25 * sigma / math.sqrt(max(1, len(losses) // 5))


def _could_fall(run: Run, tried: DryRun, room: float, options: Options) -> bool:
    """Whether the rate is high enough for a fall that could be seen."""
    used = run.model.optimizer if run.model is not None else None
    if used is None or used.learning_rate is None or used.name in _SLOW_TO_BEGIN:
        return False
    if used.name != "sgd":
        return used.learning_rate >= options.adaptive_rate
    norm = math.hypot(*(scale.grad_norm for scale in tried.scales if scale.grad_norm is not None))
    if used.clips or not math.isfinite(norm):
        return False
    promised = used.learning_rate * norm * norm * (len(tried.losses) - 1)  # to first order
    return promised >= 10 * options.fall * room


def _stands(run: Run, tried: DryRun, first: float, last: float, share: float, options: Options) -> Finding:
    steps = len(tried.losses) - 1
    least = f" (the least possible is {tried.floor:.3g})" if tried.floor > 1e-3 * first else ""
    return Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=(
            f"Trained on the same {tried.samples} samples for {steps} steps, the loss goes from {first:.4g} to "
            f"{last:.4g}{least}: the model does not learn even one batch by heart."
        ),
        evidence=(
            Comparison(
                label="share of the way to the least possible loss",
                value=share,
                threshold=options.fall,
                left_name="first loss",
                left=first,
                right_name="last loss",
                right=last,
            ),
        ),
        fixes=(
            training.try_one_batch(),
            model.match_output_to_loss(),
            *_sounder(),
            optimizer.raise_learning_rate(run),
        ),
    )


def _creeps(run: Run, tried: DryRun, used: Optimizer, options: Options) -> Iterator[Finding]:
    """Yield a finding where the rate is so low that no number of steps will do."""
    rate = used.learning_rate
    if rate is None or rate <= 0 or "schedule" in used.settings:
        return
    if used.name in _STEP_IS_RATE:
        step, least, usual = rate, options.least_rate, _USUAL_RATE
        says = f"each weight by about {rate:.3g}"
    elif used.name == "sgd":
        step, least, usual = _relative_step(tried, used, rate), options.least_update, _USUAL_SGD_RATE
        says = f"the weights by {step:.2g} of their size"
    else:
        return
    if not step < least:
        return
    higher = replace(optimizer.raise_learning_rate(run, usual / rate), edits=(Edit("", "learning_rate", usual),))
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.85,
        summary=f"At a learning rate of {rate:.3g} a step of {used.name} changes {says}: nothing moves, and the loss "
        f"stays at {tried.losses[0]:.4g} however long the training is.",
        evidence=(
            Comparison(
                label="change of a weight in one step" if step == rate else "step over the size of the weights",
                value=step,
                threshold=least,
                left_name="learning rate",
                left=rate,
                right_name="usual one",
                right=usual,
            ),
        ),
        fixes=(higher,),
    )


def _relative_step(tried: DryRun, used: Optimizer, rate: float) -> float:
    """Return the size of a step of gradient descent over that of the weights; NaN where it is not known."""
    known = [
        (scale.grad_norm, scale.weight_norm)
        for scale in tried.scales
        if scale.grad_norm is not None and scale.weight_norm is not None
    ]
    gradient, weights = (math.hypot(*norms) for norms in zip(*known, strict=True)) if known else (0.0, 0.0)
    momentum = used.settings.get("momentum", 0.0)
    if not weights > 0 or not isinstance(momentum, int | float) or not 0 <= momentum < 1:
        return math.nan
    return rate * max(gradient / weights, _LEAST_GRADIENT) / (1 - momentum)


def _rises(run: Run, tried: DryRun, first: float, last: float, options: Options) -> Finding:
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.9,
        summary=(
            f"Trained on the same {tried.samples} samples for {len(tried.losses) - 1} steps, the loss rises from "
            f"{first:.4g} to {last:.4g}: the training diverges on a single batch."
        ),
        evidence=(
            Comparison(
                label="last over first loss, above the least possible",
                value=(last - tried.floor) / (first - tried.floor),
                threshold=options.rise,
                unit="x",
                left_name="first loss",
                left=first,
                right_name="last loss",
                right=last,
            ),
        ),
        fixes=_slower(run),
    )


def _breaks(run: Run, tried: DryRun) -> Finding:
    step = next(i for i, loss in enumerate(tried.losses) if not math.isfinite(loss))
    return Finding(
        severity=Severity.CRITICAL,
        confidence=0.95,
        summary=(
            f"Trained on the same {tried.samples} samples, the loss is {tried.losses[0]:.4g} at first and not finite "
            f"after {step} steps."
        ),
        evidence=(
            Comparison(
                label="steps until the loss is not finite",
                value=float(step),
                unit="steps",
                left_name="finite losses",
                left=float(step),
                right_name="losses",
                right=float(len(tried.losses)),
            ),
        ),
        fixes=_slower(run),
    )


def _slower(run: Run) -> tuple[Fix, ...]:
    return optimizer.lower_learning_rate(run), optimizer.clip_gradients(), *_sounder()


def _sounder() -> tuple[Fix, ...]:
    return data.standardize_inputs(), model.initialize_he(), model.add_batch_norm()
