"""Symmetric weights: layers of 32 units that compute one and the same thing.

    python examples/layers/symmetric_weights.py

Every weight starts at the same value, perhaps "to get the same result each time". Then all units of a layer put out
the same, get the same gradient and take the same step: they stay copies of each other for ever, and the network is
as good as one with a single unit in each layer. Only the units of the output part, for their labels differ.

The cure: random initialization, and `keras.utils.set_random_seed` to get the same result each time.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

alike = keras.initializers.Constant(0.05)
model = keras.Sequential([keras.Input((64,))])
for i in range(1, 4):
    model.add(keras.layers.Dense(32, activation="relu", kernel_initializer=alike, name=f"hidden_{i}"))
model.add(keras.layers.Dense(10, activation="softmax", kernel_initializer=alike, name="output"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("symmetric_weights.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
