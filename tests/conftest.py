"""What holds for all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run: a test must not fail by the luck of the draw. New examples are looked for with
# HYPOTHESIS_PROFILE=explore, and by the fuzzer (make fuzz).
settings.register_profile("fixed", derandomize=True)
settings.register_profile("explore", max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: How `tune` looks at model and data before a training.
_LOOKS: dict[str, Callable[..., Any]] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let trainings go without an audit, which takes longer than they do, unless the test is of the audit."""
    module = sys.modules.get("tuners.audit")
    if module is None:
        return
    is_wanted = item.get_closest_marker("audited") is not None
    for name in ("look", "look_at_a_copy"):
        look = _LOOKS.setdefault(name, getattr(module.Audit, name))
        setattr(module.Audit, name, look if is_wanted else _see_nothing)


def _see_nothing(*_: object) -> None:
    """Look away."""
