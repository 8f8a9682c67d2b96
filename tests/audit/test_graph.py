"""What is told of a Keras model before its training."""

from __future__ import annotations

import functools
import inspect
import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from diagnose.audit.graph import blueprint_of  # noqa: E402
from diagnose.blueprint import Blueprint, Curve, Layer  # noqa: E402

pytestmark = pytest.mark.keras

layers, ops = keras.layers, keras.ops


def sequential(*stack, shape=(8,), **more):
    return keras.Sequential([keras.Input(shape, **more), *stack])


def names(made: Blueprint) -> list[str]:
    return [layer.name for layer in made.layers]


def links(made: Blueprint) -> dict[str, tuple[str, ...]]:
    return {layer.name: layer.inputs for layer in made.layers}


def only(made: Blueprint, kind: str) -> Layer:
    (found,) = [layer for layer in made.layers if layer.kind == kind]
    return found


def output_curve(model) -> Curve | None:
    (output,) = blueprint_of(model).outputs
    return output.activation and output.activation.curve


def assert_sound(made: Blueprint, model) -> None:
    """Every layer but the inputs takes from one before it, names are unique, and no parameter is lost or told twice."""
    known: set[str] = set()
    for layer in made.layers:
        assert layer.name not in known
        assert set(layer.inputs) <= known or layer.calls > 1
        assert bool(layer.inputs) != (layer.kind == "InputLayer"), layer
        known.add(layer.name)
    assert made.is_whole
    assert made.notes == ()
    assert made.parameters == model.count_params()
    assert made.trainable_parameters == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert all(output.layer in known for output in made.outputs)


# The graph


def test_a_sequential_model_is_a_chain():
    model = sequential(layers.Dense(4, name="a"), layers.ReLU(name="b"), layers.Dense(2, name="c"))
    made = blueprint_of(model)
    assert (made.kind, made.name) == ("Sequential", model.name)
    assert list(links(made).values()) == [(), (made.layers[0].name,), ("a",), ("b",)]
    assert [layer.output_shape for layer in made.layers] == [(None, 8), (None, 4), (None, 4), (None, 2)]
    assert only(made, "ReLU").activation.curve is Curve.RECTIFIER
    assert_sound(made, model)


def test_inputs_outputs_and_branches_of_a_functional_model():
    left, right = keras.Input((3,), name="left"), keras.Input((5,), name="right")
    joined = layers.Concatenate(name="join")([layers.Dense(4, name="l")(left), layers.Dense(4, name="r")(right)])
    model = keras.Model([left, right], [layers.Dense(1, name="one")(joined), layers.Dense(2, name="two")(joined)])
    made = blueprint_of(model)
    assert links(made)["join"] == ("l", "r")
    assert made.by_name["join"].input_shapes == ((None, 4), (None, 4))
    assert [(output.name, output.layer, output.shape) for output in made.outputs] == [
        ("one", "one", (None, 1)),
        ("two", "two", (None, 2)),
    ]
    assert_sound(made, model)


def test_a_shared_layer_is_one_with_all_that_it_takes():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = layers.Dense(4, name="shared")
    model = keras.Model([a, b], layers.Subtract(name="minus")([shared(a), shared(b)]))
    made = blueprint_of(model)
    assert (made.by_name["shared"].inputs, made.by_name["shared"].calls) == (("a", "b"), 2)
    assert links(made)["minus"] == ("shared", "shared")
    assert_sound(made, model)


def test_nested_models_are_walked_into_and_joined_across_the_border():
    inner_input = keras.Input((8,), name="inner_input")
    inner = keras.Model(inner_input, layers.Dense(4, name="deep")(inner_input), name="inner")
    middle = sequential(inner, layers.ReLU(name="middle_relu"))
    middle.name = "middle"
    x = keras.Input((8,), name="x")
    model = keras.Model(x, layers.Dense(1, name="head")(middle(layers.Dense(8, name="first")(x))))
    made = blueprint_of(model)
    assert links(made) == {
        "x": (),
        "first": ("x",),
        "deep": ("first",),
        "middle_relu": ("deep",),
        "head": ("middle_relu",),
    }
    assert [layer.container for layer in made.layers] == ["", "", "middle/inner", "middle", ""]
    assert_sound(made, model)


