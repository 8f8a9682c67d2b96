"""What is searched: files, texts, defaults, and the user's own functions."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes import user_model
from recipes.config import Config
from recipes.errors import ConfigError, RecipeError
from recipes.task import Kind
from tests.recipes.made_facts import facts, image
from tuners.search.space import Space

FACTS = replace(facts(), samples={"train": 1000, "validation": 300, "test": 300})
IMAGES = replace(FACTS, inputs=image(32, 32, 3))
OBJECTS = replace(facts(Kind.DETECTION, image(32, 32, 3)), samples=FACTS.samples)
DATA = {"mlp": FACTS, "cnn": IMAGES, "transfer": IMAGES}


def test_each_form_of_a_file(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(
        """
        optimizer:
          learning_rate: {low: 1e-5, high: 0.1, log: true}
        regularization.dropout: {low: 0, high: 0.5, step: 0.1}
        model.activation: [relu, gelu]
        model.batch_norm: [true, false]
        model.depth: 3
        data.batch_size: [64]
        model.width: null
        """
    )
    space = Space.read(file)
    assert {parameter.path: parameter.describe() for parameter in space} == {
        "optimizer.learning_rate": "1e-05 .. 0.1, log",
        "regularization.dropout": "0 .. 0.5, step 0.1",
        "model.activation": "relu | gelu",
        "model.batch_norm": "true | false",
    }
    assert space.fixed == {"model.depth": 3, "data.batch_size": 64}
    assert space.without == {"model.width"}
    assert not space.extends


@pytest.mark.parametrize("key", ["extend", "extends"])
def test_a_file_may_begin_with_the_default(key):
    assert Space.of({key: "default", "model.depth": 3}).extends
    with pytest.raises(ConfigError, match="takes default, not 'mlp'"):
        Space.of({key: "mlp"})


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("optimizer.learning_rate=1e-5..0.1 log", "1e-05 .. 0.1, log"),
        ("optimizer.learning_rate = 1e-5 .. 0.1, log", "1e-05 .. 0.1, log"),
        ("optimizer.learning_rate=.001...1", "0.001 .. 0.1"),
        ("regularization.dropout=0..0.5 step 0.05", "0 .. 0.5, step 0.05"),
        ("data.batch_size=16|32|64", "16 | 32 | 64"),
        ("model.activation=relu|gelu", "relu | gelu"),
        ("model.activation=[relu, gelu]", "relu | gelu"),
        ("model.depth={low: 1, high: 4}", "1 .. 4"),
    ],
)
def test_each_form_of_a_text(text, described):
    space = Space.parse(text)
    assert [parameter.describe() for parameter in space] == [described]
    assert space.extends


def test_a_text_may_set_or_leave_out():
    assert Space.parse("model.depth=3").fixed == {"model.depth": 3}
    assert Space.parse("model.depth=null").without == {"model.depth"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model.depth", "not PATH=SPEC"),
        ("=3", "not PATH=SPEC"),
        ("model.depth=1..4 lin", "what is 'lin' behind the range"),
        ("model.depth=1..x", "model.depth: .* not 'x'"),
        ("model.dept=null", "did you mean model.depth"),
        ("model.depth=[1", "cannot be read"),
    ],
)
def test_what_is_no_space_is_told_in_a_line(text, said):
    with pytest.raises(ConfigError, match=said):
        Space.parse(text)


@given(low=st.floats(1e-6, 0.4), high=st.floats(0.41, 0.99), log=st.booleans())
def test_a_range_that_is_written_is_read_again(low, high, log):
    described = Space.parse(f"regularization.dropout={low}..{high}{' log' if log else ''}")["regularization.dropout"]
    assert (described.low, described.high, described.log) == (float(f"{low:.6g}"), float(f"{high:.6g}"), log)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_space_or_an_error_for_people(path, spec):
    for text in (f"{path}={spec}", f"model.depth={spec}", f"hyperparameters.x={spec}"):
        try:
            space = Space.parse(text)
        except ConfigError:
            continue
        assert len(space) + len(space.fixed) + len(space.without) == 1


def test_a_file_that_is_not_there():
    with pytest.raises(ConfigError, match=r"--space nowhere\.yaml: there is no such file"):
        Space.read("nowhere.yaml")


def test_the_error_of_a_file_names_the_option_it_came_from(tmp_path, monkeypatch):
    file = tmp_path / "space.yaml"
    file.touch()
    monkeypatch.setattr(Path, "read_text", mock.Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(ConfigError, match="Permission denied; name a YAML or JSON file with --space"):
        Space.read(file)


WHEN = {
    "model.depth": [1, 2, 3],
    "model.width": {"values": [8, 16], "when": {"model.depth": [2, 3]}},
    "optimizer.name": ["sgd", "adam"],
    "optimizer.momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer.name": "sgd"}},
}


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("model.depth=1|2", (("model.depth", (2,)),)),
        ("model.depth=1|4", None),
        ("model.depth=1", None),
        ("model.depth=2", ()),
        ("model.depth=2..5", (("model.depth", (2, 3)),)),
        ("model.width=32|64", (("model.depth", (2, 3)),)),
    ],
)
def test_conditions_are_narrowed_with_their_parent(text, conditions):
    space = Space.of(WHEN).merged(Space.parse(text)).settled(Config(recipe="mlp"))
    found = {parameter.path: parameter.conditions for parameter in space}
    assert found.get("model.width") == conditions
    assert found["optimizer.momentum"] == (("optimizer.name", ("sgd",)),)


def test_a_condition_of_its_own_replaces_the_one_below():
    above = Space.of({"model.width": {"values": [32, 64], "when": {"model.depth": [1]}}})
    assert Space.of(WHEN).merged(above)["model.width"].conditions == (("model.depth", (1,)),)


def test_a_condition_on_a_range_without_a_step_is_refused():
    content = {
        "regularization.dropout": {"low": 0, "high": 0.5},
        "model.depth": {"values": [1, 2], "when": {"regularization.dropout": [0.5]}},
    }
    with pytest.raises(ConfigError, match=r"a range without a step, 0 \.\. 0.5; give it a step, or list") as caught:
        Space.of(content).settled(Config(recipe="mlp"))
    assert "\n" not in str(caught.value)


def test_what_is_on_top_counts():
    below = Space.of(
        {"model.depth": [1, 2], "model.width": [8, 16], "model.activation": "relu", "data.batch_size": [8, 16]}
    )
    above = Space.of(
        {"model.depth": 3, "model.width": [32, 64], "model.activation": ["relu", "gelu"], "data.batch_size": None}
    )
    merged = below.merged(above)
    assert {parameter.path: parameter.values for parameter in merged} == {
        "model.width": (32, 64), "model.activation": ("relu", "gelu"),
    }  # fmt: skip
    assert merged.fixed == {"model.depth": 3}


def test_values_are_set_in_the_configuration_as_they_are_recorded():
    space = Space.of({"optimizer.learning_rate": {"low": 1e-5, "high": 0.1}, "model.width": [8, 16], "model.depth": 3})
    values = {"optimizer.learning_rate": np.float64(0.0123456789), "model.width": np.int64(16)}
    config = space.apply(Config(recipe="mlp"), values)
    assert (config.optimizer.learning_rate, config.model.width, config.model.depth) == (0.0123457, 16, 3)
    assert space.apply(Config(recipe="mlp"), space.plain(values)) == config
    json.dumps(space.plain(values))


def test_what_is_searched_survives_json():
    space = Space.of({
        "optimizer.name": ["sgd", "adam"],
        "optimizer.momentum": {"low": 0.5, "high": 0.99, "when": {"optimizer.name": "sgd"}},
        "model.batch_norm": [True, False],
    })  # fmt: skip
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_conditions_are_decided_where_their_parent_is_not_searched():
    when = {"low": 0.5, "high": 0.99, "when": {"optimizer.name": ["sgd"]}}
    config = Config(recipe="mlp")
    assert not Space.of({"optimizer.momentum": when}).settled(config)
    found = Space.of({"optimizer.momentum": when, "optimizer.name": "sgd"}).settled(config)
    assert [parameter.conditions for parameter in found] == [()]


def test_parents_come_first():
    content = {
        "optimizer.momentum": {"low": 0.5, "high": 0.99, "when": {"optimizer.name": ["sgd"]}},
        "model.depth": [1, 2],
        "optimizer.name": ["sgd", "adam"],
    }
    space = Space.of(content).settled(Config(recipe="mlp"))
    assert space.paths.index("optimizer.name") < space.paths.index("optimizer.momentum")
    assert space.active({"optimizer.name": "adam", "optimizer.momentum": 0.9, "model.depth": 1}) == {
        "optimizer.name": "adam", "model.depth": 1,
    }  # fmt: skip


def test_conditions_that_never_hold_or_go_round_are_refused():
    wrong = {"model.depth": {"values": [1, 2], "when": {"optimizer.name": ["lion"]}}, "optimizer.name": ["sgd", "adam"]}
    with pytest.raises(ConfigError, match=r"optimizer.name is 'lion', which it never is: sgd \| adam"):
        Space.of(wrong).settled(Config(recipe="mlp"))
    circle = {
        "model.depth": {"values": [1, 2], "when": {"model.width": [8]}},
        "model.width": {"values": [8, 9], "when": {"model.depth": [1]}},
    }
    with pytest.raises(ConfigError, match="circle"):
        Space.of(circle).settled(Config(recipe="mlp"))


def test_defaults_are_the_configurations_where_they_can_be():
    config = Config(recipe="mlp").replace({"model.depth": 2, "model.width": 7})
    space = Space.of({"model.depth": [1, 2], "model.width": [8, 16]}).settled(config)
    assert [parameter.default for parameter in space] == [2, None]


def test_points_are_counted():
    content = {
        "optimizer.name": ["sgd", "adam"],
        "optimizer.momentum": {"low": 0.5, "high": 0.9, "step": 0.1, "when": {"optimizer.name": "sgd"}},
        "model.depth": {"low": 1, "high": 4},
    }
    space = Space.of(content).settled(Config(recipe="mlp"))
    assert (space.points(), space.combinations()) == ((5 + 1) * 4, 2 * 5 * 4)
    assert Space.of({"optimizer.momentum": {"low": 0.5, "high": 0.9}}).points() == float("inf")


@pytest.mark.keras
class TestOfARecipe:
    @pytest.mark.parametrize("path", ["data.test", "data.split_seed", "data.fold", "training.seed", "training.epochs"])
    def test_what_would_make_scores_incomparable_is_refused(self, path):
        values = [0.1, 0.2] if path == "data.test" else [2, 3]
        with pytest.raises(ConfigError, match=f"{path}: is not searched: "):
            Space.asked(Config.of("mlp"), FACTS, [{path: values}])

    def test_what_the_recipe_does_not_heed_is_refused(self):
        with pytest.raises(ConfigError, match=r"transfer.head_units: the recipe mlp does not use it"):
            Space.asked(Config.of("mlp"), FACTS, ["transfer.head_units=0|64"])
        with pytest.raises(ConfigError, match=r"hyperparameters.units: the recipe mlp does not use it"):
            Space.asked(Config.of("mlp"), FACTS, ["hyperparameters.units=1..4"])

    def test_a_file_is_the_whole_space_and_a_text_goes_on_top(self):
        space = Space.asked(Config.of("mlp"), FACTS, ["model.width=8|16", {"model.depth": [1, 2]}])
        assert space.paths == ("model.depth", "model.width")

    def test_a_text_alone_goes_on_top_of_the_default(self):
        default = Space.default(Config.of("mlp"), FACTS)
        assert Space.asked(Config.of("mlp"), FACTS, ["model.depth=9|10"]).paths == default.paths
        left = Space.asked(Config.of("mlp"), FACTS, ["model.depth=null"])
        assert left.paths == tuple(path for path in default.paths if path != "model.depth")

    def test_nothing_to_search_is_an_error(self):
        with pytest.raises(ConfigError, match="nothing is searched"):
            Space.asked(Config.of("mlp"), FACTS, [{"model.depth": 3}])

    def test_what_changes_data_and_loss_is_known(self):
        space = Space.asked(Config.of("cnn"), IMAGES, ["data.standardize=true|false"])
        assert space.data_paths() == ("data.standardize",)
        assert space.loss_paths() == ("regularization.l2",)

    @pytest.mark.parametrize("recipe", ["mlp", "cnn", "transfer", "detector", "cnn/small", "mlp/deep"])
    def test_every_corner_of_a_default_space_is_a_configuration(self, recipe):
        config, data = Config.of(recipe), DATA.get(recipe.partition("/")[0], OBJECTS)
        space = Space.asked(config, data)
        assert 6 <= len(space) <= 10
        for share in (0.0, 1.0):
            values = {parameter.path: parameter.at(share) for parameter in space}
            assert Config.from_dict(space.apply(config, values).to_dict()).get(space.paths[0]) == values[space.paths[0]]

    @pytest.mark.parametrize(("samples", "sizes"), [(20, None), (40, (8,)), (70, (8, 16)), (5000, (16, 32, 64, 128))])
    def test_batches_are_bounded_by_the_samples(self, samples, sizes):
        space = Space.default(Config.of("mlp"), replace(FACTS, samples={"train": samples}))
        found = space["data.batch_size"].values if "data.batch_size" in space else None
        assert found == (sizes if sizes and len(sizes) > 1 else None)

    @pytest.mark.parametrize(("side", "most"), [(4, 3), (8, 4), (64, 5)])
    def test_stages_are_bounded_by_the_image(self, side, most):
        space = Space.default(Config.of("cnn"), replace(IMAGES, inputs=image(side, side)))
        assert space["model.depth"].high == most

    def test_what_is_not_pretrained_is_not_frozen(self):
        space = Space.default(Config.of("transfer", {"transfer.weights": "none"}), IMAGES)
        assert not {"transfer.freeze_depth", "transfer.fine_tune_rate"} & set(space.paths)

    @pytest.mark.parametrize(
        ("text", "conditions"),
        [
            ("0.5|1", ((0.5,),)),
            ("0.3|0.6|1", ((0.3, 0.6),)),
            ("0|0.5", ((0.0, 0.5),)),
            ("0..1 step 0.25", ((0.0, 0.25, 0.5, 0.75),)),
            ("0..1", ()),
            ("0.5", ()),
            ("1", None),
        ],
    )
    def test_a_rate_is_tuned_wherever_something_is_not_frozen(self, text, conditions):
        space = Space.asked(Config.of("transfer"), IMAGES, [f"transfer.freeze_depth={text}"])
        found = {parameter.path: parameter.conditions for parameter in space}.get("transfer.fine_tune_rate")
        assert found == (conditions and tuple(("transfer.freeze_depth", values) for values in conditions))

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_rate_that_is_narrowed_is_tuned_where_it_was(self, order):
        texts = ["transfer.fine_tune_rate=1e-5..1e-4 log", "transfer.freeze_depth=0.5|1"][::order]
        tuned = Space.asked(Config.of("transfer"), IMAGES, texts)["transfer.fine_tune_rate"]
        assert (tuned.high, tuned.conditions) == (1e-4, (("transfer.freeze_depth", (0.5,)),))

    def test_kerastuner_gets_the_same_space(self):
        space = Space.asked(Config.of("transfer"), IMAGES)
        hp = space.to_keras_tuner()
        assert [one.name for one in hp.space] == list(space.paths)
        tuned = next(one for one in hp.space if one.name == "transfer.fine_tune_rate")
        assert [(one.name, one.values) for one in tuned.conditions] == [("transfer.freeze_depth", [0.25, 0.5, 0.75])]
        assert hp.values["optimizer.learning_rate"] == 1e-3

    def test_kerastuner_draws_what_the_space_holds(self):
        space = Space.asked(Config.of("mlp"), FACTS)
        hp = space.to_keras_tuner()
        for parameter, share in itertools.product(hp.space, (0.0, 0.37, 0.999)):
            value = space.plain({parameter.name: parameter.prob_to_value(share)})[parameter.name]
            assert space[parameter.name].holds(value)
            again = parameter.prob_to_value(parameter.value_to_prob(value))
            again = space.plain({parameter.name: again})[parameter.name]
            assert again == value if isinstance(value, str) else again == pytest.approx(value, rel=1e-4)


@pytest.mark.keras
@pytest.mark.long
@pytest.mark.parametrize("recipe", ["mlp", "cnn", "transfer", "detector"])
def test_models_can_be_built_anywhere_in_a_default_space(recipe):
    from recipes.building import build

    settings = {"transfer": {"transfer.weights": "none", "transfer.backbone": "mobilenet_025", "data.image_size": 32}}
    config, data = Config.of(recipe, settings.get(recipe, {})), DATA.get(recipe, OBJECTS)
    space = Space.asked(config, data)
    random = np.random.default_rng(0)
    for _ in range(3):
        values = {parameter.path: parameter.at(random.random()) for parameter in space}
        assert build(space.apply(config, space.active(values)), data).compiled


OWN = """
import keras

