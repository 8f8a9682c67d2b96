"""Wanted: a deep network with the activation of the textbook, sigmoid, ten times in a row.

Each one passes on at most a quarter of the gradient: a millionth of it reaches the first layer, which stays as it is.
"""

import keras
from sklearn.datasets import load_digits


def load():
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), y


def build():
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(10):
        model.add(keras.layers.Dense(32, activation="sigmoid"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