def test_a_nested_model_takes_its_inputs_by_name_too():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    inner = keras.Model({"a": a, "b": b}, layers.Subtract(name="minus")([a, b]), name="inner")
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    model = keras.Model([x, y], inner({"b": layers.Dense(3, name="to_b")(y), "a": x}))
    assert links(blueprint_of(model))["minus"] == ("x", "to_b")


def test_a_nested_model_of_any_size_has_the_shapes_that_it_is_called_with():
    backbone = sequential(layers.Conv2D(4, 3, name="conv"), layers.MaxPooling2D(2, name="pool"), shape=(None, None, 3))
    x = keras.Input((32, 32, 3))
    model = keras.Model(x, layers.Flatten()(backbone(x)))
    before = [len(layer._inbound_nodes) for layer in backbone.layers]
    made = blueprint_of(model)
    assert made.by_name["conv"].output_shape == (None, 30, 30, 4)
    assert made.by_name["pool"].flops == 15 * 15 * 4 * 4
    assert [len(layer._inbound_nodes) for layer in backbone.layers] == before
    assert_sound(made, model)


def test_two_layers_of_one_name_are_told_apart_by_what_holds_them():
    def block(name):
        return sequential(layers.Dense(8, name="dense"), layers.ReLU(name="relu"))

    parts = [block("a"), block("b")]
    parts[0].name, parts[1].name = "a", "b"
    model = sequential(*parts)
    made = blueprint_of(model)
    assert names(made)[1:] == ["a/dense", "a/relu", "b/dense", "b/relu"]
    assert links(made)["b/dense"] == ("a/relu",)
    assert_sound(made, model)


def test_a_siamese_model_calls_its_encoder_twice():
    encoder = sequential(layers.Dense(4, name="dense"), shape=(3,))
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], layers.Dot(1, name="dot")([encoder(a), encoder(b)]))
    made = blueprint_of(model)
    assert (made.by_name["dense"].inputs, made.by_name["dense"].calls) == (("a", "b"), 2)
    assert_sound(made, model)


def test_operations_are_layers_of_the_graph():
    x = keras.Input((4,), name="x")
    y = ops.relu(layers.Dense(4, name="dense")(x)) + x * 2.0
    made = blueprint_of(keras.Model(x, ops.softmax(y)))
    assert [layer.kind for layer in made.layers] == ["InputLayer", "Dense", "Relu", "Multiply", "Add", "Softmax"]
    assert len(only(made, "Add").inputs) == 2
    assert only(made, "Relu").activation.curve is Curve.RECTIFIER
    assert only(made, "Softmax").settings == {"axis": -1}
    assert made.is_whole


def test_recurrent_layers_and_wrappers_are_one_layer_each():
    model = sequential(
        layers.Embedding(20, 6, name="words"),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
        layers.TimeDistributed(layers.Dense(4, activation="relu"), name="each"),
        layers.RNN(layers.GRUCell(2), name="cell"),
        shape=(7,),
    )
    made = blueprint_of(model)
    assert [(layer.name, layer.parameters) for layer in made.layers[1:]] == [
        ("words", 120),
        ("both", 2 * 4 * 3 * (6 + 3 + 1)),
        ("each", 6 * 4 + 4),
        ("cell", 3 * 2 * (4 + 2 + 2)),
    ]
    assert made.by_name["both"].initializer.name == "GlorotUniform"
    assert made.by_name["words"].initializer.name == "RandomUniform"
    assert not any(layer.is_custom for layer in made.layers)
    assert_sound(made, model)


class Tied(layers.Layer):
    """Gives each word the score that its embedding has."""

    def __init__(self, table, **more):
        super().__init__(**more)
        self.table = table

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.table.embeddings))


def test_weights_that_layers_share_are_counted_once():
    table = layers.Embedding(20, 6, name="table")
    model = sequential(table, layers.Dense(6), Tied(table, name="tied"), shape=(7,), dtype="int32")
    made = blueprint_of(model)
    assert made.by_name["table"].parameters == 120
    assert made.layers[-1].container == "tied"
    assert_sound(made, model)


def test_weights_that_are_taken_without_a_call_of_their_layer_are_not_lost():
    table = layers.Embedding(20, 6)
    table.build(None)
    model = sequential(layers.Dense(6), Tied(table, name="tied"))
    made = blueprint_of(model)
    assert (made.by_name["tied"].is_custom, made.by_name["tied"].parameters) == (True, 120)
    assert_sound(made, model)


