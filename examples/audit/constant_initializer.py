"""Wanted: a network that trains the same way every time, so all weights begin at the same number.

All units of a layer then get the same gradient and stay the same: 64 units are one unit.
"""

import keras


def build():
    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(64, activation="relu", kernel_initializer="ones"),
            keras.layers.Dense(64, activation="relu", kernel_initializer="ones"),
            keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
