"""Wanted: dropout that really works, so ``training=True`` is written into the model's call.

Keras switches dropout off by itself when it evaluates and predicts; now it cannot. The same input gets another answer
each time.
"""

import keras


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal")
        self.norm = keras.layers.BatchNormalization()
        self.dropout = keras.layers.Dropout(0.5)
        self.outputs_layer = keras.layers.Dense(10, activation="softmax")

    def call(self, inputs):
        x = self.norm(self.hidden(inputs), training=True)
        return self.outputs_layer(self.dropout(x, training=True))


def build():
    model = Classifier()
    model(keras.ops.zeros((1, 64)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
