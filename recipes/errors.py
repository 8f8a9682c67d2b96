"""Errors that a person can mend: one line that says what, where and how."""

from __future__ import annotations


class RecipeError(Exception):
    """What was asked for cannot be done; the message is the whole story, in one line."""


class ConfigError(RecipeError):
    """A setting that does not exist, or a value that it cannot have."""


class DataError(RecipeError):
    """Data that cannot be trained on: names the file, and row and column where there are any."""
