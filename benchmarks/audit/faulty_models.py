"""Models with one fault each, typed in as people do who do not know yet."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from benchmarks.audit.case import Subject, faulty

X = np.random.default_rng(0).normal(size=(400, 20)).astype("float32")
TWO = (X[:, 0] + X[:, 1] > 0).astype("int32")
THREE = np.digitize(X[:, 0], [-0.4, 0.4]).astype("int32")
TARGET = (30 * X[:, 0] + 200).astype("float32")


def mlp(*last: keras.Layer, inputs: int = 20, hidden: str = "relu") -> keras.Sequential:
    return keras.Sequential([
        layers.Input((inputs,)), layers.Dense(32, activation=hidden), layers.Dense(32, activation=hidden), *last,
    ])  # fmt: skip


def compiled(
    model: keras.Model, loss: object, *, optimizer: object = "adam", metrics: object = ("accuracy",)
) -> keras.Model:
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    return model


# -- outputs and losses ------------------------------------------------------------------------------------------------


@faulty("output-activation-mismatch", "output-units-mismatch")
def softmax_over_one_unit() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="softmax")), "binary_crossentropy"))


@faulty("output-units-mismatch", "output-activation-mismatch")
def one_sigmoid_unit_for_numbered_classes() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="sigmoid")), "sparse_categorical_crossentropy"), (X, THREE))


@faulty("output-activation-mismatch")
def sigmoid_units_with_sparse_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3, activation="sigmoid")), "sparse_categorical_crossentropy"))


@faulty("output-activation-mismatch")
def softmax_and_from_logits() -> Subject:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Subject(compiled(mlp(layers.Dense(3, activation="softmax")), loss))


@faulty("output-activation-mismatch")
def sigmoid_and_from_logits() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(1, activation="sigmoid")), keras.losses.BinaryCrossentropy(from_logits=True))
    )


@faulty("output-activation-mismatch")
def logits_without_from_logits() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3)), "sparse_categorical_crossentropy"))


@faulty("output-activation-mismatch")
def linear_unit_with_binary_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1)), "binary_crossentropy"))


@faulty("output-activation-mismatch")
def relu_before_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3, activation="relu")), "categorical_crossentropy"))


@faulty("output-activation-mismatch")
def tanh_with_binary_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="tanh")), "binary_crossentropy"))


@faulty("output-activation-mismatch")
def sigmoid_for_prices() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="sigmoid")), "mse", metrics=["mae"]), (X, TARGET))


@faulty("output-activation-mismatch")
def relu_for_negative_targets() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="relu")), "mse", metrics=["mae"]), (X, -TARGET / 100))


@faulty("output-activation-mismatch")
def softmax_for_a_regression() -> Subject:
    return Subject(compiled(mlp(layers.Dense(1, activation="softmax")), "mse", metrics=["mae"]), (X, TARGET))


@faulty("output-activation-mismatch", "output-units-mismatch", "label-range")
def softmax_of_many_with_binary_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3, activation="softmax")), "binary_crossentropy"), (X, THREE))


@faulty("output-units-mismatch", "label-range")
def too_few_units_for_the_classes() -> Subject:
    return Subject(compiled(mlp(layers.Dense(2, activation="softmax")), "sparse_categorical_crossentropy"), (X, THREE))


@faulty("output-units-mismatch", "label-range")
def one_hot_labels_with_the_sparse_loss() -> Subject:
    y = keras.utils.to_categorical(THREE)
    return Subject(compiled(mlp(layers.Dense(3, activation="softmax")), "sparse_categorical_crossentropy"), (X, y))


@faulty("output-units-mismatch", "label-range")
def numbered_labels_with_categorical_cross_entropy() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3, activation="softmax")), "categorical_crossentropy"), (X, THREE))


@faulty("output-units-mismatch")
def forgot_to_flatten() -> Subject:
    model = keras.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    images = np.random.default_rng(1).random((200, 8, 8, 1), "float32")
    labels = (images.mean(axis=(1, 2, 3)) * 1000).astype("int32") % 10
    return Subject(compiled(model, "sparse_categorical_crossentropy"), (images, labels))


@faulty("output-units-mismatch")
def an_output_of_another_width_than_the_targets() -> Subject:
    return Subject(compiled(mlp(layers.Dense(3)), "mse", metrics=["mae"]), (X, X[:, :2] * 2))


# -- weights -----------------------------------------------------------------------------------------------------------


def all_begin(initializer: object) -> keras.Model:
    model = keras.Sequential([
        layers.Input((20,)), layers.Dense(32, activation="relu", kernel_initializer=initializer),
        layers.Dense(32, activation="relu", kernel_initializer=initializer),
        layers.Dense(3, activation="softmax", kernel_initializer=initializer),
    ])  # fmt: skip
    return compiled(model, "sparse_categorical_crossentropy")


@faulty("constant-initializer")
def all_weights_zero() -> Subject:
    return Subject(all_begin("zeros"))


@faulty("constant-initializer")
def all_weights_one() -> Subject:
    return Subject(all_begin("ones"))


@faulty("constant-initializer")
def all_weights_a_half() -> Subject:
    return Subject(all_begin(keras.initializers.Constant(0.5)))


@faulty("constant-initializer")
def filters_that_begin_alike() -> Subject:
    model = keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(16, 3, activation="relu", kernel_initializer="ones"),
        layers.MaxPooling2D(), layers.Conv2D(32, 3, activation="relu", kernel_initializer="ones"), layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


def deep(depth: int, activation: str, initializer: object, width: int = 64) -> keras.Model:
    hidden = [layers.Dense(width, activation=activation, kernel_initializer=initializer) for _ in range(depth)]
    model = keras.Sequential([layers.Input((20,)), *hidden, layers.Dense(3, activation="softmax")])
    return compiled(model, "sparse_categorical_crossentropy")


@faulty("initializer-activation-mismatch")
def weights_far_too_large() -> Subject:
    return Subject(deep(6, "relu", keras.initializers.RandomNormal(stddev=1.0), 256))


@faulty("initializer-activation-mismatch")
def weights_far_too_small() -> Subject:
    return Subject(deep(8, "relu", keras.initializers.RandomNormal(stddev=0.001)))


@faulty("initializer-activation-mismatch")
def glorot_in_a_very_deep_relu_stack() -> Subject:
    return Subject(deep(60, "relu", "glorot_uniform"))


@faulty("initializer-activation-mismatch")
def uniform_weights_between_minus_one_and_one() -> Subject:
    return Subject(deep(6, "tanh", keras.initializers.RandomUniform(-1, 1), 128))


# -- activations -------------------------------------------------------------------------------------------------------


@faulty("missing-nonlinearity")
def no_activation_anywhere() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(3, activation="softmax"), hidden="linear"), "sparse_categorical_crossentropy")
    )


@faulty("missing-nonlinearity")
def linear_through_normalization_and_dropout() -> Subject:
    model = keras.Sequential([
        layers.Input((20,)), layers.Dense(64), layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(64),
        layers.BatchNormalization(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("missing-nonlinearity")
def convolutions_without_activation() -> Subject:
    model = keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(16, 3), layers.AveragePooling2D(2), layers.Conv2D(32, 3),
        layers.Flatten(),
        layers.Dense(64), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("missing-nonlinearity")
def a_deep_linear_regression() -> Subject:
    model = keras.Sequential([layers.Input((20,)), layers.Dense(128), layers.Dense(128), layers.Dense(1)])
    return Subject(compiled(model, "mse", metrics=["mae"]))


def ten_or_nothing(x: object) -> object:
    return keras.ops.where(x > 0, 10.0, 0.0)


@faulty("non-differentiable-activation")
def an_activation_that_gives_ten_or_nothing() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(3, activation="softmax"), hidden=ten_or_nothing), "sparse_categorical_crossentropy")
    )


@faulty("non-differentiable-activation")
def signs_as_activation() -> Subject:
    return Subject(
        compiled(
            mlp(layers.Activation(keras.ops.sign), layers.Dense(3, activation="softmax")),
            "sparse_categorical_crossentropy",
        )
    )


@faulty("non-differentiable-activation")
def a_decision_in_the_output_layer() -> Subject:
    model = mlp(layers.Dense(1, activation="sigmoid"), layers.Activation(keras.ops.round))
    return Subject(compiled(model, "binary_crossentropy"))


# -- geometry ----------------------------------------------------------------------------------------------------------


def pyramid(size: int, poolings: int, channels: int = 1) -> keras.Model:
    blocks = [
        layer
        for _ in range(poolings)
        for layer in (layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(padding="same"))
    ]
    model = keras.Sequential([
        layers.Input((size, size, channels)), *blocks, layers.Flatten(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return compiled(model, "sparse_categorical_crossentropy")


@faulty("pooling-collapse")
def six_poolings_of_sixteen_pixels() -> Subject:
    return Subject(pyramid(16, 6))


@faulty("pooling-collapse")
def seven_poolings_of_digits() -> Subject:
    return Subject(pyramid(28, 7))


@faulty("pooling-collapse")
def strides_that_leave_one_pixel_for_most_layers() -> Subject:
    blocks = [layers.Conv2D(32, 3, strides=4, padding="same", activation="relu") for _ in range(3)]
    rest = [layers.Conv2D(64, 3, padding="same", activation="relu") for _ in range(5)]
    model = keras.Sequential([
        layers.Input((32, 32, 3)), *blocks, *rest, layers.Flatten(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("receptive-field")
def one_by_one_convolutions_that_see_no_neighbour() -> Subject:
    model = keras.Sequential([
        layers.Input((64, 64, 3)), layers.Conv2D(32, 1, activation="relu"), layers.Conv2D(64, 1, activation="relu"),
        layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("receptive-field")
def two_small_convolutions_on_large_pictures() -> Subject:
    model = keras.Sequential([
        layers.Input((224, 224, 3)), layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"),
        layers.GlobalMaxPooling2D(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


# -- capacity, regularization, batches ---------------------------------------------------------------------------------


@faulty("excess-capacity")
def millions_of_weights_for_a_hundred_pictures() -> Subject:
    model = keras.Sequential([
        layers.Input((64, 64, 3)), layers.Flatten(), layers.Dense(1024, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    images = np.random.default_rng(2).random((100, 64, 64, 3), "float32")
    return Subject(
        compiled(model, "sparse_categorical_crossentropy"), (images, (images[:, 0, 0, 0] > 0.5).astype("int32"))
    )


@faulty("excess-capacity")
def a_huge_network_for_iris() -> Subject:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 120)
    x = (rng.normal(size=(120, 4)) + y[:, None]).astype("float32")
    hidden = [layers.Dense(2048, activation="relu") for _ in range(4)]
    model = keras.Sequential([layers.Input((4,)), *hidden, layers.Dense(3, activation="softmax")])
    return Subject(compiled(model, "sparse_categorical_crossentropy"), (x, y))


@faulty("bias-before-batch-norm", is_info=True)
def a_bias_that_normalization_takes_away() -> Subject:
    model = keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(16, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("misplaced-dropout")
def dropout_behind_the_output() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(3, activation="softmax"), layers.Dropout(0.5)), "sparse_categorical_crossentropy")
    )


@faulty("misplaced-dropout")
def nearly_everything_dropped() -> Subject:
    return Subject(
        compiled(mlp(layers.Dropout(0.95), layers.Dense(3, activation="softmax")), "sparse_categorical_crossentropy")
    )


@faulty("misplaced-dropout")
def dropout_between_the_last_layer_and_its_softmax() -> Subject:
    model = mlp(layers.Dense(3), layers.Dropout(0.5), layers.Softmax())
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("large-batch")
def all_samples_in_one_batch() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(3, activation="softmax")), "sparse_categorical_crossentropy"), (X, THREE), 400
    )


@faulty("large-batch")
def batch_normalization_with_one_sample() -> Subject:
    model = mlp(layers.BatchNormalization(), layers.Dense(3, activation="softmax"))
    return Subject(compiled(model, "sparse_categorical_crossentropy"), (X, THREE), 1)


@faulty("dominant-regularization")
def a_penalty_that_drowns_the_loss() -> Subject:
    penalty = keras.regularizers.L2(5.0)
    model = keras.Sequential([
        layers.Input((20,)), layers.Dense(128, activation="relu", kernel_regularizer=penalty),
        layers.Dense(128, activation="relu", kernel_regularizer=penalty), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("missing-clipping")
def a_deep_recurrent_net_at_a_high_rate() -> Subject:
    model = keras.Sequential([
        layers.Input((500, 8)), layers.SimpleRNN(64, return_sequences=True),
        layers.SimpleRNN(64, return_sequences=True),
        layers.SimpleRNN(64), layers.Dense(1),
    ])  # fmt: skip
    return Subject(compiled(model, "mse", optimizer=keras.optimizers.SGD(0.1, momentum=0.9), metrics=["mae"]))


class AlwaysDropping(keras.Model):
    """Drops units in whatever mode it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop = layers.Dense(64, activation="relu"), layers.Dropout(0.5)
        self.end = layers.Dense(3, activation="softmax")

    def call(self, x: object) -> object:
        return self.end(self.drop(self.hidden(x), training=True))


