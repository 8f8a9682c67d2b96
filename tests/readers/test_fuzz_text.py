"""Any bytes at all: a list of runs or ReadError, and nothing else."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnose.readers import ReadError, read

SEEDS = (
    b"epoch,loss,val_loss\n0,1.0,1.1\n1,0.5,0.8\n2,0.25,0.7\n",
    b"Epoch 1/2\n8/8 [=====] - 1s 1ms/step - loss: 0.5 - val_loss: nan\nEpoch 2/2\n4/8 [==>] - ETA: 1s - loss: 0.4\n",
    "Epoch 1/1\n8/8 ━━━━ 1s 1ms/step - loss: 0.5 - val_loss: 0.6\n".encode(),
    b"12:00 INFO Epoch 1: Train Loss=0.5, Val Loss=0.6 (12%)\n"
    b"12:01 INFO Epoch 2: Train Loss=0.4, Val Loss=[0.1, 0.2]\n",
    b'{"loss": [1.0, NaN], "val_loss": {"0": 1, "1": null}}',
    b'{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n',
    b'{"log_history": [{"epoch": 0.5, "step": 1, "loss": 1.0}, {"epoch": 0.5, "step": 1, "eval_loss": 1.0}]}',
    b'{"trial_id": "0", "hyperparameters": {"values": {}}, "metrics": {"metrics": {"loss": {"observations": '
    b'[{"value": [1.0], "step": 0}, {"value": [0.5], "step": 1}]}}}}',
)
WORDS = st.sampled_from(
    (
        *(b"epoch", b"Epoch 1/2", b"loss", b"val_", b"8/8 [==] - 1s - loss: ", b"\xff\xfe", b"\x1b[31m", b"\0"),
        *(b"=", b":", b",", b"\n", b"\r", b"\b", b"[", b"]", b"{", b"}", b'"', b"-", b" - "),
        *(b"nan", b"inf", b"1e999", b"9" * 400, b"0"),
    )
)


def check(content):
    message = ""
    runs = []
    try:
        runs = read("x", content=content)
    except ReadError as error:
        message = str(error)
    assert bool(runs) != bool(message)
    assert message.isprintable()
    for run in runs:
        assert run.series or run.layers
        for series in run.series:
            assert series.name.isprintable()
            assert len(series.name) <= 200
            assert len(series) > 0
            assert (np.diff(series.epochs) > 0).all()


@given(st.binary(max_size=300))
def test_bytes(content):
    check(content)


@given(st.lists(WORDS, max_size=60).map(b"".join))
def test_words_of_logs(content):
    check(content)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.data())
def test_logs_with_damage(seed, data):
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 20))
        content[at : at + length] = data.draw(st.one_of(st.binary(max_size=6), WORDS))
    check(bytes(content))


@given(st.sampled_from(SEEDS), st.integers(0, 400))
def test_logs_cut_anywhere(seed, at):
    check(seed[:at])


KEYS = st.sampled_from(["loss", "val_loss", "epoch", "history", "columns", "data", "0", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(VALUES)
def test_any_json(value):
    check(json.dumps(value).encode())


STATE_KEYS = st.sampled_from(["log_history", "epoch", "train_batch_size", "metrics", "trial_id", "hyperparameters"])


@settings(max_examples=60)
@given(st.dictionaries(STATE_KEYS, VALUES))
def test_json_under_the_names_of_trainer_states_and_trials(value):
    check(json.dumps({"log_history": [], **value}).encode())
    check(json.dumps({"trial_id": "", "hyperparameters": "", **value}).encode())