def build(hp):
    x = inputs = keras.Input((5,))
    kind = hp.Choice("kind", ["plain", "deep"])
    hp.Fixed("fixed", 3)
    with hp.conditional_scope("kind", ["deep"]):
        if kind == "deep":
            x = keras.layers.Dense(hp.Int("extra", 4, 16, step=4, default=8))(x)
    for i in range(hp.Int("layers", 1, 3)):
        x = keras.layers.Dense(hp.Int(f"units_{i}", 4, 64, sampling="log"))(x)
    hp.Float("share", 1, 100, sampling="reverse_log")
    hp.Boolean("norm")
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    COMPILE
    return model

def configured(config):
    return keras.Sequential([keras.layers.Dense(3, "softmax")])

def nested(hp):
    layers, drop = hp.Int("layers", 1, 3), hp.Boolean("drop")
    for i in range(layers):
        if drop:
            hp.Float(f"rate_{i}", 0, 0.5)
    if drop:
        for i in range(hp.Int("more", 1, 3)):
            hp.Int(f"more_{i}", 1, 4)
    if hp.Choice("act", ["relu", "prelu", "leaky"]) != "relu":
        hp.Float("slope", 0.1, 0.3)
    return keras.Sequential([keras.layers.Dense(3, "softmax")])

def endless(hp):
    for i in range(40):
        if hp.Boolean(f"switch_{i}"):
            hp.Int(f"units_{i}", 1, 9)
    return keras.Sequential([keras.layers.Dense(3, "softmax")])