def test_the_backbone_of_a_transfer_model_is_frozen_and_called_for_inference():
    backbone = sequential(layers.Dense(4, name="deep"), layers.BatchNormalization(name="norm"))
    backbone.trainable = False
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(2, name="head")(layers.Dropout(0.1, name="drop")(backbone(x, training=False))))
    made = blueprint_of(model).by_name
    assert [(made[n].is_trainable, made[n].training) for n in ("deep", "norm", "drop", "head")] == [
        (False, None),
        (False, None),
        (True, None),
        (True, None),
    ]
    assert (made["norm"].parameters, made["norm"].trainable_parameters) == (16, 0)


def test_what_is_in_a_frozen_container_is_frozen_whatever_it_says_itself():
    inner = sequential(layers.Dense(4, name="late"))
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(1)(inner(x)))
    inner.trainable = False
    inner.layers[0].trainable = True
    late = blueprint_of(model).by_name["late"]
    assert (late.is_trainable, late.trainable_parameters) == (False, 0)


def test_training_that_is_written_into_a_functional_model_counts_for_nothing():
    x = keras.Input((8,))
    y = layers.Dropout(0.5, name="always")(layers.BatchNormalization(name="frozen")(x, training=False), training=True)
    model = keras.Model(x, y)
    made = blueprint_of(model).by_name
    assert [made[n].training for n in ("frozen", "always")] == [None, None]
    drawn = np.random.default_rng(0).normal(3, 1, (64, 8)).astype("float32")
    outputs = {training: np.asarray(model(drawn, training=training)) for training in (False, True)}
    assert np.allclose(outputs[False], drawn, rtol=0.01)  # so it is: what the model is called with goes before
    assert (outputs[True] == 0).mean() > 0.3


class AlwaysOn(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = layers.BatchNormalization(name="frozen"), layers.Dropout(0.5, name="always")
        self.inner = sequential(layers.Dropout(0.5, name="deep"), shape=(8,))
        self.usual, self.noise = layers.Dropout(0.5, name="usual"), layers.GaussianNoise(0.1, name="noise")

    def call(self, x):
        x = self.drop(self.norm(x, training=False), training=True)
        return self.noise(self.usual(self.inner(x, training=True)))


def test_training_that_the_users_own_call_decides_is_told_and_defaults_of_keras_are_not():
    model = AlwaysOn()
    ones = np.ones((64, 8), "float32")
    assert np.asarray(model(ones, training=False)).std() > 0.1
    made = blueprint_of(model).by_name
    names = ("frozen", "always", "deep", "usual", "noise")
    assert [made[n].training for n in names] == [False, True, True, None, None]


# What is told of a layer


def test_settings_are_plain():
    model = sequential(
        layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", dtype="mixed_float16"), shape=(8, 8, 3)
    )
    settings = blueprint_of(model).layers[1].settings
    assert settings["filters"] == 4
    assert settings["kernel_size"] == (3, 3)
    assert settings["padding"] == "same"
    assert settings["kernel_regularizer"] == {"name": "L2", "l2": pytest.approx(0.01)}
    assert settings["dtype"] == "mixed_float16"
    assert "name" not in settings


def test_augmentation_that_the_users_own_call_never_switches_off_is_told():
    """Its own default is ``training=True``, which is not what is written there."""

    class Turning(keras.Model):
        def __init__(self):
            super().__init__()
            self.always, self.usual = layers.RandomFlip(name="always"), layers.RandomRotation(0.1, name="usual")

        def call(self, x, training=None):
            return self.usual(self.always(x, training=True), training=training)

    model = Turning()
    model(np.zeros((1, 8, 8, 3), "float32"))
    made = blueprint_of(model).by_name
    assert (made["always"].training, made["usual"].training) == (True, None)


def test_initializers_are_told_without_their_seeds():
    model = sequential(
        layers.Dense(4, kernel_initializer=keras.initializers.Constant(0.5), name="constant"),
        layers.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=3), use_bias=False, name="he"),
        layers.Dense(4, kernel_initializer=lambda shape, dtype=None: keras.random.normal(shape), name="own"),
        layers.BatchNormalization(name="norm"),
    )
    made = blueprint_of(model).by_name
    assert (made["constant"].initializer.name, made["constant"].initializer.settings) == ("Constant", {"value": 0.5})
    assert made["constant"].bias_initializer.name == "Zeros"
    assert (made["he"].initializer.name, made["he"].initializer.settings) == ("HeNormal", {})
    assert made["he"].bias_initializer is None
    assert made["own"].initializer.name == "lambda"
    assert made["norm"].initializer is None


