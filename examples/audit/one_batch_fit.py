"""Wanted: quick learning, so the learning rate is 1.

A network must be able to learn a handful of samples by heart. Trained on one batch, this one overshoots the minimum
further with every step, until its loss is not a number any more.
"""

import keras
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale


def load():
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def build():
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), "mse", metrics=["mae"])
    return model
