from __future__ import annotations

import dataclasses
import math

import pytest

from diagnose.blueprint import LayerScale, Output
from diagnose.checks.model.gradient_scale import Options
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import Blueprint, dense, dry_run, findings, model, planned, report

CHECK = "gradient-scale"
OPTIONS = Options()
NAMES = ("dense", "dense_2", "dense_3", "dense_4", "dense_5")


def deep() -> Blueprint:
    return model(*(dense(64, "sigmoid", given=64) for _ in range(4)), dense(10, "softmax", given=64))


def scaled(*norms: float | None) -> tuple[LayerScale, ...]:
    return tuple(LayerScale(layer=n, grad_norm=g, weight_norm=1.0) for n, g in zip(NAMES, norms, strict=True))


def look(*norms: float | None, a_model: Blueprint | None = None, **more):
    return findings(CHECK, planned(a_model or deep(), dry_run=dry_run(scales=scaled(*norms), **more)))


SICK = planned(deep(), dry_run=dry_run(scales=scaled(1e-8, 1e-6, 1e-4, 1e-2, 1.0)))


def test_gradients_that_vanish_on_their_way_back():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.layers == ("dense", "dense_5")
    assert "vanish" in finding.summary
    assert finding.fixes[0].id == "use-relu"


def test_gradients_that_explode_on_their_way_back():
    (finding,) = look(1e7, 1e5, 1e3, 10.0, 1.0)
    assert "explode" in finding.summary
    assert finding.fixes[0].id == "clip-gradients"


@pytest.mark.parametrize(
    ("first", "fires"),
    [
        (1.1 * OPTIONS.vanishing, False),
        (0.9 * OPTIONS.vanishing, True),
        (0.9 * OPTIONS.exploding, False),
        (1.1 * OPTIONS.exploding, True),
    ],
)
def test_how_far_apart_the_ends_must_be(first, fires):
    assert bool(look(first, 1.0, 1.0, 1.0, 1.0)) == fires


def test_a_large_ratio_of_small_gradients_explodes_nothing():
    assert look(1.0, 0.1, 1e-3, 1e-5, 1e-7) == ()


def test_a_branch_that_begins_small_on_purpose():
    assert look(0.1, 1e-8, 1e-8, 0.1, 1.0) == ()


def test_a_layer_from_which_no_way_leads_to_the_loss():
    (finding,) = look(None, None, 0.1, 0.1, 1.0)
    assert finding.severity is Severity.CRITICAL
    assert finding.layers == ("dense", "dense_2")
    assert "gets no gradient" in finding.summary
    assert finding.fixes[0].id == "reconnect"


def test_layers_of_an_output_that_is_not_trained_need_no_gradient():
    whole = deep()
    other = Output(name="features", layer="dense_5", shape=(None, 10))
    trained = dataclasses.replace(whole.outputs[0], layer="dense_3")
    assert look(1.0, 1.0, 1.0, None, None, a_model=dataclasses.replace(whole, outputs=(trained, other))) == ()


def test_a_model_of_ones_own_may_hold_layers_that_it_does_not_use():
    seen_in_part = dataclasses.replace(deep(), is_whole=False)
    (finding,) = look(1.0, None, 1.0, 1.0, 1.0, a_model=seen_in_part)
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_a_gradient_that_is_no_number(norm):
    (finding,) = look(norm, 1.0, 1.0, 1.0, 1.0)
    assert finding.severity is Severity.CRITICAL
    assert finding.layers == ("dense",)


def test_a_first_layer_that_nothing_comes_back_to():
    (finding,) = look(0.0, 0.0, 0.5, 0.5, 1.0)
    assert finding.severity is Severity.WARNING
    assert finding.layers == ("dense", "dense_2")
    assert "exactly zero" in finding.summary


def test_a_side_branch_without_gradient_may_be_meant():
    """Attention over a single step is 1 whatever query and key are."""
    assert look(1.0, 0.0, 0.0, 1.0, 1.0) == ()


def test_frozen_layers_need_no_gradient():
    frozen = tuple(LayerScale(layer=name) for name in NAMES[:2])
    scales = (*frozen, *scaled(1.0, 1.0, 1.0, 1.0, 1.0)[2:])
    assert findings(CHECK, planned(deep(), dry_run=dry_run(scales=scales))) == ()


def test_few_layers_have_no_depth():
    scales = scaled(1e-9, 1.0, 1.0, 1.0, 1.0)[:2]
    assert findings(CHECK, planned(deep(), dry_run=dry_run(scales=scales))) == ()


@pytest.mark.parametrize("loss", [None, math.nan])
def test_without_a_loss_there_are_no_gradients_to_judge(loss):
    assert look(None, None, None, None, None, initial_loss=loss) == ()


def test_without_a_dry_run_it_cannot_look():
    (outcome,) = report(CHECK, planned(deep())).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
