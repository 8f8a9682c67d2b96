"""The published rules on gradients, activations and steps, as baselines, on the very telemetry that kerasdx reads.

Thresholds are those of the publications. Where a publication looks at a tensor that the log does not hold, the nearest
statistic stands in for it, and the rule says so. Sources: AutoTrainer (Zhang et al., ICSE 2021), DeepDiagnosis (Wardat
et al., ICSE 2022), the rules of Amazon SageMaker Debugger, TheDeepChecker (Ben Braiek & Khomh, TOSEM 2022), BTTackler
(Wang et al., KDD 2024).
"""

from __future__ import annotations

import numpy as np

from benchmarks.faults.published_rules import Rule
from diagnose.run import Run

Array = np.ndarray

_VANISH = frozenset({"vanishing-gradient"})
_EXPLODE = frozenset({"exploding-gradient"})
_DEAD = frozenset({"dying-relu"})
_SATURATED = frozenset({"saturated-activation"})
_STILL = frozenset({"frozen-weights", "vanishing-gradient"})
_SHARE = 0.3
"""AutoTrainer: a symptom counts that shows in so many of the epochs."""


def _values(run: Run, name: str) -> Array:
    """A statistic, epochs x layers; of no size where it was not logged."""
    statistic = run.layers.get(name)
    return statistic.values if statistic is not None else np.empty((0, 0))


def _ends(run: Run) -> tuple[Array, Array]:
    """The gradient norms of the first and the last layer that have any."""
    norms = _values(run, "grad_norm")
    sampled = norms[:, ~np.isnan(norms).all(0)] if norms.size else norms
    if sampled.shape[-1] < 2:
        return np.empty(0), np.empty(0)
    return sampled[:, 0], sampled[:, -1]


def _often(holds: Array) -> bool:
    return bool(len(holds)) and bool(np.mean(holds) >= _SHARE)


def _autotrainer_vanishing(run: Run) -> bool:
    first, last = _ends(run)
    return _often((first < 1e-3 * last) & (first < 1e-4))


def _autotrainer_exploding(run: Run) -> bool:
    first, last = _ends(run)
    return _often(first > 70 * last) or not np.isfinite(_loss(run)).all()


def _loss(run: Run) -> Array:
    series = run.get("loss")
    return series.values if series is not None else np.empty(0)


def _autotrainer_dying(run: Run) -> bool:
    """The share of zero gradients, for which the share of dead units stands in."""
    dead = _values(run, "dead_fraction")
    return bool(dead.size) and _often((dead >= 0.7).any(1))


def _deepdiagnosis_dead(run: Run) -> bool:
    return bool((_values(run, "dead_fraction") >= 0.7).any())


def _deepdiagnosis_saturated(run: Run) -> bool:
    """Of the outputs, for tanh beyond 2.5 instead of 5."""
    return bool((_values(run, "saturated_fraction") > 0.5).any())


def _deepdiagnosis_exploding(run: Run) -> bool:
    return bool((_values(run, "update_ratio") > 0.1).any())


def _deepdiagnosis_vanishing(run: Run) -> bool:
    return bool((_values(run, "update_ratio") < 1e-5).any())


def _deepdiagnosis_unchanged(run: Run) -> bool:
    ratios = _values(run, "update_ratio")
    return len(ratios) >= 5 and bool((ratios == 0).all(0).any())


def _sagemaker_dead(run: Run) -> bool:
    return bool((_values(run, "dead_fraction") > 0.5).any())


def _sagemaker_exploding(run: Run) -> bool:
    return any(np.isinf(_values(run, name)).any() for name in ("grad_norm", "grad_norm_max", "weight_norm"))


def _sagemaker_long_steps(run: Run) -> bool:
    return bool((_values(run, "update_ratio") > 10).any())


def _sagemaker_short_steps(run: Run) -> bool:
    return bool((_values(run, "update_ratio") < 1e-8).any())


def _deepchecker_long_steps(run: Run) -> bool:
    return bool((_logarithms(_values(run, "update_ratio")) > -1).any())


def _deepchecker_short_steps(run: Run) -> bool:
    return bool((_logarithms(_values(run, "update_ratio")) < -4).any())


def _logarithms(values: Array) -> Array:
    return np.log10(np.where(values > 0, values, np.nan))


def _bttackler_vanishing(run: Run) -> bool:
    return bool((_neighbours(run) < 1e-4).any())


def _bttackler_exploding(run: Run) -> bool:
    return bool((_neighbours(run) > 1000).any())


def _neighbours(run: Run) -> Array:
    """The gradient norm of each layer over that of the next one."""
    norms = _values(run, "grad_norm")
    norms = np.where(norms > 0, norms, np.nan)
    return norms[:, :-1] / norms[:, 1:] if norms.size else norms


RULES = (
    Rule("AutoTrainer: first/last < 1e-3, first < 1e-4", _VANISH, _autotrainer_vanishing),
    Rule("AutoTrainer: first/last > 70 or NaN", _EXPLODE, _autotrainer_exploding),
    Rule("AutoTrainer: dying, share >= 0.7", _DEAD, _autotrainer_dying),
    Rule("DeepDiagnosis: dead, share >= 0.7", _DEAD, _deepdiagnosis_dead),
    Rule("DeepDiagnosis: saturated, share > 0.5", _SATURATED, _deepdiagnosis_saturated),
    Rule("DeepDiagnosis: step > 0.1", _EXPLODE, _deepdiagnosis_exploding),
    Rule("DeepDiagnosis: step < 1e-5", _STILL, _deepdiagnosis_vanishing),
    Rule("DeepDiagnosis: unchanged weights", frozenset({"frozen-weights"}), _deepdiagnosis_unchanged),
    Rule("SageMaker: DeadRelu, share > 0.5", _DEAD, _sagemaker_dead),
    Rule("SageMaker: ExplodingTensor", _EXPLODE, _sagemaker_exploding),
    Rule("SageMaker: WeightUpdateRatio > 10", _EXPLODE, _sagemaker_long_steps),
    Rule("SageMaker: WeightUpdateRatio < 1e-8", _STILL, _sagemaker_short_steps),
    Rule("TheDeepChecker: step > 1e-1", _EXPLODE, _deepchecker_long_steps),
    Rule("TheDeepChecker: step < 1e-4", _STILL, _deepchecker_short_steps),
    Rule("BTTackler: neighbours < 1e-4", _VANISH, _bttackler_vanishing),
    Rule("BTTackler: neighbours > 1000", _EXPLODE, _bttackler_exploding),
)
