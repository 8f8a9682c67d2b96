from __future__ import annotations

import pytest

from diagnose.analyze import analyze
from diagnose.finding import OutcomeKind, Severity
from diagnose.fix import Applicability
from tests.blueprints import ACTIVATIONS, findings, planned, report
from tests.curves import defaults, healthy
from tests.networks import conv, dense, flatten, global_pool, held, network, plain, pool

CHECK = "pooling-collapse"
OPTIONS = defaults(CHECK)

FIVE_POOLINGS = network(conv(8), pool(), pool(), pool(), pool(), pool(), flatten(), given=(None, 16, 16, 3))
SICK = planned(FIVE_POOLINGS)


def look(*makes, side=16, **more):
    return findings(CHECK, planned(network(*makes, given=(None, side, side, 3), **more)))


def test_16_x_16_through_five_poolings():
    """Golden: 16, 8, 4, 2, 1, and nothing is left to pool."""
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "16, 8, 4, 2, 1" in finding.summary
    assert finding.layers == (FIVE_POOLINGS.layers[6].name,)


def test_the_idle_pooling_is_taken_out_safely():
    (finding,) = findings(CHECK, SICK)
    fix = finding.fixes[0]
    assert fix.applicability is Applicability.SAFE
    assert [(edit.layer, edit.op) for edit in fix.edits] == [(FIVE_POOLINGS.layers[6].name, "remove")]


def test_four_poolings_are_possible():
    assert look(conv(8), pool(), pool(), pool(), pool(), flatten()) == ()


def test_strides_of_a_convolution_on_a_single_position():
    assert look(*[conv(8, 1, strides=2)] * 4) == ()
    (finding,) = look(*[conv(8, 1, strides=2)] * 5)
    assert finding.fixes[0].edits[0].setting == "strides"


def test_a_pooling_without_strides_pools_nothing_away():
    """NASNet's cells pool 3×3 at strides of 1."""
    assert look(pool(16), pool(3, strides=1)) == ()


def test_kernels_that_mostly_meet_padding():
    body = [conv(8)] * 2 + [pool(16)] + [conv(8)] * 2
    (finding,) = look(*body)
    assert finding.severity is Severity.WARNING
    assert "89 %" in finding.summary


@pytest.mark.parametrize(("at_one", "severity"), [(1, Severity.INFO), (4, Severity.INFO), (5, Severity.WARNING)])
def test_a_few_of_them_are_only_worth_knowing(at_one, severity):
    before = 5
    assert (at_one / (before + at_one) >= OPTIONS.starved_share) == (severity is Severity.WARNING)
    (finding,) = look(*[conv(8)] * before, pool(16), *[conv(8)] * at_one)
    assert finding.severity is severity


def test_1_x_1_convolutions_behind_global_pooling_are_meant():
    squeezed = plain("GlobalAveragePooling2D", shape=lambda given: (None, 1, 1, given[-1]))
    assert look(conv(8), squeezed, conv(4, 1), conv(8, 1)) == ()


def test_a_row_of_positions():
    body = [conv(8)] * 2
    (finding,) = findings(CHECK, planned(network(*body, flatten(), given=(None, 1, 64, 1))))
    assert "1×64" in finding.summary
    assert "67 %" in finding.summary


def test_nothing_is_left():
    gone = plain("MaxPooling2D", shape=lambda given: (None, 0, 0, given[-1]))
    (finding,) = look(conv(8), gone, classes=None)
    assert finding.severity is Severity.CRITICAL


def test_sizes_that_are_open_are_not_judged():
    body = [conv(8), *[pool()] * 9, global_pool(), dense(4)]
    assert findings(CHECK, planned(network(*body, given=(None, None, None, 3)))) == ()


def test_a_log_has_no_model():
    assert analyze(healthy()).outcomes
    (outcome,) = report(CHECK, planned()).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE


def test_few_convolutions_behind_the_collapse_that_hold_most_weights():
    body = [conv(32), pool(), conv(32), pool(), conv(32), pool(), conv(32), pool(), conv(32), pool()]
    (finding,) = findings(CHECK, planned(network(*body, conv(512), conv(512), flatten())))
    assert finding.severity is Severity.WARNING
    (finding,) = findings(CHECK, planned(network(*body, conv(32), conv(32), flatten())))
    assert finding.severity is Severity.INFO


def series(*makes, steps=100):
    return findings(CHECK, planned(network(*makes, given=(None, steps, 8))))


FIVE = pool(5, kind="MaxPooling1D")


@pytest.mark.parametrize("kind", ["LSTM", "Bidirectional", "MultiHeadAttention"])
@pytest.mark.parametrize(
    "between", [[], [plain("Dropout")], [plain("LayerNormalization")], [plain("ReLU", activation=ACTIVATIONS["relu"])]]
)
def test_nothing_to_follow_in_a_single_step(kind, between):
    (finding,) = series(FIVE, FIVE, FIVE, *between, plain(kind, numbers=800))
    assert finding.severity is Severity.WARNING
    assert "one step" in finding.summary
    assert series(FIVE, FIVE, *between, plain(kind, numbers=800)) == ()


def test_a_single_step_that_was_never_more():
    assert series(plain("LSTM", numbers=800), steps=1) == ()


def test_published_networks_are_as_their_authors_made_them():
    body = [pool(32), conv(8), conv(8), conv(8)]
    assert findings(CHECK, planned(network(*held("resnet50", *body), flatten()))) == ()
    assert findings(CHECK, planned(network(*held("encoder", *body), flatten())))
