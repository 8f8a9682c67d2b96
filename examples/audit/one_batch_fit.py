"""Wanted: a careful training, so the learning rate is a ten-millionth.

A network must be able to learn a handful of samples by heart; this one does not move in fifty steps on one batch.
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
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-7), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
