"""The configuration: one tree, one vocabulary, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diagnose.fix import PATHS, Change
from recipes import config as module
from recipes.config import Config, differences, flattened, parse_setting, paths, read
from recipes.errors import RecipeError
from tests.remedies.catalogue import REMEDIES

pytestmark = pytest.mark.keras  # a recipe's module imports it

# One vocabulary


def test_every_change_path_is_a_setting():
    assert set(paths()) >= PATHS


def changes() -> list[Change]:
    return [change for remedy in REMEDIES.values() for change in remedy().changes]


def test_what_a_remedy_changes_can_be_set():
    assert len(changes()) > 20
    for change in changes():
        config = Config(recipe="mlp")
        if change.op == "set":
            config = config.replace({change.path: change.value})
            assert config.get(change.path) == change.value
        for bound in (change.low, change.high):
            if bound is not None:
                assert config.replace({change.path: bound}).get(change.path) == bound
        if change.op != "set":  # what is multiplied or added to is a number
            assert isinstance(config.get(change.path), int | float)


def test_the_paths_are_sections_and_names():
    for path in paths():
        section, name = path.split(".")
        assert hasattr(getattr(Config(), section), name)


@pytest.mark.parametrize("path", paths())
def test_every_setting_keeps_its_default_through_json_and_yaml(path):
    config = Config(recipe="mlp")
    for text in (json.dumps(config.model_dump(mode="json")), yaml.safe_dump(config.model_dump(mode="json"))):
        again = Config().replace(flattened(yaml.safe_load(text), "here", skip=("recipe", "hyperparameters")))
        assert again.get(path) == config.get(path)


def test_choices_are_those_of_the_type():
    assert module.choices("optimizer.schedule") == get_args(module.Schedule)
    assert module.choices("data.augmentation_families") == get_args(module.Family)
    assert module.choices("optimizer.learning_rate") == ()
    for path in paths():
        for choice in module.choices(path):
            assert choice in (value := Config().replace({path: choice}).get(path)) or value == choice
            assert get_origin(paths()[path].annotation) in (Literal, tuple)


# Layers


def test_later_layers_lie_on_top():
    config = Config.of("mlp", {"model.width": 5, "model.depth": 1}, {"model.width": 7})
    assert (config.model.width, config.model.depth) == (7, 1)


def test_a_preset_lies_above_the_default_preset_and_below_what_is_set():
    default, deep = Config.of("mlp"), Config.of("mlp/deep")
    assert deep.model.depth > default.model.depth
    assert deep.regularization == default.regularization
    assert Config.of("mlp/deep", {"model.depth": 1}).model.depth == 1


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        Config().optimizer.learning_rate = 1.0


def test_replacing_nothing_is_the_same():
    config = Config.of("mlp")
    assert config.replace({}) is config


def test_nested_settings_and_paths_are_the_same():
    nested = Config.from_dict({"recipe": "mlp", "optimizer": {"learning_rate": 0.5}})
    assert nested == Config.from_dict({"recipe": "mlp", "optimizer.learning_rate": 0.5})
    assert nested == Config.of("mlp", {"optimizer.learning_rate": 0.5})


@pytest.mark.parametrize("name", ["mlp", "mlp/deep", "cnn", "cnn/strided"])
def test_what_was_written_is_read_again(name, tmp_path):
    config = Config.of(name, {"data.source": "Häuser.csv", "optimizer.learning_rate": 1e-5})
    for file, text in (("c.yaml", config.to_yaml()), ("c.json", json.dumps(config.to_dict()))):
        (tmp_path / file).write_text(text, encoding="utf-8")
        assert Config.from_dict(read(tmp_path / file)) == config


def test_flat_names_are_paths():
    flat = Config.of("mlp").flat()
    assert flat.pop("recipe") == "mlp"
    assert set(flat) <= set(paths())
    assert flat["optimizer.learning_rate"] == Config.of("mlp").optimizer.learning_rate


def test_settings_that_the_recipe_does_not_heed_are_not_written():
    assert "transfer" not in Config.of("mlp").to_dict()


def test_differences_in_words():
    before = Config.of("mlp", {"optimizer.learning_rate": 0.01})
    after = before.replace({"optimizer.learning_rate": 0.1, "data.shuffle": False})
    assert list(differences(before, after)) == ["data.shuffle True -> False", "optimizer.learning_rate 0.01 -> 0.1"]
    assert list(differences(before, before)) == []


# Values


@pytest.mark.parametrize(
    ("given", "strength"),
    [("none", 0.0), ("light", 1 / 3), ("Medium", 2 / 3), ("strong", 1.0), (0.4, 0.4), (True, 2 / 3), (False, 0.0)],
)
def test_strengths_of_augmentation_have_names(given, strength):
    assert Config().replace({"data.augmentation": given}).data.augmentation == pytest.approx(strength)


@pytest.mark.parametrize("given", ["a,b", " a , b ,", ["a", "b"], ("a", "b")])
def test_names_come_as_a_list_or_with_commas(given):
    assert Config().replace({"data.target": given}).data.target == ("a", "b")


def test_hyperparameters_of_ones_own():
    config = Config(recipe="m:f").replace({"hyperparameters.units": 3}).replace({"hyperparameters.name": "x"})
    assert config.hyperparameters == {"units": 3, "name": "x"}
    assert config.get("hyperparameters.units") == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.learning_rate=0.01", ("optimizer.learning_rate", 0.01)),
        ("model.batch_norm = true", ("model.batch_norm", True)),
        ("data.target=[a, b]", ("data.target", ["a", "b"])),
        ("data.source=a=b.csv", ("data.source", "a=b.csv")),
        ("data.source=", ("data.source", None)),
    ],
)
def test_a_setting_of_the_command_line(text, expected):
    assert parse_setting(text) == expected


def test_a_rate_in_powers_of_ten():
    """YAML takes 1e-4 for a text."""
    path, value = parse_setting("optimizer.learning_rate=1e-4")
    assert Config().replace({path: value}).optimizer.learning_rate == 1e-4


# Errors: one line that says what, where and how


def told(call: Any, *arguments: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("optimizer.learningrate", "optimizer.learning_rate"),
        ("learning_rate", "optimizer.learning_rate"),
        ("dropout", "regularization.dropout"),
        ("xyzzy", "`tune recipes NAME` lists the settings"),
        ("model", "model."),
        ("", ""),
    ],
)
def test_a_setting_that_is_not_there(path, near):
    message = told(Config().replace, {path: 1})
    assert message.startswith(f"there is no setting {path!r}")
    assert near in message


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("optimizer.learning_rate", 0, "greater than 0"),
        ("optimizer.learning_rate", "fast", "number"),
        ("optimizer.learning_rate", float("nan"), "finite"),
        ("optimizer.learning_rate", float("inf"), ""),
        ("optimizer.learning_rate", None, "number"),
        ("regularization.dropout", 1.0, "less than 1"),
        ("data.batch_size", 2.5, "integer"),
        ("data.batch_size", 10**9, "65536"),
        ("data.augmentation", "wild", "number"),
        ("data.target", [{"a": 1}], "string"),
        ("optimizer.name", "adamm", "'adam'"),
        ("training.seed", -1, "0"),
        ("model.batch_norm", "perhaps", "boolean"),
        ("hyperparameters.units", [1], ""),
    ],
)
def test_a_value_that_it_cannot_have(path, value, part):
    message = told(Config().replace, {path: value})
    assert message.startswith(path)
    assert part in message


def test_a_setting_that_the_recipe_does_not_use():
    assert told(Config.of, "mlp", {"model.downsampling": "max"}).startswith(
        "model.downsampling: the recipe mlp does not use it; it uses "
    )


@pytest.mark.parametrize("content", [{}, {"recipe": ""}, {"recipe": 3}, {"recipe": None}])
def test_a_file_that_names_no_recipe(content):
    assert "names no recipe" in told(Config.from_dict, content)


@pytest.mark.parametrize(
    "content", [{"recipe": "mlp", "model": 3}, {"recipe": "mlp", "model": [1]}, {"recipe": "mlp", 1: 2}]
)
def test_a_section_that_is_none(content):
    assert "there is no setting" in told(Config.from_dict, content)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("c.yaml", "a: [1", "not valid YAML"),
        ("c.json", "{", "not valid JSON"),
        ("c.yaml", "- mlp", "holds no settings"),
        ("c.yaml", "", "holds no settings"),
        ("c.yaml", "a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("c.yaml", "[" * 700, "not valid YAML"),
        ("c.json", "[" * 100_000, "not valid JSON"),
        ("c.yaml", "a: " + "x" * 1_000_001, "too large"),
        ("c.yaml", "? [a]\n: b", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration(name, text, part, tmp_path):
    (tmp_path / name).write_text(text)
    message = told(read, tmp_path / name)
    assert message.startswith(str(tmp_path / name))
    assert part in message


def test_a_file_that_is_not_there(tmp_path):
    assert "No such file" in told(read, tmp_path / "none.yaml")


def test_a_folder_is_no_file(tmp_path):
    assert "Is a directory" in told(read, tmp_path)


def test_a_file_that_unfolds_without_end_is_refused_at_once(tmp_path):
    """Thirty levels of nine references each."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines) + "\nrecipe: mlp\ndata: {target: *a29}\n")
    content = read(tmp_path / "bomb.yaml")
    settings = {"recipe": "mlp", "data": content["data"]}
    assert told(Config.from_dict, settings).startswith("data.target")


