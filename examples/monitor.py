"""Watch a training: five lines around `fit`, on scikit-learn's digits. It writes run.csv and run.json.

    python examples/monitor.py            # needs: pip install 'kerasdx[tune]'

The network is ten layers of sigmoids, and does not learn. Monitor says why while it trains, and `diagnose run.csv`
shows it with the numbers and the fix. With `"relu"` in the place of `"sigmoid"` it has nothing to say.
"""

import keras
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from diagnose import Monitor

keras.utils.set_random_seed(0)
x, y = shuffle(*load_digits(return_X_y=True), random_state=0)
hidden = [keras.layers.Dense(32, "sigmoid", name=f"hidden_{i}") for i in range(1, 11)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax", name="output")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

monitor = Monitor("run.csv")
model.fit(x / 16, y, validation_split=0.2, epochs=10, verbose=2, callbacks=[monitor])

for finding in monitor.report.runs[0].findings:
    print(f"{finding.check}: {', '.join(finding.layers)}")
