"""Loss and metric tell opposite stories.

What it detects
---------------
A validation loss that gets worse while the validation score gets better, or the other way round.

How it is detected
------------------
Since the best epoch of one of the two, both moved in opposite senses by more than `sigmas` times their
own noise: the loss by more than `rise` of its level, the score by more than `score` (absolute) and by
more than three samples of the validation set.

Why it matters
--------------
Early stopping on one of them keeps a model that is bad by the other. A rising loss with a rising
accuracy means overconfidence: right more often, and surer where wrong. A falling loss with a falling
score means that the loss is not what you care about (imbalance, a wrong metric).

How to fix
----------
Decide which one counts and monitor that one for checkpoints and early stopping; label smoothing against
overconfidence; class weights and F1 for imbalanced classes.

References
----------
Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 3: networks overfit the
negative log-likelihood without overfitting the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diagnose.check import Check, Fault, Needs, threshold
from diagnose.finding import Comparison, Finding, Severity
from diagnose.measures.chance import accuracy_resolution
from diagnose.measures.curve import Curve, curve_of
from diagnose.measures.learning import BOUNDED
from diagnose.measures.validation_rise import DEFAULT_LIMITS, rise_of, rose
from diagnose.remedies import data, regularization, training
from diagnose.run import Run

#: A move of fewer samples than this says nothing, however smooth the curve.
_LEAST_SAMPLES = 3

CHECK = Check(needs=Needs(any_of=(("val_loss", "val_metric"),), min_epochs=8), fault=Fault.DATA)


@dataclass(frozen=True)
class Options:
    """Thresholds of loss-metric-disagreement."""

    sigmas: float = threshold(
        4.0, unit="σ", source="as in overfitting", help="move of each, in units of its smoothed noise"
    )
    rise: float = threshold(
        0.2, unit="share", source="chosen on the tuning half of benchmarks/faults", help="move of the loss"
    )
    score: float = threshold(
        0.01,
        unit="score",
        source="chosen on the tuning half of benchmarks/faults",
        help="move of the score, absolute",
    )


def check(run: Run, options: Options) -> Iterator[Finding]:
    """Yield at most one finding."""
    loss, score = run.get("val_loss"), run.get("val_metric")
    if loss is None or score is None or score.quantity not in BOUNDED:
        return
    lost, scored = curve_of(loss), curve_of(score)
    if len(lost) < 8 or len(scored) < 8:
        return
    rise, drop = rise_of(lost), rise_of(scored)
    if rise.weighted <= options.rise and scored.rise <= options.score:
        return
    least = max(options.score, options.sigmas * scored.sigma, _LEAST_SAMPLES * accuracy_resolution(score))
    if rise.weighted > options.rise and rose(rise):
        gain = _gain_since(scored, rise.best_epoch)
        if gain > least:
            what = (
                f"{loss.name} rose {100 * rise.relative:.0f} % while {score.name} still gained {100 * gain:.1f} points"
            )
            moved = (loss.name, rise.best, rise.end)
            yield _finding(run, what, rise.best_epoch, rise.relative, options.rise, moved)
    elif scored.rise > 2 * least and drop.sustained >= DEFAULT_LIMITS.sustained:
        gain = _gain_since(lost, drop.best_epoch)
        if lost.level > 0 and gain > max(options.rise * lost.level, options.sigmas * lost.sigma):
            what = (
                f"{loss.name} still fell {100 * gain / lost.level:.0f} % while {score.name} lost "
                f"{100 * scored.rise:.1f} points"
            )
            moved = (score.name, drop.best, drop.end)
            yield _finding(run, what, drop.best_epoch, scored.rise, 2 * least, moved)


def _gain_since(curve: Curve, epoch: float) -> float:
    """Return how much a curve (lower is better) improved from that epoch to the end."""
    at = int(np.argmax(curve.epochs >= epoch))
    return float(curve.smooth[at]) - curve.end


def _finding(run: Run, what: str, since: float, value: float, limit: float, moved: tuple[str, float, float]) -> Finding:
    name, best, end = moved
    return Finding(
        severity=Severity.WARNING,
        confidence=0.8,
        summary=f"Since {run.axis} {since:g} {what}: they disagree about which epoch is best.",
        epoch=since,
        evidence=(
            Comparison(
                label=f"{name} against its best, relative",
                value=100 * value,
                threshold=100 * limit,
                unit="%",
                left_name=f"{name} at its best",
                left=best,
                right_name=f"{name} at the end",
                right=end,
                epoch=since,
            ),
        ),
        fixes=(training.monitor_metric(), regularization.label_smoothing(), data.weight_classes()),
    )
