"""The two devices that replicas are tested on; see ``conftest.py``."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf


@functools.cache  # a second one in a process takes keys for its collective operations that the first one took
def two_replicas() -> Any:
    """Return the strategy of all tests of a process."""
    # Sums on one device: the collective operations that are the default wait for each other, and on a busy machine with
    # two cores all threads may come to do so.
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