def test_a_class_of_ones_own_without_a_call_of_its_own_is_the_layer_that_it_is_made_from():
    class Wide(layers.Dense):
        def __init__(self, **more):
            super().__init__(512, **more)

    class Odd(layers.Dense):
        def call(self, x):
            return ops.sin(super().call(x))

    made = blueprint_of(sequential(Wide(name="wide"), Odd(3, name="odd"))).by_name
    assert (made["wide"].kind, made["wide"].is_custom) == ("Dense", False)
    assert (made["odd"].kind, made["odd"].is_custom, made["odd"].activation) == ("Odd", True, None)


def test_a_lambda_is_known_where_its_function_can_be_judged():
    made = blueprint_of(
        sequential(layers.Lambda(lambda x: ops.relu(x), name="relu"), layers.Lambda(ops.flip, name="flip"))
    )
    assert (made.by_name["relu"].is_custom, made.by_name["relu"].activation.curve) == (False, Curve.RECTIFIER)


def test_lines_of_the_source_go_to_their_layers():
    model = sequential(layers.Dense(4, name="a"), layers.Dense(2, name="b"))
    made = blueprint_of(model, lines={id(model.layers[1]): 12})
    assert (made.by_name["a"].line, made.by_name["b"].line) == (None, 12)


def test_the_batch_size_is_told_where_somebody_has_said_it():
    assert blueprint_of(sequential(layers.Dense(1))).batch_size is None
    assert blueprint_of(sequential(layers.Dense(1)), batch_size=16).batch_size == 16
    assert blueprint_of(sequential(layers.Dense(1), batch_size=4)).batch_size == 4


# Code of the user's


@keras.saving.register_keras_serializable("tests")
class Residual(layers.Layer):
    def __init__(self, units, **more):
        super().__init__(**more)
        self.dense, self.drop = layers.Dense(units, name="dense"), layers.Dropout(0.5, name="drop")

    def get_config(self):
        return {**super().get_config(), "units": self.dense.units}

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")
        self.dense.build(shape)

    def call(self, x, training=False):
        return ops.relu(x + self.drop(self.dense(x), training=training)) * self.scale


class Network(keras.Model):
    def __init__(self, **more):
        super().__init__(**more)
        self.first, self.second = Residual(8, name="first"), Residual(8, name="second")
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, x, training=False):
        return self.head(self.second(self.first(x, training=training), training=training))


def test_a_subclassed_model_that_was_called_is_traced_into_its_blocks():
    model = Network()
    model(np.ones((2, 8), "float32"))
    made = blueprint_of(model)
    assert links(made)["head"] == ("second/multiply",)
    assert links(made)["first/add"] == ("input", "first/drop")
    assert made.by_name["first/multiply"].parameters == 8  # its scale
    assert [layer.training for layer in made.layers] == [None] * len(made.layers)
    assert made.layers[0].output_shape == (None, 8)
    assert output_curve(model) is Curve.SOFTMAX
    assert_sound(made, model)


def test_tracing_leaves_the_model_as_it_was():
    model = Network()
    model(np.ones((2, 8), "float32"))
    before = [np.array(v.numpy()) for v in model.variables]
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    made = blueprint_of(model)
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(before, model.variables, strict=True))
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == nodes
    assert blueprint_of(model) == made
    assert "add_loss" not in vars(model)


def test_a_block_of_ones_own_in_a_functional_model_is_walked_into():
    x = keras.Input((8,), name="x")
    block = Residual(8, name="block")
    model = keras.Model(x, layers.Dense(1)(block(block(x))))
    made = blueprint_of(model)
    assert (made.by_name["dense"].inputs, made.by_name["dense"].calls) == (("x", "multiply"), 2)
    assert made.by_name["dense"].container == "block"
    assert_sound(made, model)


