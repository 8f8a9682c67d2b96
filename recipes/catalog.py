"""Which recipes there are, by name; a recipe's module is imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib

from recipes.config import Settings
from recipes.errors import RecipeError
from recipes.recipe import Recipe

#: The modules of this package that are recipes; each has `RECIPE`.
NAMES = ("mlp", "cnn", "transfer", "detector")


def find(name: str) -> Recipe:
    """Return a recipe.

    Parameters
    ----------
    name
        ``mlp``; ``mlp/small``, of which the preset does not matter here; or ``module:function``.

    Raises
    ------
    RecipeError
        There is none of this name, or the user's module cannot be imported.
    """
    if ":" in name:
        from recipes.user_model import recipe_of

        return recipe_of(name)
    base = name.partition("/")[0]
    if base not in NAMES:
        near = difflib.get_close_matches(base, NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}, and your own as module:function"
        raise RecipeError(f"there is no recipe {base!r}; {hint}")
    recipe = importlib.import_module(f"recipes.{base}").RECIPE
    assert isinstance(recipe, Recipe)
    return recipe


def preset_of(name: str) -> Settings:
    """Return the settings of the preset that a recipe's name names, ``default`` where it names none.

    Raises
    ------
    RecipeError
        There is no such recipe, or no such preset of it.
    """
    recipe = find(name)
    preset = "default" if ":" in name else name.partition("/")[2] or "default"
    if preset not in recipe.presets:
        raise RecipeError(f"the recipe {recipe.name} has no preset {preset!r}; it has {', '.join(recipe.presets)}")
    return {**recipe.presets["default"], **recipe.presets[preset]}
