"""Models with one fault in their structure or their settings."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import Sequential, layers, ops, regularizers
from keras.applications import (
    VGG16,
    EfficientNetB0,
    MobileNet,
    MobileNetV2,
    MobileNetV3Small,
    ResNet50,
    ResNet50V2,
    mobilenet_v2,
)

from benchmarks.audit.case import Subject, faulty

# --- Poolings and strides that leave no space ---


@faulty("pooling-collapse", "receptive-field")
def thumbnails_pooled_to_one_pixel_with_convolutions_to_come():
    model = Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128, 256, 256):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Conv2D(512, 3, padding="same", activation="relu"))
    model.add(layers.Conv2D(512, 3, padding="same", activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("pooling-collapse")
def text_pooled_to_a_single_step_before_the_lstm():
    tokens = keras.Input((100,), dtype="int32")
    x = layers.Embedding(8000, 64)(tokens)
    for width in (64, 64, 96):
        x = layers.Conv1D(width, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling1D(5, padding="same")(x)
    x = layers.LSTM(64)(x)
    x = layers.Dropout(0.4)(x)
    out = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(tokens, out)
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


class StridedVolumeNet(keras.Model):
    """Six strided convolutions for cubes of a CT scan."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convs = [
            layers.Conv3D(w, 3, strides=2, padding="same", activation="relu") for w in (8, 16, 32, 64, 64, 64)
        ]
        self.flat = layers.Flatten()
        self.out = layers.Dense(1)

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return self.out(self.flat(x))