def test_a_subclassed_model_that_was_never_called_is_a_list_of_layers():
    model = Network(name="network")
    model.compile("adam", "sparse_categorical_crossentropy")
    made = blueprint_of(model)
    assert not made.is_whole
    assert [layer.name for layer in made.layers if layer.kind == "Dense"] == ["first/dense", "second/dense", "head"]
    assert all(layer.inputs == () for layer in made.layers)
    assert made.notes == ("network has not been built: only its layers are known, not how they are joined.",)
    assert made.optimizer.name == "adam"


def test_code_that_symbolic_tensors_cannot_pass_is_a_layer_of_which_nothing_is_known():
    class Plain(layers.Layer):
        def __init__(self, **more):
            super().__init__(**more)
            self.inside = layers.Dense(8)

        def call(self, x):
            return tf.nn.relu(self.inside(x))

    model = sequential(Plain(name="plain"), layers.Dense(1))
    made = blueprint_of(model)
    assert (made.by_name["plain"].is_custom, made.by_name["plain"].parameters) == (True, 72)
    assert_sound(made, model)


def test_a_model_that_symbolic_tensors_cannot_pass_is_a_list_of_layers():
    class Plain(Network):
        def call(self, x):
            return tf.nn.relu(super().call(x))

    model = Plain(name="plain")
    model(np.ones((2, 8), "float32"))
    made = blueprint_of(model)
    assert not made.is_whole
    assert made.notes == ("The call of plain could not be traced: only its layers are known.",)
    assert made.parameters == model.count_params()


def test_several_inputs_by_name_and_outputs_by_name_of_a_subclassed_model():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(2, name="a"), layers.Dense(1, activation="sigmoid", name="b")

        def call(self, given):
            return {"sum": self.a(given["left"]), "odds": self.b(given["right"])}

    model = Two()
    model({"left": np.ones((2, 3), "float32"), "right": np.ones((2, 4), "float32")})
    model.compile("sgd", {"sum": "mse", "odds": "binary_crossentropy"})
    made = blueprint_of(model)
    assert links(made) == {"left": (), "right": (), "a": ("left",), "b": ("right",)}
    assert {output.name: (output.layer, output.loss.name) for output in made.outputs} == {
        "sum": ("a", "mean_squared_error"),
        "odds": ("b", "binary_crossentropy"),
    }


def test_losses_that_a_call_adds_do_not_hinder_and_are_no_penalty():
    class Sparse(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5), kernel_initializer="ones")

        def call(self, x):
            y = self.dense(x)
            self.add_loss(ops.sum(ops.abs(y)))
            return y

    model = Sparse()
    model(np.ones((2, 3), "float32"))
    made = blueprint_of(model)
    assert made.is_whole
    assert made.regularization == pytest.approx(0.5 * 6)


def test_a_gan_trains_its_parts_by_itself():
    class Gan(keras.Model):
        def __init__(self, **more):
            super().__init__(**more)
            self.generator = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="up")], name="generator")
            self.discriminator = keras.Sequential([keras.Input((8,)), layers.Dense(1, name="judge")], name="critic")

        def train_step(self, data):
            return {}

    model = Gan(name="gan")
    model.compile("adam")
    made = blueprint_of(model)
    assert not made.is_whole
    assert made.by_name["up"].parameters == 40
    assert made.by_name["up"].container == "generator"
    assert made.outputs == ()
    assert made.notes[-1] == "gan trains with a step or a loss of its own, which was not looked into."


def test_weights_that_the_inputs_do_not_reach_are_noted():
    class Idle(keras.Model):
        def __init__(self, **more):
            super().__init__(**more)
            self.used, self.idle = layers.Dense(2, name="used"), layers.Dense(3, name="idle")
            self.idle.build((None, 8))

        def call(self, x):
            return self.used(x)

    model = Idle(name="model")
    model(np.ones((2, 8), "float32"))
    made = blueprint_of(model)
    assert not made.is_whole
    assert made.notes == ("How the inputs of the model reach idle could not be seen.",)
    assert made.parameters == model.count_params()


def test_a_stack_without_an_input_is_a_chain_without_shapes():
    model = keras.Sequential([layers.Dense(4, name="a"), layers.Dense(1, activation="softmax", name="b")], name="stack")
    model.compile("adam", "binary_crossentropy")
    made = blueprint_of(model)
    assert links(made) == {"a": (), "b": ("a",)}
    assert not made.is_whole
    (output,) = made.outputs
    assert (output.layer, output.units, output.activation.curve) == ("b", 1, Curve.SOFTMAX)
    assert output.loss.name == "binary_crossentropy"
    assert not model.built


