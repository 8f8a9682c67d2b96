"""Replacing a method of one object for a while, past Keras' tracking of attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ABSENT = object()
#: Where a replaced method says what it stands for.
_MARK = "_kerasdx_instead_of"


class Patch:
    """One method of one object, replaced between `put_on` and `take_off`.

    A training that is interrupted (Ctrl-C) takes nothing off. So a patch that is put on takes the place of one that was
    left, and the one that was left takes nothing off any more.

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
        self._ours: Any = None

    def put_on(self, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace the method by what `make` makes of it."""
        method = getattr(self._owner, self._name)
        self._before = vars(self._owner).get(self._name, _ABSENT)
        if hasattr(method, _MARK):
            method, self._before = getattr(method, _MARK)
        self._ours = make(method)
        setattr(self._ours, _MARK, (method, self._before))
        # Keras' own __setattr__ would take the function for a part of the layer, and may be locked after build.
        object.__setattr__(self._owner, self._name, self._ours)

    def take_off(self) -> None:
        """Give the object its method back, if it is this patch that it has."""
        if vars(self._owner).get(self._name, _ABSENT) is not self._ours:
            return
        if self._before is _ABSENT:
            object.__delattr__(self._owner, self._name)
        else:
            object.__setattr__(self._owner, self._name, self._before)