@faulty("pooling-collapse", "receptive-field")
def nodule_cubes_strided_down_to_one_voxel_too_early():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(320, 16, 16, 16, 1)).astype("float32")
    y = rng.integers(0, 2, size=(320, 1))
    x[y[:, 0] == 1, 5:11, 5:11, 5:11] += 1.0
    model = StridedVolumeNet()
    model(x[:2])
    model.compile(
        optimizer=keras.optimizers.Adam(3e-4),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    return Subject(model=model, data=(x, y))


# --- What the deciding units see ---


@faulty("receptive-field")
def large_photos_judged_by_windows_of_five_pixels():
    model = Sequential(
        [
            keras.Input(shape=(224, 224, 3)),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(32, (3, 3)),
            layers.Activation("relu"),
            layers.Conv2D(64, (3, 3)),
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, activation="relu"),
            layers.Dense(12),
            layers.Activation("softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(), metrics=["acc"])
    return Subject(model=model)


@faulty("receptive-field")
def spoken_words_heard_through_seven_samples_of_the_wave():
    wave = keras.Input(shape=(16000, 1), name="wave")
    x = wave
    for width in [32, 64, 128]:
        x = layers.Conv1D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    x = layers.GlobalMaxPooling1D()(x)
    logits = layers.Dense(35, name="word")(x)
    model = keras.Model(wave, logits, name="keyword_spotter")
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Subject(model=model)


@faulty("receptive-field")
def organ_masks_of_large_scans_drawn_by_four_small_convolutions():
    scan = keras.Input((256, 256, 1))
    x = scan
    for _ in range(3):
        x = layers.Conv2D(32, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    masks = layers.Conv2D(5, 3, padding="same", activation="softmax", name="organs")(x)
    model = keras.Model(scan, masks)
    model.compile("adam", loss={"organs": "sparse_categorical_crossentropy"})
    return Subject(model=model)


# --- Far more weights than samples ---


@faulty("excess-capacity")
def wide_network_for_a_small_table_of_wines():
    rng = np.random.default_rng(21)
    labels = rng.integers(0, 3, size=600)
    centers = rng.normal(size=(3, 11))
    names = [f"measure_{i}" for i in range(11)]
    table = pd.DataFrame(centers[labels] + rng.normal(size=(600, 11)), columns=names)
    model = Sequential()
    model.add(layers.Input(shape=(11,)))
    model.add(layers.Dense(2048, activation="relu"))
    model.add(layers.Dense(2048, activation="relu"))
    model.add(layers.Dense(1024, activation="relu"))
    model.add(layers.Dense(3, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(table, pd.Series(labels, name="grade")))


@faulty("excess-capacity")
def flattened_maps_into_huge_dense_layers_for_few_photos():
    rng = np.random.default_rng(22)
    y = rng.integers(0, 4, size=700)
    x = rng.uniform(0, 1, size=(700, 32, 32, 3)).astype("float32")
    for i, label in enumerate(y):
        x[i, 8 * label : 8 * label + 8, :, label % 3] *= 0.4
    image = keras.Input((32, 32, 3))
    h = layers.Conv2D(32, 3, activation="relu", padding="same")(image)
    h = layers.MaxPool2D()(h)
    h = layers.Conv2D(64, 3, activation="relu", padding="same")(h)
    h = layers.MaxPool2D()(h)
    h = layers.Flatten()(h)
    h = layers.Dense(2048, activation="relu")(h)
    h = layers.Dense(1024, activation="relu")(h)
    model = keras.Model(image, layers.Dense(4, activation="softmax")(h))
    model.compile(keras.optimizers.Adam(5e-4), keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    onehot = keras.utils.to_categorical(y, 4)
    data = {"train": (x[:560], onehot[:560]), "validation": (x[560:], onehot[560:])}
    return Subject(model=model, data=data, batch_size=32)


@faulty("excess-capacity")
def two_big_recurrent_layers_and_a_big_vocabulary_for_few_reviews():
    rng = np.random.default_rng(23)
    y = rng.integers(0, 2, size=800).astype("float32")
    x = rng.integers(1, 20000, size=(800, 40))
    x[y == 1, :6] = rng.integers(1, 60, size=(int(y.sum()), 6))
    model = Sequential(
        [
            keras.Input((40,), dtype="int32"),
            layers.Embedding(20000, 300),
            layers.Bidirectional(layers.LSTM(256, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(256)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0), loss="binary_crossentropy", metrics=["AUC"])
    return Subject(model=model, data=(x, y))


# --- A bias that batch normalization takes away ---


@faulty("bias-before-batch-norm", is_info=True)
def image_generator_of_transposed_convolutions_with_idle_biases():
    noise = keras.Input((100,), name="z")
    x = layers.Dense(4 * 4 * 128)(noise)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Reshape((4, 4, 128))(x)
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(x)
        x = layers.BatchNormalization(momentum=0.8)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    image = layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(x)
    return Subject(model=keras.Model(noise, image, name="generator"))


@faulty("bias-before-batch-norm", is_info=True)
def video_frames_convolved_with_bias_and_normalized_without_center():
    clip = keras.Input((8, 48, 48, 3))
    x = clip
    for filters in (16, 32):
        x = layers.TimeDistributed(layers.Conv2D(filters, 3, strides=2, padding="same"))(x)
        x = layers.TimeDistributed(layers.BatchNormalization(center=False))(x)
        x = layers.Activation("relu")(x)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    x = layers.GRU(32)(x)
    model = keras.Model(clip, layers.Dense(6, activation="softmax")(x))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


class PooledBlock(layers.Layer):
    """Convolution, average pooling, then normalization."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.SeparableConv1D(filters, 7, padding="same")
        self.pool = layers.AveragePooling1D(2)
        self.norm = layers.BatchNormalization()

    def build(self, input_shape):
        self.conv.build(input_shape)
        shape = self.conv.compute_output_shape(input_shape)
        self.norm.build(self.pool.compute_output_shape(shape))

    def call(self, x, training=None):
        return ops.relu(self.norm(self.pool(self.conv(x)), training=training))


@faulty("bias-before-batch-norm", is_info=True)
def heartbeat_blocks_with_a_pooling_between_bias_and_normalization():
    beats = keras.Input((256, 2))
    x = PooledBlock(32)(beats)
    x = PooledBlock(64)(x)
    x = PooledBlock(64)(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(beats, layers.Dense(5, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(), loss="binary_crossentropy")
    return Subject(model=model)


# --- Dropout in the wrong place ---


@faulty("misplaced-dropout")
def dropout_placed_behind_the_softmax():
    model = Sequential()
    model.add(layers.Input((28, 28, 1)))
    model.add(layers.Conv2D(32, kernel_size=(3, 3), activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2)))
    model.add(layers.Conv2D(64, kernel_size=(3, 3), activation="relu"))
    model.add(layers.MaxPooling2D(pool_size=(2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.add(layers.Dropout(0.5))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model=model)


@faulty("misplaced-dropout")
def channels_dropped_right_before_each_batch_normalization():
    signal = keras.Input(shape=(200, 6))
    h = signal
    for filters in (32, 64, 128):
        h = layers.Conv1D(filters, 5, padding="same", use_bias=False)(h)
        h = layers.SpatialDropout1D(0.4)(h)
        h = layers.BatchNormalization()(h)
        h = layers.Activation("relu")(h)
        h = layers.MaxPooling1D(2)(h)
    h = layers.GlobalAveragePooling1D()(h)
    activity = layers.Dense(7, activation="softmax", name="activity")(h)
    model = keras.Model(signal, activity)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("misplaced-dropout")
def keep_probability_of_nine_tenths_given_as_the_rate_in_a_transformer():
    keep_prob = 0.9
    tokens = keras.Input((64,), dtype="int32")
    x = layers.Embedding(5000, 64)(tokens)
    x = x + layers.Embedding(64, 64)(ops.arange(64))
    for _ in range(2):
        a = layers.MultiHeadAttention(4, 16)(x, x)
        a = layers.Dropout(keep_prob)(a)
        x = layers.LayerNormalization()(x + a)
        f = layers.Dense(128, activation="gelu")(x)
        f = layers.Dense(64)(f)
        f = layers.Dropout(keep_prob)(f)
        x = layers.LayerNormalization()(x + f)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(keep_prob)(x)
    model = keras.Model(tokens, layers.Dense(4)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(3e-4), loss=loss, metrics=["accuracy"])
    return Subject(model=model)


class DemandForecaster(keras.Model):
    """One number for tomorrow from four weeks of sales."""

    def __init__(self):
        super().__init__()
        self.reader = layers.Bidirectional(layers.GRU(32))
        self.hidden = layers.Dense(32, activation="relu")
        self.head = layers.Dense(1)
        self.drop = layers.Dropout(0.3)

    def call(self, inputs, training=False):
        x = self.reader(inputs)
        x = self.hidden(x)
        return self.drop(self.head(x), training=training)


@faulty("misplaced-dropout")
def forecast_of_sales_dropped_after_the_last_dense_layer():
    rng = np.random.default_rng(31)
    x = rng.normal(size=(400, 28, 3)).astype("float32")
    y = (x[:, -7:, 0].mean(axis=1) + 0.1 * rng.normal(size=400)).astype("float32")
    model = DemandForecaster()
    model(x[:2])
    model.compile(optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0), loss="mse", metrics=["mae"])
    return Subject(model=model, data=(x, y.reshape(-1, 1)))


# --- Batches that do not fit ---


@faulty("large-batch")
def nearly_the_whole_table_in_each_batch():
    rng = np.random.default_rng(41)
    x = rng.normal(size=(1200, 14)).astype("float32")
    y = (x @ rng.normal(size=14) + 0.3 * rng.normal(size=1200) > 0).astype("float32")
    model = Sequential(
        [
            keras.Input((14,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    data = {"train": (x[:1000], y[:1000]), "validation": (x[1000:], y[1000:])}
    return Subject(model=model, data=data, batch_size=960)


@faulty("large-batch")
def dataset_batched_by_its_own_length():
    rng = np.random.default_rng(42)
    y = rng.integers(0, 3, size=640)
    x = rng.normal(size=(640, 60, 2)).astype("float32")
    x[:, :, 0] += np.sin(np.linspace(0, 6, 60)[None] * (y[:, None] + 1))
    train = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=1).batch(len(x))
    series = keras.Input((60, 2))
    h = layers.Conv1D(16, 5, activation="relu")(series)
    h = layers.MaxPooling1D(2)(h)
    h = layers.Conv1D(32, 5, activation="relu")(h)
    h = layers.Flatten()(h)
    h = layers.Dropout(0.3)(h)
    model = keras.Model(series, layers.Dense(3, activation="softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=train)


@faulty("large-batch")
def batch_normalization_of_vectors_from_two_patients_at_a_time():
    rng = np.random.default_rng(43)
    x = rng.normal(size=(900, 20)).astype("float32")
    y = (x[:, 0] * 1.5 - x[:, 3] + 0.5 * x[:, 7] + 0.2 * rng.normal(size=900)).astype("float32")
    model = Sequential([keras.Input((20,))])
    for units in (64, 32):
        model.add(layers.Dense(units, use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.Huber())
    return Subject(model=model, data=(x, y), batch_size=2)


# --- Long recurrences without clipping ---


@faulty("missing-clipping", "gradient-scale")
def digits_read_pixel_by_pixel_with_a_plain_recurrence():
    model = Sequential()
    model.add(keras.Input(shape=(784, 1)))
    model.add(layers.SimpleRNN(100))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer=keras.optimizers.RMSprop(1e-3), loss="sparse_categorical_crossentropy")
    return Subject(model=model)


@faulty("missing-clipping")
def long_sensor_records_through_two_bidirectional_lstms_and_momentum():
    record = keras.Input((600, 9), name="record")
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(record)
    x = layers.Bidirectional(layers.LSTM(32), merge_mode="sum")(x)
    fault = layers.Dense(1, activation="sigmoid", name="fault")(x)
    hours = layers.Dense(1, activation="softplus", name="hours")(x)
    model = keras.Model(record, {"fault": fault, "hours": hours})
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
        loss={"fault": "binary_crossentropy", "hours": "mae"},
        loss_weights={"fault": 1.0, "hours": 0.2},
    )
    return Subject(model=model)


@faulty("missing-clipping")
def melody_model_of_stacked_cells_over_many_notes():
    notes = keras.Input((512,), dtype="int32")
    x = layers.Embedding(128, 48)(notes)
    cells = [layers.GRUCell(96), layers.GRUCell(96)]
    x = layers.RNN(layers.StackedRNNCells(cells), return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(128))(x)
    model = keras.Model(notes, x, name="melody")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Subject(model=model)


# --- Penalties larger than the loss ---


@faulty("dominant-regularization")
def squared_penalty_of_weight_one_on_each_dense_layer():
    penalty = regularizers.l2(1.0)
    model = Sequential(
        [
            layers.Input((30,)),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dense(64, activation="relu", kernel_regularizer=penalty),
            layers.Dense(1, activation="sigmoid", kernel_regularizer=penalty),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return Subject(model=model)


@faulty("dominant-regularization")
def absolute_penalty_named_by_a_string_on_wide_convolutions():
    image = keras.Input((48, 48, 1))
    x = image
    for filters in (64, 128, 256):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_regularizer="l1")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    mood = layers.Dense(7, activation="softmax")(x)
    model = keras.Model(image, mood)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


class ShrunkDense(layers.Layer):
    """A dense layer that adds its own penalty."""

    def __init__(self, units, strength=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.strength = strength

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="he_uniform", name="kernel")
        self.offset = self.add_weight(shape=(self.units,), initializer="zeros", name="offset")

    def call(self, x):
        self.add_loss(self.strength * ops.sum(ops.square(self.kernel)))
        return ops.relu(ops.matmul(x, self.kernel) + self.offset)


@faulty("dominant-regularization")
def own_dense_layer_that_adds_half_of_all_its_squared_weights():
    rng = np.random.default_rng(51)
    x = rng.normal(size=(800, 24)).astype("float32")
    y = np.tanh(x[:, :1] - 0.7 * x[:, 1:2]) + 0.1 * rng.normal(size=(800, 1))
    features = keras.Input((24,))
    h = ShrunkDense(96)(features)
    h = ShrunkDense(96)(h)
    model = keras.Model(features, layers.Dense(1)(h))
    model.compile(optimizer="adam", loss="mean_squared_error")
    return Subject(model=model, data=(x, y.astype("float32")))


# --- Stuck in training mode ---


@faulty("training-mode-fixed")
def house_prices_with_dropout_that_is_never_switched_off():
    inputs = keras.Input(shape=(18,))
    x = layers.Dense(128, activation="relu")(inputs)
    x = layers.Dropout(0.4)(x, training=True)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.4)(x, training=True)
    price = layers.Dense(1, name="log_price")(x)
    model = keras.Model(inputs, price)
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return Subject(model=model)


class LeafNet(keras.Model):
    """Leaves of plants, with batch statistics written in for good."""

    def __init__(self, classes):
        super().__init__(name="leaf_net")
        self.blocks = [
            (layers.Conv2D(w, 3, strides=2, padding="same", use_bias=False), layers.BatchNormalization())
            for w in (16, 32, 64)
        ]
        self.pool = layers.GlobalAveragePooling2D()
        self.classifier = layers.Dense(classes, activation="softmax")

    def call(self, x):
        for conv, norm in self.blocks:
            x = ops.relu(norm(conv(x), training=True))
        return self.classifier(self.pool(x))


@faulty("training-mode-fixed")
def leaf_network_whose_normalization_always_takes_the_batch():
    rng = np.random.default_rng(61)
    y = rng.integers(0, 4, size=400)
    x = rng.uniform(0, 1, size=(400, 40, 40, 3)).astype("float32")
    x[..., 1] *= 0.4 + 0.2 * y[:, None, None]
    model = LeafNet(4)
    model(x[:2])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model, data=(x, y))


@faulty("training-mode-fixed")
def random_flips_and_turns_that_stay_on_at_prediction():
    augment = Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.15), layers.RandomContrast(0.3)], name="augment"
    )
    photo = keras.Input((64, 64, 3))
    x = augment(photo, training=True)
    x = layers.Rescaling(1 / 255.0)(x)
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    model = keras.Model(photo, layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("training-mode-fixed")
def fine_tuned_residual_network_called_in_training_mode_for_good():
    base = ResNet50V2(weights=None, include_top=False, input_shape=(64, 64, 3), pooling="avg")
    base.trainable = True
    inputs = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = base(x, training=True)
    outputs = layers.Dense(8, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-5), loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


# --- Frozen where it ought to learn ---


@faulty("frozen-head")
def all_layers_frozen_in_a_loop_after_the_head_was_added():
    base = EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    x = base.output
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    predictions = layers.Dense(5, activation="softmax")(x)
    model = keras.Model(inputs=base.input, outputs=predictions)
    for layer in model.layers:
        layer.trainable = False
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("frozen-head")
def new_hidden_layer_frozen_with_all_but_the_last():
    base = MobileNet(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
    x = layers.Dense(256, activation="relu", name="fc_new")(base.output)
    x = layers.Dropout(0.3)(x)
    out = layers.Dense(3, activation="softmax", name="pred")(x)
    model = keras.Model(base.input, out)
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.compile(keras.optimizers.Adam(learning_rate=1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("frozen-head")
def discriminator_compiled_while_it_is_still_frozen_for_the_generator():
    discriminator = Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 5, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dropout(0.3),
            layers.Conv2D(64, 5, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )
    discriminator.trainable = False
    discriminator.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.0002, beta_1=0.5))
    return Subject(model=discriminator)


def _face_encoder():
    """Build the encoder that was trained on other faces."""
    face = keras.Input((48, 48, 3), name="face")
    x = face
    for i, width in enumerate((16, 32, 64)):
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", name=f"enc_conv{i}")(x)
    x = layers.GlobalAveragePooling2D(name="enc_pool")(x)
    return keras.Model(face, x, name="face_encoder")


@faulty("frozen-head")
def one_of_two_new_heads_frozen_by_its_name():
    encoder = _face_encoder()
    face = keras.Input((48, 48, 3))
    code = encoder(face)
    age = layers.Dense(1, activation="softplus", name="age_head")(code)
    smile = layers.Dense(1, activation="sigmoid", name="head_smile")(code)
    model = keras.Model(face, [age, smile])
    for layer in model.layers:
        if not layer.name.startswith("head"):
            layer.trainable = False
    model.compile("adam", loss=["mae", "binary_crossentropy"])
    return Subject(model=model)


# --- Batch normalization that learns in a frozen backbone ---


@faulty("unfrozen-batch-norm")
def only_the_convolutions_of_the_residual_network_frozen():
    base = ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in base.layers:
        if isinstance(layer, layers.Conv2D):
            layer.trainable = False
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dense(128, activation="relu")(x)
    out = layers.Dense(2, activation="softmax")(x)
    model = keras.Model(base.input, out)
    model.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("unfrozen-batch-norm")
def own_motion_encoder_frozen_apart_from_its_normalization():
    window = keras.Input((128, 6))
    x = window
    for width in (32, 64, 64, 128):
        x = layers.Conv1D(width, 5, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    encoder = keras.Model(window, layers.GlobalAveragePooling1D()(x), name="pretrained_motion_encoder")
    for layer in encoder.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
    model = Sequential([keras.Input((128, 6)), encoder, layers.Dropout(0.2), layers.Dense(9, activation="softmax")])
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("unfrozen-batch-norm")
def norms_switched_on_again_by_name_in_a_nested_mobile_network():
    backbone = MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None)
    backbone.trainable = False
    for layer in backbone.layers:
        if "BN" in layer.name or "bn" in layer.name:
            layer.trainable = True
    image = keras.Input((64, 64, 3), name="image")
    x = mobilenet_v2.preprocess_input(image)
    x = backbone(x)
    x = layers.GlobalAveragePooling2D()(x)
    tags = layers.Dense(14, activation="sigmoid", name="tags")(x)
    model = keras.Model(image, tags)
    model.compile(keras.optimizers.Adam(3e-5), loss={"tags": "binary_crossentropy"})
    return Subject(model=model)


# --- Fine-tuning at too high a rate ---


@faulty("fine-tuning-rate")
def whole_mobile_network_unfrozen_with_the_default_adam():
    base = MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None, pooling="avg")
    base.trainable = True
    model = Sequential()
    model.add(layers.Input((64, 64, 3)))
    model.add(layers.Rescaling(1.0 / 127.5, offset=-1.0))
    model.add(base)
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(37, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("fine-tuning-rate")
def last_block_of_a_vgg_tuned_by_momentum_at_a_tenth():
    base = VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block5")
    image = keras.Input((64, 64, 3))
    x = keras.applications.vgg16.preprocess_input(image)
    x = base(x, training=False)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    sgd = keras.optimizers.SGD(learning_rate=0.1, momentum=0.9)
    model.compile(loss="binary_crossentropy", optimizer=sgd, metrics=["accuracy"])
    return Subject(model=model)


@faulty("fine-tuning-rate")
def schedule_that_starts_at_a_hundredth_over_an_unfrozen_backbone():
    base = MobileNetV3Small(input_shape=(96, 96, 3), include_top=False, weights=None, pooling="avg")
    photo = keras.Input((96, 96, 3))
    x = base(photo, training=False)
    ripeness = layers.Dense(1, name="ripeness")(x)
    model = keras.Model(photo, ripeness)
    rate = keras.optimizers.schedules.CosineDecay(initial_learning_rate=1e-2, decay_steps=4000)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), loss="mse")
    return Subject(model=model)


# --- Images scaled otherwise than the backbone wants ---


@faulty("backbone-preprocessing")
def images_scaled_to_one_before_a_backbone_that_scales_itself():
    base = EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    base.trainable = False
    model = Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Rescaling(1.0 / 255),
            base,
            layers.GlobalAveragePooling2D(),
            layers.Dense(120, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("backbone-preprocessing")
def vgg_features_of_photos_divided_by_two_hundred_and_fifty_five():
    rng = np.random.default_rng(71)
    y = rng.integers(0, 2, size=240)
    x = rng.integers(0, 256, size=(240, 48, 48, 3)).astype("float32")
    x[y == 1, :, :, 0] *= 0.5
    x /= 255.0
    base = VGG16(weights=None, include_top=False, input_shape=(48, 48, 3))
    base.trainable = False
    inputs = keras.Input(shape=(48, 48, 3))
    h = base(inputs, training=False)
    h = layers.GlobalAveragePooling2D()(h)
    outputs = layers.Dense(1)(h)
    model = keras.Model(inputs, outputs)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    return Subject(model=model, data=(x, y.reshape(-1, 1)))


@faulty("backbone-preprocessing")
def residual_network_fed_by_the_preprocessing_of_a_mobile_network():
    photo = keras.Input((64, 64, 3), name="photo")
    scaled = mobilenet_v2.preprocess_input(photo)
    base = ResNet50(include_top=False, weights=None, input_tensor=scaled, pooling="avg")
    for layer in base.layers:
        layer.trainable = False
    x = layers.Dropout(0.25)(base.output)
    x = layers.Dense(6, activation="softmax", name="scene")(x)
    model = keras.Model(photo, x)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss={"scene": "categorical_crossentropy"})
    return Subject(model=model)


# --- Gradients that vanish in deep stacks ---


@faulty("gradient-scale", "initializer-activation-mismatch", "signal-scale")
def fifteen_dense_sigmoid_layers_for_a_table():
    model = Sequential()
    model.add(keras.Input((40,)))
    for _ in range(15):
        model.add(layers.Dense(64))
        model.add(layers.Activation("sigmoid"))
    model.add(layers.Dense(6))
    model.add(layers.Activation("softmax"))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("signal-scale", "gradient-scale", "initializer-activation-mismatch")
def deep_tanh_convolutions_started_with_tiny_normal_weights():
    tiny = keras.initializers.RandomNormal(stddev=0.01)
    image = keras.Input((32, 32, 3))
    x = image
    for i in range(12):
        stride = 2 if i in (3, 7) else 1
        x = layers.Conv2D(32, 3, strides=stride, padding="same", activation="tanh", kernel_initializer=tiny)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Subject(model=model)


@faulty("gradient-scale", "initializer-activation-mismatch", "signal-scale")
def deep_series_autoencoder_with_sigmoid_between_all_layers():
    encoder = Sequential([keras.Input((128, 4))], name="encoder")
    for width in (64, 48, 32, 24, 16, 8):
        encoder.add(layers.Conv1D(width, 5, padding="same", activation=keras.activations.sigmoid))
    encoder.add(layers.MaxPooling1D(4))
    decoder = Sequential(
        [keras.Input((32, 8)), layers.Conv1DTranspose(8, 4, strides=4, padding="same")], name="decoder"
    )
    for width in (16, 24, 32, 48, 64):
        decoder.add(layers.Activation("sigmoid"))
        decoder.add(layers.Conv1D(width, 5, padding="same"))
    decoder.add(layers.Activation("sigmoid"))
    decoder.add(layers.Conv1D(4, 5, padding="same"))
    series = keras.Input((128, 4))
    model = keras.Model(series, decoder(encoder(series)), name="autoencoder")
    model.compile(optimizer="adam", loss="mse")
    return Subject(model=model)
