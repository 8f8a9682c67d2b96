"""What is told of a training that goes on: once it is settled, once, and again when it gets worse."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import pytest

from diagnose.analyze import analyze
from diagnose.finding import Finding, Point, Severity
from diagnose.fix import Fix
from diagnose.news import News, line
from diagnose.report import RunReport
from diagnose.run import Run
from tests.curves import decay, noise, run

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
LOWER = Fix(id="lower-learning-rate", title="Lower the learning rate by a factor of 10", why="", cost="")


def finding(
    check: str = "plateau",
    confidence: float = 1.0,
    severity: Severity = WARNING,
    *,
    layers: tuple[str, ...] = (),
    epoch: float | None = None,
    fixes: tuple[Fix, ...] = (),
    summary: str = "The loss is level.",
) -> Finding:
    evidence = Point(label="x", value=1.0, series="loss", epoch=1.0)
    return Finding(
        severity=severity,
        confidence=confidence,
        summary=summary,
        evidence=(evidence,),
        check=check,
        layers=layers,
        epoch=epoch,
        fixes=fixes,
    )


def report(epochs: int, *findings: Finding) -> RunReport:
    return RunReport(run(loss=decay(epochs)), "healthy", "", None, findings, ())


def told_at(news: News, epochs: Iterable[int], *findings: Finding) -> list[int]:
    """Return the epochs in which something was told, where the findings are there in all of them."""
    return [n for n in epochs if news.tell(report(n, *findings))]


class TestSettled:
    def test_what_is_certain_is_told_at_once(self) -> None:
        assert told_at(News(), range(1, 10), finding(confidence=1.0)) == [1]

    def test_what_is_nearly_certain_is_told_in_the_second_epoch(self) -> None:
        assert told_at(News(), range(1, 10), finding(confidence=0.97)) == [2]

    def test_the_rest_is_told_in_the_third_epoch_at_the_earliest(self) -> None:
        assert told_at(News(), range(1, 10), finding(confidence=0.9)) == [3]

    def test_it_must_have_lasted_for_the_share_of_the_training_that_it_is_unsure_of(self) -> None:
        """A quarter of one and a half times 24 epochs is nine: epochs 16 to 24."""
        news = News()
        assert told_at(news, range(1, 16)) == []
        assert told_at(news, range(16, 60), finding(confidence=0.75)) == [24]

    def test_where_the_planned_epochs_are_known_the_share_is_of_these(self) -> None:
        """A quarter of 20 is five: epochs 14 to 18."""
        news = News(planned=20)
        assert told_at(news, range(1, 14)) == []
        assert told_at(news, range(14, 21), finding(confidence=0.75)) == [18]

    def test_a_plan_that_early_stopping_will_cut_short_delays_nothing(self) -> None:
        some = finding(confidence=0.75)
        assert told_at(News(planned=10_000), range(1, 60), some) == told_at(News(), range(1, 60), some)

    def test_what_goes_away_begins_anew(self) -> None:
        news = News()
        flicker = finding(confidence=0.9)
        assert told_at(news, (1, 2), flicker) == []
        assert told_at(news, (3,)) == []
        assert told_at(news, range(4, 10), flicker) == [6]

    def test_epochs_that_were_not_judged_count(self) -> None:
        assert told_at(News(), (1, 11, 21), finding(confidence=0.9)) == [11]

    def test_a_log_that_is_looked_at_late_is_taken_at_its_word(self) -> None:
        assert told_at(News(), (40,), finding(confidence=0.9, epoch=20)) == [40]
        assert told_at(News(), (40,), finding(confidence=0.9, epoch=38)) == []
        assert told_at(News(), (40,), finding(confidence=0.9)) == []


class TestWorse:
    def test_what_was_told_is_no_news(self) -> None:
        news = News()
        assert told_at(news, (1, 2), finding()) == [1]
        assert told_at(news, (3,)) == []
        assert told_at(news, (4, 5), finding()) == []

    def test_a_higher_severity_is(self) -> None:
        news = News()
        assert told_at(news, (1, 2), finding()) == [1]
        assert told_at(news, (3, 4), finding(severity=CRITICAL)) == [3]
        assert told_at(news, (5, 6), finding()) == []

    def test_a_higher_severity_must_settle_too(self) -> None:
        news = News()
        assert told_at(news, range(1, 8), finding(confidence=0.9)) == [3]
        assert told_at(news, range(8, 20), finding(confidence=0.9, severity=CRITICAL)) == [10]

    def test_the_time_as_something_worse_counts_for_what_is_left_of_it(self) -> None:
        news = News()
        assert told_at(news, (1, 2), finding(confidence=0.9, severity=CRITICAL)) == []
        assert told_at(news, (3,), finding(confidence=0.9)) == [3]

    def test_twice_as_many_layers_are(self) -> None:
        news = News()
        names = tuple("abcdefgh")
        told = [n for n in range(1, 9) if news.tell(report(n, finding(layers=names[:n])))]
        assert told == [1, 2, 4, 8]

    def test_other_layers_are(self) -> None:
        news = News()
        assert told_at(news, (1,), finding(layers=("a", "b"))) == [1]
        assert told_at(news, (2,), finding(layers=("b", "c"))) == []
        assert told_at(news, (3,), finding(layers=("c", "d"))) == [3]

    def test_of_several_findings_of_a_check_the_worst_counts(self) -> None:
        worse = finding(severity=CRITICAL)
        assert News().tell(report(1, finding(), worse)) == [worse]

    def test_checks_do_not_hide_each_other_and_keep_their_order(self) -> None:
        both = [finding("exploding-gradient"), finding("nan-loss")]
        assert News().tell(report(1, *both)) == both

    def test_another_training_is_told_of_anew(self) -> None:
        news = News()
        assert told_at(news, (3, 4), finding()) == [3]
        assert told_at(news, (2, 3), finding()) == [2]


class TestLost:
    @staticmethod
    def lost(live_run: Run) -> str:
        news = News()
        report = analyze(live_run, live=True)
        news.tell(report)
        found = news.lost(report)
        return found.check if found else ""

    def test_a_loss_that_is_no_number(self) -> None:
        assert self.lost(run(loss=[1.0, 0.9, math.nan])) == "nan-loss"
        assert self.lost(run(loss=[math.nan])) == "nan-loss"

    def test_not_one_that_was_none_for_an_epoch(self) -> None:
        assert self.lost(run(loss=[1.0, math.inf, 0.8])) == ""

    def test_not_a_validation_loss_alone(self) -> None:
        assert self.lost(run(loss=[1.0, 0.9], val_loss=[1.0, math.nan])) == ""

    def test_a_divergence(self) -> None:
        loss = np.r_[decay(10, tau=3.0), np.linspace(0.5, 40, 10)]
        assert self.lost(run(loss=loss)) == "divergence"

    def test_not_while_a_score_still_improves(self) -> None:
        loss = np.r_[decay(10, tau=3.0), np.linspace(0.5, 40, 10)]
        assert self.lost(run(loss=loss, val_mae=decay(20, tau=20.0))) == ""
        assert self.lost(run(loss=loss, val_mae=np.r_[decay(9), np.full(11, 0.8)])) == "divergence"

    def test_not_with_a_good_score(self) -> None:
        loss = np.r_[decay(10, tau=3.0), np.linspace(0.5, 40, 10)]
        assert self.lost(run(loss=loss, accuracy=np.full(20, 0.9) + noise(20, 0.01))) == ""
        assert self.lost(run(loss=loss, accuracy=np.full(20, 0.5) + noise(20, 0.01))) == "divergence"

    @pytest.mark.parametrize(
        ("accuracy", "expected"), [(np.full(8, 0.1), "dying-relu"), (1 - decay(8, 0.9, 0.1, 2.0), "")]
    )
    def test_a_layer_that_is_dead_as_a_whole_where_nothing_is_learned(self, accuracy, expected: str) -> None:
        dead = finding("dying-relu", severity=CRITICAL, layers=("dense_1",), epoch=0)
        flat = run(loss=np.full(8, 2.3), accuracy=accuracy, config={"classes": 10})
        report = RunReport(flat, "critical", "", None, (dead,), ())
        news = News()
        news.tell(report)
        assert (news.lost(report) == dead) == bool(expected)

    def test_nothing_that_was_not_told(self) -> None:
        doubtful = finding("divergence", 0.6, CRITICAL, epoch=1)
        report = RunReport(run(loss=[1.0, 0.5, 3.0]), "critical", "", None, (doubtful,), ())
        news = News()
        assert news.tell(report) == []
        assert news.lost(report) is None

    def test_no_other_fault(self) -> None:
        overfit = finding("overfitting", severity=CRITICAL, epoch=1)
        news = News()
        assert news.tell(report(3, overfit)) == [overfit]
        assert news.lost(report(3, overfit)) is None


class TestLine:
    def test_says_who_when_what_and_what_to_do(self) -> None:
        found = finding("divergence", severity=CRITICAL, summary="The loss climbed.", fixes=(LOWER,))
        assert line(found, run(loss=decay(8))) == (
            "kerasdx: epoch 7: critical: divergence: The loss climbed. (fix: Lower the learning rate by a factor of 10)"
        )

    def test_goes_without_the_fix_where_that_does_not_fit(self) -> None:
        found = finding(fixes=(LOWER,))
        assert line(found, run(loss=decay(8)), width=80) == "kerasdx: epoch 7: warning: plateau: The loss is level."

    def test_is_cut_where_it_does_not_fit(self) -> None:
        shown = line(finding(), run(loss=decay(8)), width=40)
        assert shown == "kerasdx: epoch 7: warning: plateau:..."
        assert len(shown) <= 40

    def test_is_one_printable_line(self) -> None:
        shown = line(finding(summary="Layer a\x1b[31m\nb died."), run(loss=decay(8)), prefix="a\tb")
        assert shown == "a b: epoch 7: warning: plateau: Layer a\\x1b[31m b died."

    def test_of_a_log_that_counts_steps(self) -> None:
        steps = dataclasses.replace(run(loss=decay(8), first=100), axis="step")
        assert line(finding(), steps, prefix="run.csv").startswith("run.csv: step 107: ")
