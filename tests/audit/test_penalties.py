from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from diagnose.audit.graph import blueprint_of  # noqa: E402
from diagnose.audit.penalties import added_penalty  # noqa: E402
from diagnose.measures.geometry import penalties  # noqa: E402

pytestmark = pytest.mark.keras


class Shrunk(keras.layers.Layer):
    """Adds something for its weights."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), initializer="ones")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        self.punish(x)
        return keras.ops.matmul(x, self.kernel)

    def punish(self, x):  # another layer's depends on it
        self.add_loss(0.5 * keras.ops.sum(keras.ops.square(self.kernel)))


class Sparse(Shrunk):
    """Adds something for its output."""

    def punish(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(keras.ops.matmul(x, self.kernel))) + 1.0)


class Noisy(keras.layers.Layer):
    """Adds a loss of the kind of a variational autoencoder."""

    def call(self, x):
        noise = keras.random.normal(keras.ops.shape(x))
        self.add_loss(keras.ops.mean(noise + x))
        return x + noise


def model_of(*layers):
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])


@pytest.mark.parametrize(
    ("layer", "added"),
    [(Shrunk, 6.0), (Sparse, 0.0), (Noisy, 0.0), (lambda: keras.layers.ActivityRegularization(1), 0.0)],
)
def test_what_hangs_on_the_weights_alone(layer, added):
    model = model_of(layer())
    assert added_penalty(model.layers[0]) == pytest.approx(added)
    plan = blueprint_of(model)
    assert plan.regularization == pytest.approx(added)
    assert bool(penalties(plan.layers[1])) == bool(added)


def test_the_layer_stays_as_it_was():
    model = model_of(Shrunk())
    layer = model.layers[0]
    before = [variable.numpy() for variable in layer.variables]
    added_penalty(layer)
    assert "add_loss" not in vars(layer)
    assert not layer._losses
    for variable, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_model_of_ones_own_and_the_layers_in_it():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = Shrunk(), keras.layers.Dense(2, kernel_initializer="ones", use_bias=False)

        def call(self, x):
            made = self.last(self.first(x))
            self.add_loss(keras.ops.sum(self.last.kernel))
            return made

    model = Net()
    model(np.zeros((1, 3), "float32"))
    assert blueprint_of(model).regularization == pytest.approx(6.0 + 8.0)
