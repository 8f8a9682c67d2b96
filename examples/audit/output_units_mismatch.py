"""Wanted: spam or not, one number, "and softmax is what classifiers end with".

A softmax over one unit is always 1, whatever the network has learned: every message is spam.
"""

import keras


def build():
    model = keras.Sequential(
        [
            keras.Input((57,)),
            keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(1, activation="softmax"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
