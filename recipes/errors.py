"""Errors that a person can mend: one line that says what, where and how."""

from __future__ import annotations

import re

#: Keras makes its messages bold.
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class RecipeError(Exception):
    """What was asked for cannot be done; the message is the whole story, in one line."""


class ConfigError(RecipeError):
    """A setting that does not exist, or a value that it cannot have."""


class UnaskedError(ConfigError):
    """A hyperparameter that the user's function does not ask for.

    Parameters
    ----------
    message
        As of any error.
    name
        Of the hyperparameter.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class DataError(RecipeError):
    """Data that cannot be trained on: names the file, and row and column where there are any."""


def one_line(error: BaseException) -> str:
    """Return what another library said, as part of a line of ours."""
    said = error.args[0] if isinstance(error, KeyError) and error.args else error  # Python quotes a key
    text = " ".join(_COLOURS.sub("", str(said)).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