def dropping(hp):
    hp.Float("dropout", 0, 0.5)
    hp.Choice("share", [0.0, 0.5])
    for i in range(hp.Int("layers", 1, 5)):
        hp.Int(f"units_{i}", 4, 64)
    return keras.Sequential([keras.layers.Dense(3, "softmax")])

def twice(hp):
    hp.Choice("a", [1, 2])
    with hp.conditional_scope("a", [1]):
        hp.Int("b", 1, 2)
    with hp.conditional_scope("a", [2]):
        hp.Int("b", 1, 9)
    return keras.Sequential([keras.layers.Dense(3, "softmax")])
"""


@pytest.mark.keras
class TestOfAFunction:
    @pytest.fixture
    def own(self, tmp_path):
        def write(function: str = "build", compile_: str = "pass") -> Config:
            file = tmp_path / f"own_{function}_{len(compile_)}.py"
            file.write_text(OWN.replace("COMPILE", compile_))
            return Config.of(f"{file}:{function}")

        return write

    def test_everything_it_asks_for_is_found(self, own):
        space = Space.default(own(), FACTS)
        assert {parameter.path.removeprefix("hyperparameters."): parameter.describe() for parameter in space} == {
            "kind": "plain | deep",
            "extra": "4 .. 16, step 4",
            "layers": "1 .. 3",
            "units_0": "4 .. 64, log",
            "units_1": "4 .. 64, log",
            "units_2": "4 .. 64, log",
            "share": "1 .. 100, log, dense at the end",
            "norm": "false | true",
            "optimizer.learning_rate": "0.0001 .. 0.03, log",
            "data.batch_size": "16 | 32 | 64 | 128",
        }
        assert space["hyperparameters.extra"].default == 8

    def test_what_is_asked_for_at_times_is_searched_then(self, own):
        space = Space.default(own(), FACTS)
        assert space["hyperparameters.extra"].conditions == (("hyperparameters.kind", ("deep",)),)
        assert space["hyperparameters.units_0"].conditions == ()
        assert space["hyperparameters.units_1"].conditions == (("hyperparameters.layers", (2, 3)),)
        assert space["hyperparameters.units_2"].conditions == (("hyperparameters.layers", (3,)),)

    def test_a_compiled_model_has_an_optimizer(self, own):
        space = Space.default(own(compile_='model.compile("sgd", "mse")'), FACTS)
        assert "optimizer.learning_rate" not in space
        assert "data.batch_size" in space

    def test_a_function_of_the_configuration_has_what_is_common(self, own):
        assert set(Space.default(own("configured"), FACTS).paths) == {
            "optimizer.learning_rate", "data.batch_size", "optimizer.name",
        }  # fmt: skip

    def test_a_name_for_two_things_is_refused(self, own):
        with pytest.raises(RecipeError, match=r"asks for 'b' in two ways: 1 \.\. 2, and 1 \.\. 9"):
            Space.default(own("twice"), FACTS)

    def test_what_it_does_not_ask_for_is_refused(self, own):
        with pytest.raises(ConfigError, match=r"hyperparameters.unit_0: .* did you mean hyperparameters.units_0"):
            Space.asked(own(), FACTS, ["hyperparameters.unit_0=1|2"])

    def test_what_depends_on_several_is_searched_where_all_hold(self, own):
        space = Space.default(own("nested"), FACTS)
        found = {
            parameter.path.rpartition(".")[2]: {
                path.rpartition(".")[2]: values for path, values in parameter.conditions
            }
            for parameter in space
            if parameter.conditions
        }
        assert found == {
            "rate_0": {"drop": (True,)},
            "rate_1": {"drop": (True,), "layers": (2, 3)},
            "rate_2": {"drop": (True,), "layers": (3,)},
            "more": {"drop": (True,)},
            "more_0": {"drop": (True,)},
            "more_1": {"drop": (True,), "more": (2, 3)},
            "more_2": {"drop": (True,), "more": (3,)},
            "slope": {"act": ("leaky", "prelu")},
        }

    def test_of_a_function_that_asks_for_much_not_all_is_tried(self, own, monkeypatch):
        built = mock.Mock(wraps=user_model.call)
        monkeypatch.setattr(user_model, "call", built)
        space = Space.default(own("endless"), FACTS)
        assert built.call_count <= 64
        assert space["hyperparameters.units_0"].conditions == (("hyperparameters.switch_0", (True,)),)

    @pytest.mark.parametrize("layers", ["1..4", "2|4", "1..4 step 3"])
    def test_its_conditions_are_narrowed_with_their_parent(self, own, layers):
        space = Space.asked(own("dropping"), FACTS, [f"hyperparameters.layers={layers}"])
        assert space["hyperparameters.units_3"].conditions == (("hyperparameters.layers", (4,)),)
        assert "hyperparameters.units_4" not in space

    @pytest.mark.parametrize("layers", [["hyperparameters.units_3=8..16"], ["hyperparameters.units_3=8..16.0"]])
    def test_what_is_narrowed_is_searched_where_it_was(self, own, layers):
        units = Space.asked(own("dropping"), FACTS, layers)["hyperparameters.units_3"]
        assert (units.kind, units.low, units.high) == ("int", 8, 16)
        assert type(units.high) is int
        assert units.conditions == (("hyperparameters.layers", (4, 5)),)

    @pytest.mark.parametrize(
        "given",
        [
            ["hyperparameters.dropout=0..1"],
            ["hyperparameters.dropout=0..1 step 1"],
            ["hyperparameters.dropout=0..2", "hyperparameters.dropout=0..1"],
            ["hyperparameters.dropout=0..1", "hyperparameters.dropout=0.2..0.3"],
            ["hyperparameters.share=0..1"],
            ["hyperparameters.share=0|1"],
            [{"hyperparameters.dropout": {"low": 0, "high": 1}}],
        ],
    )
    def test_floats_stay_floats(self, own, given):
        space = Space.asked(own("dropping"), FACTS, given)
        for path in {"hyperparameters.dropout", "hyperparameters.share"} & set(space.paths):
            assert space[path].kind in ("float", "choice")
            assert {type(value) for value in (space[path].at(0.0), space[path].at(1.0))} == {float}

    def test_whole_numbers_stay_whole(self, own):
        with pytest.raises(ConfigError, match=r"units_0: takes whole numbers, as 4 \.\. 64, not 4.5 \.\. 8"):
            Space.asked(own("dropping"), FACTS, ["hyperparameters.units_0=4.5..8"])

    def test_a_file_that_is_all_there_is_keeps_its_order_and_gets_conditions(self, own):
        content = {
            "hyperparameters.layers": {"low": 3, "high": 5},
            "data.batch_size": [16, 32],
            "hyperparameters.units_3": {"low": 8, "high": 16},
            "hyperparameters.dropout": {"low": 0, "high": 1},
        }
        space = Space.asked(own("dropping"), FACTS, [content])
        assert space.paths == tuple(content)
        assert space["hyperparameters.units_3"].conditions == (("hyperparameters.layers", (4, 5)),)
        alone = Space.asked(own("dropping"), FACTS, [{"hyperparameters.units_3": {"low": 8, "high": 16}}])
        assert [parameter.conditions for parameter in alone] == [()]

    def test_what_it_asks_for_can_be_set_or_narrowed(self, own):
        space = Space.asked(own(), FACTS, ["hyperparameters.layers=2", "hyperparameters.share=2..3"])
        assert space.fixed == {"hyperparameters.layers": 2}
        assert space["hyperparameters.share"].high == 3
        assert space["hyperparameters.units_1"].conditions == ()
        assert "hyperparameters.units_2" not in space


@pytest.mark.keras
def test_the_documented_defaults_are_the_defaults():
    page = (Path(__file__).parents[3] / "docs" / "search-space.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in page.partition("## Default spaces")[2].partition("## Your own")[0].splitlines()
        if line.startswith("|")
    ]
    recipes = rows[0][1:]
    written = {
        recipe: {row[0].strip("`"): row[i] for row in rows[2:] if row[i]} for i, recipe in enumerate(recipes, start=1)
    }
    spaces = {recipe: Space.default(Config.of(recipe), DATA.get(recipe, OBJECTS)) for recipe in recipes}
    assert written == {
        recipe: {parameter.path: parameter.describe() for parameter in space} for recipe, space in spaces.items()
    }
