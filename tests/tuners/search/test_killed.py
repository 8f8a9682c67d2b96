"""A real search, killed at fifty random moments: no finished trial is lost, none is made twice, and all are right."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.tuners.search.killed_search import CONFIG
from tuners.search.journal import Journal, Story

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.timeout(1500)]

KILLS = 50


def test_killed_at_fifty_random_moments_a_search_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    made = subprocess.run(
        [sys.executable, "-m", "tests.tuners.search.killed_search", str(folder), str(KILLS)],
        capture_output=True, text=True, timeout=1400, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.endswith(f"{KILLS} killed\n")
    journal = Journal(folder / "journal.jsonl")
    journal.open()
    ended = Counter(event["number"] for event in journal.events if event["event"] == "ended")
    story = Story.of(journal.events)
    assert set(ended.values()) == {1}
    assert sorted(ended) == list(story.trials)
    assert story.is_finished
    assert (folder / "winner" / "result.json").exists()
    # The trials that were killed, made again in one go, have the same scores to the last bit.
    from recipes.config import Config
    from tuners.objective import Objective
    from tuners.search.records import Candidate
    from tuners.search.task import Datasets, run_candidate

    config = Config.of("mlp", CONFIG, {"training.monitor": "max:val_accuracy"})
    data = Datasets.load(config)
    again = [trial for trial in story.trials.values() if trial.attempts > 1][:6]
    assert again
    for trial in again:
        chosen = config.replace(dict(trial.values))
        candidate = Candidate(
            0, chosen, trial.values, tmp_path / f"{trial.number}", Objective.of("val_accuracy"), keep=False
        )
        outcome = run_candidate(candidate, data, lambda _report: None)
        assert trial.outcome is not None
        assert (outcome.score, outcome.epochs) == (trial.score, trial.outcome.epochs)
