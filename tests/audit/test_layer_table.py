"""What each layer costs and sees: parameters, receptive field, floating-point operations, memory."""

from __future__ import annotations

from pathlib import Path

import pytest

keras = pytest.importorskip("keras")

from diagnose.analyze import analyze  # noqa: E402
from diagnose.audit.graph import blueprint_of  # noqa: E402
from diagnose.blueprint import Layer  # noqa: E402
from diagnose.renderers import terminal  # noqa: E402
from diagnose.report import Report  # noqa: E402
from tests import blueprints  # noqa: E402

pytestmark = pytest.mark.keras

layers, ops = keras.layers, keras.ops

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def table(*stack, shape=(64, 64, 3), **more) -> list[Layer]:
    """Return the rows of a stack, without its input."""
    return list(blueprint_of(keras.Sequential([keras.Input(shape, **more), *stack])).layers[1:])


def last(*stack, **more) -> Layer:
    return table(*stack, **more)[-1]


# The worked examples


def digits() -> list[keras.Layer]:
    return [
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]


def test_a_small_network_for_digits_has_the_shapes_and_parameters_of_the_worked_example():
    rows = table(*digits(), shape=(28, 28, 1))
    assert [(row.output_shape, row.parameters) for row in rows] == [
        ((None, 28, 28, 32), 320),
        ((None, 14, 14, 32), 0),
        ((None, 14, 14, 64), 18_496),
        ((None, 7, 7, 64), 0),
        ((None, 3136), 0),
        ((None, 10), 31_370),
    ]


def test_the_page_shows_the_table_of_that_network():
    keras.backend.clear_session()  # so that the names of the layers are counted anew
    model = keras.Sequential([keras.Input((28, 28, 1)), *digits()])
    report = analyze(blueprints.planned(blueprint_of(model)), checks=())
    told = terminal.render(Report((report,)), color=False, width=80)
    shown = PAGE.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    assert shown in told


def test_a_convolution_of_20_filters_on_3_channels_has_560_parameters():
    assert last(layers.Conv2D(20, 3)).parameters == 560


def test_a_1x1_convolution_mixes_channels_only():
    wide, narrow = last(layers.Conv2D(64, 1), shape=(8, 8, 64)), last(layers.Conv2D(1, 1), shape=(8, 8, 64))
    assert (wide.parameters, narrow.parameters) == (4_160, 65)
    assert wide.receptive_field == narrow.receptive_field == (1, 1)


def test_two_strided_convolutions_with_pooling_see_21x21():
    stack = (kind for _ in range(2) for kind in (layers.Conv2D(4, 3, strides=2), layers.MaxPooling2D(2)))
    rows = table(*stack)
    assert [row.receptive_field for row in rows] == [(3, 3), (5, 5), (13, 13), (21, 21)]
    assert 21 * 21 == 441


# Receptive field


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_padding_does_not_change_what_is_seen(padding):
    assert last(layers.Conv2D(4, 5, padding=padding), layers.Conv2D(4, 3, padding=padding)).receptive_field == (7, 7)


@pytest.mark.parametrize(
    ("stack", "seen"),
    [
        ([layers.Conv2D(4, 3, dilation_rate=4)], (9, 9)),
        ([layers.Conv2D(4, (1, 7)), layers.Conv2D(4, (7, 1))], (7, 7)),
        ([layers.Conv2D(4, (3, 5), strides=(2, 1)), layers.Conv2D(4, 3)], (7, 7)),
        ([layers.DepthwiseConv2D(3), layers.SeparableConv2D(4, 3)], (5, 5)),
        ([layers.AveragePooling2D(3, strides=1), layers.MaxPooling2D(2)], (4, 4)),
        ([layers.MaxPooling2D(2), layers.UpSampling2D(2), layers.Conv2D(4, 3)], (4, 4)),
        ([layers.MaxPooling2D(4), layers.Conv2DTranspose(4, 4, strides=4)], (4, 4)),
        ([layers.MaxPooling2D(2), layers.Conv2DTranspose(4, 4, strides=2)], (4, 4)),
        ([layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.1), layers.Dense(3)], (1, 1)),
        ([layers.ZeroPadding2D(3), layers.Conv2D(4, 3), layers.Cropping2D(1)], (3, 3)),
        ([layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)], (64, 64)),
        ([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)], (64, 64)),
    ],
)
def test_what_a_stack_of_layers_sees(stack, seen):
    assert last(*stack).receptive_field == seen