@pytest.mark.parametrize("text", ["", "optimizer.learning_rate", "=3", "a=[1", "a=" + "[" * 700])
def test_a_setting_of_the_command_line_that_is_none(text):
    assert told(parse_setting, text).startswith("--set")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def message_of(call: Any, *arguments: Any) -> str:
    """Return what is told where something is refused, else nothing."""
    try:
        call(*arguments)
    except RecipeError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted(paths())), json_values)
def test_whatever_is_set_is_taken_or_refused_in_a_line(path, value):
    message = message_of(Config().replace, {path: value})
    assert "\n" not in message
    if not message:
        config = Config().replace({path: value})
        assert Config.model_validate_json(config.model_dump_json()) == config


@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(["recipe", "model", "data"]), json_values, max_size=4))
def test_whatever_a_file_holds_is_taken_or_refused_in_a_line(content):
    assert "\n" not in message_of(Config.from_dict, {"recipe": "mlp", **content})


def test_numbers_are_those_of_yaml_1_2():
    assert parse_setting("hyperparameters.rate=1e-3") == ("hyperparameters.rate", 1e-3)


class TestAnchored:
    def test_files_are_named_from_the_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("table.csv", "mine.py", "mlp"):
            (tmp_path / name).touch()
        config = Config(recipe="mine.py:build").replace({"data.source": "table.csv"}).anchored()
        assert config.recipe == f"{tmp_path}/mine.py:build"
        assert config.data.source == f"{tmp_path}/table.csv"
        assert config.recipe_name == "mine.py:build"
        assert config.anchored() == config
        assert Config(recipe="mlp").anchored().recipe == "mlp"  # whatever file has its name

    @pytest.mark.parametrize("source", ["digits", "module:function", "missing.csv", ""])
    def test_other_names_stay(self, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "digits").mkdir()  # the built-in name goes first
        assert Config(recipe="mlp").replace({"data.source": source}).anchored().data.source == source
