"""Wanted: a classifier that makes up its mind, so what goes into the softmax is multiplied by 50.

It is sure of the wrong class before it has seen anything: the loss begins far above ln 10 = 2.30, where one that knows
nothing begins, and the first epochs go into unlearning that.
"""

import keras
from sklearn.datasets import load_digits


def load():
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), y


def build():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(10),
            keras.layers.Rescaling(50.0),
            keras.layers.Softmax(),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
