"""No simple statistic finds that the inputs say anything about the labels.

What it detects
---------------
Labels that were shuffled, sorted or shifted against their inputs, or inputs that have nothing to do with them.

How it is detected
------------------
A permutation test: five statistics (single columns and their squares, products of pairs, all columns linearly, the
labels of the nearest neighbours, a smooth kernel) are taken with the labels as they are and with 199 shuffled copies,
from a fixed seed. Pictures and sequences are also described by the distribution and spectrum of their values, which do
not change where an object moves; where an input is a few whole numbers a sample, as of users and things, a sixth asks
whether samples of one number that are alike in the rest have like labels (with fewer than four samples of each number,
and no other input, nothing can be told). If not even one statistic beats its shuffled copies with a p of `p_value` or
less, it is a finding, provided that there was a chance to see something: a correlation of `detectable` of one column
with the labels must have been enough, with `per_class` samples or more for each class on average.

Why it matters
--------------
What is not in the inputs cannot be learned: the loss stays at chance level, or the network learns samples by heart.

How to fix
----------
Look at samples with their labels. Shuffle inputs and labels with one order, read both in one order, join by key.

References
----------
Ojala and Garriga, Permutation Tests for Studying Classifier Performance (2010). Gretton et al., Measuring Statistical
Dependence with Hilbert-Schmidt Norms (2005). A dependence of higher order (the parity of many bits, a small object in a
large picture) escapes all of them: the finding is a question, and no proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.dependence import Dependence, dependence
from diagnose.measures.labels import Kind, Labels, labels_of
from diagnose.remedies import data as remedies
from diagnose.run import Run

CHECK = Check(needs=Needs(before=("data", "labels")), fault=Fault.STUCK, explains=("not-learning", "metric-stuck"))


@dataclass(frozen=True)
class Options:
    """Thresholds of uninformative-inputs."""

    p_value: float = threshold(
        0.01,
        unit="p",
        source="19 of 20 shuffled data sets stay above with all five statistics; see the tests",
        help="share of shuffled labels that do as well, for the best statistic",
    )
    detectable: float = threshold(
        0.4,
        unit="correlation",
        source="between a medium and a large effect of Cohen (1988)",
        help="weakest effect that would be seen",
    )
    per_class: float = threshold(
        20.0, unit="samples", source="fewer hardly fix a class's mean", help="samples for each class, on average"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding for each output."""
    if run.data is None:
        return
    for labels in labels_of(run):
        if labels.kind in (Kind.CLASSES, Kind.REGRESSION, Kind.MULTI_LABEL) and _is_enough(labels, options):
            found = dependence(run.data, labels)
            if found is not None and found.best > options.p_value and found.detectable <= options.detectable:
                yield _finding(labels, found, options)


def _is_enough(labels: Labels, options: Options) -> bool:
    if labels.kind is not Kind.CLASSES:
        return True
    _, counts = np.unique(labels.training, return_counts=True)
    rest = len(labels.training) - counts.max(initial=0)
    return len(counts) > 1 and len(labels.training) >= options.per_class * len(counts) and rest >= options.per_class


def _finding(labels: Labels, found: Dependence, options: Options) -> Finding:
    best = min(found.p_values, key=lambda name: found.p_values[name])
    return Finding(
        severity=Severity.WARNING,
        confidence=0.6,
        summary=(
            f"No simple statistic finds that the inputs say anything about the labels {labels.name!r}: of "
            f"{len(found.p_values)}, the best ({best}) does no better than {100 * found.best:.0f} % of shuffled "
            f"labels, on {found.samples} samples where a correlation of {found.detectable:.2f} would show."
        ),
        evidence=tuple(
            Comparison(
                label=f"p-value by {name}",
                value=p_value,
                threshold=options.p_value,
                left_name="p",
                left=p_value,
                right_name="weakest correlation that would be seen",
                right=found.detectable,
            )
            for name, p_value in sorted(found.p_values.items(), key=lambda item: item[1])
        ),
        fixes=(remedies.check_labels(), remedies.shuffle()),
    )
