"""The accuracy stands still, digit for digit, while the loss falls.

What it detects
---------------
A metric that does not measure what the loss trains: the predictions that it counts do not change.

How it is detected
------------------
The accuracy is identical in the last `least_epochs` epochs or more, over at least `share` of the run,
below `ceiling`, while the training loss fell by more than `fall` over the same epochs.

Why it matters
--------------
One of the two is wrong. A softmax over one unit always predicts 1: Keras takes the loss from the logits,
so the loss falls while the accuracy is frozen. Or every prediction stays on one side of the threshold,
as with a rare class.

How to fix
----------
Fit output layer, loss and metric to each other (one sigmoid unit for two classes, K softmax units for
K); for rare classes weight them and judge by F1, precision and recall.

References
----------
Keras 3, ``BinaryCrossentropy``, which takes the logits that a softmax or sigmoid layer keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.checks.curves._evidence import percent
from diagnose.finding import Finding, Interval, Severity
from diagnose.measures.curve import curve_of
from diagnose.remedies import data, model, training
from diagnose.run import Run

CHECK = Check(needs=Needs(any_of=(("loss", "metric"),), min_epochs=5), fault=Fault.STUCK)

_FRACTIONS = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall", "auc", "iou", "dice"})


@dataclass(frozen=True)
class Options:
    """Thresholds of metric-stuck."""

    least_epochs: float = threshold(5, unit="epochs", source="as short as chance allows", help="identical values")
    share: float = threshold(
        0.5, unit="share", source="chosen on the tuning half of benchmarks/faults", help="share of the run"
    )
    fall: float = threshold(0.1, unit="share", source="a fall that cannot be noise", help="fall of the loss")
    ceiling: float = threshold(
        0.95, unit="score", source="a score near 1 may stand still", help="value above which it may be frozen"
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    loss, score = run.get("loss"), run.get("metric")
    if loss is None or score is None or score.quantity not in _FRACTIONS:
        return
    trained, scored = curve_of(loss), curve_of(score)
    if len(scored) < options.least_epochs or len(trained) < options.least_epochs:
        return
    value = -float(scored.values[-1])
    moved = np.flatnonzero(np.abs(scored.values - scored.values[-1]) > 1e-6)
    since = int(moved[-1]) + 1 if len(moved) else 0
    length = len(scored) - since
    if length < max(options.least_epochs, options.share * len(scored)) or value >= options.ceiling:
        return
    start = float(scored.epochs[since])
    during = trained.values[trained.epochs >= start]
    if len(during) < 2 or during[0] == 0:
        return
    fall = float(during[0] - during[-1])
    if fall <= options.fall * abs(float(during[0])):
        return
    stood = length * scored.block
    yield Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=(
            f"{score.name} is exactly {value:.4g} in the last {stood} {run.axis}s while {loss.name} fell "
            f"from {during[0]:.4g} to {during[-1]:.4g}."
        ),
        epoch=start,
        evidence=(
            Interval(
                label=f"{run.axis}s with an identical {score.name}",
                value=float(stood),
                threshold=options.least_epochs,
                unit=f"{run.axis}s",
                series=score.name,
                start=start,
                end=float(scored.epochs[-1]),
            ),
            percent(
                loss, trained, f"fall of {loss.name} meanwhile", fall / abs(float(during[0])), options.fall, start=start
            ),
        ),
        fixes=(model.match_output_to_loss(), training.fix_metric(), data.weight_classes(), data.check_labels()),
    )
