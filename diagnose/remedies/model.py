"""Remedies in the architecture: initialization, activations, normalization, size, output."""

from __future__ import annotations

from diagnose.fix import Applicability, Change, Fix
from diagnose.remedies.snippets import build, compile_and_fit, insert, reconfigure


def initialize_he(*, addresses: str = "") -> Fix:
    """He for the ReLU family."""
    return Fix(
        id="initialize-he",
        title="Initialize ReLU layers with He (random, variance 2/fan-in)",
        why="ReLU halves the variance of what passes through; He initialization makes up for that, so that "
        "signals and gradients keep their size through the layers. Being random, it also breaks the symmetry "
        "that constant weights leave.",
        cost="None; for sigmoid, tanh and softmax layers Glorot is the fitting one.",
        applicability=Applicability.SAFE,
        changes=(Change("model.kernel_initializer", "set", "he_normal"),),
        code=reconfigure(
            'if "kernel_initializer" in config:\n'
            '    config.update(kernel_initializer="he_normal", bias_initializer="zeros")\n'
        ),
        addresses=addresses,
    )


def initialize_glorot(*, addresses: str = "") -> Fix:
    """Glorot for sigmoid and tanh."""
    return Fix(
        id="initialize-glorot",
        title="Initialize sigmoid and tanh layers with Glorot (Xavier)",
        why="Glorot initialization (variance 2/(fan-in + fan-out)) keeps sigmoid and tanh units in their "
        "steep middle part, where the gradient is not zero, and being random it breaks the symmetry of "
        "constant weights.",
        cost="None; for the ReLU family He is the fitting one.",
        applicability=Applicability.SAFE,
        changes=(Change("model.kernel_initializer", "set", "glorot_uniform"),),
        code=reconfigure(
            'if "kernel_initializer" in config:\n'
            '    config.update(kernel_initializer="glorot_uniform", bias_initializer="zeros")\n'
        ),
        addresses=addresses,
    )


def use_relu(*, addresses: str = "") -> Fix:
    """No saturation for positive inputs."""
    return Fix(
        id="use-relu",
        title="Use ReLU in the hidden layers, with He initialization",
        why="The derivative of sigmoid is at most 1/4, that of tanh is 1 only at zero, and both vanish where "
        "the unit saturates: through many layers the product shrinks to nothing. ReLU passes the gradient "
        "unchanged wherever its input is positive.",
        cost="Units may die (always zero) at high rates. Outputs are not bounded, so recurrent layers had "
        "better keep tanh.",
        changes=(
            Change("model.activation", "set", "relu"),
            Change("model.kernel_initializer", "set", "he_normal"),
        ),
        code=reconfigure(
            'if config.get("activation") not in (None, "linear"):\n'
            '    config["activation"] = "relu"\n'
            '    if "kernel_initializer" in config:\n'
            '        config["kernel_initializer"] = "he_normal"\n'
        ),
        addresses=addresses,
    )


def use_leaky_relu(*, addresses: str = "") -> Fix:
    """A slope for negative inputs too."""
    return Fix(
        id="use-leaky-relu",
        title="Use leaky ReLU (or PReLU, ELU, swish) in the hidden layers",
        why="Leaky ReLU max(αx, x) keeps a small slope where ReLU has none, so a unit pushed below zero "
        "still gets a gradient and can come back; PReLU learns α, ELU and swish bend smoothly. It lessens "
        "dying, it does not cure vanishing gradients altogether.",
        cost="Activations are no longer sparse; ELU and swish take a little more time per step.",
        changes=(
            Change("model.activation", "set", "leaky_relu"),
            Change("model.kernel_initializer", "set", "he_normal"),
        ),
        code=reconfigure(
            'if config.get("activation") == "relu":\n'
            '    config["activation"] = "leaky_relu"\n'
            '    if "kernel_initializer" in config:\n'
            '        config["kernel_initializer"] = "he_normal"\n'
        ),
        addresses=addresses,
    )


def add_batch_norm(*, addresses: str = "") -> Fix:
    """Normalize between the layers."""
    return Fix(
        id="add-batch-norm",
        title="Add batch normalization after the hidden layers",
        why="It brings every feature to zero mean and unit variance and then learns scale γ and shift β per "
        "feature, so that representation power is kept: signals and gradients keep their size, training is "
        "faster, and the noise of the batches regularizes mildly.",
        cost="More time per step; suffers with very small batches (below about 8); the bias of the layer "
        "just before it becomes redundant.",
        changes=(Change("model.batch_norm", "set", True),),
        code=insert('x = keras.layers.BatchNormalization(name=f"norm_after_{layer.name}")(x)\n'),
        addresses=addresses,
    )