def test_words_of_a_subclassed_model_are_whole_numbers():
    class Words(keras.Model):
        def __init__(self):
            super().__init__()
            self.score = layers.Dense(2, name="score")

        def call(self, x):
            return self.score(ops.one_hot(x, 9))

    model = Words()
    model(np.ones((2, 5), "int32"))
    made = blueprint_of(model)
    assert [layer.kind for layer in made.layers] == ["InputLayer", "OneHot", "Dense"]
    assert_sound(made, model)


def test_a_model_that_only_says_that_it_is_built_is_not_built_by_looking():
    model = Network(name="network")
    with warnings.catch_warnings(action="ignore"):  # Keras says that there is nothing to build
        model.build((None, 8))
    made = blueprint_of(model)
    assert not made.is_whole
    assert not model.head.built
    assert "build" not in vars(model.head)
    assert model(np.ones((2, 8), "float32")).shape == (2, 3)


def test_a_part_that_is_not_built_hinders_only_where_it_is_called():
    class Spare(Network):
        def __init__(self):
            super().__init__()
            self.spare = layers.Dense(4)

    model = Spare()
    model(np.ones((2, 8), "float32"))
    assert blueprint_of(model).is_whole


def test_a_long_way_of_joined_branches_takes_no_time():
    x = y = keras.Input((4,))
    for _ in range(60):
        y = layers.Maximum()([layers.Identity()(y), layers.Dropout(0.1)(y)])
    assert output_curve(keras.Model(x, y)) is None


class Broken(layers.Layer):
    """A layer that raises at whatever it is asked."""

    def call(self, x):
        return x

    def get_config(self):
        raise RuntimeError("no")

    @property
    def activation(self):
        raise RuntimeError("no")

    @property
    def kernel_initializer(self):
        raise RuntimeError("no")


class Empty(keras.Model):
    pass


class Shapeless(keras.Model):
    def build(self, shape):
        self.built = True

    def call(self, x):
        return x[0] / 0


def shapeless():
    model = Shapeless()
    model.built = True
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: sequential(Broken(), layers.Dense(1)),
        lambda: keras.Sequential(),
        lambda: keras.Sequential([keras.Input((3,))]),
        lambda: keras.Sequential([layers.LSTM(3), sequential(layers.Dense(2), shape=(3,))]),
        lambda: keras.Sequential([sequential(layers.Dense(2)), layers.Dense(2)]),
        Empty,
        shapeless,
        lambda: keras.Model(x := keras.Input((3,)), x),
        lambda: sequential(layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)]), shape=(4, 2)),
        lambda: sequential(layers.Lambda(lambda x: 1 / 0 if isinstance(x, int) else x)),
        lambda: sequential(layers.Normalization(), layers.Discretization([0.0, 1.0])),
        lambda: sequential(layers.TextVectorization(), shape=(), dtype="string"),
    ],
)
def test_a_weird_model_raises_nothing(make):
    model = make()
    made = blueprint_of(model)
    assert made.name == model.name
    assert isinstance(made.is_compiled, bool)


# Outputs and the compilation


