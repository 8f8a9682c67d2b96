"""How rough a curve is beside its own level."""

from __future__ import annotations

import math

import numpy as np

from diagnose.measures.curve import Curve, median, point_noise, quantile
from diagnose.measures.memo import once_per_object
from diagnose.run import FloatArray

#: Swings of a loss that has almost arrived at 0 do not matter: its level counts as this share of its descent at least.
DESCENT_FLOOR = 0.05
#: Of fewer points one spike, which three second differences feel, is a quarter.
_ENOUGH = 16
#: The upper quartile of the magnitude of a normal variable, in standard deviations.
_NORMAL_UPPER_QUARTILE = 1.15
#: What goes up is at least this share of all ups and downs of a curve that swings; a steep fall bends, and is smooth.
_LEAST_RISES = 0.15


@once_per_object
def roughness(curve: Curve) -> float:
    """Return the roughness of the second half, relative to its level (never less than a floor of the descent).

    The noise of a point from second differences: by their median, which a few spikes do not move, or by their upper
    quartile where a quarter of them is larger (of 16 points and more), so that frequent spikes count and a single one
    does not.
    """
    half = len(curve) // 2 if len(curve) >= 16 else min(2, len(curve) // 4)
    values = curve.values[half:]
    fallen = max(0.0, curve.opening - curve.best)
    # A level near zero says nothing about a curve that crosses it.
    crosses = float(curve.values.min()) < 0
    level = fallen if crosses else max(median(curve.smooth[half:]), DESCENT_FLOOR * fallen)
    if level <= 0 or len(values) < 4 or _share_of_rises(values) < _LEAST_RISES:
        return 0.0
    noise = point_noise(values)
    if len(values) >= _ENOUGH:
        noise = max(noise, quantile(np.abs(np.diff(values, n=2)), 0.75) / (_NORMAL_UPPER_QUARTILE * math.sqrt(6)))
    rough = noise / level
    return rough if math.isfinite(rough) else 0.0


def _share_of_rises(values: FloatArray) -> float:
    steps = np.diff(values)
    travelled = float(np.abs(steps).sum())
    return float(steps[steps > 0].sum()) / travelled if travelled > 0 else 0.0
