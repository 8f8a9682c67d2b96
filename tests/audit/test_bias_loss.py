"""The loss that the bias of an output makes by itself, measured by the dry run."""

from __future__ import annotations

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from diagnose.audit.dry import dry_run  # noqa: E402
from diagnose.run import Split  # noqa: E402
from diagnose.sample import DataSample, SplitSample  # noqa: E402

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(("sign", "loss"), [(1.0, 0.378), (-1.0, 1.836)])
@pytest.mark.parametrize("form", ["sigmoid", "logits", "softmax", "apart"])
def test_the_loss_of_the_output_bias_alone(form, sign, loss):
    """An eighth of ones: their log odds are -ln 7, and the entropy is 0.377."""
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    labels = (np.arange(64) % 8 == 0).astype("int32")
    odds = sign * math.log(7)
    value = [odds / 2, -odds / 2] if form == "softmax" else [-odds]
    activation = form if form in ("sigmoid", "softmax") else None
    last = keras.layers.Dense(len(value), activation=activation)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False), last])
    if form == "apart":
        model.add(keras.layers.Activation("sigmoid"))
    last.bias.assign(value)
    binary = keras.losses.BinaryCrossentropy(from_logits=form == "logits")
    model.compile("sgd", "sparse_categorical_crossentropy" if form == "softmax" else binary)
    split = SplitSample(inputs={"x": inputs}, labels={"y": labels if form == "softmax" else labels[:, None]})
    data = DataSample(source="arrays", splits={Split.TRAIN: split})
    assert dry_run(model, data, batch_size=64, seconds=0.2).bias_loss == pytest.approx(loss, abs=0.01)
    last.bias.assign(np.zeros(len(value)))
    assert dry_run(model, data, batch_size=64, seconds=0.2).bias_loss is None
