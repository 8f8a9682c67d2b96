"""Replacing a method of one object for a while, past Keras' tracking of attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ABSENT = object()


class Patch:
    """One method of one object, replaced between `put_on` and `take_off`.

    Parameters
    ----------
    owner
        The object; its class and other objects of it are not touched.
    name
        The method.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = owner
        self._name = name
        self._before: Any = _ABSENT
        self._is_on = False

    def put_on(self, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace the method by what `make` makes of it; nothing happens where it is replaced already."""
        if self._is_on:
            return
        self._before = vars(self._owner).get(self._name, _ABSENT)
        # Keras' own __setattr__ would take the function for a part of the layer, and may be locked after build.
        object.__setattr__(self._owner, self._name, make(getattr(self._owner, self._name)))
        self._is_on = True

    def take_off(self) -> None:
        """Give the object its method back."""
        if not self._is_on:
            return
        self._is_on = False
        if self._before is _ABSENT:
            object.__delattr__(self._owner, self._name)
        else:
            object.__setattr__(self._owner, self._name, self._before)
