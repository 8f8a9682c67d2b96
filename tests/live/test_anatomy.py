"""Which layers are watched, under which names, in which order."""

from __future__ import annotations

import pytest

keras = pytest.importorskip("keras")

from diagnose.live.anatomy import layers_of  # noqa: E402

pytestmark = pytest.mark.keras

layers = keras.layers


def names(model) -> list[str]:
    return [layer.name for layer in layers_of(model)]


def by_name(model) -> dict:
    return {layer.name: layer for layer in layers_of(model)}


def test_layers_come_input_first_and_the_input_itself_is_none():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, name="a"), layers.ReLU(name="b"), layers.Dense(1, name="c")]
    )
    assert names(model) == ["a", "b", "c"]


def test_a_functional_graph_is_read_in_its_order_not_in_that_of_creation():
    late, early = layers.Dense(2, name="late"), layers.Dense(2, name="early")
    x = keras.Input((3,))
    assert names(keras.Model(x, late(early(x)))) == ["early", "late"]


def test_operations_of_a_functional_graph_are_watched_like_layers():
    x = keras.Input((3,))
    model = keras.Model(x, keras.ops.relu(layers.Dense(2, name="dense")(x)) * 2.0)
    watched = layers_of(model)
    assert watched[0].name == "dense"
    assert len(watched) == 3
    assert watched[1].weights == ()


def test_the_layers_of_a_nested_backbone_are_named_not_the_backbone():
    x = keras.Input((8,))
    backbone = keras.Model(x, layers.Dense(4, name="inner")(x), name="backbone")
    model = keras.Sequential([keras.Input((8,)), backbone, layers.Dense(1, name="head")])
    assert names(model) == ["inner", "head"]


def test_names_that_collide_have_those_of_their_containers_before_them():
    def block(name):
        return keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense")], name=name)

    model = keras.Sequential([keras.Input((4,)), block("left"), block("right"), layers.Dense(1, name="dense")])
    assert names(model) == ["left/dense", "right/dense", "dense"]


def test_names_are_unique_even_where_containers_have_one_name():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.dense = layers.Dense(4, name="dense")

        def call(self, x):
            return self.dense(x)

    x = keras.Input((4,))
    model = keras.Sequential(
        [keras.Input((4,)), keras.Sequential([Block()], name="a"), keras.Sequential([Block()], name="a2")]
    )
    model(x)
    assert names(model) == ["a/block/dense", "a2/block/dense"]


def test_a_layer_that_is_shared_is_watched_once():
    shared = layers.Dense(4, name="shared")
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Add(name="sum")([shared(a), shared(b)]))
    assert names(model) == ["shared", "sum"]


def test_both_directions_of_a_bidirectional_layer_are_watched():
    model = keras.Sequential([keras.Input((5, 2)), layers.Bidirectional(layers.LSTM(3, name="lstm"))])
    watched = by_name(model)
    assert list(watched) == ["forward_lstm", "backward_lstm"]
    assert len(watched["forward_lstm"].trained) == 3


def test_a_recurrent_layer_has_the_weights_of_its_cells():
    cells = [layers.GRUCell(3), layers.LSTMCell(2)]
    model = keras.Sequential([keras.Input((5, 2)), layers.RNN(cells, name="rnn")])
    assert names(model) == ["rnn"]
    assert len(layers_of(model)[0].trained) == 6


def test_the_layer_inside_time_distributed_is_watched():
    model = keras.Sequential([keras.Input((5, 2)), layers.TimeDistributed(layers.Dense(3, name="dense"))])
    assert names(model) == ["dense"]


def test_the_projections_of_attention_are_watched_one_by_one():
    x = keras.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4, name="first")(x, x)
    model = keras.Model(x, layers.MultiHeadAttention(2, 4, name="second")(y, y))
    watched = by_name(model)
    for name in ("first/query", "first/attention_output", "second/key", "second/value"):
        assert len(watched[name].trained) == 2


def test_a_block_of_ones_own_is_walked_into_and_watched_for_weights_of_its_own():
    class Scaled(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.stack = [layers.Dense(4, name="one"), layers.Dense(4, name="two")]

        def build(self, shape):
            self.scale = self.add_weight(shape=(4,), name="scale")
            for layer in self.stack:
                layer.build(shape)

        def call(self, x):
            for layer in self.stack:
                x = layer(x)
            return x * self.scale

    model = keras.Sequential([keras.Input((4,)), Scaled(name="scaled")])
    watched = by_name(model)
    assert list(watched) == ["scaled", "one", "two"]
    assert [v.name for v in watched["scaled"].trained] == ["scale"]


def test_a_subclassed_model_with_weights_of_its_own_is_a_layer_too():
    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = layers.Dense(4, name="dense")
            self.scale = self.add_weight(shape=(4,), name="scale")

        def call(self, x):
            return self.dense(x) * self.scale

    model = Model()
    model(keras.ops.ones((2, 3)))
    assert names(model) == ["mine", "dense"]


def test_a_weight_that_a_block_borrows_from_its_part_is_the_parts_alone():
    class Tied(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="tied")
            self.embedding = layers.Embedding(7, 4, name="embedding")
            self.embedding.build(None)
            self.table = self.embedding.embeddings

        def call(self, x):
            return self.embedding(x) @ keras.ops.transpose(self.table)

    model = keras.Sequential([keras.Input((3,), dtype="int32"), Tied()])
    assert names(model) == ["embedding"]


def test_layers_beside_the_graph_of_a_functional_subclass_are_watched():
    class WithAuxiliary(keras.Model):
        def __init__(self, x, y):
            super().__init__(x, y)
            self.auxiliary = layers.Dense(2, name="auxiliary")

    x = keras.Input((3,))
    assert names(WithAuxiliary(x, layers.Dense(4, name="main")(x))) == ["main", "auxiliary"]


def test_an_attribute_called_operations_is_no_graph():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.operations = ["flip", "crop"]
            self.dense = layers.Dense(4, name="dense")

        def call(self, x):
            return self.dense(x)

    assert names(Model()) == ["dense"]


def test_the_variables_of_a_frozen_layer_are_frozen():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="a"), layers.Dense(1, name="b")])
    model.layers[0].trainable = False
    watched = by_name(model)
    assert (len(watched["a"].trained), len(watched["a"].frozen)) == (0, 2)
    assert (len(watched["b"].trained), len(watched["b"].frozen)) == (2, 0)
    assert watched["a"].weights == watched["a"].frozen


def test_a_frozen_backbone_freezes_the_layers_in_it():
    backbone = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="inner")], name="backbone")
    backbone.trainable = False
    model = keras.Sequential([keras.Input((3,)), backbone, layers.Dense(1, name="head")])
    assert [len(layer.trained) for layer in layers_of(model)] == [0, 2]


def test_moving_averages_are_neither_trained_nor_frozen():
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="bn")])
    watched = layers_of(model)[0]
    assert (len(watched.trained), len(watched.frozen)) == (2, 0)


def test_what_a_wrapper_wraps_is_watched():
    model = keras.Sequential([keras.Input((3,)), layers.SpectralNormalization(layers.Dense(4, name="dense"))])
    assert names(model) == ["dense"]
