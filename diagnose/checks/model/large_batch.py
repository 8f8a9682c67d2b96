"""The batch does not fit: nearly all samples at once, or too few to normalize.

What it detects
---------------
Batches that are a tenth of a small training set or more; batches so small that batch normalization learns from a
handful of samples; a last batch of a single sample.

How it is detected
------------------
A batch larger than `largest` that is at least `set_share` of the training samples is a `warning`. With a batch
normalization that is trained, fewer than `smallest` samples are a `warning`; a single sample, normalized without any
spatial axes, leaves nothing but β: `critical`. A last batch of one sample is an `info` there.

Why it matters
--------------
A few, nearly exact steps per epoch learn little in it and settle in sharp minima that generalize worse. Mean and
variance of a handful of samples are noise, and evaluation uses other ones.

How to fix
----------
Batches of 16 to 32 (up to 256) samples; for tiny ones group or layer normalization.

References
----------
Keskar et al., On large-batch training for deep learning, ICLR 2017 (10 % of the data against 256 samples); Masters,
Luschi, Revisiting small batch training, 2018; Wu, He, Group normalization, ECCV 2018 (error of batch normalization by
batch size: 23.6 % at 32, 24.8 % at 8, 27.3 % at 4, 34.7 % at 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.blueprint import Layer
from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.layers._evidence import listed
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.geometry import takes_batch_statistics
from diagnose.remedies import architecture, data
from diagnose.remedies.settings import batch_size, samples
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("model", "batch_size")), explains=("noisy-validation",), fault=Fault.UNSTABLE)


@dataclass(frozen=True)
class Options:
    """Thresholds of large-batch."""

    largest: float = threshold(
        256, unit="samples", source="the small batch that Keskar et al. 2017 compare with", help="batch size"
    )
    set_share: float = threshold(
        0.1, unit="share", source="the large batch of Keskar et al. 2017", help="batch as a share of the samples"
    )
    smallest: float = threshold(
        8, unit="samples", source="Wu, He 2018: the error grows below 8", help="batch for batch normalization"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield a finding for a batch too large, and one for a batch too small."""
    size, count = batch_size(run), samples(run)
    if run.model is None or size is None:
        return
    if count is not None:
        yield from _too_large(run, size, count, options)
    norms = [layer for layer in run.model.layers if takes_batch_statistics(layer)]
    if norms:
        yield from _too_small(run, norms, size, count, options)


def _too_large(run: Run, size: int, count: int, options: Options) -> Iterator[Finding]:
    if size <= options.largest or size < options.set_share * count:
        return
    steps = -(-count // size)
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=f"A batch of {size:,} is {100 * min(1.0, size / count):.0f} % of the {count:,} training samples: "
        f"{steps} step{'s' if steps > 1 else ''} per epoch.",
        evidence=(
            Comparison(
                label="batch as a share of the training samples",
                value=size / count,
                threshold=options.set_share,
                unit="share",
                left_name="batch",
                left=float(size),
                right_name="training samples",
                right=float(count),
            ),
        ),
        fixes=(data.smaller_batch(run),),
    )


def _too_small(run: Run, norms: list[Layer], size: int, count: int | None, options: Options) -> Iterator[Finding]:
    names = listed([layer.name for layer in norms])
    flat = [layer for layer in norms if len(layer.input_shape or ()) == 2]
    last = None if count is None else count % size
    if size < options.smallest:
        nothing = size == 1 and bool(flat)
        text = (
            f"With a batch of 1 {listed([layer.name for layer in flat])} puts out its β whatever it is given: a single "
            "number less its mean is zero."
            if nothing
            else f"Batch normalization ({names}) learns mean and variance from batches of {size}."
        )
        severity = Severity.CRITICAL if nothing else Severity.WARNING
    elif last == 1 and flat:
        text = (
            f"The last of the batches of {size} has a single sample ({count:,} in all), which batch normalization "
            f"({names}) makes zero."
        )
        severity = Severity.INFO
    else:
        return
    yield Finding(
        severity=severity,
        confidence=0.85,
        summary=text,
        layers=tuple(layer.name for layer in norms),
        evidence=(
            Comparison(
                label="samples in the smallest batch",
                value=float(size if size < options.smallest else 1),
                threshold=options.smallest,
                unit="samples",
                left_name="batch",
                left=float(size),
                right_name="training samples in the last batch",
                right=float(last or size),
            ),
        ),
        fixes=(data.larger_batch(run), architecture.normalize_without_batch()),
    )
