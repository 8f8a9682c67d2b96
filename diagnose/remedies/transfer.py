"""Remedies by transfer learning: pretrained backbone, freeze depth, fine-tuning rate.

``transfer.freeze_depth`` is the share of the backbone's layers that stay frozen, counted from the input:
1 trains the head alone, 0 the whole network.
"""

from __future__ import annotations

from diagnose.fix import Change, Edit, Fix
from diagnose.remedies import settings
from diagnose.remedies.snippets import SAME_OPTIMIZER, fit
from diagnose.run import Run

_BACKBONE = (
    "nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]\n"
    "backbone = nested[0] if nested else model\n"
)


def _fine_tune(frozen: str, rate: str) -> str:
    """Return code that trains the top of the backbone; `frozen` is how many of its layers stay frozen."""
    return (
        _BACKBONE + "backbone.trainable = True\n"
        f"frozen = {frozen}\n"
        "for i, layer in enumerate(backbone.layers[:-1]):\n"
        "    # Batch normalization that is not trainable runs in inference mode.\n"
        "    is_norm = isinstance(layer, keras.layers.BatchNormalization)\n"
        "    layer.trainable = i >= frozen and not is_norm\n"
        "settings = model.optimizer.get_config()\n"
        f'settings["learning_rate"] = {rate}\n'
        "model.compile(  # trainable counts only from compile on\n"
        "    optimizer=type(model.optimizer).from_config(settings),\n"
        "    loss=model.loss,\n"
        '    metrics=["accuracy"],\n'
        ")\n"
    ) + fit()


def use_pretrained(*, addresses: str = "") -> Fix:
    """Features learnt on millions of images."""
    return Fix(
        id="use-pretrained",
        title="Start from a pretrained backbone (transfer learning)",
        why="With little labelled data the features must come from elsewhere: a backbone trained on ImageNet "
        "has them. First train a new head on the frozen backbone, then unfreeze its top layers and fine-tune "
        "at a rate 10 to 100 times lower; batch normalization stays frozen, which keeps it in inference mode.",
        cost="A download, a larger model, and inputs scaled as the backbone expects. Little gain where the "
        "images are unlike photographs.",
        changes=(
            Change("transfer.backbone", "set", "mobilenet_v2"),
            Change("transfer.freeze_depth", "set", 1.0, low=0.0, high=1.0),
        ),
        code=(
            "inputs = keras.Input(x_train.shape[1:])  # RGB images with values from 0 to 255\n"
            "x = keras.layers.Resizing(96, 96)(inputs)\n"
            "x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)  # MobileNetV2 expects -1 to 1\n"
            "backbone = keras.applications.MobileNetV2(\n"
            '    input_shape=(96, 96, 3), include_top=False, pooling="avg", weights="imagenet"\n'
            ")\n"
            "backbone.trainable = False  # keeps its batch normalization in inference mode too\n"
            "x = backbone(x)\n"
            'outputs = keras.layers.Dense(model.output_shape[-1], activation="softmax")(x)\n'
            "better = keras.Model(inputs, outputs)\n"
            'better.compile(optimizer="adam", loss=model.loss, metrics=["accuracy"])\n'
            "better.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val))  # the head\n"
        ),
        addresses=addresses,
    )


def fine_tune_lower(run: Run | None = None, to: float | None = None, *, addresses: str = "") -> Fix:
    """Do not destroy what was learnt; `to` is the rate of the very model, a tenth of the run's where it is None."""
    rate = settings.learning_rate(run)
    lower = to if to is not None or rate is None else rate / 10
    title = "Fine-tune at a tenth of the learning rate, or less"
    if lower is not None:
        title = f"Fine-tune at {lower:.3g} or less" + ("" if rate is None else f" instead of {rate:.3g}")
    value = "0.1 * float(model.optimizer.learning_rate)" if lower is None else f"{lower:.3g}"
    return Fix(
        id="fine-tune-lower",
        title=title,
        why="Pretrained weights are good already: at the head's rate the first steps destroy them. A rate 10 "
        "to 100 times lower, with batch normalization frozen, adapts them instead.",
        cost="Slower; the head should have been trained first, on the frozen backbone.",
        changes=(Change("transfer.fine_tune_rate", "multiply", 0.1, low=1e-7, high=1e-3),),
        code=_fine_tune("2 * len(backbone.layers) // 3  # the lower layers are the general ones", value),
        addresses=addresses,
        edits=() if to is None else (Edit("", "learning_rate", to),),
    )


def unfreeze(*, addresses: str = "") -> Fix:
    """Let more layers learn."""
    return Fix(
        id="unfreeze",
        title="Unfreeze the top layers of the backbone and fine-tune",
        why="Frozen layers keep the features of another task. The top ones are the most specific: trained "
        "at a rate 10 to 100 times lower than the head's they adapt to this task.",
        cost="More time and memory per step, and more overfitting on little data. Compile anew: trainable "
        "counts only from then on.",
        changes=(Change("transfer.freeze_depth", "add", -0.25, low=0.0, high=1.0),),
        code=_fine_tune("len(backbone.layers) // 2", "0.1 * float(model.optimizer.learning_rate)"),
        addresses=addresses,
    )


def freeze_deeper(*, addresses: str = "") -> Fix:
    """Let fewer layers learn."""
    return Fix(
        id="freeze-deeper",
        title="Freeze more layers of the backbone",
        why="Each trainable layer is capacity to learn the samples by heart; on little data the general "
        "features of the lower layers had better stay as they are.",
        cost="Less adaptation where the task is unlike the one that the backbone was trained on.",
        changes=(Change("transfer.freeze_depth", "add", 0.25, low=0.0, high=1.0),),
        code=(
            _BACKBONE + "frozen = 3 * len(backbone.layers) // 4\n"
            "for layer in backbone.layers[:frozen]:\n"
            "    layer.trainable = False\n"
            "model.compile(  # trainable counts only from compile on\n"
            f"    optimizer={SAME_OPTIMIZER},\n"
            "    loss=model.loss,\n"
            '    metrics=["accuracy"],\n'
            ")\n"
        )
        + fit(),
        addresses=addresses,
    )
