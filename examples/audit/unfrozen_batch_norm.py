"""Wanted: transfer learning on a frozen backbone; only its convolutions were frozen, "they hold the weights".

Its batch normalization still follows the few new images: scale, shift and averages drift away from what the frozen
weights were trained with.
"""

import keras


def build():
    backbone = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None, pooling="avg")
    for layer in backbone.layers:
        if "Conv" in type(layer).__name__:
            layer.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    outputs = keras.layers.Dense(5, activation="softmax", name="head")(backbone(x))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