def softmax_behind(*after, before=(), shape=(8,)):
    return sequential(*before, layers.Dense(4, activation="softmax"), *after, shape=shape)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: softmax_behind(), Curve.SOFTMAX),
        (lambda: sequential(layers.Dense(4), layers.Softmax()), Curve.SOFTMAX),
        (lambda: sequential(layers.Dense(4), layers.Activation("sigmoid")), Curve.SQUASHING),
        (lambda: sequential(layers.Dense(4)), Curve.LINEAR),
        (lambda: softmax_behind(layers.Activation("linear", dtype="float32")), Curve.SOFTMAX),
        (lambda: softmax_behind(layers.Reshape((2, 2)), layers.Identity()), Curve.SOFTMAX),
        (lambda: softmax_behind(layers.BatchNormalization()), Curve.LINEAR),
        (lambda: softmax_behind(layers.Lambda(lambda x: ops.log(x))), Curve.OTHER),
        (lambda: softmax_behind(layers.Dense(2)), Curve.LINEAR),
        (lambda: softmax_behind(layers.Rescaling(2.0)), None),
        (lambda: sequential(layers.Dense(4, activation="relu"), layers.Dropout(0.1)), Curve.RECTIFIER),
        (lambda: sequential(layers.LSTM(4), shape=(5, 2)), Curve.SQUASHING),
        (lambda: sequential(Broken()), None),
    ],
)
def test_the_last_function_applied_to_an_output_is_found(model, expected):
    assert output_curve(model()) is expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda a, b: ops.softmax(a), Curve.SOFTMAX),
        (lambda a, b: ops.sigmoid(a), Curve.SQUASHING),
        (lambda a, b: ops.reshape(ops.sigmoid(a), (-1, 2, 2)), Curve.SQUASHING),
        (lambda a, b: ops.cast(ops.softmax(a), "float64"), Curve.SOFTMAX),
        (lambda a, b: layers.Average()([ops.softmax(a), ops.softmax(b)]), Curve.SOFTMAX),
        (lambda a, b: layers.Concatenate()([ops.sigmoid(a), ops.sigmoid(b)]), Curve.SQUASHING),
        (lambda a, b: layers.Concatenate()([ops.softmax(a), ops.softmax(b)]), None),
        (lambda a, b: layers.Concatenate()([ops.sigmoid(a), b]), None),
        (lambda a, b: a + b, Curve.LINEAR),
        (lambda a, b: ops.sigmoid(a) + b, None),
        (lambda a, b: ops.sigmoid(a) * b, None),
        (lambda a, b: a * 2.0, Curve.LINEAR),
        (lambda a, b: ops.sigmoid(a) * 2.0, None),
    ],
)
def test_the_last_function_applied_by_operations_is_found(end, expected):
    x = keras.Input((8,))
    assert output_curve(keras.Model(x, end(layers.Dense(4)(x), layers.Dense(4)(x)))) is expected


def compiled(loss=None, metrics=None, optimizer="adam", units=(3,), **more):
    x = keras.Input((8,))
    ends = [layers.Dense(one, name=f"out{number}")(x) for number, one in enumerate(units)]
    model = keras.Model(x, ends if len(ends) > 1 else ends[0])
    model.compile(optimizer, loss=loss, metrics=metrics, **more)
    return blueprint_of(model)


def own_loss(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(y_pred)


@pytest.mark.parametrize(
    ("given", "name", "is_custom", "from_logits", "settings"),
    [
        ("mse", "mean_squared_error", False, False, {}),
        ("sparse_categorical_crossentropy", "sparse_categorical_crossentropy", False, False, {}),
        (keras.losses.mean_absolute_error, "mean_absolute_error", False, False, {}),
        (keras.losses.Huber(delta=2.0), "huber", False, False, {"delta": 2.0}),
        (
            keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
            "binary_crossentropy", False, True, {"label_smoothing": 0.1, "axis": -1},
        ),
        (
            functools.partial(keras.losses.binary_crossentropy, from_logits=True),
            "binary_crossentropy", False, True, {},
        ),
        (own_loss, "own_loss", True, False, {}),
        (OwnLoss(), "own_loss", True, False, {}),
    ],
)  # fmt: skip
def test_a_loss_is_told_however_it_is_given(given, name, is_custom, from_logits, settings):
    (output,) = compiled(given).outputs
    loss = output.loss
    assert (loss.name, loss.is_custom, loss.from_logits) == (name, is_custom, from_logits)
    assert dict(loss.settings) == settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mse", ["mean_squared_error", "mean_squared_error"]),
        (["mse", None], ["mean_squared_error", None]),
        (["mse", "mae"], ["mean_squared_error", "mean_absolute_error"]),
        ({"out0": "mse", "out1": keras.losses.Huber()}, ["mean_squared_error", "huber"]),
        (None, [None, None]),
    ],
)
def test_every_output_has_its_own_loss(given, expected):
    told = [output.loss and output.loss.name for output in compiled(given, units=(3, 1)).outputs]
    assert told == expected


