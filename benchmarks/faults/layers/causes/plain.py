"""The sound set-ups as they are: what all other runs are compared with."""

from __future__ import annotations

from benchmarks.faults.configuration import Cause, setting
from benchmarks.faults.layers.tasks import TASKS

CAUSES = tuple(Cause(f"plain-{name}", "nothing", setting(), (name,)) for name in TASKS)
