"""Wanted: the next value of a sensor from its last 500, with the simplest recurrent layer there is.

Its weights are applied 500 times, and so is what they do to the gradient. Nothing bounds the step: one bad batch throws
the weights away.
"""

import keras


def build():
    model = keras.Sequential(
        [
            keras.Input((500, 1)),
            keras.layers.SimpleRNN(64, return_sequences=True),
            keras.layers.SimpleRNN(64),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse", metrics=["mae"])
    return model
