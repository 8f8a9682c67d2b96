"""What is proposed, by which strategy, and that nothing but seed and scores decides."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import numpy as np
import pytest

from recipes.errors import ConfigError, RecipeError
from tuners.objective import Objective
from tuners.search.oracle import OVER, WAIT, Asked, Oracle, Proposal, Told, initial_points
from tuners.search.settings import SearchSettings
from tuners.search.space import Space

pytestmark = pytest.mark.keras

LOSS = Objective("val_loss", "min")
SPACE = Space.of(
    {
        "optimizer.learning_rate": {"low": 1e-4, "high": 0.1, "log": True},
        "regularization.dropout": {"low": 0, "high": 0.5, "step": 0.05},
        "optimizer.name": ["adam", "nesterov"],
        "optimizer.momentum": {"low": 0.5, "high": 0.99, "when": {"optimizer.name": ["nesterov"]}},
    }
)
SMALL = Space.of({"model.depth": {"low": 1, "high": 3}, "model.batch_norm": [True, False]})
STRATEGIES = ["random", "bayesian", "hyperband", "grid"]


def oracle(strategy: str = "random", space: Space = SPACE, epochs: int = 9, objective: Objective = LOSS, **settings):
    return Oracle(space, SearchSettings(strategy=strategy, **settings), objective, epochs)  # type: ignore[arg-type]


def loss(values) -> float:
    return (math.log10(values["optimizer.learning_rate"]) + 2.5) ** 2 + values["regularization.dropout"]


def told(asked: Oracle, score=loss) -> list[Proposal]:
    """Ask and tell until it is over."""
    found = []
    while isinstance(proposal := asked.ask(), Proposal):
        found.append(proposal)
        asked.tell(proposal.number, score(proposal.values))
    assert proposal is OVER
    return found


def history(strategy: str, space: Space = SPACE, slots: int = 3, **settings) -> list[Asked | Told]:
    """Return what a search with several slots asks and tells; the second of the open trials is always over first."""
    asked, events, running = oracle(strategy, space, **settings), [], []
    while True:
        while len(running) < slots and isinstance(proposal := asked.ask(), Proposal):
            running.append(proposal)
            events.append(Asked(proposal))
        if not running:
            return events
        over = running.pop(1 if len(running) > 1 else 0)
        score = None if over.number % 5 == 3 else loss(over.values) if space is SPACE else float(over.number)
        asked.tell(over.number, score)
        events.append(Told(over.number, score))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_is_over_after_its_trials(strategy):
    found = told(oracle(strategy, trials=8))
    assert [proposal.number for proposal in found] == list(range(8))
    assert all(SPACE.holds(proposal.values) for proposal in found)
    assert all(type(value) in (int, float, str, bool) for proposal in found for value in proposal.values.values())
    assert not any(path.startswith("tuner/") for proposal in found for path in proposal.values)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_not_active_has_no_value(strategy):
    for proposal in told(oracle(strategy, trials=8)):
        assert ("optimizer.momentum" in proposal.values) == (proposal.values["optimizer.name"] == "nesterov")


@pytest.mark.parametrize("strategy", ["random", "bayesian", "hyperband"])
def test_the_seed_decides(strategy):
    first, again, other = (told(oracle(strategy, trials=7, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert not {str(proposal.values) for proposal in first} & {str(proposal.values) for proposal in other}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_replay_at_any_point_goes_on_as_if_nothing_had_happened(strategy):
    events = history(strategy, trials=14)
    cuts = range(len(events)) if strategy != "bayesian" else range(1, len(events), 3)
    for cut in cuts:
        again = oracle(strategy, trials=14)
        again.replay(events[:cut])
        for event in events[cut:]:
            if isinstance(event, Asked):
                assert again.ask() == event.proposal, f"after {cut} events"
                break
            again.tell(event.number, event.score)
        else:
            assert again.ask() in (WAIT, OVER)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_asking_in_vain_changes_nothing(strategy):
    def searched(times: int) -> list[Proposal]:
        asked, found, running = oracle(strategy, SMALL, epochs=27), [], []
        while True:
            while isinstance(proposal := asked.ask(), Proposal):
                running.append(proposal)
                found.append(proposal)
            for _ in range(times):
                assert asked.ask() is proposal
            if not running:
                return found
            over = running.pop(0)
            asked.tell(over.number, float(over.number))

    assert searched(0) == searched(3)


def test_a_journal_of_another_version_is_refused():
    events = history("random", trials=3)
    changed = Asked(Proposal(0, {**events[0].proposal.values, "regularization.dropout": 0.5}, 9))  # type: ignore[union-attr]
    with pytest.raises(RecipeError, match=r"trial 0 cannot be repeated: .*keras-tuner"):
        oracle(trials=3, seed=1).replay([changed])


def test_a_trial_is_told_of_once():
    asked = oracle()
    proposal = asked.ask()
    asked.tell(proposal.number, 1.0)
    with pytest.raises(ValueError, match="not open"):
        asked.tell(proposal.number, 1.0)


def test_a_small_space_is_searched_whole_and_then_it_is_over():
    for strategy in ("random", "bayesian", "grid"):
        found = told(oracle(strategy, SMALL, trials=50), lambda values: values["model.depth"])
        assert len({str(sorted(proposal.values.items())) for proposal in found}) == len(found) == 6, strategy


def test_a_grid_changes_its_last_parameter_first_and_begins_with_the_configuration():
    from recipes.config import Config

    space = SMALL.settled(Config(recipe="mlp").replace({"model.depth": 2}))
    found = told(oracle("grid", space), lambda values: 1.0)
    assert [tuple(proposal.values.values()) for proposal in found] == [
        (2, False), (2, True), (1, False), (1, True), (3, False), (3, True),
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_old_names_in_kerastuner_and_processes_that_fit_badly_do_not_warn(strategy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told(oracle(strategy, SMALL, trials=6), lambda values: 1.0)


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told(oracle("hyperband", trials=3))
    assert not list(tmp_path.iterdir())


class TestHyperband:
    def test_the_best_of_a_round_go_on_from_where_they_were(self):
        found = told(oracle("hyperband", epochs=9))
        first = [proposal for proposal in found if proposal.epochs == 1]
        second = [proposal for proposal in found if proposal.parent in {one.number for one in first}]
        assert {proposal.epochs for proposal in second} == {3}
        best = sorted(first, key=lambda proposal: loss(proposal.values))[: len(second)]
        assert {proposal.parent for proposal in second} == {proposal.number for proposal in best}
        assert all(proposal.values == found[proposal.parent].values for proposal in second)
        assert max(proposal.epochs for proposal in found) == 9

    def test_more_is_better_where_the_objective_says_so(self):
        found = told(oracle("hyperband", objective=Objective("val_accuracy", "max")))
        first = [proposal for proposal in found if proposal.epochs == 1]
        second = [proposal for proposal in found if proposal.parent is not None and proposal.epochs == 3]
        best = sorted(first, key=lambda proposal: -loss(proposal.values))[: len(second)]
        assert {one.number for one in best} <= {proposal.parent for proposal in second}

    def test_brackets_are_filled_where_trials_fail(self):
        found = told(
            oracle("hyperband"), lambda values: None if values["regularization.dropout"] > 0.25 else loss(values)
        )
        going_on = [proposal for proposal in found if proposal.parent is not None]
        assert {proposal.epochs for proposal in going_on} == {3, 9}
        assert all(proposal.values["regularization.dropout"] <= 0.25 for proposal in going_on)

    def test_nothing_goes_on_from_what_failed(self):
        found = told(oracle("hyperband"), lambda values: None)
        assert all(proposal.parent is None for proposal in found)
        assert [proposal.number for proposal in found] == list(range(len(found)))

    def test_it_waits_for_a_round(self):
        asked = oracle("hyperband", SMALL, epochs=9)
        running = []
        while isinstance(proposal := asked.ask(), Proposal):
            running.append(proposal)
        assert proposal is WAIT
        assert asked.ask() is WAIT
        for one in running:
            asked.tell(one.number, float(one.number))
        assert asked.ask().parent == 0

    def test_a_small_space_reaches_the_last_round(self):
        found = told(oracle("hyperband", SMALL, epochs=27), lambda values: values["model.depth"])
        assert max(proposal.epochs for proposal in found) == 27
        assert len([proposal for proposal in found if proposal.parent is None]) == 6

    def test_it_begins_again_where_the_budget_is_larger(self):
        once = len(told(oracle("hyperband")))
        assert len(told(oracle("hyperband", trials=once + 10))) == once + 10


class TestBayesian:
    def test_it_beats_chance(self):
        def best(strategy: str, seed: int) -> float:
            return min(loss(proposal.values) for proposal in told(oracle(strategy, trials=24, seed=seed)))

        wins = [best("bayesian", seed) <= best("random", seed) for seed in range(3)]
        assert sum(wins) >= 2

    @pytest.mark.parametrize(("most", "points"), [(20, 8), (60, 20), (600, 21), (5, 8), (None, 14)])
    def test_a_third_of_the_trials_is_at_random(self, most, points):
        assert initial_points(7, most) == points

    def test_the_order_in_which_trials_are_over_does_not_matter(self):
        def after(order: Iterable[int]) -> Proposal:
            asked = oracle("bayesian", trials=24)
            proposals = [asked.ask() for _ in range(10)]
            for number in order:
                asked.tell(number, loss(proposals[number].values))
            return asked.ask()

        assert after(range(10)) == after(reversed(range(10)))

    def test_one_loss_that_blew_up_does_not_hide_the_others(self):
        def after(outlier: float) -> list[Proposal]:
            asked = oracle("bayesian", trials=40)
            return told(asked, lambda values: outlier if values["optimizer.learning_rate"] > 0.03 else loss(values))

        late = after(1e9)[-10:]
        assert np.median([loss(proposal.values) for proposal in late]) < 0.3

    def test_it_keeps_away_from_what_fails(self):
        found = told(
            oracle("bayesian", trials=36),
            lambda values: None if values["optimizer.learning_rate"] < 0.01 else loss(values),
        )
        failed = [proposal.values["optimizer.learning_rate"] < 0.01 for proposal in found]
        assert sum(failed[-12:]) <= 4 < sum(failed[:12])

    def test_all_trials_may_fail(self):
        assert len(told(oracle("bayesian", trials=20), lambda values: None)) == 20

    def test_trials_that_run_are_not_proposed_again(self):
        asked = oracle("bayesian", trials=40)
        for _ in range(14):
            proposal = asked.ask()
            asked.tell(proposal.number, loss(proposal.values))
        together = [asked.ask().values for _ in range(4)]
        rates = np.log10([values["optimizer.learning_rate"] for values in together])
        dropouts = [values["regularization.dropout"] for values in together]
        assert len(set(zip(rates, dropouts, strict=True))) == 4

    def test_costs_are_tamed(self):
        from tuners.search.bayesian import tamed

        inf = math.inf
        assert tamed(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1e6, inf])).tolist() == [1, 2, 3, 4, 5, 8.5, 8.5]
        assert tamed(np.array([-1e6, 1.0, 2.0, 3.0, inf])).tolist() == [-1e6, 1, 2, 3, 3], "good ones stay"
        assert tamed(np.array([1.0, 1.0, 1.0, 1.0, 7.0])).tolist() == [1, 1, 1, 1, 7]
        assert tamed(np.array([inf, inf])).tolist() == [0, 0]


class TestWarmStart:
    def test_bayesian_search_learns_from_earlier_trials(self):
        earlier = [(proposal.values, loss(proposal.values)) for proposal in told(oracle(trials=30, seed=5))]
        warm = oracle("bayesian", trials=20)
        assert warm.warm(earlier) == 0
        first = warm.ask()
        assert first.number == 0
        assert loss(first.values) < np.median([score for _, score in earlier])
        assert first.values not in [values for values, _ in earlier]

    def test_random_search_does_not_try_them_again(self):
        asked = oracle("random", SMALL, trials=20)
        asked.warm(
            [({"model.depth": 2, "model.batch_norm": True}, 1.0), ({"model.depth": 3, "model.batch_norm": True}, None)]
        )
        found = told(asked, lambda values: 1.0)
        assert len(found) == 4
        assert {"model.depth": 2, "model.batch_norm": True} not in [proposal.values for proposal in found]

    def test_what_is_not_of_the_space_is_left_out_and_what_is_not_searched_does_not_matter(self):
        good = {"model.depth": 2, "model.batch_norm": True, "model.width": 8}
        bad = [{**good, "model.depth": 9}, {"model.depth": 2}, {**good, "model.batch_norm": 1}]
        assert oracle("bayesian", SMALL).warm([(values, 1.0) for values in (good, *bad)]) == 3

    @pytest.mark.parametrize("strategy", ["hyperband", "grid"])
    def test_the_others_cannot(self, strategy):
        with pytest.raises(ConfigError, match=f"a {strategy} search learns nothing from an earlier one"):
            oracle(strategy).warm([])


def test_nothing_to_search_is_an_error():
    with pytest.raises(ConfigError, match="nothing is searched"):
        oracle(space=Space())
