"""The folder of a search: events stay, half a line does not, other settings are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.errors import RecipeError
from tuners.search.journal import Journal, SearchFolder, Story, outcome_event, outcome_of, read
from tuners.search.records import Outcome, State

CONTENT: dict[str, Any] = {
    "config": {"recipe": "mlp", "data": {"source": "iris"}, "training": {"epochs": 5}},
    "space": {"model.depth": {"kind": "int", "low": 1, "high": 3}},
    "settings": {"strategy": "random", "seed": 0},
    "objective": "max:val_accuracy",
    "data": {"fingerprint": "0000"},
    "budget": {"trials": 3, "time": 0.0, "final": "auto"},
    "noted": {"recipe": "mlp", "data": "iris", "started": 1.0, "mlflow": ""},
}
DONE = Outcome(
    State.DONE, score=0.9, scores=(0.9,), epochs=5, best_epoch=4, seconds=1.5, verdict="healthy",
    findings=({"check": "plateau", "severity": "info", "epoch": 3.0, "summary": "..."},),
)  # fmt: skip


def changed(**sections: Any) -> dict[str, Any]:
    return {**CONTENT, **sections}


def written(folder: Path, trials: int = 3) -> Journal:
    """A journal of some trials, the last of which runs."""
    journal = Journal(folder / "journal.jsonl")
    journal.append("opened")
    for number in range(trials):
        journal.append("asked", number=number, values={"model.depth": number}, epochs=5, parent=None)
        journal.append("begun", number=number)
        if number < trials - 1:
            journal.append("ended", **outcome_event(number, DONE))
    return journal


def test_what_is_appended_is_read_again(tmp_path: Path):
    journal = written(tmp_path)
    again = Journal(tmp_path / "journal.jsonl")
    again.open()
    assert again.events == journal.events
    story = Story.of(again.events)
    assert [trial.state for trial in story.trials.values()] == [State.DONE, State.DONE, State.RUNNING]
    assert story.trials[0].outcome == DONE
    assert [trial.number for trial in story.open_trials()] == [2]


def test_cut_off_at_any_byte_the_whole_lines_stay(tmp_path: Path):
    events = written(tmp_path).events
    content = (tmp_path / "journal.jsonl").read_bytes()
    path = tmp_path / "cut.jsonl"
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        cut = Journal(path)
        cut.open()
        whole = content[:size].count(b"\n")
        assert cut.events == events[:whole]
        cut.append("finished")
        assert path.read_bytes().count(b"\n") == whole + 1
        assert [json.loads(line)["event"] for line in path.read_text().splitlines()][-1] == "finished"


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path):
    written(tmp_path)
    path = tmp_path / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], "{'x'\n", *lines[3:]]))
    with pytest.raises(RecipeError, match=r"journal.jsonl: line 3 is damaged"):
        Journal(path).open()


@pytest.mark.parametrize(
    "line", ['{"event": "ended", "time": 1, "number": 7, "outcome": {}}', '{"event": "asked"}', "[]"]
)
def test_a_line_of_another_version_is_told(tmp_path: Path, line: str):
    SearchFolder(tmp_path).begin(CONTENT)
    (tmp_path / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(RecipeError, match="line 1 of the journal is not as this version writes it"):
        read(tmp_path)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = written(tmp_path)
    before = (tmp_path / "journal.jsonl").read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append("finished")
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    assert journal.events[-1]["event"] != "finished"


def test_the_same_search_goes_on(tmp_path: Path):
    folder = SearchFolder(tmp_path)
    assert not folder.begin(CONTENT)
    assert folder.begin(CONTENT)


def test_a_budget_may_change_and_what_is_noted_stays(tmp_path: Path):
    folder = SearchFolder(tmp_path)
    folder.begin(CONTENT)
    assert folder.begin(changed(budget={**CONTENT["budget"], "trials": 9}, noted={**CONTENT["noted"], "started": 2.0}))
    assert folder.read_settings()["budget"]["trials"] == 9
    assert folder.read_settings()["noted"]["started"] == 1.0


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"objective": "min:val_loss"}, "objective: max:val_accuracy, now min:val_loss"),
        ({"settings": {"strategy": "grid", "seed": 0}}, "strategy: random, now grid"),
        ({"space": {"model.depth": {"kind": "int", "low": 1, "high": 4}}}, "space.model.depth.high: 3, now 4"),
        ({"space": {}}, "space.model.depth: .*, now not set"),
        ({"data": {"fingerprint": "1111"}}, "data.fingerprint: 0000, now 1111"),
    ],
)
def test_other_settings_are_refused_with_the_difference(tmp_path: Path, sections: dict[str, Any], said: str):
    folder = SearchFolder(tmp_path)
    folder.begin(CONTENT)
    with pytest.raises(RecipeError, match=f"was begun with other settings .{said}"):
        folder.begin(changed(**sections))


def test_a_search_is_unfinished_until_it_has_ended_and_has_a_winner(tmp_path: Path):
    folder = SearchFolder(tmp_path)
    assert not folder.is_unfinished(CONTENT)
    folder.begin(CONTENT)
    journal = written(tmp_path)
    assert folder.is_unfinished(CONTENT)
    assert not folder.is_unfinished(changed(objective="min:val_loss"))
    journal.append("finished")
    folder.winner.path.mkdir()
    folder.winner.conclude({"verdict": "healthy"})
    assert not folder.is_unfinished(CONTENT)


def test_only_one_process_searches_in_a_folder(tmp_path: Path):
    with (
        SearchFolder(tmp_path / "search").held(),
        pytest.raises(RecipeError, match="another process is searching there"),
        SearchFolder(tmp_path / "search").held(),
    ):
        pass
    assert not (tmp_path / "search").exists()  # nothing had begun


def test_a_search_is_read_while_it_runs(tmp_path: Path):
    SearchFolder(tmp_path).begin(CONTENT)
    written(tmp_path)
    record = read(tmp_path)
    assert (record.recipe, record.data, record.objective.name) == ("mlp", "iris", "val_accuracy")
    assert [trial.score for trial in record.trials] == [0.9, 0.9, None]
    assert record.winner is None


def test_the_time_of_all_processes_counts_and_the_pauses_do_not():
    times = [("opened", 10.0), ("asked", 11.0), ("begun", 12.0), ("opened", 100.0), ("begun", 103.0)]
    more = {"asked": {"number": 0, "values": {}, "epochs": 1, "parent": None}, "begun": {"number": 0}}
    story = Story.of([{"event": event, "time": time, **more.get(event, {})} for event, time in times])
    assert story.seconds == 5.0
    assert story.trials[0].attempts == 2


def test_an_interruption_takes_the_attempt_back(tmp_path: Path):
    journal = written(tmp_path, trials=1)
    journal.append("interrupted", number=0)
    assert Story.of(journal.events).trials[0].attempts == 0


def test_names_that_are_no_text_are_written_all_the_same(tmp_path: Path):
    journal = written(tmp_path, trials=1)
    journal.append("ended", **outcome_event(0, Outcome(State.FAILED, "no such file: \udcff.csv")))
    again = Journal(tmp_path / "journal.jsonl")
    again.open()
    assert Story.of(again.events).trials[0].state is State.FAILED


def test_outcomes_are_the_same_from_the_journal():
    assert outcome_of(json.loads(json.dumps(outcome_event(0, DONE)))["outcome"]) == DONE


def test_a_folder_without_a_search_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="holds no search"):
        read(tmp_path)
