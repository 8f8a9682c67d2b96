"""Wanted: a diagnosis from 569 records; "the larger the network, the better".

Five million weights can learn 455 records by heart, and have no reason to do anything else.
"""

import keras
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def load():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    return {"x_train": scaler.transform(x_train), "y_train": y_train, "x_val": scaler.transform(x_val), "y_val": y_val}


def build():
    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(2048, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(2048, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(512, activation="relu", kernel_initializer="he_normal"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
