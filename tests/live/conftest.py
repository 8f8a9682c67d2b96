"""What holds for tests that train."""

from __future__ import annotations

import sys

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Split the processor in two devices, for tests with replicas: it must be done before TensorFlow computes."""
    tensorflow = sys.modules.get("tensorflow")  # no test of this process needs it where no module imported it
    if tensorflow is not None:
        config = tensorflow.config
        halves = [config.LogicalDeviceConfiguration()] * 2
        config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], halves)
