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
    line,
    look,
    noise,
    not_applicable,
    one,
    path,
    run,
    too_few,
)

CHECK = "metric-stuck"
OPTIONS = defaults(CHECK)


def stuck(share: float = 1.0, value: float = 0.5, fall: float = 0.5, n: int = 40, scale: float = 1.0, **curves):
    """An accuracy that stands still in the last share of the epochs, while the loss falls by a share of its level."""
    still = n - round(n * share)
    accuracy = np.r_[value / 2 + 0.001 * np.arange(still), np.full(n - still, value)]
    start = still / (n - 1)
    loss = path(n, (0, 2.0), (start, 1.0), (1, 1 - fall)) if still else line(n, 1.0, 1 - fall)
    return run(loss=loss, accuracy=scale * accuracy, scale=scale, **curves)


def test_an_accuracy_that_never_moves_while_the_loss_falls():
    finding = one(CHECK, stuck(first=1))
    assert (finding.severity, finding.epoch) == (Severity.WARNING, 1)
    still, fall = finding.evidence
    assert (still.value, still.threshold) == (40, OPTIONS.least_epochs)
    assert fall.value == pytest.approx(50)
    assert fix_ids(finding)[0] == "match-output-to-loss"


def test_an_accuracy_that_came_to_a_halt_tells_since_when():
    finding = one(CHECK, stuck(0.75))
    assert (finding.epoch, finding.evidence[0].value) == (10, 30)


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_which_share_of_the_run_it_must_stand_still(factor, fires):
    assert bool(look(CHECK, stuck(factor * OPTIONS.share))) == fires


@pytest.mark.parametrize(("more", "fires"), [(-1, False), (0, True)])
def test_how_many_epochs_it_must_stand_still(more, fires):
    n = 4 * int(OPTIONS.least_epochs)
    share = (OPTIONS.least_epochs + more) / n
    assert bool(look(CHECK, stuck(share, n=n), share=0.0)) == fires


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_how_far_the_loss_must_fall_meanwhile(factor, fires):
    assert bool(look(CHECK, stuck(fall=factor * OPTIONS.fall))) == fires


@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["share", "percent"])
@pytest.mark.parametrize(("below", "fires"), [(0.01, True), (-0.01, False)])
def test_a_score_near_perfect_may_stand_still(below, fires, scale):
    assert bool(look(CHECK, stuck(value=OPTIONS.ceiling - below, scale=scale))) == fires


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    a_run = stuck(0.75)
    other = run(loss=scale * a_run.get("loss").values, accuracy=a_run.get("accuracy").values)
    ours, theirs = one(CHECK, a_run), one(CHECK, other)
    assert [e.value for e in ours.evidence] == pytest.approx([e.value for e in theirs.evidence])


def test_an_accuracy_that_stands_still_after_the_loss_became_nan():
    loss = np.r_[line(10, 2.0, 1.0), np.full(30, np.nan)]
    accuracy = np.r_[line(12, 0.1, 0.5), np.full(28, 0.1)]
    assert look(CHECK, run(loss=loss, accuracy=accuracy)) == ()


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_an_accuracy_that_hardly_moves_does_move():
    assert look(CHECK, run(loss=line(40, 1.0, 0.5), accuracy=0.5 + noise(40, 1e-4))) == ()


def test_a_flat_loss_is_another_fault():
    assert look(CHECK, run(loss=1 + noise(40, 1e-3), accuracy=np.full(40, 0.5))) == ()


def test_an_error_may_stand_still():
    assert look(CHECK, run(loss=line(40, 1.0, 0.5), mae=np.full(40, 0.5))) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_metric_it_cannot_look():
    assert "compile with a metric" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(loss=decay(4), accuracy=np.full(4, 0.5)))
