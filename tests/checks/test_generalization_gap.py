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
    line,
    look,
    noise,
    not_applicable,
    one,
    path,
    run,
)

CHECK = "generalization-gap"
OPTIONS = defaults(CHECK)


# -- by the score ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["val_accuracy", "test_accuracy"])
@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["share", "percent"])
def test_98_percent_against_54(other, scale):
    """Golden: the two figures alone must give it away."""
    finding = one(CHECK, run(accuracy=[0.98 * scale], scale=scale, **{other: [0.54 * scale]}))
    assert finding.severity.rank >= Severity.WARNING.rank
    (gap,) = finding.evidence
    assert gap.value == pytest.approx(0.44)
    assert (gap.left, gap.right) == pytest.approx((0.98, 0.54))
    assert "98 %" in finding.summary
    assert "54 %" in finding.summary
    assert fix_ids(finding)[0] == "augment"


@pytest.mark.parametrize(
    ("gap", "severity"),
    [
        (UNDER * OPTIONS.score_gap, None),
        (OVER * OPTIONS.score_gap, Severity.WARNING),
        (UNDER * OPTIONS.critical_gap, Severity.WARNING),
        (OVER * OPTIONS.critical_gap, Severity.CRITICAL),
    ],
)
def test_how_wide_the_gap_must_be(gap, severity):
    found = look(CHECK, run(accuracy=[0.9], val_accuracy=[0.9 - gap], first=7))
    assert [f.severity for f in found] == ([] if severity is None else [severity])
    assert all(f.epoch == 7 for f in found)


@pytest.mark.parametrize(("samples", "fires"), [(20, False), (10_000, True)])
def test_a_small_validation_set_needs_a_larger_gap(samples, fires):
    """Accuracies over n samples are multiples of 1 / n: their steps tell how sure the score is."""
    rng = np.random.default_rng(0)
    validation = np.round((0.75 + rng.normal(0, 0.02, 40)) * samples) / samples
    validation[-10:] = 0.75
    a_run = run(accuracy=np.full(40, 0.75 + 1.5 * OPTIONS.score_gap), val_accuracy=validation)
    assert bool(look(CHECK, a_run)) == fires


@pytest.mark.parametrize("quantity", ["f1", "auc", "dice", "iou", "map50"])
def test_any_score_between_nothing_and_a_whole_is_compared(quantity):
    assert look(CHECK, run(**{quantity: [0.9], f"val_{quantity}": [0.5]}))


def test_scores_without_a_scale_are_not_compared():
    assert look(CHECK, run(mae=[3.0], val_mae=[9.0])) == ()
    assert look(CHECK, run(r2=[0.9], val_accuracy=[0.1])) == ()


def test_validation_better_than_training_is_no_gap():
    assert look(CHECK, run(accuracy=[0.54], val_accuracy=[0.98])) == ()


def test_98_percent_against_54_in_test_beside_a_validation_loss():
    n = 20
    a_run = run(loss=decay(n), val_loss=decay(n), accuracy=np.full(n, 0.98), test_accuracy=np.full(n, 0.54))
    one(CHECK, a_run)


def test_good_on_validation_and_poor_in_test():
    """Knowledge: 'validation and test disagree' is a fault of its own; here it is the gap to the test data."""
    finding = one(CHECK, run(accuracy=[0.98], val_accuracy=[0.97], test_accuracy=[0.54]))
    assert "test_accuracy only 54 %" in finding.summary


def test_poor_on_validation_and_good_in_test():
    finding = one(CHECK, run(accuracy=[0.98], val_accuracy=[0.54], test_accuracy=[0.97]))
    assert "val_accuracy only 54 %" in finding.summary


def test_poor_in_both_is_told_once():
    finding = one(CHECK, run(accuracy=[0.98], val_accuracy=[0.6], test_accuracy=[0.5]))
    assert finding.evidence[0].right_name == "val_accuracy"


def test_good_in_both_is_no_gap():
    assert look(CHECK, run(accuracy=[0.98], val_accuracy=[0.96], test_accuracy=[0.95])) == ()


def test_a_score_that_cannot_be_compared_does_not_stand_in_the_way():
    """The R2 of the validation has no training score beside it; the accuracy in test has."""
    assert one(CHECK, run(accuracy=[0.98], val_r2=[0.9], test_accuracy=[0.54]))


# -- by the loss -------------------------------------------------------------------------------------------------------


def parted(ratio: float, n: int = 100, end: float = 0.4):
    """A validation loss that levels off at `end`, a training loss that falls on to a fraction of it."""
    validation = path(n, (0, 1.0), (0.3, end), (1, end)) + noise(n, 1e-4)
    train = path(n, (0, 1.0), (0.3, end), (0.9, end / ratio), (1, end / ratio))
    return run(loss=train, val_loss=validation)


def test_the_validation_loss_is_a_multiple_of_the_training_loss():
    finding = one(CHECK, parted(8))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 99)
    assert finding.evidence[0].value == pytest.approx(8, rel=0.01)


def test_the_test_loss_is_judged_in_the_same_way_beside_a_validation_loss_that_follows():
    a_run = parted(8)
    train, other = a_run.get("loss").values, a_run.get("val_loss").values
    finding = one(CHECK, run(loss=train, val_loss=1.1 * train, test_loss=other))
    assert finding.evidence[0].left_name == "test_loss"


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_large_the_ratio_must_be(factor, fires):
    assert bool(look(CHECK, parted(factor * OPTIONS.loss_ratio))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_ratio_of_small_losses_does_not_matter(factor, fires):
    assert bool(look(CHECK, parted(8, end=factor * OPTIONS.unexplained))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_a_validation_loss_that_training_has_not_touched(factor, fires):
    """Both have been level since the first third: only a validation loss near its start counts then."""
    n, end = 100, factor * OPTIONS.untouched
    train, validation = (path(n, (0, 1.0), (0.3, to), (1, to)) + noise(n, 1e-4) for to in (end / 8, end))
    assert bool(look(CHECK, run(loss=train, val_loss=validation))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, True), (1.1, False)])
def test_a_good_validation_score_excuses_a_ratio(factor, fires):
    a_run = parted(8)
    curves = {s.name: s.values for s in a_run.series}
    score = hovering(100, 0.5 + 0.5 * factor * OPTIONS.good)
    assert bool(look(CHECK, run(val_accuracy=score, config={"classes": 2}, **curves))) == fires


def test_a_ratio_while_both_still_fall_is_no_gap():
    n = 100
    assert look(CHECK, run(loss=line(n, 1.0, 0.05), val_loss=line(n, 4.0, 0.9))) == ()


def test_losses_below_zero_have_no_ratio():
    a_run = parted(8)
    assert look(CHECK, run(loss=a_run.get("loss").values - 1, val_loss=a_run.get("val_loss").values - 1)) == ()


def test_the_score_counts_where_there_is_one():
    a_run = parted(8)
    scores = {"accuracy": np.full(100, 0.93), "val_accuracy": np.full(100, 0.92)}
    assert look(CHECK, run(loss=a_run.get("loss").values, val_loss=a_run.get("val_loss").values, **scores)) == ()


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    a_run = parted(8)
    other = run(loss=scale * a_run.get("loss").values, val_loss=scale * a_run.get("val_loss").values)
    assert one(CHECK, a_run).evidence[0].value == pytest.approx(one(CHECK, other).evidence[0].value)


# ----------------------------------------------------------------------------------------------------------------------


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_unseen_data_it_cannot_look():
    reason = not_applicable(CHECK, run(loss=decay(60), accuracy=decay(60)))
    assert "pass validation_data to fit" in reason
