"""Recipes by name."""

from __future__ import annotations

import pytest

from recipes import catalog
from recipes.errors import RecipeError
from recipes.recipe import Recipe
from recipes.task import Kind
from tests.recipes.made_facts import facts, image

pytestmark = pytest.mark.keras  # a recipe's module imports it

each_recipe = pytest.mark.parametrize("name", catalog.NAMES)


@each_recipe
def test_a_recipe_is_found_by_its_name(name):
    recipe = catalog.find(name)
    assert isinstance(recipe, Recipe)
    assert recipe.name == name


@each_recipe
def test_a_recipe_tells_what_it_is_in_a_line(name):
    summary = catalog.find(name).summary
    assert 10 < len(summary) < 100
    assert "\n" not in summary
    assert not summary.endswith(".")


@each_recipe
def test_presets_are_found_by_a_slash_and_lie_on_the_default(name):
    recipe = catalog.find(name)
    assert next(iter(recipe.presets)) == "default"
    for preset, settings in recipe.presets.items():
        assert catalog.find(f"{name}/{preset}") is recipe
        found = catalog.preset_of(f"{name}/{preset}")
        assert found == {**recipe.presets["default"], **settings}
    assert catalog.preset_of(name) == recipe.presets["default"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cnnn", "did you mean cnn?"), ("", "there are mlp"), ("boosting", "module:function"), ("transfr/x", "transfer")],
)
def test_a_recipe_that_is_not_there(name, hint):
    with pytest.raises(RecipeError, match="there is no recipe") as error:
        catalog.find(name)
    assert hint in str(error.value)


def test_a_preset_that_is_not_there():
    with pytest.raises(RecipeError, match=r"the recipe mlp has no preset 'huge'; it has default, small"):
        catalog.preset_of("mlp/huge")


def test_data_that_a_recipe_is_not_for():
    with pytest.raises(RecipeError, match="made has vector inputs, and the recipe cnn takes image"):
        catalog.find("cnn").check_data(facts())
    with pytest.raises(RecipeError, match="made is a detection task, and the recipe mlp is for: binary, multiclass"):
        catalog.find("mlp").check_data(facts(Kind.DETECTION, image()))