def test_what_is_seen_may_be_larger_than_the_input():
    rows = table(*[layers.Conv2D(2, 3, padding="same", strides=2) for _ in range(5)], shape=(16, 16, 1))
    assert rows[-1].receptive_field == (63, 63)


def test_of_branches_the_largest_counts():
    x = keras.Input((32, 32, 3))
    joined = layers.Add()([layers.Conv2D(4, 1)(x), layers.Conv2D(4, 3, padding="same")(x)])
    wide = layers.Concatenate()([joined, layers.Conv2D(4, 7, padding="same")(x)])
    rows = blueprint_of(keras.Model(x, ops.relu(wide))).by_name
    assert rows[joined._keras_history.operation.name].receptive_field == (3, 3)
    assert rows[wide._keras_history.operation.name].receptive_field == (7, 7)
    assert blueprint_of(keras.Model(x, ops.relu(wide))).layers[-1].receptive_field == (7, 7)


def test_sequences_have_one_axis_and_vectors_have_none():
    assert last(layers.Conv1D(4, 3), layers.MaxPooling1D(2), shape=(20, 3)).receptive_field == (4,)
    assert last(layers.Embedding(9, 4), layers.Conv1D(4, 3), shape=(20,)).receptive_field == (3,)
    assert last(layers.LSTM(4), shape=(20, 3)).receptive_field == (20,)
    assert last(layers.Dense(4), shape=(20,)).receptive_field is None


def test_where_the_input_has_no_fixed_size_all_of_it_has_no_number():
    rows = table(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), layers.Dense(2), shape=(None, None, 3))
    assert [row.receptive_field for row in rows] == [(3, 3), None, None]


def test_behind_a_layer_of_ones_own_nothing_is_known():
    class Own(layers.Layer):
        def call(self, x):
            return x

    rows = table(Own(), layers.Conv2D(4, 3))
    assert [(row.receptive_field, row.flops is None) for row in rows] == [(None, True), (None, False)]


def test_attention_and_squeeze_and_excitation_see_everything():
    x = keras.Input((16, 8))
    rows = blueprint_of(keras.Model(x, layers.MultiHeadAttention(2, 4)(x, x))).layers
    assert rows[-1].receptive_field == (16,)
    x = keras.Input((16, 16, 8))
    squeezed = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    rows = blueprint_of(keras.Model(x, layers.Multiply()([x, layers.Conv2D(8, 1)(squeezed)]))).layers
    assert rows[-1].receptive_field == (16, 16)


