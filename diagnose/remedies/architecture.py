"""Remedies for single layers of a model that is there: their place, their size, whether and how they train.

Each takes the edits of the very model that was looked at. Without any it is a matter for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from diagnose.fix import Applicability, Edit, Fix
from diagnose.remedies.snippets import SAME_OPTIMIZER, build, change_layers, compile_and_fit, fit, reconfigure

Edits = Sequence[Edit]


def _by(edits: Edits, who: Applicability = Applicability.UNSAFE) -> Applicability:
    return who if edits else Applicability.MANUAL


def _named(edits: Edits) -> str:
    """Return the layers that are edited, as the line of code that names them."""
    return f"names = {sorted({edit.layer.rpartition('/')[2] for edit in edits})!r}\n"


def _replaced(edits: Edits, change: str) -> str:
    """Return code that trains a copy in which the edited layers were changed."""
    return _named(edits) + reconfigure("if layer.name in names:\n" + indent(change, "    "))


_TAKE_OUT = "return keras.layers.Identity(name=layer.name)\n"


def pool_less(edits: Edits = (), *, addresses: str = "") -> Fix:
    """Leave some space to work on."""
    return Fix(
        id="pool-less",
        title="Take out the pooling that has nothing left to pool",
        why="Each 2×2 pooling halves height and width: 16 lasts for four of them (16, 8, 4, 2, 1). One that is given "
        "a single position hands it on as it is, so taking it out changes nothing; a larger input, or one pooling "
        "less further up, leaves maps of 4×4 or more for the layers behind.",
        cost="None for those without effect; larger maps take more time and memory.",
        applicability=_by(edits, Applicability.SAFE),
        code=_replaced(edits, _TAKE_OUT),
        addresses=addresses,
        edits=tuple(edits),
    )


def step_by_one(edits: Edits = (), *, addresses: str = "") -> Fix:
    """No steps where there is nowhere to go."""
    return Fix(
        id="stride-1",
        title="Set the strides to 1 where maps have become small",
        why="Strides of 2 halve the map like a pooling does. On a map of one position they have nothing to skip; "
        "taken back further up they keep space for the kernels behind.",
        cost="Larger maps where it is done further up: more time and memory.",
        applicability=_by(edits),
        code=_replaced(edits, 'config["strides"] = 1\n'),
        addresses=addresses,
        edits=tuple(edits),
    )


def single_position_kernels(edits: Edits = (), *, addresses: str = "") -> Fix:
    """Kernels as large as the map."""
    return Fix(
        id="kernel-1",
        title="Use 1×1 kernels where the map is a single position",
        why="On a 1×1 map a 3×3 kernel meets padding with eight of its nine weights: they multiply zeros, are never "
        "trained, and count in the initializer's fan-in, so that the signal comes out too small. A 1×1 kernel "
        "computes the same.",
        cost="None, but weights that were trained before do not fit any more.",
        applicability=_by(edits),
        code=_replaced(edits, 'config["kernel_size"] = 1\n'),
        addresses=addresses,
        edits=tuple(edits),
    )


def widen_field(*, addresses: str = "") -> Fix:
    """Let the last layer see the object."""
    return Fix(
        id="widen-receptive-field",
        title="Down-sample between the convolutions, or dilate them",
        why="Without strides a 3×3 convolution widens what a unit sees by two pixels. After a down-sampling by 2 each "
        "further one counts double, so the field grows exponentially with the number of stages; dilation does the "
        "same without losing resolution.",
        cost="Coarser maps; dilated convolutions are slower.",
        applicability=Applicability.MANUAL,
        code=build(
            "for filters in (16, 32, 64):\n"
            '    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)\n'
            '    x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)\n'
            "x = keras.layers.GlobalAveragePooling2D()(x)\n"
        ),
        addresses=addresses,
    )


def fewer_stages(*, addresses: str = "") -> Fix:
    """No deeper than the picture is large."""
    return Fix(
        id="fewer-stages",
        title="Take fewer layers, or larger images",
        why="A layer that is given features of the whole image cannot put together larger ones. A shallower network "
        "does as well at less cost, and larger images give the deep layers something to do.",
        cost="Larger images take time and memory with their area.",
        applicability=Applicability.MANUAL,
        code=(
            "core = keras.models.clone_model(model)  # sees each image at its own size\n"
            "size = core.input_shape[1:3]\n"
            'print(f"the model is built for {size}; build it for images twice as large, or with half the layers")\n'
        ),
        addresses=addresses,
    )


def pool_globally(*, addresses: str = "") -> Fix:
    """One number per channel instead of all of them."""
    return Fix(
        id="pool-globally",
        title="Replace Flatten by global average pooling",
        why="Flatten gives every position of every channel weights of its own in the dense layer behind it, most of "
        "the network's numbers. Global average pooling keeps one number per channel: the class does not depend on "
        "where in the image the object is.",
        cost="Where the place of a thing matters (regression of positions), it is lost.",
        applicability=Applicability.MANUAL,
        code=build(
            'x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)\n'
            'x = keras.layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)\n'
            "x = keras.layers.GlobalAveragePooling2D()(x)  # instead of Flatten\n"
            'x = keras.layers.Dense(64, activation="relu")(x)\n'
        ),
        addresses=addresses,
    )


def drop_bias(edits: Edits = (), *, addresses: str = "") -> Fix:
    """One shift is enough."""
    return Fix(
        id="drop-bias",
        title="Leave the bias out before batch normalization (use_bias=False)",
        why="Batch normalization subtracts the mean of each feature, and with it every constant that was added "
        "before; its own β takes the place of the bias.",
        cost="None; weights that were stored with a bias do not fit any more.",
        applicability=_by(edits, Applicability.SAFE),
        code=_replaced(edits, 'config["use_bias"] = False\n'),
        addresses=addresses,
        edits=tuple(edits),
    )


def take_dropout_out(edits: Edits = (), *, addresses: str = "") -> Fix:
    """Not here."""
    return Fix(
        id="take-dropout-out",
        title="Take the dropout out of this place",
        why="Dropout belongs on hidden features, before a layer with weights that can make up for what is missing. "
        "Behind the last weights it strikes out the answer itself, and just before batch normalization it makes the "
        "variance of training and of evaluation differ.",
        cost="Less regularization: put it behind the normalization, or before the last dense layer, if it is needed.",
        applicability=_by(edits, Applicability.SAFE),
        code=(
            _named(edits)
            + "\n\n"
            + change_layers("if layer.name in names:\n" + indent(_TAKE_OUT, " " * 4))
            + compile_and_fit("better")
        ),
        addresses=addresses,
        edits=tuple(edits),
    )


def drop_less(edits: Edits = (), *, rate: float = 0.3, addresses: str = "") -> Fix:
    """A rate that leaves enough."""
    return Fix(
        id="drop-less",
        title=f"Lower the dropout rate to {rate:g}",
        why="Keras' rate is the share that is dropped, not the share that is kept. 0.2 to 0.5 is usual on hidden "
        "layers and 0.2 or less on inputs; at 0.8 a layer works with a fifth of its units.",
        cost="Less regularization.",
        applicability=_by(edits),
        code=_replaced(edits, f'config["rate"] = {rate!r}\n'),
        addresses=addresses,
        edits=tuple(edits),
    )


def drop_channels(*, addresses: str = "") -> Fix:
    """Whole feature maps."""
    return Fix(
        id="drop-channels",
        title="Use SpatialDropout between convolutions",
        why="Neighbours in a feature map are alike, so a dropped number is still there next door. SpatialDropout "
        "drops whole channels.",
        cost="Stronger than dropout at the same rate: begin with half of it.",
        applicability=Applicability.MANUAL,
        code=build(
            'x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)\n'
            "x = keras.layers.SpatialDropout2D(0.1)(x)\n"
            'x = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(x)\n'
            "x = keras.layers.GlobalAveragePooling2D()(x)\n"
        ),
        addresses=addresses,
    )


def normalize_without_batch(*, addresses: str = "") -> Fix:
    """Statistics that do not depend on the batch."""
    return Fix(
        id="normalize-without-batch",
        title="Use group or layer normalization instead",
        why="They take mean and variance over the features of one sample, so that the batch may be as small as "
        "memory wants.",
        cost="At batches of 32 and more batch normalization is usually a little better in convolutional networks.",
        applicability=Applicability.MANUAL,
        code=(
            "def call(layer, *args, **kwargs):\n"
            "    if isinstance(layer, keras.layers.BatchNormalization):\n"
            "        return keras.layers.LayerNormalization(name=layer.name)(*args)\n"
            "    return layer(*args, **kwargs)\n"
            "\n\n"
            "functional = keras.Model(model.inputs, model.outputs)\n"
            "better = keras.models.clone_model(functional, call_function=call)\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


_COMPILE_AGAIN = (
    "model.compile(  # trainable counts only from compile on\n"
    f"    optimizer={SAME_OPTIMIZER},\n"
    "    loss=model.loss,\n"
    '    metrics=["accuracy"],\n'
    ")\n"
)


def train_head(edits: Edits = (), *, addresses: str = "") -> Fix:
    """The new layers are those to be trained."""
    return Fix(
        id="train-head",
        title="Let the new layers train (trainable = True), and compile again",
        why="Pretrained features can stay frozen; the layers behind them were made at random and know nothing until "
        "they are trained. Freeze the backbone before the head is put on it, not the model as a whole.",
        cost="None.",
        applicability=_by(edits),
        code=(
            "nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]\n"
            "model.trainable = True  # reaches down to every layer\n"
            "for layer in nested or model.layers[:-1]:  # what was learned elsewhere stays\n"
            "    layer.trainable = False\n"
        )
        + _COMPILE_AGAIN
        + fit(),
        addresses=addresses,
        edits=tuple(edits),
    )


def freeze_batch_norm(edits: Edits = (), *, addresses: str = "") -> Fix:
    """Keep the statistics that the weights were trained with."""
    return Fix(
        id="freeze-batch-norm",
        title="Freeze batch normalization in the backbone (inference mode)",
        why="The frozen weights around it were trained with its moving mean and variance. Statistics of a few new "
        "batches in their place change every feature. Frozen in Keras means inference mode too. Calling the backbone "
        "with training=False in a functional model does not: fit hands its own training=True on to every layer.",
        cost="None, unless the images are of an altogether different kind.",
        applicability=_by(edits, Applicability.SAFE),
        code=(
            "nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]\n"
            "for layer in (nested[0] if nested else model).layers:\n"
            "    if isinstance(layer, keras.layers.BatchNormalization):\n"
            "        layer.trainable = False\n"
        )
        + _COMPILE_AGAIN
        + fit(),
        addresses=addresses,
        edits=tuple(edits),
    )


def scale_for_backbone(module: str = "resnet", expected: str = "", edits: Edits = (), *, addresses: str = "") -> Fix:
    """What the backbone was trained on."""
    return Fix(
        id="scale-for-backbone",
        title="Scale the images as the backbone expects them",
        why="Pretrained filters and normalization statistics belong to one scale of the input"
        + (f": {expected}" if expected else "")
        + f". keras.applications.{module}.preprocess_input makes it of images from 0 to 255.",
        cost="None; it takes the place of any other scaling of the images.",
        applicability=_by(edits),
        code=(
            f"scale = keras.applications.{module}.preprocess_input  # takes images from 0 to 255\n"
            "factor = 255.0 if np.max(x_train) <= 1.5 else 1.0  # 0 to 1: back to 0 to 255 first\n"
            'x_train = scale(factor * np.array(x_train, dtype="float32"))\n'
            'x_val = scale(factor * np.array(x_val, dtype="float32"))\n' + fit()
        ),
        addresses=addresses,
        edits=tuple(edits),
    )


def let_keras_decide(*, addresses: str = "") -> Fix:
    """Training mode in training only."""
    return Fix(
        id="let-keras-decide",
        title="Call these layers without training=True",
        why="fit, evaluate and predict tell every layer by themselves whether it is being trained. A fixed True also "
        "holds in evaluate and predict: answers are noisy, and batch normalization uses the statistics of whatever "
        "batch it is given.",
        cost="None, unless the noise is wanted (Monte Carlo dropout): then call model(x, training=True) in its place.",
        applicability=Applicability.MANUAL,
        code=(
            "class Classifier(keras.Model):\n"
            "    def __init__(self, classes):\n"
            "        super().__init__()\n"
            "        self.flat = keras.layers.Flatten()\n"
            '        self.hidden = keras.layers.Dense(64, activation="relu")\n'
            "        self.dropout = keras.layers.Dropout(0.5)\n"
            '        self.answer = keras.layers.Dense(classes, activation="softmax")\n'
            "\n"
            "    def call(self, inputs):\n"
            "        x = self.hidden(self.flat(inputs))\n"
            "        return self.answer(self.dropout(x))  # not self.dropout(x, training=True)\n"
            "\n\n"
            "better = Classifier(model.output_shape[-1])\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def remove_penalty(edits: Edits = (), *, addresses: str = "") -> Fix:
    """Nothing but the loss."""
    return Fix(
        id="remove-penalty",
        title="Take the penalty away (kernel_regularizer=None)",
        why="Without it the gradient is that of the loss alone. Bring it back small (1e-4) if training and validation "
        "part.",
        cost="Less protection against overfitting.",
        applicability=_by(edits),
        code=reconfigure('if "kernel_regularizer" in config:\n    config["kernel_regularizer"] = None\n'),
        addresses=addresses,
        edits=tuple(edits),
    )
