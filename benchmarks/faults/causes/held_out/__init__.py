"""Causes written after the rules were frozen: nobody chose a threshold with their runs in sight."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.faults.causes.held_out import breaking, fitting, healthy, learning
from benchmarks.faults.configuration import Cause

_ONE_SEED = (*healthy.CAUSES, *fitting.CAUSES, *learning.CAUSES, *breaking.CAUSES)

CAUSES: tuple[Cause, ...] = (
    *healthy.PLAIN,
    *(
        replace(cause, seeds=((1,), (2,))[place % 2] if len(cause.tasks) > 1 else (1, 2))
        for place, cause in enumerate(_ONE_SEED)
    ),
)
