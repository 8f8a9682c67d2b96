"""Remedies in the data: scale, amount, labels, balance, split, batch size."""

from __future__ import annotations

from diagnose.fix import Applicability, Change, Fix
from diagnose.remedies import settings
from diagnose.remedies.snippets import SAME_OPTIMIZER, compile_and_fit
from diagnose.run import Run

_BATCH_LOW, _BATCH_HIGH = 4.0, 4096.0

_NEW_SPLIT = (
    "x = np.concatenate([x_train, x_val])\n"
    "y = np.concatenate([y_train, y_val])\n"
    "rng = np.random.default_rng(0)\n"
    "held_out = np.zeros(len(x), dtype=bool)\n"
    "for label in np.unique(y):  # the same share of every class\n"
    "    rows = rng.permutation(np.flatnonzero(np.ravel(y) == label))\n"
    "    held_out[rows[: max(1, round({share} * len(rows)))]] = True\n"
    "x_train, y_train, x_val, y_val = x[~held_out], y[~held_out], x[held_out], y[held_out]\n"
)


def _train_anew() -> str:
    clone = "fresh = keras.models.clone_model(model)  # new weights: training starts anew\n"
    return clone + compile_and_fit("fresh")


def standardize_inputs(*, addresses: str = "") -> Fix:
    """Mean 0, deviation 1."""
    return Fix(
        id="standardize-inputs",
        title="Standardize the inputs (mean 0, standard deviation 1)",
        why="Inputs that are large or of very different scales make the gradient large in some directions "
        "and tiny in others, so that no learning rate fits all, and drive sigmoid and tanh units into "
        "saturation.",
        cost="None; the statistics must come from the training data alone and be applied to every split.",
        applicability=Applicability.SAFE,
        changes=(Change("data.standardize", "set", True),),
        code=(
            "normalize = keras.layers.Normalization()\n"
            "normalize.adapt(x_train)  # training data only\n"
            "core = keras.models.clone_model(model)  # new weights\n"
            "inputs = keras.Input(x_train.shape[1:])\n"
            "better = keras.Model(inputs, core(normalize(inputs)))\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def augment(*, addresses: str = "") -> Fix:
    """More data from what there is."""
    return Fix(
        id="augment",
        title="Augment the training images",
        why="Each epoch shows changed copies, so that samples cannot be learnt by heart. Families: geometric "
        "(flip, rotate, crop, translate), colour (brightness, contrast, saturation), noise, occlusion and "
        "random erasing, mixing (mixup, CutMix). Take only those that leave the label true.",
        cost="Slower epochs and slower convergence; the training loss rises. Never on validation or test data.",
        changes=(Change("data.augmentation", "add", 0.3, low=0.0, high=1.0),),
        code=(
            "augmentation = keras.Sequential(  # active in training only\n"
            "    [\n"
            '        keras.layers.RandomFlip("horizontal"),\n'
            "        keras.layers.RandomRotation(0.05),\n"
            "        keras.layers.RandomTranslation(0.1, 0.1),\n"
            "        keras.layers.RandomContrast(0.2),\n"
            "        keras.layers.GaussianNoise(0.01),\n"
            "    ]\n"
            ")\n"
            "core = keras.models.clone_model(model)  # new weights\n"
            "inputs = keras.Input(x_train.shape[1:])  # images: height x width x channels\n"
            "better = keras.Model(inputs, core(augmentation(inputs)))\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def collect_more(*, addresses: str = "") -> Fix:
    """More samples."""
    return Fix(
        id="collect-more-data",
        title="Collect more training data",
        why="More samples are what closes the gap between training and validation most surely. Whether it is "
        "worth the work shows in the learning curve over data: where validation still improves from half of "
        "the data to all of it, more will help.",
        cost="Work, and money for labels; check augmentation and a pretrained backbone first.",
        applicability=Applicability.MANUAL,
        code=(
            "scores = {}\n"
            "for share in (0.25, 0.5, 1.0):\n"
            "    rows = np.random.default_rng(0).permutation(len(x_train))[: int(share * len(x_train))]\n"
            "    fresh = keras.models.clone_model(model)\n"
            f"    fresh.compile(optimizer={SAME_OPTIMIZER}, loss=model.loss)\n"
            "    fresh.fit(x_train[rows], y_train[rows], epochs=3, verbose=0)\n"
            "    scores[share] = fresh.evaluate(x_val, y_val, verbose=0)\n"
            "print(scores)  # validation loss by share of the data: still falling?\n"
        ),
        addresses=addresses,
    )


def check_labels(*, addresses: str = "") -> Fix:
    """Look at the samples whose labels the model believes least."""
    return Fix(
        id="check-labels",
        title="Check the labels against the inputs",
        why="Labels that are wrong, shifted against the inputs or shuffled cannot be learnt: the loss stays "
        "at chance level, or the network learns the errors by heart. The samples whose given label the model "
        "thinks least likely are where to look first.",
        cost="An hour of looking at samples.",
        applicability=Applicability.MANUAL,
        code=(
            "labels = np.ravel(y_train).astype(int)\n"
            "print(len(x_train), len(y_train), dict(zip(*np.unique(labels, return_counts=True))))\n"
            "belief = model.predict(x_train)[np.arange(len(labels)), labels]\n"
            "suspects = np.argsort(belief)[:20]  # look at these samples\n"
            "print(suspects, labels[suspects])\n"
        ),
        addresses=addresses,
    )


def fix_label_range(*, addresses: str = "") -> Fix:
    """Labels 0 to K - 1."""
    return Fix(
        id="fix-label-range",
        title="Number the labels from 0 to K - 1",
        why="Integer labels must be 0 to K - 1 for K output units (0 and 1 for one sigmoid unit). Labels "
        "such as 1 to K, -1 and 1, or 0 to 255 make cross-entropy negative, NaN, or blind to a class.",
        cost="None; keep the list of names to translate predictions back.",
        applicability=Applicability.MANUAL,
        code=(
            "names, labels = np.unique(np.ravel(y_train), return_inverse=True)\n"
            'y_train = labels.astype("int64")\n'
            "y_val = np.searchsorted(names, np.ravel(y_val))  # each label of y_val must be in names\n"
            'print(f"{len(names)} classes, {model.output_shape[-1]} output units")\n'
        )
        + _train_anew(),
        addresses=addresses,
    )


def shape_labels(*, addresses: str = "") -> Fix:
    """Labels in the axes of the output."""
    return Fix(
        id="shape-labels",
        title="Give the labels the shape of the output",
        why="Labels of shape (n,) minus outputs of shape (n, 1) are n times n differences: each output is drawn to the "
        "mean of all labels. Losses of Keras' bring the two to one shape, a loss of your own does not.",
        cost="None; or reshape y_true in the loss.",
        applicability=Applicability.MANUAL,
        code=(
            "shape = model.output_shape[1:]\n"
            "if np.size(y_train) == len(y_train) * np.prod(shape):  # the same numbers, in other axes\n"
            "    y_train = np.reshape(y_train, (len(y_train), *shape))\n"
            "    y_val = np.reshape(y_val, (len(y_val), *shape))\n"
        )
        + _train_anew(),
        addresses=addresses,
    )


def shuffle(*, addresses: str = "") -> Fix:
    """Mix the samples."""
    return Fix(
        id="shuffle",
        title="Shuffle the training data before every epoch",
        why="Sorted data gives batches of one class each: every step undoes the one before it, and the loss "
        "swings in the rhythm of the batches. Mini-batches must be drawn at random; only full-batch gradient "
        "descent has nothing to gain from it.",
        cost="None; for tf.data use a shuffle buffer as large as the data set, or mix the files once.",
        applicability=Applicability.SAFE,
        changes=(Change("data.shuffle", "set", True),),
        code=(
            "order = np.random.default_rng(0).permutation(len(x_train))\n"
            "x_train, y_train = x_train[order], y_train[order]  # inputs and labels alike\n"
            "model.fit(x_train, y_train, epochs=3, shuffle=True, validation_data=(x_val, y_val))\n"
        ),
        addresses=addresses,
    )


def weight_classes(*, addresses: str = "") -> Fix:
    """Rare classes count more."""
    return Fix(
        id="weight-classes",
        title="Weight the classes by n / (K · n_k), and judge by F1",
        why="Where one class is rare, always answering the frequent one already gives a good accuracy. "
        "Weights (or resampling) make every class count alike; F1, precision and recall show what accuracy "
        "hides.",
        cost="More false alarms for the rare classes; probabilities are no longer calibrated.",
        changes=(Change("data.class_weight", "set", True),),
        code=(
            "labels, counts = np.unique(y_train, return_counts=True)\n"
            "weights = {int(k): len(y_train) / (len(labels) * n) for k, n in zip(labels, counts)}\n"
            "classes = model.output_shape[-1]\n"
            "fresh = keras.models.clone_model(model)  # new weights\n"
            "fresh.compile(\n"
            '    optimizer="adam",\n'
            '    loss="categorical_crossentropy",\n'
            '    metrics=["accuracy", keras.metrics.F1Score(average="macro")],\n'
            ")\n"
            "fresh.fit(\n"
            "    x_train,\n"
            "    keras.utils.to_categorical(y_train, classes),\n"
            "    epochs=3,\n"
            "    class_weight=weights,\n"
            "    validation_data=(x_val, keras.utils.to_categorical(y_val, classes)),\n"
            ")\n"
        ),
        addresses=addresses,
    )


def enlarge_validation(*, addresses: str = "") -> Fix:
    """Less noise in the measurement."""
    return Fix(
        id="enlarge-validation",
        title="Hold out 30 % of the data for validation",
        why="The noise of a validation score shrinks with the square root of its sample count: with 100 "
        "samples an accuracy is known to about ±10 points, with 1000 to about ±3. A choice between epochs "
        "or models finer than that is a choice among noise.",
        cost="Less data to train on; cross-validation spends time instead of data.",
        applicability=Applicability.MANUAL,
        code=_NEW_SPLIT.format(share=0.3) + _train_anew(),
        addresses=addresses,
    )


def resample_validation(*, addresses: str = "") -> Fix:
    """A validation set like the data it stands for."""
    return Fix(
        id="resample-validation",
        title="Draw the validation set anew, at random and per class",
        why="A validation set that is easier, harder or otherwise unlike training and deployment data "
        "measures the wrong thing. Draw it at random with the same share of each class, from the "
        "distribution that the model will meet; keep samples of one source (patient, video, day) on one "
        "side.",
        cost="Scores cannot be compared with those on the old split.",
        applicability=Applicability.MANUAL,
        code=_NEW_SPLIT.format(share=0.2) + _train_anew(),
        addresses=addresses,
    )


def match_validation_preprocessing(*, addresses: str = "") -> Fix:
    """The same scaling on both sides."""
    return Fix(
        id="match-validation-preprocessing",
        title="Preprocess validation data exactly like training data",
        why="If scaling, colour order or tokenization differ between the splits, the network is tested on "
        "inputs it never saw the like of. Compute the statistics on the training data once and apply the "
        "same to both; augmentation and dropout belong to training only.",
        cost="None.",
        applicability=Applicability.MANUAL,
        code=(
            'for name, x in (("train", x_train), ("validation", x_val)):  # should be much alike\n'
            "    print(name, x.dtype, x.shape[1:], x.min(), x.max(), x.mean(), x.std())\n"
            "normalize = keras.layers.Normalization()\n"
            "normalize.adapt(x_train)  # training data only, then the same for both\n"
            "x_train = keras.ops.convert_to_numpy(normalize(x_train))\n"
            "x_val = keras.ops.convert_to_numpy(normalize(x_val))\n"
        )
        + _train_anew(),
        addresses=addresses,
    )


def _batch_fit(size: int) -> str:
    return _train_anew().replace("epochs=3,", f"epochs=3, batch_size={size},")


def smaller_batch(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Noisier, more frequent steps."""
    size = settings.batch_size(run)
    target = 32 if size is None or size > 32 else max(1, size // 2)
    title = f"Train with smaller batches ({target} samples)"
    if size is not None:
        title = f"Lower the batch size from {size} to {target}"
    return Fix(
        id="smaller-batch",
        title=title,
        why="Small batches (16 to 32) take more steps per epoch, and the noise in their gradients "
        "regularizes and helps to leave plateaus; very large ones take fewer, costlier steps and can "
        "generalize worse.",
        cost="Slower epochs, worse use of the hardware; below about 8 batch normalization suffers.",
        changes=(Change("data.batch_size", "set", target, low=_BATCH_LOW, high=64.0),),
        code=_batch_fit(target),
        addresses=addresses,
    )


def larger_batch(run: Run | None = None, *, addresses: str = "") -> Fix:
    """Calmer steps."""
    size = settings.batch_size(run)
    target = 128 if size is None else 4 * size
    title = f"Train with larger batches ({target} samples)"
    if size is not None:
        title = f"Raise the batch size from {size} to {target}"
    return Fix(
        id="larger-batch",
        title=title,
        why="The noise of the gradient falls with the square root of the batch size, so the loss gets "
        "calmer, the hardware is used better and batch normalization has better statistics.",
        cost="Fewer steps per epoch (raise the learning rate with it), more memory, less of the noise that "
        "regularizes: very large batches can generalize worse.",
        changes=(Change("data.batch_size", "set", target, low=_BATCH_LOW, high=_BATCH_HIGH),),
        code=_batch_fit(target),
        addresses=addresses,
    )


def find_non_finite(split: str = "training", *, addresses: str = "") -> Fix:
    """NaN and infinity in the data."""
    suffix = "val" if split.startswith("val") else "train"
    return Fix(
        id="find-non-finite" if suffix == "train" else "find-non-finite-validation",
        title=f"Look for NaN and infinite values in the {split} data",
        why="A single NaN in inputs or labels makes the loss NaN and, in training, one step later every "
        "weight. Empty cells, divisions by zero and logarithms of zero in the preprocessing bring them in.",
        cost="None; the samples found must be repaired or left out.",
        applicability=Applicability.MANUAL,
        code=(
            f'for name, values in (("x_{suffix}", x_{suffix}), ("y_{suffix}", y_{suffix})):\n'
            '    rows = np.asarray(values, dtype="float64").reshape(len(values), -1)\n'
            "    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))\n"
            '    print(f"{name}: {len(bad)} of {len(rows)} samples are not finite: {bad[:10]}")\n'
        ),
        addresses=addresses,
    )


def check_duplicates(*, addresses: str = "") -> Fix:
    """Samples that are in both splits."""
    return Fix(
        id="check-duplicates",
        title="Remove validation samples that are in the training data too",
        why="A sample that was trained on is no test: copies (or crops, frames and augmented versions) "
        "across the split make validation look better than deployment will be. Split before augmenting, and "
        "by source where samples are related.",
        cost="A smaller validation set, and a lower but true score. Near copies need a look by eye.",
        applicability=Applicability.MANUAL,
        code=(
            "seen = {row.tobytes() for row in np.ascontiguousarray(x_train)}\n"
            "rows = np.ascontiguousarray(x_val, dtype=x_train.dtype)\n"
            "leaked = np.array([row.tobytes() in seen for row in rows])\n"
            'print(f"{leaked.sum()} of {len(x_val)} validation samples are in the training data")\n'
            "if not leaked.all():\n"
            "    print(model.evaluate(x_val[~leaked], y_val[~leaked], return_dict=True))\n"
        ),
        addresses=addresses,
    )


def rescale_pixels(*, addresses: str = "") -> Fix:
    """Pixels between 0 and 1."""
    return Fix(
        id="rescale-pixels",
        title="Bring the pixels from 0..255 to 0..1 in the model's first layer",
        why="The usual initializers expect inputs of a size of about 1. Pixels up to 255 make the first outputs, and "
        "the gradients of the first layer, two orders of magnitude too large. As a layer the scaling is saved "
        "with the model, and the same in training and use.",
        cost="None; a pretrained backbone has a scaling of its own (keras.applications: preprocess_input).",
        applicability=Applicability.SAFE,
        changes=(Change("data.standardize", "set", True),),
        code=(
            "core = keras.models.clone_model(model)  # new weights\n"
            "inputs = keras.Input(x_train.shape[1:])\n"
            "better = keras.Model(inputs, core(keras.layers.Rescaling(1 / 255)(inputs)))\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def compress_tails(*, addresses: str = "") -> Fix:
    """Logarithms of what spans orders of magnitude."""
    return Fix(
        id="compress-tails",
        title="Take logarithms of the features with long tails",
        why="A few values a thousand times larger than the rest decide mean, deviation and gradient; their "
        "logarithm brings them to the scale of the others and keeps the order.",
        cost="None; the same transformation belongs to use. Scale afterwards as usual.",
        applicability=Applicability.MANUAL,
        code=(
            "x_train = np.sign(x_train) * np.log1p(np.abs(x_train))\nx_val = np.sign(x_val) * np.log1p(np.abs(x_val))\n"
        )
        + _train_anew(),
        addresses=addresses,
    )


def drop_constant_features(*, addresses: str = "") -> Fix:
    """Columns without information."""
    return Fix(
        id="drop-constant-features",
        title="Leave out the features that never change",
        why="A feature with one value cannot tell samples apart: it acts as a second bias, and divides by zero where "
        "features are standardized by their deviation.",
        cost="None, unless the feature is going to change in use: then the training data lack it.",
        applicability=Applicability.MANUAL,
        code=(
            "varies = np.ptp(x_train, axis=0) > 0\n"
            'print(f"{np.size(varies) - varies.sum()} of {np.size(varies)} features never change")\n'
            "x_train, x_val = np.where(varies, x_train, 0), np.where(varies, x_val, 0)  # or leave the columns out\n"
        ),
        addresses=addresses,
    )


def impute_missing(*, addresses: str = "") -> Fix:
    """A value for what is missing."""
    return Fix(
        id="impute-missing",
        title="Fill missing values with the training median, and mark them",
        why="A network cannot compute with NaN. The median of the training data disturbs the least, and a column that "
        "says where a value was missing keeps what its absence tells.",
        cost="Imputed values are guesses; features that are mostly missing are better left out.",
        applicability=Applicability.MANUAL,
        code=(
            "is_missing = ~np.isfinite(x_train)\n"
            "known = np.where(is_missing, np.nan, x_train)  # training data only\n"
            "middle = np.nan_to_num(np.nanmedian(known, axis=0))\n"
            "x_train = np.where(is_missing, middle, x_train)\n"
            "x_val = np.where(np.isfinite(x_val), x_val, middle)\n"
        )
        + _train_anew(),
        addresses=addresses,
    )


def scale_targets(*, addresses: str = "") -> Fix:
    """Targets of size one."""
    return Fix(
        id="scale-targets",
        title="Standardize the target, and turn predictions back",
        why="A new output layer answers with numbers of about 1. Targets of thousands make the squared error and its "
        "gradient millions of times larger, and most of the training is spent on growing the last bias.",
        cost="Predictions must be multiplied by the deviation and shifted by the mean again; errors are then in "
        "deviations of the target.",
        applicability=Applicability.MANUAL,
        code=(
            "mean, deviation = np.mean(y_train), np.std(y_train)  # training data only\n"
            "scaled_train, scaled_val = (y_train - mean) / deviation, (y_val - mean) / deviation\n"
            "features = model.layers[-1].input  # what the old output layer was given\n"
            "outputs = keras.layers.Dense(1)(features)\n"
            "better = keras.models.clone_model(keras.Model(model.inputs, outputs))  # new weights\n"
            'better.compile(optimizer="adam", loss="mse", metrics=["mae"])\n'
            "better.fit(x_train, scaled_train, epochs=3, validation_data=(x_val, scaled_val))\n"
            "predictions = better.predict(x_val) * deviation + mean\n"
        ),
        addresses=addresses,
    )


def augment_training_only(*, addresses: str = "") -> Fix:
    """Evaluation on data as they are."""
    return Fix(
        id="augment-training-only",
        title="Augment in the model or the training pipeline, never in validation",
        why="A score on randomly changed data is another one at every reading, and of data that nobody will ask about. "
        "Keras' random layers inside the model act in training only; a pipeline needs one for each split.",
        cost="None; scores cannot be compared with those on augmented data.",
        applicability=Applicability.MANUAL,
        code=(
            "core = keras.models.clone_model(model)  # new weights\n"
            "inputs = keras.Input(x_train.shape[1:])  # images as they are\n"
            'changed = keras.layers.RandomFlip("horizontal")(inputs)  # acts in training only\n'
            "better = keras.Model(inputs, core(changed))\n"
        )
        + compile_and_fit("better"),
        addresses=addresses,
    )


def split_once(*, addresses: str = "") -> Fix:
    """A split that stays as it is."""
    return Fix(
        id="split-once",
        title="Split the data once, before anything is shuffled at each epoch",
        why="tf.data shuffles anew at each reading, so take() and skip() behind shuffle() give other samples in every "
        "epoch: the model has soon been trained on all that it is judged by.",
        cost="None. Within tf.data, shuffle with reshuffle_each_iteration=False before the split.",
        applicability=Applicability.MANUAL,
        code=_NEW_SPLIT.format(share=0.2) + _train_anew(),
        addresses=addresses,
    )


def split_by_time(*, addresses: str = "") -> Fix:
    """Windows of one series on one side, or on the other."""
    return Fix(
        id="split-by-time",
        title="Split the series in time, then cut it into windows",
        why="Windows that overlap have steps in common. Drawn at random, those that are validated on lie between such "
        "as were trained on, and often the target of one is in the input of the next: the score says how well the "
        "model remembers. Cut in time, with a window's length between the parts, or hold out whole series.",
        cost="Scores cannot be compared with those on the old split, and will be lower.",
        applicability=Applicability.MANUAL,
        code=(
            "x = np.concatenate([x_train, x_val])  # here in the order of time, as before the split\n"
            "y = np.concatenate([y_train, y_val])\n"
            "cut, gap = int(0.75 * len(x)), x.shape[1] - 1  # steps that a window shares with those before it\n"
            "x_train, y_train, x_val, y_val = x[:cut], y[:cut], x[cut + gap :], y[cut + gap :]\n"
        )
        + _train_anew(),
        addresses=addresses,
    )


def cross_validate(*, addresses: str = "") -> Fix:
    """Every sample is validated on once."""
    return Fix(
        id="cross-validate",
        title="Cross-validate: judge by the mean of five folds",
        why="With few samples one split says little: which ones fell into it decides the score. Five trainings, each "
        "on four fifths and judged on the rest, use every sample for both, and their spread shows how much to "
        "believe.",
        cost="Five times the training time; for small data that is little.",
        applicability=Applicability.MANUAL,
        code=(
            "x, y = np.concatenate([x_train, x_val]), np.concatenate([y_train, y_val])\n"
            "folds = np.array_split(np.random.default_rng(0).permutation(len(x)), 5)\n"
            "losses = []\n"
            "for fold in folds:\n"
            "    known = np.setdiff1d(np.arange(len(x)), fold)\n"
            "    fresh = keras.models.clone_model(model)  # new weights\n"
            f"    fresh.compile(optimizer={SAME_OPTIMIZER}, loss=model.loss)\n"
            "    fresh.fit(x[known], y[known], epochs=3, verbose=0)\n"
            "    losses.append(fresh.evaluate(x[fold], y[fold], verbose=0))\n"
            'print(f"{np.mean(losses):.3g} +- {np.std(losses) / np.sqrt(len(losses)):.2g}")\n'
        ),
        addresses=addresses,
    )


def compare_splits(*, addresses: str = "") -> Fix:
    """Where time passes, look at what has changed."""
    return Fix(
        id="compare-splits",
        title="Find out what differs between the splits, feature by feature",
        why="Where validation data come later, from another device or from another place, and so does what the model "
        "will meet, the split is honest and the difference is the problem to solve: features that drift (counters, "
        "dates, prices) must be expressed so that they do not.",
        cost="An hour of looking at the features named here.",
        applicability=Applicability.MANUAL,
        code=(
            "train, val = (np.reshape(x, (len(x), -1)) for x in (x_train, x_val))\n"
            "moved = (val.mean(axis=0) - train.mean(axis=0)) / (train.std(axis=0) + 1e-9)\n"
            "for place in np.argsort(-np.abs(moved))[:10]:  # what has moved most, in deviations\n"
            '    print(place, f"{moved[place]:+.2f}", train[:, place].mean(), val[:, place].mean())\n'
        ),
        addresses=addresses,
    )
