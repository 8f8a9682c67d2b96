"""Validation or test data are unlike the training data.

What it detects
---------------
Splits that can be told apart: by their inputs taken together, by single features, or by their labels (sorted data of
which the last part was held out).

How it is detected
------------------
Three tests, each of which must find a difference that is large and beyond chance. A classifier two-sample test: a
linear discriminant on the ranks of the features and their squares, cross-fitted, tells training samples from the
others; its area under the ROC curve, `sure` standard errors taken off, must exceed `area`. Kolmogorov-Smirnov tests of
each feature, corrected for their number (Holm): a corrected p below `p_value` and a distance of `distance` or more.
A split by groups (patients, devices) or by time shows such differences though nothing is wrong, since few groups are
never alike; so inputs, and labels that are numbers, are a `warning` only from an area of `large_area` (errors taken
off) or a distance of `large_distance` on, else an `info`. Nothing tells few groups that differ much from another source
of the data. Where the pipeline of the training data alone draws at random, its samples are meant to differ: that is a
`warning` only where all values together have moved by `augmented_shift` or spread `augmented_spread` times as much.
Labels: the total variation between the shares of the classes beyond what chance makes (for numbers the
Kolmogorov-Smirnov distance) must be `label_distance` or more with a p below `p_value`; from `label_break` on it is
`critical`, for then most of what is validated on was hardly trained on.

Why it matters
--------------
A score on data of another kind says nothing about the training, and choices made by it are made blindly. If the
difference is true to the use of the model, the model will fail there in the same way.

How to fix
----------
Shuffle before splitting (Keras' ``validation_split`` takes the last samples, unshuffled), and preprocess all splits
alike. Where time passes between them on purpose, express features so that they do not drift.

References
----------
Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests (ICLR 2017). Rabanser, Günnemann, Lipton, Failing Loudly: An
Empirical Study of Methods for Detecting Dataset Shift (NeurIPS 2019). Holm, A Simple Sequentially Rejective Multiple
Test Procedure (1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.encoding import Encoding, encode
from diagnose.measures.labels import Kind, Labels, counts_of, labels_of
from diagnose.measures.two_sample import classifier_auc, holm, ks, share_shift
from diagnose.remedies import data as remedies
from diagnose.run import FloatArray, Run, Split
from diagnose.sample import DataSample

CHECK = Check(
    needs=Needs(before=("data", "validation")),
    fault=Fault.DATA,
    explains=("generalization-gap", "validation-better-than-training"),
)


@dataclass(frozen=True)
class Options:
    """Thresholds of distribution-shift."""

    area: float = threshold(
        0.6,
        unit="AUC",
        source="0.5 is chance; random splits of tests/checks/test_random_splits.py stay below",
        help="area under the ROC curve of telling the splits apart, less its error",
    )
    sure: float = threshold(
        2.58, unit="σ", source="99 % of a normal distribution, two-sided", help="standard errors taken off the area"
    )
    distance: float = threshold(
        0.2,
        unit="",
        source="the distance of two normal distributions half a deviation apart",
        help="Kolmogorov-Smirnov distance of a feature",
    )
    large_area: float = threshold(
        0.75,
        unit="AUC",
        source="holding out 4 of 20 groups half a deviation apart in 12 features stays below in 9 of 10 draws",
        help="the same area, from which on it is a warning",
    )
    large_distance: float = threshold(
        0.35,
        unit="",
        source="as large_area: the largest distance of 12 features stays below in 9 of 10 draws",
        help="Kolmogorov-Smirnov distance that is a warning",
    )
    augmented_shift: float = threshold(
        1.0,
        unit="σ",
        source="brightness and contrast changed by half move and spread all values by less",
        help="difference of the means of all values, where training samples alone are changed at random",
    )
    augmented_spread: float = threshold(
        2.0, unit="", source="as augmented_shift", help="ratio of their deviations, there"
    )
    p_value: float = threshold(
        3e-4, unit="p", source="three false alarms in ten thousand random splits", help="p-value after correction"
    )
    label_distance: float = threshold(
        0.1, unit="share", source="a tenth of the samples would have to change class", help="shift of the labels"
    )
    label_break: float = threshold(
        0.5, unit="share", source="more than half of the samples would have to", help="shift that is critical"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for each split that is not trained on: on labels first, else on inputs."""
    if run.data is None:
        return
    encoding = encode(run.data)
    labels = tuple(labels_of(run))
    for split in run.data.splits:
        if split is not Split.TRAIN:
            found = [f for each in labels for f in _of_labels(each, split, options)]
            found += _of_inputs(run.data, encoding, split, options)
            yield from sorted(found, key=lambda finding: -finding.severity.rank)[:1]