def batch_norm_momentum(*, addresses: str = "") -> Fix:
    """Let the moving averages follow."""
    return Fix(
        id="batch-norm-momentum",
        title="Lower the momentum of batch normalization to 0.9",
        why="Validation uses moving averages of mean and variance. At Keras' momentum of 0.99 they take "
        "hundreds of steps to follow the weights, so with few steps per epoch the validation loss jumps "
        "although the training loss is calm. 0.9 follows ten times faster.",
        cost="The averages are noisier where batches are small.",
        applicability=Applicability.MANUAL,
        code=reconfigure('if isinstance(layer, keras.layers.BatchNormalization):\n    config["momentum"] = 0.9\n'),
        addresses=addresses,
    )


def add_skip_connections(*, addresses: str = "") -> Fix:
    """A short way for the gradient."""
    return Fix(
        id="add-skip-connections",
        title="Add skip connections around pairs of layers",
        why="With y = x + f(x) the gradient reaches the first layers through the sum unchanged, whatever f "
        "does to it: this is what lets networks of a hundred layers train.",
        cost="Both ends need the same shape (a 1×1 convolution or a dense layer mends that); feature maps "
        "are kept in memory for longer.",
        changes=(Change("model.skip_connections", "set", True),),
        code=build(
            "x = keras.layers.Flatten()(x)\n"
            'x = keras.layers.Dense(64, kernel_initializer="he_normal")(x)\n'
            "for _ in range(4):  # blocks of y = x + f(x)\n"
            "    y = keras.layers.BatchNormalization()(x)\n"
            '    y = keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal")(y)\n'
            '    y = keras.layers.Dense(64, kernel_initializer="he_normal")(y)\n'
            "    x = keras.layers.Add()([x, y])\n"
        ),
        addresses=addresses,
    )


def widen(*, addresses: str = "") -> Fix:
    """More units."""
    return Fix(
        id="widen",
        title="Double the width of the hidden layers",
        why="The training loss itself stays high: the network has too few units or filters to represent the "
        "task. Twice the width gives each layer more features to choose from.",
        cost="About four times the weights of the widened layers, more time and memory, more overfitting.",
        changes=(Change("model.width", "multiply", 2.0, low=1.0, high=4096.0),),
        code=reconfigure('for size in ("units", "filters"):\n    if size in config:\n        config[size] *= 2\n'),
        addresses=addresses,
    )


