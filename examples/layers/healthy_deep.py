"""A healthy look-alike: the ten layers of `vanishing_gradient.py` with its cure, and nothing to report.

    python examples/layers/healthy_deep.py

ReLU lets the gradient pass whole or not at all, and He initialization keeps it at one size on its way. Some units are
zero for every probe image, and the gradient is not the same in every layer: that is how such networks are, and
Monitor says nothing.
"""

import keras
from digits import load

from diagnose import Monitor

keras.utils.set_random_seed(0)
training, validation = load()

model = keras.Sequential([keras.Input((64,))])
for i in range(1, 11):
    model.add(keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal", name=f"hidden_{i}"))
model.add(keras.layers.Dense(10, activation="softmax", name="output"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("healthy_deep.csv")
model.fit(*training, validation_data=validation, epochs=15, verbose=2, callbacks=[monitor])
