"""Train the example networks on scikit-learn's digits and keep their logs.

    python examples/record.py            # needs: pip install 'kerasdx[tune]'
    python examples/record.py healthy dying_relu

Four are made here, with the curves alone, and go to ``examples/logs``; the lessons of ``examples/layers`` are scripts
of their own, and their logs, with layer statistics, go to ``examples/layers/logs``. Some runs are healthy; in each of
the others one thing is wrong. `diagnose examples/logs examples/layers/logs` says which.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

LOGS = Path(__file__).parent / "logs"
LAYERS = Path(__file__).parent / "layers"
EPOCHS = 60

LESSONS = (
    "vanishing_gradient",
    "exploding_gradient",
    "dying_relu",
    "saturated_activation",
    "symmetric_weights",
    "frozen_weights",
    "healthy_deep",
)
#: What a recording says of the machine and the hour, and not of the training.
NOT_KEPT = ("started", "ended", "environment")

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits(train: int = 1200) -> Data:
    """Return training and validation images (N, 64) in 0..1 with their labels."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        (images / 16.0).astype("float32"), labels, train_size=train, random_state=0, stratify=labels
    )
    return x_train, y_train, x_val, y_val


def network(width: int = 32, dropout: float = 0.0, activation: str = "relu") -> keras.Model:
    """Return a two-layer network for ten classes."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(width, activation=activation, kernel_initializer="he_normal"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(width, activation=activation, kernel_initializer="he_normal"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def train(name: str, model: keras.Model, data: Data, optimizer: keras.optimizers.Optimizer, batch: int) -> None:
    """Train one model and keep its log as ``<name>.csv``."""
    x_train, y_train, x_val, y_val = data
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x_train,
        y_train,
        validation_data=(x_val, y_val),
        epochs=EPOCHS,
        batch_size=batch,
        verbose=0,
        callbacks=[keras.callbacks.CSVLogger(str(LOGS / f"{name}.csv"))],
    )
    print(f"{name}: wrote {name}.csv")


def healthy() -> None:
    """Enough data, a little dropout, a sound rate."""
    train("healthy", network(dropout=0.2), digits(), keras.optimizers.Adam(1e-3), 32)


def overfitting() -> None:
    """A wide network, 150 images of which a fifth carry a wrong label."""
    x_train, y_train, x_val, y_val = digits(150)
    wrong = np.random.default_rng(0).random(len(y_train)) < 0.2
    y_train = np.where(wrong, (y_train + 1) % 10, y_train)
    train("overfitting", network(512), (x_train, y_train, x_val, y_val), keras.optimizers.Adam(1e-3), 16)


def rate_too_high() -> None:
    """Plain gradient descent with momentum and a rate a hundred times too large."""
    train("rate-too-high", network(), digits(), keras.optimizers.SGD(0.6, momentum=0.95), 32)


def dead_units() -> None:
    """Biases so negative that no ReLU ever fires."""
    model = network()
    for layer in model.layers[:-1]:
        if isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias - 20.0])
    train("dead-units", model, digits(), keras.optimizers.Adam(1e-3), 32)


def lesson(name: str) -> None:
    """Run a script of ``examples/layers``, which writes its log where it is run."""
    logs = LAYERS / "logs"
    logs.mkdir(exist_ok=True)
    csv, facts, lock = logs / f"{name}.csv", logs / f"{name}.json", logs / f".{name}.csv.lock"
    csv.unlink(missing_ok=True)  # or the training would be appended to the last one
    facts.unlink(missing_ok=True)
    subprocess.run([sys.executable, str(LAYERS / f"{name}.py")], cwd=logs, check=True)
    known = {key: fact for key, fact in json.loads(facts.read_text()).items() if key not in NOT_KEPT}
    facts.write_text(json.dumps(known, indent=1) + "\n")
    lock.unlink(missing_ok=True)


RUNS: dict[str, Callable[[], None]] = {
    "healthy": healthy,
    "overfitting": overfitting,
    "rate-too-high": rate_too_high,
    "dead-units": dead_units,
}

if __name__ == "__main__":
    LOGS.mkdir(exist_ok=True)
    names = sys.argv[1:] or [*RUNS, *LESSONS]
    if unknown := set(names).difference(RUNS, LESSONS):
        sys.exit(f"record: no example is called {', '.join(sorted(unknown))}; there are {', '.join([*RUNS, *LESSONS])}")
    for name in names:
        keras.utils.set_random_seed(7)
        if name in LESSONS:
            lesson(name)
        else:
            RUNS[name]()
