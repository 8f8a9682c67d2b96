"""Sound networks: what Keras' own examples and textbooks build, made anew."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from benchmarks.audit.case import Subject, sound
from benchmarks.audit.faulty_data import blobs, pictures, split


def compiled(model: keras.Model, loss: object = "sparse_categorical_crossentropy", rate: float = 1e-3) -> Subject:
    model.compile(keras.optimizers.Adam(rate), loss)
    return Subject(model)


@sound
def a_convolutional_net_for_digits() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]))  # fmt: skip


@sound
def a_logistic_regression() -> Subject:
    model = keras.Sequential([layers.Input((30,)), layers.Dense(1, activation="sigmoid")])
    return compiled(model, "binary_crossentropy")


@sound
def a_linear_regression() -> Subject:
    return compiled(keras.Sequential([layers.Input((13,)), layers.Dense(1)]), "mse")


@sound
def a_house_price_regression() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((13,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1),
    ]), "mse")  # fmt: skip


@sound
def logits_with_from_logits() -> Subject:
    model = keras.Sequential([layers.Input((20,)), layers.Dense(32, activation="relu"), layers.Dense(5)])
    return compiled(model, keras.losses.SparseCategoricalCrossentropy(from_logits=True))


@sound
def several_labels_at_once() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((100,)), layers.Dense(512, activation="relu"), layers.Dense(256, activation="relu"),
        layers.Dense(40, activation="sigmoid"),
    ]), "binary_crossentropy")  # fmt: skip


def residual_block(x: object, filters: int, stride: int) -> object:
    shortcut = x
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    if stride != 1:
        shortcut = layers.BatchNormalization()(layers.Conv2D(filters, 1, stride, use_bias=False)(shortcut))
    return layers.ReLU()(layers.Add()([x, shortcut]))


@sound
def a_residual_net() -> Subject:
    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)))
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        x = residual_block(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return compiled(keras.Model(inputs, layers.Dense(10, activation="softmax")(x)))


@sound
def a_small_xception() -> Subject:
    inputs = keras.Input((180, 180, 3))
    x = layers.Rescaling(1.0 / 255)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(128, 3, strides=2, padding="same")(x)))
    previous = x
    for size in (256, 512, 728):
        x = layers.Activation("relu")(x)
        x = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(x))
        x = layers.Activation("relu")(x)
        x = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(x))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.add([x, layers.Conv2D(size, 1, strides=2, padding="same")(previous)])
        previous = x
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.SeparableConv2D(1024, 3, padding="same")(x)))
    x = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(x))
    return compiled(keras.Model(inputs, layers.Dense(1)(x)), keras.losses.BinaryCrossentropy(from_logits=True))


@sound
def a_u_net() -> Subject:
    inputs = keras.Input((128, 128, 3))
    x, skips = inputs, []
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(256, 3, padding="same", activation="relu")(x)
    for filters, skip in zip((128, 64, 32), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = layers.Concatenate()([x, skip])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return compiled(keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(x)))


@sound
def a_sentiment_classifier() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((None,), dtype="int32"), layers.Embedding(20_000, 128), layers.Dropout(0.5),
        layers.Conv1D(128, 7, strides=3, activation="relu"), layers.Conv1D(128, 7, strides=3, activation="relu"),
        layers.GlobalMaxPooling1D(), layers.Dense(128, activation="relu"), layers.Dropout(0.5),
        layers.Dense(1, activation="sigmoid"),
    ]), "binary_crossentropy")  # fmt: skip


@sound
def a_bidirectional_lstm() -> Subject:
    inputs = keras.Input((200,), dtype="int32")
    x = layers.Embedding(20_000, 128)(inputs)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    return compiled(keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x)), "binary_crossentropy")


@sound
def a_forecast_by_gru() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((120, 14)), layers.GRU(32, recurrent_dropout=0.25, return_sequences=True),
        layers.GRU(32, recurrent_dropout=0.25), layers.Dropout(0.5), layers.Dense(1),
    ]), "mse")  # fmt: skip


def encoder_block(x: object, width: int, heads: int) -> object:
    attended = layers.MultiHeadAttention(heads, width // heads, dropout=0.1)(x, x)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(attended)]))
    fed = layers.Dense(width)(layers.Dense(4 * width, activation="relu")(x))
    return layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(fed)]))


@sound
def a_transformer_classifier() -> Subject:
    inputs = keras.Input((100,), dtype="int32")
    x = encoder_block(layers.Embedding(10_000, 64)(inputs), 64, 4)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    x = layers.Dense(20, activation="relu")(x)
    return compiled(keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Dropout(0.1)(x))))


@sound
def a_vision_transformer() -> Subject:
    inputs = keras.Input((72, 72, 3))
    x = layers.Conv2D(64, 6, strides=6)(layers.Rescaling(1 / 255)(inputs))
    x = layers.Reshape((144, 64))(x)
    for _ in range(6):
        normal = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([layers.MultiHeadAttention(4, 64, dropout=0.1)(normal, normal), x])
        normal = layers.LayerNormalization(epsilon=1e-6)(x)
        wide = layers.Dropout(0.1)(layers.Dense(128, activation="gelu")(normal))
        x = layers.Add()([layers.Dropout(0.1)(layers.Dense(64, activation="gelu")(wide)), x])
    x = layers.Dropout(0.5)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(x)))
    x = layers.Dropout(0.5)(layers.Dense(512, activation="gelu")(x))
    return compiled(
        keras.Model(inputs, layers.Dense(100)(x)), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )


@sound
def an_mlp_mixer() -> Subject:
    inputs = keras.Input((64, 64, 3))
    x = layers.Reshape((64, 128))(layers.Conv2D(128, 8, strides=8)(inputs))
    for _ in range(4):
        mixed = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        mixed = layers.Dense(64)(layers.Dense(64, activation="gelu")(mixed))
        x = layers.Add()([x, layers.Permute((2, 1))(mixed)])
        x = layers.Add()([x, layers.Dense(128)(layers.Dense(256, activation="gelu")(layers.LayerNormalization()(x)))])
    x = layers.GlobalAveragePooling1D()(x)
    return compiled(keras.Model(inputs, layers.Dense(10, activation="softmax")(x)))


@sound
def a_deep_autoencoder() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu"),
        layers.Dense(32, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(128, activation="relu"),
        layers.Dense(784, activation="sigmoid"),
    ]), "binary_crossentropy")  # fmt: skip


@sound
def a_convolutional_autoencoder() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(padding="same"), layers.Conv2D(32, 3, activation="relu", padding="same"),
        layers.MaxPooling2D(padding="same"),
        layers.Conv2DTranspose(32, 3, strides=2, activation="relu", padding="same"),
        layers.Conv2DTranspose(32, 3, strides=2, activation="relu", padding="same"),
        layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
    ]), "mse")  # fmt: skip


@sound
def an_autoencoder_with_a_linear_code() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((100,)), layers.Dense(64, activation="relu"), layers.Dense(8), layers.Dense(64, activation="relu"),
        layers.Dense(100),
    ]), "mse")  # fmt: skip


@sound
def a_generator_of_pictures() -> Subject:
    return Subject(keras.Sequential([
        layers.Input((128,)), layers.Dense(7 * 7 * 128), layers.LeakyReLU(negative_slope=0.2),
        layers.Reshape((7, 7, 128)),
        layers.Conv2DTranspose(128, 4, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2DTranspose(128, 4, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
    ]))  # fmt: skip


@sound
def a_discriminator_of_pictures() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(64, 3, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(128, 3, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2),
        layers.GlobalMaxPooling2D(), layers.Dense(1),
    ]), keras.losses.BinaryCrossentropy(from_logits=True))  # fmt: skip


@sound
def two_inputs_and_two_outputs() -> Subject:
    title, body = keras.Input((None,), name="title"), keras.Input((None,), name="body")
    tags = keras.Input((12,), name="tags")
    texts = [layers.LSTM(64)(layers.Embedding(10_000, 64)(title)), layers.LSTM(32)(layers.Embedding(10_000, 64)(body))]
    x = layers.concatenate([*texts, tags])
    outputs = {"priority": layers.Dense(1, name="priority")(x), "department": layers.Dense(4, name="department")(x)}
    model = keras.Model([title, body, tags], outputs)
    model.compile("rmsprop", loss={
        "priority": keras.losses.BinaryCrossentropy(from_logits=True),
        "department": keras.losses.CategoricalCrossentropy(from_logits=True),
    }, loss_weights={"priority": 1.0, "department": 0.2})  # fmt: skip
    return Subject(model)


@sound
def a_siamese_net() -> Subject:
    branch = keras.Sequential([
        layers.Input((28, 28, 1)), layers.BatchNormalization(), layers.Conv2D(4, 5, activation="tanh"),
        layers.AveragePooling2D(2), layers.Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.BatchNormalization(), layers.Dense(10, activation="tanh"),
    ])  # fmt: skip
    first, second = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    distance = keras.ops.norm(branch(first) - branch(second), axis=1, keepdims=True)
    output = layers.Dense(1, activation="sigmoid")(layers.BatchNormalization()(distance))
    return compiled(keras.Model([first, second], output), "binary_crossentropy")


@sound
def a_matrix_factorization() -> Subject:
    user, item = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    vectors = [layers.Flatten()(layers.Embedding(n, 50)(given)) for n, given in ((1000, user), (2000, item))]
    match = layers.Dot(1)(vectors)
    return compiled(keras.Model([user, item], layers.Activation("sigmoid")(match)), "binary_crossentropy")


@sound
def a_box_regression_beside_classes() -> Subject:
    inputs = keras.Input((64, 64, 3))
    x = inputs
    for filters in (16, 32, 64):
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    outputs = [
        layers.Dense(4, activation="sigmoid", name="box")(x),
        layers.Dense(5, activation="softmax", name="kind")(x),
    ]
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"box": "huber", "kind": "sparse_categorical_crossentropy"})
    return Subject(model)


@sound
def a_wide_and_deep_net() -> Subject:
    inputs = keras.Input((50,))
    x = layers.Dense(64, activation="relu")(inputs)
    x = layers.Dense(32, activation="relu")(layers.BatchNormalization()(x))
    return compiled(
        keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.concatenate([inputs, x]))),
        "binary_crossentropy",
    )


@sound
def a_wavenet() -> Subject:
    x = inputs = keras.Input((1000, 1))
    x = layers.Conv1D(32, 2, padding="causal", activation="relu")(x)
    for dilation in (1, 2, 4, 8, 16, 32, 64):
        gate = layers.Conv1D(32, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        signal = layers.Conv1D(32, 2, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        x = layers.Add()([x, layers.Conv1D(32, 1)(layers.Multiply()([gate, signal]))])
    x = layers.Conv1D(64, 1, activation="relu")(layers.Activation("relu")(x))
    return compiled(keras.Model(inputs, layers.Conv1D(256, 1, activation="softmax")(x)))


@sound
def squeeze_and_excitation() -> Subject:
    x = inputs = keras.Input((32, 32, 3))
    for filters in (32, 64):
        x = layers.Activation("swish")(
            layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(x))
        )
        squeezed = layers.Dense(filters // 8, activation="swish")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        x = layers.MaxPooling2D()(layers.Multiply()([x, layers.Dense(filters, activation="sigmoid")(squeezed)]))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return compiled(keras.Model(inputs, layers.Dense(10, activation="softmax")(x)))


@sound
def self_normalizing_net() -> Subject:
    hidden = [layers.Dense(64, activation="selu", kernel_initializer="lecun_normal") for _ in range(10)]
    return compiled(keras.Sequential([layers.Input((30,)), *hidden, layers.Dense(3, activation="softmax")]))


@sound
def a_deep_tanh_net() -> Subject:
    hidden = [layers.Dense(64, activation="tanh") for _ in range(8)]
    return compiled(keras.Sequential([layers.Input((30,)), *hidden, layers.Dense(1)]), "mae")


@sound
def a_deep_relu_net_with_he() -> Subject:
    hidden = [layers.Dense(128, activation="relu", kernel_initializer="he_normal") for _ in range(20)]
    return compiled(keras.Sequential([layers.Input((30,)), *hidden, layers.Dense(3, activation="softmax")]))


@sound
def a_policy_and_its_value() -> Subject:
    inputs = keras.Input((4,))
    common = layers.Dense(128, activation="relu")(inputs)
    return Subject(keras.Model(inputs, [layers.Dense(2, activation="softmax")(common), layers.Dense(1)(common)]))


@sound
def transfer_with_a_frozen_backbone() -> Subject:
    backbone = keras.applications.Xception(include_top=False, weights=None, input_shape=(150, 150, 3))
    backbone.trainable = False
    inputs = keras.Input((150, 150, 3))
    x = layers.Rescaling(scale=1 / 127.5, offset=-1)(inputs)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(backbone(x, training=False)))
    return compiled(keras.Model(inputs, layers.Dense(1)(x)), keras.losses.BinaryCrossentropy(from_logits=True))


@sound
def fine_tuning_of_the_last_layers() -> Subject:
    backbone = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    for layer in backbone.layers[:-20]:
        layer.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = layers.GlobalAveragePooling2D()(backbone(layers.Rescaling(1 / 127.5, -1)(inputs), training=False))
    return compiled(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)), rate=1e-5)


@sound
def augmentation_inside_the_model() -> Subject:
    return compiled(keras.Sequential([
        layers.Input((64, 64, 3)), layers.RandomFlip("horizontal"), layers.RandomRotation(0.1),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(), layers.Flatten(), layers.Dense(64, activation="relu"),
        layers.Dense(5, activation="softmax"),
    ]))  # fmt: skip


class Block(keras.layers.Layer):
    """A layer of one's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(width, activation="relu"), layers.Dense(width)

    def call(self, x: object) -> object:
        return keras.ops.relu(x + self.second(self.first(x)))


