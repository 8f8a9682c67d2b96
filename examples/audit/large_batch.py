"""Wanted: quicker epochs, so the batch holds 528 of 600 samples.

An epoch is two steps, one of them of 72 samples. Training takes as many epochs as it takes steps.
"""

import keras
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x_train, x_val, y_train, y_val = train_test_split(x, y, train_size=600, random_state=0, stratify=y)
    training = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(600).batch(528)
    validation = tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(528)
    return training, validation


def build():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
