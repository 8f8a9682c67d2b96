"""The counting of `benchmarks.search`: what its tables are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.search import compare, lines, process, rate, workers
from benchmarks.search.estimates import difference, ratio
from benchmarks.search.pace import per_minute
from benchmarks.search.report import Run, Runs
from benchmarks.search.shadow import Shadow
from benchmarks.search.wrongly_stopped import Count
from recipes.config import Config
from tuners.objective import Objective
from tuners.search.records import Candidate, EpochReport, Outcome, State, Stop


def record(arm: str = "ours-random", seed: int = 0, curve: Any = (), **more: Any) -> dict[str, Any]:
    return {
        "arm": arm, "problem": "mlp/wine", "seed": seed, "seconds": 10.0, "curve": list(curve), "fits": [],
        "chance": [0.4, 0.3], "objective": "val_accuracy", "searched": 10.0, **more,
    }  # fmt: skip


def trial(score: float | None, pruned_at: float | None = None, *, pruned: bool = False) -> dict[str, Any]:
    then = {"epochs": 2, "seconds": 1.0, "score": pruned_at, "reason": "divergence at epoch 1"} if pruned else None
    return {"score": score, "epochs": 10, "seconds": 5.0, "pruned": then}


def test_a_score_is_that_of_the_best_model_by_then_and_chance_before_there_is_one():
    run = Run(record(curve=[(4.0, 0.8, 0.7), (6.0, 0.9, 0.6)]))
    assert [run.score(1, share) for share in (0.25, 0.5, 1.0)] == [0.4, 0.8, 0.9]
    assert [run.score(2, share) for share in (0.25, 0.5, 1.0)] == [0.3, 0.7, 0.6]


def test_the_area_is_1_for_the_best_score_from_the_first_second_and_0_for_chance():
    assert Run(record(curve=[(0.0, 0.9, 0.9)])).area(0.9) == pytest.approx(1)
    assert Run(record(curve=[(0.0, 0.4, 0.9)])).area(0.9) == 0
    assert Run(record(curve=[(5.0, 0.65, 0.9)])).area(0.9) == pytest.approx(0.25)


def test_a_target_that_is_never_reached_takes_forever():
    run = Run(record(curve=[(4.0, 0.8, 0.7)]))
    assert (run.time_to(0.8), run.time_to(0.81)) == (4.0, math.inf)


def test_a_trial_that_the_time_has_cut_is_none_whoever_it_is_of():
    fits = [{"ended": 4.0}, {"ended": 10.0}, {"ended": 10.1}, {"ended": None}]
    assert Run(record(fits=fits)).trials == 2


def test_all_searches_of_a_data_set_and_a_seed_come_together_and_the_first_seed_first():
    arms, problems = ["a", "b", "c"], ["mlp/wine", "mlp/digits"]
    tasks = list(compare.planned(arms, problems, 2, 10.0))
    blocks = [tasks[start : start + 3] for start in range(0, 12, 3)]
    assert all(sorted(task.arm for task in block) == arms for block in blocks)
    assert [{(task.seed, task.problem) for task in block} for block in blocks] == [
        {(block[0].seed, block[0].problem)} for block in blocks
    ]
    assert [block[0].seed for block in blocks] == [0, 0, 1, 1]
    assert len({tuple(task.arm for task in block) for block in blocks}) > 1


def test_no_search_is_begun_after_the_minutes_and_what_was_begun_is_kept(monkeypatch: pytest.MonkeyPatch):
    now, kept = [0.0], []
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def run(task: int, core: int) -> int:
        now[0] += 40.0
        return task

    assert process.side_by_side([1, 2, 3, 4], 1, run, lambda task, came: kept.append(task), 60.0) == 2
    assert sorted(kept) == [1, 2]


def test_searches_are_compared_seed_by_seed():
    runs = Runs.of(
        [
            record("a", 0, [(1, 0.8, 0.8)]), record("b", 0, [(1, 0.7, 0.6)]),
            record("a", 1, [(1, 0.5, 0.5)]), record("b", 1, [(1, 0.6, 0.6)]), record("b", 2, [(1, 0.9, 0.9)]),
        ]
    )  # fmt: skip
    assert runs.differences("a", "b", "validation") == {"mlp/wine": pytest.approx([0.1, -0.1])}


def test_a_search_that_failed_is_run_again_and_one_that_is_done_is_not(tmp_path: Path):
    file, (first, second) = tmp_path / "some.jsonl", compare.planned(["ours-random"], ["mlp/wine"], 2, 10.0)
    lines.append(file, {**first.to_dict(), "error": "killed"})
    lines.append(file, record(seed=1))
    assert not compare.is_done(first, lines.read(file))
    assert compare.is_done(second, lines.read(file))


def test_a_line_that_was_cut_short_takes_none_of_the_others_with_it(tmp_path: Path):
    file = tmp_path / "some.jsonl"
    lines.append(file, {"a": 1})
    file.write_bytes(file.read_bytes() + b'{"a": ')
    lines.append(file, {"a": 2})
    assert lines.read(file) == [{"a": 1}, {"a": 2}]


def test_trials_stopped_wrongly_are_those_that_end_in_the_best_quarter():
    trials = [trial(0.9, 0.2, pruned=True), trial(0.5, 0.5, pruned=True), trial(0.8), trial(0.7)]
    count = Count.of([trials])
    assert (count.stopped, count.wrongly, count.lost, count.best_lost) == (2, 1, 1, 1)
    assert (count.epochs_saved, count.seconds_saved) == (16, 8.0)
    assert count.reasons == {"divergence": (2, 1)}


def test_nothing_is_lost_where_the_score_was_there_before_the_stop():
    count = Count.of([[trial(0.9, 0.9, pruned=True), trial(0.5), trial(0.8), trial(0.7)]])
    assert (count.wrongly, count.lost, count.best_lost) == (1, 0, 0)


def test_what_is_as_good_as_the_best_quarter_counts_as_in_it_and_what_has_no_score_never():
    tied = [trial(0.9, 0.1, pruned=True), trial(0.9), trial(0.9), trial(0.7)]
    assert Count.of([tied]).wrongly == 1
    nothing = [trial(None, None, pruned=True), *[trial(None)] * 3]
    assert Count.of([nothing]).wrongly == 0


def test_a_shadow_tells_the_driver_of_a_trial_up_to_its_decision_and_lets_it_go_on(tmp_path: Path):
    reported, answers = [], []

    class Executor:
        slots = 1

        def audit(self, config: Config, say: Callable[[str], None]) -> None: ...

        def submit(self, candidate: Candidate) -> None: ...

        def close(self) -> None: ...

        def next(self, on_report: Callable[[int, EpochReport], Stop | None]) -> tuple[int, Outcome]:
            for epoch, value in enumerate((0.3, 0.2, 0.8)):
                answers.append(on_report(0, EpochReport(0, 1, epoch, 3, {"val_accuracy": value})))
            return 0, Outcome(State.DONE, score=0.8, epochs=3)

    def driver(number: int, report: EpochReport) -> Stop | None:
        reported.append(report.epoch)
        return Stop(State.PRUNED, "divergence at epoch 1") if report.epoch == 1 else None

    shadow = Shadow(Executor(), "val_accuracy")
    shadow.submit(Candidate(0, Config(), {}, tmp_path, Objective.of("val_accuracy")))
    _number, told = shadow.next(driver)
    assert (reported, answers) == ([0, 1], [None, None, None])
    assert (told.state, told.score, told.epochs) == (State.PRUNED, 0.3, 2)
    assert (shadow.ended[0]["score"], shadow.pruned[0]["score"], shadow.pruned[0]["epochs"]) == (0.8, 0.3, 2)


def test_trials_a_minute_leave_the_first_ones_out():
    assert per_minute([100.0, 110.0, 120.0, 130.0], 1) == pytest.approx(6)
    assert per_minute([100.0, 110.0, 120.0, 130.0], 2) == pytest.approx(6)


def test_there_is_a_table_after_the_first_round_without_an_interval():
    rates = {rate.KERASTUNER: [10.0], rate.MONITORED: [12.0], rate.UNMONITORED: [15.0]}
    assert "| ours, Monitor on | 12.0 | 1.20 |" in list(rate.table(rates))
    rates, starts = {"inline": [10.0], "workers-1": [9.0], "workers-2": [18.0]}, {kind: [3.0] for kind in workers.KINDS}
    assert "| two workers | 18.0 | 1.80 | 2.00 | 3.0 |" in list(workers.table(rates, starts))


def test_a_ratio_of_rounds_has_an_interval_that_holds_it():
    found = ratio([2.0, 3.0, 2.5], [1.0, 1.0, 1.0])
    assert found.value == pytest.approx((2 * 3 * 2.5) ** (1 / 3))
    assert found.low < found.value < found.high


def test_a_difference_counts_each_data_set_alike_however_many_seeds_it_has():
    found = difference({"a": [1.0, 1.0, 1.0], "b": [0.0]})
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


@pytest.mark.keras
def test_a_first_epoch_that_is_nan_costs_optuna_no_trial():
    pytest.importorskip("optuna")
    from benchmarks.search.rivals import best

    assert best([math.nan, 0.5, math.inf, 0.7, math.nan]) == 0.7
    assert math.isnan(best([math.nan, math.nan]))
