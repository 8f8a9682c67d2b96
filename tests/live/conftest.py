"""What holds for tests that train."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Split the processor in two devices, for tests with replicas.

    It can be done only before TensorFlow computes anything: no test module may do so when it is imported.
    """
    tensorflow = sys.modules.get("tensorflow")  # where no module imported it no test needs it
    if tensorflow is not None:
        config = tensorflow.config
        halves = [config.LogicalDeviceConfiguration()] * 2
        with suppress(RuntimeError):  # tests with replicas will fail, and no others
            config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], halves)
