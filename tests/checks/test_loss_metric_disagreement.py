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
    look,
    noise,
    not_applicable,
    one,
    path,
    run,
    too_few,
    turning,
    wobble,
)

CHECK = "loss-metric-disagreement"
OPTIONS = defaults(CHECK)
N = 200


def overconfident(rise: float = 0.5, gain: float = 0.1, sigma: float = 1e-4, **curves):
    """The loss rises from the middle on by a share of its minimum, the accuracy goes on rising by a gain."""
    accuracy = path(N, (0, 0.2), (0.3, 0.7), (0.5, 0.7), (0.9, 0.7 + gain), (1, 0.7 + gain))
    return run(val_loss=turning(N, rise) + noise(N, 1e-4), val_accuracy=accuracy + noise(N, sigma, 1), **curves)


def astray(fall: float = 0.5, drop: float = 0.2):
    """The accuracy falls from its best, at the middle, by so much; the loss goes on falling by a share of its level."""
    accuracy = path(N, (0, 0.2), (0.4, 0.8), (0.5, 0.8), (0.75, 0.8 - drop), (1, 0.8 - drop))
    loss = path(N, (0, 3.0), (0.35, 1.0), (0.55, 1.0), (0.85, 1 - fall), (1, 1 - fall))
    return run(val_loss=loss + noise(N, 1e-4), val_accuracy=accuracy + noise(N, 1e-4, 1))


def test_right_more_often_and_surer_where_wrong():
    finding = one(CHECK, overconfident(first=1))
    assert finding.severity == Severity.WARNING
    assert 60 <= finding.epoch <= 105  # on the floor of the loss
    (rise,) = finding.evidence
    assert rise.value == pytest.approx(50, abs=2)
    assert rise.left_name == "val_loss at its best"
    assert "still gained" in finding.summary
    assert fix_ids(finding)[0] == "monitor-metric"


def test_a_falling_loss_with_a_falling_score():
    finding = one(CHECK, astray())
    assert finding.severity == Severity.WARNING
    assert "still fell" in finding.summary
    assert finding.evidence[0].left_name == "val_accuracy at its best"
    assert (finding.evidence[0].left, finding.evidence[0].right) == pytest.approx((0.8, 0.6), abs=0.01)


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_the_loss_must_rise(factor, fires):
    assert bool(look(CHECK, overconfident(factor * OPTIONS.rise))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_the_score_must_rise(factor, fires):
    """In an accuracy of many samples: its values are fine, so that three of its steps are less than `score`."""
    assert bool(look(CHECK, overconfident(gain=factor * OPTIONS.score))) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_the_move_of_the_score_must_stand_out_of_its_noise(factor, fires):
    """200 epochs are smoothed over 10: a smoothed value has the noise of one point over the root of 10."""
    gain = 0.1
    a_run = overconfident(gain=gain, sigma=0)
    accuracy = a_run.get("val_accuracy").values + wobble(N, gain / (factor * OPTIONS.sigmas) * np.sqrt(10))
    assert bool(look(CHECK, run(val_loss=a_run.get("val_loss").values, val_accuracy=accuracy))) == fires


def test_a_move_of_a_few_samples_says_nothing():
    """Ten validation samples: an accuracy up by two of them, without any noise."""
    loss = turning(N, 0.5) + noise(N, 1e-4)
    for steps, fires in ((2, False), (4, True)):
        accuracy = np.repeat([0.4, 0.5, 0.5 + steps / 10], [20, N // 2 - 20, N // 2])
        assert bool(look(CHECK, run(val_loss=loss, val_accuracy=accuracy), sigmas=3.9)) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    for a_run in (overconfident(), astray()):
        scores = {"val_accuracy": a_run.get("val_accuracy").values}
        ours, theirs = one(CHECK, a_run), one(CHECK, run(val_loss=scale * a_run.get("val_loss").values, **scores))
        assert (ours.epoch, ours.evidence[0].value) == (theirs.epoch, pytest.approx(theirs.evidence[0].value))


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_overfitting_by_both():
    accuracy = path(N, (0, 0.2), (0.4, 0.8), (0.5, 0.8), (0.75, 0.6), (1, 0.6)) + noise(N, 1e-4)
    assert look(CHECK, run(val_loss=turning(N, 0.5) + noise(N, 1e-4, 1), val_accuracy=accuracy)) == ()


def test_an_accuracy_that_has_settled_while_the_loss_rises():
    assert look(CHECK, overconfident(gain=0.0)) == ()


def test_a_score_without_a_scale_is_not_compared():
    a_run = overconfident()
    assert look(CHECK, run(val_loss=a_run.get("val_loss").values, val_mae=decay(N))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_validation_score_it_cannot_look():
    reason = not_applicable(CHECK, run(loss=decay(60), val_loss=decay(60)))
    assert "compile with a metric and pass validation_data to fit" in reason
    assert too_few(CHECK) in not_applicable(CHECK, run(val_loss=decay(7), val_accuracy=decay(7)))
