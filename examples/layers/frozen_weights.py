"""Frozen weights: two layers that no gradient ever reaches.

    python examples/layers/frozen_weights.py

The middle of the network is to be a code of zeros and ones, so its outputs are rounded. Rounding is flat almost
everywhere: its derivative is zero, and the layers in front of it stay as they were drawn. The loss falls all the
same, for the layers behind learn from a random code, and so the curves alone look merely slow.

The cure: a straight-through estimator, `x + keras.ops.stop_gradient(keras.ops.round(x) - x)`. Where a layer was frozen
by `trainable = False` instead, set it back and compile again.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

image = keras.Input((64,))
x = keras.layers.Dense(32, activation="relu", name="hidden_1")(image)
x = keras.layers.Dense(32, activation="sigmoid", name="hidden_2")(x)
x = keras.ops.round(x)
x = keras.layers.Dense(32, activation="relu", name="hidden_3")(x)
x = keras.layers.Dense(10, activation="softmax", name="output")(x)
model = keras.Model(image, x)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("frozen_weights.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
