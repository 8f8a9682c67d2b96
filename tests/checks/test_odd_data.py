"""All checks of the family ``data`` together on data of odd kinds: none breaks, none warns, none takes long."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from diagnose.analyze import Selection, analyze
from diagnose.finding import OutcomeKind
from diagnose.run import Run, Split
from diagnose.sample import Array, DataSample, SplitSample
from tests.blueprints import classifier, dense, model, planned

RNG = np.random.default_rng(0)
N = 60
NORMAL = RNG.normal(size=(N, 5))
CLASSES = RNG.integers(0, 3, N)
OBJECTS = np.array([[1, "a", None, float("nan"), b"x"]] * N, dtype=object)

INPUTS: dict[str, Array] = {
    "numbers": NORMAL,
    "one-dimensional": NORMAL[:, 0],
    "a number alone": np.array(1.0),
    "empty": NORMAL[:0],
    "no columns": NORMAL[:, :0],
    "one sample": NORMAL[:1],
    "constant": np.ones((N, 5)),
    "float16": (NORMAL * 1e4).astype("float16"),
    "truth values": NORMAL > 0,
    "NaN": np.full((N, 5), np.nan),
    "infinite": np.full((N, 5), np.inf),
    "some NaN": np.where(NORMAL > 1, np.nan, NORMAL),
    "largest": np.full((N, 5), 1.7e308) * np.sign(NORMAL),
    "smallest": np.full((N, 5), 5e-324) * (NORMAL > 0),
    "texts": np.array(["a text", ""] * (N // 2)),
    "bytes": np.array([b"a", b"b"] * (N // 2)),
    "table of texts": np.array([["a", "1"], ["b", "?"]] * (N // 2)),
    "objects": OBJECTS,
    "objects in a row": OBJECTS[:, 1],
    "ragged": np.array([list(range(i % 4)) for i in range(N)], dtype=object),
    "complex": NORMAL * 1j,
    "dates": np.arange(N).astype("datetime64[D]"),
    "uint64": np.full((N, 2), 2**64 - 1, dtype="uint64"),
    "pictures": RNG.integers(0, 256, (N, 12, 12, 3)).astype("uint8"),
    "grey pictures": RNG.random((N, 28, 28)),
    "black pictures": np.zeros((N, 32, 32, 3)),
    "pictures with NaN": np.where(RNG.random((N, 20, 20, 3)) < 0.1, np.nan, 1.0),
    "volumes": RNG.random((N, 6, 6, 6, 1)),
    "series": RNG.random((N, 30, 2)),
    "words": RNG.integers(0, 100, (N, 20)),
    "very wide": RNG.random((N, 20_000)).astype("float32"),
}
LABELS: dict[str, Array] = {
    "classes": CLASSES,
    "a column": CLASSES[:, None].astype(float),
    "one-hot": np.eye(3)[CLASSES],
    "multi-hot": (NORMAL > 0).astype(int),
    "rows of zeros": np.zeros((N, 3)),
    "amounts": NORMAL[:, 0] * 1e300,
    "NaN": np.full(N, np.nan),
    "some NaN": np.where(CLASSES == 0, np.nan, CLASSES),
    "infinite": np.full(N, np.inf),
    "names": np.array(["a", "b", ""])[CLASSES],
    "objects": np.array(["a", None, 1, float("nan"), b"x", True] * (N // 6), dtype=object),
    "truth values": CLASSES > 0,
    "masks": RNG.integers(0, 3, (N, 4, 4)),
    "no columns": NORMAL[:, :0],
    "empty": NORMAL[:0, 0],
    "a number alone": np.array(1),
    "too few": CLASSES[:7],
    "negative": CLASSES - 5,
    "large": CLASSES + 2**62,
}
MODELS = {
    "none": None,
    "classifier": classifier(3),
    "one-hot": model(dense(3, "softmax"), loss="categorical_crossentropy"),
    "binary": model(dense(1, "sigmoid"), loss="binary_crossentropy"),
    "regression": model(dense(1, "tanh"), loss="mean_squared_error"),
}


def strictly(run: Run) -> list[str]:
    """Return what broke, every warning being an error."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        report = analyze(run, Selection(select=frozenset(["data"])))
    for finding in report.findings:
        assert len(finding.summary) <= 300
        assert "nan" not in finding.summary.split()
        assert not any(np.isnan(evidence.value) for evidence in finding.evidence)
    return [f"{o.check}: {o.reason}" for o in report.outcomes if o.kind is OutcomeKind.ERROR]


def sample(inputs: Array, labels: Array, **more: bool) -> DataSample:
    parts: dict[Split, SplitSample] = {}
    for split, places in ((Split.TRAIN, slice(None, 40)), (Split.VALIDATION, slice(40, None))):
        x, y = (each[places] if each.ndim else each for each in (inputs, labels))
        for array in (x, y):
            array.flags.writeable = False
        size = {"x": x} if x.ndim else {}
        parts[split] = SplitSample(inputs=size, labels={"y": y}, again=size)
    return DataSample(source="odd", splits=parts, **more)


@pytest.mark.parametrize("is_raw", [False, True])
@pytest.mark.parametrize("name", INPUTS)
def test_inputs_of_any_kind(name, is_raw):
    for network in (None, MODELS["classifier"]):
        assert strictly(planned(network, sample(INPUTS[name].copy(), CLASSES.copy(), is_raw=is_raw))) == []


@pytest.mark.parametrize("network", MODELS)
@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind(name, network):
    for is_raw in (False, True):
        given = sample(NORMAL.copy(), LABELS[name].copy(), is_raw=is_raw)
        assert strictly(planned(MODELS[network], given)) == []


def test_splits_that_have_nothing_to_do_with_each_other():
    names = [name for name in INPUTS if INPUTS[name].ndim]
    for left, right in zip(names, [*names[1:], names[0]], strict=True):
        splits = {
            Split.TRAIN: SplitSample(inputs={"x": INPUTS[left]}, labels={"y": CLASSES}),
            Split.VALIDATION: SplitSample(inputs={"x": INPUTS[right]}, labels={"y": np.array(["a"] * N)}),
            Split.TEST: SplitSample(inputs={"other": INPUTS[right]}, labels={"z": NORMAL}),
        }
        assert strictly(planned(data=DataSample(source="odd", splits=splits))) == [], (left, right)


def test_several_inputs_and_outputs():
    inputs = {"a": NORMAL, "b": INPUTS["pictures"], "c": INPUTS["words"], "d": OBJECTS}
    split = SplitSample(inputs=inputs, labels={"one": CLASSES, "two": NORMAL, "three": NORMAL[:, 0]})
    splits = {Split.TRAIN: split, Split.VALIDATION: split}
    assert strictly(planned(data=DataSample(source="odd", splits=splits))) == []


def test_nothing_at_all():
    nothing = SplitSample(inputs={})
    assert strictly(planned(data=DataSample(source="odd", splits={Split.TRAIN: nothing, Split.TEST: nothing}))) == []


@pytest.mark.long
@pytest.mark.parametrize("shape", [(4000, 3000), (4000, 32, 32, 3)])
def test_the_time_is_bounded(shape):
    rng = np.random.default_rng(1)
    splits = {
        split: SplitSample(
            inputs={"x": rng.random(shape).astype("float32")}, labels={"y": rng.integers(0, 10, shape[0])}
        )
        for split in Split
    }
    run = planned(data=DataSample(source="large", splits=splits))
    before = time.process_time()
    assert strictly(run) == []
    assert time.process_time() - before < 20  # about 4 on one idle core
