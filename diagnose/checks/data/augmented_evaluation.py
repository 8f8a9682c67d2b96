"""Validation or test data are changed at random each time they are read.

What it detects
---------------
Random augmentation that is active on the data that a model is judged by; or a split that is drawn anew at each reading
(``shuffle`` before ``take`` and ``skip``), so that samples go from one side to the other.

How it is detected
------------------
The first samples of each split are read twice. A share of `changed` or more of them must differ between the readings by
more than rounding (`rounding` of the spread). If every sample is as far from itself as from its neighbour (`reordered`
of that distance), the data were shuffled and not changed, and nothing is said. Where `moved` or more of what came new
are training samples byte for byte, the split itself is drawn anew. Of a ``tf.data`` pipeline the mapped functions are
looked at too: with a seed set, what they draw at random is the same at each reading.

Why it matters
--------------
The score is that of data that nobody will ask about, lower than the true one, and another one at every reading: the
noise hides which epoch was the best.

How to fix
----------
Put random layers into the model, where Keras turns them off outside of training, or map the augmentation over the
training pipeline alone. Split once, before what shuffles at each epoch.

References
----------
Shorten and Khoshgoftaar, A survey on Image Data Augmentation for Deep Learning (2019). Averaging predictions over
changed copies on purpose (test-time augmentation) is another matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.duplicates import row_keys
from diagnose.measures.encoding import drawn, flat, is_numeric
from diagnose.remedies import data as remedies
from diagnose.run import Run, Split
from diagnose.sample import Array, DataSample

CHECK = Check(needs=Needs(before=("data", "validation")), fault=Fault.DATA, explains=("noisy-validation",))

_MOST_SAMPLES = 500
_MOST_NUMBERS = 4096


@dataclass(frozen=True)
class Options:
    """Thresholds of augmented-evaluation."""

    changed: float = threshold(
        0.05, unit="share", source="flips with a probability of a tenth show", help="samples that differ"
    )
    rounding: float = threshold(
        1e-3, unit="σ", source="far over float16 and parallel resizing", help="difference that does not count"
    )
    moved: float = threshold(
        3.0, unit="samples", source="one or two may be copies", help="training samples that a second reading brings"
    )
    reordered: float = threshold(
        0.9,
        unit="share",
        source="tests/checks/test_augmented_evaluation.py",
        help="distance of a sample to its second reading, over that to another sample",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, on the split and input that change the most."""
    if run.data is None:
        return
    came, split = max(((_from_training(run.data, split), split) for split in run.data.splits), key=lambda each: each[0])
    if came >= options.moved:
        yield _drawn_anew(came, split, options)
        return
    found = [
        (_share_changed(array, sample.again[name], options), split, name)
        for split, sample in run.data.splits.items()
        if split is not Split.TRAIN
        for name, array in sample.inputs.items()
        if name in sample.again
    ]
    share, split, name = max(found, key=lambda each: each[0], default=(0.0, Split.VALIDATION, ""))
    if share < options.changed:
        yield from _drawn_in_the_pipeline(run.data)
        return
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=(
            f"{100 * share:.0f} % of the {split} samples {name!r} differ when they are read again: they are changed at "
            "random, as only training data should be."
        ),
        evidence=(
            Comparison(
                label=f"{split} samples that differ between two readings",
                value=share,
                threshold=options.changed,
                left_name="differ",
                left=share,
                right_name="stay",
                right=1 - share,
            ),
        ),
        fixes=(remedies.augment_training_only(),),
    )


def _from_training(data: DataSample, split: Split) -> int:
    """Return how many of the training samples a second reading of a split has that the first had not."""
    train, sample = data.training, data.splits[split]
    if split is Split.TRAIN or not len(train) or set(train.inputs) != set(sample.again):
        return 0
    known, first, second = (
        row_keys(inputs, train.inputs, np.arange(len(next(iter(inputs.values())))))
        for inputs in (train.inputs, sample.inputs, sample.again)
    )
    return len((set(second) & set(known)) - set(first) - {b""})


def _drawn_anew(came: int, split: Split, options: Options) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=(
            f"When the {split} data are read again, {came} samples of the training data are among them: the split is "
            "drawn anew at each reading."
        ),
        evidence=(
            Comparison(
                label=f"training samples that came to the {split} data",
                value=float(came),
                threshold=options.moved,
                left_name="came",
                left=float(came),
                right_name="sound",
                right=0.0,
            ),
        ),
        fixes=(remedies.split_once(),),
    )


def _drawn_in_the_pipeline(data: DataSample) -> Iterator[Finding]:
    """Yield a finding where an evaluation split has random operations that the readings do not show."""
    for split, sample in data.splits.items():
        if split is Split.TRAIN or not sample.random_operations:
            continue
        drawn_at = ", ".join(sample.random_operations[:3])
        yield Finding(
            severity=Severity.WARNING,
            confidence=0.8,
            summary=f"The pipeline of the {split} data draws at random ({drawn_at}): its samples are changed, as only "
            "training data should be.",
            evidence=(
                Comparison(
                    label=f"random operations in the pipeline of the {split} data",
                    value=float(len(sample.random_operations)),
                    threshold=0.0,
                    left_name=f"{split}",
                    left=float(len(sample.random_operations)),
                    right_name="sound",
                    right=0.0,
                ),
            ),
            fixes=(remedies.augment_training_only(),),
        )
        return


def _share_changed(first: Array, second: Array, options: Options) -> float:
    """Return the share of samples that a second reading changes; 0 where it shuffles them."""
    count = min(len(first), len(second)) if first.ndim and second.ndim else 0
    if not count or first.shape[1:] != second.shape[1:] or not first[:1].size:
        return 0.0
    rows = drawn(count, _MOST_SAMPLES)
    if not (is_numeric(first) and is_numeric(second)):
        ours, theirs = ([str(row) for row in flat(each[rows]).tolist()] for each in (first, second))
        changed = sum(mine != its for mine, its in zip(ours, theirs, strict=True)) / len(rows)
        is_shuffled = len(set(ours) & set(theirs)) >= changed * len(rows)
        return 0.0 if is_shuffled else changed
    step = max(1, first[0].size // _MOST_NUMBERS)
    left, right = (np.clip(flat(each[rows])[:, ::step].astype(np.float64), -1e100, 1e100) for each in (first, second))
    left, right = (np.where(np.isfinite(each), each, 0.0) for each in (left, right))
    spread = float(left.std())
    if spread == 0:
        return 0.0
    distance = np.abs(left - right).mean(axis=1)
    is_changed = np.abs(left - right).max(axis=1) > options.rounding * spread
    if not is_changed.any():
        return 0.0
    to_others = np.abs(left - np.roll(right, 1, axis=0)).mean(axis=1)
    if len(rows) > 1 and distance[is_changed].mean() >= options.reordered * to_others[is_changed].mean():
        return 0.0
    return float(is_changed.mean())
