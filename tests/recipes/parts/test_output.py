"""The end of a network fits its task, and a misfit is told in a line."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from recipes.config import Config  # noqa: E402
from recipes.errors import ConfigError  # noqa: E402
from recipes.parts import output  # noqa: E402
from recipes.task import Kind  # noqa: E402
from tests.recipes.made_facts import IMBALANCED, TASKS, facts  # noqa: E402

pytestmark = pytest.mark.keras

KINDS = (Kind.BINARY, Kind.MULTICLASS, Kind.MULTILABEL, Kind.REGRESSION)


def config(**values: object) -> Config:
    return Config(recipe="mlp").replace({path.replace("__", "."): value for path, value in values.items()})


def network(kind: Kind, **values: object):
    inputs = keras.Input((4,))
    return keras.Model(inputs, output.output_layer(inputs, config(**values), facts(kind)))


def value(loss, y, predicted) -> float:
    return float(loss(np.asarray(y, dtype="float32"), np.asarray(predicted, dtype="float32")))


# Output


@pytest.mark.parametrize(
    ("kind", "units", "activation"),
    [
        (Kind.BINARY, 1, "sigmoid"),
        (Kind.MULTICLASS, 3, "softmax"),
        (Kind.MULTILABEL, 4, "sigmoid"),
        (Kind.REGRESSION, 2, "linear"),
    ],
)
def test_units_and_activation_follow_from_the_task(kind, units, activation):
    layer = network(kind).get_layer("output")
    assert (layer.units, layer.activation.__name__) == (units, activation)
    assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)


def test_the_output_is_float32_in_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert network(Kind.MULTICLASS).output.dtype == "float32"
        keras.config.set_dtype_policy("float64")
        assert network(Kind.MULTICLASS).output.dtype == "float64"
    finally:
        keras.config.set_dtype_policy(before)


def test_initializer_and_penalty_hold_for_the_output_too():
    layer = network(Kind.BINARY, model__kernel_initializer="zeros", regularization__l2=0.01).get_layer("output")
    assert isinstance(layer.kernel_initializer, keras.initializers.Zeros)
    assert layer.kernel_regularizer.l2 == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("kind", "activation", "fitting"),
    [
        (Kind.BINARY, "softmax", "sigmoid"),  # of one unit it is always 1
        (Kind.BINARY, "linear", "sigmoid"),
        (Kind.MULTICLASS, "linear", "softmax or sigmoid"),
        (Kind.MULTILABEL, "softmax", "sigmoid"),
        (Kind.REGRESSION, "sigmoid", "linear"),
    ],
)
def test_an_activation_that_does_not_fit_the_task(kind, activation, fitting):
    with pytest.raises(ConfigError, match=f"model.output_activation: {activation} does not fit .* {fitting} does"):
        network(kind, model__output_activation=activation)


def test_an_activation_that_does_not_fit_the_loss():
    with pytest.raises(ConfigError, match="sigmoid does not fit the loss categorical_crossentropy"):
        network(Kind.MULTICLASS, model__output_activation="sigmoid", model__loss="categorical_crossentropy")


# Loss


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.BINARY, "BinaryCrossentropy"),
        (Kind.MULTICLASS, "SparseCategoricalCrossentropy"),
        (Kind.MULTILABEL, "BinaryCrossentropy"),
        (Kind.REGRESSION, "MeanSquaredError"),
    ],
)
def test_auto_is_the_loss_of_the_task(kind, expected):
    assert type(output.loss(config(), facts(kind))).__name__ == expected


FITTING = [
    *[(kind, name) for kind in KINDS[:3] for name in ("binary_crossentropy", "binary_focal_crossentropy")],
    (Kind.MULTICLASS, "categorical_crossentropy"),
    (Kind.MULTICLASS, "categorical_focal_crossentropy"),
    (Kind.MULTICLASS, "sparse_categorical_crossentropy"),
    *[(Kind.REGRESSION, name) for name in ("mse", "mae", "huber", "log_cosh")],
]


@pytest.mark.parametrize(("kind", "name"), FITTING)
def test_a_loss_that_fits_is_keras_own(kind, name):
    loss = output.loss(config(model__loss=name), facts(kind))
    assert keras.saving.get_registered_name(type(loss)) == type(loss).__name__
    assert np.isfinite(value(loss, [[0.0, 1.0]] if "sparse" not in name else [1], [[0.3, 0.7]]))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.BINARY, "mse"),
        (Kind.BINARY, "categorical_crossentropy"),
        (Kind.MULTICLASS, "mae"),
        (Kind.MULTILABEL, "sparse_categorical_crossentropy"),
        (Kind.REGRESSION, "binary_crossentropy"),
    ],
)
def test_a_loss_that_does_not_fit_the_task(kind, name):
    with pytest.raises(ConfigError, match=f"model.loss: {name} does not fit a {kind} task; it takes ") as error:
        output.loss(config(model__loss=name), facts(kind))
    told = str(error.value).rpartition("takes ")[2].split(", ")
    assert set(told) == {fitting for task, fitting in FITTING if task is kind}


def test_each_class_against_the_rest():
    """A sigmoid for each of several classes, with binary cross-entropy: one of the two settings is enough."""
    for chosen in (config(model__output_activation="sigmoid"), config(model__loss="binary_crossentropy")):
        assert type(output.loss(chosen, facts(Kind.MULTICLASS))) is keras.losses.BinaryCrossentropy
        assert output.is_one_hot(chosen, TASKS[Kind.MULTICLASS])
    assert network(Kind.MULTICLASS, model__loss="binary_crossentropy").get_layer("output").activation is (
        keras.activations.sigmoid
    )


def test_smoothed_labels_share_out_their_part():
    """Of K classes each gets smoothing / K, the true one keeps the rest."""
    loss = output.loss(config(regularization__label_smoothing=0.3), facts(Kind.MULTICLASS))
    predicted = np.array([[0.7, 0.2, 0.1]])
    expected = -np.sum([0.8, 0.1, 0.1] * np.log(predicted))
    assert value(loss, [[1, 0, 0]], predicted) == pytest.approx(expected, rel=1e-5)


def test_smoothed_labels_of_two_classes():
    loss = output.loss(config(regularization__label_smoothing=0.2), facts(Kind.BINARY))
    assert value(loss, [[1]], [[0.7]]) == pytest.approx(-0.9 * np.log(0.7) - 0.1 * np.log(0.3), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "name"), [(Kind.MULTICLASS, "sparse_categorical_crossentropy"), (Kind.REGRESSION, "auto")]
)
def test_labels_that_cannot_be_smoothed(kind, name):
    with pytest.raises(ConfigError, match=r"smooth"):
        output.loss(config(model__loss=name, regularization__label_smoothing=0.1), facts(kind))


# Form of the targets


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"regularization__label_smoothing": 0.1}, True),
        ({"data__mixing": "mixup"}, True),
        ({"model__loss": "categorical_crossentropy"}, True),
        ({"model__loss": "categorical_focal_crossentropy"}, True),
        ({"model__loss": "sparse_categorical_crossentropy"}, False),
    ],
)
def test_several_classes_are_one_hot_where_the_loss_needs_it(values, expected):
    assert output.is_one_hot(config(**values), TASKS[Kind.MULTICLASS]) is expected


def test_imbalanced_classes_are_one_hot_for_their_f1():
    assert output.is_one_hot(config(), IMBALANCED[Kind.MULTICLASS])
    sparse = config(model__loss="sparse_categorical_crossentropy")
    assert not output.is_one_hot(sparse, IMBALANCED[Kind.MULTICLASS])


@pytest.mark.parametrize("kind", [Kind.BINARY, Kind.MULTILABEL, Kind.REGRESSION, Kind.DETECTION])
def test_nothing_else_is_one_hot(kind):
    assert not output.is_one_hot(config(data__mixing="mixup"), TASKS[kind])


def test_classes_are_encoded_by_nothing():
    assert output.encode(config(), facts(Kind.MULTICLASS)) is None
    assert output.encode(config(), facts(Kind.BINARY)) is None


def test_two_imbalanced_classes_get_an_axis():
    encode = output.encode(config(), facts(IMBALANCED[Kind.BINARY]))
    assert encode(np.array([0.0, 1.0])).shape == (2, 1)


def test_targets_of_a_regression_are_standardized_and_predictions_are_back_in_units():
    y = np.array([[150.0, -2.0], [227.0, -2.5]])
    encoded = output.encode(config(), facts(Kind.REGRESSION))(y)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, [[0, 0], [1, -1]], atol=1e-6)
    inputs = keras.Input((2,))
    identity = keras.Model(inputs, keras.layers.Identity()(inputs), name="mlp")
    decoded = output.decoded(identity, facts(Kind.REGRESSION))
    np.testing.assert_allclose(decoded(encoded), y, rtol=1e-6)
    assert decoded.name == "mlp"


def test_a_target_that_never_varies_keeps_its_scale():
    constant = facts(output.Task(Kind.REGRESSION, ("y",), (), (3.0,), (0.0,)))
    np.testing.assert_array_equal(output.encode(config(), constant)(np.array([[3.0], [4.0]])), [[0.0], [1.0]])


def test_predictions_of_classes_have_no_units():
    model = network(Kind.BINARY)
    assert output.decoded(model, facts(Kind.BINARY)) is model


# Metrics


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (TASKS[Kind.BINARY], ["accuracy"]),
        (TASKS[Kind.MULTICLASS], ["accuracy"]),
        (IMBALANCED[Kind.BINARY], ["accuracy", "precision", "recall", "f1"]),
        (IMBALANCED[Kind.MULTICLASS], ["accuracy", "precision", "recall", "f1"]),
        (TASKS[Kind.MULTILABEL], ["binary_accuracy", "f1"]),
        (TASKS[Kind.REGRESSION], ["mae", "r2"]),
    ],
)
def test_metrics_by_task(task, names):
    assert [metric.name for metric in output.metrics(config(), facts(task))] == names


def test_scores_of_imbalanced_classes_are_scikit_learns():
    scores = pytest.importorskip("sklearn.metrics")
    y, predicted = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 2, 2, 0])
    precision, recall, f1, _ = scores.precision_recall_fscore_support(y, predicted, average="macro")
    found = {}
    for metric in output.metrics(config(), facts(IMBALANCED[Kind.MULTICLASS])):
        metric.update_state(np.eye(3)[y], np.eye(3)[predicted] * 0.4 + 0.2)
        found[metric.name] = float(metric.result())
    expected = {"accuracy": 0.625, "precision": precision, "recall": recall, "f1": f1}
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_class_with_most_of_a_mixture_is_the_true_one():
    found = {}
    for metric in output.metrics(config(data__mixing="mixup"), facts(IMBALANCED[Kind.BINARY])):
        metric.update_state(np.array([[0.9], [0.6], [0.4], [0.2]]), np.array([[0.7], [0.3], [0.8], [0.1]]))
        found[metric.name] = float(metric.result())
    assert found == pytest.approx({"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5}, abs=1e-3)


def test_metrics_of_mixtures_start_over_and_can_be_saved():
    metric = output.metrics(config(data__mixing="cutmix"), facts(Kind.MULTICLASS))[0]
    metric.update_state(np.array([[0.5, 0.3, 0.2]]), np.array([[0.0, 1.0, 0.0]]))
    assert float(metric.result()) == 0
    metric.reset_state()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    for each in (metric, again):
        each.update_state(np.array([[0.5, 0.3, 0.2]]), np.array([[0.9, 0.1, 0.0]]))
        assert (each.name, float(each.result())) == ("accuracy", 1)


def test_r2_of_always_answering_the_mean_is_zero_and_so_is_what_the_loss_gains():
    y = np.random.default_rng(0).normal(150, 77, (200, 1))
    task = output.Task(Kind.REGRESSION, ("y",), (), (float(y.mean()),), (float(y.std()),))
    encoded = output.encode(config(), facts(task))(y)
    r2 = output.metrics(config(), facts(task))[1]
    r2.update_state(encoded, np.zeros_like(encoded))
    assert float(r2.result()) == pytest.approx(0, abs=1e-5)
    assert value(output.loss(config(), facts(task)), encoded, np.zeros_like(encoded)) == pytest.approx(1, rel=1e-5)
