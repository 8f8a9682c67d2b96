"""The audit of a search on workers: it is done in one of them, beside the trials, and told by the driver."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from recipes.config import Config
from tests.tuners.search.ray_trials import candidate, ended, opened
from tuners.search.records import State
from tuners.search.task import Datasets

pytestmark = [
    pytest.mark.long,
    pytest.mark.keras,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray"),
]


def test_what_trials_begin_with_is_audited_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)  # not that of whoever runs the tests
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    config = Config.of("mlp", {"data.source": "iris", "model.kernel_initializer": "zeros"})
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        (tmp_path / "go").touch()

    with opened(Datasets.load(config), workers=1) as executor:
        executor.audit(config, say)
        executor.submit(candidate(0, f"slow:{tmp_path / 'go'}", tmp_path))  # ends when the audit has spoken
        assert ended(executor, 1)[0].state is State.DONE
    assert "audit: before training: critical: constant-initializer" in told[0]
