"""Wanted: a deep network for prices of houses; the activations were forgotten.

Four linear layers, one behind the other, are one linear layer: it can do what a straight line can, and no more.
"""

import keras


def build():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(64),
            keras.layers.Dense(64),
            keras.layers.Dense(32),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model
