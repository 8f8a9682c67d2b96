"""The validation loss lies below the training loss: worth knowing, mostly no fault.

What it detects
---------------
Runs that seem to do better on unseen data than on the data they train on.

How it is detected
------------------
In at least `share` of the epochs (and at the end) the validation loss lies below the training loss by
more than the noise of both and 1 % of the level.

Why it matters
--------------
Dropout, augmentation and noise layers act in training only, and the training loss is the mean over an
epoch in which the model still improved: both make this harmless and common. Without them the validation
set may be easier than the training set, or share samples with it.

How to fix
----------
Evaluate the training set as the validation set is evaluated, to compare like with like. If the
difference stays, look for duplicates between the two sets.

References
----------
Keras FAQ, "Why is my training loss much higher than my testing loss?".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.curve import curve_of
from diagnose.remedies import data, training
from diagnose.run import Run

CHECK = Check(needs=Needs(any_of=(("loss", "val_loss"),), min_epochs=3), fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """Thresholds of validation-better-than-training."""

    share: float = threshold(
        0.7, unit="share", source="chosen on real logs", help="share of epochs with the validation loss below"
    )
    margin: float = threshold(
        0.01, unit="share", source="chosen on real logs", help="distance relative to the training loss's level"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding, an info."""
    loss, validation = run.get("loss"), run.get("val_loss")
    if loss is None or validation is None:
        return
    train, other = curve_of(loss), curve_of(validation)
    _, at_train, at_other = np.intersect1d(train.epochs, other.epochs, return_indices=True)
    if len(at_train) < 3:
        return
    distance = train.values[at_train] - other.values[at_other]
    least = max(options.margin * train.level, train.sigma, other.sigma)
    share = float((distance > least).mean())
    at_end = train.end - other.end
    if share < options.share or at_end <= least:
        return
    yield Finding(
        severity=Severity.INFO,
        confidence=0.9,
        summary=(
            f"{validation.name} lies below {loss.name} in {100 * share:.0f} % of the {run.axis}s: usual with "
            "dropout or augmentation; without them check for shared samples."
        ),
        evidence=(
            Comparison(
                label=f"share of {run.axis}s with {validation.name} below {loss.name}",
                value=100 * share,
                threshold=100 * options.share,
                unit="%",
                left_name=loss.name,
                left=train.end,
                right_name=validation.name,
                right=other.end,
            ),
        ),
        fixes=(training.evaluate_training_data(), data.check_duplicates()),
    )
