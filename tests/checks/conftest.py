"""What holds for the tests of checks."""

from __future__ import annotations

import numpy as np
import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test a generator that begins anew: what it draws must not hang on which tests ran before it."""
    module = getattr(item, "module", None)
    if isinstance(getattr(module, "RNG", None), np.random.Generator):
        module.RNG = np.random.default_rng(1)  # not as the module's own arrays were drawn
