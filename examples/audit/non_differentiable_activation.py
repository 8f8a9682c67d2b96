"""Wanted: neurons that fire or do not, like those in the brain: 10 or 0.

The derivative of such a step is 0 wherever it has one, so no gradient passes: everything before it stays as it began.
"""

import keras


def fire(x):
    return keras.ops.where(x > 0, 10.0, 0.0)


def build():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation=fire),
            keras.layers.Dense(32, activation=fire),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
