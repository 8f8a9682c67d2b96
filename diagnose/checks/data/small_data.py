"""So few samples that one training on one split cannot tell much.

What it detects
---------------
Training sets for which transfer learning (pictures) or cross-validation (tables) is the advice, and validation sets
whose score is hardly a measurement.

How it is detected
------------------
Counts. A validation or test set of fewer than `validation` samples is a `warning`: the summary has the width of the
interval (Wilson, 95 %) of an accuracy of 0.9 on so many; an `info` where the set was not brought, but drawn from the
training samples. Fewer than `pictures` training pictures, or `pictures_each` for each class, or `rows` training rows of
a table, are an `info`; not so pictures for a model with frozen layers, which is transferred already. Where the number
of samples is not known, nothing is said.

Why it matters
--------------
With 20 samples an accuracy of 90 % may be 70 % or 97 %: choices between epochs or models are choices among noise. And a
network trained from scratch on a few pictures learns them by heart.

How to fix
----------
A pretrained backbone for pictures, cross-validation for tables, a larger share held out.

References
----------
Wilson, Probable Inference (1927). Kornblith, Shlens, Le, Do Better ImageNet Models Transfer Better? (2019). Varoquaux,
Cross-validation failure: Small sample sizes lead to large error bars (2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.fix import Fix
from diagnose.measures.encoding import is_image
from diagnose.measures.labels import Kind, counts_of, labels_of
from diagnose.measures.two_sample import wilson
from diagnose.remedies import data as remedies
from diagnose.remedies import transfer
from diagnose.run import Run, Split
from diagnose.sample import SplitSample

CHECK = Check(needs=Needs(before=("data",)), fault=Fault.OVERFIT, explains=("noisy-validation",))

_ACCURACY = 0.9


@dataclass(frozen=True)
class Options:
    """Thresholds of small-data."""

    validation: float = threshold(
        30.0, unit="samples", source="an accuracy of 0.9 is then known to about ±11 points", help="of a validation set"
    )
    pictures: float = threshold(
        1000.0,
        unit="samples",
        source="Kornblith et al. 2019: from scratch is level from about there",
        help="in training",
    )
    pictures_each: float = threshold(
        50.0, unit="samples", source="Kornblith et al. 2019, the smallest sets", help="training pictures of each class"
    )
    rows: float = threshold(
        200.0,
        unit="samples",
        source="Varoquaux 2018: errors of ±10 points up to there",
        help="training rows of a table",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding on the sets that are not trained on, and one on the training set."""
    if run.data is None:
        return
    counts = {split: _count(sample) for split, sample in run.data.splits.items()}
    held_out = {split: n for split, n in counts.items() if split is not Split.TRAIN and n}
    drawn = run.data.drawn
    if held_out:
        few = {split: n for split, n in held_out.items() if n < options.validation}
        brought = {split: n for split, n in few.items() if split not in drawn}
        split, smallest = min((brought or few or held_out).items(), key=lambda item: item[1])
        if smallest < options.validation:
            yield _of_validation(split, smallest, split in drawn, options)
    n = counts[Split.TRAIN]
    if n:
        yield from _of_training(run, n, options)


def _count(sample: SplitSample) -> int:
    """Return how many samples a split has; 0 where that is not known, or there are none."""
    if sample.count is not None:
        return sample.count
    return len(sample) if sample.is_whole else 0


def _of_validation(split: Split, n: int, is_drawn: bool, options: Options) -> Finding:
    low, high = wilson(_ACCURACY * n, n)
    which = " drawn from the data" if is_drawn else ""
    return Finding(
        severity=Severity.INFO if is_drawn else Severity.WARNING,
        confidence=0.95,
        summary=(
            f"The {split} set{which} has {n} samples: an accuracy of 90 % on it may be anything from "
            f"{100 * low:.0f} to {100 * high:.0f} % (±{50 * (high - low):.0f} points)."
        ),
        evidence=(_few(f"{split} samples", n, options.validation),),
        fixes=(remedies.cross_validate(), remedies.enlarge_validation()),
    )


def _of_training(run: Run, n: int, options: Options) -> Iterator[Finding]:
    if run.data is None:
        return
    arrays = tuple(run.data.training.inputs.values())
    fixes: tuple[Fix, ...]
    if any(is_image(array) for array in arrays):
        if run.model is not None and any(layer.parameters and not layer.is_trainable for layer in run.model.layers):
            return
        classes = max((len(counts_of(each)[0]) for each in labels_of(run) if each.kind is Kind.CLASSES), default=1)
        limit = max(options.pictures, options.pictures_each * classes)
        what, fixes = "pictures", (transfer.use_pretrained(), remedies.augment())
        advice = "a network trained from scratch will learn them by heart"
    elif arrays and all(array.ndim <= 2 for array in arrays):
        limit = options.rows
        what, fixes = "rows", (remedies.cross_validate(),)
        advice = "one split decides the score more than the model does"
    else:
        return
    if n < limit:
        yield Finding(
            severity=Severity.INFO,
            confidence=0.8,
            summary=f"There are {n} {what} to train on, fewer than {limit:.0f}: {advice}.",
            evidence=(_few(f"training {what}", n, limit),),
            fixes=fixes,
        )


def _few(label: str, n: int, limit: float) -> Comparison:
    return Comparison(
        label=label,
        value=float(n),
        threshold=limit,
        left_name="there are",
        left=float(n),
        right_name="wanted",
        right=limit,
    )
