"""The replay of recorded runs, on a few of the half that the policy was chosen on."""

from __future__ import annotations

from benchmarks import live


def replay_of(name: str) -> live.Replayed:
    label = next(row for row in live.labels("tune") if row["run"] == name)
    return live.replay(label)


def test_a_nan_is_told_in_its_epoch_and_ends_the_training() -> None:
    replayed = replay_of("nan-mid-run--friedman--1")
    assert replayed.told["nan-loss"] == replayed.seen["nan-loss"]
    assert replayed.lost is not None
    assert replayed.lost[0] <= replayed.seen["nan-loss"]


def test_a_warning_of_a_single_epoch_is_not_told() -> None:
    replayed = replay_of("cosine-restarts--shapes--2")
    assert replayed.healthy
    assert replayed.seen
    assert not replayed.told
    assert replayed.lost is None


def test_its_tables_count() -> None:
    healthy = live.Replayed("a", "tune", True, frozenset(), frozenset(), 10, seen={"plateau": 3})
    sick = live.Replayed(
        "b", "tune", False, frozenset({"nan-loss"}), frozenset(), 10,
        seen={"nan-loss": 5}, told={"nan-loss": 5}, lost=(5, "nan-loss"),
    )  # fmt: skip
    rows = {
        what: (first.partition(" (")[0], news.partition(" (")[0])
        for what, first, news, _ in live.overall([healthy, sick])
    }
    assert rows["healthy runs with a line at any epoch"] == ("100.0 %", "0.0 %")
    assert rows["healthy runs given up as lost"] == ("", "0.0 %")
    assert rows["faulty runs with a right line while training"] == ("100.0 %", "100.0 %")
    assert rows["runs that broke down given up as lost"] == ("", "100.0 %")
    assert live.per_check([healthy, sick])[1] == ["`plateau`", "1", "0", "0/0", "-"]
    assert live.misses([healthy, sick]) == ""
