"""The causes, one module per family. Order matters: it decides the halves (see `plan.halves`)."""

from benchmarks.faults.causes import (
    capacity,
    generalization,
    healthy,
    metrics,
    numerics,
    signal,
    stability,
    step_size,
)
from benchmarks.faults.configuration import Cause

CAUSES: tuple[Cause, ...] = (
    *healthy.CAUSES,
    *generalization.CAUSES,
    *step_size.CAUSES,
    *capacity.CAUSES,
    *signal.CAUSES,
    *stability.CAUSES,
    *metrics.CAUSES,
    *numerics.CAUSES,
)
