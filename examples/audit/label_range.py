"""Wanted: three kinds of wine; in the file they are numbered 1, 2 and 3.

The loss counts from 0: with three units there is no class 3, and its samples make the loss NaN or stop the training.
"""

import keras
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def load():
    x, y = load_wine(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), y + 1
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return {"x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val}


def build():
    model = keras.Sequential(
        [
            keras.Input((13,)),
            keras.layers.Dense(16, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
