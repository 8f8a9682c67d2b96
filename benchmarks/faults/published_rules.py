"""The published rules, as baselines: what they say about a run, from its curves alone.

Each rule has the thresholds of its publication and says which symptoms it claims. Rules that need gradients or
activations cannot run on curves and are not here. Sources: AutoTrainer (Zhang et al., ICSE 2021), DeepDiagnosis
(Wardat et al., ICSE 2022), the rules of Amazon SageMaker Debugger, TheDeepChecker (Ben Braiek & Khomh, TOSEM 2022),
Prechelt, Early Stopping - But When? (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diagnose.run import Run

Array = np.ndarray

_OVERFIT = frozenset({"overfitting", "generalization-gap", "overtraining", "loss-metric-disagreement"})
_STUCK = frozenset(
    {
        "not-learning",
        "slow-convergence",
        "plateau",
        "underfitting",
        "learning-rate-too-low",
        "metric-stuck",
        "learning-rate-too-high",
    }
)
_UNSTABLE = frozenset({"oscillating-loss", "divergence", "learning-rate-too-high", "noisy-validation", "nan-loss"})


@dataclass(frozen=True)
class Rule:
    """A published rule: its name, the symptoms that it claims when it fires, and the rule itself."""

    name: str
    claims: frozenset[str]
    fires: Callable[[Run], bool]


def _values(run: Run, role: str) -> Array:
    series = run.get(role)
    return series.values if series is not None else np.empty(0)


def _steps(values: Array) -> Array:
    with np.errstate(invalid="ignore"):  # from inf to inf
        return np.diff(values)


def _autotrainer_oscillation(run: Run) -> bool:
    accuracy = _values(run, "metric")
    if len(accuracy) < 3:
        return False
    inner = accuracy[1:-1]
    peaks = inner[(inner > accuracy[:-2]) & (inner > accuracy[2:])]
    dips = inner[(inner < accuracy[:-2]) & (inner < accuracy[2:])]
    pairs = min(len(peaks), len(dips))
    return bool((peaks[:pairs] - dips[:pairs] >= 0.03).sum() >= 0.2 * len(accuracy))


def _autotrainer_slow(run: Run) -> bool:
    gains = _steps(_values(run, "metric"))
    gains = gains[~np.isnan(gains)]
    return bool(len(gains)) and bool(gains.max() < 0.01)


def _autotrainer_nan(run: Run) -> bool:
    return bool(len(_values(run, "loss"))) and not bool(np.isfinite(_values(run, "loss")).all())


def _deepdiagnosis_unchanged(run: Run) -> bool:
    loss = _values(run, "loss")
    return any(np.allclose(loss[i : i + 5], loss[i], rtol=1e-3) for i in range(max(0, len(loss) - 4)))


def _sagemaker_overfit(run: Run) -> bool:
    train, validation = _values(run, "loss"), _values(run, "val_loss")
    if not len(train) or not len(validation) or train[-1] == 0 or not np.isfinite(train[-1]):
        return False
    return bool((validation[-1] - train[-1]) / train[-1] > 0.1)


def _sagemaker_not_decreasing(run: Run) -> bool:
    loss = _values(run, "loss")
    return any(not loss[i + 10] < loss[i] * (1 - 0.001) for i in range(0, max(0, len(loss) - 10), 10))


def _sagemaker_overtraining(run: Run) -> bool:
    validation = _values(run, "val_loss")
    best, waited = np.inf, 0
    for value in validation:
        if value < best - 0.01:
            best, waited = value, 0
        else:
            waited += 1
        if waited > 10:
            return True
    return False


def _deepchecker_falling(run: Run) -> bool:
    loss = _values(run, "loss")
    return any(not loss[i + 5] <= loss[i] * 0.95 for i in range(0, max(0, len(loss) - 5), 5))


def _deepchecker_divergence(run: Run) -> bool:
    loss = _values(run, "loss")
    if not len(loss):
        return False
    return not bool(np.isfinite(loss).all()) or bool((loss >= 2 * np.minimum.accumulate(loss)).any())


def _deepchecker_fluctuation(run: Run) -> bool:
    steps = np.sign(_steps(_values(run, "loss")))
    return len(steps) > 2 and bool((steps[1:] * steps[:-1] < 0).mean() > 0.5)


def _prechelt_loss(run: Run) -> bool:
    validation = _values(run, "val_loss")
    known = validation[~np.isnan(validation)]
    least = known.min(initial=np.inf)
    if not 0 < least < np.inf:
        return False
    return bool(100 * (validation[-1] / least - 1) > 5)


def _prechelt_strips(run: Run, strips: int = 3, length: int = 5) -> bool:
    ends = _values(run, "val_loss")[length - 1 :: length]
    rises = _steps(ends) > 0
    return any(rises[i : i + strips].all() for i in range(max(0, len(rises) - strips + 1)))


RULES = (
    Rule("AutoTrainer: oscillation", _UNSTABLE, _autotrainer_oscillation),
    Rule("AutoTrainer: slow convergence", _STUCK, _autotrainer_slow),
    Rule("AutoTrainer: NaN loss", frozenset({"nan-loss"}), _autotrainer_nan),
    Rule("DeepDiagnosis: loss unchanged over 5 epochs", _STUCK, _deepdiagnosis_unchanged),
    Rule("SageMaker: Overfit, (val - train)/train > 0.1", _OVERFIT, _sagemaker_overfit),
    Rule("SageMaker: LossNotDecreasing, 0.1 % in 10", _STUCK | _UNSTABLE, _sagemaker_not_decreasing),
    Rule("SageMaker: Overtraining, patience 10", _OVERFIT, _sagemaker_overtraining),
    Rule("TheDeepChecker: falls 5 % in 5", _STUCK | _UNSTABLE, _deepchecker_falling),
    Rule("TheDeepChecker: divergence, 2 x best", _UNSTABLE, _deepchecker_divergence),
    Rule("TheDeepChecker: > 50 % sign changes", _UNSTABLE, _deepchecker_fluctuation),
    Rule("Prechelt: GL > 5", _OVERFIT, _prechelt_loss),
    Rule("Prechelt: UP, 3 strips of 5", _OVERFIT, _prechelt_strips),
)
