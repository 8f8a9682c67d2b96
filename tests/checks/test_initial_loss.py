from __future__ import annotations

import math

import numpy as np
import pytest

from diagnose.blueprint import Loss
from diagnose.checks.model.initial_loss import Options
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import classifier, data, dense, dry_run, findings, model, planned, report

CHECK = "initial-loss"
OPTIONS = Options()
LN10 = math.log(10)
SICK = planned(classifier(), dry_run=dry_run(initial_loss=45.0))


def look(loss: float | None, model=None, **more):
    others = {name: more.pop(name) for name in ("data",) if name in more}
    return findings(CHECK, planned(model or classifier(), dry_run=dry_run(initial_loss=loss, **more), **others))


def test_ten_classes_begin_near_ln_10():
    """Golden: the loss of a model that knows nothing of K classes is ln K."""
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    (comparison,) = finding.evidence
    assert (comparison.left, comparison.right) == pytest.approx((45.0, 2.3026), rel=1e-4)
    assert finding.fixes[0].id == "standardize-inputs"
    assert look(LN10) == ()


@pytest.mark.parametrize("loss", [0.8 * LN10, 1.8 * LN10, 3.0 * LN10])
def test_random_weights_scatter_around_it(loss):
    assert look(loss) == ()


@pytest.mark.parametrize(("factor", "fires"), [(0.98, False), (1.02, True)])
def test_how_high_it_must_be(factor, fires):
    assert bool(look(factor * OPTIONS.excess * LN10, spread=0.0)) == fires


def test_a_few_samples_may_be_far_off_by_chance():
    assert look(1.2 * OPTIONS.excess * LN10, spread=2.0) == ()


def test_the_layer_that_is_too_loud_is_named():
    scales = dry_run().scales
    loud = (scales[0], type(scales[0])(layer="dense_2", output_std=310.0))
    (finding,) = look(45.0, scales=loud)
    assert finding.layers == ("dense_2",)
    assert "310" in finding.summary


@pytest.mark.parametrize(("loss", "told"), [(math.nan, "NaN"), (math.inf, "infinite"), (-math.inf, "infinite")])
def test_a_loss_that_is_no_number_is_critical(loss, told):
    (finding,) = look(loss, expected_loss=None)
    assert finding.severity is Severity.CRITICAL
    assert told in finding.summary


def test_a_regression_may_be_far_off_for_its_scale_is_arbitrary():
    regression = model(dense(1), loss="mean_squared_error", metrics=())
    assert look(600.0, regression, expected_loss=8.0) == ()
    (finding,) = look(8e6, regression, expected_loss=8.0)
    assert finding.severity is Severity.WARNING


def test_a_loss_of_ones_own_has_no_expected_value():
    sound = classifier()
    (output,) = sound.outputs
    own = type(output)(**{**vars(output), "loss": Loss("mine", is_custom=True)})
    assert look(1e6, type(sound)(name="m", kind="Functional", layers=sound.layers, outputs=(own,))) == ()
    assert look(1e6, expected_loss=None) == ()


def test_an_untrained_model_does_not_know_the_labels():
    (finding,) = look(0.3, data=data())
    assert finding.severity is Severity.INFO
    assert "trained before" in finding.summary


def test_an_output_bias_may_know_how_rare_a_class_is():
    """TensorFlow's own tutorial on imbalanced data begins so: one in fifty, and a loss of 0.1 instead of ln 2."""
    rare = (np.arange(600) % 50 == 0).astype(int)
    binary = model(dense(1, "sigmoid"), loss="binary_crossentropy")
    assert look(0.1, binary, expected_loss=math.log(2), data=data(2, labels=rare)) == ()


def test_a_low_loss_of_made_up_labels_says_nothing():
    assert look(0.3, data=data(), is_made_up=True) == ()
    assert look(0.3) == ()


def test_a_model_without_a_loss_and_one_that_fails_are_left_alone():
    assert look(None) == ()


def test_without_a_dry_run_it_cannot_look():
    (outcome,) = report(CHECK, planned(classifier())).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


@pytest.mark.parametrize(("factor", "fires"), [(None, False), (0.6, False), (1.4, False), (1.6, True)])
def test_the_output_bias_must_not_say_the_opposite_of_the_labels(factor, fires):
    found = look(1.7 * LN10, bias_loss=None if factor is None else factor * LN10)
    assert bool(found) == fires
    if found:
        assert found[0].severity is Severity.WARNING
        assert found[0].fixes[0].id == "fit-output-bias"