def _of_labels(labels: Labels, split: Split, options: Options) -> Iterator[Finding]:
    if split not in labels.splits:
        return
    if labels.kind is Kind.CLASSES:
        classes, counts = counts_of(labels)
        train, other = counts[Split.TRAIN], counts[split]
        shift = share_shift(train, other)
        if shift.excess < options.label_distance or shift.p_value >= options.p_value:
            return
        gain = other / other.sum() - train / train.sum()
        most = int(np.abs(gain).argmax())
        shares = float(train[most] / train.sum()), float(other[most] / other.sum())
        text = (
            f"Class {classes[most]} makes up {100 * shares[0]:.0f} % of the training labels {labels.name!r} and "
            f"{100 * shares[1]:.0f} % of the {split} labels: {100 * shift.distance:.0f} % of the samples would have to "
            "change class."
        )
        yield _label_finding(text, shift.excess, shares, split, options, is_large=True)
    elif labels.kind is Kind.REGRESSION and labels.training.shape[1] == 1 == labels.splits[split].shape[1]:
        left, right = (_finite(labels.splits[each][:, 0].astype(np.float64)) for each in (Split.TRAIN, split))
        distance, p_value = ks(left, right)
        if distance < max(options.distance, options.label_distance) or p_value >= options.p_value:
            return
        middles = float(np.median(left)), float(np.median(right))
        text = (
            f"The labels {labels.name!r} differ between the splits: their median is {middles[0]:.4g} in training and "
            f"{middles[1]:.4g} in {split}, and their distribution functions are {distance:.2f} apart."
        )
        is_large = distance >= options.large_distance
        text = text if is_large else f"{text.removesuffix('.')}; a split by groups or by time looks like this too."
        yield _label_finding(text, distance, middles, split, options, is_large=is_large)


def _label_finding(
    text: str, value: float, sides: tuple[float, float], split: Split, options: Options, *, is_large: bool
) -> Finding:
    severity = Severity.WARNING if is_large else Severity.INFO
    return Finding(
        severity=Severity.CRITICAL if value >= options.label_break else severity,
        confidence=0.95 if is_large else 0.6,
        summary=text,
        evidence=(
            Comparison(
                label=f"shift of the labels from training to {split}",
                value=value,
                threshold=options.label_distance,
                left_name="train",
                left=sides[0],
                right_name=str(split),
                right=sides[1],
            ),
        ),
        fixes=(remedies.resample_validation(), remedies.shuffle()),
    )


def _of_inputs(data: DataSample, encoding: Encoding, split: Split, options: Options) -> Iterator[Finding]:
    if split not in encoding.splits or not encoding.columns:
        return
    train, other = encoding.splits[Split.TRAIN].values, encoding.splits[split].values
    tests = [ks(train[:, place], other[:, place]) for place in range(train.shape[1])]
    distances, p_values = (np.array(each) for each in zip(*tests, strict=True))
    moved = np.flatnonzero((holm(p_values) < options.p_value) & (distances >= options.distance))
    area = classifier_auc(train, other)
    is_told = area is not None and area.value - options.sure * area.error >= options.area
    if not is_told and not len(moved):
        return
    evidence = []
    text = f"Training and {split} inputs differ"
    if area is not None and is_told:
        text += (
            f": a classifier tells them apart with an AUC of {area.value:.2f} ± {2 * area.error:.2f} (0.5 is chance)"
        )
        evidence.append(
            Comparison(
                label=f"AUC of telling {split} from training samples",
                value=area.value,
                threshold=options.area + options.sure * area.error,
                left_name="AUC",
                left=area.value,
                right_name="by chance",
                right=0.5,
            )
        )
    for place in moved[np.argsort(-distances[moved], kind="stable")][:5]:
        middles = float(np.median(train[:, place])), float(np.median(other[:, place]))
        evidence.append(
            Comparison(
                label=f"Kolmogorov-Smirnov distance of {encoding.columns[place]}",
                value=float(distances[place]),
                threshold=options.distance,
                left_name="median in training",
                left=middles[0],
                right_name=f"median in {split}",
                right=middles[1],
            )
        )
    if len(moved):
        furthest = int(moved[distances[moved].argmax()])
        text += (
            f"; {len(moved)} of {len(distances)} features have moved, {encoding.columns[furthest][:40]} the most "
            f"(distance {distances[furthest]:.2f})"
        )
    is_large = bool(len(moved)) and float(distances[moved].max()) >= options.large_distance
    if area is not None and is_told:
        is_large |= area.value - options.sure * area.error >= options.large_area
    why = "a split by groups or by time looks like this too."
    if set(data.training.random_operations) - set(data.splits[split].random_operations):
        is_large &= _are_of_another_scale(train, other, options)
        why = "training samples alone are changed at random, which looks like this too."
    yield Finding(
        severity=Severity.WARNING if is_large else Severity.INFO,
        confidence=0.9 if is_large and is_told and len(moved) else 0.8 if is_large else 0.6,
        summary=f"{text}; {why}",
        evidence=tuple(evidence),
        fixes=(
            remedies.match_validation_preprocessing(),
            remedies.resample_validation(),
            remedies.compare_splits(),
        ),
    )


def _are_of_another_scale(train: FloatArray, other: FloatArray, options: Options) -> bool:
    """Whether all values together lie elsewhere or spread otherwise, which augmentation rarely does to them."""
    spreads = float(train.std()), float(other.std())
    if not min(spreads):
        return max(spreads) > 0
    is_moved = abs(float(train.mean() - other.mean())) > options.augmented_shift * max(spreads)
    return is_moved or max(spreads) > options.augmented_spread * min(spreads)


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]
