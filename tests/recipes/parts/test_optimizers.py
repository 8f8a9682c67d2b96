"""Steps of the optimizers, and rates of the schedules at the beginning, in the middle and at the end."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes import config as settings  # noqa: E402
from recipes.config import Config  # noqa: E402
from recipes.parts import optimizers  # noqa: E402

pytestmark = pytest.mark.keras

NAMES = get_args(settings.Optimizer)
SCHEDULES = get_args(settings.Schedule)
RATE, STEPS = 0.1, 700


def config(**values: object) -> Config:
    return Config(recipe="mlp").replace({f"optimizer.{name}": value for name, value in values.items()})


def stepped(start: float = 2.0, steps: int = 1, rate: float = 0.01, gradient=lambda x: 2 * x, **values: object):
    """Return where f(x) = x² is left after some steps from a start."""
    x = keras.Variable(start, dtype="float32", name="kernel")
    optimizer = optimizers.optimizer(config(**values), rate, steps)
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(gradient(float(x.value)))], [x])
    return float(x.value)


# Optimizers


def test_a_step_of_gradient_descent():
    """x - η f'(x) = 2 - 0.01 · 4."""
    assert stepped(name="sgd", momentum=0.0) == pytest.approx(1.96)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_goes_downhill(name):
    assert 0 < stepped(name=name) < 2


@pytest.mark.parametrize("name", NAMES)
def test_the_names_are_keras_optimizers(name):
    expected = {"nesterov": "sgd"}.get(name, name)
    made = optimizers.optimizer(config(name=name), RATE, STEPS)
    assert type(made).__name__.lower() == expected
    assert type(made) is type(keras.optimizers.get(expected))


def test_momentum_adds_the_last_step():
    """v = 0.9 v - η g: the second step is -0.9 · 0.04 - 0.01 · 2 · 1.96."""
    assert stepped(name="sgd", steps=2) == pytest.approx(1.96 - 0.036 - 0.0392)


def test_nesterov_looks_ahead():
    """The first step is already -(1 + 0.9) η g."""
    assert stepped(name="nesterov") == pytest.approx(2 - 1.9 * 0.04)


@pytest.mark.parametrize("name", ["sgd", "nesterov", "rmsprop", "adam", "adamw", "nadam", "adamax", "lion"])
def test_momentum_makes_a_difference(name):
    def swinging(x):
        return 2 * x if x > 1.99 else -1.0

    assert stepped(name=name, momentum=0.5, steps=3, gradient=swinging) != stepped(
        name=name, momentum=0.95, steps=3, gradient=swinging
    )


def test_a_long_gradient_is_clipped():
    assert stepped(name="sgd", momentum=0.0, clipnorm=1.0) == pytest.approx(2 - 0.01)
    assert stepped(name="sgd", momentum=0.0, clipnorm=10.0) == pytest.approx(1.96)
    assert optimizers.optimizer(config(clipnorm=0.0), RATE, STEPS).clipnorm is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ftrl"])
def test_weight_decay_pulls_to_zero(name):
    """By rate · decay · weight, whatever the optimizer."""
    without = stepped(name=name, gradient=lambda _x: 0.0)
    assert stepped(name=name, weight_decay=0.5, gradient=lambda _x: 0.0) == pytest.approx(without - 0.01 * 0.5 * 2)


def test_ftrl_decays_by_its_own_penalty():
    """It makes weights anew from sums of gradients: what is subtracted from them would be lost."""
    gradients = {"gradient": lambda _x: -1.0, "rate": 0.1, "steps": 3}
    assert 0 < stepped(name="ftrl", weight_decay=0.5, **gradients) < stepped(name="ftrl", **gradients)


def test_without_weight_decay_adamw_is_adam():
    assert stepped(name="adamw", steps=3) == stepped(name="adam", steps=3)


@pytest.mark.parametrize("name", ["bias", "gamma", "beta", "alpha"])
def test_what_shifts_or_scales_does_not_decay(name):
    x = keras.Variable(2.0, dtype="float32", name=name)
    optimizers.optimizer(config(name="adamw", weight_decay=0.5), RATE, STEPS).apply([keras.ops.zeros(())], [x])
    assert float(x.value) == 2.0


# Schedules


def rate(name: str, step: float, steps: int = STEPS) -> float:
    found = optimizers.rate(config(schedule=name), RATE, steps)
    return float(found(step)) if callable(found) else found


@pytest.mark.parametrize(
    ("name", "begin", "middle", "end"),
    [
        ("constant", 0.1, 0.1, 0.1),
        ("plateau", 0.1, 0.1, 0.1),
        ("cosine", 0.1, 0.05, 0.0),
        ("warmup-cosine", 0.001, 0.1 * (1 + np.cos(np.pi * 280 / 630)) / 2, 0.0),
        ("cyclic", 0.1, 0.1 * (1 + np.cos(np.pi * 50 / 400)) / 2, 0.0),  # the last cycle began at step 300
        ("exponential", 0.1, 0.01, 0.001),
        ("inverse-time", 0.1, 0.1 / 5.5, 0.01),
        ("polynomial", 0.1, 0.001 + 0.099 / 4, 0.001),
    ],
)
def test_rates_of_a_schedule(name, begin, middle, end):
    found = [rate(name, 0), rate(name, STEPS / 2), rate(name, STEPS - 1e-3)]
    assert found == pytest.approx([begin, middle, end], rel=1e-3, abs=1e-6)


def test_warm_up_ends_at_a_tenth_with_the_full_rate():
    assert rate("warmup-cosine", 35) == pytest.approx((0.001 + 0.1) / 2, rel=1e-5)
    assert rate("warmup-cosine", 70) == pytest.approx(0.1)


@pytest.mark.parametrize("restart", [100, 300])
def test_cycles_begin_anew_and_double(restart):
    assert rate("cyclic", restart - 0.5) < 0.001
    assert rate("cyclic", restart + 0.5) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_the_shortest_trainings_have_a_rate(name, steps):
    assert 0 < rate(name, 0, steps) <= RATE * 1.000001  # single precision


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_first_step_moves(name):
    assert stepped(schedule=name, name="sgd", momentum=0.0) < 2


@pytest.mark.parametrize("name", SCHEDULES)
def test_only_a_plateau_has_a_callback(name):
    assert len(optimizers.schedule_callbacks(config(schedule=name))) == (name == "plateau")


@pytest.mark.parametrize(("early_stopping", "patience"), [(10, 3), (1, 1), (0, 5)])
def test_the_rate_is_halved_before_the_patience_of_early_stopping_ends(early_stopping, patience):
    chosen = config(schedule="plateau").replace({"training.early_stopping": early_stopping})
    (callback,) = optimizers.schedule_callbacks(chosen)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizers.optimizer(chosen, RATE, STEPS), loss="mse")
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch in range(patience + 1):
        callback.on_epoch_end(epoch, {"val_loss": 1.0})
        rates.append(float(model.optimizer.learning_rate))
    assert rates == pytest.approx([RATE] * patience + [RATE / 2])