def deepen(*, addresses: str = "") -> Fix:
    """More layers."""
    return Fix(
        id="deepen",
        title="Add one hidden layer",
        why="Depth with non-linear activations composes features into higher ones; a task that needs them "
        "cannot be learnt by a shallow network of reasonable width.",
        cost="More time, and gradients have a longer way: He initialization and, from about ten layers on, "
        "batch normalization or skip connections belong to it.",
        changes=(Change("model.depth", "add", 1.0, low=1.0, high=64.0),),
        code=(
            "deeper = [layer for layer in model.layers[:-1] if isinstance(layer, keras.layers.Dense)][-1:]\n"
            "\n"
            "\n"
            "def call(layer, *args, **kwargs):\n"
            "    x = layer(*args, **kwargs)\n"
            "    if layer.name in {last.name for last in deeper}:  # behind the last hidden dense layer\n"
            "        x = keras.layers.Dense(\n"
            '            layer.units, "relu", kernel_initializer="he_normal", name=f"{layer.name}_deeper"\n'
            "        )(x)\n"
            "    return x\n"
            "\n"
            "\n"
            "# A Sequential model takes no call_function.\n"
            "functional = keras.Model(model.inputs, model.outputs)\n"
            "better = keras.models.clone_model(functional, call_function=call)\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def shrink(*, addresses: str = "") -> Fix:
    """Fewer units."""
    return Fix(
        id="shrink",
        title="Halve the width of the hidden layers",
        why="A network with far more weights than the data can pin down learns the training samples by "
        "heart; a smaller one must find what they have in common.",
        cost="Shrunk too far it underfits. Faster and smaller.",
        changes=(Change("model.width", "multiply", 0.5, low=1.0, high=4096.0),),
        code=reconfigure(
            'for size in ("units", "filters"):\n'
            "    if size in config:\n"
            "        config[size] = max(1, config[size] // 2)\n"
        ),
        addresses=addresses,
    )


def add_nonlinearity(*, addresses: str = "") -> Fix:
    """Make depth count."""
    return Fix(
        id="add-nonlinearity",
        title="Give the hidden layers a non-linear activation (ReLU)",
        why="A stack of linear layers is one linear layer, whatever its depth: only with non-linear "
        "activations between them can a network learn what a straight line cannot separate.",
        cost="None worth naming.",
        changes=(
            Change("model.activation", "set", "relu"),
            Change("model.kernel_initializer", "set", "he_normal"),
        ),
        code=reconfigure(
            'if config.get("activation") == "linear":\n'
            '    config.update(activation="relu", kernel_initializer="he_normal")\n'
        ),
        addresses=addresses,
    )


def fit_output_bias(*, addresses: str = "") -> Fix:
    """The frequencies of the classes as the bias of the output."""
    return Fix(
        id="fit-output-bias",
        title="Set the output bias to the log odds of the classes, or to zero",
        why="A sigmoid gives a share p where its bias is ln(p / (1 - p)), with p the share of ones, and a softmax "
        "gives each class its share where the biases are their logarithms: training then begins at the entropy of the "
        "labels. With the sign, or the order of the classes, turned round it begins far above that of a coin.",
        cost="None.",
        applicability=Applicability.MANUAL,
        code=(
            "better = keras.models.clone_model(model)  # new weights\n"
            "output = better.layers[-1]\n"
            "labels = np.asarray(y_train).reshape(len(y_train), -1)\n"
            "if labels.shape[1] < output.units:  # class numbers\n"
            "    labels = np.eye(output.units)[labels[:, 0].astype(int)]\n"
            "shares = np.clip(labels.mean(axis=0), 1e-3, 1 - 1e-3)\n"
            "is_softmax = output.units > 1 and bool(np.all(labels.sum(axis=1) == 1))\n"
            "output.bias.assign(np.log(shares) if is_softmax else np.log(shares / (1 - shares)))\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def match_output_to_loss(*, addresses: str = "") -> Fix:
    """Output activation, units and loss that belong together."""
    return Fix(
        id="match-output-to-loss",
        title="Make output layer and loss fit each other and the labels",
        why="One sigmoid unit goes with binary cross-entropy (decision at 0.5); K softmax units with "
        "categorical cross-entropy (one-hot labels) or its sparse form (integer labels); K sigmoid units "
        "with binary cross-entropy where several labels may hold; a linear output with MSE, MAE or, as the "
        "compromise that outliers disturb less than MSE, Huber. A softmax over one unit is always 1.",
        cost="None; the network must be trained anew.",
        applicability=Applicability.MANUAL,
        code=(
            "labels = np.asarray(y_train).reshape(len(y_train), -1)\n"
            "if labels.shape[1] > 1:  # one-hot: each row sums to 1; else several labels may hold\n"
            "    one_hot = bool(np.all(labels.sum(axis=1) == 1))\n"
            '    units, activation = labels.shape[1], "softmax" if one_hot else "sigmoid"\n'
            '    loss = "categorical_crossentropy" if one_hot else "binary_crossentropy"\n'
            "elif np.issubdtype(labels.dtype, np.floating) and np.any(labels % 1):  # regression\n"
            '    units, activation, loss = 1, "linear", "huber"\n'
            "elif labels.max() <= 1:  # two classes\n"
            '    units, activation, loss = 1, "sigmoid", "binary_crossentropy"\n'
            "else:  # integer labels of K classes\n"
            '    units, activation = int(labels.max()) + 1, "softmax"\n'
            '    loss = "sparse_categorical_crossentropy"\n'
            "features = model.layers[-1].input  # what the old output layer was given\n"
            "outputs = keras.layers.Dense(units, activation=activation)(features)\n"
            "better = keras.models.clone_model(keras.Model(model.inputs, outputs))  # new weights\n"
            'better.compile(optimizer="adam", loss=loss, metrics=["accuracy"])\n'
            "better.fit(x_train, y_train, epochs=3, validation_data=(x_val, y_val))\n"
        ),
        addresses=addresses,
    )
