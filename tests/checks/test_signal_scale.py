from __future__ import annotations

import dataclasses

import pytest

from diagnose.blueprint import LayerScale
from diagnose.checks.model.signal_scale import Options
from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import HE, Blueprint, classifier, dense, dry_run, findings, model, planned, report

CHECK = "signal-scale"
OPTIONS = Options()
NAMES = ("dense", "dense_2", "dense_3", "dense_4", "dense_5")


def deep(activation: str = "relu") -> Blueprint:
    """Four hidden layers and an output."""
    return model(*(dense(64, activation, given=64, initializer=HE) for _ in range(4)), dense(10, "softmax", given=64))


def scaled(*deviations: float, zero: float = 0.0) -> tuple[LayerScale, ...]:
    return tuple(
        LayerScale(layer=name, output_mean=0.0, output_std=std, zero_fraction=zero, grad_norm=0.1, weight_norm=1.0)
        for name, std in zip(NAMES, deviations, strict=True)
    )


def look(scales, a_model: Blueprint | None = None):
    return findings(CHECK, planned(a_model or deep(), dry_run=dry_run(scales=scales)))


SICK = planned(deep(), dry_run=dry_run(scales=scaled(1.0, 1e-2, 1e-4, 1e-6, 0.05)))


def test_a_signal_that_shrinks_with_each_layer():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert finding.layers == ("dense", "dense_4")
    assert "shrinks" in finding.summary
    assert finding.fixes[0].id == "initialize-he"


def test_a_signal_that_grows_with_each_layer():
    (finding,) = look(scaled(1.0, 1e2, 1e4, 1e6, 0.05))
    assert "grows" in finding.summary


@pytest.mark.parametrize(
    ("ratio", "fires"),
    [
        (1.1 * OPTIONS.shrunk, False),
        (0.9 * OPTIONS.shrunk, True),
        (0.9 * OPTIONS.grown, False),
        (1.1 * OPTIONS.grown, True),
    ],
)
def test_how_far_it_must_go(ratio, fires):
    assert bool(look(scaled(1.0, 1.0, 1.0, ratio, 0.1))) == fires


def test_a_branch_that_is_small_on_purpose():
    """ConvNeXt scales its branches by 1e-6: what counts is what comes out in front of the output."""
    assert look(scaled(1.0, 1e-6, 1e-6, 0.8, 0.1)) == ()


def test_large_inputs_are_no_growth():
    assert look(scaled(120.0, 90.0, 100.0, 70.0, 40.0)) == ()


def test_a_layer_that_is_dead_before_it_has_begun():
    scales = list(scaled(1.0, 1.0, 0.0, 0.0, 0.0))
    scales[2] = dataclasses.replace(scales[2], zero_fraction=1.0)
    (finding,) = look(tuple(scales))
    assert finding.layers == ("dense_3",)
    assert "100 %" in finding.summary
    assert look(scaled(1.0, 1.0, 1.0, 1.0, 0.1, zero=0.5)) == ()


@pytest.mark.parametrize(("factor", "fires"), [(0.99, False), (1.01, True)])
def test_how_dead_it_must_be(factor, fires):
    assert bool(look(scaled(1.0, 1.0, 1.0, 1.0, 0.1, zero=factor * OPTIONS.dead))) == fires


def test_zeros_without_a_relu_are_meant():
    """A zero gain of batch normalization, a mask, a padding."""
    assert look(scaled(1.0, 1.0, 1.0, 1.0, 0.1, zero=1.0), deep("tanh")) == ()


def test_a_few_units_may_be_off_by_chance():
    narrow = model(*(dense(4, "relu", given=4) for _ in range(4)), dense(10, "softmax", given=4))
    assert look(scaled(1.0, 1.0, 1.0, 1.0, 0.1, zero=1.0), narrow) == ()


def test_a_graph_that_is_not_known_is_left_alone():
    assert look(scaled(1.0, 1e-2, 1e-4, 1e-6, 0.05), dataclasses.replace(deep(), is_whole=False)) == ()


def test_one_hidden_layer_has_no_depth():
    assert findings(CHECK, planned(classifier(), dry_run=dry_run())) == ()


def test_without_a_dry_run_it_cannot_look():
    (outcome,) = report(CHECK, planned(deep())).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
