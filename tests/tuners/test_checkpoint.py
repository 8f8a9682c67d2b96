"""The state on disk: all of it comes back, and nothing half."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from recipes.errors import RecipeError
from tuners.checkpoint import STATE_FILE, Checkpoint, Counters, State, values

pytestmark = pytest.mark.keras


def small(units: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    )
    model.compile("adam", "mse")
    return model


def trained(model: keras.Model) -> keras.Model:
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    model.fit(x, x[:, :3], epochs=1, verbose=0)
    return model


def test_weights_random_states_and_optimizer_come_back(tmp_path: Path) -> None:
    model, counters = trained(small()), Counters(epoch=1, waited=4, callbacks={"ReduceLROnPlateau": {"wait": 2.0}})
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    checkpoint.save(State.of(model, counters), None)
    assert checkpoint.counters() == counters
    other = small()
    checkpoint.restore(other, counters)
    before, after = ([*values(m.variables), *values(m.optimizer.variables)] for m in (model, other))
    assert len(before) == len(after) > 10
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_between_phases_the_optimizer_is_left_out(tmp_path: Path) -> None:
    model, counters = trained(small()), Counters(epoch=1, phase=1, phase_start=1)
    Checkpoint(tmp_path).save(State.of(model, counters), None)
    other = small()
    other.layers[0].trainable = False
    other.compile("sgd", "mse")
    Checkpoint(tmp_path).restore(other, counters)
    assert all(np.array_equal(a, b) for a, b in zip(values(model.variables), values(other.variables), strict=True))


def test_the_best_weights_are_kept_and_surpassed_ones_go(tmp_path: Path) -> None:
    model, checkpoint = trained(small()), Checkpoint(tmp_path)
    checkpoint.save(State.of(model, Counters(epoch=1, best_epoch=0)), values(model.variables))
    checkpoint.save(State.of(model, Counters(epoch=3, best_epoch=0)), None)
    assert [path.name for path in tmp_path.glob("best*")] == ["best-0.npz"]
    best = values(trained(model).variables)
    checkpoint.save(State.of(model, Counters(epoch=4, best_epoch=3)), best)
    assert [path.name for path in tmp_path.glob("best*")] == ["best-3.npz"]
    other = small()
    checkpoint.restore_best(other, 3)
    assert all(np.array_equal(a, b) for a, b in zip(best, values(other.variables), strict=True))


def test_a_write_that_fails_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, checkpoint = trained(small()), Checkpoint(tmp_path)
    checkpoint.save(State.of(model, Counters(epoch=1)), None)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(State.of(model, Counters(epoch=2)), None)
    found = checkpoint.counters()
    assert found is not None
    assert found.epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_where_nothing_was_saved_there_is_nothing(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none").counters() is None


@pytest.mark.parametrize("damage", ["empty", "torn", "no archive", "a byte changed"])
def test_a_damaged_state_is_one_line(tmp_path: Path, damage: str) -> None:
    Checkpoint(tmp_path).save(State.of(trained(small()), Counters(epoch=1)), None)
    whole = (tmp_path / STATE_FILE).read_bytes()
    at = whole.index(b'"phase"')  # within the counters
    content = {
        "empty": b"",
        "torn": whole[:40],
        "no archive": b"no archive at all",
        "a byte changed": whole[:at] + b"?" + whole[at + 1 :],
    }
    (tmp_path / STATE_FILE).write_bytes(content[damage])
    with pytest.raises(RecipeError, match=r"state\.npz: cannot be read .*; start the training anew"):
        Checkpoint(tmp_path).counters()


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    Checkpoint(tmp_path).save(State.of(trained(small()), Counters(epoch=1)), None)
    with pytest.raises(RecipeError, match="another model"):
        Checkpoint(tmp_path).restore(small(units=5), Counters(epoch=1))
