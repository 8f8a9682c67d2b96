"""Exploding gradient: a recurrent layer that reads an image pixel by pixel.

    python examples/layers/exploding_gradient.py

The same weights are applied 64 times, and so is what they do to the gradient: as soon as they stretch it a little, it
grows with every pixel that it goes back through. It goes well for some epochs; then one step throws the weights so
far that everything overflows. Weights that are NaN never come back: Monitor ends the training.

The cure: `keras.optimizers.SGD(..., clipnorm=1.0)`, or an LSTM or GRU.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Reshape((64, 1), name="pixels"),
        keras.layers.SimpleRNN(32, activation="relu", name="recurrent"),
        keras.layers.Dense(10, activation="softmax", name="output"),
    ]
)
model.compile(keras.optimizers.SGD(0.03, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("exploding_gradient.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
