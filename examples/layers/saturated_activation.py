"""Saturated activation: tanh layers whose outputs are pinned to -1 and 1.

    python examples/layers/saturated_activation.py

The pixels go from 0 to 16, and the weights are drawn with a standard deviation of 1: sums of 64 such products lie far
out, where tanh is flat. There its derivative is next to zero, and a step changes nothing that counts. The loss falls
a little, by the work of the last layer.

The cure: pixels from 0 to 1 (`load()`), and Glorot's initialization, which is what Keras takes if nothing is said.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load(brightest=16.0)

model = keras.Sequential([keras.Input((64,))])
for i in range(1, 7):
    wide = keras.initializers.RandomNormal(stddev=1.0)
    model.add(keras.layers.Dense(32, activation="tanh", kernel_initializer=wide, name=f"hidden_{i}"))
model.add(keras.layers.Dense(10, activation="softmax", name="output"))
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("saturated_activation.csv")
model.fit(*training, validation_data=validation, epochs=20, verbose=2, callbacks=[monitor])
