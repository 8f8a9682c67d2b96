"""Remedies in how a training is run and watched."""

from __future__ import annotations

from diagnose.fix import Applicability, Change, Fix
from diagnose.remedies import settings
from diagnose.remedies.snippets import SAME_OPTIMIZER
from diagnose.run import Run


def stop_early(run: Run | None = None, epoch: float | None = None, *, addresses: str = "") -> Fix:
    """Keep the best weights."""
    trained = settings.epochs(run)
    patience = 5 if trained is None else min(20, max(3, round(trained / 10)))
    title = f"Stop early (patience {patience}) and keep the best weights"
    if epoch is not None:
        title = f"Stop early (patience {patience}); the best weights are of epoch {epoch:g}"
    return Fix(
        id="stop-early",
        title=title,
        why="From its best epoch on the network only learns the training samples by heart. Early stopping "
        "ends there, restores the weights of the best epoch, and saves the rest of the time.",
        cost="None but the validation data; too little patience stops on noise or before a late drop.",
        applicability=Applicability.SAFE,
        changes=(Change("training.early_stopping", "set", patience, low=3.0, high=50.0),),
        code=(
            "stop = keras.callbacks.EarlyStopping(\n"
            f'    monitor="val_loss", patience={patience}, restore_best_weights=True\n'
            ")\n"
            "model.fit(  # many epochs: the callback ends it\n"
            "    x_train, y_train, epochs=100, validation_data=(x_val, y_val), callbacks=[stop]\n"
            ")\n"
        ),
        addresses=addresses,
    )


def train_longer(run: Run | None = None, factor: float = 2.0, *, addresses: str = "") -> Fix:
    """More epochs."""
    trained = settings.epochs(run)
    title = f"Train longer: {factor:g} times the epochs"
    if trained is not None:
        title = f"Train longer: {round(trained * factor)} epochs instead of {trained}"
    return Fix(
        id="train-longer",
        title=title,
        why="The loss was still falling when training ended: more epochs go on where it stopped.",
        cost=f"{factor:g} times the time; with early stopping it costs no more than is useful.",
        changes=(Change("training.epochs", "multiply", factor, low=1.0, high=10000.0),),
        code=(
            "trained = model.fit(x_train, y_train, epochs=2, validation_data=(x_val, y_val))\n"
            f"more = round({factor:g} * len(trained.epoch))\n"
            "model.fit(  # goes on from the weights reached\n"
            "    x_train,\n"
            "    y_train,\n"
            "    initial_epoch=len(trained.epoch),\n"
            "    epochs=more,\n"
            "    validation_data=(x_val, y_val),\n"
            ")\n"
        ),
        addresses=addresses,
    )


def monitor_layers(*, addresses: str = "") -> Fix:
    """Log what the layers do."""
    return Fix(
        id="monitor-layers",
        title="Log what each layer does, to see inside the model",
        why="Curves alone cannot tell a dead layer from a frozen one. Monitor logs gradients, updates and "
        "activations of every layer, and says while training what is wrong with them.",
        cost="A few percent of the training time.",
        applicability=Applicability.MANUAL,
        code=(
            "from diagnose import Monitor\n"
            "\n"
            "model.fit(\n"
            "    x_train,\n"
            "    y_train,\n"
            "    epochs=3,\n"
            "    validation_data=(x_val, y_val),\n"
            '    callbacks=[Monitor("run.csv")],\n'
            ")\n"
        ),
        addresses=addresses,
    )


def log_validation(*, addresses: str = "") -> Fix:
    """Measure on held-out data."""
    return Fix(
        id="log-validation",
        title="Pass validation data to fit",
        why="The training curves alone cannot show overfitting: that needs a loss on samples that the "
        "network was not trained on.",
        cost="One pass over the validation data per epoch.",
        applicability=Applicability.MANUAL,
        code=(
            "model.fit(\n"
            "    x_train,\n"
            "    y_train,\n"
            "    epochs=3,\n"
            "    validation_data=(x_val, y_val),\n"
            '    callbacks=[keras.callbacks.CSVLogger("run.csv")],\n'
            ")\n"
        ),
        addresses=addresses,
    )


