"""One trial: it repeats exactly, goes on exactly, and ends with its best weights."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from diagnose import Monitor
from diagnose.readers import read
from recipes.config import Config
from recipes.data import load_data
from recipes.data.base import Data
from recipes.errors import DataError, RecipeError
from recipes.mlp import RECIPE
from recipes.recipe import Phase
from tuners import trial
from tuners.checkpoint import STATE_FILE, values

pytestmark = pytest.mark.keras

EPOCHS = 4
#: Everything that draws at random, and everything that keeps a state.
SETTINGS = {
    "data.source": "iris", "training.epochs": EPOCHS, "training.early_stopping": 0, "model.width": 8,
    "regularization.dropout": 0.3, "model.batch_norm": True, "optimizer.schedule": "plateau",
}  # fmt: skip


@pytest.fixture(scope="module")
def iris() -> Data:
    return load_data("iris")


@pytest.fixture(scope="module")
def whole(iris: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[trial.Trial, Path]:
    """A training that nothing interrupted, with its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return trial.run(config(), iris, log=folder / "run.csv", checkpoint=folder / "checkpoint"), folder


def config(**settings: Any) -> Config:
    return Config.of("mlp", SETTINGS, {name.replace("__", "."): value for name, value in settings.items()})


def weights(done: trial.Trial) -> list[Any]:
    return values(done.model.variables)


def curves(log: Path) -> list[list[str]]:
    """Return epoch, losses, metrics and rate; layers are looked at by the samples that come first."""
    with log.open(newline="") as lines:
        return [row[:6] for row in csv.reader(lines)]


def same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.at = epoch
        self.epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == (self.at, 1):
            raise KeyboardInterrupt


