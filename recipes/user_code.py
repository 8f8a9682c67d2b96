"""Code of the user's own in a recipe: `diagnose.user_code`, with the errors that recipes tell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from diagnose import user_code
from recipes.errors import RecipeError


def function(name: str, error: type[RecipeError] = RecipeError) -> Callable[..., Any]:
    """Import a function of the user's (see `diagnose.user_code.function`).

    Raises
    ------
    RecipeError
        Of the class `error`: there is no such module or function, or the module fails; says where.
    """
    with _as(error):
        return user_code.function(name)


def call(name: str, called: Callable[..., Any], *arguments: Any, error: type[RecipeError] = RecipeError) -> Any:
    """Call a function of the user's, with as many of the arguments as it takes.

    Raises
    ------
    RecipeError
        Of the class `error`, in place of any exception of the user's; says which, and in which line.
    """
    with _as(error):
        return user_code.call(name, called, *arguments)


@contextlib.contextmanager
def _as(error: type[RecipeError]) -> Iterator[None]:
    """Raise errors of the user's code as `error`; one of a recipe's own says by itself what is wrong."""
    try:
        yield
    except user_code.UserCodeError as failure:
        if isinstance(failure.__cause__, RecipeError):
            raise failure.__cause__ from None
        raise error(str(failure)) from failure.__cause__
