"""Python objects: History, dictionaries, frames."""

import json

import numpy as np
import pandas as pd
import pytest

from diagnose.readers import ReadError, read_object

CURVES = {"loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9]}


class History:
    """What keras.callbacks.History has, without Keras."""

    def __init__(self, history, epoch):
        self.history, self.epoch = history, epoch
        self.params = {"epochs": 3, "steps": 10, "verbose": 0}


def run(obj):
    (only,) = read_object(obj)
    return only


def test_a_history_is_known_by_what_it_has():
    log = run(History(CURVES, [4, 5, 6]))
    assert log.source == "History"
    assert log.get("loss").epochs.tolist() == [4, 5, 6]
    assert log.config["steps_per_epoch"] == 10


def test_a_dictionary_of_lists():
    assert run(CURVES).get("val_loss").values.tolist() == [2.1, 1.2, 0.9]


def test_a_dictionary_of_arrays_with_epochs():
    log = run({"epoch": np.arange(1, 4), "loss": np.array([3, 2, 1], np.float32)})
    assert log.get("loss").epochs.tolist() == [1, 2, 3]


def test_a_frame_with_an_epoch_column():
    log = run(pd.DataFrame({"epoch": [1, 2, 3], **CURVES}))
    assert log.get("loss").epochs.tolist() == [1, 2, 3]


def test_a_frame_numbered_by_its_index():
    assert run(pd.DataFrame(CURVES, index=[10, 11, 12])).get("loss").epochs.tolist() == [10, 11, 12]


def test_what_run_to_frame_gives_is_read_again():
    log = run(CURVES)
    assert run(log.to_frame()).get("loss").values.tolist() == CURVES["loss"]


def test_none_was_not_logged():
    assert run({"loss": [1.0, 0.9], "val_loss": [None, 0.8]}).get("val_loss").epochs.tolist() == [1]


@pytest.mark.parametrize(
    "obj", [3, "run", None, [1, 2], object(), {}, {"a": 1}, {"name": ["x"]}, {"loss": []}, History({}, [])]
)
def test_anything_else_is_refused(obj):
    with pytest.raises(ReadError):
        read_object(obj)


@pytest.mark.keras
def test_the_history_that_fit_returns():
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(32, 2))
    history = model.fit(x, x[:, :1], validation_split=0.25, epochs=3, verbose=0)
    log = run(history)
    assert log.get("loss").values.tolist() == history.history["loss"]
    assert len(log.get("val_loss")) == 3
    json.dumps(log.config)
