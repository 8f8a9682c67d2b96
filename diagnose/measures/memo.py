"""Measures that several checks ask of the same object are taken once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def once_per_object(measure: Callable[[Key], Value]) -> Callable[[Key], Value]:
    """Keep the value of a pure function of one frozen object for as long as the object lives."""
    known: WeakKeyDictionary[Key, Value] = WeakKeyDictionary()

    @functools.wraps(measure)
    def remembered(key: Key) -> Value:
        try:
            return known[key]
        except KeyError:
            value = known[key] = measure(key)
            return value

    return remembered