def check_numerics(*, addresses: str = "") -> Fix:
    """Where the first NaN comes from."""
    return Fix(
        id="check-numerics",
        title="Find the first layer whose output is not finite",
        why="The loss turns NaN far behind the place where it began: a logarithm or a root of zero, a "
        "division by zero, an overflow in float16. The first layer with a non-finite output is that place; "
        "metrics and custom losses need a small constant inside the logarithm.",
        cost="One pass over a few samples.",
        applicability=Applicability.MANUAL,
        code=(
            "layers = [layer for layer in model.layers if layer.weights]\n"
            "taps = keras.Model(model.inputs, [layer.output for layer in layers])\n"
            'for split, x in (("training", x_train), ("validation", x_val)):\n'
            "    values = taps.predict(x[:256], verbose=0)\n"
            "    values = values if isinstance(values, list) else [values]\n"
            "    for layer, value in zip(layers, values):\n"
            '        print(f"{split} {layer.name}: {np.mean(~np.isfinite(value)):.1%} not finite")\n'
            "model.fit(x_train, y_train, epochs=3, callbacks=[keras.callbacks.TerminateOnNaN()])\n"
        ),
        addresses=addresses,
    )


def evaluate_training_data(*, addresses: str = "") -> Fix:
    """Compare like with like."""
    return Fix(
        id="evaluate-training-data",
        title="Evaluate the training data without dropout and augmentation",
        why="The training loss of an epoch is an average over weights that were still moving, with dropout, "
        "augmentation and penalties on; the validation loss is measured after it with all that off. Measured "
        "alike, the two can be compared.",
        cost="One more pass over the training data.",
        applicability=Applicability.MANUAL,
        code=(
            "train = model.evaluate(x_train, y_train, return_dict=True)  # inference mode\n"
            "validation = model.evaluate(x_val, y_val, return_dict=True)\n"
            "for name in train:\n"
            '    print(f"{name}: training {train[name]:.4g}, validation {validation[name]:.4g}")\n'
        ),
        addresses=addresses,
    )


def monitor_metric(*, addresses: str = "") -> Fix:
    """Select by what counts."""
    return Fix(
        id="monitor-metric",
        title="Select the epoch by the metric that you care about",
        why="Loss and metric need not have their best epoch together: a few very wrong, very sure answers "
        "raise the loss while the accuracy still grows. Stop and checkpoint by the one that counts for "
        "the use (the loss where probabilities are used, the metric where decisions are).",
        cost="A metric is coarser and noisier than the loss on small validation sets: give it more patience.",
        applicability=Applicability.MANUAL,
        code=(
            "callbacks = [\n"
            '    keras.callbacks.EarlyStopping(monitor="val_accuracy", mode="max", patience=10),\n'
            "    keras.callbacks.ModelCheckpoint(\n"
            '        "best.weights.h5",\n'
            '        monitor="val_accuracy",\n'
            '        mode="max",\n'
            "        save_best_only=True,\n"
            "        save_weights_only=True,\n"
            "    ),\n"
            "]\n"
            "model.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val), callbacks=callbacks)\n"
            'model.load_weights("best.weights.h5")\n'
        ),
        addresses=addresses,
    )


def fix_metric(*, addresses: str = "") -> Fix:
    """A metric that fits the output."""
    return Fix(
        id="fix-metric",
        title="Use the accuracy that fits output and labels",
        why="A metric that does not fit the output stays frozen while the loss falls: one sigmoid unit needs "
        "binary accuracy, integer labels of K classes sparse categorical accuracy, one-hot labels "
        "categorical accuracy; regression has no accuracy at all (MAE instead).",
        cost="None. compile's third positional argument is loss_weights: name metrics=.",
        applicability=Applicability.MANUAL,
        code=(
            "if model.output_shape[-1] == 1:\n"
            '    metric = keras.metrics.BinaryAccuracy(name="accuracy")\n'
            "elif np.ndim(y_train) > 1 and np.shape(y_train)[-1] > 1:  # one-hot\n"
            '    metric = keras.metrics.CategoricalAccuracy(name="accuracy")\n'
            "else:  # integer labels\n"
            '    metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")\n'
            "model.compile(\n"
            f"    optimizer={SAME_OPTIMIZER},\n"
            "    loss=model.loss,\n"
            "    metrics=[metric],\n"
            ")\n"
            "model.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val))\n"
        ),
        addresses=addresses,
    )


