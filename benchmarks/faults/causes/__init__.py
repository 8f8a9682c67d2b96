"""The causes, one module per family; every second one of `held_out` is the test half (see `plan.halves`)."""

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
from benchmarks.faults.causes.held_out import CAUSES as HELD_OUT
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
    *HELD_OUT,
)
