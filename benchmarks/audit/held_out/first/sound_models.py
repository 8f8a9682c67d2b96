"""Sound models kept apart: what an expert would let pass, small versions of well-known networks with their details."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Model, Sequential, layers, ops, regularizers

from benchmarks.audit.case import Subject, sound


def _split(x: Any, y: Any, n: int) -> dict[str, Any]:
    """Take the first n samples for training and the others for validation."""

    def cut(part: Any, where: slice) -> Any:
        return {k: v[where] for k, v in part.items()} if isinstance(part, dict) else part[where]

    first, rest = slice(None, n), slice(n, None)
    return {"train": (cut(x, first), cut(y, first)), "validation": (cut(x, rest), cut(y, rest))}


def _spots(n: int, size: int, channels: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw noisy images in 0..1 with a bright square; its place on a circle is the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    x = rng.uniform(0, 0.4, (n, size, size, channels))
    r = size // 3
    half = max(1, size // 8)
    for i, label in enumerate(y):
        angle = 2 * math.pi * label / classes + rng.normal(0, 0.05)
        cy, cx = int(size / 2 + r * math.sin(angle)), int(size / 2 + r * math.cos(angle))
        x[i, max(0, cy - half) : cy + half, max(0, cx - half) : cx + half] += 0.5
    return np.clip(x, 0, 1).astype("float32"), y.astype("int32")


def _table(n: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Draw standardised columns and a smooth function of them with variance near one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)).astype("float32")
    w = rng.normal(size=width)
    f = x @ w / np.linalg.norm(w) + 0.5 * np.tanh(2 * x[:, 0] * x[:, 1])
    return x, ((f - f.mean()) / f.std()).astype("float32"), rng


# Images


@sound
def mnist_convnet_of_the_first_tutorial() -> Subject:
    model = Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    x, y = _spots(1000, 28, 1, 10, 11)
    return Subject(model, _split(x, keras.utils.to_categorical(y, 10), 800), batch_size=64, dry_run=True)


@sound
def vgg_with_batch_norm_and_activations_apart() -> Subject:
    model = Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 127.5, offset=-1)])
    for filters, times in ((16, 2), (32, 2), (64, 3)):
        for _ in range(times):
            model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
            model.add(layers.BatchNormalization())
            model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.SpatialDropout2D(0.1))
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu", kernel_regularizer=regularizers.L2(5e-4)))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10))
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return Subject(model)


@sound
def resnet_whose_last_gamma_of_each_branch_starts_at_zero() -> Subject:
    def unit(x: Any, filters: int, stride: int) -> Any:
        skip = x
        if stride > 1 or x.shape[-1] != filters:
            skip = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x)
            skip = layers.BatchNormalization()(skip)
        h = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        h = layers.ReLU()(layers.BatchNormalization()(h))
        h = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(h)
        h = layers.BatchNormalization(gamma_initializer="zeros")(h)
        return layers.ReLU()(layers.add([skip, h]))

    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        x = unit(x, filters, stride)
    outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = Model(inputs, outputs)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([32000, 48000], [0.1, 0.01, 0.001])
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, weight_decay=1e-4), "sparse_categorical_crossentropy")
    return Subject(model, dry_run=True)


@sound
def densely_connected_convnet_before_activation() -> Subject:
    def grow(x: Any, times: int, rate: int = 8) -> Any:
        for _ in range(times):
            h = layers.Activation("relu")(layers.BatchNormalization()(x))
            h = layers.Conv2D(4 * rate, 1, use_bias=False, kernel_initializer="he_uniform")(h)
            h = layers.Activation("relu")(layers.BatchNormalization()(h))
            h = layers.Conv2D(rate, 3, padding="same", use_bias=False, kernel_initializer="he_uniform")(h)
            x = layers.Concatenate()([x, h])
        return x

    def shrink(x: Any) -> Any:
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.Conv2D(x.shape[-1] // 2, 1, use_bias=False, kernel_initializer="he_uniform")(x)
        return layers.AveragePooling2D(2)(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = shrink(grow(x, 3))
    x = shrink(grow(x, 3))
    x = grow(x, 3)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    outputs = layers.Dense(100, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1, 0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def inception_with_an_auxiliary_classifier() -> Subject:
    def mixed(x: Any, n: int) -> Any:
        a = layers.Conv2D(n, 1, activation="relu", padding="same")(x)
        b = layers.Conv2D(n, 1, activation="relu", padding="same")(x)
        b = layers.Conv2D(2 * n, 3, activation="relu", padding="same")(b)
        c = layers.Conv2D(n // 2, 1, activation="relu", padding="same")(x)
        c = layers.Conv2D(n, 5, activation="relu", padding="same")(c)
        d = layers.MaxPooling2D(3, strides=1, padding="same")(x)
        d = layers.Conv2D(n, 1, activation="relu", padding="same")(d)
        return layers.concatenate([a, b, c, d])

    inputs = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 7, strides=2, activation="relu", padding="same")(inputs)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = mixed(x, 8)
    aux = layers.AveragePooling2D(4)(x)
    aux = layers.Conv2D(16, 1, activation="relu")(aux)
    aux = layers.Dropout(0.5)(layers.Flatten()(aux))
    aux = layers.Dense(5, activation="softmax", name="aux")(aux)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = mixed(mixed(x, 12), 16)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.4)(x)
    main = layers.Dense(5, activation="softmax", name="main")(x)
    model = Model(inputs, {"main": main, "aux": aux})
    model.compile(
        "adam",
        loss={"main": "categorical_crossentropy", "aux": "categorical_crossentropy"},
        loss_weights={"main": 1.0, "aux": 0.3},
        metrics={"main": "accuracy"},
    )
    return Subject(model)


@sound
def mobile_net_with_linear_bottlenecks() -> Subject:
    def bottleneck(x: Any, out: int, stride: int, expand: int = 4) -> Any:
        width = x.shape[-1]
        h = layers.Conv2D(width * expand, 1, use_bias=False)(x)
        h = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.99)(h))
        h = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(h)
        h = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.99)(h))
        # No activation here: the narrow ends stay linear.
        h = layers.BatchNormalization(momentum=0.99)(layers.Conv2D(out, 1, use_bias=False)(h))
        return layers.Add()([x, h]) if stride == 1 and out == width else h

    inputs = keras.Input((48, 48, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for out, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1)):
        x = bottleneck(x, out, stride)
    x = layers.Conv2D(128, 1, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Conv2D(12, 1, name="classes")(x)
    outputs = layers.Activation("softmax")(layers.Reshape((12,))(x))
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.RMSprop(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def squeeze_and_excite_with_swish_as_in_efficient_net() -> Subject:
    def squeeze(x: Any) -> Any:
        width = x.shape[-1]
        s = layers.GlobalAveragePooling2D()(x)
        s = layers.Reshape((1, 1, width))(s)
        s = layers.Conv2D(max(1, width // 4), 1, activation="swish")(s)
        s = layers.Conv2D(width, 1, activation="sigmoid")(s)
        return layers.multiply([x, s])

    init = keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
    inputs = keras.Input((48, 48, 3))
    x = layers.Rescaling(1.0 / 255)(inputs)
    x = layers.Conv2D(16, 3, 2, padding="same", use_bias=False, kernel_initializer=init)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    for filters, stride, drop in ((16, 1, 0.05), (24, 2, 0.1), (24, 1, 0.1), (40, 2, 0.15), (40, 1, 0.2)):
        skip = x
        h = layers.Conv2D(4 * x.shape[-1], 1, use_bias=False, kernel_initializer=init)(x)
        h = layers.Activation("swish")(layers.BatchNormalization()(h))
        h = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, depthwise_initializer=init)(h)
        h = layers.Activation("swish")(layers.BatchNormalization()(h))
        h = squeeze(h)
        h = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=init)(h))
        if stride == 1 and skip.shape[-1] == filters:
            # Drops the branch of whole samples.
            h = layers.Dropout(drop, noise_shape=(None, 1, 1, 1))(h)
            h = layers.add([h, skip])
        x = h
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(8, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile("adam", keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=["accuracy"])
    return Subject(model)


class _LayerScale(layers.Layer):
    def __init__(self, start: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.start = start

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.start))

    def call(self, x: Any) -> Any:
        return x * self.gamma


@sound
def convnext_with_layer_scale_near_zero() -> Subject:
    inputs = keras.Input((64, 64, 3))
    x = layers.Conv2D(24, 4, strides=4)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for stage, width in enumerate((24, 48)):
        if stage:
            x = layers.LayerNormalization(epsilon=1e-6)(x)
            x = layers.Conv2D(width, 2, strides=2)(x)
        for _ in range(2):
            h = layers.DepthwiseConv2D(7, padding="same")(x)
            h = layers.LayerNormalization(epsilon=1e-6)(h)
            h = layers.Dense(4 * width, activation="gelu")(h)
            h = layers.Dense(width)(h)
            x = x + _LayerScale()(h)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    outputs = layers.Dense(10)(x)
    model = Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(1e-5, 20000, warmup_target=4e-3, warmup_steps=1000)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
    )
    return Subject(model)


def _dice_and_crossentropy(y_true: Any, y_pred: Any) -> Any:
    y_true = ops.cast(y_true, y_pred.dtype)
    both = ops.sum(y_true * y_pred, axis=(1, 2, 3))
    each = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
    dice = 1 - (2 * both + 1) / (each + 1)
    return dice + ops.mean(keras.losses.binary_crossentropy(y_true, y_pred), axis=(1, 2))


@sound
def unet_for_a_mask_with_dice_and_crossentropy() -> Subject:
    def double(x: Any, n: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(n, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        return x

    inputs = keras.Input((32, 32, 1))
    c1 = double(inputs, 8)
    c2 = double(layers.MaxPooling2D()(c1), 16)
    mid = double(layers.MaxPooling2D()(c2), 32)
    mid = layers.Dropout(0.3)(mid)
    u2 = layers.Conv2DTranspose(16, 2, strides=2, padding="same")(mid)
    u2 = double(layers.concatenate([u2, c2]), 16)
    u1 = layers.Conv2DTranspose(8, 2, strides=2, padding="same")(u2)
    u1 = double(layers.concatenate([u1, c1]), 8)
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(u1)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), _dice_and_crossentropy, metrics=[keras.metrics.BinaryIoU([1])])
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[:32, :32]
    cy, cx, r = (rng.uniform(a, b, (300, 1, 1)) for a, b in ((10, 22), (10, 22), (6, 10)))
    mask = ((rows - cy) ** 2 + (cols - cx) ** 2 < r**2)[..., None].astype("float32")
    x = np.clip(0.25 + 0.5 * mask + rng.normal(0, 0.1, mask.shape), 0, 1).astype("float32")
    return Subject(model, _split(x, mask, 240), batch_size=16, dry_run=True)


@sound
def deeplab_with_parallel_dilations() -> Subject:
    def conv(x: Any, n: int, kernel: int = 3, dilation: int = 1, stride: int = 1) -> Any:
        x = layers.Conv2D(
            n, kernel, strides=stride, dilation_rate=dilation, padding="same", use_bias=False,
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x)

    inputs = keras.Input((64, 64, 3))
    low = conv(conv(inputs, 16, stride=2), 16)
    x = conv(conv(low, 32, stride=2), 32)
    x = conv(conv(x, 48, stride=2), 48)
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = conv(pooled, 24, 1)
    pooled = layers.UpSampling2D(8, interpolation="bilinear")(pooled)
    x = layers.Concatenate()([pooled, conv(x, 24, 1), conv(x, 24, 3, 2), conv(x, 24, 3, 4)])
    x = conv(x, 32, 1)
    x = layers.UpSampling2D(4, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, conv(low, 8, 1)])
    x = conv(conv(x, 32), 32)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    outputs = layers.Conv2D(20, 1, padding="same")(x)
    model = Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return Subject(model)


@sound
def fully_convolutional_with_an_ignored_label_of_255() -> Subject:
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    skip = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu")(skip)
    x = layers.Conv2D(24, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(3, 1)(x)
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", use_bias=False)(x)
    x = layers.add([x, layers.Conv2D(3, 1)(skip)])
    outputs = layers.Conv2DTranspose(3, 8, strides=4, padding="same", use_bias=False)(x)
    model = Model(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255))
    rng = np.random.default_rng(19)
    y = np.kron(rng.integers(0, 3, (400, 4, 4)), np.ones((8, 8), int))
    x_data = 0.2 * np.eye(3)[y] + 0.4 + rng.normal(0, 0.08, (400, 32, 32, 3))
    # The seams between the regions are left out.
    y[:, 7::8, :] = 255
    y[:, :, 7::8] = 255
    return Subject(model, _split(x_data.astype("float32"), y.astype("int32"), 320), batch_size=16)


class _PixelShuffle(layers.Layer):
    def __init__(self, factor: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        _, h, w, c = x.shape
        f = self.factor
        x = ops.reshape(x, (-1, h, w, f, f, c // (f * f)))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h * f, w * f, c // (f * f)))


@sound
def super_resolution_by_sub_pixels() -> Subject:
    config = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(24, 5, **config)(inputs)
    x = layers.Conv2D(24, 3, **config)(x)
    x = layers.Conv2D(16, 3, **config)(x)
    x = layers.Conv2D(4, 3, padding="same", kernel_initializer="orthogonal")(x)
    outputs = _PixelShuffle(2)(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error")
    rng = np.random.default_rng(6)
    rows, cols = np.mgrid[:32, :32] / 32
    f, g, p = (rng.uniform(1, 4, (400, 1, 1)) for _ in range(3))
    big = (0.5 + 0.45 * np.sin(2 * np.pi * (f * rows + g * cols) + p))[..., None].astype("float32")
    small = big.reshape(400, 16, 2, 16, 2, 1).mean(axis=(2, 4))
    return Subject(model, _split(small, big, 320), batch_size=8)


@sound
def small_images_from_a_py_dataset_with_flips_in_training_only() -> Subject:
    class Pictures(keras.utils.PyDataset):
        def __init__(self, x: np.ndarray, y: np.ndarray, augment: bool):
            super().__init__()
            self.x, self.y, self.augment = x, y, augment
            self.rng = np.random.default_rng(3)

        def __len__(self) -> int:
            return math.ceil(len(self.x) / 32)

        def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
            x, y = self.x[32 * i : 32 * i + 32], self.y[32 * i : 32 * i + 32]
            if self.augment:
                x = np.where(self.rng.random((len(x), 1, 1, 1)) < 0.5, x[:, :, ::-1], x)
            return x, y

    model = Sequential(
        [
            layers.Input((24, 24, 3)),
            layers.Conv2D(12, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.1),
            layers.MaxPool2D(),
            layers.Conv2D(24, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.1),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    x, y = _spots(700, 24, 3, 2, 31)
    # Above or below: a flip from left to right keeps the class.
    x = x.transpose(0, 2, 1, 3)
    data = {"train": Pictures(x[:560], y[:560], True), "validation": Pictures(x[560:], y[560:], False)}
    return Subject(model, data)


@sound
def frozen_mobile_net_under_a_new_head() -> Subject:
    base = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    base.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = base(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(5)(x)
    model = Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return Subject(model)


@sound
def mobile_net_v3_that_rescales_by_itself_fine_tuned_slowly() -> Subject:
    base = keras.applications.MobileNetV3Small((96, 96, 3), include_top=False, weights=None, pooling="avg")
    base.trainable = True
    for layer in base.layers[:-20]:
        layer.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = base(inputs, training=False)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-5), "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy()])
    return Subject(model)


@sound
def frozen_vgg16_with_raw_pixels_made_bgr_in_the_model() -> Subject:
    backbone = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in backbone.layers:
        layer.trainable = False
    inputs = keras.Input((64, 64, 3))
    x = layers.Lambda(keras.applications.vgg16.preprocess_input, output_shape=(64, 64, 3))(inputs)
    x = backbone(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def group_norm_with_standardised_kernels() -> Subject:
    class StandardConv(layers.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            mean, var = ops.moments(kernel, axes=(0, 1, 2), keepdims=True)
            return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(var + 1e-10))

    inputs = keras.Input((32, 32, 3))
    x = inputs
    for filters in (16, 32, 64):
        x = StandardConv(filters, 3, padding="same", use_bias=False)(x)
        x = layers.GroupNormalization(groups=8)(x)
        x = layers.Activation("relu")(x)
        x = StandardConv(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.GroupNormalization(groups=8)(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), "sparse_categorical_crossentropy")
    return Subject(model, batch_size=2)


@sound
def strided_convolutions_down_to_one_pixel() -> Subject:
    model = Sequential(name="down_to_one")
    model.add(layers.Input(shape=(32, 32, 3)))
    for filters in (16, 24, 32, 48, 64):
        model.add(layers.Conv2D(filters, 4, strides=2, padding="same", kernel_initializer="he_normal"))
        model.add(layers.PReLU(shared_axes=[1, 2]))
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dense(6, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam", metrics=["accuracy"])
    return Subject(model)


@sound
def key_points_as_shares_of_the_picture() -> Subject:
    inputs = keras.Input((32, 32, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(24, activation="relu")(x)
    outputs = layers.Dense(4, activation="sigmoid")(x)
    model = Model(inputs, outputs)
    model.compile("adam", "mse", metrics=["mae"])
    rng = np.random.default_rng(8)
    y = rng.uniform(0.1, 0.9, (900, 4))
    rows, cols = np.mgrid[:32, :32] / 31
    x_data = rng.uniform(0, 0.1, (900, 32, 32))
    for k, sign in ((0, 0.5), (2, 0.9)):
        far = (rows - y[:, k, None, None]) ** 2 + (cols - y[:, k + 1, None, None]) ** 2
        x_data = np.maximum(x_data, sign * np.exp(-far / 0.01))
    return Subject(model, _split(x_data[..., None].astype("float32"), y.astype("float32"), 720), batch_size=32)


@sound
def yolo_head_whose_loss_holds_the_sigmoids() -> Subject:
    def grid_loss(y_true: Any, y_pred: Any) -> Any:
        there = y_true[..., 4:5]
        place = ops.sum(there * ops.square(y_true[..., :2] - ops.sigmoid(y_pred[..., :2])), axis=(1, 2, 3))
        size = ops.sum(there * ops.square(y_true[..., 2:4] - y_pred[..., 2:4]), axis=(1, 2, 3))
        sure = keras.losses.binary_crossentropy(there, y_pred[..., 4:5], from_logits=True)
        weight = ops.squeeze(there + 0.5 * (1 - there), axis=-1)
        kind = keras.losses.categorical_crossentropy(y_true[..., 5:], y_pred[..., 5:], from_logits=True)
        kind = ops.sum(kind * there[..., 0], axis=(1, 2))
        return 5 * (place + size) + ops.sum(weight * sure, axis=(1, 2)) + kind

    inputs = keras.Input((96, 96, 3))
    x = inputs
    for n in (8, 16, 32, 64):
        x = layers.Conv2D(n, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(negative_slope=0.1)(layers.BatchNormalization()(x))
    outputs = layers.Conv2D(5 + 3, 1)(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), grid_loss)
    return Subject(model)


@sound
def video_of_sixteen_frames_by_3d_convolutions() -> Subject:
    inputs = keras.Input((16, 32, 32, 3))
    x = layers.Rescaling(1 / 255.0)(inputs)
    x = layers.Conv3D(8, (3, 3, 3), padding="same", activation="relu")(x)
    x = layers.MaxPool3D((1, 2, 2))(x)
    x = layers.Conv3D(16, 3, padding="same", activation="relu")(x)
    x = layers.MaxPool3D(2)(x)
    x = layers.Conv3D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPool3D(2)(x)
    x = layers.SpatialDropout3D(0.2)(x)
    x = layers.GlobalAveragePooling3D()(x)
    x = layers.Dense(32, "relu")(x)
    outputs = layers.Dense(6, "softmax")(x)
    model = Model(inputs, outputs)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def next_frame_by_convolutional_lstm() -> Subject:
    inputs = keras.Input((None, 16, 16, 1))
    x = layers.ConvLSTM2D(12, 5, padding="same", return_sequences=True)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ConvLSTM2D(12, 3, padding="same", return_sequences=True)(x)
    x = layers.BatchNormalization()(x)
    outputs = layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(clipnorm=1.0), keras.losses.BinaryCrossentropy())
    return Subject(model)


@sound
def mixed_precision_layers_with_a_float32_end() -> Subject:
    half = {"dtype": "mixed_float16"}
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, use_bias=False, **half)(inputs)
    x = layers.BatchNormalization(**half)(x)
    x = layers.Activation("relu", **half)(x)
    x = layers.Conv2D(32, 3, strides=2, use_bias=False, **half)(x)
    x = layers.BatchNormalization(**half)(x)
    x = layers.Activation("relu", **half)(x)
    x = layers.Conv2D(32, 3, strides=2, activation="relu", **half)(x)
    x = layers.Flatten(**half)(x)
    x = layers.Dense(10, **half)(x)
    outputs = layers.Activation("softmax", dtype="float32")(x)
    model = Model(inputs, outputs)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# Attention


@sound
def vision_transformer_with_a_class_token() -> Subject:
    class Tokens(layers.Layer):
        def __init__(self, count: int, width: int):
            super().__init__()
            self.count, self.width = count, width

        def build(self, shape: Any) -> None:  # noqa: ARG002
            self.cls = self.add_weight(shape=(1, 1, self.width), initializer="zeros", name="cls")
            small = keras.initializers.TruncatedNormal(stddev=0.02)
            self.place = self.add_weight(shape=(1, self.count + 1, self.width), initializer=small, name="place")

        def call(self, x: Any) -> Any:
            cls = ops.broadcast_to(self.cls, (ops.shape(x)[0], 1, self.width))
            return ops.concatenate([cls, x], axis=1) + self.place

    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(48, 4, strides=4, name="patches")(inputs)
    x = layers.Reshape((64, 48))(x)
    x = Tokens(64, 48)(x)
    x = layers.Dropout(0.1)(x)
    for _ in range(4):
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        h = layers.MultiHeadAttention(4, 12, dropout=0.1)(h, h)
        x = layers.Add()([x, h])
        h = layers.LayerNormalization(epsilon=1e-6)(x)
        h = layers.Dense(96, activation="gelu")(h)
        h = layers.Dropout(0.1)(h)
        h = layers.Dense(48)(h)
        x = layers.Add()([x, layers.Dropout(0.1)(h)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Lambda(lambda t: t[:, 0], output_shape=(48,))(x)
    outputs = layers.Dense(10, kernel_initializer="zeros")(x)
    model = Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4), loss, metrics=["accuracy"])
    return Subject(model, dry_run=True)


@sound
def mixer_of_patches_and_channels() -> Subject:
    class Mixing(layers.Layer):
        def __init__(self, patches: int, width: int):
            super().__init__()
            self.over_patches = Sequential([layers.Dense(2 * patches, "gelu"), layers.Dense(patches)])
            self.over_channels = Sequential([layers.Dense(2 * width, "gelu"), layers.Dense(width), layers.Dropout(0.1)])
            self.norm1, self.norm2 = layers.LayerNormalization(), layers.LayerNormalization()

        def call(self, x: Any, training: bool | None = None) -> Any:
            h = ops.transpose(self.norm1(x), (0, 2, 1))
            x = x + ops.transpose(self.over_patches(h), (0, 2, 1))
            return x + self.over_channels(self.norm2(x), training=training)

    model = Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 8, strides=8),
            layers.Reshape((16, 32)),
            Mixing(16, 32),
            Mixing(16, 32),
            Mixing(16, 32),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(learning_rate=0.003, weight_decay=0.0001),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    return Subject(model)


@sound
def gated_mlp_whose_gate_begins_open() -> Subject:
    inputs = keras.Input((24, 16))
    x = layers.Dense(32)(inputs)
    for _ in range(3):
        h = layers.LayerNormalization()(x)
        h = layers.Dense(64, activation="gelu")(h)
        u, v = ops.split(h, 2, axis=-1)
        v = layers.LayerNormalization()(v)
        v = layers.Permute((2, 1))(v)
        v = layers.Dense(24, kernel_initializer=keras.initializers.RandomNormal(0, 1e-3), bias_initializer="ones")(v)
        v = layers.Permute((2, 1))(v)
        h = layers.Dense(32)(layers.Multiply()([u, v]))
        x = layers.Add()([x, h])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    model = Model(inputs, layers.Dense(5, activation="softmax")(x))
    model.compile("adamw", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


class _PlacedEmbedding(layers.Layer):
    def __init__(self, vocabulary: int, length: int, width: int, mask_zero: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.words = layers.Embedding(vocabulary, width, mask_zero=mask_zero)
        self.places = layers.Embedding(length, width)
        self.length = length

    def call(self, ids: Any) -> Any:
        return self.words(ids) + self.places(ops.arange(self.length))

    def compute_mask(self, ids: Any, mask: Any = None) -> Any:  # noqa: ARG002
        return self.words.compute_mask(ids)


@sound
def transformer_for_the_mood_of_short_texts() -> Subject:
    inputs = keras.Input((20,), dtype="int32")
    x = _PlacedEmbedding(200, 20, 16)(inputs)
    h = layers.MultiHeadAttention(2, 16)(x, x)
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(0.1)(h))
    h = layers.Dense(16)(layers.Dense(32, activation="relu")(x))
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(0.1)(h))
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Dense(20, activation="relu")(x)
    x = layers.Dropout(0.1)(x)
    outputs = layers.Dense(2, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(41)
    y = rng.permutation(np.arange(1000) % 2)
    ids = rng.integers(1, 200, (1000, 20))
    for i, label in enumerate(y):
        ids[i, rng.choice(20, 4, replace=False)] = rng.integers(1, 15, 4) + 20 * label
    return Subject(model, _split(ids.astype("int32"), y.astype("int32"), 800), batch_size=32, dry_run=True)


@sound
def causal_language_model_with_tied_weights() -> Subject:
    class TinyLanguageModel(Model):
        def __init__(self, vocabulary: int, length: int, width: int):
            super().__init__()
            small = keras.initializers.RandomNormal(stddev=0.02)
            self.words = layers.Embedding(vocabulary, width, embeddings_initializer=small)
            self.places = layers.Embedding(length, width, embeddings_initializer=small)
            self.norms = [layers.LayerNormalization() for _ in range(5)]
            self.attend = [layers.MultiHeadAttention(4, width // 4, dropout=0.1) for _ in range(2)]
            self.wide = [layers.Dense(4 * width, activation="gelu") for _ in range(2)]
            self.narrow = [layers.Dense(width) for _ in range(2)]
            self.drop = layers.Dropout(0.1)

        def call(self, ids: Any, training: bool = False) -> Any:
            x = self.words(ids) + self.places(ops.arange(ops.shape(ids)[1]))
            x = self.drop(x, training=training)
            for i in range(2):
                h = self.norms[2 * i](x)
                x = x + self.attend[i](h, h, use_causal_mask=True, training=training)
                h = self.narrow[i](self.wide[i](self.norms[2 * i + 1](x)))
                x = x + self.drop(h, training=training)
            return ops.matmul(self.norms[4](x), ops.transpose(self.words.embeddings))

    model = TinyLanguageModel(500, 32, 48)
    model(np.zeros((1, 32), "int32"))
    model.compile(
        keras.optimizers.Adam(3e-4, beta_2=0.98, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Subject(model)


@sound
def masked_words_with_minus_one_where_none_is_asked() -> Subject:
    inputs = keras.Input((16,), dtype="int32", name="ids")
    x = _PlacedEmbedding(42, 16, 32)(inputs)
    for _ in range(2):
        h = layers.MultiHeadAttention(4, 8)(x, x)
        x = layers.LayerNormalization()(layers.add([x, layers.Dropout(0.1)(h)]))
        h = layers.Dense(32)(layers.Dense(64, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.add([x, layers.Dropout(0.1)(h)]))
    outputs = layers.Dense(42)(x)
    model = Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    rng = np.random.default_rng(27)
    ids = (rng.integers(0, 40, (1200, 1)) + rng.choice([1, 3], (1200, 1)) * np.arange(16)) % 40
    hidden = rng.random(ids.shape) < 0.15
    hidden[:, 0] = True
    data = _split(np.where(hidden, 40, ids).astype("int32"), np.where(hidden, ids, -1).astype("int32"), 1000)
    return Subject(model, data, batch_size=64)


@sound
def bag_of_patches_weighed_by_softmax_over_the_patches() -> Subject:
    bag = keras.Input((12, 10))
    x = layers.TimeDistributed(layers.Dense(24, activation="relu"))(bag)
    a = layers.Dense(16, activation="tanh")(x)
    gate = layers.Dense(16, activation="sigmoid")(x)
    a = layers.Dense(1, use_bias=False)(layers.multiply([a, gate]))
    a = layers.Softmax(axis=1, name="weights")(a)
    x = layers.Flatten()(layers.Dot(axes=1)([a, x]))
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = Model(bag, outputs)
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["AUC"])
    rng = np.random.default_rng(13)
    y = rng.permutation(np.arange(1000) % 2)
    x_data = rng.normal(size=(1000, 12, 10))
    for i in np.flatnonzero(y):
        x_data[i, rng.choice(12, 3, replace=False), :3] += 2.0
    return Subject(model, _split(x_data.astype("float32"), y.astype("float32"), 800), batch_size=32, dry_run=True)


# Text and series


@sound
def bidirectional_lstm_over_padded_reviews() -> Subject:
    model = Sequential()
    model.add(keras.Input((None,), dtype="int64"))
    model.add(layers.Embedding(300, 12, mask_zero=True))
    model.add(layers.Bidirectional(layers.LSTM(8, return_sequences=True)))
    model.add(layers.Bidirectional(layers.LSTM(8)))
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss, metrics=[keras.metrics.BinaryAccuracy(threshold=0)])
    rng = np.random.default_rng(2)
    y = rng.permutation(np.arange(1000) % 2)
    ids = rng.integers(50, 300, (1000, 24))
    for i, label in enumerate(y):
        ids[i, rng.choice(10, 3, replace=False)] = rng.integers(1, 25, 3) + 25 * label
        ids[i, rng.integers(10, 25) :] = 0
    return Subject(model, _split(ids, y.astype("float32"), 800), batch_size=32, dry_run=True)


@sound
def seq2seq_lstm_with_teacher_forcing() -> Subject:
    source = keras.Input((None, 30), name="source")
    _, h, c = layers.LSTM(64, return_state=True)(source)
    target = keras.Input((None, 40), name="target")
    x, _, _ = layers.LSTM(64, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    outputs = layers.Dense(40, activation="softmax")(x)
    model = Model([source, target], outputs)
    model.compile(keras.optimizers.RMSprop(clipvalue=1.0), "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def gru_forecast_of_a_long_window_with_clipping() -> Subject:
    inputs = keras.Input((96, 2))
    x = layers.GRU(24)(inputs)
    outputs = layers.Dense(1)(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(3e-3, global_clipnorm=1.0), loss="huber", metrics=["mae"])
    rng = np.random.default_rng(71)
    t = np.arange(2400)
    wave = np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(2 * np.pi * t / 61) + rng.normal(0, 0.1, 2400)
    wave = ((wave - wave[:1800].mean()) / wave[:1800].std()).astype("float32")
    table = np.stack([wave, np.cos(2 * np.pi * t / 24)], axis=1).astype("float32")

    def windows(a: int, b: int) -> tf.data.Dataset:
        return keras.utils.timeseries_dataset_from_array(
            table[a : b - 1], wave[a + 96 : b], sequence_length=96, batch_size=32, shuffle=a == 0, seed=4
        )

    return Subject(model, {"train": windows(0, 1800), "validation": windows(1800, 2400)}, dry_run=True)


@sound
def wavenet_of_gated_dilated_causal_convolutions() -> Subject:
    inputs = keras.Input((256, 1))
    x = layers.Conv1D(16, 2, padding="causal")(inputs)
    skips = []
    for i in range(8):
        a = layers.Conv1D(16, 2, dilation_rate=2**i, padding="causal", activation="tanh")(x)
        b = layers.Conv1D(16, 2, dilation_rate=2**i, padding="causal", activation="sigmoid")(x)
        h = layers.Multiply()([a, b])
        skips.append(layers.Conv1D(32, 1)(h))
        x = layers.Add()([x, layers.Conv1D(16, 1)(h)])
    x = layers.Activation("relu")(layers.Add()(skips))
    x = layers.Conv1D(32, 1, activation="relu")(x)
    outputs = layers.Conv1D(256, 1, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return Subject(model)


@sound
def temporal_convolutions_with_residuals_for_activity() -> Subject:
    inputs = keras.Input((64, 3))
    x = inputs
    for i in range(4):
        h = layers.Conv1D(12, 3, padding="causal", dilation_rate=2**i, activation="relu")(x)
        h = layers.SpatialDropout1D(0.1)(h)
        h = layers.Conv1D(12, 3, padding="causal", dilation_rate=2**i, activation="relu")(h)
        h = layers.SpatialDropout1D(0.1)(h)
        skip = x if x.shape[-1] == 12 else layers.Conv1D(12, 1)(x)
        x = layers.ReLU()(layers.add([skip, h]))
    # The last step has seen nearly all of the window.
    x = layers.Lambda(lambda s: s[:, -1, :], output_shape=(12,))(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    rng = np.random.default_rng(33)
    y = rng.permutation(np.arange(1000) % 4)
    phase = rng.uniform(0, 2 * np.pi, (1000, 1, 3))
    steps = np.arange(64)[None, :, None]
    x_data = 1.3 * np.sin(2 * np.pi * steps * (y[:, None, None] + 1) / 32 + phase) + rng.normal(0, 0.3, (1000, 64, 3))
    x_data = x_data.astype("float32")
    train = tf.data.Dataset.from_tensor_slices((x_data[:800], y[:800])).shuffle(800, seed=1).batch(40).prefetch(1)
    valid = tf.data.Dataset.from_tensor_slices((x_data[800:], y[800:])).batch(40)
    return Subject(model, {"train": train, "validation": valid})


@sound
def captcha_reader_with_ctc() -> Subject:
    inputs = keras.Input((100, 32, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer="he_normal")(inputs)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Conv2D(24, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Reshape((25, 8 * 24))(x)
    x = layers.Dense(32, activation="relu")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(32, return_sequences=True, dropout=0.25))(x)
    outputs = layers.Dense(19 + 1)(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(clipnorm=5.0), keras.losses.CTC())
    return Subject(model)


@sound
def words_convolved_three_widths_at_once() -> Subject:
    inputs = keras.Input((50,), dtype="int32")
    x = layers.Embedding(20000, 64)(inputs)
    x = layers.SpatialDropout1D(0.2)(x)
    parts = [layers.GlobalMaxPooling1D()(layers.Conv1D(32, k, activation="relu")(x)) for k in (3, 4, 5)]
    x = layers.Dropout(0.5)(layers.concatenate(parts))
    outputs = layers.Dense(46, activation="softmax", kernel_constraint=keras.constraints.MaxNorm(3))(x)
    model = Model(inputs, outputs)
    model.compile("adadelta", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 1.0
    return Subject(model)


@sound
def echo_state_network_with_only_its_readout_trained() -> Subject:
    class Reservoir(keras.initializers.Initializer):
        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            w = np.random.default_rng(9).normal(size=tuple(shape))
            w = 0.9 * w / np.abs(np.linalg.eigvals(w)).max()
            return ops.convert_to_tensor(w, dtype or "float32")

    model = Sequential(
        [
            keras.Input((40, 1)),
            layers.SimpleRNN(60, recurrent_initializer=Reservoir(), trainable=False, name="reservoir"),
            layers.Dense(1, kernel_regularizer=regularizers.L2(1e-5), name="readout"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    rng = np.random.default_rng(77)
    phase, speed = rng.uniform(0, 2 * np.pi, (700, 1)), rng.uniform(0.2, 0.5, (700, 1))
    wave = np.sin(speed * np.arange(41) + phase).astype("float32")
    return Subject(model, _split(wave[:, :40, None], wave[:, 40], 560), batch_size=32)


@sound
def lstm_autoencoder_for_odd_heartbeats() -> Subject:
    model = Sequential(
        [
            layers.Input((30, 1)),
            layers.LSTM(16, activation="tanh"),
            layers.RepeatVector(30),
            layers.LSTM(16, return_sequences=True),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005, clipnorm=1), loss="mae")
    rng = np.random.default_rng(15)
    centre, width = rng.uniform(12, 18, (600, 1)), rng.uniform(2, 4, (600, 1))
    beat = np.exp(-(((np.arange(30) - centre) / width) ** 2)) + rng.normal(0, 0.03, (600, 30))
    beat = ((beat - beat[:480].mean()) / beat[:480].std()).astype("float32")[..., None]
    return Subject(model, _split(beat, beat, 480), batch_size=32)


@sound
def sound_of_one_second_as_mel_spectrogram_in_the_model() -> Subject:
    inputs = keras.Input((8000,))
    x = layers.MelSpectrogram(
        fft_length=256, sequence_stride=128, sampling_rate=8000, num_mel_bins=40, min_freq=20, max_freq=4000
    )(inputs)
    x = layers.Reshape((40, -1, 1))(x)
    x = layers.BatchNormalization(axis=1, name="per_band")(x)
    for n in (16, 24, 32):
        x = layers.Conv2D(n, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ELU()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(8, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


# Generative


@sound
def plain_autoencoder_with_a_small_code() -> Subject:
    encoder = Sequential(
        [keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(8, name="code")]
    )
    decoder = Sequential(
        [keras.Input((8,)), layers.Dense(32, "relu"), layers.Dense(144, "sigmoid"), layers.Reshape((12, 12, 1))]
    )
    model = Sequential([keras.Input((12, 12, 1)), encoder, decoder])
    model.compile("adam", loss="mse")
    x, _ = _spots(1000, 12, 1, 6, 23)
    return Subject(model, _split(x, x, 800), batch_size=32, dry_run=True)


@sound
def denoising_autoencoder_with_noise_while_it_trains() -> Subject:
    inputs = keras.Input((24, 24, 1))
    x = layers.GaussianNoise(0.2)(inputs)
    x = layers.Conv2D(12, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Conv2D(12, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Conv2DTranspose(12, 3, strides=2, activation="relu", padding="same")(x)
    x = layers.Conv2DTranspose(12, 3, strides=2, activation="relu", padding="same")(x)
    outputs = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x)
    model = Model(inputs, outputs)
    # Grey values as shares: the cross-entropy is smallest where both agree.
    model.compile(optimizer="adam", loss="binary_crossentropy")
    x_data, _ = _spots(700, 24, 1, 8, 29)
    return Subject(model, _split(x_data, x_data, 560), batch_size=32)


class _Sampling(layers.Layer):
    """Draw the code, and add the divergence from the prior to the loss."""

    def __init__(self, weight: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.weight = weight
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, parts: Any) -> Any:
        mean, log_var = parts
        divergence = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)
        self.add_loss(self.weight * ops.mean(divergence))
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seeds)


@sound
def variational_autoencoder_with_an_added_loss() -> Subject:
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    mean = layers.Dense(2, name="mean")(x)
    log_var = layers.Dense(2, name="log_var")(x)
    z = _Sampling(1 / 784)([mean, log_var])
    x = layers.Dense(7 * 7 * 16, activation="relu")(z)
    x = layers.Reshape((7, 7, 16))(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
    outputs = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    model = Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy")
    return Subject(model)


@sound
def variational_autoencoder_with_its_own_train_step() -> Subject:
    class Variational(Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Sequential([layers.Dense(48, activation="relu"), layers.Dense(8)])
            self.decoder = Sequential([layers.Dense(48, activation="relu"), layers.Dense(64, activation="sigmoid")])
            self.seeds = keras.random.SeedGenerator(3)
            self.tracker = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.tracker]

        def _loss(self, x: Any) -> Any:
            mean, log_var = ops.split(self.encoder(x), 2, axis=-1)
            z = mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seeds)
            rebuilt = 64 * ops.mean(keras.losses.binary_crossentropy(x, self.decoder(z)))
            kl = -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)
            return rebuilt + ops.mean(kl)

        def call(self, x: Any) -> Any:
            return self.decoder(ops.split(self.encoder(x), 2, axis=-1)[0])

        def train_step(self, data: Any) -> dict[str, Any]:
            x = data[0] if isinstance(data, tuple) else data
            with tf.GradientTape() as tape:
                loss = self._loss(x)
            weights = self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

        def test_step(self, data: Any) -> dict[str, Any]:
            self.tracker.update_state(self._loss(data[0] if isinstance(data, tuple) else data))
            return {"loss": self.tracker.result()}

    model = Variational()
    model(np.zeros((1, 64), "float32"))
    model.compile(keras.optimizers.Adam(1e-3))
    return Subject(model)


def _critic() -> Sequential:
    return Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(32, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ],
        name="critic",
    )


@sound
def generator_under_a_frozen_discriminator() -> Subject:
    generator = Sequential(name="generator")
    generator.add(keras.Input((32,)))
    generator.add(layers.Dense(7 * 7 * 32, use_bias=False))
    generator.add(layers.BatchNormalization())
    generator.add(layers.LeakyReLU(0.2))
    generator.add(layers.Reshape((7, 7, 32)))
    generator.add(layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False))
    generator.add(layers.BatchNormalization())
    generator.add(layers.LeakyReLU(0.2))
    generator.add(layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"))
    critic = _critic()
    critic.trainable = False
    noise = keras.Input((32,))
    model = Model(noise, critic(generator(noise)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)
    return Subject(model)


@sound
def discriminator_with_smoothed_labels() -> Subject:
    model = _critic()
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), loss)
    return Subject(model, dry_run=True)


@sound
def spectrally_normalised_critic_with_hinge_loss() -> Subject:
    inputs = keras.Input((32, 32, 3))
    x = inputs
    for n in (16, 32, 64):
        x = layers.SpectralNormalization(layers.Conv2D(n, 4, strides=2, padding="same"))(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Flatten()(x)
    outputs = layers.SpectralNormalization(layers.Dense(1))(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9), "hinge")
    return Subject(model)


@sound
def vector_quantised_autoencoder_with_a_straight_through_step() -> Subject:
    class Codebook(layers.Layer):
        def __init__(self, count: int, width: int):
            super().__init__()
            self.count, self.width = count, width

        def build(self, shape: Any) -> None:  # noqa: ARG002
            self.codes = self.add_weight(shape=(self.count, self.width), initializer="random_uniform", name="codes")

        def call(self, x: Any) -> Any:
            flat = ops.reshape(x, (-1, self.width))
            far = ops.sum(flat**2, axis=1, keepdims=True) - 2 * flat @ ops.transpose(self.codes)
            nearest = ops.argmin(far + ops.sum(self.codes**2, axis=1), axis=1)
            found = ops.reshape(ops.take(self.codes, nearest, axis=0), ops.shape(x))
            self.add_loss(ops.mean((ops.stop_gradient(x) - found) ** 2))
            self.add_loss(0.25 * ops.mean((x - ops.stop_gradient(found)) ** 2))
            return x + ops.stop_gradient(found - x)

    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(8, 1)(x)
    x = Codebook(64, 8)(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    outputs = layers.Conv2DTranspose(1, 3, padding="same")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(), "mse")
    return Subject(model)


# Likeness


@sound
def siamese_pairs_with_contrastive_loss() -> Subject:
    def contrastive(same: Any, far: Any) -> Any:
        same = ops.cast(same, far.dtype)
        return ops.mean(same * ops.square(far) + (1 - same) * ops.square(ops.maximum(1.0 - far, 0)), axis=-1)

    def distance(pair: Any) -> Any:
        a, b = pair
        return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b), axis=1, keepdims=True), 1e-7))

    tower = Sequential(
        [keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dropout(0.1), layers.Dense(8)], name="tower"
    )
    left, right = keras.Input((20,), name="left"), keras.Input((20,), name="right")
    outputs = layers.Lambda(distance, output_shape=(1,))([tower(left), tower(right)])
    model = Model({"left": left, "right": right}, outputs)
    model.compile("rmsprop", contrastive)
    rng = np.random.default_rng(14)
    centres = rng.normal(size=(4, 20))
    kinds = rng.integers(0, 4, (2, 1000))
    kinds[1, ::2] = kinds[0, ::2]
    a, b = (centres[k] + rng.normal(0, 0.5, (1000, 20)) for k in kinds)
    same = (kinds[0] == kinds[1]).astype("float32")
    order = rng.permutation(1000)
    x = {"left": a[order].astype("float32"), "right": b[order].astype("float32")}
    return Subject(model, _split(x, same[order], 800), batch_size=32)


@sound
def triplets_with_the_loss_in_a_layer() -> Subject:
    class Margin(layers.Layer):
        def call(self, anchor: Any, near: Any, far: Any) -> Any:
            gap = ops.sum(ops.square(anchor - near), -1) - ops.sum(ops.square(anchor - far), -1)
            self.add_loss(ops.mean(ops.relu(gap + 0.5)))
            return anchor

    embed = Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(32),
            layers.UnitNormalization(),
        ]
    )
    three = [keras.Input((32, 32, 3), name=name) for name in ("anchor", "positive", "negative")]
    outputs = Margin()(*(embed(i) for i in three))
    model = Model(three, outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-4))
    return Subject(model)


@sound
def two_views_contrasted_as_in_simclr() -> Subject:
    class TwoViews(Model):
        def __init__(self) -> None:
            super().__init__()
            self.augment = Sequential([layers.RandomFlip("horizontal"), layers.RandomTranslation(0.2, 0.2)])
            self.encoder = Sequential(
                [
                    layers.Conv2D(16, 3, strides=2, activation="relu"),
                    layers.Conv2D(32, 3, strides=2, activation="relu"),
                    layers.Conv2D(32, 3, strides=2, activation="relu"),
                    layers.Flatten(),
                    layers.Dense(32, activation="relu"),
                ]
            )
            self.head = Sequential([layers.Dense(32, activation="relu"), layers.Dense(16)])

        def call(self, x: Any, training: bool = False) -> Any:
            views = [self.head(self.encoder(self.augment(x, training=training))) for _ in range(2)]
            return ops.stack(views, axis=1)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):  # noqa: ARG002
            z = ops.normalize(y_pred, axis=-1)
            alike = ops.matmul(z[:, 0], ops.transpose(z[:, 1])) / 0.1
            own = ops.arange(ops.shape(alike)[0])
            there = keras.losses.sparse_categorical_crossentropy(own, alike, from_logits=True)
            back = keras.losses.sparse_categorical_crossentropy(own, ops.transpose(alike), from_logits=True)
            return ops.mean(there + back) / 2

    model = TwoViews()
    model(np.zeros((2, 32, 32, 3), "float32"))
    model.compile(keras.optimizers.Adam(1e-3))
    return Subject(model, batch_size=64)


@sound
def faces_by_scaled_cosine_of_unit_vectors() -> Subject:
    class CosineLogits(layers.Layer):
        def __init__(self, classes: int, scale: float):
            super().__init__()
            self.classes, self.scale = classes, scale

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], self.classes), initializer="glorot_normal", name="kernel")

        def call(self, x: Any) -> Any:
            return self.scale * ops.matmul(ops.normalize(x, axis=-1), ops.normalize(self.kernel, axis=0))

    inputs = keras.Input((40,))
    x = layers.Dense(48, use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.Dense(16)(x)
    outputs = CosineLogits(6, 10.0)(x)
    model = Model(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    rng = np.random.default_rng(44)
    y = rng.permutation(np.arange(900) % 6)
    x_data = 0.6 * rng.normal(size=(6, 40))[y] + 0.8 * rng.normal(size=(900, 40))
    return Subject(model, _split(x_data.astype("float32"), y.astype("int32"), 720), batch_size=32)


# Tables and advice


@sound
def tab_transformer_with_named_columns() -> Subject:
    sizes = {"work": 5, "region": 8, "marital": 4}
    inputs = {name: keras.Input((1,), name=name, dtype="int32") for name in sizes}
    inputs["numbers"] = keras.Input((3,), name="numbers")
    x = layers.Concatenate(axis=1)([layers.Embedding(n, 8)(inputs[name]) for name, n in sizes.items()])
    h = layers.MultiHeadAttention(2, 4, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.add([x, h]))
    h = layers.Dense(8)(layers.Dense(16, activation="gelu")(x))
    x = layers.LayerNormalization()(layers.add([x, h]))
    x = layers.concatenate([layers.Flatten()(x), layers.LayerNormalization()(inputs["numbers"])])
    x = layers.Dropout(0.2)(layers.Dense(24, activation="selu", kernel_initializer="lecun_normal")(x))
    model = Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.AdamW(1e-3), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    rng = np.random.default_rng(52)
    data: dict[str, np.ndarray] = {k: rng.integers(0, n, (1200, 1)).astype("int32") for k, n in sizes.items()}
    data["numbers"] = rng.normal(size=(1200, 3)).astype("float32")
    effect = rng.normal(size=5)[data["work"][:, 0]] + rng.normal(size=8)[data["region"][:, 0]]
    score = effect - effect.mean() + data["numbers"][:, 0] - data["numbers"][:, 1] + rng.normal(0, 0.3, 1200)
    return Subject(model, _split(data, (score > np.median(score)).astype("float32"), 960), batch_size=64)


@sound
def raw_columns_behind_an_adapted_normalization() -> Subject:
    x, f, rng = _table(900, 4, 61)
    raw = (x * np.array([12.0, 15000.0, 3.0, 0.01]) + np.array([40.0, 52000.0, 10.0, 0.05])).astype("float32")
    price = (f + rng.normal(0, 0.1, 900)).astype("float32")
    norm = layers.Normalization()
    norm.adapt(raw[:720])
    model = Sequential([keras.Input((4,)), norm])
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(32, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mean_absolute_error")
    return Subject(model, _split(raw, price, 720), batch_size=32, dry_run=True)


@sound
def wide_and_deep_for_clicks() -> Subject:
    wide = keras.Input((200,), name="crossed")
    deep = keras.Input((12,), name="plain")
    x = layers.Dense(64, activation="relu")(deep)
    x = layers.Dense(32, activation="relu")(x)
    deep_part = layers.Dense(1)(x)
    wide_part = layers.Dense(1, use_bias=False, kernel_initializer="zeros", kernel_regularizer="l1")(wide)
    outputs = layers.Activation("sigmoid")(layers.add([wide_part, deep_part]))
    model = Model([wide, deep], outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "AUC"])
    return Subject(model)


@sound
def deep_and_cross_with_low_rank() -> Subject:
    class Cross(layers.Layer):
        def build(self, shape: Any) -> None:
            self.down = layers.Dense(8, use_bias=False)
            self.up = layers.Dense(shape[-1])
            self.down.build(shape)
            self.up.build((None, 8))

        def call(self, x0: Any, x: Any) -> Any:
            return x0 * self.up(self.down(x)) + x

    ids = keras.Input((6,), dtype="int32", name="ids")
    dense = keras.Input((7,), name="dense")
    e = layers.Flatten()(layers.Embedding(10000, 8)(ids))
    x0 = layers.BatchNormalization()(layers.concatenate([e, dense]))
    x = x0
    for _ in range(3):
        x = Cross()(x0, x)
    deep = layers.Dropout(0.1)(layers.Dense(64, activation="relu")(x0))
    deep = layers.Dense(32, activation="relu")(deep)
    outputs = layers.Dense(1, activation="sigmoid")(layers.concatenate([x, deep]))
    model = Model([ids, dense], outputs)
    model.compile("adagrad", "binary_crossentropy", metrics=["AUC"])
    model.optimizer.learning_rate = 0.05
    return Subject(model)


@sound
def two_towers_that_meet_in_a_dot_product() -> Subject:
    user, item = keras.Input((), dtype="int32", name="user"), keras.Input((8,), name="item")
    u = layers.Embedding(60, 8, embeddings_regularizer=regularizers.L2(1e-6))(user)
    u = layers.Dense(8)(layers.Dense(16, activation="relu")(u))
    v = layers.Dense(8)(layers.Dense(16, activation="relu")(item))
    score = layers.Dot(axes=-1)([u, v])
    model = Model([user, item], score)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)])
    rng = np.random.default_rng(66)
    taste = rng.normal(size=(60, 8))
    who = rng.integers(0, 60, 1600)
    what = rng.normal(size=(1600, 8))
    like = ((taste[who] * what).sum(1) + rng.normal(0, 0.3, 1600) > 0).astype("float32")
    who, what = who.astype("int32"), what.astype("float32")
    data = {"train": ([who[:1300], what[:1300]], like[:1300]), "validation": ([who[1300:], what[1300:]], like[1300:])}
    return Subject(model, data, batch_size=64)


@sound
def ratings_by_factors_and_biases() -> Subject:
    class Factors(Model):
        def __init__(self, users: int, films: int, rank: int):
            super().__init__()
            l2 = regularizers.L2(1e-5)
            small = keras.initializers.RandomNormal(stddev=0.1)
            self.u = layers.Embedding(users, rank, embeddings_initializer=small, embeddings_regularizer=l2)
            self.f = layers.Embedding(films, rank, embeddings_initializer=small, embeddings_regularizer=l2)
            self.bu = layers.Embedding(users, 1, embeddings_initializer="zeros")
            self.bf = layers.Embedding(films, 1, embeddings_initializer="zeros")
            self.mean = self.add_weight(shape=(), initializer=keras.initializers.Constant(3.5), name="mean")

        def call(self, pairs: Any) -> Any:
            u, f = pairs[:, 0], pairs[:, 1]
            together = ops.sum(self.u(u) * self.f(f), axis=-1, keepdims=True)
            return self.mean + together + self.bu(u) + self.bf(f)

    model = Factors(50, 40, 4)
    model(np.zeros((1, 2), "int32"))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=[keras.metrics.RootMeanSquaredError()])
    rng = np.random.default_rng(21)
    pairs = rng.permutation(np.array([(u, f) for u in range(50) for f in range(40)]))[:1500]
    kind, good = rng.normal(0, 0.5, 50), rng.normal(0, 0.7, 40)
    stars = np.clip(np.round(3.5 + kind[pairs[:, 0]] + good[pairs[:, 1]] + rng.normal(0, 0.3, 1500)), 1, 5)
    return Subject(model, _split(pairs.astype("int32"), stars.astype("float32")[:, None], 1200), batch_size=64)


@sound
def counts_of_bikes_with_poisson_loss_and_exponential() -> Subject:
    x, f, rng = _table(1000, 6, 81)
    counts = rng.poisson(np.exp(1.5 + 0.5 * f)).astype("float32")
    start = keras.initializers.Constant(float(np.log(counts[:800].mean())))
    inputs = keras.Input((6,))
    h = layers.Dense(16, activation="relu")(inputs)
    h = layers.Dense(16, activation="relu")(h)
    outputs = layers.Dense(1, activation="exponential", bias_initializer=start)(h)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), "poisson", metrics=["mae"])
    return Subject(model, _split(x, counts, 800), batch_size=32, dry_run=True)


@sound
def ordinal_grades_as_thresholds_passed() -> Subject:
    x, f, rng = _table(1000, 8, 83)
    grade = np.digitize(f + rng.normal(0, 0.1, 1000), [-0.8, 0.0, 0.8])
    passed = (grade[:, None] > np.arange(3)).astype("float32")
    model = Sequential(
        [
            keras.Input((8,)),
            layers.Dense(24, activation="relu", kernel_initializer="he_uniform"),
            layers.Dense(3, activation="sigmoid"),
        ]
    )
    model.compile("adam", keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.BinaryAccuracy()])
    return Subject(model, _split(x, passed, 800), batch_size=32)


@sound
def tags_of_songs_of_which_several_may_hold() -> Subject:
    rng = np.random.default_rng(91)
    x = rng.normal(size=(1000, 15)).astype("float32")
    tags = (x @ rng.normal(size=(15, 5)) + rng.normal(0, 0.5, (1000, 5)) > 0.5).astype("float32")
    inputs = keras.Input((15,))
    h = layers.Dense(32, activation="gelu")(inputs)
    h = layers.Dropout(0.25)(h)
    outputs = layers.Dense(5)(h)
    model = Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.BinaryFocalCrossentropy(from_logits=True),
        metrics=[keras.metrics.AUC(multi_label=True, num_labels=5, from_logits=True)],
    )
    return Subject(model, _split(x, tags, 800), batch_size=32, dry_run=True)


@sound
def age_and_sex_and_mood_from_one_trunk() -> Subject:
    x, f, rng = _table(1000, 10, 95)
    inputs = keras.Input((10,), name="features")
    h = layers.Dense(32, activation="relu")(inputs)
    h = layers.Dropout(0.1)(h)
    age = layers.Dense(1, name="age")(layers.Dense(12, activation="relu")(h))
    sex = layers.Dense(1, activation="sigmoid", name="sex")(h)
    mood = layers.Dense(3, activation="softmax", name="mood")(layers.Dense(12, activation="relu")(h))
    model = Model(inputs, {"age": age, "sex": sex, "mood": mood})
    model.compile(
        optimizer="adam",
        loss={"age": "mse", "sex": "binary_crossentropy", "mood": "sparse_categorical_crossentropy"},
        loss_weights={"age": 0.5, "sex": 1.0, "mood": 1.0},
        metrics={"age": ["mae"], "sex": ["accuracy"], "mood": ["accuracy"]},
    )
    mood_score = x[:, 3] - x[:, 4]
    y = {
        "age": f + rng.normal(0, 0.1, 1000).astype("float32"),
        "sex": (x[:, 2] + rng.normal(0, 0.2, 1000) > 0).astype("float32"),
        "mood": np.digitize(mood_score, np.quantile(mood_score, [1 / 3, 2 / 3])).astype("int32"),
    }
    return Subject(model, _split(x, y, 800), batch_size=32, dry_run=True)


@sound
def three_quantiles_with_the_pinball_loss() -> Subject:
    def pinball(y_true: Any, y_pred: Any) -> Any:
        q = ops.convert_to_tensor([0.1, 0.5, 0.9], y_pred.dtype)
        miss = y_true - y_pred
        return ops.mean(ops.maximum(q * miss, (q - 1) * miss), axis=-1)

    x, f, rng = _table(1000, 5, 101)
    y = (f + rng.normal(size=1000) * (0.1 + 0.3 * (x[:, 0] > 0))).astype("float32")[:, None]
    model = Sequential([keras.Input((5,)), layers.Dense(32, "tanh"), layers.Dense(16, "tanh"), layers.Dense(3)])
    model.compile(keras.optimizers.Adam(0.005), pinball)
    return Subject(model, _split(x, y, 800), batch_size=50)


@sound
def mixture_density_of_an_inverse_problem() -> Subject:
    k = 4

    def mixture_nll(y_true: Any, y_pred: Any) -> Any:
        logits, mean, log_scale = ops.split(y_pred, 3, axis=-1)
        log_scale = ops.clip(log_scale, -5.0, 5.0)
        z = (y_true - mean) * ops.exp(-log_scale)
        each = ops.log_softmax(logits, axis=-1) - 0.5 * ops.square(z) - log_scale - 0.5 * math.log(2 * math.pi)
        return -ops.logsumexp(each, axis=-1)

    inputs = keras.Input((1,))
    x = layers.Dense(32, activation="tanh")(inputs)
    x = layers.Dense(32, activation="tanh")(x)
    spread = keras.initializers.RandomUniform(-1, 1, seed=2)
    parts = [layers.Dense(k)(x), layers.Dense(k, bias_initializer=spread)(x), layers.Dense(k)(x)]
    model = Model(inputs, layers.concatenate(parts))
    model.compile(keras.optimizers.Adam(2e-3), mixture_nll)
    rng = np.random.default_rng(104)
    y = rng.uniform(-1, 1, (1500, 1))
    x_data = y + 0.3 * np.sin(2 * np.pi * y) + rng.normal(0, 0.05, (1500, 1))
    return Subject(model, _split((1.7 * x_data).astype("float32"), (1.7 * y).astype("float32"), 1200), batch_size=64)


@sound
def mean_and_spread_with_gaussian_likelihood() -> Subject:
    @keras.saving.register_keras_serializable("held_out")
    def gaussian_nll(y_true: Any, y_pred: Any) -> Any:
        mean, scale = y_pred[:, :1], y_pred[:, 1:]
        return ops.mean(ops.log(scale) + 0.5 * ops.square((y_true - mean) / scale), axis=-1)

    x, f, rng = _table(1000, 6, 107)
    y = (f + rng.normal(size=1000) * np.exp(-1 + 0.5 * x[:, 1])).astype("float32")[:, None]
    inputs = keras.Input((6,))
    h = layers.Dense(24, activation="silu")(inputs)
    h = layers.Dense(24, activation="silu")(h)
    mean = layers.Dense(1)(h)
    scale = ops.softplus(layers.Dense(1)(h)) + 1e-3
    model = Model(inputs, layers.Concatenate()([mean, scale]))
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=5.0), gaussian_nll)
    return Subject(model, _split(x, y, 800), batch_size=32, dry_run=True)


@sound
def survival_by_the_partial_likelihood_of_cox() -> Subject:
    def cox(y_true: Any, risk: Any) -> Any:
        time, event = y_true[:, 0], y_true[:, 1]
        still = ops.cast(time[None, :] >= time[:, None], risk.dtype)
        r = risk[:, 0]
        log_sum = ops.logsumexp(r[None, :] + (1 - still) * -1e9, axis=1)
        return ops.sum(event * (log_sum - r)) / ops.maximum(ops.sum(event), 1.0)

    x, f, rng = _table(900, 7, 109)
    time = rng.exponential(np.exp(-f))
    censor = rng.exponential(2.0, 900)
    y = np.stack([np.minimum(time, censor), time <= censor], axis=1).astype("float32")
    model = Sequential(
        [
            keras.Input((7,)),
            layers.Dense(16, activation="elu"),
            layers.Dropout(0.1),
            # A constant risk means nothing: no bias.
            layers.Dense(1, use_bias=False),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), cox)
    return Subject(model, _split(x, y, 720), batch_size=120)


@sound
def steering_between_minus_one_and_one_with_tanh() -> Subject:
    inputs = keras.Input((20, 40, 1))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 5, strides=2, activation="elu")(x)
    x = layers.Conv2D(12, 3, strides=2, activation="elu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(16, activation="elu")(x)
    outputs = layers.Dense(1, activation="tanh")(x)
    model = Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    rng = np.random.default_rng(111)
    angle = rng.uniform(-0.9, 0.9, 900)
    rows, cols = np.mgrid[:20, :40]
    lane = np.abs(cols - (20 + angle[:, None, None] * (20 - rows))) < 2
    x_data = np.clip(60 + 150 * lane + rng.normal(0, 20, lane.shape), 0, 255)[..., None].astype("uint8")
    return Subject(model, _split(x_data, angle.astype("float32"), 720), batch_size=32)


@sound
def selu_tower_with_alpha_dropout() -> Subject:
    rng = np.random.default_rng(113)
    y = rng.permutation(np.arange(1200) % 3)
    x = (rng.normal(size=(3, 12))[y] + rng.normal(size=(1200, 12))).astype("float32")
    x = (x - x[:1000].mean(0)) / x[:1000].std(0)
    model = Sequential([keras.Input((12,))])
    for _ in range(6):
        model.add(layers.Dense(16, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.AlphaDropout(0.1))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model, _split(x, np.eye(3, dtype="float32")[y], 1000), batch_size=32, dry_run=True)


@sound
def maxout_units_without_any_activation_argument() -> Subject:
    inputs = keras.Input((30,))
    x = inputs
    for width in (32, 32):
        x = layers.Dense(width * 3)(x)
        x = layers.Reshape((width, 3))(x)
        x = layers.Lambda(lambda t: ops.max(t, axis=-1), output_shape=(width,))(x)
        x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = Model(inputs, outputs)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def highway_whose_gates_begin_closed() -> Subject:
    inputs = keras.Input((16,))
    x = layers.Dense(32, activation="relu")(inputs)
    for _ in range(8):
        gate = layers.Dense(32, activation="sigmoid", bias_initializer=keras.initializers.Constant(-2.0))(x)
        new = layers.Dense(32, activation="relu")(x)
        x = gate * new + (1.0 - gate) * x
    model = Model(inputs, layers.Dense(1)(x))
    model.compile("adam", "log_cosh", metrics=["mse"])
    return Subject(model)


@sound
def student_taught_by_soft_labels_too() -> Subject:
    rng = np.random.default_rng(117)
    x = rng.normal(size=(1000, 10)).astype("float32")
    logits = 2 * x @ rng.normal(size=(10, 4)) / np.sqrt(10)
    soft = np.exp(logits / 3)
    soft = (soft / soft.sum(1, keepdims=True)).astype("float32")
    inputs = keras.Input((10,))
    h = layers.Dense(24, activation="relu")(inputs)
    h = layers.Dense(4, name="hard")(h)
    cool = layers.Softmax(name="soft")(h / 3.0)
    model = Model(inputs, {"hard": h, "soft": cool})
    model.compile(
        "adam",
        loss={"hard": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "soft": "kl_divergence"},
        loss_weights={"hard": 0.3, "soft": 0.7 * 9},
    )
    y = {"hard": logits.argmax(1).astype("int32"), "soft": soft}
    return Subject(model, _split(x, y, 800), batch_size=32)


@sound
def linear_machine_with_squared_hinge() -> Subject:
    x, f, rng = _table(800, 9, 119)
    y = np.where(f + rng.normal(0, 0.1, 800) > 0, 1.0, -1.0).astype("float32")
    model = Sequential([keras.Input((9,)), layers.Dense(1, kernel_regularizer=regularizers.L2(1e-3))])
    model.compile("sgd", "squared_hinge")
    return Subject(model, _split(x, y, 640), batch_size=20)


# Geometry, graphs, play


@sound
def graph_convolution_over_a_dense_adjacency() -> Subject:
    class GraphConv(layers.Layer):
        def __init__(self, units: int, activation: str | None = None):
            super().__init__()
            self.dense = layers.Dense(units)
            self.act = keras.activations.get(activation)

        def call(self, x: Any, links: Any) -> Any:
            links = links + ops.eye(links.shape[-1])
            root = ops.rsqrt(ops.sum(links, axis=-1, keepdims=True))
            return self.act(ops.matmul(root * links * ops.transpose(root, (0, 2, 1)), self.dense(x)))

    nodes, links = keras.Input((20, 8), name="nodes"), keras.Input((20, 20), name="links")
    x = GraphConv(32, "relu")(nodes, links)
    x = layers.Dropout(0.2)(x)
    x = GraphConv(32, "relu")(x, links)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(16, activation="relu")(x)
    model = Model([nodes, links], layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy", metrics=["AUC"])
    return Subject(model)


@sound
def point_net_whose_transform_begins_as_identity() -> Subject:
    inputs = keras.Input((128, 3))
    t = layers.Conv1D(32, 1, activation="relu")(inputs)
    t = layers.Conv1D(64, 1, activation="relu")(t)
    t = layers.GlobalMaxPooling1D()(t)
    t = layers.Dense(32, activation="relu")(t)
    eye = keras.initializers.Constant(np.eye(3, dtype="float32").flatten())
    t = layers.Dense(9, kernel_initializer="zeros", bias_initializer=eye)(t)
    t = layers.Reshape((3, 3))(t)
    x = layers.Dot(axes=(2, 1))([inputs, t])
    for n in (32, 64, 128):
        x = layers.Conv1D(n, 1, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.BatchNormalization()(layers.Dense(64, use_bias=False)(x))
    x = layers.Dropout(0.3)(layers.Activation("relu")(x))
    model = Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model)


@sound
def radiance_field_over_encoded_positions() -> Subject:
    def encode(p: Any) -> Any:
        parts = [p] + [f(2.0**i * p) for i in range(6) for f in (ops.sin, ops.cos)]
        return ops.concatenate(parts, axis=-1)

    inputs = keras.Input((3,))
    first = layers.Lambda(encode, output_shape=(39,))(inputs)
    x = first
    for i in range(6):
        x = layers.Dense(64, activation="relu")(x)
        if i == 2:
            x = layers.concatenate([x, first])
    colour = layers.Dense(3, activation="sigmoid", name="colour")(x)
    density = layers.Dense(1, activation="softplus", name="density")(x)
    model = Model(inputs, [colour, density])
    model.compile(keras.optimizers.Adam(5e-4), loss=["mse", "mse"], loss_weights=[1.0, 0.1])
    return Subject(model)


@sound
def sine_network_that_draws_one_picture() -> Subject:
    class Sine(layers.Layer):
        def __init__(self, units: int, first: bool = False, omega: float = 10.0):
            super().__init__()
            self.units, self.first, self.omega = units, first, omega

        def build(self, shape: Any) -> None:
            fan = shape[-1]
            bound = 1 / fan if self.first else math.sqrt(6 / fan) / self.omega
            init = keras.initializers.RandomUniform(-bound, bound)
            self.w = self.add_weight(shape=(fan, self.units), initializer=init, name="w")
            self.b = self.add_weight(shape=(self.units,), initializer=init, name="b")

        def call(self, x: Any) -> Any:
            return ops.sin(self.omega * (ops.matmul(x, self.w) + self.b))

    model = Sequential([keras.Input((2,)), Sine(32, first=True), Sine(32), Sine(32), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 48), np.linspace(-1, 1, 48)), axis=-1).reshape(-1, 2)
    grid = np.random.default_rng(121).permutation(grid)
    y = np.sin(5 * grid[:, :1]) * np.cos(4 * grid[:, 1:]) + 0.5 * np.tanh(4 * (grid[:, :1] + grid[:, 1:]))
    return Subject(model, _split(grid.astype("float32"), y.astype("float32"), 1800), batch_size=100)


@sound
def deep_q_network_with_duelling_heads() -> Subject:
    frames = keras.Input((42, 42, 4), dtype="uint8")
    x = layers.Rescaling(1 / 255.0)(frames)
    x = layers.Conv2D(16, 8, strides=4, activation="relu")(x)
    x = layers.Conv2D(32, 4, strides=2, activation="relu")(x)
    x = layers.Flatten()(x)
    value = layers.Dense(1)(layers.Dense(64, activation="relu")(x))
    gain = layers.Dense(4)(layers.Dense(64, activation="relu")(x))
    q = value + gain - ops.mean(gain, axis=1, keepdims=True)
    model = Model(frames, q)
    model.compile(keras.optimizers.Adam(2.5e-4, clipnorm=1.0), keras.losses.Huber())
    return Subject(model)


@sound
def actor_and_critic_on_one_trunk() -> Subject:
    state = keras.Input((4,))
    h = layers.Dense(64, activation="tanh", kernel_initializer=keras.initializers.Orthogonal(math.sqrt(2)))(state)
    h = layers.Dense(64, activation="tanh", kernel_initializer=keras.initializers.Orthogonal(math.sqrt(2)))(h)
    # A small gain: every action is about as likely at the start.
    actor = layers.Dense(2, activation="softmax", kernel_initializer=keras.initializers.Orthogonal(0.01))(h)
    critic = layers.Dense(1, kernel_initializer="orthogonal")(h)
    model = Model(state, [actor, critic])
    optimizer = keras.optimizers.Adam(3e-4, epsilon=1e-5, global_clipnorm=0.5)
    model.compile(optimizer, loss=["sparse_categorical_crossentropy", "huber"], loss_weights=[1, 0.5])
    return Subject(model)
