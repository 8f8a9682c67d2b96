"""The driver: who decides what is tried, what is kept, when it is over; killed at any moment it goes on.

Trials are not trained here: a made-up executor scores them by their values.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes.config import Config
from recipes.data import load_data
from recipes.data.base import Data
from recipes.errors import ConfigError, RecipeError
from tuners.objective import Objective
from tuners.search import driver
from tuners.search.executor import OnReport
from tuners.search.journal import Journal, SearchFolder, read
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop, TrialRecord, ranked
from tuners.search.settings import SearchSettings

pytestmark = pytest.mark.keras

SPACE = {"model.depth": {"low": 1, "high": 4}, "optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


def scored(candidate: Candidate, _on_report: OnReport) -> Outcome:
    """Score a trial by its values: shallow and slow is best."""
    config = candidate.config
    score = 1 / config.model.depth - config.optimizer.learning_rate
    epochs = config.training.stop_after or config.training.epochs
    return Outcome(State.DONE, score=score, scores=(score,), epochs=epochs, best_epoch=epochs - 1, verdict="healthy")


class MadeUp:
    """An executor that trains nothing."""

    def __init__(self, run: Callable[[Candidate, OnReport], Outcome] = scored, slots: int = 1) -> None:
        self.run, self.slots = run, slots
        self.waiting: deque[Candidate] = deque()
        self.seen: list[Candidate] = []
        self.is_closed = False
        self.audited: list[Config] = []

    def audit(self, config: Config, say: Callable[[str], None]) -> None:
        self.audited.append(config)

    def submit(self, candidate: Candidate) -> None:
        self.waiting.append(candidate)
        self.seen.append(candidate)
        assert len(self.waiting) <= self.slots

    def next(self, on_report: OnReport) -> tuple[int, Outcome]:
        candidate = self.waiting.popleft()
        return candidate.number, self.run(candidate, on_report)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(scope="module")
def iris() -> Data:
    return load_data("iris")


@pytest.fixture
def search(iris: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., driver.Search]:
    """Search without training, and without making a model of the winner."""
    monkeypatch.setattr(driver.winner, "crown", lambda *_arguments, **_options: None)

    def search(executor: MadeUp | None = None, folder: str = "search", **options: Any) -> driver.Search:
        made = executor or MadeUp()
        monkeypatch.setattr(driver, "_executor", lambda *_arguments: made)
        epochs = options.pop("epochs", 9)
        config = Config.of("mlp", {"data.source": "iris", "training.epochs": epochs}, options.pop("config", {}))
        space = options.pop("space", SPACE)
        warm_start = options.pop("warm_start", ())
        settings = SearchSettings(**{"strategy": "random", "trials": 6, **options})
        return driver.search(
            config, space, settings, folder=tmp_path / folder, data=iris, warm_start=warm_start, track=False
        )

    return search


def story(found: driver.Search) -> list[tuple[Any, ...]]:
    return [(each.number, dict(each.values), each.state, each.score, each.parent) for each in found.record.trials]


def test_as_many_trials_as_were_asked_for_and_the_best_first(search):
    found = search()
    assert [trial.number for trial in found.record.trials] == list(range(6))
    scores = [trial.score for trial in found.record.trials]
    assert found.best is not None
    assert found.best.score == max(scores)
    assert len(found.frame()) == 6


def test_what_trials_begin_with_is_audited_once(search):
    first, again = MadeUp(), MadeUp()
    search(first, trials=2)
    search(again, trials=3)
    assert [config.recipe for config in first.audited] == ["mlp"]
    assert again.audited == []


def test_trials_differ_in_what_is_searched_alone(search):
    executor = MadeUp()
    search(executor)
    first, second = (candidate.config for candidate in executor.seen[:2])
    assert first.replace(dict(executor.seen[1].values)) == second
    assert first.training.monitor == "max:val_accuracy"


@pytest.mark.parametrize("strategy", ["random", "bayesian", "grid", "hyperband"])
def test_the_same_seed_makes_the_same_trials(search, strategy: str):
    first, second = (story(search(folder=name, strategy=strategy, trials=12)) for name in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("strategy", ["random", "bayesian", "grid", "hyperband"])
def test_killed_at_any_event_it_goes_on_and_nothing_is_lost_or_repeated(
    search, monkeypatch: pytest.MonkeyPatch, strategy: str, slots: int
):
    whole = search(MadeUp(slots=slots), folder="whole", strategy=strategy, trials=10)

    class Killed(BaseException):
        """What kill -9 leaves: everything that was written, and nothing else."""

    append = Journal.append
    draw = random.Random(7)
    left = draw.randint(0, 6)

    def killed(self: Journal, event: str, **content: Any) -> None:
        nonlocal left
        if left == 0:
            left = draw.randint(0, 6)
            if draw.random() < 0.5:  # in the middle of the line
                with self._path.open("ab") as file:
                    file.write(b'{"event": "en')
            raise Killed
        left -= 1
        append(self, event, **content)

    monkeypatch.setattr(Journal, "append", killed)
    monkeypatch.setattr(driver, "ATTEMPTS", 1000)
    kills = 0
    while True:
        try:
            found = search(MadeUp(slots=slots), folder="killed", strategy=strategy, trials=10)
            break
        except Killed:
            kills += 1
    assert kills > 5
    told = [each["number"] for each in events_of(found) if each["event"] == "ended"]
    assert sorted(told) == list(range(len(found.record.trials)))
    if slots == 1:
        assert story(found) == story(whole)
    else:
        assert len(found.record.trials) == len(whole.record.trials)


def events_of(found: driver.Search) -> list[Any]:
    journal = Journal(found.folder / "journal.jsonl")
    journal.open()
    return journal.events


def test_a_search_that_is_over_is_told_of_again_and_goes_on_with_a_larger_budget(search):
    search(trials=3)
    again = MadeUp()
    assert len(search(again, trials=3).record.trials) == 3
    assert again.seen == []
    more = search(again, trials=5)
    assert [candidate.number for candidate in again.seen] == [3, 4]
    assert story(more) == story(search(folder="whole", trials=5))


def test_a_smaller_budget_keeps_what_there_is(search):
    search(trials=4)
    assert len(search(trials=2).record.trials) == 4


def test_other_settings_are_refused_with_the_difference(search):
    search()
    with pytest.raises(RecipeError, match="strategy: random, now bayesian"):
        search(strategy="bayesian")
    with pytest.raises(RecipeError, match=r"training.epochs: 9, now 8"):
        search(epochs=8)
    with pytest.raises(RecipeError, match=r"space.model.depth.high: 4, now 3"):
        search(space={**SPACE, "model.depth": {"low": 1, "high": 3}})


def test_a_trial_that_fails_is_not_the_end_and_never_the_best(search):
    def run(candidate: Candidate, on_report: OnReport) -> Outcome:
        if candidate.number == 1:
            return Outcome(State.FAILED, "out of memory", score=99.0)
        return scored(candidate, on_report)

    found = search(MadeUp(run))
    assert len(found.record.trials) == 6
    assert found.best is not None
    assert found.best.number != 1
    assert found.record.trials[1].reason == "FAILED: out of memory"
    assert found.record.trials[1].score is None


def test_where_all_fail_alike_it_ends_with_the_reason(search):
    executor = MadeUp(lambda *_: Outcome(State.FAILED, "objective 'x' is no column of the log"))
    with pytest.raises(RecipeError, match="all 5 trials so far fail alike: objective 'x' is no column"):
        search(executor, trials=20)
    assert len(executor.seen) == 5
    assert executor.is_closed


def test_where_all_fail_for_reasons_of_their_own_there_is_no_winner(search):
    found = search(MadeUp(lambda candidate, _: Outcome(State.FAILED, f"reason {candidate.number}")), trials=7)
    assert found.best is None
    assert found.winner is None
    assert len(found.record.trials) == 7


def test_a_trial_in_which_the_process_dies_again_and_again_is_given_up(search):
    class Died(BaseException):
        pass

    def dies(candidate: Candidate, on_report: OnReport) -> Outcome:
        if candidate.number == 1:
            raise Died
        return scored(candidate, on_report)

    for _ in range(driver.ATTEMPTS):
        with pytest.raises(Died):
            search(MadeUp(dies))
    found = search(MadeUp(dies))
    assert found.record.trials[1].state is State.FAILED
    assert "died in it 3 times" in found.record.trials[1].reason
    assert len(found.record.trials) == 6


def test_reports_are_answered_by_the_pruning(search):
    def sick(candidate: Candidate, on_report: OnReport) -> Outcome:
        finding = {"check": "divergence", "severity": "critical", "epoch": 0.0, "summary": "...", "lost": True}
        answer = on_report(candidate.number, EpochReport(0, 1, 0, 9, {"val_accuracy": 0.1}, (finding,)))
        assert isinstance(answer, Stop)
        return Outcome(answer.state, answer.reason, score=0.1, scores=(0.1,), epochs=1)

    found = search(MadeUp(sick), trials=2)
    assert {trial.reason for trial in found.record.trials} == {"PRUNED: divergence at epoch 0"}
    assert found.best is not None
    assert all(trial.is_sick for trial in found.record.trials)


def test_when_the_time_is_up_running_trials_end_and_no_new_ones_begin(search, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(driver.time, "monotonic", lambda: now[0])

    def slow(candidate: Candidate, on_report: OnReport) -> Outcome:
        for epoch in range(9):
            now[0] += 10.0
            answer = on_report(candidate.number, EpochReport(0, 1, epoch, 9, {"val_accuracy": 0.5}))
            if answer is not None:
                return Outcome(answer.state, answer.reason, score=0.5, scores=(0.5,), epochs=epoch + 1)
        return scored(candidate, on_report)

    found = search(MadeUp(slow), trials=0, time=120.0)
    assert [trial.state for trial in found.record.trials] == [State.DONE, State.STOPPED]
    assert found.record.trials[1].reason == "STOPPED: the time is up at epoch 2"


def test_hyperband_promotes_from_the_folder_of_the_parent(search):
    executor = MadeUp()
    found = search(executor, strategy="hyperband", trials=0)
    promoted = [trial for trial in found.record.trials if trial.parent is not None]
    assert promoted
    for trial in promoted:
        candidate = executor.seen[trial.number]
        parent = executor.seen[trial.parent]
        assert candidate.parent == parent.folder
        assert candidate.values == parent.values
        assert (candidate.config.training.stop_after or 9) > parent.config.training.stop_after
        assert parent.keep is True


def test_weights_are_kept_where_they_may_be_the_winners(search, tmp_path: Path):
    def keeping(candidate: Candidate, on_report: OnReport) -> Outcome:
        (candidate.folder / "checkpoint").mkdir(parents=True)
        return scored(candidate, on_report)

    executor = MadeUp(keeping)
    found = search(executor)
    assert found.best is not None
    assert [path.parent.name for path in tmp_path.rglob("checkpoint")] == [f"{found.best.number:04d}"]
    best = None
    for candidate, trial in zip(executor.seen, found.record.trials, strict=True):
        assert candidate.keep == (True if best is None else best)
        best = max(filter(None, (best, trial.score)))


def test_an_earlier_search_is_learned_from(search, tmp_path: Path):
    earlier = search(folder="earlier", trials=8)
    found = search(folder="later", strategy="bayesian", trials=3, warm_start=[earlier.folder])
    assert [trial.number for trial in found.record.trials] == [0, 1, 2]
    (warm,) = [event for event in events_of(found) if event["event"] == "warm"]
    assert [score for _, score in warm["trials"]] == [trial.score for trial in earlier.record.trials]
    assert story(found) != story(search(folder="cold", strategy="bayesian", trials=3))
    assert story(found) == story(search(folder="later", strategy="bayesian", trials=3, warm_start=[earlier.folder]))
    with pytest.raises(RecipeError, match="warm_start"):
        search(folder="later", strategy="bayesian", trials=3)


def test_an_earlier_search_by_another_objective_is_refused(search):
    search(folder="earlier", objective="val_loss")
    with pytest.raises(RecipeError, match="was judged by min:val_loss, and this search is by max:val_accuracy"):
        search(folder="later", warm_start=[search(folder="earlier", objective="val_loss").folder])


def test_a_random_grid_of_few_points_ends_by_itself(search):
    found = search(strategy="grid", trials=100, space={"model.depth": [1, 2], "model.batch_norm": [True, False]})
    assert len(found.record.trials) == 4


def test_data_that_is_loaded_cannot_be_split_anew(search):
    with pytest.raises(RecipeError, match="loaded already"):
        search(folds=3)
    with pytest.raises(RecipeError, match="loaded already"):
        search(final="retrain")


def test_a_list_is_needed_where_data_is_loaded_for_each_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    config = Config.of("cnn", {"data.source": "digits", "training.epochs": 1})
    with pytest.raises(ConfigError, match=r"data.image_size: give a list"):
        driver.search(config, "data.image_size=8..16", SearchSettings(trials=1), folder=tmp_path / "s", track=False)
    assert not (tmp_path / "s").exists()


def test_the_record_is_that_of_the_folder(search):
    found = search()
    assert read(found.folder).trials == found.record.trials


def test_without_a_budget_it_goes_on_with_the_one_that_it_was_begun_with(search):
    stopped = MadeUp(lambda candidate, _: interrupted() if candidate.number == 22 else scored(candidate, _))
    with pytest.raises(KeyboardInterrupt):
        search(stopped, trials=25)
    assert len(search(trials=0).record.trials) == 25


def interrupted() -> Outcome:
    raise KeyboardInterrupt


def test_ctrl_c_is_no_trials_fault(search):
    for _ in range(driver.ATTEMPTS + 1):
        with pytest.raises(KeyboardInterrupt):
            search(MadeUp(lambda *_: interrupted()))
    found = search()
    assert [trial.state for trial in found.record.trials] == [State.DONE] * 6
    assert found.record.trials[0].attempts == 1


def test_a_trial_that_is_not_whole_stands_behind_those_that_are():
    whole = Outcome(State.DONE, score=0.5, scores=(0.5, 0.5), parts=2)
    part = Outcome(State.STOPPED, "the time is up at epoch 1", score=0.9, scores=(0.9,), parts=2)
    trials = [TrialRecord(0, {}, "", outcome=part), TrialRecord(1, {}, "", outcome=whole)]
    assert [trial.number for trial in ranked(trials, Objective("val_accuracy", "max"))] == [1, 0]


def test_a_trial_that_another_one_went_on_from_is_not_ranked_twice():
    outcome = Outcome(State.DONE, score=0.5, scores=(0.5,))
    trials = [TrialRecord(0, {}, "", outcome=outcome), TrialRecord(1, {}, "", parent=0, outcome=outcome)]
    assert [trial.number for trial in ranked(trials, Objective("val_accuracy", "max"))] == [1]
    assert [trial.number for trial in ranked(trials[:1], Objective("val_accuracy", "max"))] == [0]


def test_a_search_in_which_all_failed_is_over(search, tmp_path: Path):
    found = search(MadeUp(lambda candidate, _: Outcome(State.FAILED, f"reason {candidate.number}")), trials=2)
    folder = SearchFolder(found.folder)
    assert not folder.is_unfinished(folder.read_settings())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"config": {"data.validation": 0.0}}, "trials are judged by validation samples"),
        ({"config": {"training.stop_after": 3}, "strategy": "hyperband"}, "hyperband sets it itself"),
        ({"executions": 2, "final": "restore"}, "take --final retrain"),
        ({"executions": 2}, "loaded already cannot be split anew"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_first_trial(search, options: dict[str, Any], said: str):
    executor = MadeUp()
    with pytest.raises(RecipeError, match=said):
        search(executor, **options)
    assert executor.seen == []


def test_what_a_training_is_monitored_by_is_what_trials_are_judged_by(search):
    assert search(config={"training.monitor": "val_loss"}).record.objective.name == "val_accuracy"  # the default
    other = search(folder="other", config={"training.monitor": "max:val_loss"})
    assert str(other.record.objective) == "max:val_loss"


@pytest.mark.parametrize(
    ("recipe", "files"),
    [("mlp", []), ("mine.py:build", ["mine.py"]), ("models.mine:build", ["models/mine.py"]), ("keras:Sequential", [])],
)
def test_the_users_file_goes_to_a_cluster_with_its_path_from_here(
    recipe: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("mine.py", "models/mine.py"):
        (tmp_path / name).touch()
    assert [path.as_posix() for path in driver._own_files(recipe)] == files
    anchored = recipe.replace("mine.py", f"{tmp_path}/mine.py") if recipe.startswith("mine.py") else recipe
    assert driver._shipped(Config(recipe=anchored)).recipe == recipe
