"""Wanted: a deep network for images of 16 x 16 pixels, with the block that worked for large ones five times in a row.

16, 8, 4, 2, 1: four poolings leave a single pixel. ``padding="same"`` silences the error at the fifth, which pools
nothing, and the 3 x 3 convolutions at the end look at zeros around that one pixel.
"""

import keras


def build():
    inputs = keras.Input((16, 16, 3))
    x = inputs
    for filters in (16, 32, 64, 64, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