# Operations


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (layers.Dense(10), (20,), 2 * 20 * 10 + 10),
        (layers.Dense(10, use_bias=False), (5, 20), 5 * 2 * 20 * 10),
        (layers.Dense(10, activation="relu"), (20,), 2 * 20 * 10 + 10 + 10),
        (layers.Conv2D(4, 3, use_bias=False), (10, 10, 3), 8 * 8 * 2 * 3 * 3 * 3 * 4),
        (layers.Conv2D(4, 3, padding="same", groups=2), (10, 10, 2), 100 * (2 * 9 * 4 + 4)),
        (layers.DepthwiseConv2D(3, padding="same", use_bias=False), (10, 10, 6), 100 * 2 * 9 * 6),
        (layers.SeparableConv2D(4, 3, padding="same", use_bias=False), (10, 10, 6), 100 * 2 * (9 * 6 + 6 * 4)),
        (layers.Conv2DTranspose(4, 2, strides=2, use_bias=False), (5, 5, 3), 25 * 2 * 2 * 2 * 3 * 4),
        (layers.EinsumDense("abc,cd->abd", (5, 4)), (5, 3), 5 * 2 * 3 * 4),
        (layers.EinsumDense("...c,cd->...d", 4), (5, 6, 3), 30 * 2 * 3 * 4),
        (layers.MaxPooling2D(2), (8, 8, 3), 4 * 4 * 3 * 4),
        (layers.GlobalAveragePooling2D(), (8, 8, 3), 8 * 8 * 3),
        (layers.BatchNormalization(), (8, 8, 3), 2 * 8 * 8 * 3),
        (layers.ReLU(), (8,), 8),
        (layers.Dropout(0.5), (8,), 0),
        (layers.Flatten(), (8, 8), 0),
        (layers.SimpleRNN(4), (5, 3), 5 * (2 * (3 * 4 + 4 * 4) + 2 * 4) + 4),
        (layers.TimeDistributed(layers.Dense(4)), (5, 3), 5 * (2 * 3 * 4 + 4)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_multiplication_and_an_addition_are_two_operations(layer, shape, flops):
    assert last(layer, shape=shape).flops == flops


def test_a_layer_that_is_used_twice_costs_twice():
    x = keras.Input((8,))
    dense = layers.Dense(8)
    (row,) = [row for row in blueprint_of(keras.Model(x, dense(dense(x)))).layers if row.kind == "Dense"]
    assert (row.calls, row.flops, row.parameters) == (2, 2 * (2 * 64 + 8), 72)


def test_attention_counts_its_projections_scores_and_sums():
    x = keras.Input((10, 8))
    row = blueprint_of(keras.Model(x, layers.MultiHeadAttention(2, 4, use_bias=False)(x, x))).layers[-1]
    projections, scores_and_sums = 4 * 2 * 10 * 8 * 8, 2 * 10 * 10 * 2 * (4 + 4)
    assert row.flops == projections + scores_and_sums


def test_what_depends_on_a_size_that_is_not_fixed_is_not_known():
    row = last(layers.Conv2D(4, 3), shape=(None, None, 3))
    assert (row.flops, row.activation_bytes, row.parameters) == (None, None, 112)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least", "most", "seen"),
    [
        # K. He et al. 2016 give 3.8e9 multiply-adds for ResNet-50 v1 (stride in the first 1x1 convolution, as here);
        # M. Sandler et al. 2018 0.30e9 for MobileNetV2; K. Simonyan and A. Zisserman's VGG-16 takes 15.5e9.
        # Receptive fields: A. Araujo et al., "Computing receptive fields of convolutional neural networks", 2019.
        ("ResNet50", 7.6, 8.2, (483, 483)),
        ("MobileNetV2", 0.6, 0.65, (491, 491)),
        ("VGG16", 30.7, 31.2, (212, 212)),
    ],
)
def test_well_known_networks_cost_and_see_what_their_papers_say(name, least, most, seen):
    keras.backend.clear_session()
    made = blueprint_of(getattr(keras.applications, name)(weights=None))
    assert least <= sum(row.flops for row in made.layers) / 1e9 <= most
    assert max(row.receptive_field for row in made.layers if len(row.output_shape) == 4) == seen


# Memory


@pytest.mark.parametrize(("kind", "each"), [("float32", 4), ("float16", 2), ("bfloat16", 2), ("float64", 8)])
def test_an_output_takes_memory_by_its_type(kind, each):
    assert last(layers.Conv2D(4, 3, dtype=kind), shape=(10, 10, 3)).activation_bytes == 8 * 8 * 4 * each


def test_an_input_of_numbers_takes_memory_by_its_type_too():
    model = keras.Sequential([keras.Input((7,), dtype="int64"), layers.Embedding(3, 2)])
    assert blueprint_of(model).layers[0].activation_bytes == 7 * 8