class Seen(keras.callbacks.Callback):
    """Which epochs are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(epoch)


class Fails(keras.callbacks.Callback):
    """A disk that is full when a phase ends."""

    def on_train_end(self, logs: Any = None) -> None:
        raise OSError(28, "No space left on device")


def test_the_same_seed_gives_the_same_weights_and_another_does_not(iris: Data, whole: tuple[trial.Trial, Path]) -> None:
    again, other = (trial.run(config(training__seed=seed), iris) for seed in (0, 1))
    assert same(weights(whole[0]), weights(again))
    assert not same(weights(whole[0]), weights(other))


@pytest.mark.parametrize("epoch", [0, 2])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    iris: Data, whole: tuple[trial.Trial, Path], tmp_path: Path, epoch: int
) -> None:
    places = {"log": tmp_path / "run.csv", "checkpoint": tmp_path / "checkpoint"}
    with pytest.raises(KeyboardInterrupt):
        trial.run(config(), iris, **places, callbacks=[Interrupt(epoch)])
    with (tmp_path / "run.csv").open("a") as log:  # an epoch that was logged and not saved
        log.write(f"{epoch},0.5,0.5\n")
    seen = Seen()
    resumed = trial.run(config(), iris, **places, callbacks=[seen])
    assert seen.epochs == list(range(epoch, EPOCHS))
    assert same(weights(whole[0]), weights(resumed))
    assert curves(tmp_path / "run.csv") == curves(whole[1] / "run.csv")
    assert resumed.counters.epoch == EPOCHS


def test_a_training_that_is_over_is_not_trained_again(iris: Data, whole: tuple[trial.Trial, Path]) -> None:
    done, folder = whole
    assert done.counters.over == "trained"
    again = trial.run(config(), iris, checkpoint=folder / "checkpoint", callbacks=[Interrupt(0)])
    assert same(weights(done), weights(again))


class TestPhases:
    """Two phases at different rates; nothing else is different from one."""

    @pytest.fixture(autouse=True)
    def _two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        phases = (Phase("first", 2, 1e-3), Phase("second", 2, 1e-4))
        recipe = replace(RECIPE, phases=lambda _config, _facts: phases)
        monkeypatch.setattr(trial, "find", lambda _name: recipe)

    @pytest.mark.long
    def test_memory_disk_and_interruptions_come_to_the_same(self, iris: Data, tmp_path: Path) -> None:
        whole = trial.run(config(), iris)
        assert whole.counters.epoch == 4
        for number, callback in enumerate((Interrupt(1), Interrupt(2), Interrupt(3), Fails())):
            places = {"log": tmp_path / f"{number}.csv", "checkpoint": tmp_path / str(number)}
            with pytest.raises((KeyboardInterrupt, OSError)):
                trial.run(config(), iris, **places, callbacks=[callback])
            resumed = trial.run(config(), iris, **places)
            assert same(weights(whole), weights(resumed)), callback
            assert resumed.counters.over == "trained"
            rates = [row[5] for row in curves(tmp_path / f"{number}.csv")[1:]]
            assert [float(rate) for rate in rates] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])


def test_the_best_epoch_is_kept_and_patience_ends_the_training(iris: Data, tmp_path: Path) -> None:
    hasty = config(
        optimizer__learning_rate=1.0, optimizer__name="sgd", training__early_stopping=2, training__epochs=50,
        optimizer__schedule="constant",
    )  # fmt: skip
    done = trial.run(hasty, iris, log=tmp_path / "run.csv", monitor=Monitor(tmp_path / "run.csv", on_finding="warn"))
    (run,) = read(str(tmp_path / "run.csv"))
    losses = run.get("val_loss").values
    assert done.counters.best_epoch == int(np.argmin(losses))
    assert done.counters.epoch == len(losses) == done.counters.best_epoch + 3 < 50


def test_a_training_whose_weights_are_nan_ends_and_says_why(iris: Data) -> None:
    lost = config(
        optimizer__learning_rate=100.0, optimizer__name="sgd", optimizer__schedule="constant",
        model__batch_norm=False, model__activation="linear", model__depth=6, training__epochs=30,
    )  # fmt: skip
    done = trial.run(lost, iris)
    assert done.counters.over.startswith("stopped: ")
    assert done.counters.epoch < 30


def test_data_that_has_changed_is_refused(iris: Data, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trial.run(config(), iris, checkpoint=tmp_path, callbacks=[Interrupt(1)])
    assert (tmp_path / STATE_FILE).exists()
    with pytest.raises(RecipeError, match="iris has changed since the training was interrupted"):
        trial.run(config(), load_data("iris", {"data.split_seed": 5}), checkpoint=tmp_path)


class Vanishing:
    """Samples that can be read a few times, and then no longer."""

    def __init__(self, x: Any, times: int) -> None:
        self._x, self._left = x, times
        self.shape, self.dtype = x.shape[1:], x.dtype

    def __len__(self) -> int:
        return len(self._x)

    def take(self, indices: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise DataError("iris/7.png: could be decoded before, and no longer")
        return self._x[indices]


@pytest.mark.parametrize("name", ["train", "validation"])
def test_data_that_vanishes_is_told_in_one_line(iris: Data, name: str) -> None:
    split = getattr(iris, name)
    vanishing: Any = {name: replace(split, x=Vanishing(split.x, times=3))}
    with pytest.raises(DataError, match=r"^iris/7\.png: could be decoded before, and no longer$") as told:
        trial.run(config(), replace(iris, **vanishing))
    assert told.value.__suppress_context__


class OutOfMemory(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nwith shape [1]")


def test_a_device_whose_memory_is_full_is_told_in_one_line(iris: Data) -> None:
    with pytest.raises(RecipeError, match=r"^out of memory: lower data\.batch_size.*$") as told:
        trial.run(config(), iris, callbacks=[OutOfMemory()])
    assert told.value.__suppress_context__


def test_a_model_of_the_users_that_fails_in_training_is_told_in_one_line(iris: Data, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import keras\n"
        "class Fails(keras.layers.Layer):\n"
        "    def call(self, x, training=False):\n"
        "        if training:\n"
        "            raise KeyError('no such\\nkey')\n"
        "        return x\n"
        "def build(hp):\n"
        "    return keras.Sequential([Fails(), keras.layers.Dense(3, 'softmax')])\n"
    )
    own = Config.of(f"{tmp_path}/mine.py:build", {"data.source": "iris", "training.epochs": 1})
    with pytest.raises(RecipeError, match=r"^mine\.py:build: the training fails: KeyError") as told:
        trial.run(own, iris)
    assert "\n" not in str(told.value)