def test_outputs_by_name_have_losses_and_metrics_by_those_names():
    x = keras.Input((8,))
    model = keras.Model(x, {"b": layers.Dense(1, name="dense_b")(x), "a": layers.Dense(2, name="dense_a")(x)})
    model.compile("adam", loss={"a": "mse", "b": "binary_crossentropy"}, metrics={"b": ["acc"]})
    told = {output.layer: (output.loss.name, output.metrics) for output in blueprint_of(model).outputs}
    assert told == {"dense_a": ("mean_squared_error", ()), "dense_b": ("binary_crossentropy", ("accuracy",))}


def test_metrics_are_told_by_their_full_names():
    def own(y_true, y_pred):
        return 0.0

    given = ["acc", "mse", keras.metrics.AUC(name="area"), keras.metrics.SparseCategoricalAccuracy(), own]
    (output,) = compiled("mse", given).outputs
    assert output.metrics == ("accuracy", "mean_squared_error", "auc", "sparse_categorical_accuracy", "own")


def test_where_metrics_decide():
    logits = keras.metrics.AUC(name="area", from_logits=True)
    given = ["mae", "binary_accuracy", keras.metrics.Precision(thresholds=0.3), logits]
    (output,) = compiled("mse", given).outputs
    assert output.thresholds == {"binary_accuracy": (0.5, 0.5), "precision": (0.3, 0.3)}


def test_metrics_of_several_outputs():
    told = [output.metrics for output in compiled("mse", [["mae"], ["mse", "mae"]], units=(3, 1)).outputs]
    assert told == [("mean_absolute_error",), ("mean_squared_error", "mean_absolute_error")]
    (output,) = compiled("mse", weighted_metrics=["mae"]).outputs
    assert output.metrics == ("mean_absolute_error",)


def test_the_optimizer_is_told_with_its_rate_and_what_clips():
    optimizer = compiled(optimizer=keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0)).optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.clips) == ("sgd", 0.1, True)
    assert optimizer.settings["momentum"] == 0.9
    assert None not in optimizer.settings.values()
    assert not compiled().optimizer.clips


def test_of_a_schedule_the_rate_of_the_first_step_is_told():
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 100, warmup_target=0.1, warmup_steps=10)
    optimizer = compiled(optimizer=keras.optimizers.Adam(schedule)).optimizer
    assert (optimizer.learning_rate, optimizer.settings["schedule"]) == (0.0, "CosineDecay")


def test_under_mixed_precision_the_inner_optimizer_is_told():
    optimizer = compiled(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW(0.01))).optimizer
    assert (optimizer.name, optimizer.learning_rate) == ("adamw", 0.01)


def test_a_model_that_is_not_compiled_has_neither():
    made = blueprint_of(sequential(layers.Dense(1)))
    assert (made.optimizer, made.outputs[0].loss, made.is_compiled) == (None, None, False)


def test_penalties_are_summed_up():
    model = sequential(layers.Dense(2, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L1(0.5)))
    assert blueprint_of(model).regularization == pytest.approx(8)
    assert blueprint_of(sequential(layers.Dense(2))).regularization == 0
    model.trainable = False
    assert blueprint_of(model).regularization == 0


def test_a_model_that_was_saved_is_told_as_before(tmp_path):
    model = sequential(
        layers.Dense(4, activation="relu", name="a"), Residual(4, name="block"), layers.Dense(1, name="b")
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / "model.keras")
    assert blueprint_of(keras.saving.load_model(tmp_path / "model.keras")) == blueprint_of(model)


# Keras' own architectures

ARCHITECTURES = {
    name: function
    for name, function in vars(keras.applications).items()
    if inspect.isfunction(function) and "classes" in inspect.signature(function).parameters
}
#: The least size that is allowed, where 64 is too small.
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "NASNetLarge": 96, "NASNetMobile": 96}


def test_keras_has_the_architectures_that_are_looked_at():
    assert {"ResNet50", "VGG16", "MobileNetV2", "EfficientNetB0", "ConvNeXtTiny"} <= set(ARCHITECTURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_of_keras_is_seen_whole(name):
    keras.backend.clear_session()
    size = SIZES.get(name, 64)
    model = ARCHITECTURES[name](weights=None, input_shape=(size, size, 3), classes=10)
    made = blueprint_of(model)
    assert_sound(made, model)
    (output,) = made.outputs
    assert (output.shape, output.activation.curve) == ((None, 10), Curve.SOFTMAX)
    assert sum(layer.flops is None for layer in made.layers) <= 0.05 * len(made.layers)