class Net(keras.Model):
    """A model of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.blocks = layers.Dense(32, activation="relu"), [Block(32) for _ in range(3)]
        self.end = layers.Dense(3, activation="softmax")

    def call(self, x: object) -> object:
        x = self.begin(x)
        for block in self.blocks:
            x = block(x)
        return self.end(x)


@sound
def a_subclassed_model() -> Subject:
    x, y = blobs()
    model = Net()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model(x[:1])
    return Subject(model, split(x, y), 32, dry_run=True)


@sound
def a_loss_of_ones_own() -> Subject:
    def logcosh(y: object, p: object) -> object:
        return keras.ops.mean(keras.ops.log(keras.ops.cosh(p - y)), axis=-1)

    return compiled(
        keras.Sequential([layers.Input((8,)), layers.Dense(32, activation="relu"), layers.Dense(1)]), logcosh
    )


@sound
def digits_and_one_batch() -> Subject:
    x, y = pictures(600)
    model = keras.Sequential([
        layers.Input((16, 16, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(32, activation="relu"), layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, split(x, y), 32, dry_run=True)


@sound
def one_batch_of_a_residual_net() -> Subject:
    subject = a_residual_net()
    return Subject(subject.model, batch_size=16, dry_run=True)


@sound
def one_batch_of_a_transformer() -> Subject:
    subject = a_transformer_classifier()
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.integers(2, 10_000, (400, 100))
    x[np.arange(400), rng.integers(0, 100, 400)] = np.where(y, 1, 0)
    x[:, :10] = np.where(y[:, None], 1, x[:, :10])
    return Subject(subject.model, split(x, y), 32, dry_run=True)
