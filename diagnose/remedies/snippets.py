"""The recurring parts of the Keras code that fixes show: change, compile anew, train anew.

A sick run's weights and optimizer state are part of the sickness, so every snippet trains a copy with new
weights instead of going on with the old ones.
"""

from __future__ import annotations

from textwrap import indent

FIT = "{name}.fit(x_train, y_train, epochs={epochs}, validation_data=(x_val, y_val))\n"
SAME_OPTIMIZER = "model.optimizer.from_config(model.optimizer.get_config())"


def fit(name: str = "model", epochs: int = 3) -> str:
    """Return the line that trains the model called `name`."""
    return FIT.format(name=name, epochs=epochs)


def compile_and_fit(name: str, optimizer: str = SAME_OPTIMIZER, epochs: int = 3) -> str:
    """Return the lines that compile and train a new model under the old one's loss."""
    return (f'{name}.compile(\n    optimizer={optimizer},\n    loss=model.loss,\n    metrics=["accuracy"],\n)\n') + fit(
        name, epochs
    )


def retrain(optimizer: str, before: str = "", epochs: int = 3) -> str:
    """Return code that trains a copy with new weights under another optimizer (an expression)."""
    clone = "fresh = keras.models.clone_model(model)  # new weights: training starts anew\n"
    return before + clone + compile_and_fit("fresh", optimizer, epochs)


def change_layers(edit: str) -> str:
    """Return code that makes a copy of the model, of each layer of which `edit` may change the ``config``."""
    return (
        "def change(layer):\n"
        "    config = layer.get_config()\n" + indent(edit, " " * 4) + "    return type(layer).from_config(config)\n"
        "\n"
        "\n"
        "better = keras.models.clone_model(model, clone_function=change)\n"
    )


def reconfigure(edit: str) -> str:
    """Return code that trains a copy of the model whose layers' ``config`` was edited.

    `edit` is run for every layer but the output layer.
    """
    return change_layers(
        "if layer is not model.layers[-1]:  # the output layer stays as it is\n" + indent(edit, " " * 4)
    ) + compile_and_fit("better")


def insert(after: str) -> str:
    """Return code that trains a copy of the model with layers inserted.

    `after` is run after the call of every hidden layer with a kernel; it reads and rebinds ``x``.
    """
    return (
        "def call(layer, *args, **kwargs):\n"
        "    x = layer(*args, **kwargs)\n"
        "    hidden = layer.name != model.layers[-1].name\n"
        "    if hidden and hasattr(layer, 'kernel'):\n" + indent(after, " " * 8) + "    return x\n"
        "\n"
        "\n"
        "# A Sequential model takes no call_function.\n"
        "functional = keras.Model(model.inputs, model.outputs)\n"
        "better = keras.models.clone_model(functional, call_function=call)\n"
    ) + compile_and_fit("better")


def build(body: str, optimizer: str = SAME_OPTIMIZER) -> str:
    """Return code that builds a model around `body`, which reads and rebinds ``x``, and trains it."""
    return (
        "inputs = keras.Input(x_train.shape[1:])\n"
        "x = inputs\n" + body + "classes = model.output_shape[-1]\n"
        'outputs = keras.layers.Dense(classes, activation="softmax")(x)\n'
        "better = keras.Model(inputs, outputs)\n"
    ) + compile_and_fit("better", optimizer)
