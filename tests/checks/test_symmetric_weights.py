from __future__ import annotations

import numpy as np
import pytest

from diagnose.finding import Severity
from tests.telemetry import EPOCHS, a_run, flat, found, norms, outcome_of

CHECK = "symmetric-weights"


def duplicates(*levels: float) -> np.ndarray:
    """A share that stays, for copies get the same gradient."""
    return np.tile(levels, (EPOCHS, 1)).astype(float)


def test_a_layer_of_copies_is_found():
    (finding,) = found(CHECK, a_run({"duplicate_fraction": duplicates(1.0, 1.0, 0.0)}, loss=flat()))
    assert finding.severity == Severity.CRITICAL
    assert finding.layers == ("dense_0", "dense_1")
    assert finding.epoch == 0
    assert finding.summary.startswith("100 % of the units of dense_0, dense_1 are copies")
    assert [fix.id for fix in finding.fixes] == ["initialize-he", "initialize-glorot"]


def test_half_of_a_layer_is_a_warning():
    (finding,) = found(CHECK, a_run({"duplicate_fraction": duplicates(0.0, 0.5)}))
    assert finding.severity == Severity.WARNING


def test_just_under_one_half_is_quiet():
    assert not found(CHECK, a_run({"duplicate_fraction": duplicates(0.48, 0.0)}))


def test_random_weights_are_quiet():
    assert not found(CHECK, a_run({"duplicate_fraction": duplicates(*[0.0] * 50)}))


def test_an_output_layer_that_starts_at_zero_is_quiet():
    """Its units get different gradients and part in the first step."""
    values = duplicates(0.0, 0.0)
    values[0, 1] = 1.0
    assert not found(CHECK, a_run({"duplicate_fraction": values}))


def test_units_that_a_penalty_drove_to_zero_are_sparse_not_symmetric():
    values = duplicates(0.0, 0.0)
    values[:, 0] = np.clip(np.linspace(-0.3, 0.9, EPOCHS), 0, 1)
    assert not found(CHECK, a_run({"duplicate_fraction": values}))


def test_symmetry_that_dropout_broke_is_quiet():
    values = duplicates(1.0, 0.0)
    values[5:, 0] = 0.1
    assert not found(CHECK, a_run({"duplicate_fraction": values}))


@pytest.mark.parametrize("missing", [slice(0, 3), slice(0, EPOCHS)])
def test_epochs_that_were_not_sampled_are_left_out(missing):
    values = duplicates(1.0, 0.0)
    values[missing, 0] = np.nan
    assert len(found(CHECK, a_run({"duplicate_fraction": values}))) == (missing.stop < EPOCHS)


def test_without_the_statistic_it_does_not_apply():
    assert outcome_of(CHECK, a_run({"grad_norm": norms(3)})).kind == "not_applicable"