def cut_logits_at_zero(*, addresses: str = "") -> Fix:
    """Metrics that take logits for what they are."""
    return Fix(
        id="cut-logits-at-zero",
        title="Let metrics of logits decide at 0, not at 0.5",
        why="A logit is above 0 where the probability is above one half. A metric that cuts at 0.5 takes every answer "
        "between 0.5 and 0.62 for a no: accuracy, precision and recall are those of another decision.",
        cost="None. Precision and Recall take thresholds=0.0, F1Score threshold=0.0, AUC from_logits=True.",
        applicability=Applicability.MANUAL,
        code=(
            "if np.size(y_train) == len(y_train) * model.output_shape[-1]:  # a yes or a no for each unit\n"
            "    metric = keras.metrics.BinaryAccuracy(threshold=0.0)\n"
            "else:  # one of several classes: the largest logit\n"
            "    metric = keras.metrics.SparseCategoricalAccuracy()\n"
            "model.compile(\n"
            f"    optimizer={SAME_OPTIMIZER},\n"
            "    loss=model.loss,\n"
            "    metrics=[metric],\n"
            ")\n"
            "model.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val))\n"
        ),
        addresses=addresses,
    )


def repeat_with_seeds(*, addresses: str = "") -> Fix:
    """Tell an effect from luck."""
    return Fix(
        id="repeat-with-seeds",
        title="Repeat the training with other seeds",
        why="One run is one draw: initialization, shuffling and dropout alone move the score. A difference "
        "counts if repeated runs differ by more than their own spread.",
        cost="As many trainings as seeds.",
        applicability=Applicability.MANUAL,
        code=(
            "scores = []\n"
            "for seed in range(3):\n"
            "    keras.utils.set_random_seed(seed)\n"
            "    fresh = keras.models.clone_model(model)\n"
            f"    fresh.compile(optimizer={SAME_OPTIMIZER}, loss=model.loss)\n"
            "    history = fresh.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val), verbose=0)\n"
            '    scores.append(min(history.history["val_loss"]))\n'
            'print(f"best val_loss {np.mean(scores):.4g} ± {np.std(scores, ddof=1):.2g}")\n'
        ),
        addresses=addresses,
    )


def try_one_batch(*, addresses: str = "") -> Fix:
    """See what goes in, what comes out, and what the loss makes of both."""
    return Fix(
        id="try-one-batch",
        title="Put one batch through the model; look at shapes and loss",
        why="Before anything else a training is one batch forward and backward. The shapes of inputs, outputs and "
        "labels, and the loss of each sample, show in a second what a whole training would hide.",
        cost="One pass over a few samples.",
        applicability=Applicability.MANUAL,
        code=(
            "x, y = x_train[:8], y_train[:8]\n"
            'print("inputs", np.shape(x), "labels", np.shape(y), np.asarray(y).dtype)\n'
            "outputs = model.predict(x, verbose=0)\n"
            'print("outputs", np.shape(outputs), "from", np.min(outputs), "to", np.max(outputs))\n'
            "print(model.test_on_batch(x, y, return_dict=True))\n"
        ),
        addresses=addresses,
    )


def reconnect(*, addresses: str = "") -> Fix:
    """A way for the gradient from the loss to every weight."""
    return Fix(
        id="reconnect",
        title="Lead the loss back to these layers by operations with a derivative",
        why="Rounding, comparing, argmax, casts to integers and trips through NumPy have no derivative, and a layer "
        "that is made but not used leads nowhere: what lies before them is never trained. A soft form (softmax for "
        "argmax, sigmoid for a threshold) lets the gradient through.",
        cost="The model's code must be changed.",
        applicability=Applicability.MANUAL,
        code=(
            "import tensorflow as tf\n"
            "\n"
            "with tf.GradientTape() as tape:\n"
            "    outputs = model(x_train[:8], training=True)\n"
            "    loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)\n"
            "for variable, gradient in zip(\n"
            "    model.trainable_variables,\n"
            "    tape.gradient(loss, model.trainable_variables),\n"
            "):\n"
            '    print(variable.path, "has no gradient" if gradient is None else "is reached")\n'
        ),
        addresses=addresses,
    )
