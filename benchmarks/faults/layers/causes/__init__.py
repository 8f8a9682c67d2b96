"""The causes, one module per family; every second one of each family is the test half (see `plan.halves`)."""

from benchmarks.faults.configuration import Cause
from benchmarks.faults.layers.causes import (
    dying,
    exploding,
    frozen,
    healthy,
    plain,
    saturated,
    symmetric,
    vanishing,
)

FAMILIES: dict[str, tuple[Cause, ...]] = {
    "plain": plain.CAUSES,
    "healthy": healthy.CAUSES,
    "vanishing": vanishing.CAUSES,
    "exploding": exploding.CAUSES,
    "dying": dying.CAUSES,
    "saturated": saturated.CAUSES,
    "symmetric": symmetric.CAUSES,
    "frozen": frozen.CAUSES,
}
CAUSES: tuple[Cause, ...] = tuple(cause for family in FAMILIES.values() for cause in family)
