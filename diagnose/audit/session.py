"""What Keras keeps for the whole process and hands to whatever is made next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keras.src.backend.common import global_state

#: Where Keras counts the names that it has given out.
NAMES = "object_name_uids"
#: Where it keeps the precision that layers get by default.
POLICY = "dtype_policy"


@contextmanager
def fresh(*kept: str) -> Iterator[None]:
    """Have things made as in a fresh process: no name and no type depends on what was made before.

    Parameters
    ----------
    kept
        What begins anew, `NAMES` or `POLICY`, and is put back in the end.
    """
    before = {name: global_state.get_global_attribute(name) for name in kept}
    for name in kept:
        global_state.set_global_attribute(name, None)  # Keras makes a new one
    try:
        yield
    finally:
        for name, value in before.items():
            global_state.set_global_attribute(name, value)
