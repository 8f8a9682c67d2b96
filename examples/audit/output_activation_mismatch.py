"""Wanted: a classifier of ten digits; the last layer is written like the ones before it.

ReLU gives numbers from 0 up, and the loss takes them for probabilities: where the right class has a 0 its logarithm is
cut off, and no gradient comes back.
"""

import keras


def build():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(10, activation="relu"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
