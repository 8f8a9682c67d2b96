"""Vanishing gradient: ten sigmoid layers, of which the first ones hear nothing of the loss.

    python examples/layers/vanishing_gradient.py

A sigmoid lets at most a quarter of the gradient pass. After ten of them a millionth is left: the first layers keep
their random weights, and what they make of the images says nothing about the digits. The curves show a loss that
stands still, and no more; the gradient norm of each layer shows why.

The cure: `"relu"` with `kernel_initializer="he_normal"`, or batch normalization and skip connections.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

model = keras.Sequential([keras.Input((64,))])
for i in range(1, 11):
    model.add(keras.layers.Dense(32, activation="sigmoid", name=f"hidden_{i}"))
model.add(keras.layers.Dense(10, activation="softmax", name="output"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("vanishing_gradient.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
