"""Dying ReLU: the units of layer 3 fall silent, one after the other, and do not come back.

    python examples/layers/dying_relu.py

A penalty on the activations of layer 3, meant to make them sparse, is a thousand times too strong. It pushes every
unit that answers to anything down. A ReLU that answers to nothing has no gradient: neither the loss nor the penalty
reaches it any more. After a few epochs next to nothing of the layer is left, and the loss stands still.

The cure: here a weaker penalty. Elsewhere a lower learning rate, which is what kills units most often, or leaky ReLU.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(32, activation="relu", name="hidden_1"),
        keras.layers.Dense(32, activation="relu", name="hidden_2"),
        keras.layers.Dense(32, activation="relu", name="hidden_3", activity_regularizer=keras.regularizers.L1(1.0)),
        keras.layers.Dense(10, activation="softmax", name="output"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("dying_relu.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
