from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.curves import (
    OVER,
    UNDER,
    decay,
    defaults,
    fix_ids,
    healthy,
    hovering,
    look,
    noise,
    not_applicable,
    one,
    run,
    too_few,
    turning,
)

CHECK = "underfitting"
OPTIONS = defaults(CHECK)
TEN = {"classes": 10}


def settled(accuracy: float, validation: float | None = None, loss=None, scale: float = 1.0, **options):
    """A run that has levelled off at an accuracy, the same on both sides unless told otherwise."""
    n = 60
    validation = accuracy if validation is None else validation
    return run(
        loss=decay(n, 2.3, 1.8, tau=5) + noise(n, 0.002) if loss is None else loss,
        accuracy=scale * (accuracy - decay(n, accuracy - 0.1, 0.0) + noise(n, 0.002, 1)),
        val_accuracy=scale * (validation - decay(n, validation - 0.1, 0.0) + noise(n, 0.002, 2)),
        config=TEN,
        scale=scale,
        **options,
    )


def with_skill(skill: float) -> float:
    """The accuracy that is so far from guessing among ten to perfect."""
    return 0.1 + 0.9 * skill


def test_both_curves_flat_close_and_bad():
    finding = one(CHECK, settled(with_skill(0.3), first=1))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 60)
    assert finding.evidence[0].value == pytest.approx(30, abs=1)
    assert "37" in finding.summary
    assert "30 % of the way" in finding.summary
    assert fix_ids(finding)[:2] == ["widen", "deepen"]


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["share", "percent"])
def test_which_skill_is_poor(factor, fires, scale):
    assert bool(look(CHECK, settled(with_skill(factor * OPTIONS.skill), scale=scale))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (OVER, False)])
def test_a_gap_between_training_and_validation_is_another_fault(factor, fires):
    train = with_skill(0.4)
    assert bool(look(CHECK, settled(train, train - factor * OPTIONS.gap))) == fires


def test_dropout_that_holds_the_training_score_down_excuses():
    assert look(CHECK, settled(with_skill(0.3), with_skill(0.9))) == ()


def test_a_validation_loss_that_rises_is_overfitting():
    a_run = settled(with_skill(0.3))
    curves = {s.name: s.values for s in a_run.series} | {"val_loss": turning(60, 0.5) + noise(60, 1e-3)}
    curves["loss"] = decay(60, 2.3, 1.0) + noise(60, 0.002)
    assert look(CHECK, run(config=TEN, **curves)) == ()
    assert look(CHECK, run(config=TEN, **(curves | {"val_loss": curves["loss"]})))


def test_guessing_among_two_is_worth_more_than_among_ten():
    n = 60
    curves = {"loss": decay(n, 0.69, 0.6), "accuracy": hovering(n, 0.6)}
    assert look(CHECK, run(config={"classes": 2}, **curves))
    assert look(CHECK, run(config=TEN, **curves)) == ()


@pytest.mark.parametrize(("quantity", "value", "fires"), [("auc", 0.6, True), ("r2", 0.2, True), ("map", 0.2, False)])
def test_scores_are_judged_where_their_level_means_something(quantity, value, fires):
    n = 60
    assert bool(look(CHECK, run(loss=decay(n), **{quantity: np.full(n, value)}))) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    a_run = settled(with_skill(0.3))
    other = settled(with_skill(0.3), loss=scale * a_run.get("loss").values)
    assert one(CHECK, a_run).evidence[0].value == pytest.approx(one(CHECK, other).evidence[0].value)


def test_a_training_score_that_is_no_number_cannot_be_poor():
    assert look(CHECK, run(loss=decay(20), accuracy=np.full(20, np.nan), val_accuracy=np.full(20, 0.1))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_score_it_cannot_look():
    assert "compile with a metric" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=decay(4), accuracy=np.full(4, 0.1)))