class AlwaysTurning(keras.Model):
    """Augments its pictures in whatever mode it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.flip, self.turn = layers.RandomFlip(), layers.RandomRotation(0.2)
        self.features, self.flat = layers.Conv2D(16, 3, activation="relu"), layers.Flatten()
        self.scale, self.end = layers.Rescaling(1 / 255), layers.Dense(10, activation="softmax")

    def call(self, x: object) -> object:
        x = self.turn(self.flip(x, training=True), training=True)
        return self.end(self.flat(self.features(self.scale(x))))


@faulty("training-mode-fixed")
def dropout_that_is_always_on() -> Subject:
    model = AlwaysDropping()
    model(X[:1])
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("training-mode-fixed", "augmented-evaluation")
def augmentation_that_is_always_on() -> Subject:
    model = AlwaysTurning()
    model(np.zeros((1, 32, 32, 3), "float32"))
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


# -- transfer ----------------------------------------------------------------------------------------------------------


def transfer(
    backbone: keras.Model, *before: keras.Layer, rate: float = 1e-3, training: bool | None = False
) -> keras.Model:
    inputs = keras.Input((96, 96, 3))
    x = inputs
    for layer in before:
        x = layer(x)
    x = backbone(x, training=training) if training is not None else backbone(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
    return compiled(model, "sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(rate))


def mobilenet() -> keras.Model:
    return keras.applications.MobileNetV2(input_shape=(96, 96, 3), include_top=False, weights=None)


@faulty("frozen-head")
def everything_is_frozen() -> Subject:
    model = transfer(mobilenet(), layers.Rescaling(1 / 127.5, -1))
    model.trainable = False
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("frozen-head")
def a_new_head_that_does_not_learn() -> Subject:
    model = transfer(mobilenet(), layers.Rescaling(1 / 127.5, -1))
    model.layers[-1].trainable = False
    return Subject(compiled(model, "sparse_categorical_crossentropy"))


@faulty("unfrozen-batch-norm")
def a_frozen_backbone_in_training_mode() -> Subject:
    backbone = mobilenet()
    for layer in backbone.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
    return Subject(transfer(backbone, layers.Rescaling(1 / 127.5, -1), training=True))


@faulty("fine-tuning-rate")
def fine_tuning_at_the_rate_of_a_new_net() -> Subject:
    backbone = mobilenet()
    for layer in backbone.layers[:-30]:
        layer.trainable = False
    return Subject(transfer(backbone, layers.Rescaling(1 / 127.5, -1), rate=1e-2))


@faulty("backbone-preprocessing")
def pixels_scaled_for_a_backbone_that_scales_itself() -> Subject:
    backbone = keras.applications.EfficientNetB0(input_shape=(96, 96, 3), include_top=False, weights=None)
    backbone.trainable = False
    return Subject(transfer(backbone, layers.Rescaling(1 / 255)))


@faulty("backbone-preprocessing")
def zero_to_one_for_vgg() -> Subject:
    backbone = keras.applications.VGG16(input_shape=(96, 96, 3), include_top=False, weights=None)
    backbone.trainable = False
    return Subject(transfer(backbone, layers.Rescaling(1 / 255)))


# -- what one batch tells ----------------------------------------------------------------------------------------------


@faulty("gradient-scale", "vanishing-gradient")
def twelve_sigmoid_layers() -> Subject:
    return Subject(deep(12, "sigmoid", "glorot_uniform"), (X, THREE), 32, dry_run=True)


@faulty("gradient-scale", "non-differentiable-activation")
def weights_that_get_no_gradient() -> Subject:
    inputs = keras.Input((20,))
    x = layers.Dense(64, activation="relu")(inputs)
    x = keras.ops.stop_gradient(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    return Subject(compiled(model, "sparse_categorical_crossentropy"), (X, THREE), 32, dry_run=True)


@faulty("initial-loss", "unscaled-inputs")
def a_first_loss_in_the_thousands() -> Subject:
    return Subject(
        compiled(mlp(layers.Dense(3, activation="softmax")), "sparse_categorical_crossentropy"),
        (X * 5e4, THREE),
        32,
        dry_run=True,
    )


@faulty("cannot-run", "output-units-mismatch")
def labels_that_the_loss_cannot_take() -> Subject:
    model = compiled(mlp(layers.Dense(3, activation="softmax")), "categorical_crossentropy")
    return Subject(model, (X, np.repeat(THREE[:, None], 5, axis=1)), 32, dry_run=True)


@faulty("one-batch-fit")
def a_rate_at_which_nothing_moves() -> Subject:
    model = compiled(
        mlp(layers.Dense(3, activation="softmax")),
        "sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(1e-9),
    )
    return Subject(model, (X, THREE), 32, dry_run=True)
