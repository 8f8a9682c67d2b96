"""The Keras code of every fix runs, and does what the fix says."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
import pytest

from diagnose.readers import read
from tests.remedies.catalogue import REMEDIES

keras = pytest.importorskip("keras")

pytestmark = [pytest.mark.keras, pytest.mark.long]

CLASSES = 3


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Tracing a graph for two batches takes longer than running them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    """The backbone with random weights: the code is what is tested, not the network."""
    backbone = keras.applications.MobileNetV2
    build = functools.partial(backbone, alpha=0.35)
    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda **k: build(**k | {"weights": None}))


def a_model():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(8, activation="sigmoid", kernel_regularizer="l2", name="hidden")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(8, name="linear")(x)
    outputs = keras.layers.Dense(CLASSES, activation="softmax", name="output")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def namespace():
    rng = np.random.default_rng(0)
    x_train = rng.normal(size=(24, 8, 8, 3)).astype("float32")
    y_train = np.repeat(np.arange(CLASSES), 8)
    x_val = rng.normal(size=(12, 8, 8, 3)).astype("float32")
    y_val = np.repeat(np.arange(CLASSES), 4)
    return {
        "keras": keras, "np": np, "model": a_model(),
        "x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val,
    }  # fmt: skip


def execute(name, names=None, **arguments):
    names = namespace() if names is None else names
    code = re.sub(r"epochs=(3|100)\b", "epochs=1", REMEDIES[name](**arguments).code)  # once is enough to run it
    exec(compile(code, f"<{name}>", "exec"), names)  # noqa: S102
    return names


def rate_of(model):
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


# The effect of some: the rest has to run.


def the_rate_falls(after):
    assert math.isclose(rate_of(after["fresh"]), 0.01, rel_tol=1e-6)
    assert after["fresh"].optimizer.momentum == 0.9


def the_rate_rises(after):
    assert math.isclose(rate_of(after["fresh"]), 1.0, rel_tol=1e-6)


def gradients_are_clipped(after):
    assert after["fresh"].optimizer.clipnorm == 1.0


def the_rate_warms_up(after):
    schedule = after["schedule"]
    assert float(schedule(0)) == 0.0
    assert math.isclose(float(schedule(after["steps"] // 10 or 1)), 0.1, rel_tol=1e-3)
    assert float(schedule(after["steps"])) < 0.01
    assert type(after["fresh"].optimizer._learning_rate).__name__ == "CosineDecay"


def the_rate_decays_slowly(after):
    assert math.isclose(float(after["schedule"](after["steps"])), 0.01, rel_tol=1e-3)


def momentum_falls(after):
    assert math.isclose(after["fresh"].optimizer.momentum, 0.7)


def momentum_is_set(after):
    assert after["fresh"].optimizer.momentum == 0.9


def adam_trains(after):
    assert type(after["fresh"].optimizer).__name__ == "Adam"


def he_initializes(after):
    initializers = {type(layer.kernel_initializer).__name__ for layer in hidden(after)}
    assert initializers == {"HeNormal"}


def glorot_initializes(after):
    initializers = {type(layer.kernel_initializer).__name__ for layer in hidden(after)}
    assert initializers == {"GlorotUniform"}


def hidden(after):
    return [layer for layer in after["better"].layers[:-1] if hasattr(layer, "kernel_initializer")]


def relu_replaces_sigmoid(after):
    assert [layer.activation.__name__ for layer in hidden(after)] == ["relu", "relu", "linear"]
    assert after["better"].layers[-1].activation.__name__ == "softmax"


def leaky_replaces_relu(after):
    assert after["better"].get_layer("conv").activation.__name__ == "leaky_relu"


def relu_replaces_nothing(after):
    assert after["better"].get_layer("linear").activation.__name__ == "relu"


def norms_are_added(after):
    assert kinds(after["better"]).count("BatchNormalization") > kinds(after["model"]).count("BatchNormalization")


def norms_follow(after):
    assert after["better"].get_layer("norm").momentum == 0.9


def sums_are_added(after):
    assert kinds(after["better"]).count("Add") == 4


def units_double(after):
    assert after["better"].get_layer("hidden").units == 16
    assert after["better"].get_layer("conv").filters == 8
    assert after["better"].output_shape[-1] == CLASSES


def units_halve(after):
    assert after["better"].get_layer("hidden").units == 4


def a_layer_is_added(after):
    assert kinds(after["better"]).count("Dense") == kinds(after["model"]).count("Dense") + 1


def dropout_is_added(after):
    assert kinds(after["better"]).count("Dropout") > kinds(after["model"]).count("Dropout")
    assert kinds(after["better"])[-1] == "Dense"


def dropout_halves(after):
    assert after["better"].get_layer("dropout").rate == 0.25


def l2_is_set(after):
    assert math.isclose(float(after["better"].get_layer("linear").kernel_regularizer.l2), 1e-4, rel_tol=1e-5)


def l2_falls(after):
    assert math.isclose(float(after["better"].get_layer("hidden").kernel_regularizer.l2), 1e-3, rel_tol=1e-5)


def l1_is_set(after):
    assert math.isclose(float(after["better"].get_layer("linear").kernel_regularizer.l1), 1e-5, rel_tol=1e-5)


def labels_are_smooth(after):
    assert after["fresh"].loss.label_smoothing == 0.1


def inputs_are_standard(after):
    normal = keras.ops.convert_to_numpy(after["normalize"](after["x_train"]))
    assert abs(normal.mean()) < 1e-3
    assert abs(normal.std() - 1) < 1e-2


def images_change_in_training_only(after):
    images = after["x_train"]
    augmentation = after["augmentation"]
    assert np.array_equal(keras.ops.convert_to_numpy(augmentation(images, training=False)), images)
    assert not np.array_equal(keras.ops.convert_to_numpy(augmentation(images, training=True)), images)


def three_shares_are_scored(after):
    assert set(after["scores"]) == {0.25, 0.5, 1.0}


def twenty_suspects_are_named(after):
    assert len(after["suspects"]) == 20


def rows_stay_together(after):
    before = namespace()
    order = after["order"]
    assert np.array_equal(after["x_train"], before["x_train"][order])
    assert np.array_equal(after["y_train"], before["y_train"][order])


def weights_are_balanced(after):
    assert after["weights"] == {0: 1.0, 1: 1.0, 2: 1.0}


def validation_grows(after):
    assert len(after["x_val"]) == len(after["y_val"]) == 12  # 30 % of 36, rounded up per class
    assert len(after["x_train"]) + len(after["x_val"]) == 36
    assert np.array_equal(np.bincount(after["y_val"]), [4, 4, 4])


def no_copy_is_found(after):
    assert after["leaked"].sum() == 0


def the_lower_half_is_frozen(after):
    layers = after["backbone"].layers
    assert not any(layer.trainable for layer in layers[: after["frozen"]])
    assert layers[-1].trainable
    assert math.isclose(rate_of(after["model"]), 0.01, rel_tol=1e-6)
    assert not after["model"].get_layer("norm").trainable


def three_quarters_are_frozen(after):
    assert not after["model"].get_layer("hidden").trainable
    assert after["model"].get_layer("output").trainable


def only_the_head_trains(after):
    assert len(after["better"].trainable_weights) == 2


def a_softmax_of_three_fits(after):
    assert after["better"].loss == "sparse_categorical_crossentropy"
    assert after["better"].output_shape[-1] == CLASSES


def the_best_weights_are_kept(after):
    assert after["stop"].restore_best_weights
    assert after["stop"].patience == 5


def the_metric_is_sparse(after):
    names = [type(m).__name__ for m in after["model"].metrics[1].metrics]
    assert names == ["SparseCategoricalAccuracy"]


def the_log_has_layer_statistics(after):
    (run,) = read("run.csv")
    weighted = {layer.name for layer in after["model"].layers if layer.weights}
    assert set(run.layers["grad_norm"].layers) == weighted
    assert run.layers["dead_fraction"].layers == ("conv",)
    assert run.layers["saturated_fraction"].layers == ("hidden",)
    assert np.isfinite(run.layers["update_ratio"].values).all()
    assert (run.layers["update_ratio"].values > 0).all()


EFFECTS = {
    "optimizer.lower_learning_rate": the_rate_falls,
    "optimizer.raise_learning_rate": the_rate_rises,
    "optimizer.clip_gradients": gradients_are_clipped,
    "optimizer.warm_up": the_rate_warms_up,
    "optimizer.slower_decay": the_rate_decays_slowly,
    "optimizer.lower_momentum": momentum_falls,
    "optimizer.add_momentum": momentum_is_set,
    "optimizer.use_adam": adam_trains,
    "model.initialize_he": he_initializes,
    "model.initialize_glorot": glorot_initializes,
    "model.use_relu": relu_replaces_sigmoid,
    "model.use_leaky_relu": leaky_replaces_relu,
    "model.add_nonlinearity": relu_replaces_nothing,
    "model.add_batch_norm": norms_are_added,
    "model.batch_norm_momentum": norms_follow,
    "model.add_skip_connections": sums_are_added,
    "model.widen": units_double,
    "model.shrink": units_halve,
    "model.deepen": a_layer_is_added,
    "model.match_output_to_loss": a_softmax_of_three_fits,
    "regularization.add_dropout": dropout_is_added,
    "regularization.lower_dropout": dropout_halves,
    "regularization.add_l2": l2_is_set,
    "regularization.lower_l2": l2_falls,
    "regularization.add_l1": l1_is_set,
    "regularization.label_smoothing": labels_are_smooth,
    "data.standardize_inputs": inputs_are_standard,
    "data.augment": images_change_in_training_only,
    "data.collect_more": three_shares_are_scored,
    "data.check_labels": twenty_suspects_are_named,
    "data.shuffle": rows_stay_together,
    "data.weight_classes": weights_are_balanced,
    "data.enlarge_validation": validation_grows,
    "data.check_duplicates": no_copy_is_found,
    "training.stop_early": the_best_weights_are_kept,
    "training.fix_metric": the_metric_is_sparse,
    "training.monitor_layers": the_log_has_layer_statistics,
    "transfer.use_pretrained": only_the_head_trains,
    "transfer.unfreeze": the_lower_half_is_frozen,
    "transfer.freeze_deeper": three_quarters_are_frozen,
}


@pytest.mark.parametrize("name", REMEDIES)
def test_code_runs_and_does_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after = execute(name)
    effect = EFFECTS.get(name)
    if effect is not None:
        effect(after)


@pytest.mark.parametrize("name", [n for n in REMEDIES if n.partition(".")[0] in ("model", "regularization")])
def test_architectures_change_in_a_sequential_model_of_a_table_too(name):
    names = namespace()
    names["x_train"], names["x_val"] = names["x_train"][:, 0, 0], names["x_val"][:, 0, 0]
    names["model"] = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(CLASSES, "softmax")]
    )
    names["model"].compile(loss="sparse_categorical_crossentropy")
    after = execute(name, names)
    assert (after.get("better") or after["fresh"]).output_shape[-1] == CLASSES


def test_labels_from_one_are_renumbered():
    names = namespace()
    names["y_train"], names["y_val"] = names["y_train"] + 1, names["y_val"] + 1
    after = execute("data.fix_label_range", names)
    assert set(after["y_train"]) == set(after["y_val"]) == {0, 1, 2}


def test_flat_labels_get_the_axis_of_a_single_unit():
    names = namespace()
    names["model"] = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    names["model"].compile(loss="mse")
    after = execute("data.shape_labels", names)
    assert (after["y_train"].shape, after["y_val"].shape) == ((24, 1), (12, 1))


def test_a_yes_or_no_of_logits_is_decided_at_zero():
    names = namespace()
    names["y_train"], names["y_val"] = np.eye(CLASSES)[names["y_train"]], np.eye(CLASSES)[names["y_val"]]
    names["model"].compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    assert execute("training.cut_logits_at_zero", names)["metric"].threshold == 0.0


def test_a_copied_sample_is_found():
    names = namespace()
    names["x_val"][3] = names["x_train"][5]
    assert np.flatnonzero(execute("data.check_duplicates", names)["leaked"]).tolist() == [3]


def test_a_nan_is_found(capsys):
    names = namespace()
    names["x_train"][7, 0, 0, 0] = np.nan
    execute("data.find_non_finite", names)
    assert "x_train: 1 of 24 samples are not finite: [7]" in capsys.readouterr().out


def test_a_known_batch_size_is_used():
    from diagnose.run import Run

    execute("data.smaller_batch", run=Run("run.csv", "keras-csv", config={"batch_size": 528}))


@pytest.mark.parametrize(
    ("labels", "loss", "units"),
    [
        (np.arange(24) % 2, "binary_crossentropy", 1),
        (np.eye(3)[np.arange(24) % 3], "categorical_crossentropy", 3),
        (np.ones((24, 4)), "binary_crossentropy", 4),
        (np.linspace(0.1, 2.3, 24), "huber", 1),
    ],
)
def test_output_and_loss_follow_the_labels(labels, loss, units):
    names = namespace()
    names["y_train"], names["y_val"] = labels, labels[:12]
    after = execute("model.match_output_to_loss", names)
    assert after["better"].loss == loss
    assert after["better"].output_shape[-1] == units
