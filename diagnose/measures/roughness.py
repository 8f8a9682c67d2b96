"""How rough a curve is beside its own level."""

from __future__ import annotations

import numpy as np

from diagnose.measures.curve import Curve, median, point_noise, quantile
from diagnose.measures.memo import once_per_object
from diagnose.measures.validation_rise import DESCENT_FLOOR


@once_per_object
def roughness(curve: Curve) -> float:
    """Return the roughness of the second half, relative to its level (never less than a floor of the descent)."""
    half = len(curve) // 2 if len(curve) >= 16 else min(2, len(curve) // 4)
    values, smooth = curve.values[half:], curve.smooth[half:]
    fallen = max(0.0, curve.opening - curve.best)
    # A level near zero says nothing about a curve that crosses it.
    crosses = float(curve.values.min()) < 0
    level = fallen if crosses else max(median(smooth), DESCENT_FLOOR * fallen)
    if level <= 0:
        return 0.0
    residual = values - smooth
    spikes = float((np.abs(residual) > 0.5 * level).mean())
    spread = (quantile(residual, 0.9) - quantile(residual, 0.1)) / 2 if spikes >= 0.1 else 0.0
    return max(point_noise(values), spread) / level
