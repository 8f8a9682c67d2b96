"""Remedies by regularization: dropout, L1, L2, label smoothing."""

from __future__ import annotations

from diagnose.fix import Applicability, Change, Fix
from diagnose.remedies.snippets import SAME_OPTIMIZER, insert, reconfigure


def add_dropout(*, addresses: str = "") -> Fix:
    """Drop units at random while training."""
    return Fix(
        id="add-dropout",
        title="Add dropout of 0.2 after the hidden layers",
        why="Dropping units at random during training keeps them from relying on each other and acts like an "
        "average over many thinner networks. It is off in validation and test.",
        cost="Slower convergence; the training loss then looks worse than the validation loss.",
        applicability=Applicability.SAFE,
        changes=(Change("regularization.dropout", "add", 0.2, low=0.0, high=0.6),),
        code=insert('x = keras.layers.Dropout(0.2, name=f"drop_after_{layer.name}")(x)\n'),
        addresses=addresses,
    )


def lower_dropout(*, addresses: str = "") -> Fix:
    """Drop fewer units."""
    return Fix(
        id="lower-dropout",
        title="Halve the dropout rate",
        why="The training loss itself stays high: with so many units dropped at every step the network is "
        "held back from fitting even the data it sees.",
        cost="Less protection against overfitting.",
        applicability=Applicability.SAFE,
        changes=(Change("regularization.dropout", "multiply", 0.5, low=0.0, high=0.6),),
        code=reconfigure('if "Dropout" in type(layer).__name__:\n    config["rate"] *= 0.5\n'),
        addresses=addresses,
    )


def add_l2(*, addresses: str = "") -> Fix:
    """Shrink all weights."""
    return Fix(
        id="add-l2",
        title="Add L2 regularization of 0.0001 to the hidden layers",
        why="L2 adds λ·Σw² to the loss: it shrinks all weights towards zero and so prefers smooth functions "
        "to those that follow every sample.",
        cost="λ has to be tuned: too much of it underfits. The logged loss includes the penalty.",
        applicability=Applicability.SAFE,
        changes=(Change("regularization.l2", "set", 1e-4, low=1e-6, high=1e-2),),
        code=reconfigure(
            'if "kernel_regularizer" in config:\n    config["kernel_regularizer"] = keras.regularizers.L2(1e-4)\n'
        ),
        addresses=addresses,
    )


def lower_l2(*, addresses: str = "") -> Fix:
    """Penalize less."""
    return Fix(
        id="lower-l2",
        title="Lower the weight penalty (L2) to a tenth",
        why="The training loss itself stays high and both curves lie close together: the penalty keeps the "
        "weights smaller than the task needs.",
        cost="Less protection against overfitting.",
        applicability=Applicability.SAFE,
        changes=(Change("regularization.l2", "multiply", 0.1, low=0.0, high=1e-2),),
        code=reconfigure(
            'penalty = config.get("kernel_regularizer")\n'
            "if penalty:\n"
            '    penalty["config"] = {name: 0.1 * value for name, value in penalty["config"].items()}\n'
        ),
        addresses=addresses,
    )


def add_l1(*, addresses: str = "") -> Fix:
    """Drive weights to zero."""
    return Fix(
        id="add-l1",
        title="Add L1 regularization of 0.00001 to the hidden layers",
        why="L1 adds λ·Σ|w| to the loss and drives weights to exactly zero: inputs that do not help are "
        "switched off. Where most inputs are uninformative this keeps them from being learnt by heart.",
        cost="Among correlated inputs it keeps one more or less at random, so an input that it drops is not "
        "proved useless. Too much of it underfits.",
        changes=(Change("regularization.l1", "set", 1e-5, low=1e-7, high=1e-3),),
        code=reconfigure(
            'if "kernel_regularizer" in config:\n    config["kernel_regularizer"] = keras.regularizers.L1(1e-5)\n'
        ),
        addresses=addresses,
    )


def label_smoothing(*, addresses: str = "") -> Fix:
    """Do not ask for certainty."""
    return Fix(
        id="label-smoothing",
        title="Smooth the labels by 0.1",
        why="Hard labels ask for probabilities of exactly 0 and 1: the network grows overconfident and a few "
        "wrong labels cost it dearly, so that the validation loss rises while the accuracy stays. Smoothed "
        "labels bound both.",
        cost="The loss no longer reaches zero and cannot be compared with that of earlier runs.",
        applicability=Applicability.MANUAL,
        code=(
            "classes = model.output_shape[-1]\n"
            "one_hot_train = keras.utils.to_categorical(y_train, classes)\n"
            "one_hot_val = keras.utils.to_categorical(y_val, classes)\n"
            "fresh = keras.models.clone_model(model)  # new weights: training starts anew\n"
            "fresh.compile(\n"
            f"    optimizer={SAME_OPTIMIZER},\n"
            "    loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),\n"
            '    metrics=["accuracy"],\n'
            ")\n"
            "fresh.fit(x_train, one_hot_train, epochs=3, validation_data=(x_val, one_hot_val))\n"
        ),
        addresses=addresses,
    )
