"""Wanted: dropout that really works, so ``training=True`` is written into the model.

Keras switches dropout off by itself when it evaluates and predicts; now it cannot. The same image gets another answer
each time.
"""

import keras


def build():
    inputs = keras.Input((64,))
    x = keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal")(inputs)
    x = keras.layers.BatchNormalization()(x, training=True)
    x = keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal")(x)
    x = keras.layers.Dropout(0.5)(x, training=True)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
