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
    run,
    too_few,
    wobble,
)

CHECK = "noisy-validation"
OPTIONS = defaults(CHECK)


def rough(by: float, train: float = 0.0, level: float = 1.0, n: int = 80):
    """Losses at a level, the validation loss rough by a share of it, the training loss by another."""
    return run(loss=level + wobble(n, train * level), val_loss=level + wobble(n, by * level))


def test_a_validation_loss_that_jumps():
    finding = one(CHECK, rough(2 * OPTIONS.severe))
    assert finding.severity == Severity.WARNING
    assert finding.evidence[0].value == pytest.approx(200 * OPTIONS.severe, rel=0.05)
    assert (finding.evidence[0].start, finding.evidence[0].end) == (40, 79)  # the second half
    assert fix_ids(finding)[0] == "enlarge-validation"


@pytest.mark.parametrize(
    ("roughness", "severity"),
    [
        (UNDER * OPTIONS.roughness, None),
        (OVER * OPTIONS.roughness, Severity.INFO),
        (UNDER * OPTIONS.severe, Severity.INFO),
        (OVER * OPTIONS.severe, Severity.WARNING),
    ],
)
def test_how_rough_it_must_be(roughness, severity):
    """Beside a training loss a quarter as rough: so much rougher that it is told."""
    assert OPTIONS.over_training < 4
    found = look(CHECK, rough(roughness, roughness / 4))
    assert [f.severity for f in found] == ([] if severity is None else [severity])


@pytest.mark.parametrize(("n", "severity"), [(14, Severity.INFO), (16, Severity.WARNING)])
def test_in_a_few_epochs_the_descent_of_the_start_passes_for_noise(n, severity):
    assert one(CHECK, rough(2 * OPTIONS.severe, n=n)).severity == severity


@pytest.mark.parametrize(("above", "severity"), [(-0.02, Severity.WARNING), (0.02, Severity.INFO)])
def test_at_a_very_good_score_the_swings_of_a_small_loss_cost_little(above, severity):
    a_run = rough(2 * OPTIONS.severe)
    score = np.full(80, 0.1 + 0.9 * (OPTIONS.good + above))
    curves = {s.name: s.values for s in a_run.series}
    assert one(CHECK, run(**curves, val_accuracy=score, config={"classes": 10})).severity == severity


@pytest.mark.parametrize(("factor", "fires"), [(UNDER, False), (OVER, True)])
def test_it_must_be_rougher_than_the_training_loss(factor, fires):
    train = OPTIONS.severe / (2 * OPTIONS.over_training)
    assert bool(look(CHECK, rough(factor * OPTIONS.over_training * train, train), roughness=0.0)) == fires


@pytest.mark.parametrize(("factor", "severity"), [(UNDER, None), (OVER, Severity.WARNING)])
def test_a_severe_one_must_be_rougher_too(factor, severity):
    train = 2 * OPTIONS.severe
    found = look(CHECK, rough(factor * OPTIONS.severe_over_training * train, train))
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_spikes_count_where_they_are_many():
    """Batch normalization without settled statistics: every sixth epoch is far off, the others are smooth."""
    values = line(60, 1.0, 0.8)
    values[::6] += 3.0
    assert one(CHECK, run(loss=line(60, 1.0, 0.8), val_loss=values)).severity == Severity.WARNING


@pytest.mark.parametrize("scale", [1e9, 1e-6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    ours, theirs = one(CHECK, rough(0.5)), one(CHECK, rough(0.5, level=scale))
    assert ours.evidence[0].value == pytest.approx(theirs.evidence[0].value)


def test_a_jump_beyond_all_measure_is_still_a_number():
    values = np.array([1e-300, 0, 0, 0, 1e-300, 1e-300, 1e-300, 0, 1e300])
    assert all(np.isfinite(e.value) for f in look(CHECK, run(val_loss=values)) for e in f.evidence)


# -- healthy look-alikes -----------------------------------------------------------------------------------------------


def test_a_rough_start_does_not_count():
    values = decay(80) + noise(80, 0.003)
    values[:30] += np.abs(noise(30, 1.0, 1))
    assert look(CHECK, run(loss=decay(80), val_loss=values)) == ()


def test_a_single_spike():
    values = decay(60) + noise(60, 0.003)
    values[45] += 10
    assert look(CHECK, run(loss=decay(60), val_loss=values)) == ()


def test_a_steep_descent_is_not_rough():
    assert look(CHECK, run(loss=line(60, 1, 0.01), val_loss=line(60, 1, 0.01))) == ()


def test_jumps_at_a_level_of_almost_nothing():
    """Around 1e-4 after a fall from 1: as rough as its level, but not beside what was learned."""
    values = decay(60, 1.0, 1e-4, tau=3) + wobble(60, 1e-4)
    assert look(CHECK, run(val_loss=values)) == ()


def test_a_healthy_run_is_left_alone():
    assert look(CHECK, healthy()) == ()


def test_without_a_validation_loss_it_cannot_look():
    assert "pass validation_data to fit" in not_applicable(CHECK, run(loss=decay(60)))
    assert too_few(CHECK) in not_applicable(CHECK, run(val_loss=decay(7)))
