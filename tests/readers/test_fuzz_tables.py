"""Whatever the bytes: runs that keep their promises, or a ReadError with one line. Nothing else, and no hang."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnose.readers import keras_csv as generic
from diagnose.readers import lightning, stable_baselines, wandb, yolo
from diagnose.readers.base import Document, ReadError
from diagnose.run import LAYER_STATISTICS

FORMATS = (lightning, yolo, stable_baselines, wandb, generic)
LENIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(
    [
        *("epoch", "step", "batch", "loss", "val_loss", "acc", "val_acc", "test_loss", "lr", "time", "model", "fold"),
        *("phase", "", "Unnamed: 0", "out1_loss", "val_out1_loss", "train/box_loss", "metrics/mAP50(B)", "_step"),
        *("Name", "rollout/ep_rew_mean", "time/total_timesteps", "grad_norm/conv", "grad_norm/dense", "batch_size"),
        *("dead_fraction/conv", "Train_Acc_Fold_1", "Val_Acc_Fold_2", "run - loss", "foo"),
    ]
)
CELLS = st.one_of(
    st.floats(width=32).map(repr),
    st.integers(-5, 40).map(str),
    st.sampled_from(
        ["", "NA", "nan", "inf", "-inf", "1e308", "1e999", "0,5", "tensor(0.5)", "train", "val", "a", '"', '"1', "#"]
    ),
    st.text(max_size=6),
)


@st.composite
def tables(draw):
    """A table that has the look of a log, with every cell and every line at risk."""
    names = draw(st.lists(NAMES, min_size=1, max_size=7))
    delimiter = draw(st.sampled_from([",", ";", "\t", " ", "|"]))
    ragged = draw(st.booleans())
    widths = st.integers(0, 9) if ragged else st.just(len(names))
    rows = draw(st.lists(widths.flatmap(lambda n: st.lists(CELLS, min_size=n, max_size=n)), max_size=14))
    if draw(st.booleans()):
        rows.insert(draw(st.integers(0, len(rows))), names)
    lines = [delimiter.join(row) for row in [names, *rows]]
    return draw(st.sampled_from(["\n", "\r\n", "\r\r\n", "\r"])).join(lines)


def check(content, roles=()):
    """Read with the first format that matches, and hold the runs to what `Run` promises."""
    document = Document("fuzz.csv", content=content)
    reader = next((format for format in FORMATS if format.matches(document)), None)
    if reader is None:
        return None
    try:
        runs = reader.read(document, dict(roles))
    except ReadError as error:
        refusal = str(error)
    else:
        return kept_promises(runs)
    assert "\n" not in refusal
    return None


def kept_promises(runs):
    assert runs
    for run in runs:
        assert run.series
        for series in run.series:
            assert len(series) > 0
            assert np.isfinite(series.epochs).all()
            assert (np.diff(series.epochs) > 0).all()
            assert len(series.name) <= 220
            assert series.name.isprintable()
        for name, statistic in run.layers.items():
            assert name in LAYER_STATISTICS
            assert (np.diff(statistic.epochs) > 0).all()
    return runs


@LENIENT
@given(tables())
def test_tables_with_anything_in_them(text):
    check(text.encode("utf-8", "replace"))


@LENIENT
@given(st.binary(max_size=400))
def test_bytes(content):
    check(content)


@LENIENT
@given(st.text(max_size=400), st.sampled_from(["utf-8", "utf-16", "utf-32", "cp1252"]))
def test_text_in_any_encoding(text, encoding):
    check(text.encode(encoding, "replace"))


LOG = b"epoch,accuracy,loss,val_accuracy,val_loss\r\n" + b"".join(
    b"%d,%f,%e,%f,%e\r\n" % (i, i / 50, 2 / (i + 1) ** 3, i / 60, 2 / (i + 1) ** 2) for i in range(40)
)


@pytest.mark.parametrize("cut", range(0, len(LOG), 7))
def test_a_log_cut_anywhere_reads_as_what_was_whole(cut):
    whole = check(LOG)[0]
    runs = check(LOG[:cut])
    if LOG[:cut].count(b"\n") < 2:
        return
    (run,) = runs
    for series in run.series:
        complete = whole.find(series.quantity, series.split)
        n = LOG[:cut].count(b"\n") - 1
        assert n <= len(series) <= n + 1
        assert np.array_equal(series.values[:n], complete.values[:n])


@LENIENT
@given(st.integers(0, len(LOG) - 1), st.binary(min_size=1, max_size=8))
def test_a_log_with_bytes_overwritten(at, junk):
    check(LOG[:at] + junk + LOG[at + len(junk) :])


@LENIENT
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True)),
        min_size=2,
        max_size=60,
    )
)
def test_what_keras_writes_is_what_is_read(rows):
    text = "epoch,loss,val_loss\n" + "".join(f"{i},{a!r},{b!r}\n" for i, (a, b) in enumerate(rows))
    (run,) = check(text.encode())
    for series, values in zip(run.series, zip(*rows, strict=True), strict=True):
        assert np.array_equal(series.values, values, equal_nan=True)
        assert series.epochs.tolist() == list(range(len(rows)))


@LENIENT
@given(st.lists(st.integers(2, 12), min_size=1, max_size=8))
def test_trainings_appended_one_to_another_are_told_apart(lengths):
    def rows(n):
        return "".join(f"{i},{math.exp(-i)!r}\n" for i in range(n))

    runs = check(("epoch,loss\n" + "".join(map(rows, lengths))).encode())
    assert [len(run.get("loss")) for run in runs] == lengths
    assert [run.part.index for run in runs if run.part] == (list(range(1, len(runs) + 1)) if len(runs) > 1 else [])


@LENIENT
@given(
    tables(),
    st.dictionaries(
        NAMES, st.one_of(st.sampled_from(["loss", "val_loss", "epoch", "ignore"]), st.text(max_size=9)), max_size=3
    ),
)
def test_roles_of_any_kind(text, roles):
    check(text.encode("utf-8", "replace"), roles)
