from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from diagnose.finding import OutcomeKind, Severity
from tests.blueprints import data, findings, planned, report
from tests.curves import defaults
from tests.networks import batch_norm, conv, dense, flatten, network

CHECK = "large-batch"
OPTIONS = defaults(CHECK)


def samples(count, **more):
    made = data(n=10, inputs=np.zeros((10, 4), "float32"), **more)
    splits = {split: dataclasses.replace(sample, count=count) for split, sample in made.splits.items()}
    return dataclasses.replace(made, splits=splits)


def look(size, count=None, *, norm=None, **more):
    body = [dense(16), *([norm] if norm else [])]
    model = network(*body, given=(None, 4), batch_size=size, **more)
    return findings(CHECK, planned(model, None if count is None else samples(count)))


SICK = planned(network(dense(16), given=(None, 4), batch_size=528), samples(2000))


def test_528_on_a_small_set():
    (finding,) = findings(CHECK, SICK)
    assert finding.severity is Severity.WARNING
    assert "26 % of the 2,000 training samples: 4 steps" in finding.summary
    assert finding.fixes[0].title == "Lower the batch size from 528 to 32"


@pytest.mark.parametrize(
    ("size", "count", "fires"),
    [
        (528, 5280, True),
        (528, 5281, False),
        (256, 300, False),
        (257, 300, True),
        (32, 40, False),
        (1024, 60_000, False),
    ],
)
def test_how_large_it_must_be(size, count, fires):
    assert (OPTIONS.largest, OPTIONS.set_share) == (256, 0.1)
    assert bool(look(size, count)) == fires


def test_the_batch_of_the_data_counts_too():
    model = network(dense(16), given=(None, 4))
    assert findings(CHECK, planned(model, samples(2000, batch_size=528)))


@pytest.mark.parametrize(
    ("size", "severity"), [(1, Severity.CRITICAL), (2, Severity.WARNING), (7, Severity.WARNING), (8, None)]
)
def test_batch_normalization_of_a_handful(size, severity):
    assert [f.severity for f in look(size, norm=batch_norm())] == ([] if severity is None else [severity])


def test_with_spatial_axes_a_single_sample_has_a_variance():
    model = network(conv(8), batch_norm(), flatten(), batch_size=1)
    (finding,) = findings(CHECK, planned(model))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("norm", [None, batch_norm(is_trainable=False), batch_norm(training=False)])
def test_without_batch_normalization_that_learns_small_batches_are_right(norm):
    assert look(1, 1000, norm=norm) == ()


@pytest.mark.parametrize(("count", "fires"), [(321, True), (320, False), (322, False)])
def test_a_last_batch_of_one_sample(count, fires):
    assert [f.severity for f in look(32, count, norm=batch_norm())] == [Severity.INFO] * fires


def test_nobody_said_how_large_the_batch_is():
    (outcome,) = report(CHECK, planned(network(dense(16), given=(None, 4)))).outcomes
    assert outcome.kind is OutcomeKind.NOT_APPLICABLE
    assert outcome.reason.startswith("no batch size")
